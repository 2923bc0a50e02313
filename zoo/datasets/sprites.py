"""Small pictures of one thing each, drawn from known factors: what a model that finds factors can be judged by.

Every combination of the factors is there once: 2 forms, 4 sizes, 8 places across, 8 down and 3 greys make 1,536
pictures of 16x16. Drawn here, after the idea of dSprites (Matthey, Higgins, Hassabis, Lerchner 2017,
https://github.com/google-deepmind/dsprites-dataset).
"""

import numpy as np

from zoo.datasets import images

FACTORS = {"form": 2, "size": 4, "across": 8, "down": 8, "grey": 3}  # name -> how many values
SIDE = 16
SPLIT_SEED = 16


def factors(numbers):
    """The factors of pictures by their numbers (N,): int (N, 5), columns in the order of `FACTORS`."""
    return np.stack(np.unravel_index(numbers, tuple(FACTORS.values())), axis=1)


def draw(values):
    """Pictures of factors int (N, 5): uint8 (N, 16, 16, 1), smooth at the rims.

    The form is a disc (0) or a square (1).
    """
    form, size, across, down, grey = (column[:, None, None] for column in np.asarray(values).T)
    radius = 2.0 + 0.7 * size
    place = np.arange(SIDE)
    x = place[None, None, :] - (4.0 + across)  # (N, 1, 16)
    y = place[None, :, None] - (4.0 + down)  # (N, 16, 1)
    distance = np.where(form == 0, np.hypot(x, y), np.maximum(np.abs(x), np.abs(y)))
    covered = np.clip(radius + 0.5 - distance, 0.0, 1.0)  # share of the pixel inside
    brightness = 255.0 - 70.0 * grey
    return np.rint(covered * brightness).astype(np.uint8)[..., None]


def load():
    """All pictures as `zoo.datasets.images.ImageData`; the label of each is its number, for `factors`."""
    count = int(np.prod(list(FACTORS.values())))
    order = np.random.default_rng(SPLIT_SEED).permutation(count)
    pictures = draw(factors(order))
    tenth = count // 10
    test, validation, train = (
        images.Split(pictures[part], order[part].astype(np.int64))
        for part in (slice(0, tenth), slice(tenth, 2 * tenth), slice(2 * tenth, None))
    )
    return images.ImageData(
        name="sprites",
        title="drawn sprites (16x16)",
        licence="made by zoo/datasets/sprites.py",
        class_names=("sprite",),
        train=train,
        validation=validation,
        test=test,
    )
