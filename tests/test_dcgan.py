"""DCGAN: shapes, losses by hand, R1 of a linear discriminator, players, averages, resume."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from zoo import training
from zoo.datasets import images
from zoo.gans import dcgan

TINY = {
    "image_shape": (8, 8, 1),
    "latent_dim": 3,
    "width": 4,
    "discriminator_width": 5,
    "r1_gamma": 0.7,
    "r1_interval": 3,
    "average_decay": 0.9,
    "seed": 11,
}


def make(generator_optimizer=None, discriminator_optimizer=None, **changes):
    model = dcgan.DCGAN(**{**TINY, **changes})
    model.compile(
        generator_optimizer or keras.optimizers.Adam(2e-3, beta_1=0.5),
        discriminator_optimizer or keras.optimizers.Adam(3e-3, beta_1=0.5),
    )
    return model


# Networks


@pytest.mark.parametrize("shape", [(8, 8, 3), (12, 12, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3), (8, 12, 1)])
def test_networks_make_and_take_pictures(shape):
    generator = dcgan.make_generator(shape, latent_dim=3, width=2)
    discriminator = dcgan.make_discriminator(shape, width=2)
    for count in (1, 3):
        pictures = generator(10 * tf.random.normal((count, 3)))
        assert pictures.shape == (count, *shape)
        assert pictures.dtype == tf.float32
        assert float(tf.reduce_max(tf.abs(pictures))) <= 1
        logits = discriminator(pictures)
        assert logits.shape == (count, 1)
        assert logits.dtype == tf.float32
    pictures = generator(tf.random.normal((8, 3)), training=True)
    assert np.all(np.std(pictures, axis=0).max(axis=(0, 1)) > 0)  # other noise, other pictures, in every channel
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in discriminator.layers)


def test_widths_of_the_generator():
    # 64 = 4 * 2^4: the widths are 8 W (the limit), 8 W, 4 W, 2 W, W.
    generator = dcgan.make_generator((64, 64, 3), latent_dim=3, width=2)
    shapes = [tuple(layer.output.shape[1:]) for layer in generator.layers if isinstance(layer, layers.ReLU)]
    assert shapes == [(4, 4, 16), (8, 8, 16), (16, 16, 8), (32, 32, 4), (64, 64, 2)]


@pytest.mark.parametrize("size", [4, 7, 9, 22, 30])
def test_sizes_that_cannot_be_made_are_refused(size):
    for shape in ((size, size, 1), (8, size, 1)):
        with pytest.raises(ValueError, match=f"a side of {size} pixels cannot be made") as error:
            dcgan.DCGAN(shape)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="doubled equally often, got 8x16"):
        dcgan.DCGAN((8, 16, 1))


# Losses


def test_losses_of_a_discriminator_that_knows_nothing():
    zeros = tf.zeros((5, 1))
    assert float(dcgan.discriminator_loss(zeros, zeros)) == pytest.approx(2 * np.log(2))
    assert float(dcgan.generator_loss(zeros)) == pytest.approx(np.log(2))


def test_losses_by_hand():
    real, fake = np.array([[2.0], [-1.0], [0.5]]), np.array([[-3.0], [0.25], [1.0]])
    d_real, d_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    expected = -np.mean(np.log(d_real)) - np.mean(np.log(1 - d_fake))
    logits = [tf.constant(x, tf.float32) for x in (real, fake)]
    assert float(dcgan.discriminator_loss(*logits)) == pytest.approx(expected, rel=1e-6)
    assert float(dcgan.generator_loss(logits[1])) == pytest.approx(-np.mean(np.log(d_fake)), rel=1e-6)
    extreme = tf.constant([[-200.0], [200.0]])
    assert float(dcgan.discriminator_loss(extreme, -extreme)) == pytest.approx(200)  # no overflow


def test_gradient_of_the_generator_is_large_where_its_pictures_are_refused():
    logits = tf.Variable([[-6.0], [0.0], [6.0]])
    with tf.GradientTape() as tape:
        loss = dcgan.generator_loss(logits)
    # d/dl mean(-log sigmoid(l)) = -(1 - sigmoid(l)) / n: towards larger logits, and saturated only where D is fooled.
    expected = -(1 - 1 / (1 + np.exp(-logits.numpy()))) / 3
    np.testing.assert_allclose(tape.gradient(loss, logits), expected, rtol=1e-4)


def test_r1_of_a_linear_discriminator_is_the_square_of_its_weights():
    linear = keras.Sequential([keras.Input((4, 4, 2)), layers.Flatten(), layers.Dense(1)])
    kernel = linear.weights[0].numpy()
    penalty = dcgan.r1_penalty(linear, tf.random.normal((5, 4, 4, 2)))
    assert float(penalty) == pytest.approx(np.sum(kernel**2), rel=1e-6)


def test_r1_is_a_mean_over_pictures():
    x = np.random.default_rng(0).standard_normal((5, 4, 4, 2)).astype(np.float32)
    squares = dcgan.r1_penalty(lambda x, training: tf.reduce_sum(x**2, axis=(1, 2, 3))[:, None], tf.constant(x))
    assert float(squares) == pytest.approx(np.mean(4 * np.sum(x**2, axis=(1, 2, 3))), rel=1e-5)


# The step


def test_r1_is_evaluated_at_every_third_step_and_weighted_three_fold(batch):
    def step(model, number):
        """The discriminator's weights after step `number`, by plain descent from the same start."""
        model.set_weights(start)
        model.seed_generator.state.assign([11, 0])
        model.discriminator_optimizer.iterations.assign(number)
        model.train_step(batch)
        return checks.values(model.discriminator)

    rate = 0.1
    sgd = keras.optimizers.SGD
    with_penalty = make(sgd(0.0), sgd(rate), r1_gamma=0.7)
    without = make(sgd(0.0), sgd(rate), r1_gamma=0)
    start = with_penalty.get_weights()
    with tf.GradientTape() as tape:
        penalty = dcgan.r1_penalty(with_penalty.discriminator, batch[0])
    gradients = tape.gradient(penalty, with_penalty.discriminator.trainable_weights)
    plain = step(without, 0)
    for number in range(8):
        penalised = step(with_penalty, number)
        if number % 3 == 0:
            expected = [w - rate * 3 * 0.7 / 2 * g for w, g in zip(plain, gradients[:-1], strict=False)]
            for one, other in zip(penalised[:-1], expected, strict=True):  # the last bias has no part in the penalty
                np.testing.assert_allclose(one, other, atol=1e-6)
            assert any(checks.moved(with_penalty.discriminator, plain))
        else:
            assert not any(checks.moved(with_penalty.discriminator, plain))


def test_players_move_only_their_own_weights(batch):
    checks.check_players(make, batch)


def test_generator_plays_against_the_discriminator_of_this_step(batch):
    # With plain descent its step is the gradient of its loss, on noise of its own, after the discriminator's step.
    model = make(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    before = checks.values(model.generator)
    noise = dcgan.DCGAN(**TINY)
    noise.normal((16, 3))  # the discriminator's
    z = noise.normal((16, 3))
    copy = dcgan.make_generator((8, 8, 1), 3, 4)
    copy.set_weights(model.generator.get_weights())
    logs = model.train_step(batch)
    with tf.GradientTape() as tape:
        loss = dcgan.generator_loss(model.discriminator(copy(z, training=True)))
    assert float(logs["g_loss"]) == pytest.approx(float(loss), rel=1e-5)
    gradients = tape.gradient(loss, copy.trainable_weights)
    for now, then, gradient in zip(checks.values(model.generator), before, gradients, strict=True):
        np.testing.assert_allclose(now, then - 0.1 * gradient, atol=1e-6)


def test_average_follows_the_generator(batch):
    checks.check_average(make(), batch, decay=0.9)


def test_discriminator_learns_against_a_generator_that_stands_still(batch):
    model = make(keras.optimizers.SGD(0.0), keras.optimizers.Adam(0.01))
    for _ in range(15):
        model.train_step(batch)
    for metric in model.metrics:
        metric.reset_state()
    logs = model.train_step(batch)
    assert logs["d_real"] > 0.6 > 0.4 > logs["d_fake"]
    assert logs["d_loss"] < 1.0
    assert logs["g_loss"] > np.log(2)


def test_training_on_digits(digits):
    model = make()
    start = model.generate(range(4)).numpy()
    history = model.fit(
        images.training_batches(digits, 16, seed=0),
        epochs=2,
        steps_per_epoch=20,
        callbacks=[training.StopOnNaN()],
        verbose=0,
    ).history
    assert history.keys() == {"d_loss", "g_loss", "d_real", "d_fake"}
    assert np.all(np.isfinite(list(history.values())))
    assert model.discriminator_optimizer.iterations == 40
    assert model.generator_optimizer.iterations == 40
    assert any(
        np.any(a != b)
        for a, b in zip(checks.values(model.generator), model.generator_average.get_weights(), strict=False)
    )
    after = model.generate(range(4)).numpy()
    assert np.abs(after - start).max() > 0.05
    # Samples come from the average: the generator in training has no part in them.
    model.generator.set_weights([np.zeros_like(weight) for weight in model.generator.get_weights()])
    np.testing.assert_array_equal(model.generate(range(4)), after)


def test_generate_gives_a_seed_the_same_picture_alone_and_in_a_batch():
    model = make()
    checks.check_pictures_of_seeds(model)
    state = model.seed_generator.state.numpy()
    model.generate([5, -3])
    np.testing.assert_array_equal(model.seed_generator.state, state)  # looking does not change the run


def test_evaluate_says_what_to_do_instead(batch):
    with pytest.raises(ValueError, match=r"score its samples with zoo\.metrics"):
        make().evaluate(*batch, verbose=0)


# Saving


def test_config():
    checks.check_config(dcgan.DCGAN, TINY)


def test_round_trip(batch, tmp_path):
    checks.check_round_trip(make(), tf.random.normal((3, 3)), batch, tmp_path)


def test_resume(digits, tmp_path):
    checks.check_resume_on_digits(make, digits, tmp_path)


def test_bfloat16(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    checks.check_bfloat16(make(), batch)


def test_float16_scales_follow_the_gradients(batch):
    keras.config.set_dtype_policy("mixed_float16")
    checks.check_float16(make, batch)
