"""Two kinds of pictures for translation without pairs: plain ones, and the same in a style made in code.

The style paints a thing with a warm colour that runs from top to bottom, and what is behind it with cool diagonal
stripes. It is a function of the picture alone, so the translation of a held-out picture is known and can be compared;
training pictures of the two kinds are made of different halves of the data, and share none.
"""

from dataclasses import dataclass

import numpy as np

from zoo.datasets import images

WARM = ((255, 210, 80), (220, 60, 40))  # the thing, at the top and at the bottom
COOL = ((20, 40, 90), (40, 110, 140))  # the stripes
STRIPE = 3  # pixels, of a stripe along a row


@dataclass(frozen=True)
class StyleData:
    """Pictures uint8 (N, H, W, 3) of two kinds: training ones that do not belong together, held-out ones that do.

    Attributes:
        data: `zoo.datasets.images.ImageData` that they were made from.
        train_a, train_b: plain, and in the style; of different pictures.
        validation_a, validation_b, test_a, test_b: of the same pictures.
    """

    data: images.ImageData
    train_a: np.ndarray
    train_b: np.ndarray
    validation_a: np.ndarray
    validation_b: np.ndarray
    test_a: np.ndarray
    test_b: np.ndarray


def load(dataset, image_size=None):
    """Both kinds of a data set.

    Args:
        dataset: as for `zoo.datasets.images.load`.
        image_size: likewise.
    """
    data = images.load(dataset, image_size)
    half = len(data.train.images) // 2
    return StyleData(
        data=data,
        train_a=plain(data.train.images[:half]),
        train_b=paint(data.train.images[half : 2 * half]),
        validation_a=plain(data.validation.images),
        validation_b=paint(data.validation.images),
        test_a=plain(data.test.images),
        test_b=paint(data.test.images),
    )


def plain(pictures):
    """Grey pictures uint8 (N, H, W, C) with three equal channels."""
    return np.repeat(_grey(pictures)[..., None], 3, axis=3)


def paint(pictures):
    """Pictures uint8 (N, H, W, C) in the style: uint8 (N, H, W, 3).

    The grey value of a pixel, 0 to 1, says how much of the warm colour of its row it has, and how little of the stripe
    of its place.
    """
    share = _grey(pictures)[..., None] / np.float32(255.0)  # (N, H, W, 1)
    height, width = share.shape[1:3]
    down = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None, None]  # (H, 1, 1)
    warm = (1.0 - down) * np.float32(WARM[0]) + down * np.float32(WARM[1])  # (H, 1, 3)
    rows, columns = np.indices((height, width))
    cool = np.float32(COOL)[(rows + columns) // STRIPE % 2]  # (H, W, 3)
    return np.rint(share * warm + (1.0 - share) * cool).astype(np.uint8)


def _grey(pictures):
    return np.rint(pictures.astype(np.float32).mean(axis=3)).astype(np.uint8)  # (N, H, W)


def training_batches(data, batch_size, seed, first_epoch=0, context=None):
    """Endless shuffled batches of both kinds, each in an order of its own.

    Returns:
        `tf.data.Dataset` of (plain, painted), float32 (B, H, W, 3) in [-1, 1]; they do not belong together.
    """
    import tensorflow as tf

    nothing = np.zeros(len(data.train_a), np.int64)
    kinds = [
        images.training_batches(images.Split(part, nothing), batch_size, each_seed, first_epoch, context)
        for part, each_seed in ((data.train_a, seed), (data.train_b, seed + 1_000_003))
    ]
    return tf.data.Dataset.zip(tuple(kinds)).map(lambda a, b: (a[0], b[0]))
