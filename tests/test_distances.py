"""Distances of distributions: closed forms, SciPy, sums by hand, and where KL and JS fail."""

import itertools
import math

import numpy as np
import pytest
from command import only_run, run
from scipy import optimize, stats
from scipy.spatial import distance as scipy_distance

from zoo import metrics
from zoo.probability import distances

LAWS = {
    "normal": lambda mean, sd: stats.norm(mean, sd),
    "laplace": lambda mean, sd: stats.laplace(mean, sd / math.sqrt(2)),
    "uniform": lambda mean, sd: stats.uniform(mean - math.sqrt(3) * sd, 2 * math.sqrt(3) * sd),
}


# --- finitely many values ---------------------------------------------------------------------


def test_a_die_by_hand():
    p = np.array([0.5, 0.25, 0.25, 0.0])
    q = np.array([0.25, 0.25, 0.25, 0.25])
    assert distances.kl(p, q) == pytest.approx(0.5 * math.log(2))
    assert distances.kl(q, p) == math.inf
    assert distances.kl(p, p) == 0.0
    assert distances.perplexity(np.log([0.25, 0.25, 0.5, 0.125])) == pytest.approx(2**2)
    by_scipy = scipy_distance.jensenshannon(p, q) ** 2
    assert distances.jensen_shannon(p, q) == distances.jensen_shannon(q, p) == pytest.approx(by_scipy)
    assert distances.jensen_shannon([1.0, 0.0], [0.0, 1.0]) == pytest.approx(math.log(2))


# --- laws on the line -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", distances.SHAPES)
def test_a_law_has_its_mean_and_spread(shape):
    law, support = distances.make_law(shape, 3.0, 2.0)
    assert (float(law.mean()), float(law.stddev())) == pytest.approx((3.0, 2.0))
    assert support == pytest.approx(LAWS[shape](3.0, 2.0).support())
    x = np.linspace(-5, 11, 41)
    np.testing.assert_allclose(law.prob(x), LAWS[shape](3.0, 2.0).pdf(x), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("p", "q"), itertools.product([(0.0, 1.0), (2.0, 0.3), (-30.0, 4.0)], repeat=2))
def test_normals_have_closed_forms(p, q):
    first, second = distances.make_law("normal", *p), distances.make_law("normal", *q)
    expected = math.log(q[1] / p[1]) + (p[1] ** 2 + (p[0] - q[0]) ** 2) / (2 * q[1] ** 2) - 0.5
    assert distances.kl_of_laws(first, second) == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert distances.kl_of_normals(*p, *q) == pytest.approx(expected)
    # The quantiles differ by N(m, s^2), so W_1 is the mean of a folded Gaussian.
    m, s = q[0] - p[0], abs(q[1] - p[1])
    folded = abs(m) if s == 0 else stats.foldnorm.mean(abs(m) / s, scale=s)
    assert distances.wasserstein_of_laws(first, second) == pytest.approx(folded, rel=1e-9, abs=1e-9)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of log 0
@pytest.mark.parametrize(("p", "q"), itertools.product(distances.SHAPES, repeat=2))
def test_integrals_are_scipys(p, q):
    arguments = (p, 0.3, 1.0), (q, 1.4, 2.0)
    first, second = (distances.make_law(*each) for each in arguments)
    f, g = (LAWS[shape](*numbers) for shape, *numbers in arguments)
    ends = [end for law in (f, g) for end in law.support() if np.isfinite(end)]
    edges = np.union1d(np.linspace(-60, 60, 600_001), ends)
    x, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)  # the midpoint rule
    log_p, log_q = f.logpdf(x), g.logpdf(x)
    middle = np.logaddexp(log_p, log_q) - math.log(2)

    def cost(log_density, other):
        inside = np.isfinite(log_density)
        return (widths * np.exp(log_density))[inside] @ (log_density[inside] - other[inside])

    js = (cost(log_p, middle) + cost(log_q, middle)) / 2
    assert distances.jensen_shannon_of_laws(first, second) == pytest.approx(js, abs=1e-7)
    w = widths @ np.abs(f.cdf(x) - g.cdf(x))
    assert distances.wasserstein_of_laws(first, second) == pytest.approx(w, abs=1e-7)
    kl = distances.kl_of_laws(first, second)
    if q == "uniform" and p != "uniform":
        assert kl == math.inf
    else:
        assert kl == pytest.approx(cost(log_p, log_q), abs=1e-7)


def test_kl_explodes_js_saturates_and_wasserstein_goes_on():
    here = distances.make_law("uniform", 0.0, 1.0)
    for shift in (4.0, 40.0):
        there = distances.make_law("uniform", shift, 1.0)
        assert distances.kl_of_laws(here, there) == distances.kl_of_laws(there, here) == math.inf
        assert distances.jensen_shannon_of_laws(here, there) == pytest.approx(math.log(2), abs=1e-12)
        assert distances.wasserstein_of_laws(here, there) == pytest.approx(shift, abs=1e-10)
    inside = distances.make_law("uniform", 0.1, 0.5)
    assert distances.kl_of_laws(inside, here) == pytest.approx(math.log(2))
    assert distances.kl_of_laws(here, inside) == math.inf


# --- samples ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(5, 5), (6, 4), (1, 7), (9, 2)])
def test_the_wasserstein_distance_of_samples_is_scipys(n, m):
    random = np.random.default_rng(n)
    x, y = random.normal(size=n), random.normal(1, 2, size=m)
    assert distances.wasserstein(x, y) == pytest.approx(stats.wasserstein_distance(x, y))
    # W_2 by the best of all plans: every number as often as makes both lists equally long.
    length = math.lcm(n, m)
    costs = (np.repeat(x, length // n)[:, None] - np.repeat(y, length // m)) ** 2
    best = costs[optimize.linear_sum_assignment(costs)].mean()
    assert distances.wasserstein(x, y, power=2) == pytest.approx(math.sqrt(best))


def test_the_sliced_distance_of_shifted_points_is_a_cosine():
    x = np.random.default_rng(0).normal(size=(30, 2))
    shifted = x + np.array([3.0, 4.0])
    assert distances.sliced_wasserstein(x, shifted, 4000) == pytest.approx(5 * 2 / math.pi, rel=0.03)
    assert distances.sliced_wasserstein(x, shifted, 4000, power=2) == pytest.approx(5 / math.sqrt(2), rel=0.03)
    assert distances.sliced_wasserstein(x, x[::-1]) == pytest.approx(0, abs=1e-12)
    # In one dimension every direction is the line itself, backwards or forwards.
    assert distances.sliced_wasserstein(x[:, :1], shifted[:, :1], 8) == pytest.approx(3.0)


def test_fid_is_that_of_the_metrics_and_wasserstein_2_of_gaussians():
    random = np.random.default_rng(3)
    a, b = random.normal(size=(2, 4, 4))
    covariances = a @ a.T, b @ b.T
    means = random.normal(size=(2, 4))
    found = distances.fid(means[0], covariances[0], means[1], covariances[1])
    assert found == pytest.approx(metrics.frechet_distance(means[0], covariances[0], means[1], covariances[1]))
    assert found == pytest.approx(distances.fid(means[1], covariances[1], means[0], covariances[0]))
    # In one dimension: squared distance of means plus that of standard deviations.
    assert distances.fid([1.0], [[9.0]], [4.0], [[0.25]]) == pytest.approx(3**2 + 2.5**2)
    # Singular covariances: points on two lines at a right angle.
    assert distances.fid([0, 0], np.diag([4.0, 0]), [0, 0], np.diag([0, 1.0])) == pytest.approx(5.0)


# --- the lesson -------------------------------------------------------------------------------


def answers(out):
    return out[out.index("Answers, for these settings") :].partition("\nfigures:")[0]


@pytest.mark.slow
def test_the_lesson_shows_what_it_says_and_its_answers_follow_the_laws(tmp_path):
    code, out, err = run(tmp_path, "distances", "--preset", "smoke")
    assert code == 0, err
    figures = sorted(path.name for path in only_run(tmp_path).iterdir())
    assert figures == ["descent.png", "fid.png", "laws.png", "moving.png"]
    kl = distances.kl_of_normals(0, 1, 2, 1.5)
    assert f"{kl:.4g}" in out and f"{kl / math.log(2):.4f} and " in answers(out)
    likelihood = stats.norm(0, 1).expect(lambda x: stats.norm.logpdf(x, 2, 1.5))
    (row,) = (line for line in out.splitlines() if line.startswith("exact "))
    assert [float(cell) for cell in row.split()[1:3]] == pytest.approx([likelihood, math.exp(-likelihood)], rel=1e-3)
    (row,) = (line for line in out.splitlines() if line.startswith("200 samples "))
    draws = [float(cell) for cell in row.split()[2:4]]
    assert draws == pytest.approx([likelihood, math.exp(-draws[0])], rel=0.1) and draws[0] != likelihood
    (row,) = (line for line in out.splitlines() if line.startswith("JS  "))
    assert len(set(row.split()[1:2] + row.split()[3:])) == 1  # descent on JS ends where it started
    (row,) = (line for line in out.splitlines() if line.startswith("W_1 "))
    assert abs(float(row.split()[-1])) < 0.5
    words = ["--p", "uniform", "--q", "uniform", "--q-mean", "9", "--folder", "apart"]
    code, other, err = run(tmp_path, "distances", "--preset", "smoke", *words)
    assert code == 0, err
    assert "inf and inf bits" in answers(other)
    for number in ("1. ", "2. ", "3. "):
        first, second = (text[text.index(f"\n{number}") :][:20] for text in (answers(out), answers(other)))
        assert first != second


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--q-sd", "0"], "--q-sd must be from 1e-06 to 1000000.0, got 0.0"),
        (["--p-sd", "-1"], "--p-sd must be from 1e-06 to 1000000.0, got -1.0"),
        (["--p-mean", "nan"], "--p-mean must be from -1000000.0 to 1000000.0, got nan"),
        (["--samples", "3"], "--samples must be from 10 to 1000000, got 3"),
    ],
)
def test_mistakes_get_a_sentence(words, sentence, tmp_path):
    code, _, err = run(tmp_path, "distances", *words)
    assert (code, err) == (2, f"error: {sentence}\n")
    assert list(tmp_path.iterdir()) == []
