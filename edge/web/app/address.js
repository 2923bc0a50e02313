/**
 * What the studio shows stands in the address, so that a link is the picture.
 */

const whole = (text) => (/^-?\d+$/.test(text ?? "") ? Number(text) : null);

/** Reads the address: texts, whole numbers and lists of numbers; what is missing or broken is null. */
export function readAddress() {
  const query = new URLSearchParams(location.search);
  const numbers = query.get("amounts")?.split(",").map(Number) ?? [];
  return {
    model: query.get("model"),
    mode: query.get("mode"),
    function: query.get("function"),
    precision: query.get("precision"),
    seed: whole(query.get("seed")),
    to: whole(query.get("to")),
    count: whole(query.get("count")),
    compare: query.get("compare") === "1",
    condition: query.get("condition"),
    amounts: numbers.every(Number.isFinite) ? numbers : [],
  };
}

/** Writes what is not null into the address, without a new entry in the history. */
export function writeAddress(state) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (value === null || value === false || (Array.isArray(value) && !value.some(Boolean))) continue;
    query.set(name, value === true ? "1" : String(value));
  }
  history.replaceState(null, "", `?${query}`);
}
