"""VQ-VAE: nearest codes, gradients through them, the three terms, the prior, and what ships."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import spatial, stats

from zoo.autoencoders import vq_vae

TINY = {
    "image_shape": (8, 8, 1),
    "codes": 5,
    "code_dim": 3,
    "width": 4,
    "prior_width": 3,
    "prior_blocks": 2,
    "beta": 0.4,
    "pixel_variance": 0.3,
    "average_decay": 0.9,
    "seed": 11,
}


def make(**changes):
    model = vq_vae.VQVAE(**{**TINY, **changes})
    model.compile(keras.optimizers.Adam(3e-3))
    return model


@pytest.mark.parametrize("shape", [(8, 8, 3), (12, 12, 1), (28, 28, 1), (8, 12, 1)])
def test_networks_make_and_take_grids(shape):
    encoder = vq_vae.make_encoder(shape, code_dim=3, width=4)
    vectors = encoder(tf.random.uniform((2, *shape), -1.0, 1.0))
    grid = {8: 4, 12: 6, 28: 7}
    if shape == (8, 12, 1):
        assert vectors.shape == (2, 4, 6, 3)
    else:
        assert vectors.shape == (2, grid[shape[0]], grid[shape[1]], 3)
    pictures = vq_vae.make_decoder(shape, code_dim=3, width=4)(10 * vectors).numpy()
    assert pictures.shape == (2, *shape)
    assert np.abs(pictures).max() <= 1


@pytest.mark.parametrize("size", [4, 9, 30])
def test_sizes_that_cannot_be_made_are_refused(size):
    with pytest.raises(ValueError, match=f"a side of {size} pixels cannot be made"):
        vq_vae.VQVAE((8, size, 1))


@pytest.mark.parametrize("wrong", [{"codes": 1}, {"width": 1}])
def test_too_few_codes_or_channels_are_refused(wrong):
    with pytest.raises(ValueError, match="codes and width must be at least 2, got"):
        make(**wrong)


def test_codes_are_the_nearest_vectors():
    codebook = vq_vae.Codebook(6, 3)
    random = np.random.default_rng(0)
    codebook.vectors.assign(random.standard_normal((6, 3)) * [[1], [2], [0.5], [1], [3], [1]])  # of unlike lengths
    points = random.standard_normal((4, 3, 2, 3)).astype(np.float32)
    nearest = spatial.cKDTree(codebook.vectors.numpy()).query(points.reshape(-1, 3))[1].reshape(4, 3, 2)
    codes = codebook(points)
    np.testing.assert_array_equal(codes, nearest)
    np.testing.assert_array_equal(codebook.look_up(codes), codebook.vectors.numpy()[nearest])


def test_losses_by_hand():
    random = np.random.default_rng(0)
    x, y = random.uniform(-1, 1, (2, 3, 4, 4, 1)).astype(np.float32)
    vectors, chosen = random.standard_normal((2, 3, 2, 2, 5)).astype(np.float32)
    terms = vq_vae.losses(*map(tf.constant, (x, y, vectors, chosen)), pixel_variance=0.5, beta=0.25)
    distance = np.mean((vectors - chosen) ** 2)
    np.testing.assert_allclose(terms, [2 * np.mean((x - y) ** 2), distance, 0.25 * distance], rtol=1e-5)


def test_each_term_moves_what_it_should():
    vectors, chosen = tf.Variable(tf.random.normal((2, 2, 2, 3))), tf.Variable(tf.random.normal((2, 2, 2, 3)))
    nothing = tf.zeros((2, 4, 4, 1))
    with tf.GradientTape(persistent=True) as tape:
        _, codebook, commitment = vq_vae.losses(nothing, nothing, vectors, chosen, 0.5, 0.25)
    assert tape.gradient(codebook, vectors) is None
    assert tape.gradient(commitment, chosen) is None
    towards = 2 * (chosen - vectors) / tf.size(vectors, tf.float32)
    np.testing.assert_allclose(tape.gradient(codebook, chosen), towards, rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(commitment, vectors), -0.25 * towards, rtol=1e-5)


def test_gradient_is_copied_past_the_choice(batch):
    """The encoder's step is that of the decoder's gradient at z_q, plus that of the commitment."""
    model = make(pixel_variance=0.02)
    model.compile(keras.optimizers.SGD(1e-2))
    vectors = model.encoder(batch[0])
    codes = model.codebook(vectors)
    chosen = tf.convert_to_tensor(model.codebook.look_up(codes))
    with tf.GradientTape() as tape:
        tape.watch(chosen)
        reconstruction = tf.reduce_mean(tf.square(batch[0] - model.decoder(chosen))) / 0.02
    at_decoder = tape.gradient(reconstruction, chosen)
    incoming = at_decoder + 0.4 * 2 * (vectors - chosen) / tf.size(vectors, tf.float32)
    with tf.GradientTape() as tape:
        product = tf.reduce_sum(model.encoder(batch[0]) * incoming)
    gradients = tape.gradient(product, model.encoder.trainable_weights)
    rows = tf.math.unsorted_segment_sum(
        tf.reshape(2 * (chosen - vectors) / tf.size(vectors, tf.float32), [-1, 3]), tf.reshape(codes, [-1]), 5
    )
    before, book = checks.values(model.encoder), model.codebook.vectors.numpy()
    logs = model.train_step(batch)
    for weight, then, gradient in zip(model.encoder.trainable_weights, before, gradients, strict=True):
        assert np.abs(gradient).max() > 0
        np.testing.assert_allclose(weight, then - 1e-2 * gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.codebook.vectors, book - 1e-2 * rows, rtol=1e-4, atol=1e-6)
    assert float(logs["loss"]) == pytest.approx(
        float(logs["reconstruction"] + logs["codebook_loss"] + logs["commitment"]), rel=1e-5
    )
    assert float(logs["commitment"]) == pytest.approx(0.4 * float(logs["codebook_loss"]), rel=1e-5)


def test_prior_learns_from_the_codes_and_nothing_else_learns_from_it(batch):
    model, twin = make(), make()
    twin.set_weights(model.get_weights())
    codes = model.encode(batch[0])
    logits = model.prior(tf.one_hot(codes, 5))
    by_hand = tf.reduce_sum(tf.one_hot(codes, 5) * tf.nn.log_softmax(logits), axis=(1, 2, 3))
    logs = model.train_step(batch)
    assert float(logs["prior_nll"]) == pytest.approx(-float(tf.reduce_mean(by_hand)), rel=1e-5)
    twin.prior.set_weights([np.zeros_like(weight) for weight in twin.prior.get_weights()])
    twin.train_step(batch)
    for name in ("encoder", "codebook", "decoder"):
        for one, other in zip(getattr(model, name).weights, getattr(twin, name).weights, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_perplexity_counts_codes():
    assert float(vq_vae.perplexity(np.array([[0, 1], [2, 3]], np.int32), 8)) == pytest.approx(4)
    assert float(vq_vae.perplexity(np.array([3, 3, 3], np.int32), 8)) == pytest.approx(1)
    shares = np.array([0.5, 0.25, 0.25])
    codes = np.array([7, 7, 0, 1], np.int32)
    assert float(vq_vae.perplexity(codes, 8)) == pytest.approx(np.exp(stats.entropy(shares)), rel=1e-5)


def test_training_uses_codes_and_averages_follow(batch):
    model = make(average_decay=0.5)
    pairs = tf.data.Dataset.from_tensors(batch).repeat()
    history = model.fit(pairs, epochs=3, steps_per_epoch=40, verbose=0).history
    assert history["reconstruction"][2] < history["reconstruction"][0]
    assert history["prior_nll"][2] < 16 * np.log(5) - 1
    assert history["perplexity"][2] > 1.5
    scores = model.evaluate(batch[0], batch_size=16, return_dict=True, verbose=0)
    error = np.mean((batch[0] - model(batch[0])) ** 2) / 0.3
    assert scores["reconstruction"] == pytest.approx(error, rel=1e-5)
    in_parts = model.evaluate(batch[0], batch_size=10, return_dict=True, verbose=0)  # 10 pictures, then 6
    for name in ("loss", "reconstruction", "codebook_loss", "prior_nll"):
        assert in_parts[name] == pytest.approx(scores[name], rel=1e-4), name
    pictures = model.generate(range(8)).numpy()
    for name in ("encoder", "codebook", "decoder", "prior"):  # the networks in training have no part in it
        network = getattr(model, name)
        for average, weight in zip(getattr(model, f"{name}_average").weights, network.weights, strict=True):
            np.testing.assert_allclose(average, weight, atol=0.05)
        network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    np.testing.assert_array_equal(model.generate(range(8)), pictures)
    again = model.evaluate(batch[0], batch_size=16, return_dict=True, verbose=0)
    assert again == pytest.approx(scores, rel=1e-6)
    np.testing.assert_allclose(model.decode(model.encode(batch[0])), model(batch[0]))


def test_generate_gives_a_seed_the_same_picture_alone_and_in_a_batch():
    model = make()
    model.codebook_average.vectors.assign(tf.random.normal((5, 3)))
    checks.check_pictures_of_seeds(model)


def test_config():
    checks.check_config(vq_vae.VQVAE, TINY)


def test_round_trip(batch, tmp_path):
    checks.check_round_trip(make(), batch[0], batch, tmp_path, draws=False)


def test_resume(digits, tmp_path):
    checks.check_resume_on_digits(make, digits, tmp_path)


def test_half_precision(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = make()
    logs = model.train_step(batch)
    assert np.all(np.isfinite([float(value) for value in logs.values()]))
    assert model.encoder.layers[1].compute_dtype == "bfloat16"
    assert model.codebook.vectors.dtype == model.codebook.compute_dtype == "float32"
    for name in ("encoder", "codebook", "decoder", "prior"):  # what is exported
        layers = getattr(model, f"{name}_average")._flatten_layers()
        assert {layer.compute_dtype for layer in layers} == {"float32"}
    model.codebook_average.vectors.assign(tf.random.normal((5, 3)))  # no numbers of bfloat16
    reconstructions = model(batch[0])
    assert reconstructions.dtype == tf.float32
    np.testing.assert_array_equal(reconstructions, model.decode(model.encode(batch[0])))  # nothing was rounded
