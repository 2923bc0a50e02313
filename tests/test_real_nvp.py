"""RealNVP: couplings by hand, inverses, Jacobians by autodiff, densities that integrate to one, and what ships."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from zoo.flows import real_nvp

TINY = {
    "event_shape": (8, 8, 1),
    "couplings": 4,
    "width": 6,
    "levels": 17,
    "average_decay": 0.9,
    "seed": 11,
}
POINTS = {"event_shape": (2,), "levels": None}


def make(**changes):
    model = real_nvp.RealNVP(**{**TINY, **changes})
    model.compile(keras.optimizers.Adam(3e-3))
    return model


def make_bent(scale=0.4, **changes):
    """A flow that is far from the identity."""
    model = make(**changes)
    random = np.random.default_rng(3)
    for network in (*model.networks, *model.average_networks):
        network.set_weights([scale * random.standard_normal(weight.shape) for weight in network.get_weights()])
    return model


# The steps


def test_coupling_by_hand():
    mask = np.array([1.0, 0.0, 1.0], np.float32)

    def network(kept):
        assert np.all(kept.numpy()[:, 1] == 0)  # it must not see what it moves
        total = tf.reduce_sum(kept, axis=1, keepdims=True)
        return 0.1 * total * tf.ones(3), 2.0 * total + tf.constant([5.0, 0.0, 7.0])

    step = real_nvp.affine_coupling(network, mask)
    x = tf.constant([[1.0, 4.0, 3.0]])
    moved = 4 * np.exp(0.4) + 8
    np.testing.assert_allclose(step.forward(x), [[1.0, moved, 3.0]], rtol=1e-6)
    np.testing.assert_allclose(step.inverse(np.array([[1.0, moved, 3.0]], np.float32)), x, rtol=1e-6)
    np.testing.assert_allclose(step.forward_log_det_jacobian(x), [0.4], rtol=1e-6)
    np.testing.assert_allclose(step.inverse_log_det_jacobian(step.forward(x) + 0.0), [-0.4], rtol=1e-5)


def test_a_density_asks_each_network_once():
    calls = []

    def network(kept):
        calls.append(1)
        return 0.1 * kept, kept

    distribution = real_nvp.flow_distribution([network] * 3, (2,))
    distribution.log_prob(tf.ones((4, 2)))
    assert len(calls) == 3


@pytest.mark.parametrize("shape", [(2,), (5,), (4, 6, 2)])
def test_masks_take_turns(shape):
    masks = [real_nvp.coupling_mask(shape, index) for index in range(8)]
    for index in (0, 2, 4, 6):
        assert masks[index].shape == shape
        np.testing.assert_array_equal(masks[index] + masks[index + 1], 1)
    if len(shape) == 3:
        np.testing.assert_array_equal(masks[0][:2, :2, 0], [[0, 1], [1, 0]])
        np.testing.assert_array_equal(masks[2][:2, :2, 0], [[0, 0], [1, 1]])
        np.testing.assert_array_equal(masks[4], masks[0])


@pytest.mark.parametrize("shape", [(2,), (5,), (4, 6, 2)])
def test_steps_can_be_undone_and_log_dets_are_those_of_the_jacobians(shape):
    model = make_bent(scale=0.3, event_shape=shape, levels=None)
    size = int(np.prod(shape))
    x = tf.random.normal((3, *shape), seed=2)
    for step in real_nvp.flow(model.average_networks, shape):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = step.forward(x)
        jacobian = tape.batch_jacobian(y, x, experimental_use_pfor=False).numpy().reshape(3, size, size)
        _, log_det = np.linalg.slogdet(jacobian)
        assert np.abs(log_det).max() > 0.05
        np.testing.assert_allclose(step.forward_log_det_jacobian(x), log_det, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(step.inverse(y + 0.0), x, atol=1e-4)
        np.testing.assert_allclose(step.inverse_log_det_jacobian(y + 0.0), -log_det, rtol=1e-3, atol=1e-4)
        x = y + 0.0  # a new tensor: TFP remembers the old one's way


def test_a_coupling_network_looks_as_far_to_all_sides():
    """Four convolutions of 3x3 reach four pixels."""
    network = real_nvp.make_coupling_network((13, 13, 1), 3, halved=False)
    network.set_weights([np.ones_like(weight) for weight in network.get_weights()])
    kept = tf.Variable(tf.ones((1, 13, 13, 1)))
    with tf.GradientTape() as tape:
        middle = network(kept)[1][0, 6, 6, 0]
    slopes = tape.gradient(middle, kept)[0, :, :, 0].numpy()
    np.testing.assert_array_equal(np.argwhere(slopes > 0).min(axis=0), [2, 2])
    np.testing.assert_array_equal(np.argwhere(slopes > 0).max(axis=0), [10, 10])
    np.testing.assert_allclose(slopes, slopes[::-1, ::-1])


def test_log_prob_is_the_noise_s_plus_the_stretching():
    model = make_bent(event_shape=(3,), levels=None)
    z = tf.random.normal((4, 3), seed=2)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        x = model.decode(z)
    _, log_det = np.linalg.slogdet(tape.batch_jacobian(x, z, experimental_use_pfor=False).numpy())
    np.testing.assert_allclose(model.log_prob(x), stats.norm.logpdf(z).sum(axis=1) - log_det, rtol=1e-4)


def test_the_density_of_points_integrates_to_one():
    model = make_bent(**POINTS)
    axis = np.linspace(-15, 15, 601, dtype=np.float32)
    plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    density = np.exp(model.log_prob(plane).numpy().astype(np.float64))
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=0.01)
    centre = (plane * density[:, None]).sum(axis=0) / density.sum()
    samples = model.generate(range(4000)).numpy()
    errors = samples.std(axis=0) / np.sqrt(4000)
    np.testing.assert_allclose(samples.mean(axis=0), centre, atol=4 * errors.max())  # it draws what it says


def test_a_flow_begins_as_the_identity():
    model = make(**POINTS)
    x = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    np.testing.assert_allclose(model.log_prob(x), stats.norm.logpdf(x).sum(axis=1), rtol=1e-5)


# Pixels


def test_the_probabilities_of_all_levels_sum_to_one():
    """Of four pixels with three levels: the integral over u of each box is its probability."""
    model = make_bent(scale=0.2, event_shape=(2, 2, 1), levels=3, couplings=2)
    random = np.random.default_rng(0)
    count = 60_000
    levels = random.integers(0, 3, (count, 2, 2, 1))
    inside = model.log_prob(
        np.float32(levels - 1.0), noise_in_level=random.random((count, 2, 2, 1), dtype=np.float32)
    ).numpy()
    shares = np.exp(inside.astype(np.float64)) * 3**4  # each picture was drawn with the probability 3^-4
    # The levels fill [a, 1 - a] only: what is outside of it is lost.
    noise = random.standard_normal((count, 4)).astype(np.float32)
    x = tf.reshape(noise, (-1, 2, 2, 1))
    for step in real_nvp.flow(model.average_networks, (2, 2, 1)):
        x = step.forward(x)
    share = tf.sigmoid(x).numpy().reshape(count, 4)
    within = np.mean(np.all((share > real_nvp.MARGIN) & (share < 1 - real_nvp.MARGIN), axis=1))
    error = shares.std() / np.sqrt(count) + np.sqrt(within * (1 - within) / count)
    assert abs(shares.mean() - within) < 4 * error
    assert error < 0.05 * within


def test_pictures_are_in_range_and_a_seed_is_a_picture():
    model = make_bent()
    seeds = [5, -3, 2**31 - 1]
    together = model.generate(seeds).numpy()
    assert together.shape == (3, 8, 8, 1)
    assert together.dtype == np.float32
    assert np.abs(together).max() <= 1
    for seed, picture in zip(seeds, together, strict=True):
        np.testing.assert_allclose(model.generate([seed])[0], picture, atol=1e-4)
    assert np.abs(together[0] - together[1]).max() > 0.01


def test_a_picture_comes_back_from_its_noise(batch):
    model = make_bent(scale=0.2)
    levels = np.rint((batch[0].numpy() + 1) * 8)
    share = 0.05 + 0.9 * (levels + 0.5) / 17
    x = tf.constant(np.log(share / (1 - share)), tf.float32)
    for step in real_nvp.flow(model.average_networks, (8, 8, 1))[::-1]:
        x = step.inverse(x)
    np.testing.assert_allclose(model.decode(tf.reshape(x, (16, 64))), levels / 8 - 1, atol=1e-3)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="sides must be even, got 8x7"):
        real_nvp.RealNVP((8, 7, 1))
    with pytest.raises(ValueError, match="couplings must be at least 2, got 1"):
        real_nvp.RealNVP((8, 8, 1), couplings=1)
    with pytest.raises(ValueError, match="levels must be at least 2, got 1"):
        real_nvp.RealNVP((8, 8, 1), levels=1)


# Training


def test_every_network_learns_and_the_loss_falls(batch):
    model = make(average_decay=0.5)
    before = [checks.values(network) for network in model.networks]
    pairs = tf.data.Dataset.from_tensors(batch).repeat()
    history = model.fit(pairs, epochs=3, steps_per_epoch=15, verbose=0).history
    for network, start in zip(model.networks, before, strict=True):
        assert all(checks.moved(network, start))
    assert history["loss"][2] < history["loss"][1] < history["loss"][0]
    assert history["bits_per_dim"][2] == pytest.approx(history["loss"][2] / 64 / np.log(2), rel=1e-5)
    scores = model.evaluate(batch[0], batch_size=16, return_dict=True, verbose=0)
    assert scores["loss"] < history["loss"][0]
    for network in model.networks:  # those in training have no part in what is measured and drawn
        network.set_weights([np.ones_like(weight) for weight in network.get_weights()])
    after = model.evaluate(batch[0], batch_size=16, return_dict=True, verbose=0)
    assert after["loss"] == pytest.approx(scores["loss"], abs=3)  # other u


def test_a_step_is_a_descent_of_the_negative_log_likelihood():
    model = make_bent(**POINTS)
    model.compile(keras.optimizers.SGD(1e-3))
    x = tf.random.normal((16, 2), seed=1)
    before = [weight.numpy() for weight in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(real_nvp.flow_distribution(model.networks, (2,)).log_prob(x))
    gradients = tape.gradient(loss, model.trainable_variables)
    logs = model.train_step((x, None))
    assert float(logs["loss"]) == pytest.approx(float(loss), rel=1e-5)
    for weight, then, gradient in zip(model.trainable_variables, before, gradients, strict=True):
        np.testing.assert_allclose(weight, then - 1e-3 * gradient, rtol=1e-4, atol=1e-6)


def test_config():
    checks.check_config(real_nvp.RealNVP, TINY)


def test_round_trip(batch, tmp_path):
    checks.check_round_trip(make(), batch[0], batch, tmp_path)


def test_resume(digits, tmp_path):
    checks.check_resume_on_digits(make, digits, tmp_path)


def test_half_precision(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = make()
    assert np.isfinite(float(model.train_step(batch)["loss"]))
    assert model.networks[0].layers[1].compute_dtype == "bfloat16"
    for network in model.average_networks:  # what is exported
        assert {layer.compute_dtype for layer in network.layers} == {"float32"}
    assert np.isfinite(model.log_prob(batch[0])).all()
    assert model.generate(range(2)).dtype == tf.float32
