"""What a conditional model is told and asked, and how its answers are judged: perfect, blind and wrong ones."""

import numpy as np
import pytest

from edge import conditions as edge_conditions
from zoo.datasets import captions, conditions, images


@pytest.fixture(scope="module")
def data():
    return images.load("digits")


@pytest.fixture(scope="module")
def perfect(data):
    """The validation pictures themselves, and the probabilities of a classifier that is never wrong."""
    return data.validation.images, np.eye(10)[data.validation.labels]


def test_labels_are_asked_as_often_as_they_occur(data, perfect):
    told = conditions.by_label(data)
    assert told.condition == ("label", 10)
    assert told.train.labels is not None and np.array_equal(told.train.labels, data.train.labels)
    np.testing.assert_array_equal(told.asked, data.validation.labels)
    np.testing.assert_array_equal(told.shown, range(10))
    assert told.judge(*perfect) == {"label_accuracy": 1.0}
    pictures, probabilities = perfect
    half_wrong = np.where(np.arange(len(pictures))[:, None] % 2, probabilities, np.roll(probabilities, 1, axis=1))
    assert told.judge(pictures, half_wrong) == {"label_accuracy": 0.5}


def test_a_share_of_the_labels_is_wrong(data):
    told = conditions.by_label(data, wrong=0.3, seed=1)
    moved = told.train.labels != data.train.labels
    assert abs(moved.mean() - 0.3) < 0.04
    assert set(told.train.labels) == set(range(10))
    np.testing.assert_array_equal(told.train.labels, conditions.by_label(data, wrong=0.3, seed=1).train.labels)
    assert np.all(conditions.by_label(data, wrong=1.0).train.labels != data.train.labels)
    np.testing.assert_array_equal(told.asked, data.validation.labels)  # asked for are the right ones


def test_attributes_are_judged_by_measuring(data, perfect):
    told = conditions.by_attributes(data)
    assert told.condition == ("attributes", 4)
    assert [each["name"] for each in told.card["attributes"]] == ["brightness", "coverage", "aspect", "loop"]
    assert told.card["attributes"][3]["range"] == [0, 1]
    pictures, probabilities = perfect
    scores = told.judge(pictures, probabilities)
    assert scores == {"brightness_error": 0.0, "coverage_error": 0.0, "aspect_error": 0.0, "loop_accuracy": 1.0}
    even = told.judge(np.where(pictures > captions.INK, 100, 0).astype(np.uint8), probabilities)
    brightness = captions.measure(pictures)[:, 0]
    assert even["brightness_error"] == pytest.approx(np.mean(np.abs(brightness - 100 / 255)), rel=1e-5)
    assert even["coverage_error"] == even["aspect_error"] == 0.0
    ones = np.eye(10)[np.ones(len(pictures), int)]  # a one has no loop
    share = np.isin(data.validation.labels, [0, 6, 8, 9]).mean()
    assert told.judge(pictures, ones)["loop_accuracy"] == pytest.approx(1 - share)


def test_no_picture_of_a_held_out_caption_is_trained_on(data):
    told = conditions.by_text(data)
    grammar = captions.Grammar.fit(data)
    assert told.condition == ("text", len(grammar.vocabulary), grammar.length)
    held_out = grammar.tokens(grammar.held_out)
    assert not any((row == held_out).all(axis=1).any() for row in told.train.labels)
    assert 0.85 * len(data.train.images) < len(told.train.images) < len(data.train.images)
    written = grammar.captions(told.train.images, data.train.labels[: len(told.train.images)])
    assert len(written) == len(told.train.labels)
    assert any((row == held_out).all(axis=1).any() for row in told.asked)  # but asked for


def test_captions_are_judged_word_by_word(data, perfect):
    told = conditions.by_text(data)
    pictures, probabilities = perfect
    scores = told.judge(pictures, probabilities)
    assert scores["label_accuracy"] == scores["caption_accuracy"] == scores["held_out_accuracy"] == 1.0
    assert scores["shuffled_accuracy"] < 0.15  # a tenth has the label, fewer the words
    blind = told.judge(np.broadcast_to(pictures[:1], pictures.shape), probabilities)
    assert blind["label_accuracy"] == 1.0 and blind["caption_accuracy"] < 0.6 and blind["held_out_accuracy"] < 0.6
    wrong = told.judge(pictures, np.roll(probabilities, 1, axis=1))
    assert wrong["caption_accuracy"] == 0.0


def test_more_pictures_than_questions_answer_them_again(data, perfect):
    pictures, probabilities = perfect
    twice = np.concatenate([pictures, pictures[:50]]), np.concatenate([probabilities, probabilities[:50]])
    assert conditions.by_label(data).judge(*twice) == {"label_accuracy": 1.0}
    assert conditions.by_text(data).judge(*twice)["caption_accuracy"] == 1.0
    assert conditions.by_attributes(data).judge(*twice)["aspect_error"] == 0.0


@pytest.mark.parametrize("make", [conditions.by_label, conditions.by_attributes, conditions.by_text])
def test_the_card_lets_a_device_ask_for_the_same(data, make):
    told = make(data)
    described = {"signatures": {"generate": {"inputs": [told.value.describe()]}}}
    card = {"name": "model", **told.card, **described}
    shown = edge_conditions.examples(card, len(told.shown))
    np.testing.assert_allclose(shown, told.shown, atol=1e-3)
    assert shown.dtype == told.value.dtype and shown.shape[1:] == told.value.shape[1:]
    low, high = told.value.range
    assert told.asked.min() >= low and told.asked.max() <= high


def test_what_cannot_be_told_is_refused(data):
    with pytest.raises(ValueError, match=r"the share of wrong labels must be 0 to 1, got 1\.5"):
        conditions.by_label(data, wrong=1.5)
    alone = images.ImageData("one", "One class", "none", ("all",), data.train, data.validation, data.test)
    with pytest.raises(ValueError, match="One class has one class only: make a sub-folder for each class"):
        conditions.by_label(alone)
