/**
 * The panels of the studio's two ways through latent space: along directions, and from seed to seed.
 */

import { byId, make, short } from "./dom.js";

const FARTHEST = 4; // along a direction of length 1; latent numbers are standard normal
const MILLISECONDS_PER_FRAME = 80;

/**
 * Fills the panel of directions with a slider each.
 * @param {object} card
 * @param {number[]} start amounts
 * @param {function(): void} changed
 * @returns {function(): number[]} the amounts
 */
export function directionsPanel(card, start, changed) {
  const sliders = card.directions.map((_, place) => {
    const id = `direction-${place}`;
    const slider = make("input", {
      type: "range",
      id,
      min: -FARTHEST,
      max: FARTHEST,
      step: 0.05,
      value: start[place] ?? 0,
    });
    const output = make("output", { htmlFor: id });
    const label = () => {
      output.textContent = short(Number(slider.value));
    };
    slider.addEventListener("input", () => {
      label();
      changed();
    });
    label();
    const field = make(
      "div",
      { className: "slider" },
      make("label", { htmlFor: id }, `Direction ${place + 1}`),
      output,
      slider,
    );
    return { slider, label, field };
  });
  const reset = make("button", { type: "button" }, "Back to the seed");
  reset.addEventListener("click", () => {
    for (const { slider, label } of sliders) {
      slider.value = 0;
      label();
    }
    changed();
  });
  const says = make(
    "p",
    { className: "small quiet" },
    "The directions that change the first layer most, strongest first.",
  );
  byId("panel-directions").replaceChildren(says, ...sliders.map(({ field }) => field), reset);
  return () => sliders.map(({ slider }) => Number(slider.value));
}

/**
 * Fills the panel of the way to another seed.
 * @param {?number} start the other seed
 * @param {function(): void} changed called when the seed changes
 * @param {function(number): void} showFrame
 * @returns {{to: function(): number, begin: function(number): void, stop: function(): void, frame: function(): number}}
 */
export function walkPanel(start, changed, showFrame) {
  const seed = make("input", {
    type: "number",
    id: "to",
    step: 1,
    min: -(2 ** 31),
    max: 2 ** 31 - 1,
    value: start ?? 8,
    required: true,
    inputMode: "numeric",
  });
  const scrub = make("input", { type: "range", id: "frame", min: 0, max: 1, step: 1, value: 0 });
  const play = make("button", { type: "button", className: "main" }, "Play");
  let timer = null;
  let step = 1;

  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };
  const advance = () => {
    const frame = Number(scrub.value);
    if (frame + step > Number(scrub.max) || frame + step < 0) step = -step;
    scrub.value = frame + step;
    showFrame(Number(scrub.value));
  };
  const begin = (frames) => {
    scrub.max = frames - 1;
    showFrame(Number(scrub.value));
  };
  play.addEventListener("click", () => {
    if (timer) {
      stop();
      return;
    }
    play.textContent = "Pause";
    timer = setInterval(advance, MILLISECONDS_PER_FRAME);
  });
  scrub.addEventListener("input", () => {
    stop();
    showFrame(Number(scrub.value));
  });
  seed.addEventListener("change", changed);
  const shuffle = make("button", { type: "button" }, "Shuffle");
  shuffle.setAttribute("aria-label", "Shuffle the other seed");
  shuffle.addEventListener("click", () => {
    seed.value = randomSeed();
    changed();
  });
  byId("panel-walk").replaceChildren(
    make(
      "div",
      { className: "row" },
      make("div", { className: "field" }, make("label", { htmlFor: "to" }, "To seed"), seed),
      shuffle,
    ),
    make("div", { className: "field" }, make("label", { htmlFor: "frame" }, "On the way"), scrub),
    play,
  );
  return { to: () => seed.valueAsNumber, begin, stop, frame: () => Number(scrub.value) };
}

/** A seed nobody chose, short enough to be said. */
export const randomSeed = () => Math.floor(Math.random() * 100000);
