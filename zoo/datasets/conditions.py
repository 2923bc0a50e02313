"""What a conditional model is told of each picture, what it is asked for afterwards, and how the answers are judged.

    by_label(data, wrong, seed)      a class
    by_attributes(data)              measured and given attributes, a vector
    by_text(data)                    a caption; one combination of words of each class is held out of training

Answers are judged by what has seen real pictures only: the pinned evaluator for the class, `measure` for brightness,
coverage and aspect, and the thresholds of the grammar, which are those of the training pictures, for the adjectives.
"""

from dataclasses import dataclass

import numpy as np

from zoo import signatures
from zoo.datasets import captions, images


@dataclass(frozen=True)
class Conditions:
    """The conditions of one data set.

    Attributes:
        condition: as `zoo.gans.cgan` takes it: ("label", classes), ("attributes", count) or ("text", words, length).
        train: `Split` of the training pictures, with conditions in the place of labels.
        value: `zoo.signatures.Value` of the input.
        card: what the card says of them, for `edge.conditions`.
        shown: a few conditions to show a model with: rows as in `train`, those of the card's examples.
        asked: conditions to score a model with, those of the validation pictures: rows as in `train`.
        judge: function of pictures (N, H, W, C) and the evaluator's probabilities (N, classes) for them, which answer
            the first N rows of `asked`, repeated where there are more, to a dictionary of scores.
    """

    condition: tuple
    train: images.Split
    value: signatures.Value
    card: dict
    shown: np.ndarray
    asked: np.ndarray
    judge: object


def by_label(data, wrong=0.0, seed=0):
    """The class of a picture.

    Args:
        data: `zoo.datasets.images.ImageData` with two classes or more.
        wrong: share of the training pictures that get another label, drawn at random.
        seed: of these draws.

    Raises:
        ValueError: for one class only, or a share outside of 0 to 1.
    """
    classes = len(data.class_names)
    if classes < 2:
        raise ValueError(f"{data.title} has one class only: make a sub-folder for each class")
    if not 0 <= wrong <= 1:
        raise ValueError(f"the share of wrong labels must be 0 to 1, got {wrong}")
    random = np.random.default_rng(seed)
    labels = data.train.labels
    moved = (labels + random.integers(1, classes, len(labels))) % classes
    labels = np.where(random.random(len(labels)) < wrong, moved, labels)
    asked = data.validation.labels.astype(np.int32)

    def judge(pictures, probabilities):
        right = probabilities.argmax(axis=1) == np.resize(asked, len(pictures))
        return {"label_accuracy": float(np.mean(right))}

    return Conditions(
        condition=("label", classes),
        train=images.Split(data.train.images, labels),
        value=signatures.Value("label", (None,), "int32", "class to draw, its place in `labels`", (0, classes - 1)),
        card={"labels": list(data.class_names), "examples": list(data.class_names)},
        shown=np.arange(classes, dtype=np.int32),
        asked=asked,
        judge=judge,
    )


def by_attributes(data):
    """A vector of named attributes (`zoo.datasets.captions.attributes`)."""
    names = captions.attribute_names(data.class_names)
    traits = captions.traits(data.class_names)
    train = images.Split(data.train.images, captions.attributes(data.train, data.class_names))
    asked = captions.attributes(data.validation, data.class_names)  # (N, A)
    measured = len(captions.MEASURES)

    def judge(pictures, probabilities):
        wanted = np.resize(asked, (len(pictures), len(names)))
        scores = {}
        for column, name in enumerate(captions.MEASURES):
            distance = np.abs(captions.measure(pictures)[:, column] - wanted[:, column])
            scores[f"{name}_error"] = float(np.mean(distance))
        for column, (name, has) in enumerate(traits.items(), start=measured):
            right = has[probabilities.argmax(axis=1)] == (wanted[:, column] > 0.5)
            scores[f"{name}_accuracy"] = float(np.mean(right))
        return scores

    meanings = {
        "brightness": "mean grey of the thing, 0 black to 1 white",
        "coverage": "share of the picture that the thing covers",
        "aspect": "height over height and width of the box around it",
        **{name: f"1: {meaning}" for name, (meaning, _) in captions.TRAITS.items()},
    }
    usual = np.quantile(train.labels, [0.01, 0.99], axis=0).round(3).tolist()  # a model knows no others
    described = [
        {"name": name, "range": [low, high], "meaning": meanings[name]}
        for name, low, high in zip(names, *usual, strict=True)
    ]
    count = len(names)
    return Conditions(
        condition=("attributes", count),
        train=train,
        value=signatures.Value("attributes", (None, count), "float32", "in the order of the card's list", (0, 1)),
        card={"attributes": described, "examples": asked[:10].round(3).tolist()},
        shown=asked[:10],
        asked=asked,
        judge=judge,
    )


def by_text(data):
    """A caption (`zoo.datasets.captions.Grammar`)."""
    grammar = captions.Grammar.fit(data)
    written = grammar.captions(data.train.images, data.train.labels)
    seen = ~np.isin(written, grammar.held_out)
    train = images.Split(
        data.train.images[seen], grammar.tokens([caption for caption, keep in zip(written, seen, strict=True) if keep])
    )
    validation = grammar.captions(data.validation.images, data.validation.labels)
    wanted = [grammar.asked(caption) for caption in validation]
    labels = np.array([label for label, _ in wanted])
    sides = np.array([side for _, side in wanted])  # (N, 2)
    held_out = np.isin(validation, grammar.held_out)

    def judge(pictures, probabilities):
        count = len(pictures)
        each_label, each_side = np.resize(labels, count), np.resize(sides, (count, 2))
        new = np.resize(held_out, count)
        right_label, right_words = _right(grammar, pictures, probabilities, each_label, each_side)
        shuffled = np.random.default_rng(0).permutation(count)
        _, by_chance = _right(grammar, pictures, probabilities, each_label[shuffled], each_side[shuffled])
        return {
            "label_accuracy": float(np.mean(right_label)),
            "caption_accuracy": float(np.mean(right_words)),
            "held_out_accuracy": float(np.mean(right_words[new])) if new.any() else None,
            "shuffled_accuracy": float(np.mean(by_chance)),
        }

    words = len(grammar.vocabulary)
    meaning = "numbers of the words of a caption: their places in `vocabulary`, 0 where there is none"
    return Conditions(
        condition=("text", words, grammar.length),
        train=train,
        value=signatures.Value("tokens", (None, grammar.length), "int32", meaning, (0, words - 1)),
        card={
            "vocabulary": list(grammar.vocabulary),
            "tokenizer": "lower case, words at spaces, each its place in vocabulary, 0 fills up",
            "examples": validation[:10],
            "held_out": list(grammar.held_out),
        },
        shown=grammar.tokens(validation[:10]),
        asked=grammar.tokens(validation),
        judge=judge,
    )


def _right(grammar, pictures, probabilities, labels, sides):
    """Whether pictures are of the classes asked for (N,), and whether every word of their captions is right (N,)."""
    right_label = probabilities.argmax(axis=1) == labels
    found = grammar.sides(pictures, labels)  # (N, 2)
    return right_label, right_label & np.all((sides == 0) | (found == sides), axis=1)
