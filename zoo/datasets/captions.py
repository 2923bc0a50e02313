"""Attributes and captions of pictures, read off the pictures: what a conditional model can be asked for.

    measure(images)              brightness, coverage and aspect of any pictures, real or generated
    attributes(split, names)     these three, and what the class names tell: sleeves, footwear, closed loops
    Grammar.fit(data)            writes "a bright wide dress" for a picture, and numbers for the words

A caption is "a", then "dark" or "bright", then "narrow" or "wide", then the class; the middle third of the training
pictures of a class has neither of two opposite words. One full combination of each class is held out: no picture that
fits it is to be trained on, so that a model can be asked for something that it has never seen.
"""

from dataclasses import dataclass

import numpy as np

INK = 50  # grey values of 255 above which a pixel belongs to the thing and not to the black around it
MEASURES = ("brightness", "coverage", "aspect")
TRAITS = {  # name -> meaning, classes that have it
    "sleeves": ("long sleeves", ("Pullover", "Coat", "Shirt")),
    "footwear": ("is worn on the foot", ("Sandal", "Sneaker", "Ankle boot")),
    "loop": ("has a closed loop", ("0", "6", "8", "9")),
}
OPPOSITES = (("dark", "bright"), ("narrow", "wide"))
RAREST = 0.02  # share of a class's pictures that a combination of words needs to be worth holding out


def measure(images):
    """Brightness, coverage and aspect of pictures.

    Args:
        images: uint8 (N, H, W, C), or floats in [-1, 1].

    Returns:
        float32 (N, 3), each in [0, 1]: mean grey of the pixels that belong to the thing; their share of the picture;
        height of the box around them over the sum of its height and width (1/2 is a square). A black picture has
        0, 0 and 1/2.
    """
    grey = _grey(images)
    ink = grey > INK
    covered = ink.mean(axis=(1, 2))
    brightness = np.sum(grey * ink, axis=(1, 2)) / np.maximum(ink.sum(axis=(1, 2)), 1) / 255.0
    height, width = _box(ink)
    both = height + width
    aspect = np.where(both > 0, height / np.maximum(both, 1e-9), 0.5)
    return np.stack([brightness, covered, aspect], axis=1).astype(np.float32)


def _grey(images):
    """Pictures (N, H, W, C) as grey values 0 to 255, float32 (N, H, W)."""
    images = np.asarray(images)
    values = images if images.dtype == np.uint8 else (images + 1.0) * 127.5
    return values.astype(np.float32).mean(axis=3)


def _box(ink):
    """Height and width of the box around the pixels (N, H, W) that are set, as shares of the picture's."""
    return ink.any(axis=2).mean(axis=1), ink.any(axis=1).mean(axis=1)


def traits(class_names):
    """The entries of `TRAITS` that some, but not all of the classes have: name -> bool (classes,)."""
    found = {name: np.isin(class_names, classes) for name, (_, classes) in TRAITS.items()}
    return {name: has for name, has in found.items() if has.any() and not has.all()}


def attribute_names(class_names):
    """Names of the columns of `attributes`: the measures, then the traits of the classes."""
    return [*MEASURES, *traits(class_names)]


def attributes(split, class_names):
    """Attribute vectors of labelled pictures.

    Args:
        split: `zoo.datasets.images.Split` of N pictures.
        class_names: of the labels.

    Returns:
        float32 (N, A): the measures, 0 to 1, and the traits, 0 or 1, in the order of `attribute_names`.
    """
    columns = [has[split.labels].astype(np.float32) for has in traits(class_names).values()]
    return np.concatenate([measure(split.images), *[column[:, None] for column in columns]], axis=1)


@dataclass(frozen=True)
class Grammar:
    """Writes captions for the pictures of a data set.

    Attributes:
        nouns: a word or two for each class.
        thresholds: float (classes, 2, 2): for brightness and for width, below the first a picture of the class is dark
            or narrow, above the second bright or wide.
        held_out: captions with both adjectives, one of each class that has such pictures; the combinations take turns.
    """

    nouns: tuple
    thresholds: np.ndarray
    held_out: tuple = ()

    @classmethod
    def fit(cls, data):
        """The grammar of `ImageData`: thresholds have a third of the training pictures of a class on either side.

        Raises:
            ValueError: when a class has no training picture.
        """
        for label, name in enumerate(data.class_names):
            if not np.any(data.train.labels == label):
                raise ValueError(f"the class {name!r} of {data.title} has no training picture: captions need some")
        values = _brightness_and_width(data.train.images)  # (N, 2)
        thresholds = [
            np.quantile(values[data.train.labels == label], [1 / 3, 2 / 3], axis=0).T  # (2, 2)
            for label in range(len(data.class_names))
        ]
        nouns = tuple(name.lower().split("/")[0] for name in data.class_names)
        grammar = cls(nouns, np.stack(thresholds))
        written = grammar.captions(data.train.images, data.train.labels)
        combinations = [(light, width) for light in OPPOSITES[0] for width in OPPOSITES[1]]
        held_out = []
        for label, noun in enumerate(nouns):
            of_class = np.array(written)[data.train.labels == label]
            turns = [combinations[(label + turn) % len(combinations)] for turn in range(len(combinations))]
            captions = [f"a {light} {width} {noun}" for light, width in turns]
            held_out += [caption for caption in captions if np.mean(of_class == caption) >= RAREST][:1]
        return cls(nouns, grammar.thresholds, tuple(held_out))

    @property
    def vocabulary(self):
        """All words, the empty one first: a word's number is its place."""
        words = ["a", *OPPOSITES[0], *OPPOSITES[1], *(word for noun in self.nouns for word in noun.split())]
        return ("", *dict.fromkeys(words))

    @property
    def length(self):
        """Words of the longest caption."""
        return 3 + max(len(noun.split()) for noun in self.nouns)

    def captions(self, images, labels):
        """A caption for each picture (N, H, W, C), uint8 or floats in [-1, 1], of the classes `labels` (N,)."""
        sides = self.sides(images, labels)  # (N, 2)
        written = []
        for (light, width), label in zip(sides, labels, strict=True):
            words = ["a", *_adjective(0, light), *_adjective(1, width), self.nouns[label]]
            written.append(" ".join(words))
        return written

    def sides(self, images, labels):
        """int (N, 2): -1 where a picture is dark or narrow for its class, 1 where it is bright or wide, else 0."""
        values = _brightness_and_width(images)  # (N, 2)
        low, high = np.moveaxis(self.thresholds[labels], 2, 0)  # (N, 2) each
        return (values > high).astype(int) - (values < low)

    def asked(self, caption):
        """What a caption asks for: the class, and a side as of `sides` for brightness and width."""
        words = caption.split()
        sides = [
            next((1 if word == bright else -1 for word in words if word in (dark, bright)), 0)
            for dark, bright in OPPOSITES
        ]
        adjectives = {word for pair in OPPOSITES for word in pair}
        noun = " ".join(word for word in words[1:] if word not in adjectives)
        return self.nouns.index(noun), sides

    def tokens(self, captions):
        """Captions as numbers of words: int32 (N, length), 0 where there is none."""
        numbers = {word: number for number, word in enumerate(self.vocabulary)}
        rows = np.zeros((len(captions), self.length), np.int32)
        for row, caption in zip(rows, captions, strict=True):
            words = caption.split()
            row[: len(words)] = [numbers[word] for word in words]
        return rows


def _adjective(pair, side):
    return [OPPOSITES[pair][(side + 1) // 2]] if side else []


def _brightness_and_width(images):
    """float (N, 2): brightness as `measure` has it, and the width of the thing as a share of the picture's."""
    grey = _grey(images)
    return np.stack([measure(images)[:, 0], _box(grey > INK)[1]], axis=1)
