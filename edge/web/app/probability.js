/**
 * The probability page: one of ten distributions, its parameters, and samples that fall into a histogram.
 */

import { replaceQuery } from "./address.js";
import { DISTRIBUTIONS } from "./distributions.js";
import { byId, make, short } from "./dom.js";
import { drawHistogram, Histogram } from "./histogram.js";
import { keepForOffline } from "./offline.js";

const ENOUGH = 5000; // samples of one run
const IN_THE_AIR = 40;
const FALL = 0.06; // of the height, each frame

const query = new URLSearchParams(location.search);
const still = matchMedia("(prefers-reduced-motion: reduce)");
let law = null;
let values = {};
let histogram = null;
let falling = [];
let running = false;
let goal = 0; // samples at which a run ends

const density = (x) => law.density(x, values);

function draw() {
  drawHistogram(byId("plot"), histogram, density, falling);
  const row = (name, theory, sample) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, name),
      make("td", { className: "number" }, short(theory)),
      make("td", { className: "number" }, histogram.size ? short(sample) : "–"),
    );
  byId("numbers").tBodies[0].replaceChildren(
    row("mean", law.mean(values), histogram.mean),
    row("standard deviation", Math.sqrt(law.variance(values)), histogram.deviation),
  );
}

function report() {
  const { size } = histogram;
  const text =
    size === 0
      ? "No samples yet."
      : `${size.toLocaleString("en")} samples: mean ${short(histogram.mean)}, in theory ${short(law.mean(values))}.`;
  byId("status").textContent = text;
  byId("plot").setAttribute("aria-label", `Histogram of the ${law.title} distribution. ${text}`);
}

function stop() {
  running = false;
  byId("run").textContent = "Let samples fall";
  falling.forEach(({ value }) => histogram.add(value));
  falling = [];
  draw();
  report();
}

function drop() {
  const value = law.sample(values, Math.random);
  const bin = histogram.binOf(value);
  const seen = bin >= 0 && bin < histogram.counts.length;
  if (still.matches || !seen || falling.length >= IN_THE_AIR) histogram.add(value);
  else falling.push({ value, bin, height: 1 });
}

function frame() {
  falling.forEach((each) => {
    each.height -= FALL;
  });
  falling.filter(({ height }) => height <= 0).forEach(({ value }) => histogram.add(value));
  falling = falling.filter(({ height }) => height > 0);
  if (running) {
    const many = Math.ceil(1 + histogram.size / 60);
    for (let count = 0; count < many && histogram.size + falling.length < goal; count += 1) drop();
    if (histogram.size >= goal) stop();
  }
  draw();
  if (running || falling.length) requestAnimationFrame(frame);
  else report();
}

function begin() {
  if (falling.length === 0) requestAnimationFrame(frame);
  running = true;
  goal = histogram.size + falling.length + ENOUGH;
  byId("status").textContent = "Samples are falling.";
  byId("run").textContent = "Pause";
}

function clear() {
  running = false;
  falling = [];
  byId("run").textContent = "Let samples fall";
  histogram = new Histogram(Boolean(law.discrete), law.range(values));
  draw();
  report();
}

const bound = (value) => (typeof value === "function" ? value(values) : value);

function showParameters() {
  const fields = law.parameters.map((parameter) => {
    const { name, label = name, means, step } = parameter;
    const id = `parameter-${name}`;
    const slider = make("input", { type: "range", id, step });
    const output = make("output", { htmlFor: id });
    const place = () => {
      slider.min = bound(parameter.min);
      slider.max = bound(parameter.max);
      slider.value = values[name];
      values[name] = Number(slider.value);
      output.textContent = short(values[name]);
    };
    slider.addEventListener("input", () => {
      values[name] = Number(slider.value);
      places.forEach((each) => each());
      clear();
      remember();
    });
    return {
      place,
      field: make("div", { className: "slider" }, make("label", { htmlFor: id }, `${label}: ${means}`), output, slider),
    };
  });
  const places = fields.map(({ place }) => place);
  places.forEach((place) => place());
  byId("parameters").replaceChildren(...fields.map(({ field }) => field));
}

function remember() {
  replaceQuery(new URLSearchParams({ name: byId("distribution").value, ...values }));
}

function choose(name, start = new URLSearchParams()) {
  law = DISTRIBUTIONS[name];
  values = {};
  for (const parameter of law.parameters) {
    const given = Number(start.get(parameter.name) ?? NaN);
    values[parameter.name] = Number.isFinite(given) ? given : parameter.value;
  }
  byId("formula").textContent = law.formula;
  byId("example").textContent = law.example;
  showParameters();
  clear();
}

const select = byId("distribution");
select.append(...Object.entries(DISTRIBUTIONS).map(([value, { title }]) => make("option", { value }, title)));
select.value = Object.hasOwn(DISTRIBUTIONS, query.get("name")) ? query.get("name") : "normal";
choose(select.value, query);
select.addEventListener("change", () => {
  choose(select.value);
  remember();
});
byId("run").addEventListener("click", () => (running ? stop() : begin()));
byId("one").addEventListener("click", () => {
  if (falling.length === 0 && !running) requestAnimationFrame(frame);
  drop();
});
byId("clear").addEventListener("click", clear);
byId("controls").addEventListener("submit", (event) => event.preventDefault());
addEventListener("resize", draw);
addEventListener("themechange", draw);
keepForOffline();
