/**
 * What a card says, for people: the table of precisions, and the list of facts.
 */

import { figureOf } from "./card.js";
import { make, megabytes, short } from "./dom.js";

const NAMES = { fid: "FID", psnr: "PSNR (dB)", nll: "NLL (nats)", auroc: "AUROC", accuracy: "accuracy" };

/** Name of a figure of quality as people write it. */
const figureName = (name) => NAMES[name] ?? name.replaceAll("_", " ");

/**
 * Size, latency and main figure of every precision of a card, the ones that were not shipped with their reason.
 * @param {object} card
 * @returns {HTMLTableElement}
 */
export function precisionTable(card) {
  const entries = Object.entries(card.files);
  const figure = figureOf(entries.find(([, entry]) => figureOf(entry))?.[1]);
  const heads = ["size", "ms", ...(figure ? [figureName(figure[0])] : [])];
  const number = (text) => make("td", { className: "number" }, text);
  const rows = entries.map(([precision, entry]) => {
    const head = make("th", { scope: "row" }, precision);
    const quality = figure ? [number(short(entry.quality?.[figure[0]] ?? NaN))] : [];
    if ("not_shipped" in entry) {
      const reason = make("td", { colSpan: heads.length, className: "quiet" }, `not shipped: ${entry.not_shipped}`);
      return make("tr", {}, head, reason);
    }
    return make("tr", {}, head, number(megabytes(entry.bytes)), number(short(entry.latency_ms ?? NaN)), ...quality);
  });
  const columns = heads.map((head) => make("th", { scope: "col", className: "number" }, head));
  return make(
    "table",
    {},
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "precision"), ...columns)),
    make("tbody", {}, ...rows),
  );
}

const tensors = (list) => list.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(", ")}]`).join(", ");

function scoresOf(card) {
  const [precision, entry] = Object.entries(card.files).find(([, each]) => figureOf(each)) ?? [];
  if (!entry) return [];
  const numbers = Object.entries(entry.quality).filter(([, value]) => typeof value === "number");
  return [[`scores of ${precision}`, numbers.map(([name, value]) => `${figureName(name)} ${short(value)}`).join(", ")]];
}

/**
 * Facts of a card as a list of terms; what a card lacks is left out.
 * @param {object} card
 * @returns {HTMLDListElement}
 */
export function factList(card) {
  const { paper, dataset, training } = card;
  const facts = [
    [
      "paper",
      paper?.title &&
        make(
          "a",
          { href: paper.url, rel: "noreferrer" },
          [paper.title, paper.authors, paper.year].filter(Boolean).join(", "),
        ),
    ],
    ["data", dataset?.title && [dataset.title, dataset.licence].filter(Boolean).join(", ")],
    ["training", training?.seconds && `${short(training.seconds)} s, ${training.machine ?? "machine unknown"}`],
    ["task", card.task],
    ["source channels", card.channels?.join(", ")],
    ...scoresOf(card),
    ...Object.entries(card.signatures).map(([name, each]) => [
      name,
      `${tensors(each.inputs)} → ${tensors(each.outputs)}`,
    ]),
    ["commit", card.commit && make("code", {}, card.commit.slice(0, 12) + (card.dirty ? " with changes" : ""))],
    ["everything", make("a", { href: `exported/${card.name}/card.json` }, "card.json")],
  ];
  const shown = facts.filter(([, value]) => value);
  return make(
    "dl",
    { className: "facts" },
    ...shown.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
  );
}
