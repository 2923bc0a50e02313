"""Pairs of pictures, a source and the target that a model shall make of it.

    load("edges", "fashion_mnist")               outlines -> picture
    load("colorize", "photographs")              grey -> colour; patches of scikit-learn's two photographs, no download
    load("super_resolution", "fashion_mnist", 2) small, enlarged by bicubic interpolation -> sharp
    load("inpainting", "fashion_mnist")          a hole and its mask -> whole
    load("segmentation", "fashion_mnist")        a class for each pixel -> scene of several things

Sources are made from the targets here, so every set of pictures will do. Training, validation and test pairs come from
the splits of the same name and share no picture.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zoo.datasets import images

TASKS = ("edges", "colorize", "super_resolution", "inpainting", "segmentation")
PATCH = 32  # pixels, of the photographs
INK = 50  # grey values of 255 above which a pixel belongs to a thing


class Pairs(NamedTuple):
    """Sources uint8 (N, H, W, S) and targets uint8 (N, H, W, C)."""

    sources: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class PairData:
    """The pairs of one task and one data set, split in three.

    Attributes:
        task: one of `TASKS`.
        data: `zoo.datasets.images.ImageData` that the pairs were made from.
        train, validation, test: `Pairs`.
        channels: what each channel of a source means.
    """

    task: str
    data: images.ImageData
    train: Pairs
    validation: Pairs
    test: Pairs
    channels: tuple

    @property
    def source_shape(self):
        """Height, width, channels."""
        return self.train.sources.shape[1:]

    @property
    def target_shape(self):
        """Height, width, channels."""
        return self.train.targets.shape[1:]


def load(task, dataset, factor=2, image_size=None):
    """The pairs of a task.

    Args:
        task: one of `TASKS`.
        dataset: as for `zoo.datasets.images.load`, or "photographs".
        factor: of super-resolution.
        image_size: as for `zoo.datasets.images.load`.

    Raises:
        ValueError: for another task or data set, grey pictures to colorize, a factor that does not divide the sides.
    """
    if task not in TASKS:
        raise ValueError(f"there is no task {task!r}: there are {', '.join(TASKS)}")
    data = photographs() if dataset == "photographs" else images.load(dataset, image_size)
    height, width, channels = data.image_shape
    if task == "colorize" and channels != 3:
        raise ValueError(f"the pictures of {dataset} have no colour: use --dataset photographs")
    if task == "super_resolution" and (factor < 2 or height % factor or width % factor):
        raise ValueError(f"the factor must be 2 or more and divide {height} and {width}, got {factor}")
    make = {
        "edges": lambda split, seed: edges(split.images),
        "colorize": lambda split, seed: colorize(split.images),
        "super_resolution": lambda split, seed: super_resolution(split.images, factor),
        "inpainting": lambda split, seed: inpainting(split.images, seed),
        "segmentation": lambda split, seed: segmentation(split, len(data.class_names), seed),
    }[task]
    meaning = {
        "edges": ("outlines",),
        "colorize": ("grey",),
        "super_resolution": tuple(f"{each}, enlarged {factor} times" for each in ("grey", "green", "blue")[:channels]),
        "inpainting": (*("grey",) * channels, "mask: white where the picture is missing"),
        "segmentation": tuple(f"white where there is: {name}" for name in data.class_names),
    }[task]
    parts = [make(split, seed) for seed, split in enumerate((data.train, data.validation, data.test))]
    return PairData(task, data, *parts, meaning)


def photographs():
    """Patches of 32x32 pixels of scikit-learn's two sample photographs, as `ImageData` without labels.

    Training patches overlap each other by half, so that there are more; the last fifth of the columns of a photograph
    is for testing, the tenth before it for validation, and no patch crosses a border.
    """
    from sklearn import datasets

    parts = {"train": [], "validation": [], "test": []}
    for photograph in datasets.load_sample_images().images:
        width = photograph.shape[1]
        borders = {"train": (0, 7 * width // 10), "validation": (7 * width // 10, 8 * width // 10)}
        borders["test"] = (8 * width // 10, width)
        for name, (left, right) in borders.items():
            step = PATCH // 2 if name == "train" else PATCH
            for top in range(0, photograph.shape[0] - PATCH + 1, step):
                for start in range(left, right - PATCH + 1, step):
                    parts[name].append(photograph[top : top + PATCH, start : start + PATCH])
    splits = {
        name: images.Split(np.stack(patches), np.zeros(len(patches), np.int64)) for name, patches in parts.items()
    }
    return images.ImageData(
        name="photographs",
        title="patches of two photographs (32x32)",
        licence="CC BY 2.0, danielbuechele and vultilion; shipped inside scikit-learn",
        class_names=("all",),
        **splits,
    )


def edges(targets):
    """Outlines of pictures (N, H, W, C): where the grey values are steeper than a quarter of black to white."""
    grey = targets.astype(np.float32).mean(axis=3)  # (N, H, W)
    down, across = np.gradient(grey, axis=(1, 2))
    outline = np.hypot(down, across) > 255 / 4
    return Pairs((255 * outline[..., None]).astype(np.uint8), targets)


def colorize(targets):
    """Colour pictures (N, H, W, 3) and their luma (ITU-R BT.601)."""
    grey = np.rint(targets @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return Pairs(grey[..., None], targets)


def super_resolution(targets, factor):
    """Pictures, and what is left of them when they are shrunk by block means and enlarged again (bicubic)."""
    count, height, width, channels = targets.shape
    blocks = targets.reshape(count, height // factor, factor, width // factor, factor, channels)
    small = np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)  # (N, H/f, W/f, C)
    return Pairs(bicubic(small, factor), targets)


def bicubic(small, factor):
    """Pictures uint8 (N, H, W, C) enlarged `factor` times by bicubic interpolation (Pillow)."""
    from PIL import Image

    enlarged = []
    for picture in small:
        size = (picture.shape[1] * factor, picture.shape[0] * factor)
        planes = [
            np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC))
            for plane in np.moveaxis(picture, 2, 0)
        ]
        enlarged.append(np.stack(planes, axis=2))
    return np.stack(enlarged)


def inpainting(targets, seed):
    """Pictures with a rectangular hole, black, and as last channel its mask, white.

    Each side of a hole is a quarter to a half of the picture's; it lies anywhere.
    """
    random = np.random.default_rng(seed)
    count, height, width, _ = targets.shape
    mask = np.zeros((count, height, width, 1), bool)
    for each in mask:
        tall = random.integers(height // 4, height // 2 + 1)
        wide = random.integers(width // 4, width // 2 + 1)
        top = random.integers(0, height - tall + 1)
        left = random.integers(0, width - wide + 1)
        each[top : top + tall, left : left + wide] = True
    sources = np.concatenate([np.where(mask, 0, targets), 255 * mask], axis=3).astype(np.uint8)
    return Pairs(sources, targets)


def segmentation(split, classes, seed):
    """Scenes of four things, one in each quarter, at half their size, and for each class a map of where it is.

    Args:
        split: `zoo.datasets.images.Split` of N pictures.
        classes: how many there are.
        seed: of which things meet, and where.

    Returns:
        `Pairs` of N scenes; sources (N, H, W, classes), white where a pixel belongs to a thing of the class.
    """
    random = np.random.default_rng(seed)
    count, height, width, channels = split.images.shape
    tall, wide = height // 2, width // 2
    blocks = split.images[:, : 2 * tall, : 2 * wide].reshape(count, tall, 2, wide, 2, channels)
    small = np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)  # (N, H/2, W/2, C)
    targets = np.zeros_like(split.images)
    sources = np.zeros((count, height, width, classes), np.uint8)
    rows = np.arange(count)
    for top in (0, height - tall):
        for left in (0, width - wide):
            chosen = random.permutation(count)
            things, labels = small[chosen], split.labels[chosen]
            targets[:, top : top + tall, left : left + wide] = things
            ink = things.mean(axis=3) > INK  # (N, H/2, W/2)
            for row, label, where in zip(rows, labels, ink, strict=True):
                sources[row, top : top + tall, left : left + wide, label] = 255 * where
    return Pairs(sources, targets)


def training_batches(pairs, batch_size, seed, first_epoch=0, context=None):
    """Endless shuffled batches of pairs, as `zoo.datasets.images.training_batches` has them of pictures.

    Returns:
        `tf.data.Dataset` of (sources float32 (B, H, W, S), targets float32 (B, H, W, C)), both in [-1, 1].
    """
    import tensorflow as tf

    split = images.Split(pairs.targets, pairs.sources)
    batches = images.training_batches(split, batch_size, seed, first_epoch, context)
    return batches.map(lambda targets, sources: (tf.cast(sources, tf.float32) / 127.5 - 1.0, targets))


def trivial(data, pairs):
    """What takes no training: the answers to beat.

    Args:
        data: `PairData`; only its training pairs are looked at.
        pairs: `Pairs` of N pictures.

    Returns:
        Name -> pictures float32 (N, H, W, C) in [-1, 1].
    """
    sources, targets = pairs
    if data.task == "edges":
        mean = images.to_float(data.train.targets[:10_000]).mean(axis=0)
        return {"mean of the training pictures": np.broadcast_to(mean, targets.shape)}
    if data.task == "colorize":
        return {"grey": images.to_float(np.repeat(sources, 3, axis=3))}
    if data.task == "super_resolution":
        return {"bicubic": images.to_float(sources)}
    if data.task == "inpainting":
        return {"mean fill": _mean_fill(sources), "biharmonic": _biharmonic(sources)}
    greys = [data.train.targets[data.train.sources[..., each] == 255].mean() for each in range(sources.shape[3])]
    painted = np.sum((sources == 255) * np.array(greys), axis=3, keepdims=True)
    return {"mean grey of each class": images.to_float(np.broadcast_to(painted, targets.shape))}


def _mean_fill(sources):
    """Every hole gets the mean of the picture around it."""
    pictures, seen = sources[..., :-1].astype(np.float64), sources[..., -1:] == 0
    means = np.sum(pictures * seen, axis=(1, 2), keepdims=True) / np.sum(seen, axis=(1, 2), keepdims=True)
    return images.to_float(np.where(seen, pictures, means))


def _biharmonic(sources):
    """Every hole is closed by the smoothest surface that meets its rim (scikit-image)."""
    from skimage import restoration

    filled = [
        restoration.inpaint_biharmonic(source[..., :-1] / 255.0, source[..., -1] == 255, channel_axis=-1)
        for source in sources
    ]
    return (2.0 * np.clip(np.stack(filled), 0.0, 1.0) - 1.0).astype(np.float32)


def score(pairs, made):
    """How near pictures are to the targets.

    Args:
        pairs: `Pairs` of N pictures.
        made: float (N, H, W, C) in [-1, 1].

    Returns:
        Dictionary: psnr in dB (of the squared error over all pictures), ssim (mean), error (mean absolute, black to
        white is 1), n; where the last of the source's channels is a mask also masked_error, that within the mask.
    """
    from skimage import metrics

    sources, targets = pairs
    made = np.clip((np.asarray(made, np.float64) + 1.0) / 2.0, 0.0, 1.0)
    targets = targets / 255.0
    error = np.abs(made - targets)
    similar = [
        metrics.structural_similarity(one, other, data_range=1.0, channel_axis=-1)
        for one, other in zip(made, targets, strict=True)
    ]
    scores = {
        "psnr": float(-10.0 * np.log10(np.mean(error**2) + 1e-12)),
        "ssim": float(np.mean(similar)),
        "error": float(np.mean(error)),
        "n": len(made),
    }
    if sources.shape[3] == targets.shape[3] + 1:
        hole = np.broadcast_to(sources[..., -1:] == 255, error.shape)
        scores["masked_error"] = float(np.mean(error[hole]))
    return scores


def visible(sources, data):
    """Sources (N, H, W, S) in [-1, 1] as pictures with the channels of the targets: masks go, classes become greys."""
    channels = data.target_shape[2]
    if data.task == "inpainting":
        return sources[..., :-1]
    if data.task == "segmentation":
        greys = np.linspace(0.3, 1.0, sources.shape[3], dtype=np.float32)
        sources = 2.0 * np.sum((sources > 0) * greys, axis=3, keepdims=True) - 1.0
    return sources if sources.shape[3] == channels else np.repeat(sources, channels, axis=3)
