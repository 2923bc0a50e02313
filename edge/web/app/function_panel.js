/**
 * The panel for signatures that are fed something: a picture, a number, a row of numbers.
 */

import { afterPause, make, short, TYPING } from "./dom.js";
import { wayOf } from "./functions.js";
import { Pad } from "./sketch.js";
import { formOf, fromFile, fromSample, HOLE_TASK, isLively, MAP_TASK, samplesOf, toInput } from "./source.js";

/** Class names of a map, from the card's text for each channel. */
const classNames = (card, channels) =>
  Array.from({ length: channels }, (_, index) => card.channels?.[index]?.split(": ").at(-1) ?? `class ${index + 1}`);

function brushFields(card, pad, form) {
  const size = make("input", { type: "range", id: "brush", min: 1, max: 6, step: 1, value: pad.brush.size });
  size.addEventListener("input", () => {
    pad.brush.size = Number(size.value);
  });
  const fields = [make("div", { className: "field" }, make("label", { htmlFor: "brush" }, "Brush size"), size)];
  if (form.task === MAP_TASK) {
    const names = ["nothing", ...classNames(card, form.channels)];
    const select = make("select", { id: "class" }, ...names.map((name, value) => make("option", { value }, name)));
    select.value = String(pad.brush.mark);
    select.addEventListener("change", () => {
      pad.brush.mark = Number(select.value);
    });
    return [...fields, make("div", { className: "field" }, make("label", { htmlFor: "class" }, "Paint with"), select)];
  }
  const colour =
    form.colours === 3
      ? make("input", { type: "color", id: "shade", value: "#ffffff" })
      : make("input", { type: "range", id: "shade", min: 0, max: 255, value: 255 });
  colour.addEventListener("input", () => {
    const grey = Number(colour.value);
    pad.brush.colour =
      form.colours === 3 ? colour.value.match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16)) : [grey, grey, grey];
  });
  fields.push(
    make(
      "div",
      { className: "field" },
      make("label", { htmlFor: "shade" }, form.colours === 3 ? "Colour" : "Black to white"),
      colour,
    ),
  );
  if (form.task === HOLE_TASK) {
    const select = make(
      "select",
      { id: "tool" },
      make("option", { value: 1 }, "the hole"),
      make("option", { value: 0 }, "the picture"),
    );
    pad.brush.mark = 1;
    select.addEventListener("change", () => {
      pad.brush.mark = Number(select.value);
    });
    fields.push(make("div", { className: "field" }, make("label", { htmlFor: "tool" }, "Paint"), select));
  }
  return fields;
}

/** Marks of a hole in the middle, a third of each side. */
function middleHole({ height, width }) {
  const marks = new Uint8Array(height * width);
  for (let y = Math.round(height / 3); y < Math.round((2 * height) / 3); y += 1) {
    marks.fill(1, y * width + Math.round(width / 3), y * width + Math.round((2 * width) / 3));
  }
  return marks;
}

function uploadField(pad, form, failed) {
  const file = make("input", { type: "file", id: "upload", accept: "image/*" });
  let newest = null;
  file.addEventListener("click", () => {
    file.value = ""; // the same file may be chosen again
  });
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    newest = chosen;
    try {
      const { values, marks } = await fromFile(form, chosen);
      if (chosen === newest) pad.fill(values, marks);
    } catch (error) {
      if (chosen === newest) failed(error);
    }
  });
  return make("div", { className: "field" }, make("label", { htmlFor: "upload" }, "Or a picture of yours"), file);
}

async function sampleButtons(card, pad, form) {
  const response = await fetch(`exported/${card.name}/samples.png`).catch(() => null);
  const sheet = response?.ok ? await createImageBitmap(await response.blob()).catch(() => null) : null;
  if (!sheet) return []; // one draws without them
  const buttons = samplesOf(card, form, sheet).map((area, index) => {
    const { values, marks } = fromSample(form, sheet, area);
    const canvas = make("canvas", { width: form.width, height: form.height });
    canvas.getContext("2d").drawImage(sheet, ...area, 0, 0, form.width, form.height);
    const button = make("button", { type: "button", "aria-label": `Take sample ${index + 1}` }, canvas);
    button.addEventListener("click", () => pad.fill(values, form.task === HOLE_TASK ? middleHole(form) : marks));
    return { button, lively: form.task === MAP_TASK || isLively({ values }) };
  });
  (buttons.find(({ lively }) => lively) ?? buttons[0])?.button.click();
  return buttons.map(({ button }) => button);
}

function sourceText(card, { height, width, task }) {
  const size = `${height}×${width} pixels`;
  if (task === MAP_TASK) return `A map of ${size}: each colour is a class. Draw, take a sample, or choose a file.`;
  if (task === HOLE_TASK) return `A picture of ${size} with a hole. Draw, take a sample, or choose a file.`;
  const meaning = card.channels?.length === 1 ? ` (${card.channels[0]})` : "";
  return `A picture of ${size}${meaning}. Draw, take a sample, or choose a file.`;
}

async function pictureInput(card, form, changed, failed) {
  const pad = new Pad(form, changed);
  const samples = await sampleButtons(card, pad, form);
  const clear = make("button", { type: "button" }, "Clear");
  clear.addEventListener("click", () => pad.fill(pad.values.fill(0), pad.marks.fill(0)));
  const invert = make("button", { type: "button", hidden: form.task === MAP_TASK }, "Invert");
  invert.addEventListener("click", () =>
    pad.fill(
      pad.values.map((value) => 255 - value),
      pad.marks,
    ),
  );
  const row = make("div", { className: "samples", role: "group", "aria-label": "Samples of the card" }, ...samples);
  const elements = [
    make("p", { className: "small quiet" }, sourceText(card, form)),
    pad.canvas,
    make("div", { className: "row" }, ...brushFields(card, pad, form)),
    make("div", { className: "row" }, clear, invert),
    ...(samples.length ? [row] : []),
    uploadField(pad, form, failed),
  ];
  const read = () => {
    if (form.task === HOLE_TASK && !pad.marks.some(Boolean)) {
      throw new Error("The picture has no hole: paint one, it is what the model fills.");
    }
    return toInput(form, pad.values, pad.marks);
  };
  return { elements, read };
}

function numberInput(input, changed) {
  const [low, high] = input.range ?? [0, 1];
  const id = `input-${input.name}`;
  const slider = make("input", {
    type: "range",
    id,
    min: low,
    max: high,
    step: (high - low) / 200 || 1,
    value: (low + high) / 2,
  });
  const output = make("output", { htmlFor: id }, short(Number(slider.value)));
  slider.addEventListener("input", () => {
    output.textContent = short(Number(slider.value));
    changed();
  });
  const element = make(
    "div",
    { className: "slider" },
    make("label", { htmlFor: id }, input.meaning ?? input.name),
    output,
    slider,
  );
  return { elements: [element], read: () => Float32Array.of(Number(slider.value)) };
}

function rowInput(card, input, changed) {
  const length = input.shape[1];
  const example =
    card.examples?.find((each) => Array.isArray(each) && each.length === length) ?? new Array(length).fill(0);
  const id = `input-${input.name}`;
  const area = make("textarea", { id, rows: 4, value: example.join(", "), spellcheck: false });
  area.addEventListener("input", afterPause(changed, TYPING));
  const label = make(
    "label",
    { htmlFor: id },
    `${input.name}: ${length} numbers${input.meaning ? `, ${input.meaning}` : ""}`,
  );
  const read = () => {
    const numbers = area.value
      .split(/[\s,;]+/)
      .filter(Boolean)
      .map(Number);
    if (numbers.length !== length || !numbers.every(Number.isFinite)) {
      throw new Error(`${input.name} takes ${length} numbers, ${numbers.filter(Number.isFinite).length} were given.`);
    }
    return Float32Array.from(numbers);
  };
  return { elements: [make("div", { className: "field" }, label, area)], read };
}

/**
 * Makes the fields of one signature.
 * @param {object} card
 * @param {string} signature
 * @param {function(): void} changed
 * @param {function(Error): void} failed
 * @returns {Promise<{elements: Node[], read: function(): Object<string, Float32Array>}>} the fields and what they hold,
 *     by input; seed, condition and latent vector are not among them
 */
export async function functionPanel(card, signature, changed, failed) {
  const readers = {};
  const elements = [];
  for (const input of card.signatures[signature].inputs) {
    const way = wayOf(card, signature, input);
    const made = {
      picture: () => pictureInput(card, formOf(card, input.shape), changed, failed),
      number: () => numberInput(input, changed),
      row: () => rowInput(card, input, changed),
    }[way]?.();
    if (!made) continue;
    const { elements: fields, read } = await made;
    elements.push(...fields);
    readers[input.name] = read;
  }
  return { elements, read: () => Object.fromEntries(Object.entries(readers).map(([name, read]) => [name, read()])) };
}
