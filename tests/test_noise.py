"""The noise of the exported files: the hash to the bit, the statistics of the normal numbers, and LiteRT."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import interpreter as litert
from scipy import stats

from zoo import noise

SEEDS = np.array([0, 1, 2, 7, 123_456_789, 2**31 - 1, -1, -2, -(2**31)], np.int32)


# An independent reference in NumPy's unsigned integers, where the shift is logical and multiplication wraps.


def lowbias32(x):
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def reference_bits(seeds, count, stream):
    index = np.arange(count, dtype=np.uint32)[None]
    offset = np.array([(stream * 0x3C6EF372) % 2**32], np.uint32)
    key = lowbias32(np.asarray(seeds, np.int32).astype(np.uint32) + offset)[:, None]
    key[key == 0] = 0x1E3779B1
    return lowbias32(lowbias32(index + key) ^ (key * np.uint32(0x1E3779B1)))


def reference_normal(seeds, count, stream):
    pairs = -(-count // 2)
    bits = reference_bits(seeds, 2 * pairs, stream) >> np.uint32(8)
    u = (bits.astype(np.float64) + 0.5) / 2**24
    radius = np.sqrt(-2 * np.log(u[:, :pairs]))
    angle = 2 * np.pi * u[:, pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :count]


@pytest.mark.parametrize("stream", [0, 1, 5, -3])
def test_hash_equals_the_unsigned_reference(stream):
    bits = noise.hash_bits(SEEDS, 37, stream).numpy()
    assert bits.dtype == np.int32
    np.testing.assert_array_equal(bits.astype(np.uint32), reference_bits(SEEDS, 37, stream))


def test_hash_never_changes():
    # The published pictures of a seed hang on these numbers.
    golden = [[1863814332, -1321227708, -1296764236, 403951758], [1961948172, -2010566273, -3192841, -580630546]]
    golden.append([-1216146855, -1436471321, -769222789, -541855687])
    np.testing.assert_array_equal(noise.hash_bits(np.array([7, -8, 0], np.int32), 4), golden)
    np.testing.assert_array_equal(noise.hash_bits(np.array([7], np.int32), 2, stream=3), [[-1814945258, 567090453]])
    expected = [[-0.414140, 0.712050, -1.223979]]
    np.testing.assert_allclose(noise.normal(np.array([7], np.int32), 3), expected, atol=2e-6)


def test_seed_0_is_like_any_other():
    # lowbias32(0) = 0: the key 0 would make every first uniform 2^-24, and z[0]^2 + z[32]^2 = 33.
    u = noise.uniform(np.zeros(1, np.int32), 64).numpy()[0]
    assert stats.kstest(u, "uniform").pvalue > 0.01
    assert 0.01 < u[0] < 0.99
    z = noise.normal(np.zeros(1, np.int32), 64).numpy()[0].astype(np.float64)
    assert z[0] ** 2 + z[32] ** 2 < 10  # 2 is expected
    assert 0.01 < stats.chi2.cdf(np.sum(z**2), 64) < 0.99
    other_stream = noise.uniform(_wrapped(-5 * noise.STREAM_STEP), 64, stream=5).numpy()[0]  # its key is 0, too
    np.testing.assert_array_equal(other_stream, u)


def _wrapped(value):
    return np.array([value % 2**32], np.uint32).astype(np.int32)


def test_every_bit_of_the_hash_is_fair():
    bits = noise.hash_bits(tf.range(4096), 16).numpy().astype(np.uint32)
    shares = [np.mean((bits >> np.uint32(place)) & np.uint32(1)) for place in range(32)]
    np.testing.assert_allclose(shares, 0.5, atol=5 * 0.5 / np.sqrt(bits.size))


@pytest.mark.parametrize("place", [0, 13, 31])
def test_one_bit_of_the_seed_moves_half_of_the_hash(place):
    seeds = np.arange(2048, dtype=np.uint32)
    flipped = seeds ^ np.uint32(1 << place)
    a = noise.hash_bits(seeds.astype(np.int32), 8).numpy().astype(np.uint32)
    b = noise.hash_bits(flipped.astype(np.int32), 8).numpy().astype(np.uint32)
    assert np.mean(np.bitwise_count(a ^ b)) == pytest.approx(16, abs=0.15)


def test_uniform_lies_strictly_between_0_and_1():
    u = noise.uniform(tf.range(2048), 32).numpy()
    assert u.dtype == np.float32
    assert stats.kstest(u.ravel(), "uniform").pvalue > 0.01
    # The 24 highest bits of these seeds' first hash are ones.
    largest = noise.uniform(np.array([8702408, 9330798], np.int32), 1).numpy()
    assert np.all(largest < 1)


def test_normals_are_those_of_box_and_muller():
    for count in (1, 2, 5, 64):
        z = noise.normal(SEEDS, count, stream=2).numpy()
        assert z.shape == (len(SEEDS), count)
        assert z.dtype == np.float32
        np.testing.assert_allclose(z, reference_normal(SEEDS, count, 2), atol=2e-5)


def test_normals_are_normal():
    z = noise.normal(tf.range(-2048, 2048), 63).numpy().astype(np.float64)  # an odd count
    n = z.size
    assert np.all(np.isfinite(z))
    assert abs(z.mean()) < 4 / np.sqrt(n)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs(stats.skew(z.ravel())) < 4 * np.sqrt(6 / n)
    assert abs(stats.kurtosis(z.ravel())) < 4 * np.sqrt(24 / n)
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.01
    assert stats.kstest((z**2).sum(axis=1), "chi2", args=(63,)).pvalue > 0.01  # elements of one seed are independent


def test_neighbours_are_unrelated():
    z = noise.normal(tf.range(4096), 32).numpy()
    other_stream = noise.normal(tf.range(4096), 32, stream=1).numpy()
    pairs = {
        "neighbouring seeds": (z[1:], z[:-1]),
        "neighbouring elements": (z[:, 1:], z[:, :-1]),
        "two numbers of one radius": (z[:, :16], z[:, 16:]),
        "one step along the diagonal": (z[1:, :-1], z[:-1, 1:]),
        "streams of a seed": (z, other_stream),
        "stream of a seed and the next seed": (z[1:], other_stream[:-1]),
    }
    for name, (a, b) in pairs.items():
        limit = 4 / np.sqrt(a.size)
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < limit, name
        assert abs(np.corrcoef(a.ravel() ** 2, b.ravel() ** 2)[0, 1]) < limit, name


def test_a_seed_is_the_same_alone_in_a_batch_and_among_more_numbers():
    together = noise.hash_bits(SEEDS, 12).numpy()
    for index, seed in enumerate(SEEDS):
        np.testing.assert_array_equal(noise.hash_bits(np.array([seed]), 12)[0], together[index])
    np.testing.assert_array_equal(noise.hash_bits(SEEDS, 5), together[:, :5])
    alone = [noise.normal(np.array([seed]), 12)[0] for seed in SEEDS]
    np.testing.assert_allclose(noise.normal(SEEDS, 12), alone, atol=1e-6)


def test_litert_gives_the_same_numbers():
    @tf.function(input_signature=[tf.TensorSpec((1,), tf.int32, name="seed")])
    def latents(seed):
        return {"z": noise.normal(seed, 21, stream=1), "bits": noise.hash_bits(seed, 4)}

    converter = tf.lite.TFLiteConverter.from_concrete_functions([latents.get_concrete_function()], latents)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    model = litert.Interpreter(model_content=converter.convert())
    model.allocate_tensors()
    places = {details["dtype"]: details["index"] for details in model.get_output_details()}
    for seed in SEEDS:
        model.set_tensor(model.get_input_details()[0]["index"], np.array([seed], np.int32))
        model.invoke()
        np.testing.assert_array_equal(model.get_tensor(places[np.int32]), noise.hash_bits(np.array([seed]), 4))
        np.testing.assert_allclose(model.get_tensor(places[np.float32]), reference_normal([seed], 21, 1), atol=1e-5)
