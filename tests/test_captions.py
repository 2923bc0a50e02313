"""Attributes measured on pictures drawn by hand, and captions: thresholds, words, what is held out."""

import numpy as np
import pytest

from zoo.datasets import captions, images


def draw(height, width, grey, side=8, channels=1):
    """A black picture with a box of one grey value in a corner."""
    picture = np.zeros((side, side, channels), np.uint8)
    picture[1 : 1 + height, 2 : 2 + width] = grey
    return picture


def test_measures_by_hand():
    drawn = np.stack([draw(2, 6, 102), draw(6, 3, 255), draw(0, 0, 0), draw(4, 4, 51)])
    expected = [[0.4, 12 / 64, 0.25], [1.0, 18 / 64, 2 / 3], [0.0, 0.0, 0.5], [0.2, 16 / 64, 0.5]]
    for pictures in (drawn, np.repeat(drawn, 3, axis=3), images.to_float(drawn)):
        found = captions.measure(pictures)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_nearly_black_does_not_belong_to_the_thing():
    picture = draw(2, 6, 102)
    picture[7] = captions.INK
    np.testing.assert_allclose(captions.measure(picture[None]), [[0.4, 12 / 64, 0.25]], atol=1e-5)


def test_attributes_are_the_measures_and_the_traits_of_the_class():
    names = ("Trouser", "Pullover", "Ankle boot")
    assert captions.attribute_names(names) == ["brightness", "coverage", "aspect", "sleeves", "footwear"]
    split = images.Split(np.stack([draw(2, 6, 102)] * 3), np.array([2, 1, 0]))
    expected = [[0.4, 12 / 64, 0.25, 0, 1], [0.4, 12 / 64, 0.25, 1, 0], [0.4, 12 / 64, 0.25, 0, 0]]
    np.testing.assert_allclose(captions.attributes(split, names), expected, atol=1e-5)
    assert captions.attribute_names(("0", "1", "8")) == ["brightness", "coverage", "aspect", "loop"]
    assert captions.attribute_names(("Sandal", "Sneaker")) == ["brightness", "coverage", "aspect"]  # all have it


def made_up():
    """Nine pictures of a box in each of two classes: brightness and width of every combination of thirds."""
    drawn, labels = [], []
    for label, scale in enumerate((1, 2)):
        for grey in (60, 80, 100):
            for width in (1, 2, 3):
                drawn.append(draw(2, scale * width, scale * grey))
                labels.append(label)
    split = images.Split(np.stack(drawn), np.array(labels))
    return images.ImageData("made_up", "Made up", "none", ("T-shirt/top", "Ankle boot"), split, split, split)


def test_captions_by_hand():
    data = made_up()
    grammar = captions.Grammar.fit(data)
    written = grammar.captions(data.train.images, data.train.labels)
    nine = [f"a {light}{width}" for light in ("dark ", "", "bright ") for width in ("narrow ", "", "wide ")]
    assert written == [f"{words}t-shirt" for words in nine] + [f"{words}ankle boot" for words in nine]
    as_floats = grammar.captions(images.to_float(data.train.images), data.train.labels)
    assert as_floats == written


def test_words_have_numbers_and_zero_is_none():
    grammar = captions.Grammar.fit(made_up())
    assert grammar.vocabulary == ("", "a", "dark", "bright", "narrow", "wide", "t-shirt", "ankle", "boot")
    assert grammar.length == 5
    tokens = grammar.tokens(["a bright wide ankle boot", "a t-shirt"])
    assert tokens.dtype == np.int32
    np.testing.assert_array_equal(tokens, [[1, 3, 5, 7, 8], [1, 6, 0, 0, 0]])


@pytest.mark.parametrize("caption", ["a t-shirt", "a dark t-shirt", "a bright narrow ankle boot", "a wide ankle boot"])
def test_a_caption_says_what_was_written(caption):
    grammar = captions.Grammar.fit(made_up())
    label, (light, width) = grammar.asked(caption)
    light, width = (
        {-1: f"{low} ", 0: "", 1: f"{high} "}[side]
        for side, (low, high) in zip((light, width), captions.OPPOSITES, strict=True)
    )
    assert f"a {light}{width}{grammar.nouns[label]}" == caption


def test_a_combination_of_each_class_is_held_out():
    grammar = captions.Grammar.fit(made_up())
    assert grammar.held_out == ("a dark narrow t-shirt", "a dark wide ankle boot")
    data = images.load("digits")
    digits = captions.Grammar.fit(data)
    written = np.array(digits.captions(data.train.images, data.train.labels))
    assert len(digits.held_out) >= 5  # others are of nearly one width at 8x8
    for caption in digits.held_out:
        label, sides = digits.asked(caption)
        assert 0 not in sides
        assert np.mean(written[data.train.labels == label] == caption) >= captions.RAREST


def test_what_a_class_never_is_cannot_be_held_out():
    data = made_up()
    shoes = data.train.labels == 1
    pictures = data.train.images.copy()
    pictures[shoes] = np.stack(
        [draw(2, 6, grey) for grey in np.linspace(60, 220, shoes.sum()).astype(int)]
    )  # one width
    split = images.Split(pictures, data.train.labels)
    grammar = captions.Grammar.fit(images.ImageData("m", "m", "none", data.class_names, split, split, split))
    assert grammar.held_out == ("a dark narrow t-shirt",)


def test_a_class_without_a_training_picture_is_named():
    data = made_up()
    boots = images.Split(*(part[data.train.labels == 1] for part in data.train))
    rest = images.ImageData("m", "My boots", "none", data.class_names, boots, data.train, data.train)
    with pytest.raises(ValueError, match="the class 'T-shirt/top' of My boots has no training picture"):
        captions.Grammar.fit(rest)


def test_a_third_of_the_training_digits_is_on_either_side():
    data = images.load("digits")
    grammar = captions.Grammar.fit(data)
    for label in range(10):
        chosen = data.train.labels == label
        light, _ = grammar.sides(data.train.images[chosen], data.train.labels[chosen]).T
        assert abs(np.mean(light == -1) - 1 / 3) < 0.03 and abs(np.mean(light == 1) - 1 / 3) < 0.03
