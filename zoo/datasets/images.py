"""Pictures with class labels, from three kinds of source.

    load("digits")                     1,797 real 8x8 scans inside scikit-learn: no download
    load("fashion_mnist")              any image set of TensorFlow Datasets, by its name
    load("folder:/path/to/pictures")   your own pictures; a sub-folder is a class

In a folder hidden files are left out, and what is transparent becomes white. Every picture is decoded once and kept
as uint8; `training_batches` turns it into float32 in [-1, 1] batch by batch. Training, validation and test pictures
are never mixed: models are chosen on the validation split, and the test split is read once, for the card.
"""

import difflib
import pathlib
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge import drawing
from zoo.datasets import downloads

SPLIT_SEED = 1797  # the splits belong to the data: they do not move with a run's seed
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
LONGEST_NAME = 50  # characters: the names of models and files are longer, and at most 100


class Split(NamedTuple):
    """Pictures with their labels: uint8 (N, H, W, C) and int64 (N,)."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class ImageData:
    """One data set, split in three. The name is part of the names of models and files."""

    name: str
    title: str
    licence: str
    class_names: tuple
    train: Split
    validation: Split
    test: Split

    @property
    def image_shape(self):
        """Height, width, channels."""
        return self.train.images.shape[1:]


def to_float(images):
    """uint8 0..255 becomes float32 -1..1."""
    return np.asarray(images, np.float32) / np.float32(127.5) - np.float32(1.0)


def to_uint8(images):
    """Floats in -1..1 become uint8 0..255, rounded to the nearest and clipped."""
    return np.clip(np.rint((np.asarray(images, np.float32) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def binarize(images, seed):
    """Draw every pixel as black or white, white with the probability that its brightness states.

    Args:
        images: uint8 (N, H, W, C).
        seed: integer; the same seed draws the same pixels.

    Returns:
        uint8 of the same shape, 0 or 255: the "dynamically binarised" data of Salakhutdinov and Murray (2008).
    """
    uniform = np.random.default_rng(seed).random(images.shape, dtype=np.float32)
    return np.where(uniform < images / np.float32(255.0), 255, 0).astype(np.uint8)


def load(name, image_size=None, channels=None):
    """Load a data set of pictures, whole, as uint8.

    Args:
        name: "digits", the name of an image set in TensorFlow Datasets, or "folder:PATH".
        image_size: None keeps the size of the data; an integer crops to the central square and scales to that side.
        channels: None keeps those of the data; 1 makes grey, 3 makes colour.

    Returns:
        `ImageData`.

    Raises:
        ValueError: one sentence: an unknown name, a set that is neither prepared nor within reach, an empty folder,
            unreadable or mixed-size pictures, sizes under 1, channels other than 1 and 3.
    """
    if channels not in (None, 1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (colour), got {channels}")
    if image_size is not None and image_size < 1:
        raise ValueError(f"the image size must be positive, got {image_size}")
    if name == "digits":
        return _load_digits(image_size, channels)
    if name.startswith("folder:"):
        return _load_folder(pathlib.Path(name.removeprefix("folder:")), image_size, channels)
    return _load_tfds(name, image_size, channels)


def training_batches(split, batch_size, seed, first_epoch=0, context=None, binarized=False):
    """Endless shuffled batches; the order is a function of (seed, epoch) alone, so a resumed run sees the same one.

    Use it with `steps_per_epoch=steps_per_epoch(split, batch_size)`: an epoch is that many whole batches, and what
    does not fill the last batch is left out (others each epoch).

    Args:
        split: `Split` of N pictures.
        batch_size: pictures a batch, at most N.
        seed: integer.
        first_epoch: the epoch to begin with; a resumed run passes the number of finished epochs.
        context: `tf.distribute.InputContext` of this worker, whose replicas then get their shares of each batch, one
            after the other; None for the whole batches.
        binarized: draw every pixel as black or white anew each time, as `binarize` does.

    Returns:
        `tf.data.Dataset` of (float32 (B, H, W, C) in [-1, 1], int64 (B,)), static shapes.

    Raises:
        ValueError: when the batch is empty or larger than the split, or cannot be shared out evenly.
    """
    import tensorflow as tf

    steps = steps_per_epoch(split, batch_size)
    replicas = context.num_replicas_in_sync if context else 1
    local_replicas = replicas // context.num_input_pipelines if context else 1
    first_replica = local_replicas * context.input_pipeline_id if context else 0
    if batch_size % replicas:
        raise ValueError(f"the batch size must be a multiple of the {replicas} replicas, got {batch_size}")
    share = batch_size // replicas
    images = tf.constant(split.images)
    labels = tf.constant(split.labels)
    last_index = tf.constant(len(split.images) - 1, tf.int64)

    def batch(count, replica):
        epoch = count // steps
        first = replica * share
        position = count % steps * batch_size + first + tf.range(share, dtype=tf.int64)
        index = tf.random.experimental.index_shuffle(position, tf.stack([tf.cast(seed, tf.int64), epoch]), last_index)
        index = tf.ensure_shape(index, (share,))
        pixels = tf.cast(tf.gather(images, index), tf.float32)  # (B, H, W, C)
        if binarized:
            noise_seed = tf.stack([tf.cast(seed, tf.int64), count])
            uniform = tf.random.stateless_uniform((batch_size, *split.images.shape[1:]), noise_seed)
            pixels = 255.0 * tf.cast(uniform[first : first + share] < pixels / 255.0, tf.float32)
        return pixels / 127.5 - 1.0, tf.gather(labels, index)

    count = tf.data.Dataset.counter(start=first_epoch * steps * local_replicas)
    batches = count.map(
        lambda i: batch(i // local_replicas, first_replica + i % local_replicas), num_parallel_calls=tf.data.AUTOTUNE
    )
    return batches.prefetch(4)


def steps_per_epoch(split, batch_size):
    """Whole batches in one pass over the split."""
    if not 1 <= batch_size <= len(split.images):
        raise ValueError(f"the batch size must be 1 to {len(split.images)} (the pictures there are), got {batch_size}")
    return len(split.images) // batch_size


def _load_digits(image_size, channels):
    from sklearn import datasets as sklearn_datasets

    scans = sklearn_datasets.load_digits()
    images = np.rint(scans.images * (255.0 / 16.0)).astype(np.uint8)[..., None]  # (N, 8, 8, 1), 0..16 becomes 0..255
    images = np.stack([_fit(image, image_size, channels) for image in images])
    train, validation, test = _split_in_three(images, scans.target.astype(np.int64), 180, 360)
    return ImageData(
        name="digits",
        title="handwritten digits (8x8)",
        licence="CC BY 4.0, UCI Machine Learning Repository; shipped inside scikit-learn",
        class_names=tuple(str(digit) for digit in range(10)),
        train=train,
        validation=validation,
        test=test,
    )


def _load_folder(folder, image_size, channels):
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    paths = sorted(path for path in folder.rglob("*") if _is_picture(path, folder))
    if len(paths) < 10:
        raise ValueError(
            f"{folder} holds {len(paths)} pictures; at least 10 are needed (png, jpg, bmp, gif, webp, tif)"
        )
    folder_name = folder.resolve().name
    owners = [path.relative_to(folder).parts[0] if path.parent != folder else folder_name for path in paths]
    class_names = tuple(sorted(set(owners)))
    for name in (*class_names, folder_name):
        if not name.isprintable():
            raise ValueError(f"the folder {name!r} has a name that cannot be printed: rename it")
    images = []
    for path in paths:
        image = _fit(_read_picture(path, channels), image_size, None)  # small at once: photographs fill the memory
        images.append(image)
        if image.shape[:2] != images[0].shape[:2]:
            raise ValueError(
                f"{path} is {_size(image)} and {paths[0]} is {_size(images[0])}: "
                "pass --image-size to crop and scale them to one size"
            )
    if channels is None and any(image.shape[-1] == 3 for image in images):
        channels = 3  # one colour picture makes the set a colour set
    images = [_fit(image, None, channels) for image in images]
    labels = np.array([class_names.index(owner) for owner in owners], np.int64)
    tenth = max(1, len(paths) // 10)
    train, validation, test = _split_in_three(np.stack(images), labels, tenth, tenth)
    return ImageData(
        name=plain(f"folder_{folder_name}"),  # a folder named mnist is not MNIST
        title=f"Pictures in {folder_name}",
        licence="as their owner says",
        class_names=class_names,
        train=train,
        validation=validation,
        test=test,
    )


def _load_tfds(name, image_size, channels):
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name)
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError, ImportError) as error:
        close = difflib.get_close_matches(name, ["digits", *tfds.list_builders()], n=3)
        nearest = f"the nearest names are {', '.join(close)}; " if close else ""
        raise ValueError(f"there is no data set {name!r}: {nearest}digits and folder:PATH always work") from error
    features = builder.info.features
    if features is None or "image" not in features or len(features["image"].shape or ()) != 3:
        raise ValueError(f"{name} of TensorFlow Datasets is no set of pictures")
    downloads.prepare(builder, name, "--dataset digits or --dataset folder:PATH")
    if image_size is None and None in features["image"].shape[:2]:
        raise ValueError(f"the pictures of {name} differ in size: pass --image-size to crop and scale them to one size")

    with downloads.reading(name):
        read = {
            split: _read_tfds(builder, split, image_size, channels)
            for split in ("train", "validation", "test")
            if split in builder.info.splits
        }
    if "train" not in read:
        raise ValueError(f"{name} has no split named train")
    images, labels = read["train"]
    validation_size = 0 if "validation" in read else min(5000, len(images) // 10)
    test_size = 0 if "test" in read else len(images) // 10
    train, validation, test = _split_in_three(images, labels, validation_size, test_size)
    class_names = (
        tuple(features["label"].names) if "label" in features and hasattr(features["label"], "names") else ("all",)
    )
    return ImageData(
        name=plain(name),
        title=_TITLES.get(name, name),
        licence=_LICENCES.get(name, builder.info.redistribution_info.license or f"see the catalogue page of {name}"),
        class_names=class_names,
        train=train,
        validation=read.get("validation", validation),
        test=read.get("test", test),
    )


_TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10", "celeb_a": "CelebA"}
_LICENCES = {"mnist": "CC BY-SA 3.0, LeCun and Cortes", "fashion_mnist": "MIT, Zalando SE"}


def plain(name):
    """A data set's name as part of the name of a file: letters, digits, _ and -; `emnist/letters` has a slash."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:LONGEST_NAME]


def _read_tfds(builder, split, image_size, channels):
    import tensorflow as tf

    has_label = "label" in builder.info.features and builder.info.features["label"].shape == ()

    def prepare(example):
        label = tf.cast(example["label"], tf.int64) if has_label else tf.constant(0, tf.int64)
        image = example["image"]
        if image_size is not None:
            side = tf.minimum(tf.shape(image)[0], tf.shape(image)[1])
            image = tf.image.resize_with_crop_or_pad(image, side, side)
            image = tf.image.resize(image, (image_size, image_size), method="area")
            image = tf.cast(tf.round(image), tf.uint8)
        if channels == 1 and image.shape[-1] == 3:
            image = tf.image.rgb_to_grayscale(image)
        if channels == 3 and image.shape[-1] == 1:
            image = tf.image.grayscale_to_rgb(image)
        return image, label

    examples = builder.as_dataset(split=split).map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
    parts = list(examples.batch(1000).as_numpy_iterator())
    return Split(np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts]))


def _split_in_three(images, labels, validation_size, test_size):
    order = np.random.default_rng(SPLIT_SEED).permutation(len(images))
    validation = order[:validation_size]
    test = order[validation_size : validation_size + test_size]
    train = order[validation_size + test_size :]
    return tuple(Split(images[index], labels[index]) for index in (train, validation, test))


def _is_picture(path, folder):
    """Whether a path below the folder is that of a picture file; names with a dot in front are of systems."""
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()


def _read_picture(path, channels):
    from PIL import Image

    try:
        with Image.open(path) as file:
            picture = drawing.on_white(file)
            if file.mode in ("P", "PA"):
                picture = picture.convert("RGB")
                colours = np.asarray(picture)
                is_grey = bool(np.all(colours == colours[..., :1]))
            else:
                is_grey = picture.mode in ("1", "L", "I", "F")
            grey = is_grey if channels is None else channels == 1
            pixels = np.asarray(picture.convert("L" if grey else "RGB"), np.uint8)
    except (OSError, ValueError, Image.DecompressionBombError, *drawing.DAMAGE) as error:
        raise ValueError(f"{path} is not a readable picture") from error
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _fit(image, image_size, channels):
    """Bring one uint8 (H, W, C) picture to the size and the channels that were asked for."""
    from PIL import Image

    if channels == 3 and image.shape[-1] == 1:
        image = np.repeat(image, 3, axis=-1)
    if image_size is None or image.shape[:2] == (image_size, image_size):
        return image
    side = min(image.shape[:2])
    top = (image.shape[0] - side) // 2
    left = (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side]
    picture = Image.fromarray(square.squeeze(-1) if square.shape[-1] == 1 else square)
    scaled = np.asarray(
        picture.resize(
            (image_size, image_size), Image.Resampling.BOX if side > image_size else Image.Resampling.BICUBIC
        )
    )
    return scaled.reshape(image_size, image_size, -1)


def _size(image):
    return f"{image.shape[0]}x{image.shape[1]}"
