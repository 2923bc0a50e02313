/**
 * Pictures from seeds and latent vectors. The noise is drawn inside the file, never here: a grid goes through
 * `generate_batch`, a way from seed to seed through `latents`, `slerp` and `generate`.
 */

import { conditionOf } from "./conditions.js";

const SEEDS = [-(2 ** 31), 2 ** 31 - 1];

const isPicture = ({ shape, dtype }) => dtype === "float32" && shape.length === 4 && [1, 3].includes(shape[3]);

/** The output of a signature that is a picture (or several), or undefined. */
export const pictureOutput = (card, signature) => card.signatures[signature]?.outputs.find(isPicture);

const takes = (card, signature, ...names) => {
  const inputs = card.signatures[signature]?.inputs ?? [];
  const others = inputs.filter((input) => input !== conditionOf(card, signature));
  return others.length === names.length && names.every((name) => others.some((input) => input.name === name));
};

/**
 * What a card's model can do with seeds.
 * @returns {{seeds: boolean, latents: boolean, directions: boolean}}
 */
export function abilities(card) {
  const seeds = takes(card, "generate_from_seed", "seed") && Boolean(pictureOutput(card, "generate_from_seed"));
  const latents =
    takes(card, "generate", "z") && takes(card, "latents", "seed") && Boolean(pictureOutput(card, "generate"));
  const length = card.signatures.generate?.inputs.find(({ name }) => name === "z")?.shape[1];
  const directions = latents && card.directions?.length > 0 && card.directions.every((each) => each.length === length);
  return { seeds, latents, directions };
}

/** Refuses seeds `first` to `first + count - 1` that are not whole numbers of 32 bits. */
export function checkSeeds(first, count) {
  const [low, high] = SEEDS;
  const last = first + count - 1;
  if (!Number.isInteger(first) || first < low || last > high) {
    throw new Error(`A seed must be a whole number from ${low} to ${high}.`);
  }
}

/** The condition of picture `index` as an input of a signature. */
function asked(card, signature, rows, index) {
  const input = conditionOf(card, signature);
  return input ? { [input.name]: rows[index % rows.length] } : {};
}

/** Lets the browser draw and answer before the next piece of work. */
const breathe = () => new Promise((resolve) => setTimeout(resolve));

/**
 * The pictures of seeds `first` to `first + count - 1`: groups of 16 at once where the file can, the rest one by one.
 * @param {object} model of `openModel`
 * @param {number} first
 * @param {number} count
 * @param {?Array} rows of `conditionRows`, null for a model without a condition
 * @returns {Promise<{pictures: Float32Array[], latency: {milliseconds: number, first: boolean}}>} latency of one
 */
export async function picturesOf(model, first, count, rows) {
  checkSeeds(first, count);
  const { card } = model;
  const batch = model.has("generate_batch") && (rows === null || rows.length === 1);
  const size = batch ? pictureOutput(card, "generate_batch").shape[0] : count + 1;
  const pictures = [];
  let signature = null;
  while (pictures.length < count) {
    const full = count - pictures.length >= size;
    signature = full ? "generate_batch" : "generate_from_seed";
    const inputs = { seed: Int32Array.of(first + pictures.length), ...asked(card, signature, rows, pictures.length) };
    const { data, shape } = (await model.run(signature, inputs))[pictureOutput(card, signature).name];
    const pixels = data.length / shape[0];
    for (let index = 0; index < shape[0]; index += 1) {
      pictures.push(data.subarray(index * pixels, (index + 1) * pixels));
    }
    await breathe();
  }
  const { milliseconds, first: preparing } = model.latency(signature);
  const made = pictureOutput(card, signature).shape[0];
  return { pictures, latency: { milliseconds: milliseconds / made, first: preparing } };
}

/** The latent vector behind the picture of a seed. */
export async function latentOf(model, seed) {
  checkSeeds(seed, 1);
  return (await model.run("latents", { seed: Int32Array.of(seed) })).z.data;
}

/** The picture of a latent vector; a conditional model draws the first of `rows`. */
export async function decode(model, z, rows) {
  const outputs = await model.run("generate", { z, ...asked(model.card, "generate", rows, 0) });
  return outputs[pictureOutput(model.card, "generate").name].data;
}

/**
 * Interpolates spherically between two vectors (Shoemake 1985; White 2016, arXiv:1609.04468).
 *
 *     z(t) = sin((1 - t) w) / sin(w) start + sin(t w) / sin(w) end,   w = angle between the two
 *
 * Parallel vectors have no unique path on a sphere and get the straight line.
 */
function slerp(start, end, t) {
  const dot = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
  const [from, to] = [Array.from(start), Array.from(end)];
  const lengths = Math.sqrt(dot(from, from) * dot(to, to));
  const cosine = lengths > 0 ? dot(from, to) / lengths : 1;
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const straight = Math.sin(angle) < 1e-6;
  const a = straight ? 1 - t : Math.sin((1 - t) * angle) / Math.sin(angle);
  const b = straight ? t : Math.sin(t * angle) / Math.sin(angle);
  return Float32Array.from(from, (value, index) => a * value + b * to[index]);
}

/**
 * Walks from the picture of one seed to that of another.
 * @returns {Promise<Float32Array[]>} `frames` pictures; the first is of `seedA`, the last of `seedB`
 */
export async function walk(model, seedA, seedB, frames, rows) {
  const start = await latentOf(model, seedA);
  const end = await latentOf(model, seedB);
  const pictures = [];
  for (let frame = 0; frame < frames; frame += 1) {
    pictures.push(await decode(model, slerp(start, end, frame / (frames - 1)), rows));
    if (frame % 8 === 7) await breathe();
  }
  return pictures;
}

/** The picture of a seed, moved along directions of latent space by as many amounts. */
export async function moved(model, seed, amounts, rows) {
  const z = (await latentOf(model, seed)).slice();
  amounts.forEach((amount, which) => {
    model.card.directions[which].forEach((value, place) => {
      z[place] += amount * value;
    });
  });
  return decode(model, z, rows);
}
