"""StyleGAN: styles set the statistics, mixing swaps the layers it is asked to, truncation, equalised rates."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes import stylegan as recipe
from zoo.datasets import images
from zoo.gans import dcgan, stylegan

TINY = {
    "image_shape": (8, 8, 1),
    "latent_dim": 6,
    "width": 3,
    "depth": 2,
    "discriminator_width": 5,
    "mixing_probability": 0.5,
    "r1_gamma": 0.7,
    "r1_interval": 3,
    "average_decay": 0.9,
    "seed": 11,
}


def make(generator_optimizer=None, discriminator_optimizer=None, **changes):
    model = stylegan.StyleGAN(**{**TINY, **changes})
    model.compile(
        generator_optimizer or keras.optimizers.Adam(2e-3, beta_1=0.0),
        discriminator_optimizer or keras.optimizers.Adam(3e-3, beta_1=0.0),
    )
    return model


# Layers


def test_adain_gives_every_channel_the_statistics_of_its_style():
    x = 3 + 5 * tf.random.normal((4, 9, 7, 2))
    scales, means = np.array([[0.5, 2.0], [1.0, 3.0], [0.0, 1.0], [4.0, 0.1]]), np.array([[1.0, -2.0]] * 4)
    styled = stylegan.AdaIN()([x, tf.constant(np.concatenate([scales, means], axis=1), tf.float32)]).numpy()
    np.testing.assert_allclose(styled.mean(axis=(1, 2)), means, atol=1e-5)
    np.testing.assert_allclose(styled.std(axis=(1, 2)), scales, atol=1e-4)
    flat = stylegan.AdaIN()([tf.ones((1, 3, 3, 1)), tf.constant([[2.0, 7.0]])])
    np.testing.assert_allclose(flat, 7 * np.ones((1, 3, 3, 1)))  # no spread to scale


def test_adain_keeps_its_accuracy_in_bfloat16():
    x = 100 + tf.random.normal((2, 8, 8, 3))
    style = tf.constant([[1.0] * 3 + [0.0] * 3] * 2)
    half = stylegan.AdaIN(dtype="mixed_bfloat16")([x, style])
    assert half.dtype == tf.bfloat16
    rounded = tf.cast(tf.cast(x, tf.bfloat16), tf.float32)
    np.testing.assert_allclose(tf.cast(half, tf.float32), stylegan.AdaIN()([rounded, style]), atol=0.02)


def test_equalised_layers_keep_the_variance_of_their_inputs():
    x = tf.random.normal((4000, 50))
    for layer in (stylegan.EqualizedDense(200), stylegan.EqualizedDense(200, rate=0.01)):
        assert np.var(layer(x)) == pytest.approx(1.0, abs=0.1)
        assert np.std(layer.kernel) == pytest.approx(1 / layer.rate, rel=0.05)
    assert np.var(stylegan.EqualizedDense(200, gain=2**0.5)(x)) == pytest.approx(2.0, abs=0.2)
    convolved = stylegan.EqualizedConv(100)(tf.random.normal((50, 12, 12, 20)))
    assert np.var(convolved[:, 1:-1, 1:-1]) == pytest.approx(2.0, abs=0.2)
    assert np.mean(stylegan.EqualizedDense(3, bias=1.0, rate=0.5)(tf.zeros((1, 5)))) == pytest.approx(1.0)


def test_a_step_of_adam_moves_layers_by_their_rates():
    """All weights move by the learning rate; what they add to the result is scaled, so that all layers keep pace."""
    moves = {}
    for inputs, rate in ((10, 1.0), (1000, 1.0), (10, 0.01)):
        layer = stylegan.EqualizedDense(4, rate=rate)
        x = tf.ones((1, inputs))
        layer(x)
        before = layer.kernel.numpy()
        optimizer = keras.optimizers.Adam(0.1)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x))
        optimizer.apply(tape.gradient(loss, [layer.kernel]), [layer.kernel])
        moves[inputs, rate] = np.abs(rate * (layer.kernel - before) / inputs**0.5).max()
    assert moves[10, 1.0] == pytest.approx(0.1 / 10**0.5, rel=1e-3)
    assert moves[1000, 1.0] == pytest.approx(0.1 / 1000**0.5, rel=1e-3)
    assert moves[10, 0.01] == pytest.approx(0.01 * moves[10, 1.0], rel=1e-3)


# Networks


@pytest.mark.parametrize("shape", [(8, 8, 3), (28, 28, 1), (64, 64, 3), (8, 12, 1)])
def test_networks_make_pictures(shape):
    generator = stylegan.make_generator(shape, latent_dim=5, width=2, depth=1)
    sides = stylegan.layer_sides(shape)
    assert sides[-1] == shape[:2] and len(sides) == len(generator.inputs) - 1
    for count in (1, 3):
        pixels = [tf.random.normal((count, *side, 1)) for side in sides]
        pictures = generator([tf.random.normal((count, len(sides), 5)), *pixels])
        assert pictures.shape == (count, *shape) and pictures.dtype == tf.float32
        assert float(tf.reduce_max(tf.abs(pictures))) <= 1


def test_sides_double_from_the_constant():
    assert stylegan.layer_sides((28, 28, 1)) == [(7, 7), (7, 7), (14, 14), (14, 14), (28, 28), (28, 28)]
    assert stylegan.layer_sides((8, 12, 1)) == [(4, 6), (4, 6), (8, 12), (8, 12)]


def test_mapping_treats_each_layer_by_itself_and_forgets_the_length_of_z():
    mapping = stylegan.make_mapping(6, depth=3, count=4)
    z = tf.random.normal((2, 4, 6))
    w = mapping(z).numpy()
    swapped = mapping(tf.gather(z, [1, 0, 3, 2], axis=1)).numpy()
    np.testing.assert_allclose(swapped, w[:, [1, 0, 3, 2]], atol=1e-6)
    np.testing.assert_allclose(mapping(3.0 * z), w, atol=1e-4)


def test_noise_is_without_effect_until_it_is_learned():
    model = make()
    w = model.styles([1, 2])
    np.testing.assert_array_equal(model.synthesize(w, [5, 6]), model.synthesize(w, [7, 8]))
    for index in range(len(model.sides)):
        factors = model.synthesis.get_layer(f"factors_{index}").kernel
        before = model.synthesize(w, [5, 6]).numpy()
        factors.assign(tf.ones_like(factors))
        assert np.abs(model.synthesize(w, [5, 6]) - before).max() > 1e-4  # every layer has its own


# Styles


def test_mixing_takes_the_layers_before_the_crossover_from_the_first():
    first, second = tf.ones((4, 2)), 2 * tf.ones((4, 2))
    mixed = stylegan.mix(first, second, tf.constant([1, 3, 5, 0]), count=5).numpy()
    assert mixed.shape == (4, 5, 2)
    np.testing.assert_array_equal(mixed[:, :, 0], [[1, 2, 2, 2, 2], [1, 1, 1, 2, 2], [1] * 5, [2] * 5])


def test_a_style_acts_in_its_own_layer_only():
    """Up to the layer whose style is swapped the activations are the same, from there on they differ."""
    model = make()
    adains = [layer.output for layer in model.synthesis.layers if isinstance(layer, stylegan.AdaIN)]
    inside = keras.Model(model.synthesis.inputs, adains)
    w, other = model.styles([1]).numpy(), model.styles([2]).numpy()
    pixels = [tf.zeros((1, *side, 1)) for side in model.sides]
    plain = inside([tf.constant(w), *pixels])
    for swapped in range(len(model.sides)):
        mixed = w.copy()
        mixed[:, swapped] = other[:, swapped]
        for index, (one, two) in enumerate(zip(plain, inside([tf.constant(mixed), *pixels]), strict=True)):
            assert (np.abs(one - two).max() > 1e-6) == (index >= swapped), (swapped, index)


def test_as_many_pictures_are_mixed_as_asked_for():
    for probability, expected in ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)):
        z = make(mixing_probability=probability).draw(1000)[0].numpy()  # (1000, 4, 6)
        mixed = np.any(z[:, 0] != z[:, -1], axis=1)
        assert mixed.mean() == pytest.approx(expected, abs=0.06)
        crossovers = np.sum(np.all(z[mixed] == z[mixed][:, :1], axis=2), axis=1)
        assert set(crossovers) == (set() if probability == 0 else {1, 2, 3})  # at least a layer of either


def test_truncation_moves_styles_to_their_mean():
    w, mean = tf.random.normal((5, 4, 6)), tf.random.normal((6,))
    np.testing.assert_allclose(stylegan.truncate(w, mean, 1.0), w, atol=1e-6)
    np.testing.assert_allclose(stylegan.truncate(w, mean, 0.0), tf.broadcast_to(mean, w.shape), atol=1e-6)
    np.testing.assert_allclose(stylegan.truncate(w, mean, 0.25), 0.25 * w + 0.75 * mean, atol=1e-6)


def test_both_halves_are_truncated_like_the_whole():
    model = make()
    z = tf.random.normal((3, 6))
    mean = model.mean_style(200).numpy()
    whole, mapped, pictures = {}, {}, {}
    for psi in (1.0, 0.3):
        functions = {name: part.function for name, part in recipe._endpoints(model, mean, psi, (8, 8, 1)).items()}
        whole[psi] = functions["generate"](z)["image"].numpy()
        mapped[psi] = functions["map"](z)["w"].numpy()
        pictures[psi] = functions["synthesize"](mapped[psi], tf.zeros(3, tf.int32))["image"].numpy()
        np.testing.assert_allclose(pictures[psi], whole[psi], atol=1e-6)
    np.testing.assert_allclose(mapped[0.3], mean + 0.3 * (mapped[1.0] - mean), atol=1e-6)
    assert np.abs(whole[0.3] - whole[1.0]).max() > 1e-3


def test_mean_style():
    model = make()
    expected = model.styles(range(1200)).numpy()[:, 0].mean(axis=0)
    np.testing.assert_allclose(model.mean_style(1200), expected, atol=1e-5)


# The discriminator


def test_the_discriminator_knows_pictures_that_are_alike():
    discriminator = stylegan.make_discriminator((8, 8, 1), 4)
    pictures = np.random.default_rng(0).uniform(-1, 1, (6, 8, 8, 1)).astype(np.float32)
    alike = np.repeat(pictures[:1], 6, axis=0)
    among_others, among_its_like = discriminator(pictures)[0], discriminator(alike)[0]
    assert abs(float(among_others[0] - among_its_like[0])) > 1e-3
    plain = dcgan.make_discriminator((8, 8, 1), 4)
    assert float(plain(pictures)[0, 0]) == pytest.approx(float(plain(alike)[0, 0]), abs=1e-6)


# Losses


def test_losses_by_hand():
    real, fake = np.array([[2.0], [-1.0], [0.5]]), np.array([[-3.0], [0.25], [1.0]])
    d_real, d_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    logits = [tf.constant(x, tf.float32) for x in (real, fake)]
    expected = -np.mean(np.log(d_real)) - np.mean(np.log(1 - d_fake))
    assert float(stylegan.discriminator_loss(*logits)) == pytest.approx(expected, rel=1e-6)
    assert float(stylegan.generator_loss(logits[1])) == pytest.approx(-np.mean(np.log(d_fake)), rel=1e-6)


# The step


def test_players_move_only_their_own_weights(batch):
    checks.check_players(make, batch)


def test_average_follows_the_generator(batch):
    checks.check_average(make(), batch, decay=0.9)


def test_training_on_digits(digits):
    model = make()
    start = model.generate(range(4)).numpy()
    batches = images.training_batches(digits, 16, seed=0)
    history = model.fit(batches, epochs=2, steps_per_epoch=20, verbose=0).history
    assert history.keys() == {"d_loss", "g_loss", "d_real", "d_fake"}
    assert np.all(np.isfinite(list(history.values())))
    after = model.generate(range(4)).numpy()
    assert np.abs(after - start).max() > 0.05
    np.testing.assert_allclose(model.synthesize(model.styles(range(4)), range(4)), after, atol=1e-6)
    model.generator.set_weights([np.zeros_like(weight) for weight in model.generator.get_weights()])
    np.testing.assert_array_equal(model.generate(range(4)), after)  # samples come from the average


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mixing_probability": 1.5}, "the mixing probability must be 0 to 1, got 1.5"),
        ({"image_shape": (9, 9, 1)}, "a side of 9 pixels cannot be made"),
        ({"image_shape": (8, 16, 1)}, "doubled equally often, got 8x16"),
    ],
)
def test_settings_out_of_range_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        stylegan.StyleGAN(**{**TINY, **changes})


# Saving


def test_config():
    checks.check_config(stylegan.StyleGAN, TINY)


def test_round_trip(batch, tmp_path):
    model = make()
    inputs = [tf.random.normal((3, 4, 6)), *[tf.random.normal((3, *side, 1)) for side in model.sides]]
    checks.check_round_trip(model, inputs, batch, tmp_path)


def test_resume(digits, tmp_path):
    checks.check_resume_on_digits(make, digits, tmp_path)


def test_bfloat16(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    checks.check_bfloat16(make(), batch)


def test_float16(batch):
    keras.config.set_dtype_policy("mixed_float16")
    checks.check_float16(make, batch)
