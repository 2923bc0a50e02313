"""The mixture that is sampled in place of N(0, I): its moments, its components, and that a device can draw it."""

import numpy as np
import pytest
import tensorflow as tf

from zoo import noise
from zoo.autoencoders import priors

MIXTURE = priors.MixturePrior(
    weights=np.array([0.2, 0.5, 0.3], np.float32),
    means=np.array([[-12.0, 0.0], [0.0, 9.0], [15.0, -3.0]], np.float32),
    factors=np.array([[[1.0, 0.0], [0.5, 0.3]], [[0.2, 0.0], [0.0, 0.4]], [[0.7, 0.0], [-0.6, 0.1]]], np.float32),
)


def test_samples_have_the_moments_of_the_mixture():
    samples = MIXTURE.sample(tf.range(40_000)).numpy()
    covariances = MIXTURE.factors @ MIXTURE.factors.transpose(0, 2, 1)
    mean = MIXTURE.weights @ MIXTURE.means
    second = covariances + MIXTURE.means[:, :, None] * MIXTURE.means[:, None, :]
    covariance = np.tensordot(MIXTURE.weights, second, axes=1) - np.outer(mean, mean)
    np.testing.assert_allclose(samples.mean(axis=0), mean, atol=0.2)
    np.testing.assert_allclose(np.cov(samples.T), covariance, rtol=0.05, atol=0.5)


def test_components_are_drawn_by_their_weights():
    samples = MIXTURE.sample(tf.range(40_000)).numpy()
    nearest = np.linalg.norm(samples[:, None] - MIXTURE.means[None], axis=2).argmin(axis=1)
    np.testing.assert_allclose(np.bincount(nearest) / len(samples), MIXTURE.weights, atol=0.02)


def test_component_and_noise_are_independent():
    samples = MIXTURE.sample(tf.range(40_000)).numpy()
    nearest = np.linalg.norm(samples[:, None] - MIXTURE.means[None], axis=2).argmin(axis=1)
    for k, factor in enumerate(MIXTURE.factors):
        eps = np.linalg.solve(factor, (samples[nearest == k] - MIXTURE.means[k]).T)  # (D, samples of k)
        np.testing.assert_allclose(eps.mean(axis=1), 0.0, atol=0.05)
        np.testing.assert_allclose(np.cov(eps), np.eye(2), atol=0.08)


def test_one_component_is_a_moved_normal():
    prior = priors.MixturePrior(
        np.ones(1, np.float32), np.full((1, 3), 2.0, np.float32), np.eye(3, dtype=np.float32)[None]
    )
    seeds = tf.constant([7, -3])
    np.testing.assert_allclose(prior.sample(seeds), noise.normal(seeds, 3) + 2.0, rtol=1e-6)


def test_a_seed_gives_the_same_vector_alone_and_in_a_batch():
    together = MIXTURE.sample(tf.range(10, 20)).numpy()
    alone = np.concatenate([MIXTURE.sample(tf.constant([seed])).numpy() for seed in range(10, 20)])
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_fit_finds_the_mixture_again():
    fitted = priors.fit_mixture(MIXTURE.sample(tf.range(5_000)).numpy(), 3)
    order = fitted.means[:, 0].argsort()
    np.testing.assert_allclose(fitted.weights[order], MIXTURE.weights, atol=0.02)
    np.testing.assert_allclose(fitted.means[order], MIXTURE.means, atol=0.1)
    covariances = (fitted.factors @ fitted.factors.transpose(0, 2, 1))[order]
    np.testing.assert_allclose(covariances, MIXTURE.factors @ MIXTURE.factors.transpose(0, 2, 1), atol=0.08)


def test_draws_with_builtin_operations_only():
    from ai_edge_litert.interpreter import Interpreter

    draw = tf.function(MIXTURE.sample, input_signature=[tf.TensorSpec([1], tf.int32, name="seed")])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([draw.get_concrete_function()])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    for seed in range(20):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.array([seed], np.int32))
        interpreter.invoke()
        given = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_allclose(given, MIXTURE.sample(tf.constant([seed])), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("components", [0, 11])
def test_refuses_more_components_than_vectors(components):
    with pytest.raises(ValueError, match="needs 1 to 10"):
        priors.fit_mixture(np.zeros((10, 2)), components)
