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
  canvas.closest("figure").hidden = false;
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

function barsOf(card, { name, data }) {
  const values = Array.from(data);
  const names = values.length > 1 ? namesOf(card, values.length) : null;
  const best = values.indexOf(Math.max(...values));
  const shares = name.includes("log")
    ? values.map((value) => Math.exp(value - values[best]))
    : values.map((value) => Math.abs(value) / Math.max(...values.map(Math.abs), 1e-9));
  return values.flatMap((value, index) => {
    const label = names?.[index] ?? (values.length > 1 ? `${name} ${index}` : name);
    const className = values.length > 1 && index === best ? "best" : "";
    const bar = values.length > 1 ? make("meter", { min: 0, max: 1, value: shares[index], "aria-hidden": "true" }) : "";
    return [make("dt", { className }, label), make("dd", {}, bar), make("dd", { className }, short(value))];
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

/** Hides the picture, where a function gives none. */
export function hidePicture() {
  byId("picture").closest("figure").hidden = true;
}

/** Offers the picture as a file. */
export async function savePicture(name) {
  const url = URL.createObjectURL(await toPng(byId("picture")));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Shares the address where the system can, else copies it; says what it did. */
export async function shareAddress(title) {
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
    return "The link is copied: it opens this very picture.";
  } catch {
    return `Copy the link from the address bar: ${location.href}`;
  }
}
