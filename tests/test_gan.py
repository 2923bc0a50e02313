"""GAN: losses by hand and against the theorem of the paper, the two losses of G, a game that G can win."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.gans import gan

TINY = {
    "image_shape": (8, 8, 3),
    "latent_dim": 3,
    "widths": (6, 5),
    "discriminator_widths": (7,),
    "objective": "minimax",
    "r1_gamma": 0.7,
    "r1_interval": 3,
    "average_decay": 0.9,
    "seed": 11,
}


def make(generator_optimizer=None, discriminator_optimizer=None, **changes):
    model = gan.GAN(**{**TINY, "image_shape": (8, 8, 1), **changes})
    model.compile(
        generator_optimizer or keras.optimizers.Adam(2e-3, beta_1=0.5),
        discriminator_optimizer or keras.optimizers.Adam(3e-3, beta_1=0.5),
    )
    return model


# Networks


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (9, 5, 3), (32, 32, 3)])
def test_networks_make_and_take_pictures(shape):
    generator = gan.make_generator(shape, latent_dim=3, widths=(4, 6))
    discriminator = gan.make_discriminator(shape, widths=(5,))
    for count in (1, 3):
        pictures = generator(10 * tf.random.normal((count, 3)))
        assert pictures.shape == (count, *shape) and pictures.dtype == tf.float32
        assert float(tf.reduce_max(tf.abs(pictures))) <= 1
        assert discriminator(pictures).shape == (count, 1)
    pictures = generator(tf.random.normal((8, 3)), training=True)
    assert np.all(np.std(pictures, axis=0) > 0)  # other noise, other pictures, at every pixel


def test_layers_of_the_classic_example():
    generator = gan.make_generator((28, 28, 1), latent_dim=100, widths=(256, 512, 1024))
    kernels = [tuple(layer.kernel.shape) for layer in generator.layers if isinstance(layer, keras.layers.Dense)]
    assert kernels == [(100, 256), (256, 512), (512, 1024), (1024, 784)]
    norms = [layer for layer in generator.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert [norm.momentum for norm in norms] == [0.8, 0.8, 0.8]
    slopes = [layer.negative_slope for layer in generator.layers if isinstance(layer, keras.layers.LeakyReLU)]
    assert slopes == pytest.approx([0.2, 0.2, 0.2])


# Losses


def test_losses_by_hand():
    real, fake = np.array([[2.0], [-1.0], [0.5]]), np.array([[-3.0], [0.25], [1.0]])
    d_real, d_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    logits = [tf.constant(x, tf.float32) for x in (real, fake)]
    expected = -np.mean(np.log(d_real)) - np.mean(np.log(1 - d_fake))
    assert float(gan.discriminator_loss(*logits)) == pytest.approx(expected, rel=1e-6)
    assert float(gan.minimax_loss(logits[1])) == pytest.approx(np.mean(np.log(1 - d_fake)), rel=1e-6)
    assert float(gan.non_saturating_loss(logits[1])) == pytest.approx(-np.mean(np.log(d_fake)), rel=1e-6)
    extreme = tf.constant([[-200.0]])
    assert float(gan.non_saturating_loss(extreme)) == pytest.approx(200)  # no overflow
    assert float(gan.minimax_loss(-extreme)) == pytest.approx(-200)


def test_value_of_the_best_discriminator_is_the_jensen_shannon_divergence():
    """Eq. 2 and 6, by enumeration of a distribution over five outcomes."""
    p_data, p_g = np.array([0.1, 0.4, 0.2, 0.25, 0.05]), np.array([0.3, 0.1, 0.1, 0.1, 0.4])
    middle = (p_data + p_g) / 2
    divergence = (np.sum(p_data * np.log(p_data / middle)) + np.sum(p_g * np.log(p_g / middle))) / 2
    best = np.log(p_data / p_g).astype(np.float32)  # the logit of p_data / (p_data + p_g)
    real, fake = (np.repeat(best, np.rint(1000 * p).astype(int)) for p in (p_data, p_g))
    assert float(gan.discriminator_loss(real, fake)) == pytest.approx(np.log(4) - 2 * divergence, rel=1e-5)
    for changed in (best + 0.1, 1.1 * best, np.roll(best, 1)):
        real, fake = (np.repeat(changed, np.rint(1000 * p).astype(int)) for p in (p_data, p_g))
        assert float(gan.discriminator_loss(real, fake)) > np.log(4) - 2 * divergence + 1e-4


def test_where_a_picture_is_refused_only_one_loss_of_the_generator_has_a_slope():
    logits = tf.Variable([[-6.0], [0.0], [6.0]])
    probability = 1 / (1 + np.exp(-logits.numpy()))
    with tf.GradientTape(persistent=True) as tape:
        saturating, other = gan.minimax_loss(logits), gan.non_saturating_loss(logits)
    np.testing.assert_allclose(tape.gradient(saturating, logits), -probability / 3, rtol=1e-4)
    np.testing.assert_allclose(tape.gradient(other, logits), (probability - 1) / 3, rtol=1e-4)


def test_r1_of_a_linear_discriminator_is_the_square_of_its_weights():
    linear = gan.make_discriminator((4, 4, 2), widths=())
    penalty = gan.r1_penalty(linear, tf.random.normal((5, 4, 4, 2)))
    assert float(penalty) == pytest.approx(np.sum(linear.weights[0].numpy() ** 2), rel=1e-6)


# The step


@pytest.mark.parametrize(
    ("objective", "loss"), [("minimax", gan.minimax_loss), ("non_saturating", gan.non_saturating_loss)]
)
def test_generator_descends_its_objective(batch, objective, loss):
    model = make(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), objective=objective)
    before = checks.values(model.generator)
    twin = gan.GAN(**{**TINY, "image_shape": (8, 8, 1)})
    twin.normal((16, 3))  # the discriminator's
    z = twin.normal((16, 3))
    twin.generator.set_weights(model.generator.get_weights())
    logs = model.train_step(batch)
    with tf.GradientTape() as tape:
        expected = loss(model.discriminator(twin.generator(z, training=True)))
    assert float(logs["g_loss"]) == pytest.approx(float(expected), rel=1e-5)
    gradients = tape.gradient(expected, twin.generator.trainable_weights)
    for now, then, gradient in zip(checks.values(model.generator), before, gradients, strict=True):
        np.testing.assert_allclose(now, then - 0.1 * gradient, atol=1e-6)


def test_r1_is_evaluated_at_every_third_step_and_weighted_three_fold(batch):
    rate = 0.1
    with_penalty, without = (
        make(keras.optimizers.SGD(0.0), keras.optimizers.SGD(rate), r1_gamma=gamma) for gamma in (0.7, 0)
    )
    start = with_penalty.get_weights()
    with tf.GradientTape() as tape:
        penalty = gan.r1_penalty(with_penalty.discriminator, batch[0])
    gradient = tape.gradient(penalty, with_penalty.discriminator.trainable_weights[0])
    for number in range(4):
        for model in (with_penalty, without):
            model.set_weights(start)
            model.seed_generator.state.assign([11, 0])
            model.discriminator_optimizer.iterations.assign(number)
            model.train_step(batch)
        difference = with_penalty.discriminator.weights[0] - without.discriminator.weights[0]
        expected = -rate * 3 * 0.7 / 2 * gradient if number % 3 == 0 else tf.zeros_like(gradient)
        np.testing.assert_allclose(difference, expected, atol=1e-6)


def test_players_move_only_their_own_weights(batch):
    checks.check_players(make, batch)


def test_discriminator_ends_at_a_half_where_the_generator_can_win():
    """Theorem 1: numbers of N(0.1, 0.3^2) are data that this generator can make."""
    keras.utils.set_random_seed(0)
    model = gan.GAN((1, 1, 1), 2, (16,), (32, 32), "non_saturating", r1_gamma=0.0, average_decay=0.99, seed=3)
    model.compile(keras.optimizers.Adam(2e-3, beta_1=0.5), keras.optimizers.Adam(2e-3, beta_1=0.5))
    data = np.random.default_rng(0).normal(0.1, 0.3, (256 * 40, 1, 1, 1)).astype(np.float32)
    history = model.fit(data, np.zeros(len(data)), batch_size=256, epochs=25, verbose=0).history
    assert history["d_real"][-1] == pytest.approx(0.5, abs=0.03)
    assert history["d_fake"][-1] == pytest.approx(0.5, abs=0.03)
    assert history["d_loss"][-1] == pytest.approx(2 * np.log(2), abs=0.03)
    samples = model.generate(range(2000)).numpy()
    assert samples.mean() == pytest.approx(0.1, abs=0.05)
    assert samples.std() == pytest.approx(0.3, abs=0.1)


def test_average_follows_the_generator_and_is_it_without_decay(batch):
    checks.check_average(make(), batch, decay=0.9)
    checks.check_average(make(average_decay=0.0), batch, decay=0.0)


def test_another_objective_is_refused():
    with pytest.raises(ValueError, match=r"the objective must be non_saturating or minimax, got 'wasserstein'"):
        gan.GAN(objective="wasserstein")


# Saving


def test_config():
    checks.check_config(gan.GAN, TINY)


def test_round_trip(batch, tmp_path):
    checks.check_round_trip(make(), tf.random.normal((3, 3)), batch, tmp_path)


def test_resume(digits, tmp_path):
    checks.check_resume_on_digits(make, digits, tmp_path)


def test_bfloat16(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    checks.check_bfloat16(make(), batch)


def test_float16(batch):
    keras.config.set_dtype_policy("mixed_float16")
    checks.check_float16(make, batch)
