/**
 * What a page shows stands in its address, so that a link is the picture. Pictures and numbers that a function is fed
 * with do not.
 */

import { afterPause } from "./dom.js";

const PAUSE = 400; // milliseconds; Safari refuses the 101st change of an address in 30 seconds

const whole = (text) => (/^-?\d+$/.test(text ?? "") ? Number(text) : null);

/** Reads the address: texts, whole numbers and lists of numbers; what is missing or broken is null. */
export function readAddress() {
  const query = new URLSearchParams(location.search);
  const numbers = query.get("amounts")?.split(",").map(Number) ?? [];
  return {
    model: query.get("model"),
    mode: query.get("mode"),
    precision: query.get("precision"),
    seed: whole(query.get("seed")),
    to: whole(query.get("to")),
    count: whole(query.get("count")),
    compare: query.get("compare") === "1",
    condition: query.get("condition"),
    amounts: numbers.every(Number.isFinite) ? numbers : [],
  };
}

let newest = null; // of the queries that are to be in the address

/** Puts the newest query into the address now, without a new entry in the history. */
export function settleAddress() {
  if (newest !== null) history.replaceState(null, "", `?${newest}`);
}

const settleSoon = afterPause(settleAddress, PAUSE);

/**
 * Puts a query into the address as soon as nothing newer has come for a moment.
 * @param {URLSearchParams} query
 */
export function replaceQuery(query) {
  newest = query;
  settleSoon();
}

/** Writes what is not null into the address, in a moment. */
export function writeAddress(state) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (value === null || value === false || (Array.isArray(value) && !value.some(Boolean))) continue;
    query.set(name, value === true ? "1" : String(value));
  }
  replaceQuery(query);
}
