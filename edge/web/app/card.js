/**
 * Reads the index and the cards of exported models, and refuses what is not of their form.
 *
 * A card comes over a network like everything else, so nothing of it is used before it was looked at here: names,
 * shapes, sizes, hashes, and paths that could lead out of `exported/`.
 */

const SCHEMA = 1;
const LARGEST_FILE = 64e6; // bytes
const LARGEST_TENSOR = 4e6; // numbers
const DTYPES = ["float32", "int32"];
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const SHA256 = /^[0-9a-f]{64}$/;

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value) => typeof value === "string" && value.length <= 2000;
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const isList = (value, check) => Array.isArray(value) && value.length <= 100000 && value.every(check);
const isRange = (value) => isList(value, isNumber) && value.length === 2 && value[0] <= value[1];

function demand(condition, sentence) {
  if (!condition) throw new Error(sentence);
}

/** Whether a name is one plain part of a path: no folder, no way out. */
export const isPlainName = (name) => isText(name) && PLAIN_NAME.test(name) && !name.includes("..");

/** Number of elements of a tensor. */
export const sizeOf = (shape) => shape.reduce((product, side) => product * side, 1);

/** What is wrong with an entry of an index, or null. */
function faultOf(entry) {
  const { name, title, card } = isObject(entry) ? entry : {};
  if (!isPlainName(name) || !isText(title)) return `the index has an entry without a plain name and a title: ${name}`;
  return card === `${name}/card.json` ? null : `the index sends ${name} out of its folder, to ${card}`;
}

/**
 * Checks an index. A broken entry is left out and spoils no other.
 * @param {unknown} index parsed JSON of `exported/index.json`
 * @returns {{models: {name: string, title: string}[], faults: string[]}} its models, and what is wrong with the others
 */
export function readIndex(index) {
  demand(isObject(index), "the index of the models is not an object");
  demand(index.schema === SCHEMA, `the index has schema ${index.schema}, but this page reads schema ${SCHEMA}`);
  demand(Array.isArray(index.models), "the index has no list of models");
  return {
    models: index.models.filter((entry) => faultOf(entry) === null),
    faults: index.models.map(faultOf).filter((fault) => fault !== null),
  };
}

function checkTensor(where, tensor) {
  demand(isObject(tensor) && isText(tensor.name) && tensor.name, `${where} has an input or output without a name`);
  const sides = tensor.shape;
  const whole = isList(sides, (side) => Number.isInteger(side) && side >= 1) && sides.length >= 1;
  demand(whole, `${tensor.name} of ${where} has no shape of whole numbers`);
  demand(sizeOf(sides) <= LARGEST_TENSOR, `${tensor.name} of ${where} is too large: ${sides.join("x")}`);
  demand(
    DTYPES.includes(tensor.dtype),
    `${tensor.name} of ${where} has the type ${tensor.dtype}, not ${DTYPES.join(" or ")}`,
  );
  demand(tensor.range == null || isRange(tensor.range), `${tensor.name} of ${where} has a broken range`);
  demand(tensor.meaning == null || isText(tensor.meaning), `${tensor.name} of ${where} has a meaning that is no text`);
}

function checkSignatures(signatures) {
  demand(isObject(signatures), "its signatures are no object");
  for (const [name, signature] of Object.entries(signatures)) {
    demand(isObject(signature), `its signature ${name} is no object`);
    for (const side of ["inputs", "outputs"]) {
      demand(Array.isArray(signature[side]) && signature[side].length, `its signature ${name} lacks ${side}`);
      signature[side].forEach((tensor) => checkTensor(name, tensor));
    }
  }
}

function checkFiles(files) {
  demand(isObject(files) && Object.keys(files).length, "its files are no object");
  for (const [precision, entry] of Object.entries(files)) {
    demand(isObject(entry), `its file ${precision} is no object`);
    demand(entry.quality == null || isObject(entry.quality), `the quality of its file ${precision} is no object`);
    if ("not_shipped" in entry) {
      demand(isText(entry.not_shipped), `the reason why ${precision} is not shipped is no text`);
      continue;
    }
    const plain = isPlainName(entry.file) && entry.file.endsWith(".tflite");
    demand(plain, `its file ${precision} is not the plain name of a .tflite file`);
    demand(isText(entry.sha256) && SHA256.test(entry.sha256), `its file ${precision} has no sha256`);
    const sane = Number.isInteger(entry.bytes) && entry.bytes > 0 && entry.bytes <= LARGEST_FILE;
    demand(sane, `its file ${precision} must have 1 to ${LARGEST_FILE} bytes, the card says ${entry.bytes}`);
    demand(entry.latency_ms == null || isNumber(entry.latency_ms), `the latency of its file ${precision} is no number`);
  }
}

function checkConditions(card) {
  for (const key of ["labels", "vocabulary", "channels"]) {
    demand(card[key] === undefined || isList(card[key], isText), `its ${key} are no list of texts`);
  }
  demand(card.examples === undefined || Array.isArray(card.examples), "its examples are no list");
  const isAttribute = (each) => isObject(each) && isText(each.name) && isRange(each.range);
  demand(card.attributes === undefined || isList(card.attributes, isAttribute), "its attributes lack name or range");
  const isDirection = (each) => isList(each, isNumber);
  demand(card.directions == null || isList(card.directions, isDirection), "its directions are no lists of numbers");
  demand(card.task === undefined || isText(card.task), "its task is no text");
}

/** What people read of a card; all of it may be missing. */
function checkFacts(card) {
  const texts = { paper: ["title", "authors", "url"], dataset: ["title", "licence"], training: ["machine"] };
  for (const [key, names] of Object.entries(texts)) {
    const part = card[key] ?? {};
    demand(isObject(part), `its ${key} is no object`);
    demand(
      names.every((name) => part[name] == null || isText(part[name])),
      `its ${key} has entries that are no text`,
    );
  }
  demand(card.paper?.url == null || card.paper.url.startsWith("https://"), "its paper is not at an https address");
  demand(card.training?.seconds == null || isNumber(card.training.seconds), "its seconds of training are no number");
  const { classes } = card.dataset ?? {};
  demand(classes == null || isList(classes, isText), "the classes of its dataset are no list of texts");
  demand(card.commit == null || isText(card.commit), "its commit is no text");
}

/**
 * Checks a card.
 * @param {unknown} card parsed JSON
 * @param {string} name of the model's folder
 * @returns {object} the same card
 */
export function readCard(card, name) {
  try {
    demand(isObject(card), "it is not an object");
    const missing = ["schema", "name", "title", "signatures", "files"].filter((key) => !(key in card));
    demand(missing.length === 0, `it lacks ${missing.join(", ")}`);
    demand(card.schema === SCHEMA, `it has schema ${card.schema}, but this page reads schema ${SCHEMA}`);
    demand(card.name === name && isPlainName(name), `it is the card of ${card.name}`);
    demand(isText(card.title), "its title is no text");
    checkSignatures(card.signatures);
    checkFiles(card.files);
    checkConditions(card);
    checkFacts(card);
    return card;
  } catch (error) {
    throw new Error(`The card of ${name} cannot be used: ${error.message}.`);
  }
}

/** Precisions of a card that were shipped, as [precision, entry] pairs in the card's order. */
export const shipped = (card) => Object.entries(card.files).filter(([, entry]) => !("not_shipped" in entry));

/** Main figure of a file's quality as [name, value]: the first number that its scores have; null without scores. */
export function figureOf(entry) {
  const scores = Object.entries(entry?.quality ?? {});
  return scores.find(([, value]) => isNumber(value)) ?? null;
}
