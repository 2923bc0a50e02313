"""The bounds of zoo/autoencoders/vae.py on a linear-Gaussian VAE, where log p(x) and everything else is in closed form.

    p(z) = N(0, I),  p(x|z) = N(m + W z, s^2 I)      =>      p(x) = N(m, W W^T + s^2 I)
    p(z|x) = N(M^-1 W^T (x - m) / s^2, M^-1),   M = I + W^T W / s^2

The columns of W are orthogonal, so M is diagonal and a VAE's q(z|x) can be the exact posterior.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from scipy import stats

from zoo.autoencoders import vae

SHAPE = (8, 8, 1)
PIXELS = 64
DIM = 2
SCALE = 0.3  # s
LENGTHS = np.array([0.5, 0.3])  # of the columns of W
CENTRE = 0.5  # m


def directions():
    """W, float64 (64, 2): two orthogonal columns whose entries keep m + W z within (0, 1) for any z that is drawn."""
    signs = np.stack([np.resize([1.0, -1.0], PIXELS), np.resize([1.0, 1.0, -1.0, -1.0], PIXELS)], axis=1)
    return signs / np.sqrt(PIXELS) * LENGTHS


class LinearDecoder(keras.layers.Layer):
    """Logits whose sigmoid, the mean of p(x|z) in a VAE, is m + W z."""

    def call(self, z):
        mean = CENTRE + ops.matmul(z, ops.convert_to_tensor(directions().T, "float32"))
        return ops.reshape(ops.log(mean) - ops.log(1.0 - mean), (-1, *SHAPE))


class LinearEncoder(keras.layers.Layer):
    """Mean and log variance of a Gaussian that is the exact posterior, shifted by `shift` and widened by `widening`."""

    def __init__(self, shift, widening):
        super().__init__()
        self.shift = np.float32(shift)
        self.widening = widening

    def call(self, images):
        x = ops.reshape((images + 1.0) / 2.0, (-1, PIXELS))
        variance = posterior_variance()
        mean = ops.matmul(x - CENTRE, ops.convert_to_tensor(directions() * variance / SCALE**2, "float32")) + self.shift
        log_variance = ops.convert_to_tensor(np.log(variance * self.widening), "float32")
        return mean, ops.broadcast_to(log_variance, ops.shape(mean))


def posterior_variance():
    """The diagonal of M^-1."""
    return 1.0 / (1.0 + LENGTHS**2 / SCALE**2)


def linear_vae(shift=0.0, widening=1.0):
    """The VAE of the zoo with these networks: q(z|x) is p(z|x) when nothing is shifted or widened."""
    model = vae.VAE(SHAPE, latent_dim=DIM, width=2, encoder_width=2, likelihood="gaussian", seed=3)
    model.log_scale.assign(np.log(SCALE))
    z, image = keras.Input((DIM,)), keras.Input(SHAPE)
    model.decoder_average = keras.Model(z, LinearDecoder()(z))
    model.encoder_average = keras.Model(image, LinearEncoder(shift, widening)(image))
    return model


@pytest.fixture(scope="module")
def pictures():
    """Five pictures drawn from p(x), in [-1, 1] as the zoo has them, and log p(x) in nats."""
    random = np.random.default_rng(0)
    covariance = directions() @ directions().T + SCALE**2 * np.eye(PIXELS)
    law = stats.multivariate_normal(np.full(PIXELS, CENTRE), covariance)
    x = law.rvs(5, random)
    return tf.constant(2 * x.reshape(-1, *SHAPE) - 1, tf.float32), law.logpdf(x)


def draw_bound(model, pictures, samples, repeats):
    """Independent importance-weighted bounds, float64 (pictures, repeats)."""
    many = tf.repeat(pictures, repeats, axis=0)
    bound = tf.function(lambda: model.importance_weighted_bound(many, samples))()
    return bound.numpy().astype(np.float64).reshape(len(pictures), repeats)


def divergence(shift, widening):
    """KL(q(z|x) || p(z|x)) in nats, the same for every x."""
    return 0.5 * np.sum(shift**2 / posterior_variance() + widening - 1 - np.log(widening))


def test_bounds_are_the_log_likelihood_when_the_posterior_is_exact(pictures):
    images, exact = pictures
    model = linear_vae()
    for samples in (1, 7):  # each weight p(x, z) / q(z|x) is p(x), whatever z was drawn
        np.testing.assert_allclose(draw_bound(model, images, samples, 3).T, np.tile(exact, (3, 1)), atol=1e-3)
    many = tf.repeat(images, 2000, axis=0)
    reconstruction, kl = model.terms(many, model.encoder_average, model.decoder_average)
    elbos = (reconstruction - kl).numpy().astype(np.float64).reshape(5, 2000)
    np.testing.assert_allclose(elbos.mean(axis=1), exact, atol=4 * elbos.std(axis=1).max() / np.sqrt(2000) + 2e-3)


SHIFT, WIDENING = np.array([0.35, -0.2]), np.array([1.4, 1.4])


def test_elbo_is_short_of_the_log_likelihood_by_the_divergence_of_the_posteriors(pictures):
    images, exact = pictures
    model = linear_vae(SHIFT, WIDENING)
    many = tf.repeat(images, 4000, axis=0)
    reconstruction, kl = model.terms(many, model.encoder_average, model.decoder_average)
    gap = exact[:, None] - (reconstruction - kl).numpy().astype(np.float64).reshape(5, 4000)
    error = gap.std(axis=1) / np.sqrt(4000)
    assert divergence(SHIFT, WIDENING) > 0.1
    assert np.all(np.abs(gap.mean(axis=1) - divergence(SHIFT, WIDENING)) < 4 * error + 2e-3)


def test_weights_average_to_the_likelihood(pictures):
    images, exact = pictures
    model = linear_vae(SHIFT, WIDENING)
    for samples in (1, 5):  # E[exp(bound)] = p(x) for every k
        weights = np.exp(draw_bound(model, images, samples, 4000) - exact[:, None])
        error = weights.std(axis=1) / np.sqrt(4000)
        assert np.all(np.abs(weights.mean(axis=1) - 1) < 4 * error + 2e-3)


def test_bound_rises_to_the_log_likelihood_as_theory_says(pictures):
    images, exact = pictures
    model = linear_vae(SHIFT, WIDENING)
    gaps, errors = {}, {}
    for samples, repeats in ((1, 4000), (2, 4000), (8, 4000), (32, 2000)):
        gap = exact[:, None] - draw_bound(model, images, samples, repeats)
        gaps[samples], errors[samples] = gap.mean(), gap.std() / np.sqrt(gap.size)
    assert gaps[1] == pytest.approx(divergence(SHIFT, WIDENING), abs=4 * errors[1] + 2e-3)  # one sample: the ELBO
    assert gaps[1] > gaps[2] > gaps[8] > gaps[32] > -4 * errors[32]  # ELBO <= IWAE(k) <= log p(x), rising with k
    # E_q[w^2] of the weights w = p(z|x) / q(z|x), an integral of Gaussians; the gap is (E_q[w^2] - 1) / 2k + O(1/k^2).
    v = posterior_variance()
    square = np.prod(WIDENING / np.sqrt(2 * WIDENING - 1) * np.exp(SHIFT**2 / v / (2 * WIDENING - 1)))
    assert gaps[32] == pytest.approx((square - 1) / 64, rel=0.15, abs=4 * errors[32])
