"""CycleGAN: losses by hand, two directions and a way back, kinds that share no picture in training."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.datasets import images, styles
from zoo.gans import cyclegan

TINY = {
    "image_shape": (8, 8, 3),
    "width": 3,
    "blocks": 1,
    "discriminator_width": 5,
    "cycle_weight": 7.0,
    "identity_weight": 0.3,
    "average_decay": 0.9,
    "seed": 11,
}


@pytest.fixture(scope="module")
def kinds():
    return styles.load("digits")


@pytest.fixture(scope="module")
def pair(kinds):
    """A batch of either kind."""
    return tuple(tf.constant(images.to_float(part[:8])) for part in (kinds.train_a, kinds.train_b))


def make(generator_optimizer=None, discriminator_optimizer=None, **changes):
    model = cyclegan.CycleGAN(**{**TINY, **changes})
    model.compile(
        generator_optimizer or keras.optimizers.Adam(2e-3, beta_1=0.5),
        discriminator_optimizer or keras.optimizers.Adam(3e-3, beta_1=0.5),
    )
    return model


# Data


def test_the_style_by_hand():
    picture = np.zeros((1, 8, 8, 1), np.uint8)
    picture[0, 0, 0], picture[0, 7, 7] = 255, 255
    painted = styles.paint(picture)[0]
    assert painted[0, 0].tolist() == list(styles.WARM[0]) and painted[7, 7].tolist() == list(styles.WARM[1])
    assert painted[0, 2].tolist() == list(styles.COOL[0]) and painted[0, 3].tolist() == list(styles.COOL[1])
    assert painted[2, 3].tolist() == painted[3, 2].tolist() == list(styles.COOL[1])  # diagonal
    half = styles.paint(np.full((1, 8, 8, 1), 51, np.uint8))[0, 0, 0]
    np.testing.assert_allclose(half, 0.2 * np.array(styles.WARM[0]) + 0.8 * np.array(styles.COOL[0]), atol=0.6)


def test_kinds_share_no_picture_in_training_and_all_when_held_out(kinds):
    seen = {picture.tobytes() for picture in styles.paint(kinds.train_a[..., :1])}
    assert not any(picture.tobytes() in seen for picture in kinds.train_b)
    np.testing.assert_array_equal(styles.paint(kinds.test_a[..., :1]), kinds.test_b)
    np.testing.assert_array_equal(styles.paint(kinds.validation_a[..., :1]), kinds.validation_b)
    assert kinds.train_a.shape == kinds.train_b.shape and kinds.train_a.shape[1:] == (8, 8, 3)


def test_batches_of_the_kinds_have_orders_of_their_own(kinds):
    first_a, first_b = next(iter(styles.training_batches(kinds, 8, seed=0)))
    assert first_a.shape == first_b.shape == (8, 8, 8, 3)
    places = []
    for batch, part in ((first_a, kinds.train_a), (first_b, kinds.train_b)):
        known = {picture.tobytes(): index for index, picture in enumerate(part)}
        places.append([known[images.to_uint8(picture).tobytes()] for picture in batch])
    assert places[0] != places[1]


# Networks


@pytest.mark.parametrize("shape", [(8, 8, 3), (28, 28, 1), (10, 14, 3)])
def test_networks_turn_pictures_into_pictures(shape):
    translator = cyclegan.make_translator(shape, 2, 1, "there")
    judge = cyclegan.make_judge(shape, 2, "judge")
    for count in (1, 3):
        made = translator(tf.random.normal((count, *shape)))
        assert made.shape == (count, *shape) and made.dtype == tf.float32
        assert float(tf.reduce_max(tf.abs(made))) <= 1
        assert judge(made).shape == (count, shape[0] // 2, shape[1] // 2, 1)


def test_odd_sides_are_refused():
    with pytest.raises(ValueError, match="sides must be even, so that they can be halved, got 9x8"):
        cyclegan.CycleGAN((9, 8, 3))
    with pytest.raises(ValueError, match=r"the weights must be 0 or more, got -1\.0 and 0\.5"):
        cyclegan.CycleGAN((8, 8, 3), cycle_weight=-1.0)


# Losses


def test_losses_by_hand():
    real, fake = tf.constant([[[[1.0]]], [[[0.5]]]]), tf.constant([[[[0.0]]], [[[-2.0]]]])
    assert float(cyclegan.discriminator_loss(real, fake)) == pytest.approx(0.25 / 2 + 4 / 2)
    assert float(cyclegan.generator_loss(fake)) == pytest.approx((1 + 9) / 2)
    assert float(cyclegan.l1_loss(real, fake)) == pytest.approx((1.0 + 2.5) / 2)


# The step


def test_translators_descend_the_whole_of_equation_3(pair):
    model = make(keras.optimizers.SGD(0.05), keras.optimizers.SGD(0.05))
    a, b = pair
    before = checks.values(model.generator)
    copies = make()
    copies.generator.set_weights(model.generator.get_weights())
    there, back = copies.generator.get_layer("a_to_b"), copies.generator.get_layer("b_to_a")
    logs = model.train_step(pair)
    judge_a, judge_b = model.discriminator.get_layer("judge_a"), model.discriminator.get_layer("judge_b")
    with tf.GradientTape() as tape:
        game = tf.reduce_mean((judge_b(there(a)) - 1) ** 2) + tf.reduce_mean((judge_a(back(b)) - 1) ** 2)
        cycle = tf.reduce_mean(tf.abs(back(there(a)) - a)) + tf.reduce_mean(tf.abs(there(back(b)) - b))
        identity = tf.reduce_mean(tf.abs(there(b) - b)) + tf.reduce_mean(tf.abs(back(a) - a))
        loss = game + 7.0 * (cycle + 0.3 * identity)
    for name, value in (("g_loss", game), ("cycle", cycle), ("identity", identity)):
        assert float(logs[name]) == pytest.approx(float(value), rel=1e-4)
    gradients = tape.gradient(loss, copies.generator.trainable_weights)
    for now, then, gradient in zip(checks.values(model.generator), before, gradients, strict=True):
        np.testing.assert_allclose(now, then - 0.05 * gradient, atol=1e-5)


def test_each_judge_learns_its_own_kind(pair):
    model = make(keras.optimizers.SGD(0.0), keras.optimizers.Adam(5e-3))
    step = tf.function(model.train_step)
    for _ in range(40):
        step(pair)
    a, b = pair
    fake_b, fake_a = model.generator([a, b])
    real = [float(tf.reduce_mean(values)) for values in model.discriminator([a, b])]
    fake = [float(tf.reduce_mean(values)) for values in model.discriminator([fake_a, fake_b])]
    assert all(one > 0.6 for one in real) and all(other < 0.4 for other in fake)


def test_players_move_only_their_own_weights(pair):
    checks.check_players(make, pair)


def test_averages_follow_the_translators(pair):
    checks.check_average(make(), pair, decay=0.9)
    model = make()
    a, b = pair
    there, back = model([a, b])
    np.testing.assert_array_equal(there, model.a_to_b(a))
    np.testing.assert_array_equal(back, model.b_to_a(b))


def test_the_way_back_gets_shorter(pair):
    model = make(width=8)
    step = tf.function(model.train_step)
    first = float(step(pair)["cycle"])
    for _ in range(80):
        step(pair)
    for metric in model.metrics:
        metric.reset_state()
    assert float(step(pair)["cycle"]) < 0.6 * first


# Saving


def test_config():
    checks.check_config(cyclegan.CycleGAN, TINY)


def test_round_trip(pair, tmp_path):
    checks.check_round_trip(make(), [pair[0][:3], pair[1][:3]], pair, tmp_path, draws=False)


def test_resume(kinds, tmp_path):
    few = styles.StyleData(kinds.data, *[part[:43] for part in (kinds.train_a, kinds.train_b)], *[None] * 4)

    def batches(first_epoch, context=None):
        return styles.training_batches(few, 8, seed=4, first_epoch=first_epoch)

    checks.check_resume(lambda: make(identity_weight=0.0), batches, 5, tmp_path)


def test_bfloat16(pair):
    keras.config.set_dtype_policy("mixed_bfloat16")
    checks.check_bfloat16(make(), pair)


def test_float16(pair):
    keras.config.set_dtype_policy("mixed_float16")
    checks.check_float16(make, pair)
