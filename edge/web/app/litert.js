/**
 * Opens `.tflite` files with LiteRT.js and runs their signatures: typed arrays in, typed arrays out.
 *
 * LiteRT's memory is not the browser's: every tensor is deleted here, in `Model.run`, and nowhere else.
 */

import { loadAndCompile, loadLiteRt, Tensor } from "../lib/litert.js";
import { sizeOf } from "./card.js";
import { checkGraph } from "./graph.js";

let starting = null;

/**
 * Loads the WebAssembly once: the build with relaxed SIMD, or the compatible one where a browser lacks that.
 * @returns {Promise<void>}
 */
export function startRuntime() {
  starting ??= loadLiteRt(new URL("../lib/wasm/", import.meta.url).href).catch((error) => {
    starting = null;
    throw new Error(`LiteRT does not start in this browser: ${reasonOf(error)}.`);
  });
  return starting;
}

function reasonOf(error) {
  const [line] = String(error?.message ?? error).split("\n");
  return line.replace(/\.$/, "") || "no reason given";
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** One opened file. `openModel` makes it. */
class Model {
  constructor(card, precision, compiled) {
    this.card = card;
    this.precision = precision;
    this.compiled = compiled;
    this.times = new Map(); // signature -> milliseconds of the first run and of the last ones
  }

  /** Whether the file has a signature. */
  has(signature) {
    return signature in this.compiled.signatures;
  }

  /**
   * Runs one signature.
   * @param {string} signature its name
   * @param {Object<string, Float32Array|Int32Array>} inputs one array for each input, in row-major order
   * @returns {Promise<Object<string, {data: Float32Array|Int32Array, shape: number[]}>>} by output name
   */
  async run(signature, inputs) {
    const runner = this.compiled.signatures[signature];
    if (!runner) throw new Error(`${this.card.name} has no signature ${signature}.`);
    const tensors = {};
    let outputs = {};
    try {
      for (const { name, shape, dtype } of runner.getInputDetails()) {
        const data = inputs[name];
        const wanted = dtype === "int32" ? Int32Array : Float32Array;
        if (!(data instanceof wanted) || data.length !== sizeOf(shape)) {
          throw new Error(`${name} of ${signature} must be ${dtype} ${Array.from(shape).join("x")}.`);
        }
        tensors[name] = new Tensor(data, Array.from(shape));
      }
      const start = performance.now();
      outputs = await runner.run(tensors);
      this.remember(signature, performance.now() - start);
      const shapes = Object.fromEntries(runner.getOutputDetails().map((each) => [each.name, Array.from(each.shape)]));
      const read = ([name, tensor]) => [name, { data: tensor.toTypedArray().slice(), shape: shapes[name] }];
      return Object.fromEntries(Object.entries(outputs).map(read));
    } finally {
      [...Object.values(tensors), ...Object.values(outputs)].forEach((tensor) => tensor.delete());
    }
  }

  remember(signature, milliseconds) {
    const { first = milliseconds, last = [] } = this.times.get(signature) ?? {};
    this.times.set(signature, { first, last: this.times.has(signature) ? [...last, milliseconds].slice(-20) : [] });
  }

  /**
   * How long a signature that has run takes: the median of its last runs; of the first, which prepares the network,
   * only as long as there is no other.
   * @returns {{milliseconds: number, first: boolean}}
   */
  latency(signature) {
    const { first, last } = this.times.get(signature);
    return last.length ? { milliseconds: median(last), first: false } : { milliseconds: first, first: true };
  }

  /** Frees the file's memory. */
  close() {
    this.compiled.delete();
  }
}

function describe(tensors) {
  return tensors
    .map(({ name, dtype, shape }) => `${name} ${dtype} ${Array.from(shape).join("x")}`)
    .sort()
    .join(", ");
}

function checkAgainstCard(card, compiled) {
  for (const [name, promised] of Object.entries(card.signatures)) {
    const found = compiled.signatures[name];
    if (!found) throw new Error(`the file has no signature ${name}, which its card promises`);
    for (const side of ["Input", "Output"]) {
      const has = describe(found[`get${side}Details`]());
      const wants = describe(promised[`${side.toLowerCase()}s`]);
      if (has !== wants) throw new Error(`${name} has ${side.toLowerCase()}s ${has}, but the card says ${wants}`);
    }
  }
}

/**
 * Opens a verified file, if its graphs are a plain computation.
 * @param {object} card
 * @param {string} precision
 * @param {Uint8Array} bytes of the file
 * @returns {Promise<Model>}
 */
export async function openModel(card, precision, bytes) {
  checkGraph(bytes, card.files[precision].file);
  await startRuntime();
  let compiled = null;
  try {
    compiled = await loadAndCompile(bytes, { accelerator: "wasm" });
    checkAgainstCard(card, compiled);
  } catch (error) {
    compiled?.delete();
    throw new Error(`LiteRT cannot open ${card.files[precision].file}: ${reasonOf(error)}.`);
  }
  return new Model(card, precision, compiled);
}
