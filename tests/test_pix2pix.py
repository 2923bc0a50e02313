"""pix2pix: losses by hand, patches of 70 pixels, what the discriminator sees, a U-Net's shortcuts."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.datasets import pairs
from zoo.gans import pix2pix

TINY = {
    "source_shape": (8, 8, 2),
    "channels": 1,
    "latent_dim": 5,
    "width": 4,
    "discriminator_width": 6,
    "halvings": 1,
    "l1_weight": 7.0,
    "adversarial_weight": 0.5,
    "average_decay": 0.9,
    "seed": 11,
}


@pytest.fixture(scope="module")
def pair_batch(digits):
    """Sixteen pairs: digits with a hole and its mask, whole digits."""
    made = pairs.inpainting(digits.images[:16], seed=0)
    return tuple(tf.constant(part.astype(np.float32) / 127.5 - 1.0) for part in made)


def make(generator_optimizer=None, discriminator_optimizer=None, **changes):
    model = pix2pix.Pix2Pix(**{**TINY, **changes})
    model.compile(
        generator_optimizer or keras.optimizers.Adam(2e-3, beta_1=0.5),
        discriminator_optimizer or keras.optimizers.Adam(3e-3, beta_1=0.5),
    )
    return model


# Networks


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 3), (32, 32, 11), (8, 12, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_networks_turn_pictures_into_pictures(shape, channels):
    generator = pix2pix.make_generator(shape, channels, 3, 2)
    discriminator = pix2pix.make_discriminator(shape, channels, 2, halvings=1)
    for count in (1, 3):
        sources = tf.random.normal((count, *shape))
        made = generator([sources, tf.random.normal((count, 3))])
        assert made.shape == (count, *shape[:2], channels) and made.dtype == tf.float32
        assert float(tf.reduce_max(tf.abs(made))) <= 1
        assert discriminator([sources, made]).shape == (count, shape[0] // 2, shape[1] // 2, 1)


def test_a_picture_does_not_depend_on_the_others_of_its_batch():
    generator = pix2pix.make_generator((8, 8, 1), 1, 3, 4)
    sources, z = tf.random.normal((5, 8, 8, 1)), tf.random.normal((5, 3))
    together = generator([sources, z], training=True).numpy()
    alone = generator([sources[2:3], z[2:3]], training=False).numpy()
    np.testing.assert_allclose(together[2:3], alone, atol=1e-5)


def test_noise_and_source_both_matter():
    generator = pix2pix.make_generator((8, 8, 1), 1, 3, 4)
    sources, z = tf.random.normal((2, 8, 8, 1)), tf.random.normal((2, 3))
    plain = generator([sources, z]).numpy()
    assert np.abs(plain - generator([sources, z[::-1]])).max() > 1e-4
    assert np.abs(plain - generator([sources[::-1], z])).max() > 1e-3


def test_shortcuts_carry_what_the_bottleneck_does_not():
    """With the lowest layers cut out of the way up, a pixel of the source still moves the same pixel of the picture."""
    generator = pix2pix.make_generator((28, 28, 1), 1, 3, 4)
    for layer in generator.layers:
        if isinstance(layer, keras.layers.Conv2DTranspose):
            layer.kernel.assign(tf.zeros_like(layer.kernel))
    source = np.zeros((1, 28, 28, 1), np.float32)
    other = source.copy()
    other[0, 9, 20] = 1.0
    z = tf.zeros((1, 3))
    change = np.abs(generator([tf.constant(other), z]) - generator([tf.constant(source), z]))[0, :, :, 0]
    assert change[9, 20] > 1e-3
    assert change[13:, :].max() < 1e-6 and change[:, :16].max() < 1e-6


def test_the_published_discriminator_judges_patches_of_70_pixels():
    assert [pix2pix.receptive_field(halvings) for halvings in (1, 2, 3)] == [16, 34, 70]


@pytest.mark.parametrize("halvings", [1, 2])
def test_a_logit_sees_its_patch_and_nothing_else(halvings):
    """By the gradient of one logit for the picture, without norms, which look at the whole of it."""
    discriminator = pix2pix.make_discriminator((64, 64, 1), 1, 2, halvings)
    for layer in discriminator.layers:
        if type(layer).__name__ == "InstanceNormalization":
            layer.call = lambda inputs: inputs
    sources, picture = tf.random.normal((1, 64, 64, 1)), tf.random.normal((1, 64, 64, 1))
    with tf.GradientTape() as tape:
        tape.watch(picture)
        logits = discriminator([sources, picture])
        middle = logits[0, logits.shape[1] // 2, logits.shape[2] // 2, 0]
    rows = np.flatnonzero(np.abs(tape.gradient(middle, picture)[0, :, :, 0]).sum(axis=1))
    assert rows[-1] - rows[0] + 1 == pix2pix.receptive_field(halvings)


# Losses


def test_losses_by_hand():
    real, fake = np.array([[2.0, -1.0], [0.5, 0.0]]), np.array([[-3.0, 0.25], [1.0, 0.0]])
    d_real, d_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    logits = [tf.constant(x[..., None, None], tf.float32) for x in (real, fake)]
    expected = -np.mean(np.log(d_real)) - np.mean(np.log(1 - d_fake))
    assert float(pix2pix.discriminator_loss(*logits)) == pytest.approx(expected, rel=1e-6)
    assert float(pix2pix.generator_loss(logits[1])) == pytest.approx(-np.mean(np.log(d_fake)), rel=1e-6)
    targets, made = tf.constant([[[[0.5]]], [[[-1.0]]]]), tf.constant([[[[0.0]]], [[[1.0]]]])
    assert float(pix2pix.l1_loss(targets, made)) == pytest.approx((0.5 + 2.0) / 2)


# The step


def test_generator_descends_both_losses(pair_batch):
    model = make(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    before = checks.values(model.generator)
    twin = make()
    twin.normal((16, 5))  # the discriminator's
    z = twin.normal((16, 5))
    twin.generator.set_weights(model.generator.get_weights())
    logs = model.train_step(pair_batch)
    sources, targets = pair_batch
    with tf.GradientTape() as tape:
        made = twin.generator([sources, z], training=True)
        adversarial = tf.reduce_mean(tf.nn.softplus(-model.discriminator([sources, made])))
        distance = tf.reduce_mean(tf.abs(made - targets))
        loss = 0.5 * adversarial + 7.0 * distance
    assert float(logs["g_loss"]) == pytest.approx(float(adversarial), rel=1e-4)
    assert float(logs["l1"]) == pytest.approx(float(distance), rel=1e-4)
    gradients = tape.gradient(loss, twin.generator.trainable_weights)
    for now, then, gradient in zip(checks.values(model.generator), before, gradients, strict=True):
        np.testing.assert_allclose(now, then - 0.1 * gradient, atol=1e-5)


def test_players_move_only_their_own_weights(pair_batch):
    checks.check_players(make, pair_batch)


def test_average_follows_the_generator(pair_batch):
    checks.check_average(make(), pair_batch, decay=0.9)


def test_the_distance_falls(pair_batch):
    model = make(width=8)
    first = float(model.train_step(pair_batch)["l1"])
    step = tf.function(model.train_step)
    for _ in range(60):
        step(pair_batch)
    model.l1_tracker.reset_state()
    assert float(model.train_step(pair_batch)["l1"]) < 0.6 * first


def test_translate_gives_a_seed_the_same_picture():
    model = make()
    sources = tf.random.normal((3, 8, 8, 2))
    together = model.translate(sources, [4, 5, 6]).numpy()
    np.testing.assert_allclose(model.translate(sources[1:2], [5])[0], together[1], atol=1e-5)
    assert np.abs(model.translate(sources, [7, 5, 6])[0] - together[0]).max() > 1e-5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"halvings": 0}, "at least 1 halving, got 0"),
        ({"l1_weight": -1.0}, "the weights must be 0 or more and not both 0, got -1.0 and 0.5"),
        ({"l1_weight": 0.0, "adversarial_weight": 0.0}, "not both 0, got 0.0 and 0.0"),
        ({"source_shape": (9, 9, 1)}, "a side of 9 pixels cannot be made"),
        ({"source_shape": (8, 16, 1)}, "halved equally often, got 8x16"),
    ],
)
def test_settings_out_of_range_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        pix2pix.Pix2Pix(**{**TINY, **changes})


# Saving


def test_config():
    checks.check_config(pix2pix.Pix2Pix, {**TINY, "halvings": 2})


def test_round_trip(pair_batch, tmp_path):
    checks.check_round_trip(make(), [pair_batch[0][:3], tf.random.normal((3, 5))], pair_batch, tmp_path)


def test_resume(digits, tmp_path):
    few = pairs.inpainting(digits.images[:43], seed=0)

    def batches(first_epoch, context=None):
        return pairs.training_batches(few, 8, seed=4, first_epoch=first_epoch)

    checks.check_resume(make, batches, 5, tmp_path)


def test_bfloat16(pair_batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    checks.check_bfloat16(make(), pair_batch)


def test_float16(pair_batch):
    keras.config.set_dtype_policy("mixed_float16")
    checks.check_float16(make, pair_batch)
