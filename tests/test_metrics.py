"""Metrics against closed forms, exact enumeration, brute force and numbers worked out by hand."""

import hashlib
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import linalg

from zoo import metrics
from zoo.datasets import images as pictures


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def whitened(seed, samples, dimensions):
    """Samples whose mean is exactly 0 and whose covariance is exactly the identity."""
    x = normal(seed, samples, dimensions)
    x -= x.mean(axis=0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T


# Frechet distance


def test_frechet_distance_of_diagonal_gaussians():
    # 3^2 + 4^2 + (2 - 5)^2 + (1 - 3)^2 = 9 + 16 + 9 + 4
    distance = metrics.frechet_distance([0, 1], np.diag([4, 1]), [3, 5], np.diag([25, 9]))
    assert distance == pytest.approx(38.0, rel=1e-12)


def test_frechet_distance_of_non_commuting_covariances():
    a, b = (normal(seed, 9, 6) for seed in (1, 2))
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    product = covariance_a @ covariance_b
    assert not np.allclose(product, covariance_b @ covariance_a)
    expected = 6 * 0.25 + np.trace(covariance_a + covariance_b - 2 * linalg.sqrtm(product).real)
    distance = metrics.frechet_distance(np.zeros(6), covariance_a, np.full(6, 0.5), covariance_b)
    assert distance == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_singular_covariances():
    # Two lines at 45 degrees: A = u u^T, B = 4 v v^T, so Tr (A B)^1/2 = 2 |u . v| = sqrt(2).
    u = np.array([1.0, 0.0, 0.0])
    v = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    mean = np.zeros(3)
    distance = metrics.frechet_distance(mean, np.outer(u, u), mean, 4 * np.outer(v, v))
    assert distance == pytest.approx(1 + 4 - 2 * np.sqrt(2), rel=1e-12)


def test_fid_of_samples_with_known_moments():
    x = whitened(0, 50, 3)
    y = whitened(1, 70, 3) * [2.0, 3.0, 0.5] + [1.0, 0.0, -2.0]
    assert metrics.fid(x, y) == pytest.approx(1 + 4 + 1 + 4 + 0.25, rel=1e-10)
    assert metrics.fid(y, x) == pytest.approx(metrics.fid(x, y), rel=1e-10)


def test_fid_uses_the_unbiased_covariance():
    # one dimension: means 1 and 5, variances 2 and 8 when divided by N - 1
    expected = 16 + (np.sqrt(8) - np.sqrt(2)) ** 2
    assert metrics.fid([[0.0], [2.0]], [[3.0], [7.0]]) == pytest.approx(expected)


@pytest.mark.parametrize("samples", [400, 5])  # 5 samples in 20 dimensions: rank 4
def test_fid_of_a_set_with_itself_is_zero(samples):
    x = normal(3, samples, 20) * np.logspace(-3, 3, 20)
    assert 0 <= metrics.fid(x, x[::-1]) < 1e-12 * np.trace(np.cov(x, rowvar=False))


def test_fid_does_not_lose_digits_far_from_the_origin():
    x, y = normal(4, 100, 4), normal(5, 100, 4)
    shifted = metrics.fid(x + 1e4, y + 1e4)
    assert shifted == pytest.approx(metrics.fid(x, y), rel=1e-7)


# Kernel distance


def kernel(x, y):
    return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3


def kid_by_loops(x, y):
    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j)
    within_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j)
    across = sum(kernel(a, b) for a in x for b in y)
    return within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m)


def test_kid_equals_the_double_loop():
    x, y = normal(6, 11, 4), normal(7, 8, 4) + 0.3
    mean, deviation = metrics.kid(x, y)
    assert mean == pytest.approx(kid_by_loops(x, y), rel=1e-12)
    assert deviation == 0.0


def test_kid_is_unbiased_by_enumeration():
    # For scalars k(x, y) = (x y + 1)^3, so MMD^2 = sum_j binomial(3, j) (E x^j - E y^j)^2.
    # x in {0, 2}: moments 1, 2, 4. y in {1, 3}: moments 2, 5, 14. MMD^2 = 3 + 3 * 9 + 100.
    def expectation(values_x, values_y):
        """Mean of the estimate over every possible pair of samples of size 3."""
        samples_x = itertools.product(values_x, repeat=3)
        samples_y = list(itertools.product(values_y, repeat=3))
        estimates = [metrics.kid(np.array(x)[:, None], np.array(y)[:, None])[0] for x in samples_x for y in samples_y]
        return np.mean(estimates), min(estimates)

    assert expectation((0, 2), (1, 3))[0] == pytest.approx(130.0, rel=1e-12)
    mean, smallest = expectation((0, 2), (0, 2))
    assert mean == pytest.approx(0.0, abs=1e-10)
    assert smallest < 0


def test_kid_over_subsets_has_the_expectation_of_the_whole():
    x, y = normal(8, 60, 5), normal(9, 50, 5) + 0.2
    whole, _ = metrics.kid(x, y)
    mean, deviation = metrics.kid(x, y, subset_size=10, subsets=2000)
    assert deviation > 0
    assert abs(mean - whole) < 4 * deviation / np.sqrt(2000)
    assert metrics.kid(x, y, 10, 20, seed=1) == metrics.kid(x, y, 10, 20, seed=1)
    assert metrics.kid(x, y, 10, 20, seed=1) != metrics.kid(x, y, 10, 20, seed=2)


def test_kid_uses_a_small_set_whole_beside_a_large_one():
    x = normal(10, 6, 2)
    y = np.repeat(normal(11, 1, 2), 40, axis=0)  # any 20 of these are the same 20
    mean, deviation = metrics.kid(x, y, subset_size=20, subsets=5)
    assert mean == pytest.approx(kid_by_loops(x, y[:20]), rel=1e-12)
    assert deviation == pytest.approx(0.0, abs=1e-12)


# Precision and recall


def precision_recall_by_loops(real, fake, k):
    def share_inside(points, centres):
        inside = 0
        radii = [sorted(np.linalg.norm(c - other) for other in centres)[k] for c in centres]
        for point in points:
            distances = [np.linalg.norm(point - centre) for centre in centres]
            inside += any(d <= r for d, r in zip(distances, radii, strict=True))
        return inside / len(points)

    return share_inside(fake, real), share_inside(real, fake)


def test_precision_recall_by_hand():
    # k = 1. Balls of the reals: [-1, 1], [0, 2], [9, 11], [10, 12]: they hold 0, 0.5 and, on their
    # edge, 2. Balls of the fakes: [-0.5, 0.5], [0, 1], [0.5, 3.5], [2, 8]: they hold 0 and 1.
    real = np.array([[0.0], [1.0], [10.0], [11.0]])
    fake = np.array([[0.0], [0.5], [2.0], [5.0]])
    assert metrics.precision_recall(real, fake, k=1) == (0.75, 0.5)


def test_half_of_the_modes_is_full_precision_and_half_recall():
    mode = np.random.default_rng(12).uniform(-1, 1, (20, 2))
    real = np.concatenate([mode, mode + 100])
    assert metrics.precision_recall(real, mode) == (1.0, 0.5)
    assert metrics.precision_recall(mode, real) == (0.5, 1.0)


@pytest.mark.parametrize("chunk_size", [1, 7, 500])
def test_precision_recall_equals_brute_force_in_any_chunks(chunk_size):
    real, fake = normal(13, 40, 3), normal(14, 33, 3) + np.array([1.2, 0.0, 0.0])
    expected = precision_recall_by_loops(real, fake, k=3)
    assert all(0.3 < share < 0.95 for share in expected)  # else the comparison says little
    assert metrics.precision_recall(real, fake, chunk_size=chunk_size) == expected


def test_precision_recall_is_accurate_far_from_the_origin():
    real, fake = normal(15, 60, 4), normal(16, 60, 4) + 1
    moved = metrics.precision_recall(real + 1e4, fake + 1e4)
    assert moved == metrics.precision_recall(real, fake)


def test_a_collapsed_generator_has_no_recall():
    assert metrics.precision_recall(normal(17, 50, 2), np.zeros((50, 2)))[1] == 0.0


# Classes and memorisation


def test_class_coverage_by_hand():
    verdicts = [0] * 60 + [1] * 39 + [3] * 1
    covered, shares = metrics.class_coverage(np.eye(5)[verdicts])
    assert shares.tolist() == [0.6, 0.39, 0.0, 0.01, 0.0]
    assert covered == 3
    assert metrics.class_coverage(np.eye(5)[verdicts], minimum_share=0.02)[0] == 2
    own_shares = np.array([0.7, 0.1, 0.0, 0.01, 0.19])
    assert metrics.class_coverage(np.eye(5)[verdicts], minimum_share=own_shares)[0] == 2


def test_memorisation_by_hand():
    training = np.array([[0.0], [10.0]])
    held_out = np.array([[1.0], [2.0], [13.0], [14.0], [5.0]])  # distances 1, 2, 3, 4, 5
    generated = np.array([[0.5], [8.5], [3.5], [7.9]])  # distances 0.5, 1.5, 3.5, 2.1
    assert metrics.memorisation(generated, training, held_out, percentile=25) == 0.5  # threshold 2


def test_fresh_samples_are_not_memorised_and_copies_are():
    training, held_out, fresh = (normal(seed, 4000, 3) for seed in (18, 19, 20))
    assert metrics.memorisation(fresh, training, held_out) == pytest.approx(0.01, abs=0.006)
    copies = training[::-1] + 1e-6 * normal(21, 4000, 3)
    assert metrics.memorisation(copies, training, held_out) > 0.99


def test_copies_count_even_where_the_data_hold_duplicates():
    training = normal(22, 50, 3)
    held_out = np.concatenate([training[:5], normal(23, 50, 3)])  # the 1st percentile is 0
    assert metrics.memorisation(training, training, held_out) == 1.0


def test_pixel_copies():
    training = np.random.default_rng(24).integers(0, 256, (30, 3, 3, 1), dtype=np.uint8)
    fakes = pictures.to_float(training[:8])
    fakes[:2] *= 0.999  # at most a rounding away: still copies
    fakes[2:4] *= 0.9
    assert metrics.pixel_copies(fakes, training) == 0.75
    assert metrics.pixel_copies(training[:4] ^ 1, training) == 0.0


# Mistakes


def test_features_that_cannot_be_compared_are_refused():
    x = normal(25, 6, 2)
    with pytest.raises(ValueError, match="features_b need at least 2 samples, not 1"):
        metrics.fid(x, x[:1])
    with pytest.raises(ValueError, match="features_a need at least 2 samples, not 1"):
        metrics.kid(x[:1], x)
    with pytest.raises(ValueError, match="fake_features need at least 4 samples, not 3"):
        metrics.precision_recall(x, x[:3])
    with pytest.raises(ValueError, match=r"same number of dimensions.*'features_b': 3"):
        metrics.kid(x, normal(0, 6, 3))
    with pytest.raises(ValueError, match="held_out must have shape"):
        metrics.memorisation(x, x, x[0])
    with pytest.raises(ValueError, match="features_a hold NaN"):
        metrics.fid(np.where(x == x.max(), np.nan, x), x)
    with pytest.raises(ValueError, match="must agree in D"):
        metrics.frechet_distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))


# The evaluator. Ours has the pixels of a 2 x 2 picture as features and the brightest as class.


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import keras

    image = keras.Input((2, 2, 1))
    features = keras.layers.Flatten()(image)
    logits = keras.layers.Rescaling(3.0)(features)
    folder = tmp_path_factory.mktemp("evaluators")
    keras.Model(image, {"features": features, "logits": logits}).save(folder / "tiny.keras")
    card = {"dataset": "tiny", "sha256": sha256(folder / "tiny.keras")}
    (folder / "tiny.json").write_text(json.dumps(card))
    return folder


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def evaluator(folder):
    return metrics.Evaluator.load("tiny", folder=folder)


def random_images(seed, count):
    return np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 1), dtype=np.uint8)


def image_data(train, test):
    splits = [pictures.Split(part, np.zeros(len(part), np.int64)) for part in (train, test, test)]
    return pictures.ImageData("tiny", "Tiny", "none", tuple("abcd"), *splits)


def test_evaluator_features_and_probabilities(evaluator, folder):
    images = random_images(26, 1003)  # more than two batches
    features, probabilities = evaluator.features(images)
    pixels = images.reshape(1003, 4) / 127.5 - 1
    np.testing.assert_allclose(features, pixels, atol=1e-6)
    expected = np.exp(3 * pixels) / np.exp(3 * pixels).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)
    assert features.dtype == probabilities.dtype == np.float32
    np.testing.assert_array_equal(evaluator.features(pictures.to_float(images))[0], features)
    assert evaluator.sha256 == sha256(folder / "tiny.keras")
    assert evaluator.card["dataset"] == "tiny"


def test_evaluator_remembers_pictures_by_their_content(evaluator):
    images = random_images(27, 10)
    features, _ = evaluator.remembered_features(images)
    assert evaluator.remembered_features(images.copy())[0] is features
    images[0] ^= 255
    changed, _ = evaluator.remembered_features(images)
    np.testing.assert_array_equal(changed, evaluator.features(images)[0])


def test_evaluator_refuses_pictures_it_cannot_judge(evaluator):
    images = np.zeros((5, 2, 2, 1), np.float32)
    with pytest.raises(ValueError, match=r"images of shape \(2, 2, 1\), not \(3, 2, 1\)"):
        evaluator.features(np.zeros((5, 3, 2, 1), np.float32))
    with pytest.raises(ValueError, match=r"shape \(N, H, W, C\)"):
        evaluator.features(images[0])
    with pytest.raises(ValueError, match=r"shape \(N, H, W, C\)"):
        evaluator.features(images[:0])
    with pytest.raises(ValueError, match="not int64"):
        evaluator.features(images.astype(np.int64))
    with pytest.raises(ValueError, match="reach from 0 to 255"):
        evaluator.features(np.where(np.arange(4).reshape(2, 2, 1) == 1, 255.0, images))
    images[[3, 4], 0, 0, 0] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"2 of 5 images hold NaN .* the first is image 3"):
        evaluator.features(images)


def test_missing_evaluator_names_those_there_are_and_the_command(folder):
    with pytest.raises(ValueError, match=r"\(there are: tiny\); `python -m recipes classifier` with the same"):
        metrics.Evaluator.load("cifar10", folder=folder)


def test_evaluator_that_is_not_the_one_of_its_card_is_refused(folder, tmp_path):
    (tmp_path / "tiny.keras").write_bytes((folder / "tiny.keras").read_bytes() + b"\0")
    (tmp_path / "tiny.json").write_text((folder / "tiny.json").read_text())
    with pytest.raises(ValueError, match="is not the evaluator that its card describes"):
        metrics.Evaluator.load("tiny", folder=tmp_path)
    (tmp_path / "tiny.json").write_text("{")
    with pytest.raises(ValueError, match=r"tiny\.json is not valid JSON"):
        metrics.Evaluator.load("tiny", folder=tmp_path)


def test_the_measures_import_no_keras():
    code = "import sys, zoo.metrics; sys.exit({'keras', 'tensorflow'} & set(sys.modules) != set())"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# All together


def test_score_with_copies_and_without_two_classes(evaluator):
    train, test = random_images(28, 80), random_images(29, 60)
    fresh = pictures.to_float(random_images(30, 40))
    fresh[:, 1] = -1  # the two classes of the lower row are never the brightest
    copied = train[train.reshape(80, 4).argmax(axis=1) < 2]
    fakes = np.concatenate([fresh, pictures.to_float(copied)])
    scores = metrics.score(fakes, image_data(train, test), evaluator)

    real, fake = pictures.to_float(test).reshape(60, 4), fakes.reshape(-1, 4)
    assert scores["fid"] == pytest.approx(metrics.fid(real, fake), rel=1e-5)
    assert scores["kid"] == pytest.approx(metrics.kid(real, fake)[0], rel=1e-5)
    assert (scores["precision"], scores["recall"]) == metrics.precision_recall(real, fake)
    assert (scores["n"], scores["n_real"]) == (40 + len(copied), 60)
    assert scores["classes_covered"] == 2
    shares = np.bincount(fake.argmax(axis=1), minlength=4) / len(fake)
    assert scores["class_shares"] == shares.tolist()
    assert scores["copies"] == len(copied) / len(fakes)
    assert scores["copies"] <= scores["memorised"] < 1
    assert json.loads(json.dumps(scores)) == scores
    assert metrics.score(fakes, image_data(train, test), evaluator) == scores


def test_score_on_another_split(evaluator):
    data = image_data(random_images(31, 30), random_images(32, 20))
    data = pictures.ImageData(**{**vars(data), "test": data.train})
    fakes = pictures.to_float(random_images(33, 10))
    assert metrics.score(fakes, data, evaluator, split="validation")["n_real"] == 20
    with pytest.raises(ValueError, match='"validation" or "test", not \'train\''):
        metrics.score(fakes, data, evaluator, split="train")


def test_real_floor(evaluator):
    images = random_images(34, 40)
    same = metrics.real_floor(image_data(images, images[::-1]), evaluator)
    assert same["fid"] == pytest.approx(0.0, abs=1e-6)
    assert (same["precision"], same["recall"], same["n"], same["n_real"]) == (1.0, 1.0, 40, 40)

    data = image_data(random_images(35, 500), images)
    floor = metrics.real_floor(data, evaluator)
    assert floor["n"] == 40
    assert 0 < floor["fid"] < 1
    assert metrics.real_floor(data, evaluator) == floor
    assert metrics.real_floor(data, evaluator, seed=1) != floor
    assert metrics.real_floor(image_data(images[:25], images), evaluator)["n"] == 25
