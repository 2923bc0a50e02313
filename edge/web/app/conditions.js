/**
 * What a conditional model is asked for, by the rules of `edge/conditions.py`.
 *
 * The card has one of these entries, and `examples` of it:
 *
 *     labels       input `label`, int32 [1]: the place of a name in the list
 *     attributes   input `attributes`, float32 [1, A]: numbers in the order of the list, each in its range
 *     vocabulary   input `tokens`, int32 [1, T]: each word its place in the list, and 0 fills up
 *
 * What a user asks for is `null` (the card's examples in turn), a name, an object of numbers, or a sentence.
 */

const ENTRIES = { label: "labels", attributes: "attributes", tokens: "vocabulary" };

/**
 * The input of a signature that says what to draw, where the card explains it.
 * @returns {{name: string, shape: number[]}|null}
 */
export function conditionOf(card, signature) {
  const inputs = card.signatures[signature]?.inputs ?? [];
  return inputs.find(({ name }) => ENTRIES[name] && card[ENTRIES[name]]) ?? null;
}

function labelRow(card, name) {
  const wanted = String(name).toLowerCase();
  const place = card.labels.findIndex((each) => each.toLowerCase() === wanted);
  if (place >= 0) return Int32Array.of(place);
  const number = Number(wanted);
  if (/^\d+$/.test(wanted) && number < card.labels.length) return Int32Array.of(number);
  throw new Error(`${card.name} has no label “${name}”: there are ${card.labels.join(", ")}.`);
}

function attributeRow(card, settings) {
  const row = Float32Array.from(card.examples?.[0] ?? card.attributes.map(({ range }) => (range[0] + range[1]) / 2));
  for (const [name, value] of Object.entries(settings)) {
    const place = card.attributes.findIndex((each) => each.name === name);
    if (place < 0) {
      const names = card.attributes.map((each) => each.name).join(", ");
      throw new Error(`${card.name} has no attribute “${name}”: there are ${names}.`);
    }
    const [low, high] = card.attributes[place].range;
    if (!(value >= low && value <= high)) throw new Error(`The attribute ${name} must be in ${low} .. ${high}.`);
    row[place] = value;
  }
  return row;
}

function tokenRow(card, sentence, length) {
  const words = sentence.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) throw new Error("The text is empty.");
  if (words.length > length) throw new Error(`The text has ${words.length} words, ${card.name} takes ${length}.`);
  const row = new Int32Array(length);
  words.forEach((word, place) => {
    const number = card.vocabulary.indexOf(word, 1);
    if (number < 1) {
      throw new Error(
        `${card.name} does not know the word “${word}”: it knows ${card.vocabulary.slice(1).join(", ")}.`,
      );
    }
    row[place] = number;
  });
  return row;
}

/**
 * The rows that a signature's condition gets: one for all pictures, or one for each example of the card, in turn.
 * @param {object} card
 * @param {{name: string, shape: number[]}} input of `conditionOf`
 * @param {null|string|Object<string, number>} asked
 * @returns {(Int32Array|Float32Array)[]}
 */
export function conditionRows(card, input, asked) {
  const make = {
    label: (each) => labelRow(card, each),
    attributes: (each) => (Array.isArray(each) ? Float32Array.from(each) : attributeRow(card, each)),
    tokens: (each) => tokenRow(card, each, input.shape[1]),
  }[input.name];
  if (asked !== null) return [make(asked)];
  if (!card.examples?.length) throw new Error(`${card.name} must be told what to draw: its card has no examples.`);
  return card.examples.map(make);
}
