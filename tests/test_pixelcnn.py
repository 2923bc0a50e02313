"""PixelCNN: what a pixel can see, exact probabilities, the sampler against them, and what ships."""

import itertools

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from zoo import noise
from zoo.autoregressive import pixelcnn
from zoo.datasets import images

TINY = {
    "image_shape": (8, 8, 1),
    "levels": 3,
    "width": 4,
    "blocks": 3,
    "first_reach": 2,
    "reach": 2,
    "average_decay": 0.9,
    "seed": 11,
}


def make(**changes):
    model = pixelcnn.PixelCNN(**{**TINY, **changes})
    model.compile(keras.optimizers.Adam(3e-3))
    return model


def make_spread(shape, levels, **changes):
    """A network whose probabilities are far from equal and depend on what came before."""
    settings = {"width": 4, "blocks": 2, "first_reach": 2, "reach": 1, **changes}
    network = pixelcnn.make_pixelcnn(shape, levels, **settings)
    random = np.random.default_rng(5)
    network.set_weights([0.7 * random.standard_normal(weight.shape) for weight in network.get_weights()])
    return network


def all_pictures(shape, levels):
    """Every picture there can be, int32 (L^(H W), H, W)."""
    every = itertools.product(range(levels), repeat=shape[0] * shape[1])
    return np.array(list(every), np.int32).reshape(-1, *shape)


# What a pixel sees


@pytest.mark.parametrize(("first_reach", "reach"), [(3, 1), (1, 2)])
def test_a_pixel_sees_all_before_it_within_reach_and_nothing_else(first_reach, reach):
    shape = (7, 9)
    network = make_spread(shape, 2, blocks=3, first_reach=first_reach, reach=reach)
    random = np.random.default_rng(0)
    picture = tf.constant(random.uniform(0.2, 1.0, (1, *shape, 2)), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(picture)
        logits = tf.reduce_sum(network(picture) * [1.0, -2.0], axis=-1)  # (1, 7, 9)
    jacobian = tape.jacobian(logits, picture, experimental_use_pfor=False).numpy()  # (1, 7, 9, 1, 7, 9, 2)
    sees = np.abs(jacobian[0, :, :, 0]).max(axis=-1).reshape(63, 63) > 0
    assert not np.triu(sees).any()  # neither itself nor what comes later
    total = first_reach + 2 * reach
    for pixel, (y, x) in enumerate(np.ndindex(*shape)):
        for other, (v, u) in enumerate(np.ndindex(*shape)):
            if other < pixel and y - v <= first_reach and abs(x - u) <= first_reach:
                assert sees[pixel, other], f"{(y, x)} does not see {(v, u)}"
            if y - v > total or abs(x - u) > total:
                assert not sees[pixel, other]
    assert sees[5 * 9 + 3, 4 * 9 + 3 + first_reach]  # upper right, where masked 3x3 convolutions are blind
    assert sees[6 * 9 + 4, 3 * 9 + 8]  # ... through several blocks: 3 up, 4 to the right


def test_causal_convolution_by_hand():
    layer = pixelcnn.CausalConv2D(1, rows=(-1, 0), columns=(-2, -1))
    x = np.arange(1.0, 13.0, dtype=np.float32).reshape(1, 3, 4, 1)
    layer(x)
    layer.kernel.assign(np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(2, 2, 1, 1))
    layer.bias.assign([0.5])
    given = layer(x).numpy()[0, :, :, 0]
    assert given[1, 2] == 1 * 1 + 10 * 2 + 100 * 5 + 1000 * 6 + 0.5
    assert given[0, 0] == 0.5
    assert given[0, 1] == 1000 * 1 + 0.5
    assert given[2, 3] == 1 * 6 + 10 * 7 + 100 * 10 + 1000 * 11 + 0.5
    window = layer(x[:, 1:3, 1:3], pad=False).numpy()  # the neighbours of the pixel at (2, 3)
    assert window.shape == (1, 1, 1, 1)
    assert window[0, 0, 0, 0] == given[2, 3]


def test_gate_by_hand():
    x = np.array([[0.3, -2.0, 0.7, 1.5]], np.float32)
    np.testing.assert_allclose(pixelcnn.gate(x), np.tanh(x[:, :2]) * special.expit(x[:, 2:]), rtol=1e-6)


# Exact probabilities


@pytest.mark.parametrize(("shape", "levels"), [((2, 3), 2), ((3, 2), 3)])
def test_probabilities_of_all_pictures_sum_to_one(shape, levels):
    network = make_spread(shape, levels)
    pictures = all_pictures(shape, levels)
    log_probabilities = pixelcnn.log_likelihood(pictures, network(tf.one_hot(pictures, levels))).numpy()
    assert len(pictures) == levels ** (shape[0] * shape[1])
    assert np.ptp(log_probabilities) > 1
    assert np.exp(log_probabilities.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


def test_log_likelihood_by_hand():
    random = np.random.default_rng(0)
    logits = random.standard_normal((2, 3, 2, 4)).astype(np.float32)
    levels = random.integers(0, 4, (2, 3, 2)).astype(np.int32)
    by_hand = np.take_along_axis(special.log_softmax(logits, axis=-1), levels[..., None], axis=-1).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(pixelcnn.log_likelihood(levels, logits), by_hand, rtol=1e-5)


# Sampling


def test_the_level_is_where_the_cumulative_probability_passes():
    logits = np.log(np.array([0.2, 0.5, 0.3], np.float32))
    uniform = np.array([0.01, 0.19, 0.21, 0.69, 0.71, 0.999], np.float32)
    chosen = pixelcnn.choose(tf.constant(np.tile(logits, (6, 1))), tf.constant(uniform))
    np.testing.assert_array_equal(chosen, [0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize("settings", [{}, {"blocks": 3, "reach": 2, "first_reach": 1}])
def test_the_sampler_draws_what_the_whole_network_says(settings):
    """Pixel by pixel, each time with a pass over the whole picture, as the definition has it."""
    shape, levels = (4, 5), 3
    network = make_spread(shape, levels, **settings)
    uniform = np.random.default_rng(1).random((6, 20)).astype(np.float32)
    picture = np.zeros((6, *shape), np.int32)
    for index, (y, x) in enumerate(np.ndindex(*shape)):
        logits = network(tf.one_hot(picture, levels)).numpy()[:, y, x]
        cumulative = np.cumsum(special.softmax(logits, axis=1), axis=1)
        picture[:, y, x] = np.minimum((uniform[:, index : index + 1] >= cumulative).sum(axis=1), levels - 1)
    assert len(np.unique(picture)) == levels
    np.testing.assert_array_equal(tf.function(pixelcnn.make_sampler(network))(uniform), picture)


def test_samples_have_the_exact_probabilities():
    shape, levels = (2, 2), 2
    network = make_spread(shape, levels)
    pictures = all_pictures(shape, levels)
    expected = np.exp(
        pixelcnn.log_likelihood(pictures, network(tf.one_hot(pictures, levels))).numpy().astype(np.float64)
    )
    drawn = pixelcnn.make_sampler(network)(noise.uniform(tf.range(4000), 4)).numpy().reshape(-1, 4)
    counts = np.bincount(drawn @ [8, 4, 2, 1], minlength=16)
    assert stats.chisquare(counts, 4000 * expected / expected.sum()).pvalue > 1e-3


def test_generate_gives_a_seed_the_same_picture_alone_and_in_a_batch():
    model = make()
    seeds = [5, -3, 2**31 - 1]
    together = model.generate(seeds).numpy()
    assert together.shape == (3, 8, 8, 1)
    assert together.dtype == np.float32
    assert set(np.unique(together)) == {-1.0, 0.0, 1.0}
    for seed, picture in zip(seeds, together, strict=True):
        np.testing.assert_array_equal(model.generate([seed])[0], picture)
    assert np.abs(together[0] - together[1]).max() > 0


# The model


def test_levels_and_pictures():
    model = make(levels=5)
    pictures = np.linspace(-1, 1, 5, dtype=np.float32).reshape(1, 1, 5, 1)
    np.testing.assert_array_equal(model.to_levels(pictures), [[[0, 1, 2, 3, 4]]])
    np.testing.assert_array_equal(model.to_levels(pictures + 0.1), [[[0, 1, 2, 3, 4]]])
    np.testing.assert_allclose(model.to_images(np.array([[[0, 1, 2, 3, 4]]])), pictures)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"must be grey \(1 channel\), got 3 channels"):
        pixelcnn.PixelCNN((8, 8, 3))
    with pytest.raises(ValueError, match="levels must be at least 2, got 1"):
        pixelcnn.PixelCNN((8, 8, 1), levels=1)


def test_step_is_a_descent_of_the_negative_log_likelihood(batch):
    model = make()
    model.compile(keras.optimizers.SGD(1e-3))
    before = [weight.numpy() for weight in model.trainable_variables]
    levels = np.rint((batch[0].numpy()[..., 0] + 1) / 2 * 2).astype(np.int32)
    with tf.GradientTape() as tape:
        logits = model.network(tf.one_hot(levels, 3))
        chosen = tf.reduce_sum(tf.one_hot(levels, 3) * tf.nn.log_softmax(logits), axis=(1, 2, 3))
        loss = -tf.reduce_mean(chosen)
    gradients = tape.gradient(loss, model.trainable_variables)
    logs = model.train_step(batch)
    assert float(logs["loss"]) == pytest.approx(float(loss), rel=1e-5)
    for weight, then, gradient in zip(model.trainable_variables, before, gradients, strict=True):
        np.testing.assert_allclose(weight, then - 1e-3 * gradient, rtol=1e-4, atol=1e-6)
    d = 2 / 11  # the warm-up of the average
    for average, then, now in zip(
        model.network_average.get_weights(), before, model.network.get_weights(), strict=True
    ):
        np.testing.assert_allclose(average, d * then + (1 - d) * now, atol=1e-6)


def test_loss_falls_below_independent_pixels(digits):
    model = make(levels=2, average_decay=0.9, width=8)
    few = images.Split(images.binarize(digits.images, 3), digits.labels)
    pairs = images.training_batches(few, 32, seed=4)
    model.fit(pairs, epochs=1, steps_per_epoch=100, verbose=0)
    white = (few.images / 255.0).mean(axis=0)
    independent = -np.sum(special.xlogy(white, white) + special.xlogy(1 - white, 1 - white))
    held_out = images.to_float(few.images[-200:])
    nll = model.evaluate(held_out, batch_size=100, return_dict=True, verbose=0)["loss"]
    assert nll < independent - 1
    assert nll == pytest.approx(-float(tf.reduce_mean(model.log_prob(held_out))), rel=1e-5)
    for weight in model.network.weights:  # the network in training has no part in it
        weight.assign(tf.zeros_like(weight))
    assert model.evaluate(held_out, batch_size=100, return_dict=True, verbose=0)["loss"] == pytest.approx(nll)


def test_config():
    checks.check_config(pixelcnn.PixelCNN, TINY)


def test_round_trip(batch, tmp_path):
    checks.check_round_trip(make(), batch[0], batch, tmp_path, draws=False)


def test_resume(digits, tmp_path):
    checks.check_resume_on_digits(make, digits, tmp_path, binarized=True)


def test_half_precision(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = make()
    before = checks.values(model.network)
    assert np.isfinite(float(model.train_step(batch)["loss"]))
    assert any(checks.moved(model.network, before))
    block = model.network.get_layer("block_0")
    assert {block.compute_dtype, block.vertical.compute_dtype, block.link.compute_dtype} == {"bfloat16"}
    average = model.network_average.get_layer("block_0")
    assert {average.compute_dtype, average.vertical.compute_dtype, average.link.compute_dtype} == {"float32"}
    assert model(batch[0]).dtype == model.log_prob(batch[0]).dtype == tf.float32
    assert np.isfinite(model.log_prob(batch[0])).all()
