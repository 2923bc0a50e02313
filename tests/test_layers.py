"""Layers of the zoo against those of Keras and against hand computation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import layers


def built(layer_class, dtype):
    layer = layer_class(momentum=0.7, epsilon=0.01, dtype=dtype)
    layer.build((None, 5, 4, 3))
    layer.gamma.assign([0.5, 1.0, 2.0])
    layer.beta.assign([1.0, -1.0, 0.25])
    return layer


@tf.function(reduce_retracing=False)
def trained(layer, x):
    """Output in training, and the gradients of the sum of its cubes."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
        loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 3)
    return y, tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])


def as_float(tensor):
    return tf.cast(tensor, tf.float32).numpy()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 2e-2), ("mixed_float16", 2e-3)])
def test_batch_norm_computes_what_keras_computes(dtype, tolerance):
    pictures = tf.constant(np.random.default_rng(0).normal(1.5, 2.0, (6, 5, 4, 3)), tf.float32)
    fused = built(layers.BatchNormalization, dtype)
    plain = built(keras.layers.BatchNormalization, dtype)
    for _ in range(2):
        output, gradients = trained(fused, pictures)
        expected, expected_gradients = trained(plain, pictures)
        assert output.dtype == expected.dtype
        np.testing.assert_allclose(as_float(output), as_float(expected), atol=tolerance, rtol=tolerance)
        for given, wanted in zip(gradients, expected_gradients, strict=True):
            scale = np.abs(as_float(wanted)).max()
            np.testing.assert_allclose(as_float(given), as_float(wanted), atol=tolerance * scale)
    statistics = np.stack([fused.moving_mean, fused.moving_variance])
    wanted = np.stack([plain.moving_mean, plain.moving_variance])
    np.testing.assert_allclose(statistics, wanted, rtol=max(1e-5, tolerance / 10))
    assert not np.allclose(statistics, [[0.0] * 3, [1.0] * 3], atol=0.1)  # they moved
    np.testing.assert_allclose(
        as_float(fused(pictures, training=False)), as_float(plain(pictures, training=False)), atol=tolerance
    )


def test_batch_norm_by_hand():
    layer = layers.BatchNormalization(momentum=0.9, epsilon=0.5)
    layer.build((None, 1, 1, 1))
    layer.beta.assign([3.0])
    output = layer(tf.reshape([2.0, 4.0, 6.0, 8.0], (4, 1, 1, 1)), training=True)  # mean 5, variance 5
    np.testing.assert_allclose(
        tf.reshape(output, (4,)), 3.0 + np.array([-3.0, -1.0, 1.0, 3.0]) / np.sqrt(5.5), rtol=1e-5
    )
    np.testing.assert_allclose(layer.moving_mean, [0.5], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, [0.9 + 0.5], rtol=1e-6)  # 5, not the unbiased 20 / 3


def test_batch_norm_is_saved_and_can_be_frozen(tmp_path):
    network = keras.Sequential([keras.Input((2, 2, 3)), layers.BatchNormalization(momentum=0.5)])
    network(np.random.default_rng(1).normal(size=(4, 2, 2, 3)), training=True)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert isinstance(loaded.layers[0], layers.BatchNormalization) and loaded.layers[0].synchronized
    before = [array.copy() for array in loaded.get_weights()]
    np.testing.assert_array_equal(before, network.get_weights())
    loaded.trainable = False
    loaded(np.ones((4, 2, 2, 3)), training=True)
    np.testing.assert_array_equal(loaded.get_weights(), before)


# --- instance norm ----------------------------------------------------------------------------


def test_instance_norm_gives_every_channel_of_every_picture_mean_0_and_deviation_1():
    x = np.random.default_rng(0).normal(3, 5, (4, 6, 7, 2)).astype(np.float32)
    layer = layers.InstanceNormalization(epsilon=0.0)
    normal = layer(x).numpy()
    np.testing.assert_allclose(normal.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(normal.std(axis=(1, 2)), 1, atol=1e-4)
    np.testing.assert_allclose(layer(x[2:3]), normal[2:3], atol=1e-5)  # whatever else is in the batch
    layer.gamma.assign([2.0, 0.5])
    layer.beta.assign([1.0, -1.0])
    np.testing.assert_allclose(layer(x), normal * [2.0, 0.5] + [1.0, -1.0], atol=1e-4)


def test_instance_norm_keeps_its_accuracy_in_bfloat16():
    x = tf.constant(np.random.default_rng(0).normal(100, 1, (2, 8, 8, 3)), tf.float32)
    half = layers.InstanceNormalization(dtype="mixed_bfloat16")(x)
    assert half.dtype == tf.bfloat16
    rounded = tf.cast(tf.cast(x, tf.bfloat16), tf.float32)
    np.testing.assert_allclose(tf.cast(half, tf.float32), layers.InstanceNormalization()(rounded), atol=0.03)


def test_instance_norm_is_saved(tmp_path):
    model = keras.Sequential([keras.Input((4, 4, 2)), layers.InstanceNormalization(epsilon=0.25)])
    model.layers[0].gamma.assign([3.0, 4.0])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = tf.random.normal((3, 4, 4, 2))
    np.testing.assert_array_equal(loaded(x), model(x))
    assert loaded.layers[0].epsilon == 0.25


def test_minibatch_deviation_by_hand():
    x = np.zeros((4, 1, 2, 3), np.float32)
    x[:, 0, 0, 0] = [1, 1, 5, 5]  # deviation 2; that of the other five numbers is 0
    x[:, 0, 1, 2] = [7, 7, 7, 7]
    y = layers.MinibatchDeviation()(x).numpy()
    np.testing.assert_array_equal(y[..., :3], x)
    np.testing.assert_allclose(y[..., 3], np.full((4, 1, 2), 2 / 6), atol=1e-4)
    with tf.GradientTape() as tape:
        alike = tf.Variable(np.ones((4, 1, 2, 3), np.float32))
        deviation = tf.reduce_mean(layers.MinibatchDeviation()(alike)[..., 3])
    assert np.isfinite(tape.gradient(deviation, alike)).all()  # the slope of a root at 0


@pytest.mark.parametrize(
    ("size", "start"), [(8, (4, 1)), (10, (5, 1)), (14, (7, 1)), (28, (7, 2)), (48, (6, 3)), (64, (4, 4))]
)
def test_start_size(size, start):
    assert layers.start_size(size) == start


def test_start_shape():
    assert layers.start_shape((28, 20, 3)) == (7, 5, 2)
    with pytest.raises(ValueError, match="a side of 9 pixels cannot be made"):
        layers.start_shape((8, 9, 1))
    with pytest.raises(ValueError, match="doubled equally often, got 8x16"):
        layers.start_shape((8, 16, 1))
