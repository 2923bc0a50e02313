/**
 * Fetches index, cards and model files; a model file is verified against its card and then kept by its hash.
 */

import { isPlainName, readCard, readIndex } from "./card.js";

const MODELS = "models"; // name of the browser's cache that outlives versions of the page

async function fetchJson(path) {
  const response = await fetch(path, { cache: "no-cache" }).catch(() => null);
  if (!response) throw new Error(`${path} is not kept here, and there is no connection.`);
  if (!response.ok) throw new Error(`${path} is not there (${response.status}).`);
  try {
    return await response.json();
  } catch {
    throw new Error(`${path} is not valid JSON.`);
  }
}

/** The models of the index, as {name, title}, and the faults of its other entries. */
export const loadIndex = async () => readIndex(await fetchJson("exported/index.json"));

/** The checked card of one model. */
export async function loadCard(name) {
  if (!isPlainName(name)) throw new Error(`${name} is not the name of a model.`);
  return readCard(await fetchJson(`exported/${name}/card.json`), name);
}

/** Paths of the model files that this site offers: not every precision of a card has to be there. */
export async function loadOffered() {
  const paths = await fetchJson("offered.json");
  return new Set(Array.isArray(paths) ? paths : []);
}

/** Path of the file of one precision. */
export const pathOf = (card, precision) => `exported/${card.name}/${card.files[precision].file}`;

/** The sha256 of bytes, in hexadecimal digits. */
export async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) {
    throw new Error("This address is neither https nor localhost, so the browser cannot verify model files.");
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function readAtMost(response, limit) {
  const reader = response.body.getReader();
  const bytes = new Uint8Array(limit);
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes.subarray(0, length);
    if (length + value.length > limit) {
      await reader.cancel();
      return null;
    }
    bytes.set(value, length);
    length += value.length;
  }
}

/**
 * The bytes of a model file, from the browser's cache or the network; never other bytes than the card promises. A
 * browser that has no room for the file uses it all the same.
 * @param {object} card
 * @param {string} precision one of the card's that is shipped
 * @returns {Promise<Uint8Array>}
 */
export async function loadModelFile(card, precision) {
  const entry = card.files[precision];
  const path = pathOf(card, precision);
  const key = new URL(`${MODELS}/${entry.sha256}`, location.href).href;
  const cache = await globalThis.caches?.open(MODELS).catch(() => null);
  const kept = await cache?.match(key);
  if (kept) {
    const bytes = new Uint8Array(await kept.arrayBuffer());
    if ((await sha256(bytes)) === entry.sha256) return bytes;
    await cache.delete(key);
  }
  let response;
  try {
    response = await fetch(path, { cache: "no-cache" });
  } catch {
    throw new Error(`${entry.file} was never opened here, and there is no connection now.`);
  }
  if (!response.ok) throw new Error(`${entry.file} is not on this site (${response.status}).`);
  const bytes = await readAtMost(response, entry.bytes);
  if (bytes === null || bytes.length !== entry.bytes || (await sha256(bytes)) !== entry.sha256) {
    throw new Error(
      `${entry.file} does not match the sha256 in its card: it is damaged or of another export, and is refused. ` +
        "If the site has just changed, reload the page.",
    );
  }
  const copy = new Response(bytes.slice(), { headers: { "Content-Type": "application/octet-stream" } });
  await cache?.put(key, copy).catch((error) => console.warn(`${entry.file} is not kept:`, error));
  return bytes;
}
