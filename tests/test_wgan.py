"""WGAN: losses by hand, the distance in closed form, clipping of kernels only, fresh pictures for each critic step."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.datasets import images
from zoo.gans import wgan

TINY = {
    "image_shape": (8, 8, 1),
    "latent_dim": 3,
    "width": 4,
    "critic_width": 5,
    "clip": 0.02,
    "n_critic": 2,
    "average_decay": 0.9,
    "seed": 11,
}


def make(generator_optimizer=None, discriminator_optimizer=None, **changes):
    model = wgan.WGAN(**{**TINY, **changes})
    model.compile(
        generator_optimizer or keras.optimizers.RMSprop(2e-3), discriminator_optimizer or keras.optimizers.RMSprop(3e-3)
    )
    return model


# Losses


def test_losses_by_hand():
    real, fake = tf.constant([[2.0], [-1.0], [0.5]]), tf.constant([[-3.0], [0.25], [1.0]])
    assert float(wgan.critic_loss(real, fake)) == pytest.approx(-1.75 / 3 - 1.5 / 3)
    assert float(wgan.generator_loss(fake)) == pytest.approx(1.75 / 3)


def test_the_best_clipped_critic_of_two_gaussians_estimates_their_distance():
    """W(N(m, s^2), N(n, s^2)) = |m - n|; a linear critic clipped at c is c-steep, so it reaches c |m - n|."""
    random = np.random.default_rng(0)
    real, fake = (tf.constant(random.normal(mean, 0.7, (20_000, 1)), tf.float32) for mean in (0.4, -1.6))
    critic = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.RMSprop(0.01)
    for _ in range(50):
        with tf.GradientTape() as tape:
            loss = wgan.critic_loss(critic(real), critic(fake))
        optimizer.apply(tape.gradient(loss, critic.trainable_variables), critic.trainable_variables)
        wgan.clip_kernels(critic, 0.05)
    estimate = -float(wgan.critic_loss(critic(real), critic(fake)))
    assert estimate / 0.05 == pytest.approx(2.0, abs=0.03)


def test_only_kernels_are_clipped():
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(3, 3),
            keras.layers.GroupNormalization(3),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    random = np.random.default_rng(0)
    network.set_weights([random.normal(0, 1, weight.shape) for weight in network.get_weights()])
    before = network.get_weights()
    wgan.clip_kernels(network, 0.3)
    kernels = [weight.path.endswith("kernel") for weight in network.weights]
    assert sum(kernels) == 2 and len(kernels) == 6
    for is_kernel, then, now in zip(kernels, before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(now, np.clip(then, np.float32(-0.3), np.float32(0.3)) if is_kernel else then)


# The step


def test_after_a_step_the_kernels_of_the_critic_lie_in_their_range(batch):
    model = make(discriminator_optimizer=keras.optimizers.RMSprop(0.1))
    model.train_step(batch)
    *weights, last_bias = model.discriminator.trainable_weights
    for weight in weights:
        largest = np.abs(weight).max()
        assert largest <= np.float32(0.02) if weight.path.endswith("kernel") else largest > 0.02
    assert last_bias == 0  # it has no part in a difference of means
    assert max(np.abs(weight).max() for weight in model.generator.trainable_weights) > 0.02
    assert not any("normalization" in weight.path for weight in model.discriminator.weights)


def test_each_critic_step_has_pictures_of_its_own(batch):
    """The two steps of the critic and the one of the generator, repeated by hand with plain descent."""
    model = make(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), clip=10.0)
    twin = make(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), clip=10.0)
    twin.set_weights(model.get_weights())
    generator, critic = twin.generator, twin.discriminator
    before = checks.values(model.generator)
    fakes = generator(twin.normal((16, 3)), training=True)
    losses = []
    for part in (slice(0, 8), slice(8, 16)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(critic(fakes[part])) - tf.reduce_mean(critic(batch[0][part]))
        gradients = tape.gradient(loss, critic.trainable_weights)
        for weight, gradient in zip(critic.trainable_weights, gradients, strict=True):
            weight.assign(weight - 0.1 * (0 if gradient is None else gradient))
        losses.append(float(loss))
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(critic(generator(twin.normal((8, 3)), training=True)))
    gradients = tape.gradient(loss, generator.trainable_weights)

    logs = model.train_step(batch)
    assert float(logs["wasserstein"]) == pytest.approx(-np.mean(losses), rel=1e-4)
    assert float(logs["g_loss"]) == pytest.approx(float(loss), rel=1e-4)
    for one, other in zip(checks.values(model.discriminator), checks.values(critic), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    for now, then, gradient in zip(checks.values(model.generator), before, gradients, strict=True):
        np.testing.assert_allclose(now, then - 0.1 * gradient, atol=1e-6)


def test_players_move_only_their_own_weights(batch):
    def make_wide(**optimizers):
        return make(**optimizers, clip=1.0)  # wide enough that clipping alone moves nothing

    model = make_wide(generator_optimizer=keras.optimizers.SGD(0.0))
    generator, critic = checks.values(model.generator), checks.values(model.discriminator)
    model.train_step(batch)
    assert not any(checks.moved(model.generator, generator))
    last_bias_apart = checks.moved(model.discriminator, critic)[:-1]  # it has no part in a difference of means
    assert all(last_bias_apart)
    model = make_wide(discriminator_optimizer=keras.optimizers.SGD(0.0))
    generator, critic = checks.values(model.generator), checks.values(model.discriminator)
    model.train_step(batch)
    assert all(checks.moved(model.generator, generator))
    assert not any(checks.moved(model.discriminator, critic))
    assert not model.generator_average.trainable_weights


def test_average_follows_the_generator(batch):
    checks.check_average(make(), batch, decay=0.9)


def test_training_on_digits(digits):
    model = make(width=8, critic_width=8)
    batches = images.training_batches(digits, 32, seed=0)
    history = model.fit(batches, epochs=3, steps_per_epoch=30, verbose=0).history
    assert history.keys() == {"wasserstein", "g_loss"}
    assert np.all(np.isfinite(list(history.values())))
    assert history["wasserstein"][0] > 0
    assert model.discriminator_optimizer.iterations == 180
    assert model.generator_optimizer.iterations == 90
    pictures = model.generate(range(4))
    assert pictures.shape == (4, 8, 8, 1) and np.abs(pictures[0] - pictures[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_critic": 0}, "n_critic must be at least 1, got 0"),
        ({"clip": 0.0}, "clip must be positive, got 0.0"),
        ({"clip": -0.01}, "clip must be positive, got -0.01"),
        ({"clip": float("nan")}, "clip must be positive, got nan"),
        ({"image_shape": (9, 9, 1)}, "a side of 9 pixels cannot be made"),
    ],
)
def test_settings_out_of_range_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        wgan.WGAN(**{**TINY, **changes})


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
    checks.check_config(wgan.WGAN, {**TINY, "dense": True})


def test_round_trip(batch, tmp_path):
    checks.check_round_trip(make(), tf.random.normal((3, 3)), batch, tmp_path)


def test_resume(digits, tmp_path):
    checks.check_resume_on_digits(make, digits, tmp_path)


def test_bfloat16(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    checks.check_bfloat16(make(), batch)


def test_float16(batch):
    keras.config.set_dtype_policy("mixed_float16")
    checks.check_float16(lambda *optimizers: make(*optimizers, clip=1.0), batch, discriminator_steps=2)
