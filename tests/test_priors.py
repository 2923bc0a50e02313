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
    with pytest.raises(ValueError, match=rf"components must be 1 to 10 \(.*\), got {components}"):
        priors.fit_mixture(np.zeros((10, 2)), components)


def test_no_strength_changes_nothing_and_full_strength_is_a_draw_of_the_nearest_mode():
    z = MIXTURE.sample(tf.range(50))
    seeds = tf.range(50, dtype=tf.int32)
    np.testing.assert_allclose(MIXTURE.vary(z, tf.zeros(50), seeds), z, atol=1e-5)
    nearest = np.linalg.norm(z.numpy()[:, None] - MIXTURE.means[None], axis=2).argmin(axis=1)
    eps = noise.normal(seeds, 2, stream=priors.VARIATION_STREAM)
    fresh = MIXTURE.vary(z, tf.ones(50), seeds)
    np.testing.assert_allclose(fresh, MIXTURE.draw(eps, tf.constant(nearest)), atol=1e-5)
    np.testing.assert_allclose(MIXTURE.vary(z, tf.fill([50], 7.0), seeds), fresh, atol=1e-5)  # counts as 1
    half = MIXTURE.vary(z, tf.fill([50], 0.6), seeds).numpy()
    centre = MIXTURE.means[nearest]
    np.testing.assert_allclose(half, centre + 0.8 * (z - centre) + 0.6 * (fresh - centre), atol=1e-4)


@pytest.mark.parametrize("strength", [0.3, 0.8])
def test_variations_of_a_mode_stay_distributed_as_it_is(strength):
    k = tf.ones(20_000, tf.int32)
    z = MIXTURE.draw(noise.normal(tf.range(20_000), 2), k)
    varied = MIXTURE.vary(z, tf.fill([20_000], strength), tf.range(20_000)).numpy()
    np.testing.assert_allclose(varied.mean(axis=0), MIXTURE.means[1], atol=0.02)
    np.testing.assert_allclose(np.cov(varied.T), MIXTURE.factors[1] @ MIXTURE.factors[1].T, atol=0.01)


def test_variations_use_builtin_operations_only():
    from ai_edge_litert.interpreter import Interpreter

    inputs = {"z": ([1, 2], tf.float32), "strength": ([1], tf.float32), "seed": ([1], tf.int32)}
    vary = tf.function(
        lambda z, strength, seed: {"varied": MIXTURE.vary(z, strength, seed)},
        input_signature=[tf.TensorSpec(shape, dtype, name) for name, (shape, dtype) in inputs.items()],
    )
    module = tf.Module()
    module.vary = vary
    converter = tf.lite.TFLiteConverter.from_concrete_functions([vary.get_concrete_function()], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    runner = Interpreter(model_content=converter.convert()).get_signature_runner()
    for seed in range(8):
        given = {
            "z": np.float32([[seed, 2 - seed]]),
            "strength": np.float32([seed / 7]),
            "seed": np.int32([seed]),
        }
        wanted = MIXTURE.vary(*[tf.constant(array) for array in given.values()])
        np.testing.assert_allclose(runner(**given)["varied"], wanted, rtol=1e-5, atol=1e-5)


def test_standard_normal_is_one_component():
    seeds = tf.constant([7, -3])
    np.testing.assert_allclose(priors.standard_normal(3).sample(seeds), noise.normal(seeds, 3), rtol=1e-6)


def test_a_gaussian_for_each_class():
    k = np.resize([0, 0, 2, 1, 2], 10_000)
    latents = MIXTURE.draw(noise.normal(tf.range(10_000), 2), tf.constant(k, tf.int32)).numpy()
    fitted = priors.fit_classes(latents, k)
    np.testing.assert_allclose(fitted.weights, [0.4, 0.2, 0.4])
    np.testing.assert_allclose(fitted.means, MIXTURE.means, atol=0.08)
    covariances = fitted.factors @ fitted.factors.transpose(0, 2, 1)
    np.testing.assert_allclose(covariances, MIXTURE.factors @ MIXTURE.factors.transpose(0, 2, 1), atol=0.08)
    with pytest.raises(ValueError, match="class 1 has 0"):
        priors.fit_classes(latents, np.where(k == 1, 3, k))
