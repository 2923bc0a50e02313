"""EM for mixtures of Gaussians: a step by hand, scikit-learn from the same start, likelihood, singular covariances."""

import numpy as np
import pytest
from command import run
from scipy import stats
from sklearn import mixture as sklearn_mixture

from recipes import gaussian_mixture as recipe
from recipes import lesson
from zoo.probability import gaussian_mixture as gm

MIXTURE = gm.Mixture(
    np.array([0.3, 0.7]),
    np.array([[-1.0, 2.0], [3.0, 0.5]]),
    np.array([[[1.0, 0.6], [0.6, 2.0]], [[0.5, -0.2], [-0.2, 0.4]]]),
)


@pytest.fixture(scope="module")
def points():
    return gm.distribution(MIXTURE).sample(300, seed=(1, 2)).numpy()


def test_e_step_is_bayes_rule(points):
    densities = np.stack(
        [
            weight * stats.multivariate_normal(mean, covariance).pdf(points)
            for weight, mean, covariance in zip(MIXTURE.weights, MIXTURE.means, MIXTURE.covariances, strict=True)
        ],
        axis=1,
    )
    gamma, likelihood = gm.e_step(points, MIXTURE)
    np.testing.assert_allclose(gamma, densities / densities.sum(axis=1, keepdims=True), rtol=1e-10)
    np.testing.assert_allclose(likelihood, np.log(densities.sum(axis=1)).sum(), rtol=1e-12)
    np.testing.assert_allclose(gm.distribution(MIXTURE).log_prob(points), np.log(densities.sum(axis=1)), rtol=1e-10)


def test_m_step_by_hand():
    """Two points belong to the first Gaussian, half of the third to each: worked out on paper."""
    fitted = gm.m_step([[0.0, 0.0], [2.0, 0.0], [4.0, 5.0]], [[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]], ridge=0.25)
    np.testing.assert_allclose(fitted.weights, [2.5 / 3, 0.5 / 3])
    np.testing.assert_allclose(fitted.means, [[1.6, 1.0], [4.0, 5.0]])
    first = np.array([[2.56 + 0.16 + 0.5 * 5.76, 1.6 - 0.4 + 0.5 * 9.6], [0.0, 1.0 + 1.0 + 0.5 * 16.0]]) / 2.5
    first[1, 0] = first[0, 1]
    np.testing.assert_allclose(fitted.covariances[0], first + 0.25 * np.eye(2))
    np.testing.assert_allclose(fitted.covariances[1], 0.25 * np.eye(2), atol=1e-15)


@pytest.mark.parametrize("ridge", [0.0, 0.05])
def test_same_start_same_end_as_scikit_learn(points, ridge):
    start = gm.first_guess(points, 3, seed=4)
    mixtures, likelihoods = gm.fit(points, start, iterations=15, tolerance=0, ridge=ridge)
    theirs = sklearn_mixture.GaussianMixture(
        3,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=np.linalg.inv(start.covariances),
        reg_covar=ridge,
        max_iter=15,
        tol=0,
    )
    with pytest.warns(UserWarning, match="did not converge"):
        theirs.fit(points)
    end = mixtures[-1]
    np.testing.assert_allclose(end.weights, theirs.weights_, rtol=1e-8)
    np.testing.assert_allclose(end.means, theirs.means_, rtol=1e-8)
    np.testing.assert_allclose(end.covariances, theirs.covariances_, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(likelihoods[-1], theirs.score(points) * len(points), rtol=1e-10)
    assert len(mixtures) == len(likelihoods) == 16
    np.testing.assert_allclose(gm.bic(likelihoods[-1], 3, points), theirs.bic(points), rtol=1e-10)


def test_the_likelihood_never_falls_and_is_that_of_its_mixture(points):
    mixtures, likelihoods = gm.fit(points, gm.first_guess(points, 4, seed=0), iterations=60)
    assert np.diff(likelihoods).min() > -1e-9 and likelihoods[-1] - likelihoods[0] > 10
    for index in (0, 7, -1):
        np.testing.assert_allclose(likelihoods[index], gm.e_step(points, mixtures[index])[1], rtol=1e-12)


def test_the_mixture_is_found_again(points):
    fitted, likelihood, histories = gm.fit_best(points, 2, starts=3)
    order = fitted.means[:, 0].argsort()
    np.testing.assert_allclose(fitted.weights[order], MIXTURE.weights, atol=0.06)
    np.testing.assert_allclose(fitted.means[order], MIXTURE.means, atol=0.25)
    np.testing.assert_allclose(fitted.covariances[order], MIXTURE.covariances, atol=0.9)
    assert len({history[0] for history in histories}) == 3  # three starts, not one three times
    assert likelihood == max(history[-1] for history in histories) > gm.e_step(points, MIXTURE)[1]


def test_a_first_guess_has_means_apart_in_any_unit(points):
    guess = gm.first_guess(points, 3, seed=1)
    np.testing.assert_allclose(guess.weights, np.full(3, 1 / 3))
    np.testing.assert_allclose(guess.covariances, np.stack([np.cov(points.T, bias=True)] * 3))
    units = np.array([1e6, 1e-3])
    np.testing.assert_allclose(gm.first_guess(points * units, 3, seed=1).means, guess.means * units)
    heap = np.concatenate([np.zeros((50, 2)), [[5.0, 0.0], [0.0, 5.0]]])  # most points are one
    for seed in range(10):
        assert len(np.unique(gm.first_guess(heap, 3, seed).means, axis=0)) == 3


def test_fit_stops_when_it_stands_still(points):
    _, likelihoods = gm.fit(points, gm.first_guess(points, 2, seed=0), iterations=500, tolerance=1e-3)
    growth = np.diff(likelihoods[:-1]) / len(points)
    assert (growth[:-1] >= 1e-3).all() and growth[-1] < 1e-3


def test_parameters_are_counted():
    assert gm.parameters(1, 1) == 2  # mean and variance
    assert gm.parameters(3, 2) == 2 + 6 + 9
    assert gm.parameters(2, 4) == 1 + 8 + 20


def test_bic_finds_the_number_of_gaussians(points):
    bics = {k: gm.bic(gm.fit_best(points, k, 2)[1], k, points) for k in (1, 2, 3)}
    assert min(bics, key=bics.get) == 2


def test_a_spike_raises_the_likelihood_without_end(points):
    """Each factor of 100 in the variance adds D/2 ln 100, once the spike is tiny."""
    low, high = (gm.e_step(points, gm.spiked(points, MIXTURE, variance))[1] for variance in (1e-20, 1e-22))
    np.testing.assert_allclose(high - low, np.log(100), rtol=1e-6)
    assert high > gm.e_step(points, MIXTURE)[1]
    spike = gm.spiked(points, MIXTURE, 1e-20)
    np.testing.assert_allclose(spike.weights.sum(), 1)


def test_a_collapse_is_one_sentence_and_a_ridge_prevents_it():
    random = np.random.default_rng(0)
    cloud = np.concatenate([random.normal(size=(50, 2)), np.full((6, 2), 9.0)])  # six points in one place
    start = gm.Mixture(np.full(2, 0.5), np.array([[0.0, 0.0], [9.0, 9.0]]), np.stack([np.eye(2)] * 2))
    with pytest.raises(ValueError, match=r"Gaussian 2 of 2 has collapsed onto too few points.*ridge above 0"):
        gm.fit(cloud, start)
    with pytest.raises(ValueError, match=r"none of 1 starts with 2 Gaussians lasted.*collapsed"):
        gm.fit_best(cloud, 2, starts=1)
    far = gm.Mixture(start.weights, np.array([[0.0, 0.0], [1e3, 1e3]]), start.covariances)  # the second has no points
    with pytest.raises(ValueError, match="Gaussian 2 of 2 has collapsed onto too few points"):
        gm.fit(random.normal(size=(50, 2)), far)
    mixtures, _ = gm.fit(cloud, start, ridge=0.01)
    np.testing.assert_allclose(mixtures[-1].covariances[1], 0.01 * np.eye(2), atol=1e-6)


@pytest.mark.parametrize(
    ("points", "components", "sentence"),
    [
        ([[0.0, 1.0], [np.nan, 2.0]], 1, "table .* of finite numbers"),
        ([0.0, 1.0], 1, "table .* of finite numbers"),
        ([[0.0, 1.0], [1.0, 2.0]], 3, "components must be 1 to 2"),
        ([[0.0, 1.0], [1.0, 2.0]], 0, "components must be 1 to 2"),
        ([[0.0, 1.0], [1.0, 1.0]], 1, "column 2 .* constant"),
        ([[0.0, 1.0], [0.0, 1.0], [1.0, 2.0]], 3, "components must be at most 2"),
    ],
)
def test_bad_points_are_one_sentence(points, components, sentence):
    with pytest.raises(ValueError, match=sentence):
        gm.first_guess(points, components, seed=0)


def test_the_lesson_takes_files_and_refuses_bad_ones(tmp_path):
    random = np.random.default_rng(3)
    rows = [f"{a:.4f}, {b:.4f}" for a, b in random.normal(size=(40, 2))]
    (tmp_path / "good.csv").write_text("\n".join(["height x1, weight x2", *rows]))
    far = [f"{1e6 * float(a)}, {float(b) / 1000 + 7}" for a, b in (row.split(",") for row in rows)]
    (tmp_path / "far.csv").write_text("\n".join(["height x1, weight x2", *far]))
    (tmp_path / "text.csv").write_text("\n".join([*rows, "1.0, heavy"]))
    (tmp_path / "ragged.csv").write_text("\n".join([*rows, "1.0"]))
    (tmp_path / "gap.csv").write_text("\n".join([*rows, "1.0, nan"]))
    (tmp_path / "empty.csv").write_text("")
    code, out, err = run(tmp_path, "gaussian_mixture", "--preset", "smoke", "--data", "file:good.csv")
    assert code == 0, err
    assert "height x1, scaled, weight x2, scaled" in out and "27 points of 2 numbers each, 13 more held out" in out
    other = run(tmp_path, "gaussian_mixture", "--preset", "smoke", "--data", "file:far.csv", "--folder", "far")[1]
    bics = [[line for line in each.splitlines() if line.startswith("K = ")] for each in (out, other)]
    assert bics[0] and bics[0] == bics[1]  # other units, the same mixture
    for data, sentence in (
        ("file:text.csv", "line 41, column 2: a finite number is needed, got 'heavy'"),
        ("file:ragged.csv", "line 41: 2 numbers are needed, got 1 cells"),
        ("file:gap.csv", "a finite number is needed, got 'nan'"),
        ("file:empty.csv", "is empty"),
        ("file:none.csv", "none.csv cannot be read"),
        ("flowers", "--data must be drawn, iris or file:PATH"),
    ):
        code, _, err = run(tmp_path, "gaussian_mixture", "--data", data, "--folder", "bad")
        assert (code, err.count("\n")) == (2, 1) and sentence in err, err
    code, _, err = run(tmp_path, "gaussian_mixture", "--ridge", "-1", "--folder", "bad")
    assert code == 2 and "--ridge must be 0 or more" in err
    assert not (tmp_path / "bad").exists()
    answers = [out.split("Answers")[1].split("figures")[0]]
    other = run(tmp_path, "gaussian_mixture", "--preset", "smoke", "--seed", "5")[1]
    answers.append(other.split("Answers")[1].split("figures")[0])
    for number in ("1. ", "2. ", "3. "):  # other data, other answers
        first, second = (next(line for line in each.splitlines() if line.startswith(number)) for each in answers)
        assert first != second


def test_a_collapse_writes_nothing_or_is_a_row_of_the_table(tmp_path):
    random = np.random.default_rng(0)
    line = random.normal(size=40)
    cloud = np.concatenate([random.normal(size=(30, 2)), np.full((15, 2), 9.0), np.full((15, 2), -9.0)])
    np.savetxt(tmp_path / "line.csv", np.stack([line, 2 * line], axis=1), delimiter=",")
    np.savetxt(tmp_path / "cloud.csv", cloud, delimiter=",")
    smoke = ("gaussian_mixture", "--preset", "smoke", "--ridge", "0", "--folder", "run")
    code, out, err = run(tmp_path, *smoke, "--data", "file:line.csv")
    assert code == 2 and out == "" and "has collapsed onto too few points" in err
    assert not (tmp_path / "run").exists()
    code, _, err = run(tmp_path, "gaussian_mixture", "--preset", "smoke", "--data", "file:line.csv")  # with a ridge
    assert code == 0, err
    code, out, err = run(tmp_path, *smoke, "--data", "file:cloud.csv", "--components", "1")
    assert code == 0, err
    assert [line.split()[3:] for line in out.splitlines() if line.startswith("K = 3")] == [
        ["17", "no", "start", "lasted", "-", "-", "-"]
    ]


def test_the_spike_is_where_the_answer_says(points, tmp_path):
    """Also when three points are alike, all of which a spike on one makes likely."""
    for cloud in (points, np.concatenate([points[:1], points[:1], points])):
        speaker = lesson.Lesson("spike", tmp_path / str(len(cloud)))
        recipe.ask(speaker, cloud, MIXTURE, 1, {1: (MIXTURE, 0.0, 0.0, 0.0)})
        exponent = float(speaker._questions[2][1].split("10^")[1].split(":")[0])
        spiked = gm.e_step(cloud, gm.spiked(cloud, MIXTURE, 10**exponent))[1]
        np.testing.assert_allclose(spiked - gm.e_step(cloud, MIXTURE)[1], 100, atol=0.5)
