/**
 * What is inside a `.tflite` file, read before LiteRT's native code sees it, by the rules of `edge/graph.py`.
 *
 * A `.tflite` file is a FlatBuffer, little endian. A table begins with the way back to its vtable, which says for every
 * field how far behind the table's begin it stands, or 0 where it is left out; a field is a number, or the way on to a
 * list. What a file says is bounded before it is followed: reads beyond its end are RangeErrors of DataView, lists that
 * reach beyond it are RangeErrors of `list`, and `checkGraph` makes a sentence of them.
 */

import { MAX_CODES, MAX_GRAPHS, MAX_PARTS, MAX_RANK, MAX_TENSOR, MAX_TOTAL, NUMBERS } from "../operations.js";

// Fields of the tables of LiteRT's schema, by their place in the vtable.
const MODEL = { operatorCodes: 1, subgraphs: 2, buffers: 4, externalBufferGroups: 8, externalBuffers: 9 };
const OPERATOR_CODE = { deprecatedBuiltinCode: 0, builtinCode: 3 };
const SUBGRAPH = { tensors: 0, operators: 3 };
const TENSOR = { shape: 0 };
const BUFFER = { data: 0, offset: 1 };

const IDENTIFIER = "TFL3"; // bytes 4 to 7
const POINTER = 4; // bytes
const CUSTOM = 32; // the number of all custom operations

const PLAIN = new Set(Object.values(NUMBERS));

/** One table of the file. */
class Table {
  constructor(view, start) {
    this.view = view;
    this.start = start;
    this.vtable = start - view.getInt32(start, true);
    this.vtableBytes = view.getUint16(this.vtable, true);
  }

  /** Where a field stands, or 0 where it is left out. */
  place(field) {
    const entry = 2 * (field + 2); // behind the sizes of vtable and table
    const way = entry < this.vtableBytes ? this.view.getUint16(this.vtable + entry, true) : 0;
    return way && this.start + way;
  }

  int8(field) {
    const place = this.place(field);
    return place && this.view.getInt8(place);
  }

  int32(field) {
    const place = this.place(field);
    return place && this.view.getInt32(place, true);
  }

  uint64(field) {
    const place = this.place(field);
    return place ? this.view.getBigUint64(place, true) : 0n;
  }

  /** A list whose entries have so many bytes: where the first one is, and how many there are. */
  list(field, bytes) {
    const place = this.place(field);
    if (!place) return { first: 0, length: 0 };
    const start = place + this.view.getUint32(place, true);
    const length = this.view.getUint32(start, true);
    const first = start + 4;
    if (first + length * bytes > this.view.byteLength) throw new RangeError("a list reaches beyond the file");
    return { first, length };
  }

  /** The tables of a list; no real file has more than so many. */
  *tables(field, most) {
    const { first, length } = this.list(field, POINTER);
    if (length > most) throw new RangeError(`${length} entries`);
    for (let place = first; place < first + length * POINTER; place += POINTER) {
      yield new Table(this.view, place + this.view.getUint32(place, true));
    }
  }
}

const commas = (number) => number.toLocaleString("en-US");

/** The end of a sentence about operations outside the list, or null. */
function foreignOperations(model) {
  const foreign = new Set();
  for (const code of model.tables(MODEL.operatorCodes, MAX_CODES)) {
    // Numbers up to 126 stand in the field of old files, where newer ones have a placeholder.
    const number = Math.max(code.int32(OPERATOR_CODE.builtinCode), code.int8(OPERATOR_CODE.deprecatedBuiltinCode));
    if (!PLAIN.has(number)) foreign.add(number === CUSTOM ? "CUSTOM" : `number ${number}`);
  }
  if (foreign.size === 0) return null;
  return `it has operations that no model of this zoo is made of: ${[...foreign].sort().slice(0, 5).join(", ")}`;
}

/** The end of a sentence about what is beyond the bounds, or null. */
function tooLarge(model) {
  const graphs = model.list(MODEL.subgraphs, POINTER).length;
  if (graphs < 1 || graphs > MAX_GRAPHS) return `it has ${graphs} graphs, there may be 1 to ${MAX_GRAPHS}`;
  let parts = 0;
  let total = 0;
  for (const graph of model.tables(MODEL.subgraphs, MAX_GRAPHS)) {
    for (const field of Object.values(SUBGRAPH)) parts += graph.list(field, POINTER).length;
    if (parts > MAX_PARTS) return `it has more than ${commas(MAX_PARTS)} tensors and operations`;
    for (const tensor of graph.tables(SUBGRAPH.tensors, MAX_PARTS)) {
      const { first, length: rank } = tensor.list(TENSOR.shape, 4);
      if (rank > MAX_RANK) return `a tensor has ${rank} axes, there may be ${MAX_RANK}`;
      let numbers = 1;
      for (let axis = 0; axis < rank; axis += 1) {
        const length = tensor.view.getInt32(first + 4 * axis, true);
        if (length < 0) return `a tensor has ${length} entries along an axis`;
        numbers *= length;
      }
      total += numbers;
      if (numbers > MAX_TENSOR || total > MAX_TOTAL)
        return `a tensor has ${commas(numbers)} numbers, all up to there ${commas(total)}: too many`;
    }
  }
  return null;
}

/** The end of a sentence about weights that are elsewhere, or null; RangeError where they are cut off. */
function distantWeights(model) {
  let distant = model.list(MODEL.externalBufferGroups, 0).length + model.list(MODEL.externalBuffers, 0).length > 0;
  for (const buffer of model.tables(MODEL.buffers, MAX_PARTS)) {
    buffer.list(BUFFER.data, 1);
    distant ||= buffer.uint64(BUFFER.offset) > 1n; // behind the FlatBuffer, as those of files beyond 2 GB
  }
  return distant ? "its weights are not in the file itself" : null;
}

/**
 * Refuses a file whose graphs are no plain, bounded computation, with an Error that is a sentence.
 * @param {Uint8Array} bytes of the file
 * @param {string} name of the file, for the sentence
 */
export function checkGraph(bytes, name) {
  const damaged = (reason) => new Error(`LiteRT cannot open ${name}, it is damaged: ${reason}.`);
  if (String.fromCharCode(...bytes.subarray(4, 8)) !== IDENTIFIER) throw damaged("it is no TFLite file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let reason;
  try {
    const model = new Table(view, view.getUint32(0, true));
    reason = foreignOperations(model) ?? tooLarge(model) ?? distantWeights(model);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw damaged("its tables lead nowhere");
  }
  if (reason) throw new Error(`${name} is refused: ${reason}.`);
}
