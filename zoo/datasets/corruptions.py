"""Damage for pictures: what a denoiser is trained to undo, and one kind that it has never seen.

    gaussian           normal noise is added to every pixel
    salt_and_pepper    some pixels are replaced by black or white
    occlusion          a square somewhere is painted over in one grey
    speckle            every pixel is multiplied by noise; it is kept out of training

Everything is drawn by TensorFlow from stateless seeds, so that it can stand in the data pipeline: the noise is another
one in every epoch, and the same again in a resumed run.
"""

import tensorflow as tf

TRAINED = ("gaussian", "salt_and_pepper", "occlusion")
UNSEEN = ("speckle",)
DEVIATION = 0.2  # of the normal noise; black to white is 1
REPLACED = 0.15  # share of the pixels that become black or white
SIDE = 0.36  # of the square, as a share of the height
SPECKLE = 0.5  # deviation of the factor


def gaussian(pictures, seed, strength=1.0):
    """Add normal noise to (B, H, W, C) in [-1, 1]; what leaves the range is clipped.

    Args:
        pictures: float32.
        seed: int (2,).
        strength: scalar or (B, 1, 1, 1), multiplies the amount of damage; so in all functions here.
    """
    noise = tf.random.stateless_normal(tf.shape(pictures), seed)
    return tf.clip_by_value(pictures + 2.0 * DEVIATION * strength * noise, -1.0, 1.0)


def salt_and_pepper(pictures, seed, strength=1.0):
    """Replace a share of the pixels of (B, H, W, C), in all channels alike, by -1 or 1."""
    batch, height, width = tf.unstack(tf.shape(pictures)[:3])
    uniform = tf.random.stateless_uniform((batch, height, width, 1), seed)
    share = REPLACED * strength
    return tf.where(uniform < share, tf.where(uniform < 0.5 * share, -1.0, 1.0), pictures)


def occlusion(pictures, seed, strength=1.0):
    """Paint a square of (B, H, W, C) over, somewhere within the picture, in a grey that is drawn for it."""
    batch, height, width = tf.unstack(tf.shape(pictures)[:3])
    drawn = tf.random.stateless_uniform((batch, 3), seed)[:, :, None, None]  # (B, 3, 1, 1)
    side = tf.round(SIDE * tf.cast(height, tf.float32) * strength) * tf.ones_like(pictures[:, :1, :1, :1])
    side = side[..., 0]  # (B, 1, 1)

    def within(length, where):
        positions = tf.range(tf.cast(length, tf.float32))
        first = tf.floor(where * (tf.cast(length, tf.float32) - side + 1.0))
        return positions, first

    rows, top = within(height, drawn[:, 0])
    columns, left = within(width, drawn[:, 1])
    down = (rows[None, :, None] >= top) & (rows[None, :, None] < top + side)  # (B, H, 1)
    across = (columns[None, None, :] >= left) & (columns[None, None, :] < left + side)  # (B, 1, W)
    grey = 2.0 * drawn[:, 2][..., None] - 1.0  # (B, 1, 1, 1)
    return tf.where((down & across)[..., None], grey, pictures)


def speckle(pictures, seed, strength=1.0):
    """Multiply every pixel of (B, H, W, C) by 1 plus normal noise: black stays black."""
    noise = tf.random.stateless_normal(tf.shape(pictures), seed)
    pixels = (pictures + 1.0) / 2.0 * (1.0 + SPECKLE * strength * noise)
    return tf.clip_by_value(2.0 * pixels - 1.0, -1.0, 1.0)


KINDS = {"gaussian": gaussian, "salt_and_pepper": salt_and_pepper, "occlusion": occlusion, "speckle": speckle}


def mixed(pictures, seed, strength=1.0):
    """Each picture of (B, H, W, C) is damaged in one of the ways of `TRAINED`, which takes turns with the others."""
    seed = tf.cast(seed, tf.int64)
    kind = tf.range(tf.shape(pictures)[0])[:, None, None, None] % len(TRAINED)
    damaged = pictures
    for number, name in enumerate(TRAINED):
        damaged = tf.where(
            kind == number, KINDS[name](pictures, seed + tf.constant([0, number], tf.int64), strength), damaged
        )
    return damaged


def training_batches(batches, seed, first_batch=0):
    """Pairs to train a denoiser on: damaged pictures, and the same pictures clean.

    Args:
        batches: `tf.data.Dataset` of (pictures (B, H, W, C) in [-1, 1], labels), as
            `zoo.datasets.images.training_batches` makes them.
        seed: integer; another one for each worker.
        first_batch: number of the first batch; a resumed run passes how many there were before.

    Returns:
        `tf.data.Dataset` of (damaged, clean). The kinds of damage take turns, its strength is drawn for each picture,
        half to one and a half times that of the functions above.
    """

    def damage(batch, count):
        pictures, _ = batch
        noise_seed = tf.stack([tf.cast(seed, tf.int64), 8 * count])  # 8: `mixed` counts on from it, up to 2
        strength_seed = noise_seed + tf.constant([0, 7], tf.int64)
        strength = tf.random.stateless_uniform((tf.shape(pictures)[0], 1, 1, 1), strength_seed, 0.5, 1.5)
        return tf.ensure_shape(mixed(pictures, noise_seed, strength), pictures.shape), pictures

    counted = tf.data.Dataset.zip(batches, tf.data.Dataset.counter(start=first_batch))
    return counted.map(damage, num_parallel_calls=tf.data.AUTOTUNE).prefetch(4)
