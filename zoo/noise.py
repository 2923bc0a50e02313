"""One seed, one noise, on every device: an integer hash and the Box-Muller transform in builtin TFLite operations.

TensorFlow's own stateless random operations do not exist on a phone, and those that do exist there cannot be given a
seed at run time. So the exported graphs carry this: element i of stream s is hashed from (seed, s, i) with wrapping
int32 multiplication, XOR and shifts, which x86, ARM and WebAssembly compute to the same bit; 23 of those bits become a
uniform number, and two uniforms become two normals,

    r = sqrt(-2 log u1),    z1 = r cos(2 pi u2),    z2 = r sin(2 pi u2)        (Box and Muller, 1958)

The hash is lowbias32 of Chris Wellons' hash prospector (2018, public domain), applied twice with a multiplication
between. It is no cryptographic generator.
"""

import math

import numpy as np
import tensorflow as tf

STREAM_STEP = 0x3C6EF372  # far apart in the ring of int32, so that streams of one seed do not overlap those of the next
UNIFORM_BITS = 23  # with 24, adding a half could round up to 1
INDEX_MIX = 0x1E3779B1  # odd: multiplication by it is a permutation of int32


def _int32(value):
    """The Python integer as an int32 constant, wrapped into two's complement."""
    return tf.constant(np.uint32(value & 0xFFFFFFFF).astype(np.int32))


def _shift_right(x, bits):
    """Logical shift of int32; the only shift that TFLite has copies the sign bit, so its copies are taken off again."""
    sign = tf.bitwise.right_shift(x, tf.constant(31, tf.int32))  # -1 for negative x, else 0
    return tf.bitwise.right_shift(x, tf.constant(bits, tf.int32)) - sign * _int32(1 << (32 - bits))


def _lowbias32(x):
    x = tf.bitwise.bitwise_xor(x, _shift_right(x, 16)) * _int32(0x7FEB352D)
    x = tf.bitwise.bitwise_xor(x, _shift_right(x, 15)) * _int32(0x846CA68B)
    return tf.bitwise.bitwise_xor(x, _shift_right(x, 16))


def hash_bits(seed, count, stream=0):
    """32 hashed bits for each of `count` elements of each seed.

    Args:
        seed: int32 (B,).
        count: how many numbers a seed, a Python integer.
        stream: Python integer; other streams of the same seed are unrelated.

    Returns:
        int32 (B, count).
    """
    index = tf.constant(np.arange(count, dtype=np.int32)[None])  # (1, count)
    key = _lowbias32(seed + _int32(stream * STREAM_STEP))[:, None]  # (B, 1)
    key = tf.where(tf.equal(key, 0), _int32(INDEX_MIX), key)  # lowbias32(0) = 0, and a key of 0 hashes element 0 to 0
    mixed = _lowbias32(index + key)  # (B, count)
    return _lowbias32(tf.bitwise.bitwise_xor(mixed, key * _int32(INDEX_MIX)))


def uniform_integers(seed, count, stream=0):
    """Uniform integers 0 to 2^23 - 1, int32 (B, count), from seeds int32 (B,)."""
    return _shift_right(hash_bits(seed, count, stream), 32 - UNIFORM_BITS)


def uniform(seed, count, stream=0):
    """Uniform numbers strictly between 0 and 1, float32 (B, count), from seeds int32 (B,)."""
    integers = uniform_integers(seed, count, stream)
    return (tf.cast(integers, tf.float32) + 0.5) * (1.0 / (1 << UNIFORM_BITS))


def normal(seed, count, stream=0):
    """Standard normal numbers, float32 (B, count), from seeds int32 (B,)."""
    pairs = (count + 1) // 2
    u = uniform(seed, 2 * pairs, stream)
    radius = tf.sqrt(-2.0 * tf.math.log(u[:, :pairs]))
    angle = (2.0 * math.pi) * u[:, pairs:]
    both = tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], axis=1)  # (B, 2 pairs)
    return both[:, :count]
