"""Panels of figures: what is drawn is the law, the samples and the distances that were given."""

import matplotlib.figure
import numpy as np
from scipy import stats

from zoo import panels
from zoo.probability import distributions, fitting, limits


def axes_of(columns):
    return matplotlib.figure.Figure().subplots(1, columns)


def line(axes, label):
    (found,) = (each for each in axes.lines if each.get_label() == label)
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def test_a_pmf_is_drawn_over_shares_of_the_draws():
    left, right = axes_of(2)
    draws = np.array([0.0, 1, 1, 2])
    panels.law((left, right), distributions.FAMILIES["binomial"], {"n": 2, "p": 0.5}, draws)
    assert left.get_title() == "Binomial(n=2, p=0.5)" and left.get_xlabel() == "k"
    bars = {bar.get_x() + bar.get_width() / 2: bar.get_height() for bar in left.patches}
    assert {round(place): height for place, height in bars.items()} == {-1: 0, 0: 0.25, 1: 0.5, 2: 0.25, 3: 0}
    x, heights = line(left, "theory")
    np.testing.assert_allclose(heights, stats.binom.pmf(x, 2, 0.5))
    x, steps = line(right, "theory")
    np.testing.assert_allclose(steps, stats.binom.cdf(x, 2, 0.5))
    x, steps = line(right, "samples")
    np.testing.assert_allclose(steps, [0, 0.25, 0.5, 0.75, 1, 1])


def test_a_histogram_counts_what_it_does_not_show():
    """Half of the draws lie beyond the drawn part: the bars' area is one half."""
    left, right = axes_of(2)
    draws = np.concatenate([np.linspace(-1, 1, 100), np.full(100, 50.0)])
    family = distributions.FAMILIES["normal"]
    panels.law((left, right), family, {"mu": 0.0, "sigma": 1.0}, draws, "data", "fit", "cm")
    (stairs,) = left.patches
    values, edges, _ = stairs.get_data()
    assert np.isclose((values * np.diff(edges)).sum(), 0.5)
    assert left.get_xlabel() == right.get_xlabel() == "cm"
    x, heights = line(left, "fit")
    np.testing.assert_allclose(heights, stats.norm.pdf(x), rtol=1e-10)


def test_two_laws_and_their_distances():
    first, second, third = axes_of(3)
    panels.two_pmfs(first, "both", ("jar", "coin"), *limits.jar(20, 8, 3))
    assert [round(bar.get_height(), 6) for bar in first.patches] == stats.hypergeom.pmf(range(4), 20, 8, 3).round(
        6
    ).tolist()
    panels.two_cdfs(second, "both", ("Z", "normal"), *limits.standardised(9, 0.5))
    x, heights = line(second, "normal")
    np.testing.assert_allclose(heights, stats.norm.cdf(x))
    k = np.rint(x * 1.5 + 4.5)
    z, steps = line(second, "Z")
    np.testing.assert_allclose(z, np.append(x[:1], x))
    np.testing.assert_allclose(steps, stats.binom.cdf(np.append(k[0] - 1, k), 9, 0.5))  # the first jump is drawn
    panels.falling(third, "it falls", "n", [1, 10], {"TV": [0.5, 0.05], "bound": [1, 0.1]})
    assert third.get_xscale() == third.get_yscale() == "log" and line(third, "TV")[1].tolist() == [0.5, 0.05]


def test_quantiles_of_a_perfect_fit_lie_on_the_diagonal():
    x = stats.norm.ppf((np.arange(200) + 0.5) / 200, 3, 2)
    grid = matplotlib.figure.Figure().subplots(1, 3, squeeze=False)
    right = fitting.Candidate("normal", {"mu": 3.0, "sigma": 2.0}, 0.0, 0.0, 0.0)
    wide = fitting.Candidate("normal", {"mu": 3.0, "sigma": 4.0}, 0.0, 0.0, 0.0)
    panels.quantile_grid(grid, distributions.FAMILIES, [right, wide], x)
    theory, data = line(grid[0, 0], "data")
    np.testing.assert_allclose(theory, data, atol=1e-9)
    theory, data = line(grid[0, 1], "data")
    np.testing.assert_allclose(theory - 3, 2 * (data - 3), atol=1e-9)
    assert not grid[0, 2].get_visible()
