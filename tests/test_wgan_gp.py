"""WGAN-GP: the penalty of a linear critic, points between the pictures, the distance on its own scale."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.datasets import images
from zoo.gans import wgan_gp

TINY = {
    "image_shape": (8, 8, 1),
    "latent_dim": 3,
    "width": 4,
    "critic_width": 5,
    "penalty_weight": 7.0,
    "n_critic": 2,
    "average_decay": 0.9,
    "seed": 11,
}


def make(generator_optimizer=None, discriminator_optimizer=None, **changes):
    model = wgan_gp.WGANGP(**{**TINY, **changes})
    model.compile(
        generator_optimizer or keras.optimizers.Adam(2e-3, beta_1=0.5),
        discriminator_optimizer or keras.optimizers.Adam(3e-3, beta_1=0.5),
    )
    return model


# Losses


def test_losses_by_hand():
    real, fake = tf.constant([[2.0], [-1.0], [0.5]]), tf.constant([[-3.0], [0.25], [1.0]])
    assert float(wgan_gp.critic_loss(real, fake)) == pytest.approx(-1.75 / 3 - 1.5 / 3)
    assert float(wgan_gp.generator_loss(fake)) == pytest.approx(1.75 / 3)


def test_penalty_of_a_linear_critic_is_exact():
    linear = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Flatten(), keras.layers.Dense(1)])
    pictures = tf.random.normal((5, 4, 4, 2))
    for scale in (0.1, 1.0, 4.0):
        kernel = scale * linear.weights[0].numpy()
        linear.weights[0].assign(kernel)
        expected = (np.sqrt(np.sum(kernel**2)) - 1) ** 2
        assert float(wgan_gp.gradient_penalty(linear, pictures)) == pytest.approx(expected, rel=1e-5)


def test_penalty_is_a_mean_over_pictures_of_their_own_slopes():
    x = np.random.default_rng(0).standard_normal((5, 4, 4, 2)).astype(np.float32)

    def squares(x, training):
        return tf.reduce_sum(x**2, axis=(1, 2, 3))[:, None] / 2

    norms = np.sqrt(np.sum(x**2, axis=(1, 2, 3)))
    assert float(wgan_gp.gradient_penalty(squares, tf.constant(x))) == pytest.approx(
        np.mean((norms - 1) ** 2), rel=1e-5
    )


def test_a_flat_critic_has_a_finite_slope():
    """Without something under the root the gradient of the norm at 0 is not a number."""
    critic = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    critic.weights[0].assign(tf.zeros_like(critic.weights[0]))
    with tf.GradientTape() as tape:
        penalty = wgan_gp.gradient_penalty(critic, tf.ones((3, 4, 4, 1)))
    assert float(penalty) == pytest.approx(1.0, abs=1e-5)
    assert np.all(np.isfinite(tape.gradient(penalty, critic.weights[0])))


def test_points_lie_between_each_pair_of_pictures():
    random = np.random.default_rng(0)
    real, fake = (random.uniform(-1, 1, (3, 4, 4, 2)).astype(np.float32) for _ in range(2))
    between = wgan_gp.interpolate(tf.constant(real), tf.constant(fake), tf.constant([0.0, 1.0, 0.25])).numpy()
    np.testing.assert_array_equal(between[0], fake[0])
    np.testing.assert_array_equal(between[1], real[1])
    np.testing.assert_allclose(between[2], 0.25 * real[2] + 0.75 * fake[2], atol=1e-6)


def test_distance_of_two_gaussians_on_its_own_scale():
    """W(N(m, s^2 I), N(n, s^2 I)) = |m - n|: a trained critic says so, without a factor of its own."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    shift = np.zeros((1, 4, 4, 1), np.float32)
    shift[0, :2, 0, 0] = 0.9, -1.2  # of length 1.5
    critic = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(32, "relu"), keras.layers.Dense(1)]
    )
    optimizer = keras.optimizers.Adam(5e-3, beta_1=0.0, beta_2=0.9)

    @tf.function
    def step(real, fake, alpha):
        with tf.GradientTape() as tape:
            loss = wgan_gp.critic_loss(critic(real), critic(fake))
            penalty = wgan_gp.gradient_penalty(critic, wgan_gp.interpolate(real, fake, alpha))
            objective = loss + 10.0 * penalty
        optimizer.apply(tape.gradient(objective, critic.trainable_variables), critic.trainable_variables)
        return -loss

    estimates = []
    for _ in range(600):
        real, fake = (random.normal(0, 0.5, (256, 4, 4, 1)).astype(np.float32) for _ in range(2))
        estimates.append(float(step(real + shift, fake, random.uniform(0, 1, 256).astype(np.float32))))
    assert np.mean(estimates[-100:]) == pytest.approx(1.5, abs=0.15)


# The step


def test_each_critic_step_has_pictures_of_its_own(batch):
    """The two steps of the critic and the one of the generator, repeated by hand with plain descent."""
    model, twin = (make(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)) for _ in range(2))
    twin.set_weights(model.get_weights())
    generator, critic = twin.generator, twin.discriminator
    before = checks.values(model.generator)
    fakes = generator(twin.normal((16, 3)), training=True)
    distances, penalties = [], []
    for part in (slice(0, 8), slice(8, 16)):
        alpha = tf.random.stateless_uniform((8,), twin.next_seed())[:, None, None, None]
        between = alpha * batch[0][part] + (1 - alpha) * fakes[part]
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(between)
                values = critic(between)
            slopes = tf.norm(tf.reshape(inner.gradient(values, between), (8, 64)), axis=1)
            penalty = tf.reduce_mean((slopes - 1) ** 2)
            distance = tf.reduce_mean(critic(batch[0][part])) - tf.reduce_mean(critic(fakes[part]))
            loss = 7.0 * penalty - distance
        gradients = tape.gradient(loss, critic.trainable_weights)
        for weight, gradient in zip(critic.trainable_weights, gradients, strict=True):
            weight.assign(weight - 0.1 * gradient)
        distances.append(float(distance))
        penalties.append(float(penalty))
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(critic(generator(twin.normal((8, 3)), training=True)))
    gradients = tape.gradient(loss, generator.trainable_weights)

    logs = model.train_step(batch)
    assert float(logs["wasserstein"]) == pytest.approx(np.mean(distances), rel=1e-4)
    assert float(logs["penalty"]) == pytest.approx(np.mean(penalties), rel=1e-4)
    assert float(logs["g_loss"]) == pytest.approx(float(loss), rel=1e-4)
    for one, other in zip(checks.values(model.discriminator), checks.values(critic), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    for now, then, gradient in zip(checks.values(model.generator), before, gradients, strict=True):
        np.testing.assert_allclose(now, then - 0.1 * gradient, atol=1e-6)


def test_players_move_only_their_own_weights(batch):
    model = make(generator_optimizer=keras.optimizers.SGD(0.0))
    generator, critic = checks.values(model.generator), checks.values(model.discriminator)
    model.train_step(batch)
    assert not any(checks.moved(model.generator, generator))
    assert all(checks.moved(model.discriminator, critic)[:-1])  # the last bias has no part in a difference of means
    model = make(discriminator_optimizer=keras.optimizers.SGD(0.0))
    generator, critic = checks.values(model.generator), checks.values(model.discriminator)
    model.train_step(batch)
    assert all(checks.moved(model.generator, generator))
    assert not any(checks.moved(model.discriminator, critic))
    assert not model.generator_average.trainable_weights


def test_average_follows_the_generator(batch):
    checks.check_average(make(), batch, decay=0.9)


def test_critic_has_no_batch_norm():
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in make().discriminator.layers)


def test_training_on_digits(digits):
    model = make(width=8, critic_width=8)
    batches = images.training_batches(digits, 32, seed=0)
    history = model.fit(batches, epochs=3, steps_per_epoch=30, verbose=0).history
    assert history.keys() == {"wasserstein", "penalty", "g_loss"}
    assert np.all(np.isfinite(list(history.values())))
    assert history["wasserstein"][-1] > 0 and history["penalty"][-1] < 0.5
    assert model.discriminator_optimizer.iterations == 180
    assert model.generator_optimizer.iterations == 90
    pictures = model.generate(range(4))
    assert pictures.shape == (4, 8, 8, 1) and np.abs(pictures[0] - pictures[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_critic": 0}, "n_critic must be at least 1, got 0"),
        ({"penalty_weight": -1.0}, "the penalty's weight must be 0 or more, got -1.0"),
        ({"image_shape": (9, 9, 1)}, "a side of 9 pixels cannot be made"),
    ],
)
def test_settings_out_of_range_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        wgan_gp.WGANGP(**{**TINY, **changes})


def test_dense_networks_learn_numbers_that_are_no_pictures():
    model = make(image_shape=(1, 1, 2), dense=True, width=16, critic_width=16, n_critic=2)
    points = tf.constant(np.random.default_rng(0).normal(0.2, 0.1, (64, 1, 1, 2)), tf.float32)
    for _ in range(3):
        logs = model.train_step((points, None))
    assert np.all(np.isfinite([float(value) for value in logs.values()]))
    assert model.generate(range(5)).shape == (5, 1, 1, 2)
    kernels = [tuple(weight.shape) for weight in model.discriminator.weights if weight.path.endswith("kernel")]
    assert kernels == [(2, 16), (16, 16), (16, 16), (16, 1)]


# Saving


def test_config():
    checks.check_config(wgan_gp.WGANGP, {**TINY, "dense": True})


def test_round_trip(batch, tmp_path):
    checks.check_round_trip(make(), tf.random.normal((3, 3)), batch, tmp_path)


def test_resume(digits, tmp_path):
    checks.check_resume_on_digits(make, digits, tmp_path)


def test_bfloat16(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    checks.check_bfloat16(make(), batch)


def test_float16(batch):
    keras.config.set_dtype_policy("mixed_float16")
    checks.check_float16(make, batch, discriminator_steps=2)
