/**
 * A few lines that make and find elements.
 */

/** The element with an id. */
export const byId = (id) => document.getElementById(id);

/**
 * Makes an element.
 * @param {string} tag
 * @param {object} [properties] as JavaScript knows them; names with a dash become attributes
 * @param {...(Node|string)} children
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** A number for people: three significant digits at most. */
export function short(value) {
  if (!Number.isFinite(value)) return "–";
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return value.toLocaleString("en", { maximumFractionDigits: 0 });
  return Number(value.toPrecision(magnitude < 0.01 ? 2 : 3)).toString();
}

/** Bytes for people. */
export const megabytes = (bytes) => (bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

/** Milliseconds without a key after which somebody has finished typing. */
export const TYPING = 600;

/**
 * Wraps work so that it is done once, when nobody has asked for it for a while.
 * @param {function(): void} work
 * @param {number} milliseconds
 * @returns {function(): void}
 */
export function afterPause(work, milliseconds) {
  let timer = null;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, milliseconds);
  };
}

/**
 * Wraps asynchronous work so that only one runs at a time: what is asked for meanwhile is done once, afterwards, with
 * the newest arguments.
 * @param {function(...*): Promise<void>} work must not reject
 */
export function newestOnly(work) {
  let running = false;
  let waiting = null;
  return async function run(...words) {
    if (running) {
      waiting = words;
      return;
    }
    running = true;
    await work(...words);
    running = false;
    if (waiting) {
      const next = waiting;
      waiting = null;
      await run(...next);
    }
  };
}
