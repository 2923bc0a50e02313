"""Layers that several models use alike."""

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
