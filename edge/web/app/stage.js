/**
 * Where results appear: pictures, their difference to fp32, and rows of numbers.
 */

import { byId, make, short } from "./dom.js";
import { drawDifference, drawGrid, toPng } from "./pixels.js";

/**
 * Shows pictures, or one of them where they are frames of an animation.
 * @param {{pictures: Float32Array[], shape: number[], caption: string}} result
 * @param {?number} frame
 */
export function showPictures({ pictures, shape, caption }, frame = null) {
  const canvas = byId("picture");
  const shown = frame === null ? pictures : [pictures[frame]];
  drawGrid(canvas, shown, shape);
  canvas.setAttribute("aria-label", caption);
  byId("caption").textContent = caption;
}

/** Shows how far pictures are from those of the fp32 file; null hides that. */
export function showDifference(result, reference) {
  byId("difference").hidden = !reference;
  if (!reference) return;
  const { largest, mean } = drawDifference(byId("gap"), result.pictures, reference.pictures, result.shape);
  const enlarged = largest > 0 ? `, shown ${short(2 / largest)} times as strong` : "";
  const text = `Difference to fp32: largest ${short(largest)}, mean ${short(mean)} (black to white is 2)${enlarged}`;
  byId("gap-caption").textContent = text;
  byId("gap").setAttribute("aria-label", text);
}

/** Names of the entries of a row, where the card has as many classes. */
function namesOf(card, length) {
  return [card.labels, card.dataset?.classes].find((names) => names?.length === length) ?? null;
}

/** A bar from 0 to a value, both as shares of the way from `low` to `high`. */
function barOf(value, low, high) {
  const fill = make("i");
  const place = (each) => (100 * (each - low)) / (high - low || 1);
  fill.style.left = `${place(Math.min(0, value))}%`;
  fill.style.width = `${place(Math.max(0, value)) - place(Math.min(0, value))}%`;
  return make("span", { className: "bar-track", "aria-hidden": "true" }, fill);
}

function barsOf(card, { name, data }) {
  const values = Array.from(data);
  if (values.length === 1) return [make("dt", {}, name), make("dd"), make("dd", {}, short(values[0]))];
  const names = namesOf(card, values.length);
  const largest = Math.max(...values);
  const lengths = names && name.startsWith("log") ? values.map((value) => Math.exp(value - largest)) : values;
  const [low, high] = [Math.min(0, ...lengths), Math.max(0, ...lengths)];
  return values.flatMap((value, index) => {
    const className = names && value === largest ? "best" : "";
    const label = names?.[index] ?? `${name.replaceAll("_", " ")} ${index}`;
    const bar = make("dd", {}, barOf(lengths[index], low, high));
    return [make("dt", { className }, label), bar, make("dd", { className }, short(value))];
  });
}

/** Shows the rows of numbers among the outputs of a function. */
export function showNumbers(card, outputs) {
  const list = byId("numbers");
  list.hidden = outputs.length === 0;
  list.replaceChildren(...outputs.flatMap((output) => barsOf(card, output)));
}

/** Shows words, for a model whose output is text. */
export function showText(text) {
  const list = byId("numbers");
  list.hidden = false;
  list.replaceChildren(make("dt", {}, "text"), make("dd", {}, text));
}

/** Shows or hides what belongs to a picture: some functions give none. */
export function withPicture(there) {
  byId("picture").closest("figure").hidden = !there;
  byId("save").hidden = !there;
}

/** Offers the picture as a file. */
export async function savePicture(name) {
  const url = URL.createObjectURL(await toPng(byId("picture")));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/**
 * Shares the address where the system can, else copies it.
 * @param {string} title
 * @param {string} opened what the link opens
 * @returns {Promise<string>} what was done
 */
export async function shareAddress(title, opened) {
  if (navigator.share) {
    try {
      await navigator.share({ title, url: location.href });
      return "Shared.";
    } catch (error) {
      if (error.name === "AbortError") return "Not shared.";
    }
  }
  try {
    await navigator.clipboard.writeText(location.href);
    return `The link is copied: it opens ${opened}.`;
  } catch {
    return `Copy the link from the address bar: ${location.href}`;
  }
}
