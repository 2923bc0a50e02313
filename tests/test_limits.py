"""How one distribution becomes another: both laws against SciPy, distances by hand, bounds that are kept."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from zoo.probability import limits


def test_total_variation_is_the_largest_difference_over_all_events():
    first, second = np.array([0.5, 0.2, 0.2, 0.1]), np.array([0.25, 0.25, 0.25, 0.25])
    events = itertools.chain.from_iterable(itertools.combinations(range(4), size) for size in range(5))
    largest = max(abs(first[list(event)].sum() - second[list(event)].sum()) for event in events)
    assert limits.total_variation(first, second) == pytest.approx(largest) == pytest.approx(0.25)


def test_kolmogorov_looks_at_both_sides_of_a_jump():
    """A fair bit against U(0, 1): F jumps by 1/2 at 0 and at 1, so the supremum is 1/2, at 0 and before 1."""
    assert limits.kolmogorov(np.array([0.5, 0.5]), np.array([0.0, 1.0])) == 0.5
    # One atom at 0.9 of U(0, 1): the supremum 0.9 is approached from below the jump only.
    assert limits.kolmogorov(np.array([1.0]), np.array([0.9])) == pytest.approx(0.9)


@pytest.mark.parametrize(("p", "alpha", "beta"), [(0.3, 1.0, 1.0), (0.7, 2.0, 5.0), (0.0, 3.0, 1.0), (0.5, 0.5, 40.0)])
def test_the_distance_of_a_belief_is_the_mean_error(p, alpha, beta):
    def error(theta):
        return abs(theta - p) * stats.beta.pdf(theta, alpha, beta)

    expected = sum(integrate.quad(error, *ends)[0] for ends in ((0, p), (p, 1)))
    assert limits.belief_error(p, alpha, beta) == pytest.approx(expected, rel=1e-7)


def test_rare_events():
    k, first, second = limits.rare_events(12, 2.5)
    np.testing.assert_allclose(first, stats.binom.pmf(k, 12, 2.5 / 12), rtol=1e-10)
    np.testing.assert_allclose(second, stats.poisson.pmf(k, 2.5), rtol=1e-10)
    for rate in (1e-3, 2.5, 50.0):
        assert limits.rare_events(60, rate)[2].sum() == pytest.approx(1, abs=1e-12)
    # One certain try against Poisson(1): they agree on e^-1 of the probability only.
    _, first, second = limits.rare_events(1, 1.0)
    assert limits.total_variation(first, second) == pytest.approx(1 - np.exp(-1))


def test_standardised():
    z, first, cdf = limits.standardised(7, 0.3)
    assert first @ z == pytest.approx(0, abs=1e-12) and first @ z**2 == pytest.approx(1)
    np.testing.assert_allclose(cdf, stats.norm.cdf(z), rtol=1e-12)


def test_waiting():
    t, first, cdf = limits.waiting(10, 2.0)
    np.testing.assert_allclose(first, stats.geom.pmf(np.rint(t * 10), 0.2), rtol=1e-12)
    np.testing.assert_allclose(cdf, stats.expon.cdf(t, scale=0.5), rtol=1e-12)
    assert first.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("N", "K", "n"), [(20, 6, 10), (11, 9, 5), (5, 5, 5), (50, 0, 3)])
def test_jar(N, K, n):
    k, without, with_putting_back = limits.jar(N, K, n)
    np.testing.assert_allclose(without, stats.hypergeom.pmf(k, N, K, n), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(with_putting_back, stats.binom.pmf(k, n, K / N), rtol=1e-10, atol=1e-15)


def test_a_belief_is_updated_by_counting():
    assert limits.update(2, 8, [1, 0, 1, 1]) == (5, 9)
    # Bayes by hand on a grid: prior times likelihood, normalised.
    theta = np.linspace(0.0005, 0.9995, 1000)
    by_hand = stats.beta.pdf(theta, 2, 8) * theta**3 * (1 - theta)
    np.testing.assert_allclose(by_hand / by_hand.sum(), stats.beta.pdf(theta, 5, 9) / 1000, atol=1e-6)


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.95])
def test_distances_shrink_and_keep_their_bounds(p):
    rows = []
    for size in (20, 80, 320, 1280):
        rate = 20 * p
        rows.append(
            [
                (limits.total_variation(*limits.rare_events(size, rate)[1:]), rate**2 / size),
                (limits.kolmogorov(*limits.standardised(size, p)[1:]), limits.berry_esseen(size, p)),
                (limits.kolmogorov(*limits.waiting(size, rate)[1:]), rate / size),
                (limits.total_variation(*limits.jar(size, round(size * p), 6)[1:]), 6 * 5 / (2 * size)),
            ]
        )
    rows = np.array(rows)  # (sizes, relations, distance and bound)
    assert (rows[..., 0] <= rows[..., 1] + 1e-12).all()
    assert (rows[1:, :, 0] < rows[:-1, :, 0] + 1e-12).all() and (rows[-1, :, 0] < rows[0, :, 0] / 2 + 1e-12).all()


def test_the_gap_of_samples():
    """Draws 1, 1, 3 against U(0, 4): just left of 1 it is 1/4, at 1 it is 2/3 - 1/4; at 3 it is 1 - 3/4."""
    assert limits.gap(np.array([3.0, 1.0, 1.0]), lambda x: x / 4, discrete=False) == pytest.approx(2 / 3 - 1 / 4)
    assert limits.gap(np.array([3.0]), lambda x: x / 4, discrete=False) == 0.75  # left of the only draw
    assert limits.gap(np.array([3.0]), lambda x: x / 4, discrete=True) == 0.25
    draws = stats.norm.rvs(size=50, random_state=0)
    assert limits.gap(draws, stats.norm.cdf, discrete=False) == pytest.approx(stats.kstest(draws, "norm").statistic)
