/**
 * The studio: one model, what it is asked for, and what it answers. The address says all of it but
 * pictures and numbers that a function is fed with.
 */

import { readAddress, settleAddress, writeAddress } from "./address.js";
import { conditionControl } from "./condition_control.js";
import { conditionOf } from "./conditions.js";
import { byId, make, megabytes, newestOnly, short } from "./dom.js";
import { factList, precisionTable } from "./facts.js";
import { functionPanel } from "./function_panel.js";
import { runnable, summaryOf, wayOf } from "./functions.js";
import { abilities, checkSeeds, latentOf, moved, picturesOf, pictureOutput, walk } from "./generator.js";
import { loadCard, loadOffered } from "./library.js";
import { startRuntime } from "./litert.js";
import { followUpdates, keepForOffline } from "./offline.js";
import { directionsPanel, randomSeed, walkPanel } from "./panels.js";
import { pictureAt } from "./pixels.js";
import { Session } from "./session.js";
import * as stage from "./stage.js";

const COUNTS = [1, 4, 9, 16, 36, 64, 100];
const FRAMES = 25;
const SLOW = 60; // milliseconds a picture, by the card, above which a grid begins small

const address = readAddress();
let card = null;
let session = null;
let modes = [];
let mode = null;
let condition = null; // of `conditionControl`
let amounts = () => [];
let way = null; // of `walkPanel`
let fed = null; // reads the fields of a function
let shown = null; // the last result, and what was asked for

const seed = () => byId("seed").valueAsNumber;
const precision = () => byId("precision").value;
const say = (text) => {
  byId("status").textContent = text;
};

function fail(error) {
  say("");
  byId("error").textContent = error.message;
}

const titleOf = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

/**
 * The ways of use that a card allows: seeds, directions, a way to another seed, and each signature with a form. What a
 * link `opens` is less than what is shown where something was drawn or typed.
 */
function modesOf() {
  const { seeds, latents, directions } = abilities(card);
  const grid = { id: "grid", title: "Grid", signature: "generate_from_seed", run: runGrid };
  const along = { id: "directions", title: "Directions", signature: "generate", run: runDirections };
  const between = { id: "walk", title: "Interpolate", signature: "generate", run: runWalk };
  const functionOf = (name) => ({ id: name, title: titleOf(name), signature: name, run: runFunction });
  return [
    ...(seeds ? [{ ...grid, opens: "this very picture" }] : []),
    ...(directions ? [{ ...along, opens: "this very picture" }] : []),
    ...(latents ? [{ ...between, opens: "this way from seed to seed" }] : []),
    ...runnable(card).map((name) => ({ ...functionOf(name), opens: "this model" })),
  ];
}

/** What is asked for now: all of it is read at once, since the fields may change while the model works. */
function asking() {
  const conditional = condition && conditionOf(card, mode.signature);
  return {
    mode,
    seed: seed(),
    to: mode.id === "walk" ? way.to() : null,
    count: mode.id === "grid" ? Number(byId("count").value) : null,
    rows: conditional ? condition.rows() : null, // a row for each example, one row, or null
    text: conditional ? condition.text() : null,
    amounts: mode.id === "directions" ? amounts() : null,
    inputs: mode.run === runFunction ? fed() : null,
    precision: precision(),
    compare: byId("compare").checked && precision() !== "fp32",
  };
}

async function runGrid(model, { seed: first, count, rows }) {
  const { pictures, latency } = await picturesOf(model, first, count, rows);
  const caption = count === 1 ? `Seed ${first}` : `Seeds ${first} to ${first + count - 1}`;
  return { pictures, shape: pictureOutput(card, "generate_from_seed").shape.slice(1), caption, latency };
}

async function runDirections(model, asked) {
  const picture = await moved(model, asked.seed, asked.amounts, asked.rows);
  const shape = pictureOutput(card, "generate").shape.slice(1);
  return {
    pictures: [picture],
    shape,
    caption: `Seed ${asked.seed}, moved along the directions`,
    latency: model.latency("generate"),
  };
}

async function runWalk(model, asked) {
  const pictures = await walk(model, asked.seed, asked.to, FRAMES, asked.rows);
  const caption = `On the way from seed ${asked.seed} to seed ${asked.to}`;
  return {
    pictures,
    shape: pictureOutput(card, "generate").shape.slice(1),
    caption,
    frames: true,
    latency: model.latency("generate"),
  };
}

async function runFunction(model, asked) {
  const { signature, title } = asked.mode;
  const inputs = { ...asked.inputs };
  for (const input of card.signatures[signature].inputs) {
    const kind = wayOf(card, signature, input);
    if (kind === "seed") {
      checkSeeds(asked.seed, 1);
      inputs[input.name] = Int32Array.of(asked.seed);
    }
    if (kind === "latent") inputs[input.name] = await latentOf(model, asked.seed);
    if (kind === "condition") [inputs[input.name]] = asked.rows;
  }
  const outputs = await model.run(signature, inputs);
  const { outputs: described } = card.signatures[signature];
  const picture = pictureOutput(card, signature);
  const numbers = described
    .filter((each) => each.shape.length <= 2)
    .map((each) => ({ ...outputs[each.name], name: each.name, dtype: each.dtype }));
  const caption = `${title}: what the model makes of it`;
  return {
    pictures: picture ? [outputs[picture.name].data] : [],
    shape: picture?.shape.slice(1),
    caption: picture ? caption : "",
    numbers,
    latency: model.latency(signature),
  };
}

function showNumbers(numbers = []) {
  const tokens = numbers.find(({ name, dtype }) => dtype === "int32" && name === "tokens" && card.vocabulary);
  if (tokens) stage.showText(Array.from(tokens.data, (place) => card.vocabulary[place] ?? "").join(" "));
  else stage.showNumbers(card, numbers);
}

function showLatency({ pictures, latency, asked }) {
  const entry = card.files[asked.precision];
  const unit = pictures.length ? "picture" : "run";
  const preparing = latency.first ? ", preparation included" : "";
  const here = `${short(latency.milliseconds)} ms a ${unit} here${preparing}`;
  const there = entry.latency_ms ? `; the card says ${short(entry.latency_ms)} ms` : "";
  byId("latency").textContent = `${here}${there}.`;
}

function remember(asked) {
  writeAddress({
    model: card.name,
    mode: modes.length > 1 ? asked.mode.id : null,
    seed: byId("panel-seed").hidden ? null : asked.seed,
    to: asked.to,
    count: asked.count,
    condition: asked.text,
    amounts: asked.amounts,
    precision: asked.precision,
    compare: asked.compare,
  });
}

/** Runs what is asked for and shows it, unless the mode has changed meanwhile: then another run follows. */
async function answer(asked) {
  const { run, title } = asked.mode;
  if (!session.opened.has(asked.precision)) say(`Fetching ${card.files[asked.precision].file} …`);
  const model = await session.model(asked.precision);
  if (mode !== asked.mode) return;
  const result = { ...(await run(model, asked)), asked };
  const reference = asked.compare && result.pictures.length ? await run(await session.model("fp32"), asked) : null;
  if (mode !== asked.mode) return;
  stage.withPicture(result.pictures.length > 0);
  if (result.pictures.length) stage.showPictures(result, result.frames ? 0 : null);
  stage.showDifference(result, reference);
  showNumbers(result.numbers);
  showLatency(result);
  shown = result;
  if (result.frames) way.begin(result.pictures.length);
  remember(asked);
  say(`Done: ${result.caption || title}, ${asked.precision}.`);
}

/** Answers what the fields ask for, with the picture or with a sentence on what is wrong. */
const refresh = newestOnly(async () => {
  if (mode.run === runFunction && !fed) return;
  const begun = mode;
  byId("error").textContent = "";
  byId("studio").setAttribute("aria-busy", "true");
  try {
    await answer(asking());
  } catch (error) {
    if (mode === begun) fail(error);
  } finally {
    byId("studio").removeAttribute("aria-busy");
    performance.mark("answer");
  }
});

async function enter(id) {
  mode = modes.find((each) => each.id === id) ?? modes[0];
  way?.stop();
  byId("studio").dataset.mode = mode.id;
  const { inputs } = card.signatures[mode.signature];
  const isFunction = mode.run === runFunction;
  const kinds = inputs.map((input) => wayOf(card, mode.signature, input));
  byId("panel-seed").hidden = isFunction && !kinds.some((kind) => ["seed", "latent", "condition"].includes(kind));
  byId("count-field").hidden = mode.id !== "grid";
  byId("seed-label").textContent = mode.id === "walk" ? "From seed" : mode.id === "grid" ? "First seed" : "Seed";
  byId("condition").hidden = !conditionOf(card, mode.signature);
  byId("panel-directions").hidden = mode.id !== "directions";
  byId("panel-walk").hidden = mode.id !== "walk";
  byId("panel-function").hidden = !isFunction;
  if (isFunction) {
    fed = null; // so that nothing runs before the fields are there
    const { elements, read } = await functionPanel(card, mode.signature, () => fed && refresh(), fail);
    if (mode.id !== id) return;
    fed = read;
    byId("panel-function").replaceChildren(...elements);
  }
  await refresh();
}

function fillModes() {
  const radios = modes.map(({ id, title }) => {
    const radio = make("input", { type: "radio", name: "mode", value: id });
    radio.addEventListener("change", () => enter(id));
    return make("label", {}, radio, make("span", {}, title));
  });
  byId("mode-list").replaceChildren(...radios);
  byId("modes").hidden = modes.length < 2;
  const start = modes.find(({ id }) => id === address.mode) ?? modes[0];
  byId("mode-list").querySelector(`input[value="${start.id}"]`).checked = true;
  return start.id;
}

function fillPrecisions() {
  const select = byId("precision");
  for (const name of session.precisions) {
    const missing = !session.here.includes(name);
    const option = make(
      "option",
      { value: name, disabled: missing },
      `${name}, ${megabytes(card.files[name].bytes)}${missing ? " (not on this site)" : ""}`,
    );
    select.append(option);
  }
  select.value = session.here.includes(address.precision) ? address.precision : session.smallest;
  const offer = () => {
    byId("compare-field").hidden = precision() === "fp32" || !session.here.includes("fp32");
  };
  select.addEventListener("change", () => {
    offer();
    refresh();
  });
  byId("compare").checked = address.compare;
  byId("compare").addEventListener("change", refresh);
  offer();
}

function fillSeeds() {
  byId("seed").value = address.seed ?? 0;
  byId("seed").addEventListener("change", refresh);
  byId("shuffle").addEventListener("click", () => {
    byId("seed").value = randomSeed();
    refresh();
  });
  const slow = (card.files[session.smallest].latency_ms ?? 0) > SLOW;
  const start = COUNTS.includes(address.count) ? address.count : slow ? 1 : 16;
  byId("count").append(...COUNTS.map((count) => make("option", { value: count }, String(count))));
  byId("count").value = String(start);
  byId("count").addEventListener("change", refresh);
  byId("picture").addEventListener("click", (event) => {
    if (mode.id !== "grid" || shown?.asked.mode !== mode || shown.asked.count === 1) return;
    const index = pictureAt(event, shown.asked.count, shown.shape);
    if (index === null) return;
    byId("seed").value = shown.asked.seed + index;
    byId("count").value = "1";
    refresh();
  });
}

function fillCondition() {
  const signature = modes.map((each) => each.signature).find((name) => conditionOf(card, name));
  if (!signature) return;
  condition = conditionControl(card, conditionOf(card, signature), address.condition, refresh);
  byId("condition").replaceChildren(...condition.elements);
}

/** Shows a picture of the way, as soon as there is one. */
function showFrame(frame) {
  if (shown?.frames) stage.showPictures(shown, frame);
}

function showCard() {
  document.title = `${card.title} – Generative zoo`;
  byId("title").textContent = card.title;
  byId("paper").textContent = summaryOf(card);
  byId("about").replaceChildren(
    make("h2", {}, "About this model"),
    make("div", { className: "scroll" }, precisionTable(card)),
    factList(card),
  );
  byId("about").hidden = false;
}

function fillActions() {
  byId("save").addEventListener("click", () => stage.savePicture(`${card.name}_${mode.id}_${seed() || 0}.png`));
  byId("share").addEventListener("click", async () => {
    settleAddress();
    say(await stage.shareAddress(card.title, mode.opens));
  });
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
}

async function open() {
  if (!address.model) throw new Error("No model was chosen: open one from the gallery.");
  startRuntime().catch(() => {}); // meanwhile; whoever needs it reports the error
  const [opened, offered] = await Promise.all([loadCard(address.model), loadOffered()]);
  card = opened;
  showCard();
  session = new Session(card, offered);
  modes = modesOf();
  if (modes.length === 0) {
    say("");
    return;
  }
  if (session.here.length === 0) throw new Error(`No file of ${card.name} is on this site: only its card is shown.`);
  fillPrecisions();
  fillSeeds();
  fillCondition();
  if (abilities(card).directions) amounts = directionsPanel(card, address.amounts, refresh);
  if (abilities(card).latents) way = walkPanel(address.to, refresh, showFrame);
  fillActions();
  byId("studio").hidden = false;
  await enter(fillModes());
}

followUpdates();
await open().catch(fail);
keepForOffline();
