/**
 * The fields by which a conditional model is told what to draw: classes, sliders, or a sentence with the known words.
 */

import { conditionRows } from "./conditions.js";
import { afterPause, make, short, TYPING } from "./dom.js";

const IN_TURN = "";

function labelFields(card, start, changed) {
  const options = card.labels.map((name) => make("option", { value: name }, name));
  if (card.examples?.length) options.unshift(make("option", { value: IN_TURN }, "each in turn"));
  const select = make("select", { id: "label" }, ...options);
  if (card.labels.includes(start)) select.value = start;
  select.addEventListener("change", changed);
  const field = make("div", { className: "field" }, make("label", { htmlFor: "label" }, "Class"), select);
  return { elements: [field], asked: () => select.value || null, text: () => select.value || null };
}

function attributeFields(card, start, changed) {
  const given = new Map(
    (start ?? "")
      .split(",")
      .map((part) => part.split("="))
      .filter(([, value]) => Number.isFinite(Number(value))),
  );
  const byHand = make("input", { type: "checkbox", id: "by-hand", checked: given.size > 0 });
  const examples = card.examples?.[0];
  byHand.disabled = !examples;
  if (!examples) byHand.checked = true;
  const sliders = card.attributes.map(({ name, range: [low, high], meaning }, place) => {
    const id = `attribute-${place}`;
    const value = given.get(name) ?? examples?.[place] ?? (low + high) / 2;
    const slider = make("input", {
      type: "range",
      id,
      min: low,
      max: high,
      step: (high - low) / 200 || 1,
      value,
      title: meaning ?? "",
    });
    const output = make("output", { htmlFor: id }, short(Number(slider.value)));
    slider.addEventListener("input", () => {
      output.textContent = short(Number(slider.value));
      changed();
    });
    return {
      name,
      slider,
      field: make("div", { className: "slider" }, make("label", { htmlFor: id }, name), output, slider),
    };
  });
  const group = make("div", { className: "panel", hidden: !byHand.checked }, ...sliders.map(({ field }) => field));
  byHand.addEventListener("change", () => {
    group.hidden = !byHand.checked;
    changed();
  });
  const asked = () =>
    byHand.checked ? Object.fromEntries(sliders.map(({ name, slider }) => [name, Number(slider.value)])) : null;
  const text = () =>
    asked()
      ? Object.entries(asked())
          .map((pair) => pair.join("="))
          .join(",")
      : null;
  const check = make("label", { className: "check" }, byHand, "Set the attributes by hand (else examples in turn)");
  return { elements: [check, group], asked, text };
}

function textFields(card, start, changed) {
  const field = make("input", { type: "text", id: "text", value: start ?? "", autocomplete: "off", spellcheck: false });
  const example = card.examples?.[0] ?? "";
  field.placeholder = example;
  field.addEventListener("input", afterPause(changed, TYPING));
  const add = (word) => () => {
    field.value = `${field.value.trim()} ${word}`.trim();
    changed();
  };
  const words = card.vocabulary.slice(1).map((word) => {
    const button = make("button", { type: "button", "aria-label": `Add the word ${word}` }, word);
    button.addEventListener("click", add(word));
    return button;
  });
  const clear = make("button", { type: "button" }, "Clear the text");
  clear.addEventListener("click", () => {
    field.value = "";
    changed();
  });
  const label = make("label", { htmlFor: "text" }, "Text (empty: examples in turn)");
  const known = make(
    "div",
    { className: "words", role: "group", "aria-label": "Words that the model knows" },
    ...words,
    clear,
  );
  const asked = () => field.value.trim() || null;
  return { elements: [make("div", { className: "field" }, label, field), known], asked, text: asked };
}

/**
 * Makes the fields for one condition.
 * @param {object} card
 * @param {{name: string, shape: number[]}} input of `conditionOf`
 * @param {?string} start what the address asks for
 * @param {function(): void} changed called after each change
 * @returns {{elements: Node[], rows: function(): Array, text: function(): ?string}}
 */
export function conditionControl(card, input, start, changed) {
  const fields = { label: labelFields, attributes: attributeFields, tokens: textFields }[input.name];
  const { elements, asked, text } = fields(card, start, changed);
  return { elements, rows: () => conditionRows(card, input, asked()), text };
}
