"""Autoencoder: the error by hand, PCA as the best that is linear, and networks that give back what they get."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.decomposition import PCA

from zoo.autoencoders import autoencoder
from zoo.datasets import images

TINY = {
    "image_shape": (8, 8, 1),
    "latent_dim": 3,
    "width": 4,
    "networks": "dense",
    "average_decay": 0.9,
}


def make(**changes):
    model = autoencoder.Autoencoder(**{**TINY, **changes})
    model.compile(keras.optimizers.Adam(3e-3))
    return model


@pytest.fixture(scope="module")
def same(batch):
    """What a train step takes: the pictures twice."""
    return batch[0], batch[0]


# Networks


@pytest.mark.parametrize("networks", autoencoder.NETWORKS)
@pytest.mark.parametrize("shape", [(8, 8, 3), (28, 28, 1), (8, 12, 1)])
def test_networks_make_codes_and_pictures(networks, shape):
    encoder, decoder = autoencoder.make_networks(networks, shape, latent_dim=3, width=2)
    code = encoder(tf.random.uniform((3, *shape), -1.0, 1.0))
    small = {(8, 8, 3): (4, 4), (28, 28, 1): (7, 7), (8, 12, 1): (4, 6)}[shape]
    assert code.shape == ((3, *small, 3) if networks == "map" else (3, 3))
    pictures = decoder(10 * tf.random.normal(code.shape)).numpy()
    assert pictures.shape == (3, *shape) and pictures.dtype == np.float32
    assert networks == "linear" or np.abs(pictures).max() <= 1
    assert np.abs(pictures[0] - pictures[1]).max() > 1e-3


def test_what_cannot_be_made_is_refused():
    with pytest.raises(ValueError, match="must be one of linear, dense, convolutional, map, got 'deep'"):
        make(networks="deep")
    for networks in ("convolutional", "map"):
        with pytest.raises(ValueError, match="a side of 9 pixels cannot be made"):
            make(networks=networks, image_shape=(9, 9, 1))
        with pytest.raises(ValueError, match="doubled equally often, got 8x16"):
            make(networks=networks, image_shape=(8, 16, 1))


# The error


def test_error_by_hand():
    random = np.random.default_rng(0)
    one, other = random.uniform(-1, 1, (2, 4, 3, 5, 2)).astype(np.float32)
    by_hand = np.mean(((one + 1) / 2 - (other + 1) / 2) ** 2)
    assert float(autoencoder.reconstruction_error(one, other)) == pytest.approx(by_hand, rel=1e-5)


def principal(digits, components):
    """PCA of the digits, its error, and a linear autoencoder that computes it."""
    flat = images.to_float(digits.images).reshape(-1, 64)
    pca = PCA(components).fit(flat)
    error = np.mean((0.5 * (pca.inverse_transform(pca.transform(flat)) - flat)) ** 2)
    model = make(networks="linear", latent_dim=components)
    model.encoder.set_weights([pca.components_.T, -pca.components_ @ pca.mean_])
    model.decoder.set_weights([pca.components_, pca.mean_])
    return flat, error, model


def test_pca_is_a_linear_autoencoder_that_stands_still(digits):
    """Baldi and Hornik: the projection on the principal components is a stationary point of E."""
    flat, error, model = principal(digits, 5)
    pictures = flat.reshape(-1, 8, 8, 1)
    with tf.GradientTape() as tape:
        loss = autoencoder.reconstruction_error(pictures, model.decoder(model.encoder(pictures)))
    assert float(loss) == pytest.approx(error, rel=1e-5)
    for gradient in tape.gradient(loss, model.trainable_variables):
        assert np.abs(gradient).max() < 1e-6


def test_a_linear_autoencoder_learns_the_principal_subspace(digits):
    """... and descent from anywhere ends there, at PCA's error, never below it."""
    flat, error, pca = principal(digits, 4)
    model = make(networks="linear", latent_dim=4)
    rate = keras.optimizers.schedules.CosineDecay(0.02, 2000)
    model.compile(keras.optimizers.Adam(rate))
    pictures = tf.constant(flat.reshape(-1, 8, 8, 1))
    step = tf.function(model.train_step)
    for _ in range(2000):
        step((pictures, pictures))
    reached = float(autoencoder.reconstruction_error(pictures, model.decoder(model.encoder(pictures))))
    assert error * (1 - 1e-5) < reached < 1.01 * error
    learned, _ = np.linalg.qr(model.decoder.get_weights()[0].T)  # a basis of what the decoder can make
    overlap = np.linalg.svd(learned.T @ pca.decoder.get_weights()[0].T, compute_uv=False)
    assert overlap.min() > 0.97


# The step


def test_step_descends_towards_the_targets(batch):
    pictures = batch[0]
    noisy = pictures + 0.3
    model = autoencoder.Autoencoder(**TINY)
    model.compile(keras.optimizers.SGD(0.5))
    before = [weight.numpy() for weight in model.trainable_variables]
    with tf.GradientTape() as tape:
        expected = tf.reduce_mean(tf.square((model.decoder(model.encoder(noisy)) - pictures) / 2))
    gradients = tape.gradient(expected, model.trainable_variables)
    assert float(model.train_step((noisy, pictures))["loss"]) == pytest.approx(float(expected), rel=1e-5)
    for weight, then, gradient in zip(model.trainable_variables, before, gradients, strict=True):
        np.testing.assert_allclose(weight, then - 0.5 * gradient, atol=1e-6)
        assert np.any(weight.numpy() != then), weight.path


def test_averages_follow_and_are_what_is_called(same):
    model = make()
    pairs = ((model.encoder_average, model.encoder), (model.decoder_average, model.decoder))
    starts = [average.get_weights() for average, _ in pairs]
    model.train_step(same)
    for (average, network), start in zip(pairs, starts, strict=True):
        for mean, old, new in zip(average.get_weights(), start, network.get_weights(), strict=True):
            np.testing.assert_allclose(mean, 2 / 11 * old + 9 / 11 * new, atol=1e-6)
    made = model(same[0]).numpy()
    np.testing.assert_allclose(made, model.decoder_average(model.encoder_average(same[0])), atol=1e-6)
    for network in (model.encoder, model.decoder):
        network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    np.testing.assert_array_equal(model(same[0]), made)
    scores = model.evaluate(*same, batch_size=10, verbose=0, return_dict=True)  # 10 pictures, then 6
    assert scores["loss"] == pytest.approx(float(autoencoder.reconstruction_error(same[0], made)), rel=1e-5)


@pytest.mark.parametrize("networks", ["dense", "convolutional", "map"])
def test_error_falls_on_one_batch(same, networks):
    model = make(networks=networks, width=8, latent_dim=8)
    pairs = tf.data.Dataset.from_tensors(same).repeat()
    loss = model.fit(pairs, epochs=3, steps_per_epoch=40, verbose=0).history["loss"]
    assert loss[2] < loss[1] < loss[0] and loss[2] < 0.6 * loss[0]


# Saving


def test_config():
    checks.check_config(autoencoder.Autoencoder, TINY)


def test_round_trip(same, tmp_path):
    checks.check_round_trip(make(), same[0], same, tmp_path, draws=False)


def test_resume(digits, tmp_path):
    few = images.Split(digits.images[:43], digits.labels[:43])

    def batches(first_epoch, context=None):
        made = images.training_batches(few, 8, seed=4, first_epoch=first_epoch)
        return made.map(lambda pictures, _: (pictures, pictures))

    checks.check_resume(make, batches, images.steps_per_epoch(few, 8), tmp_path)


def test_half_precision(same):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = make(networks="convolutional")
    before = checks.values(model.encoder)
    assert np.isfinite(float(model.train_step(same)["loss"]))
    assert all(checks.moved(model.encoder, before))
    assert model.encoder.layers[1].compute_dtype == "bfloat16"
    exact = model.decoder_average(model.encoder_average(same[0]))
    np.testing.assert_array_equal(model(same[0]), exact)  # the pictures are not rounded
    for network in (model.encoder_average, model.decoder_average):  # what is exported
        assert {layer.compute_dtype for layer in network.layers} == {"float32"}
