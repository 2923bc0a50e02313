"""CVAE: both terms of the bound by hand, what the label does, a prior for each class."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from zoo import noise
from zoo.autoencoders import cvae

TINY = {
    "image_shape": (8, 8, 1),
    "classes": 11,
    "latent_dim": 3,
    "width": 4,
    "recognition_width": 5,
    "average_decay": 0.9,
    "seed": 11,
}


def make(**changes):
    model = cvae.CVAE(**{**TINY, "classes": 10, **changes})
    model.compile(keras.optimizers.Adam(3e-3))
    return model


def networks(model):
    return model.recognition, model.prior, model.generation


def set_priors(model, means, log_variances):
    for prior in (model.prior, model.prior_average):
        prior.get_layer("prior_mean").embeddings.assign(means)
        prior.get_layer("prior_log_variance").embeddings.assign(log_variances)


# Networks


@pytest.mark.parametrize("shape", [(8, 8, 3), (28, 28, 1), (8, 12, 1)])
def test_networks_take_a_label(shape):
    labels = tf.constant([3, 9, 0, 3])
    pictures = tf.repeat(tf.random.uniform((1, *shape), -1.0, 1.0), 4, axis=0)
    recognition = cvae.make_recognition(shape, 10, latent_dim=3, width=2)
    for output in recognition([labels, pictures]):
        assert output.shape == (4, 3) and output.dtype == tf.float32
        np.testing.assert_allclose(output[0], output[3], atol=1e-6)
        assert np.abs(output[0] - output[1]).max() > 1e-5  # the same picture, another label
    generation = cvae.make_generation(shape, 10, latent_dim=3, width=2)
    logits = generation([labels, tf.ones((4, 3))]).numpy()
    assert logits.shape == (4, *shape) and logits.dtype == np.float32
    np.testing.assert_allclose(logits[0], logits[3], atol=1e-6)
    assert np.abs(logits[0] - logits[1]).max() > 1e-5
    other = generation([labels, tf.zeros((4, 3))])
    assert np.abs(logits - other).max() > 1e-5
    for output in cvae.make_prior(10, 3)(labels):
        np.testing.assert_array_equal(output, np.zeros((4, 3)))  # N(0, I) to begin with


def test_sizes_and_labels_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="a side of 9 pixels cannot be made"):
        make(image_shape=(9, 9, 1))
    with pytest.raises(ValueError, match="doubled equally often, got 8x16"):
        make(image_shape=(8, 16, 1))
    for wrong in ([0, 10], [-1, 3]):
        with pytest.raises(ValueError, match=r"a label has numbers 0 to 9, got"):
            make().generate([0, 1], wrong)


# The bound


def test_terms_by_hand(batch):
    pictures, labels = batch
    model = make()
    random = np.random.default_rng(0)
    means, log_variances = random.standard_normal((2, 10, 3)).astype(np.float32)
    set_priors(model, means, log_variances)
    model.log_scale.assign(-0.4)
    reconstruction, kl = model.terms(labels, pictures, networks(model))

    mean, log_variance = (output.numpy() for output in model.recognition([labels, pictures]))
    model.seed_generator.state.assign([11, 0])  # the same noise again
    z = mean + np.exp(0.5 * log_variance) * model.normal((16, 3)).numpy()
    p = special.expit(model.generation([labels, tf.constant(z)]).numpy())
    by_hand = -0.5 * (((pictures + 1) / 2 - p) / np.exp(-0.4)) ** 2 + 0.4 - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(reconstruction, np.sum(by_hand, axis=(1, 2, 3)), rtol=1e-4)
    m, v = means[labels], log_variances[labels]
    by_hand = 0.5 * np.sum(v - log_variance + (np.exp(log_variance) + (mean - m) ** 2) / np.exp(v) - 1, axis=1)
    np.testing.assert_allclose(kl, by_hand, rtol=1e-4)


def test_step_is_a_descent_of_the_negative_bound(batch):
    model, twin = make(), make()
    model.compile(keras.optimizers.SGD(1e-3))
    twin.set_weights(model.get_weights())
    before = [weight.numpy() for weight in model.trainable_variables]
    logs = model.train_step(batch)
    with tf.GradientTape() as tape:
        reconstruction, kl = twin.terms(batch[1], batch[0], networks(twin))
        loss = tf.reduce_mean(kl) - tf.reduce_mean(reconstruction)
    assert float(logs["loss"]) == pytest.approx(float(loss), rel=1e-5)
    assert float(logs["kl"] - logs["reconstruction"]) == pytest.approx(float(loss), rel=1e-5)
    gradients = tape.gradient(loss, twin.trainable_variables)
    for weight, then, gradient in zip(model.trainable_variables, before, gradients, strict=True):
        gradient = tf.convert_to_tensor(gradient)
        np.testing.assert_allclose(weight, then - 1e-3 * gradient, atol=1e-6)
        assert np.any(weight.numpy() != then) or np.all(gradient == 0), weight.path
    assert np.any(model.prior.get_layer("prior_mean").embeddings != 0)  # the prior learns as well


def test_averages_follow_the_networks(batch):
    model = make()
    pairs = (
        (model.recognition_average, model.recognition),
        (model.prior_average, model.prior),
        (model.generation_average, model.generation),
    )
    starts = [average.get_weights() for average, _ in pairs]
    model.train_step(batch)
    for (average, network), start in zip(pairs, starts, strict=True):
        for mean, old, new in zip(average.get_weights(), start, network.get_weights(), strict=True):
            np.testing.assert_allclose(mean, 2 / 11 * old + 9 / 11 * new, atol=1e-6)


def test_pictures_are_of_the_prior_of_their_label():
    model = make()
    means, log_variances = np.random.default_rng(0).standard_normal((2, 10, 3)).astype(np.float32)
    set_priors(model, means, log_variances)
    seeds, labels = [5, -3, 7], [4, 4, 0]
    made = model.generate(seeds, labels).numpy()
    eps = noise.normal(tf.constant(seeds), 3).numpy()
    z = means[labels] + np.exp(0.5 * log_variances[labels]) * eps
    logits = model.generation_average([tf.constant(labels), tf.constant(z)]).numpy()
    np.testing.assert_allclose(made, 2 * special.expit(logits) - 1, atol=1e-5)
    np.testing.assert_allclose(model.generate([5], [4])[0], made[0], atol=1e-6)
    assert np.abs(model.generate([5], [0])[0] - made[0]).max() > 1e-4
    for network in networks(model):  # the networks in training have no part in samples
        network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    np.testing.assert_array_equal(model.generate(seeds, labels), made)


def test_evaluate_measures_the_averaged_networks(batch):
    model = make()
    model.seed_generator.state.assign([11, 0])
    scores = model.evaluate(*batch, batch_size=16, return_dict=True, verbose=0)
    assert scores["loss"] == pytest.approx(scores["kl"] - scores["reconstruction"], rel=1e-5)
    for network in networks(model):
        network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    model.seed_generator.state.assign([11, 0])
    again = model.evaluate(*batch, batch_size=16, return_dict=True, verbose=0)
    assert again == pytest.approx(scores, rel=1e-6)


def test_loss_falls_on_one_batch(batch):
    model = make()
    pairs = tf.data.Dataset.from_tensors(batch).repeat()
    loss = model.fit(pairs, epochs=3, steps_per_epoch=25, verbose=0).history["loss"]
    assert loss[2] < loss[1] < loss[0]


# Saving


def test_config():
    checks.check_config(cvae.CVAE, TINY)


def test_round_trip(batch, tmp_path):
    checks.check_round_trip(make(), [batch[1], tf.random.normal((16, 3))], batch, tmp_path)


def test_resume(digits, tmp_path):
    checks.check_resume_on_digits(make, digits, tmp_path)


def test_half_precision(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = make()
    logs = model.train_step(batch)
    assert np.all(np.isfinite([float(value) for value in logs.values()]))
    assert model.generation.get_layer("first").compute_dtype == "bfloat16"
    assert model.generation_average.get_layer("first").compute_dtype == "float32"  # what is exported
    assert model.generate([1], [2]).dtype == tf.float32
