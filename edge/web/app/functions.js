/**
 * What this page can do with a card's model, said plainly, and which of its signatures a form can be made for.
 *
 * Inputs that the page can give: `seed`, a condition that the card explains, a picture, one number, a row of numbers,
 * and a latent vector `z` where the file draws one from a seed. Outputs that it can show: pictures and rows of numbers.
 */

import { conditionOf } from "./conditions.js";
import { abilities, pictureOutput } from "./generator.js";
import { formOf } from "./source.js";

const LONGEST_ROW = 256; // numbers that somebody may want to type
const GENERATOR = ["generate", "generate_from_seed", "generate_batch", "decode"];

/**
 * How the page gives a signature one of its inputs.
 * @returns {"seed"|"condition"|"latent"|"picture"|"number"|"row"|null} null where it cannot
 */
export function wayOf(card, signature, input) {
  const { name, shape, dtype } = input;
  if (input === conditionOf(card, signature)) return "condition";
  if (dtype === "int32") return name === "seed" && shape.length === 1 && shape[0] === 1 ? "seed" : null;
  if (shape.length === 4 && shape[0] === 1) return formOf(card, shape) ? "picture" : null;
  if (shape.length > 2 || shape[0] !== 1) return null;
  const drawn = card.signatures.latents?.outputs.find((each) => each.name === name);
  if (drawn && drawn.shape.join() === shape.join()) return "latent";
  if (shape.length === 1) return "number";
  return shape[1] <= LONGEST_ROW ? "row" : null;
}

const canShow = ({ shape }) => shape.length <= 2 || (shape.length === 4 && shape[0] === 1 && [1, 3].includes(shape[3]));

/** Names of the signatures that the page has a form for, beside the pictures from seeds. */
export function runnable(card) {
  const { seeds } = abilities(card);
  return Object.keys(card.signatures).filter((name) => {
    if (name === "latents" || (seeds && GENERATOR.includes(name))) return false;
    const { inputs, outputs } = card.signatures[name];
    const pictures = inputs.filter((input) => wayOf(card, name, input) === "picture");
    return pictures.length <= 1 && inputs.every((input) => wayOf(card, name, input)) && outputs.some(canShow);
  });
}

const DRAWS = {
  label: "draws pictures of a class you choose",
  attributes: "draws pictures with attributes you set",
  tokens: "draws pictures of a text you write",
};

/**
 * One sentence that says what the page can do with a model.
 * @param {object} card
 * @returns {string}
 */
export function summaryOf(card) {
  const parts = [];
  if (abilities(card).seeds) {
    const condition = conditionOf(card, "generate_from_seed");
    parts.push(DRAWS[condition?.name] ?? "draws pictures from seeds");
  }
  const functions = runnable(card);
  const fed = functions.filter((name) =>
    card.signatures[name].inputs.some((input) => wayOf(card, name, input) === "picture"),
  );
  const drawn = fed.filter((name) => pictureOutput(card, name));
  if (drawn.length) parts.push("makes a picture out of a picture");
  if (fed.length > drawn.length) parts.push("takes a picture and gives numbers");
  if (functions.length > fed.length)
    parts.push(parts.length ? "has functions of numbers" : "takes numbers and gives results");
  if (parts.length === 0) return "This page cannot run it: only its card is shown.";
  const sentence = parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}` : parts[0];
  return `${sentence[0].toUpperCase()}${sentence.slice(1)}.`;
}
