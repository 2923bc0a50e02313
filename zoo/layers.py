"""Layers, and sizes of layers, that several models use alike."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("zoo")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch norm of pictures, with TensorFlow's fused operation in training; the same numbers, sooner.

    Keras converts the activations to float32 and passes over them once for each of its arithmetic operations. The
    fused operation takes them as they are (bfloat16 in, bfloat16 out, sums in float32), in a quarter of the time.
    Where replicas share their statistics, and outside training, Keras computes.

    Sergey Ioffe, Christian Szegedy: "Batch Normalization", 2015, https://arxiv.org/abs/1502.03167

    Args:
        **kwargs: of `keras.layers.BatchNormalization`; the last axis is normalised, statistics are those of all
            replicas.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"synchronized": True, **kwargs})

    def call(self, inputs, training=None, mask=None):
        """Normalise (B, H, W, C)."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if not (training and self.trainable) or replicas > 1:
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.convert_to_tensor(self.gamma),
            tf.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.size(inputs[..., 0]), tf.float32)
        variance *= (count - 1.0) / count  # the fused operation gives the unbiased estimate, Keras keeps the biased one
        self.moving_mean.assign(self.momentum * self.moving_mean + (1.0 - self.momentum) * mean)
        self.moving_variance.assign(self.momentum * self.moving_variance + (1.0 - self.momentum) * variance)
        return outputs


@keras.saving.register_keras_serializable("zoo")
class InstanceNormalization(keras.layers.Layer):
    """Every channel of every picture by itself gets mean 0 and deviation 1, then a learned scale and shift.

    Dmitry Ulyanov, Andrea Vedaldi, Victor Lempitsky: "Instance Normalization", 2016, https://arxiv.org/abs/1607.08022

    Args:
        epsilon: added to the variance.
    """

    def __init__(self, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        """Make scale and shift."""
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros")

    def call(self, inputs):
        """Normalise (B, H, W, C), in float32 whatever the precision policy."""
        x = keras.ops.cast(inputs, "float32")
        centred = x - keras.ops.mean(x, axis=(1, 2), keepdims=True)
        variance = keras.ops.mean(keras.ops.square(centred), axis=(1, 2), keepdims=True)  # (B, 1, 1, C)
        scale = keras.ops.cast(self.gamma, "float32") * keras.ops.rsqrt(variance + self.epsilon)
        return keras.ops.cast(scale * centred + keras.ops.cast(self.beta, "float32"), self.compute_dtype)

    def get_config(self):
        """The arguments of `__init__`."""
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("zoo")
class MinibatchDeviation(keras.layers.Layer):
    """One more channel, the same number everywhere: how much the pictures of this batch differ.

    It is the standard deviation over the batch, averaged over pixels and channels, by which a discriminator knows
    pictures that are too much alike (Karras et al. 2017, https://arxiv.org/abs/1710.10196, section 3).
    """

    def call(self, x):
        """Features (B, H, W, C) -> (B, H, W, C + 1)."""
        _, variance = tf.nn.moments(tf.cast(x, tf.float32), axes=0)  # (H, W, C)
        deviation = tf.reduce_mean(tf.sqrt(variance + 1e-8))
        return tf.concat([x, tf.cast(deviation, x.dtype) * tf.ones_like(x[..., :1])], axis=-1)

    def compute_output_shape(self, input_shape):
        """One channel more."""
        return (*input_shape[:-1], input_shape[-1] + 1)


def start_size(size):
    """The side (4 to 7 pixels) from which doublings lead to `size`, and how many doublings.

    Raises:
        ValueError: when `size` is not 4, 5, 6 or 7 times a power of two, or under 8.
    """
    start = size
    doublings = 0
    while start >= 8 and start % 2 == 0:
        start //= 2
        doublings += 1
    if doublings == 0 or start > 7:
        raise ValueError(
            f"a side of {size} pixels cannot be made: sides are 4, 5, 6 or 7 doubled one or more times "
            "(8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, ...)"
        )
    return start, doublings


def start_shape(image_shape):
    """Height and width from which doublings lead to those of a picture, and how many doublings.

    Args:
        image_shape: height, width, channels.

    Raises:
        ValueError: as `start_size`, and when height and width are not doubled equally often.
    """
    (height, doublings), (width, doublings_across) = (start_size(side) for side in image_shape[:2])
    if doublings != doublings_across:
        raise ValueError(f"height and width must be doubled equally often, got {image_shape[0]}x{image_shape[1]}")
    return height, width, doublings
