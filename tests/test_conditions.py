"""What a conditional generator is asked for, from words: `edge/conditions.py`."""

import numpy as np
import pytest

from edge import conditions

SHOES = {"name": "shoes", "labels": ["Sneaker", "Ankle boot", "Sandal"], "examples": ["Ankle boot", "Sandal"]}
TRAITS = {
    "name": "traits",
    "attributes": [
        {"name": "brightness", "range": [0, 1], "meaning": "mean of the garment's pixels"},
        {"name": "size", "range": [-2, 3], "meaning": "in deviations"},
    ],
    "examples": [[0.5, 1.0], [0.25, -1.0]],
}
WORDS = {
    "name": "words",
    "vocabulary": ["", "a", "bright", "dark", "boot"],
    "examples": ["a dark boot", "a boot"],
    "signatures": {"generate": {"inputs": [{"name": "z", "shape": [1, 9]}, {"name": "tokens", "shape": [1, 4]}]}},
}
MANY = {**WORDS, "vocabulary": [*WORDS["vocabulary"], *(f"colour{number}" for number in range(20))]}
PLAIN = {"name": "plain"}


def check(result, expected, dtype):
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, np.array(expected, dtype))


def test_a_label_has_a_name_or_a_number():
    check(conditions.labels(SHOES, ["sandal", "Ankle Boot", "0", 2]), [2, 1, 0, 2], np.int32)


def test_attributes_that_are_not_set_are_those_of_the_first_example():
    check(conditions.attributes(TRAITS, {"size": -2.0}), [[0.5, -2.0]], np.float32)
    check(conditions.attributes(TRAITS, {}), [[0.5, 1.0]], np.float32)
    assert TRAITS["examples"][0] == [0.5, 1.0]


def test_words_become_their_places_and_zeros_fill_up():
    check(conditions.tokens(WORDS, ["A dark  boot", "bright"]), [[1, 3, 4, 0], [2, 0, 0, 0]], np.int32)


def test_examples_are_taken_in_turn():
    check(conditions.examples(SHOES, 3), [1, 2, 1], np.int32)
    check(conditions.examples(TRAITS, 3), [[0.5, 1.0], [0.25, -1.0], [0.5, 1.0]], np.float32)
    check(conditions.examples(WORDS, 2), [[1, 3, 4, 0], [1, 4, 0, 0]], np.int32)


@pytest.mark.parametrize(
    ("function", "card", "asked", "sentence"),
    [
        (conditions.labels, SHOES, ["sneeker"], "shoes has no label 'sneeker': there are Sneaker, Ankle boot, Sandal"),
        (conditions.labels, SHOES, ["3"], "shoes has no label '3': there are Sneaker, Ankle boot, Sandal"),
        (conditions.labels, SHOES, ["-1"], "shoes has no label '-1': there are Sneaker, Ankle boot, Sandal"),
        (conditions.labels, PLAIN, ["1"], "plain takes no label"),
        (
            conditions.attributes,
            TRAITS,
            {"britness": 1},
            "traits has no attribute 'britness': there are brightness, size",
        ),
        (conditions.attributes, TRAITS, {"size": 3.5}, r"the attribute size must be in -2 \.\. 3, got 3.5"),
        (conditions.attributes, TRAITS, {"size": float("nan")}, r"the attribute size must be in -2 \.\. 3, got nan"),
        (conditions.attributes, SHOES, {}, "shoes takes no attributes"),
        (conditions.tokens, MANY, ["a drak boot"], "words does not know the word 'drak': the nearest is dark"),
        (conditions.tokens, WORDS, ["zzz"], "words does not know the word 'zzz': there are a, bright, dark, boot"),
        (conditions.tokens, WORDS, ["a a a a a"], "the text 'a a a a a' has 5 words, words takes 4"),
        (conditions.tokens, WORDS, [" "], "the text is empty: words was trained on texts like 'a dark boot'"),
        (conditions.tokens, PLAIN, ["a"], "plain takes no text"),
        (conditions.examples, PLAIN, 1, "plain must be told what to draw: its card has no examples"),
    ],
)
def test_what_is_not_known_gets_what_is(function, card, asked, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        function(card, asked)
