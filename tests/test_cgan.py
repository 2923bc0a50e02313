"""cGAN: conditions of three kinds, the projection by hand, another label gives another picture."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.datasets import images
from zoo.gans import cgan

TINY = {
    "image_shape": (8, 8, 1),
    "condition": ("label", 11),
    "latent_dim": 3,
    "width": 4,
    "discriminator_width": 5,
    "condition_dim": 6,
    "r1_gamma": 0.7,
    "r1_interval": 3,
    "average_decay": 0.9,
    "seed": 11,
}
CONDITIONS = {
    ("label", 10): tf.constant([3, 9, 0, 3]),
    ("attributes", 4): tf.constant(
        [[1.0, 0.0, 0.3, 0.9], [0.0, 1.0, 0.5, 0.2], [0.0, 0.0, 0.0, 0.0], [1, 0, 0.3, 0.9]]
    ),
    ("text", 7, 5): tf.constant([[1, 6, 2, 0, 0], [3, 4, 5, 1, 2], [0, 0, 0, 0, 0], [1, 6, 2, 0, 0]]),
}


def make(generator_optimizer=None, discriminator_optimizer=None, **changes):
    model = cgan.CGAN(**{**TINY, "condition": ("label", 10), **changes})
    model.compile(
        generator_optimizer or keras.optimizers.Adam(2e-3, beta_1=0.5),
        discriminator_optimizer or keras.optimizers.Adam(3e-3, beta_1=0.5),
    )
    return model


# Networks


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 3), (8, 12, 1)])
@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition[0])
def test_networks_make_and_take_pictures_of_every_condition(shape, condition):
    generator = cgan.make_generator(shape, 3, 2, condition, condition_dim=6)
    discriminator = cgan.make_discriminator(shape, 2, condition, condition_dim=6)
    conditions = CONDITIONS[condition]
    pictures = generator([10 * tf.random.normal((4, 3)), conditions])
    assert pictures.shape == (4, *shape) and pictures.dtype == tf.float32
    assert float(tf.reduce_max(tf.abs(pictures))) <= 1
    assert discriminator([pictures, conditions]).shape == (4, 1)
    same_z = generator([tf.ones((4, 3)), conditions]).numpy()
    np.testing.assert_allclose(same_z[0], same_z[3], atol=1e-6)  # the same condition
    assert np.abs(same_z[0] - same_z[1]).max() > 1e-4 and np.abs(same_z[0] - same_z[2]).max() > 1e-4


def test_logit_is_psi_and_an_inner_product_with_the_condition():
    """Eq. 3 of Miyato and Koyama, from the weights."""
    discriminator = cgan.make_discriminator((8, 8, 1), 2, ("label", 4), condition_dim=5)
    pictures = tf.random.normal((4, 8, 8, 1))
    flat = next(layer for layer in discriminator.layers if isinstance(layer, keras.layers.Flatten))
    phi = keras.Model(discriminator.input, flat.output)([pictures, tf.range(4)]).numpy()  # (4, 16)
    vectors = next(layer for layer in discriminator.layers if isinstance(layer, keras.layers.Embedding)).embeddings
    kernel, bias = discriminator.get_layer("psi").get_weights()
    projected = phi @ discriminator.get_layer("V").kernel.numpy()  # (4, 5)
    expected = phi @ kernel + bias + np.sum(projected * vectors.numpy(), axis=1, keepdims=True)
    np.testing.assert_allclose(discriminator([pictures, tf.range(4)]), expected, atol=1e-5)


def test_text_encoder_reads_words_in_their_places_and_no_padding():
    short, long = (cgan.make_text_encoder(9, length, 6) for length in (4, 8))
    long.set_weights(short.get_weights())
    one = short(tf.constant([[5, 2, 0, 0]])).numpy()
    assert np.abs(one - short(tf.constant([[5, 3, 0, 0]]))).max() > 1e-4  # another word
    assert np.abs(one - short(tf.constant([[2, 5, 0, 0]]))).max() > 1e-4  # another order
    dense = short.layers[-1]
    # The mean is over all places: more padding scales what comes before the last layer, and adds nothing to it.
    bias = dense.bias.numpy()
    np.testing.assert_allclose(long(tf.constant([[5, 2] + [0] * 6])) - bias, (one - bias) / 2, atol=1e-6)
    np.testing.assert_allclose(short(tf.zeros((1, 4), tf.int32)), bias[None], atol=1e-6)


def test_attributes_move_a_picture_gradually():
    encoder = cgan.make_attribute_encoder(3, 6)
    at = encoder(tf.constant([[0.2, 0.0, 1.0], [0.4, 0.0, 1.0], [0.6, 0.0, 1.0]])).numpy()
    np.testing.assert_allclose(at[2] - at[1], at[1] - at[0], atol=1e-6)
    assert np.abs(at[1] - at[0]).max() > 1e-3


def test_unknown_conditions_are_refused():
    with pytest.raises(ValueError, match=r"must be one of label, attributes, text, got 'sound'"):
        cgan.CGAN(condition=("sound", 3))
    for wrong in ([0, 10], [-1, 3]):
        with pytest.raises(ValueError, match=r"a label has numbers 0 to 9, got"):
            make().generate([0, 1], wrong)
    with pytest.raises(ValueError, match="a side of 9 pixels cannot be made"):
        make(image_shape=(9, 9, 1))
    with pytest.raises(ValueError, match="doubled equally often, got 8x16"):
        make(image_shape=(8, 16, 1))


# Losses


def test_losses_by_hand():
    real, fake = np.array([[2.0], [-1.0], [0.5]]), np.array([[-3.0], [0.25], [1.0]])
    d_real, d_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    logits = [tf.constant(x, tf.float32) for x in (real, fake)]
    expected = -np.mean(np.log(d_real)) - np.mean(np.log(1 - d_fake))
    assert float(cgan.discriminator_loss(*logits)) == pytest.approx(expected, rel=1e-6)
    assert float(cgan.generator_loss(logits[1])) == pytest.approx(-np.mean(np.log(d_fake)), rel=1e-6)


def test_r1_is_the_slope_for_the_picture_alone():
    x = np.random.default_rng(0).standard_normal((5, 4, 4, 2)).astype(np.float32)
    c = np.arange(5, dtype=np.float32)

    def discriminator(inputs, training):
        pictures, conditions = inputs
        return (conditions * tf.reduce_sum(pictures**2, axis=(1, 2, 3)))[:, None]

    penalty = cgan.r1_penalty(discriminator, tf.constant(x), tf.constant(c))
    expected = np.mean(4 * c**2 * np.sum(x**2, axis=(1, 2, 3)))
    assert float(penalty) == pytest.approx(expected, rel=1e-5)


# The step


def test_generator_plays_for_the_conditions_of_the_batch(batch):
    model = make(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    before = checks.values(model.generator)
    twin = make()
    twin.normal((16, 3))  # the discriminator's
    z = twin.normal((16, 3))
    twin.generator.set_weights(model.generator.get_weights())
    logs = model.train_step(batch)
    with tf.GradientTape() as tape:
        fakes = twin.generator([z, batch[1]], training=True)
        expected = cgan.generator_loss(model.discriminator([fakes, batch[1]]))
    assert float(logs["g_loss"]) == pytest.approx(float(expected), rel=1e-5)
    gradients = tape.gradient(expected, twin.generator.trainable_weights)
    for now, then, gradient in zip(checks.values(model.generator), before, gradients, strict=True):
        np.testing.assert_allclose(now, then - 0.1 * tf.convert_to_tensor(gradient), atol=1e-6)


def test_discriminator_judges_pictures_beside_the_conditions_they_were_made_for(batch):
    model, twin = make(), make()
    twin.generator.set_weights(model.generator.get_weights())
    twin.discriminator.set_weights(model.discriminator.get_weights())
    pictures, conditions = batch
    fakes = twin.generator([twin.normal((16, 3)), conditions], training=True)
    real_logits, fake_logits = (twin.discriminator([each, conditions]) for each in (pictures, fakes))
    expected = float(cgan.discriminator_loss(real_logits, fake_logits))
    assert float(model.train_step(batch)["d_loss"]) == pytest.approx(expected, rel=1e-5)


def test_players_move_only_their_own_weights(batch):
    checks.check_players(make, batch)


def test_average_follows_the_generator(batch):
    checks.check_average(make(), batch, decay=0.9)


def test_the_same_noise_with_another_label_is_another_picture(batch):
    model = make()
    for _ in range(3):
        model.train_step(batch)
    pictures = model.generate([7] * 10, range(10)).numpy()
    for one in range(10):
        for other in range(one):
            assert np.abs(pictures[one] - pictures[other]).max() > 1e-3
    np.testing.assert_allclose(model.generate([7], [4])[0], pictures[4], atol=1e-6)


def test_discriminator_can_tell_which_label_belongs_to_a_picture(digits):
    """Trained on right against wrong labels alone, it prefers the right one of ten."""
    few = images.Split(digits.images[:256], digits.labels[:256])
    discriminator = cgan.make_discriminator((8, 8, 1), 16, ("label", 10), condition_dim=16)
    weights = discriminator.trainable_weights
    optimizer = keras.optimizers.Adam(3e-3)

    @tf.function
    def step(pictures, labels, wrong):
        with tf.GradientTape() as tape:
            right_logits, wrong_logits = discriminator([pictures, labels]), discriminator([pictures, wrong])
            loss = cgan.discriminator_loss(right_logits, wrong_logits)
        optimizer.apply(tape.gradient(loss, weights), weights)

    for number, (pictures, labels) in enumerate(images.training_batches(few, 64, seed=0).take(150)):
        step(pictures, labels, (labels + 1 + number % 9) % 10)
    pictures = tf.constant(images.to_float(few.images))
    logits = np.stack([discriminator([pictures, tf.fill((256,), label)])[:, 0] for label in range(10)], axis=1)
    assert np.mean(logits.argmax(axis=1) == few.labels) > 0.9


# Saving


def test_config():
    checks.check_config(cgan.CGAN, TINY)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition[0])
def test_round_trip(condition, batch, tmp_path):
    conditions = tf.tile(CONDITIONS[condition], [4] + [1] * (len(CONDITIONS[condition].shape) - 1))  # sixteen
    inputs = [tf.random.normal((16, 3)), conditions]
    checks.check_round_trip(make(condition=condition), inputs, (batch[0], conditions), tmp_path)


def test_resume(digits, tmp_path):
    checks.check_resume_on_digits(make, digits, tmp_path)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition[0])
def test_bfloat16(condition, batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    conditions = tf.tile(CONDITIONS[condition], [4] + [1] * (len(CONDITIONS[condition].shape) - 1))
    model = make(condition=condition)
    logs = model.train_step((batch[0], conditions))
    assert np.all(np.isfinite([float(value) for value in logs.values()]))
    checks.check_bfloat16(make(), batch)


def test_float16(batch):
    keras.config.set_dtype_policy("mixed_float16")
    checks.check_float16(make, batch)
