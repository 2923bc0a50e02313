/**
 * The gallery: every model of the index with its samples, and quality, size and latency of each precision.
 */

import { byId, make } from "./dom.js";
import { precisionTable } from "./facts.js";
import { summaryOf } from "./functions.js";
import { abilities, pictureOutput } from "./generator.js";
import { loadCard, loadIndex } from "./library.js";
import { followUpdates, keepForOffline } from "./offline.js";

/** Authors and year of a card's paper, as they are cited. */
function paperOf({ paper }) {
  if (!paper?.authors) return "";
  const names = paper.authors.split(", ");
  const cited = names.length > 2 ? `${names[0]} and others` : names.join(" and ");
  return paper.year ? `${cited}, ${paper.year}` : cited;
}

function tileOf({ name, title }, card) {
  const link = make("a", { href: `studio.html?model=${encodeURIComponent(name)}` }, title);
  const samples = make("img", { src: `exported/${name}/samples.png`, alt: `Samples of ${title}`, loading: "lazy" });
  const ladder = make("img", {
    src: `exported/${name}/ladder.svg`,
    className: "ladder",
    alt: `Quality against size and latency of each precision of ${title}; the table has the numbers`,
    loading: "lazy",
  });
  for (const picture of [samples, ladder]) {
    picture.addEventListener("error", () => picture.remove()); // not every model has them
  }
  return make(
    "li",
    { className: "tile" },
    samples,
    make(
      "div",
      { className: "text" },
      make("h2", {}, link),
      make("p", { className: "says" }, summaryOf(card)),
      make("p", { className: "small quiet" }, paperOf(card)),
      ladder,
      precisionTable(card),
    ),
  );
}

function brokenTile({ title }, error) {
  const text = make(
    "div",
    { className: "text" },
    make("h2", {}, title),
    make("p", { className: "says" }, error.message),
  );
  return make("li", { className: "tile broken" }, text);
}

/** Place of a card among the others: what draws comes first, then what changes pictures, then what judges. */
function rankOf(card) {
  if (!card) return 3;
  if (abilities(card).seeds) return 0;
  return Object.keys(card.signatures).some((name) => pictureOutput(card, name)) ? 1 : 2;
}

function filterTiles(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const tiles = [...byId("gallery").children];
  for (const tile of tiles) {
    const text = `${tile.dataset.words} ${tile.textContent}`.toLowerCase();
    tile.hidden = !wanted.every((word) => text.includes(word));
  }
  const shown = tiles.filter((tile) => !tile.hidden).length;
  byId("status").textContent = `${shown} of ${tiles.length} models`;
}

async function show() {
  const { models, faults } = await loadIndex();
  const cards = await Promise.allSettled(models.map(({ name }) => loadCard(name)));
  const tiles = models.map((model, index) => {
    const { value, reason } = cards[index];
    const tile = value ? tileOf(model, value) : brokenTile(model, reason);
    const words = [model.name, value?.paper?.title, value?.paper?.authors, value?.dataset?.title];
    tile.dataset.words = words.filter(Boolean).join(" ");
    return { tile, rank: rankOf(value) };
  });
  byId("gallery").append(...tiles.sort((one, other) => one.rank - other.rank).map(({ tile }) => tile));
  byId("status").textContent = `${models.length} models`;
  byId("error").textContent = faults.join("; ");
  byId("search").addEventListener("input", (event) => filterTiles(event.target.value));
}

followUpdates();
try {
  await show();
} catch (error) {
  byId("status").textContent = "";
  byId("error").textContent = error.message;
}
if (document.readyState === "complete") keepForOffline();
else addEventListener("load", keepForOffline);
