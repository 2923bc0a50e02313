"""Ten distributions: against SciPy, against sums, at the edges of their parameters, and as a lesson."""

import itertools

import numpy as np
import pytest
from command import only_run, run
from scipy import stats

from zoo.probability import distributions, limits

FAMILIES = distributions.FAMILIES
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:scipy")
CHANCES = (0.0, 1e-9, 0.03, 0.5, 0.9, 1.0)
REFERENCES = {
    "bernoulli": lambda p: stats.bernoulli(p),
    "binomial": lambda n, p: stats.binom(n, p),
    "poisson": lambda rate: stats.poisson(rate),
    "geometric": lambda p: stats.geom(p),
    "hypergeometric": lambda N, K, n: stats.hypergeom(N, K, n),
    "uniform": lambda low, high: stats.uniform(low, high - low),
    "normal": lambda mu, sigma: stats.norm(mu, sigma),
    "exponential": lambda rate: stats.expon(scale=1 / rate),
    "lognormal": lambda mu, sigma: stats.lognorm(sigma, scale=np.exp(mu)),
    "beta": lambda alpha, beta: stats.beta(alpha, beta),
}
GRIDS = {
    "bernoulli": [{"p": p} for p in CHANCES],
    "binomial": [{"n": n, "p": p} for n in (0, 1, 7, 400) for p in CHANCES],
    "poisson": [{"rate": rate} for rate in (1e-6, 0.5, 4.0, 77.7, 2e4)],
    "geometric": [{"p": p} for p in (1e-3, 0.03, 1.0, 0.5, 0.9)],
    "hypergeometric": [
        {"N": N, "K": K, "n": n}
        for N in (1, 2, 13, 500)
        for K, n in itertools.product(sorted({0, 1, N // 3, N - 1, N}), repeat=2)
    ],
    "uniform": [{"low": low, "high": high} for low, high in ((0, 1), (-3.5, 2.25), (1e6, 1e6 + 1))],
    "normal": [{"mu": mu, "sigma": sigma} for mu in (-2.0, 0.0, 1e3) for sigma in (0.1, 1.0, 30.0)],
    "exponential": [{"rate": rate} for rate in (0.01, 1.0, 50.0)],
    "lognormal": [{"mu": mu, "sigma": sigma} for mu in (-1.0, 0.0, 3.0) for sigma in (0.1, 1.0, 2.0)],
    "beta": [{"alpha": a, "beta": b} for a, b in itertools.product((0.4, 1.0, 2.0, 35.0), repeat=2)],
}
CASES = [(name, parameters) for name, grid in GRIDS.items() for parameters in grid]
IDS = [f"{name}({distributions.spell(parameters)})" for name, parameters in CASES]
DISCRETE = [(name, parameters) for name, parameters in CASES if FAMILIES[name].discrete]


def points_of(name, parameters):
    """Where a density is compared: within the support, at its ends, between whole numbers and outside."""
    reference = REFERENCES[name](**parameters)
    within = reference.ppf(np.concatenate([[1e-9, 1e-4], np.linspace(0.01, 0.99, 60), [1 - 1e-4, 1 - 1e-9]]))
    low, high = FAMILIES[name].support(**parameters)
    outside = [low - 1, low - 0.3] if np.isfinite(low) else []
    outside += [high + 1, high + 0.3] if np.isfinite(high) else []
    ends = [end for end in (low, high) if np.isfinite(end) and name != "lognormal"]
    halves = within + 0.5 if FAMILIES[name].discrete else []
    return np.concatenate([within, ends, outside, halves])


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=IDS)
def test_densities_cdfs_and_moments_are_scipys(name, parameters):
    family, reference = FAMILIES[name], REFERENCES[name](**parameters)
    x = points_of(name, parameters)
    expected = reference.pmf(x) if family.discrete else reference.pdf(x)
    found = np.exp(family.log_prob(x, **parameters))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
    whole = np.floor(x) if family.discrete else x  # between whole numbers SciPy's hypergeometric cdf is NaN
    np.testing.assert_allclose(family.cdf(x, **parameters), reference.cdf(whole), rtol=0, atol=1e-10)
    variance = 0.0 if parameters.get("N") == 1 else reference.var()  # SciPy has NaN for a population of one
    np.testing.assert_allclose(family.moments(**parameters), [reference.mean(), variance], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("name", "parameters"), DISCRETE, ids=[f"{name}({p})" for name, p in DISCRETE])
def test_a_pmf_sums_to_one(name, parameters):
    family = FAMILIES[name]
    values, probabilities = family.table(**parameters)
    low, high = family.support(**parameters)
    assert values[0] == low and (np.diff(values) == 1).all()
    if np.isfinite(high):
        assert values[-1] == high
        assert abs(probabilities.sum() - 1) < 1e-12
    else:
        left_out = REFERENCES[name](**parameters).sf(values[-1])
        assert left_out <= distributions.TAIL
        assert abs(probabilities.sum() - 1) < 1e-9
        # The bound is not idle: a tenth of the way back there would be more than a tail.
        assert values[-1] < 60 or REFERENCES[name](**parameters).sf(0.5 * values[-1]) > distributions.TAIL


@pytest.mark.parametrize(
    ("N", "K", "n"), [(10**6, 5 * 10**5, 5 * 10**5), (10**6, 30, 10**5), (2000, 1000, 1000), (60, 60, 7), (7, 3, 7)]
)
def test_the_hypergeometric_is_exact_for_large_populations(N, K, n):
    """Against integer arithmetic, without logarithms, at values around the mode and at the ends."""
    import math

    from tensorflow_probability import distributions as tfd

    law = distributions.hypergeometric(N, K, n)
    assert isinstance(law, tfd.Distribution) and law.dtype == np.float64
    low, high = max(0, n + K - N), min(n, K)
    mode = (n + 1) * (K + 1) // (N + 2)
    near = sorted({min(max(mode + step, low), high) for step in (-900, -9, -1, 0, 1, 9, 900)})
    weight = {k: math.comb(K, k) * math.comb(N - K, n - k) if N <= 2000 else None for k in near}
    if N <= 2000:
        exact = [weight[k] / math.comb(N, n) for k in near]
        np.testing.assert_allclose(law.prob(np.float64(near)), exact, rtol=1e-12)
        ends = [math.log(math.comb(K, k) * math.comb(N - K, n - k)) - math.log(math.comb(N, n)) for k in (low, high)]
        np.testing.assert_allclose(law.log_prob(np.float64([low, high])), ends, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(law.prob(np.float64(near)), stats.hypergeom.pmf(near, N, K, n), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose([law.mean(), law.variance()], stats.hypergeom.stats(N, K, n), rtol=1e-9, atol=1e-9)


def test_the_hypergeometric_samples_what_it_says():
    draws = FAMILIES["hypergeometric"].sample(20_000, 3, N=52, K=13, n=5)
    counts = np.bincount(draws.astype(int), minlength=6)
    expected = 20_000 * stats.hypergeom.pmf(range(6), 52, 13, 5)
    assert stats.chisquare(counts, expected, sum_check=False).pvalue > 1e-3
    all_drawn = FAMILIES["hypergeometric"].sample(10, 3, N=9, K=4, n=9)
    np.testing.assert_array_equal(all_drawn, np.full(10, 4.0))


@pytest.mark.parametrize("name", FAMILIES)
def test_samples_follow_the_law(name):
    family = FAMILIES[name]
    draws = family.sample(4000, 7, **family.defaults)
    assert draws.dtype == np.float64 and draws.shape == (4000,)
    np.testing.assert_array_equal(draws, family.sample(4000, 7, **family.defaults))
    assert (draws != family.sample(4000, 8, **family.defaults)).any()
    reference = REFERENCES[name](**family.defaults)
    if family.discrete:
        values = np.arange(draws.min(), draws.max() + 1)
        far = np.abs([(draws <= value).mean() for value in values] - reference.cdf(values)).max()
    else:
        far = stats.kstest(draws, reference.cdf).statistic
    assert far < 1.95 / np.sqrt(4000)  # Kolmogorov's bound: passed by chance in one of 1,000 (fewer if discrete)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("end", ["first", "last"])
def test_quantiles_invert_the_cdf(name, end):
    parameters = GRIDS[name][0 if end == "first" else -1]
    shares = np.array([0.001, 0.02, 0.37, 0.5, 0.8, 0.999])
    found = FAMILIES[name].quantile(shares, **parameters)
    np.testing.assert_allclose(found, REFERENCES[name](**parameters).ppf(shares), rtol=1e-9, atol=1e-12)


def test_the_median_of_a_beta_is_right_where_tfps_is_not():
    median = FAMILIES["beta"].quantile(0.5, alpha=2, beta=5)
    assert abs(median - 0.26444998329566) < 1e-12


@pytest.mark.parametrize(("alpha", "beta"), [(0.1, 5), (5, 0.1), (0.02, 0.03), (0.4, 35), (300, 2), (1e3, 1e3)])
def test_quantiles_of_a_beta_near_its_ends(alpha, beta):
    """Relative to the distance to 0: that of Beta(0.1, 5) at 1 % is 1e-21."""
    shares = np.array([1e-6, 1e-3, 0.01, 0.2, 0.5, 0.7, 0.99, 1 - 1e-6])
    found = FAMILIES["beta"].quantile(shares, alpha=alpha, beta=beta)
    np.testing.assert_allclose(found, stats.beta.ppf(shares, alpha, beta), rtol=1e-10)
    above = 1 - FAMILIES["beta"].quantile(1 - shares, alpha=beta, beta=alpha)  # the same, but for what 1 - x loses
    np.testing.assert_allclose(above, found, rtol=1e-8, atol=1e-15)


def test_quantiles_of_a_beta_at_its_ends():
    np.testing.assert_array_equal(FAMILIES["beta"].quantile([0.0, 1.0], alpha=2, beta=5), [0.0, 1.0])
    assert FAMILIES["beta"].quantile(0.01, alpha=0.001, beta=5) == 0  # 1e-2000
    assert FAMILIES["beta"].quantile(0.99, alpha=5, beta=0.001) == 1


def test_a_large_rate_has_a_right_cdf():
    """TFP's incomplete gamma function is off by 0.02 here."""
    at = np.array([999_000.0, 1e6, 1_001_000.0])
    np.testing.assert_allclose(FAMILIES["poisson"].cdf(at, rate=1e6), stats.poisson.cdf(at, 1e6), atol=1e-10)


@pytest.mark.parametrize("name", ["uniform", "normal", "exponential", "lognormal", "beta"])
def test_the_mass_of_a_bin_is_the_difference_of_the_cdf(name):
    family = FAMILIES[name]
    parameters = {"normal": {"mu": 2.2, "sigma": 1.3}, "beta": {"alpha": 2, "beta": 3}}.get(name, family.defaults)
    x = np.arange(0.0, 9.0)
    reference = REFERENCES[name](**parameters)
    expected = reference.cdf(x + 0.5) - reference.cdf(x - 0.5)
    tolerance = 1e-6 if name == "lognormal" else 1e-10
    np.testing.assert_allclose(np.exp(family.log_mass(x, **parameters)), expected, rtol=1e-7, atol=tolerance)
    if name == "exponential":  # in the tail, where a difference of cdfs is 0
        assert family.log_mass([1e4], **parameters)[0] == pytest.approx(-1e4 / 15 + np.log(2 * np.sinh(1 / 30)))


@pytest.mark.parametrize("p", [1e-4, 1e-3, 0.02])
def test_no_law_is_too_narrow_for_the_mass_of_a_bin(p):
    """As fitted to zeros and few ones: its width is a small part of the bin's."""
    sigma = np.sqrt(p * (1 - p))
    found = FAMILIES["normal"].log_mass([0.0, 1.0], mu=p, sigma=sigma)
    law = stats.norm(p, sigma)
    assert found[0] == pytest.approx(np.log(law.cdf(0.5) - law.cdf(-0.5)), abs=1e-9) and found[1] < -5
    found = FAMILIES["exponential"].log_mass([0.0], rate=1 / p)
    assert found[0] == pytest.approx(np.log(-np.expm1(-0.5 / p)), abs=1e-9)


# --- parameters -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("bernoulli", {"p": 1.5}, "p of Bernoulli must be a probability from 0 to 1, got 1.5"),
        ("bernoulli", {"p": np.nan}, "p of Bernoulli must be a probability from 0 to 1, got nan"),
        ("binomial", {"n": -1, "p": 0.5}, "n of Binomial must be a whole number, 0 or more, got -1"),
        ("binomial", {"n": 2.5, "p": 0.5}, "n of Binomial must be a whole number, 0 or more, got 2.5"),
        ("poisson", {"rate": -3}, "rate of Poisson must be a finite number above 0, got -3"),
        ("geometric", {"p": 0}, "p of Geometric must be a probability above 0 and at most 1, got 0"),
        (
            "hypergeometric",
            {"N": 5, "K": 6, "n": 2},
            "Hypergeometric needs K, the marked ones, at most N, got N=5, K=6, n=2",
        ),
        (
            "hypergeometric",
            {"N": 5, "K": 2, "n": 6},
            "Hypergeometric needs n, the drawn ones, at most N, got N=5, K=2, n=6",
        ),
        ("uniform", {"low": 2, "high": 2}, "Uniform needs low below high, got low=2, high=2"),
        ("normal", {"mu": 0, "sigma": 0}, "sigma of Normal must be a finite number above 0, got 0"),
        ("normal", {"mu": np.inf, "sigma": 1}, "mu of Normal must be a finite number, got inf"),
        ("exponential", {"rate": 0}, "rate of Exponential must be a finite number above 0, got 0"),
        ("beta", {"alpha": 2}, "Beta needs beta: a finite number above 0"),
        ("beta", {"alpha": 2, "beta": 1, "p": 0.5}, "Beta has no parameter p: it has alpha, beta"),
    ],
)
def test_bad_parameters_get_a_sentence(name, parameters, sentence):
    calls = [FAMILIES[name].log_prob, FAMILIES[name].cdf, FAMILIES[name].quantile]
    for call in calls:
        with pytest.raises(ValueError) as caught:
            call(0.5, **parameters)
        assert str(caught.value) == sentence
    if name == "hypergeometric":
        with pytest.raises(ValueError) as caught:
            distributions.hypergeometric(**parameters)
        assert str(caught.value) == sentence


def test_a_table_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match=r"Geometric with p=1e-09 has more than 5,000,000 values to add up"):
        FAMILIES["geometric"].table(p=1e-9)
    with pytest.raises(ValueError, match="Binomial with n=1e"):
        FAMILIES["binomial"].cdf(3.0, n=10**9, p=0.1)


# --- the lesson -------------------------------------------------------------------------------


def answers(out):
    return out[out.index("Answers, for these settings") :].partition("\nfigures:")[0].split("\n1. ")[1]


@pytest.mark.slow
def test_the_gallery_and_the_relations(tmp_path):
    code, out, err = run(tmp_path, "distributions", "--preset", "smoke")
    assert code == 0, err
    names = sorted(path.name for path in only_run(tmp_path).iterdir())
    assert names[0].startswith("1_") and names[4].startswith("5_") and names[5:] == ["gallery.png"]
    for family in FAMILIES.values():
        assert family.law in out and family.example.split()[0] in out
    assert f"{stats.hypergeom.pmf(0, 100, 30, 10):.5f} without, {0.7**10:.5f} with" in answers(out)
    words = ["--preset", "smoke", "--events", "5", "--chance", "0.6", "--folder", "other"]
    code, other, err = run(tmp_path, "distributions", *words)
    assert code == 0, err
    for first, second in zip(answers(out).splitlines(), answers(other).splitlines(), strict=False):
        assert first != second


def test_one_distribution_with_its_own_parameters(tmp_path):
    words = ["--preset", "smoke", "--name", "beta", "--alpha", "2", "--beta", "5"]
    code, out, err = run(tmp_path, "distributions", *words)
    assert code == 0, err
    assert [path.name for path in only_run(tmp_path).iterdir()] == ["beta.png"]
    law = stats.beta(2, 5)
    assert f"With probability {law.sf(law.mean()):.4f}" in answers(out) and f"{law.median():.6g}" in answers(out)
    assert f"{law.cdf(law.mean() + law.std()) - law.cdf(law.mean() - law.std()):.4f}" in answers(out)
    assert "rounded up: 3." in answers(out)  # a variance of 0.0255
    code, other, err = run(tmp_path, "distributions", *words[:-1], "3", "--folder", "other")
    assert code == 0, err
    for first, second in zip(answers(out).splitlines(), answers(other).splitlines(), strict=True):
        assert first != second


def test_a_belief_is_as_far_from_the_truth_as_the_lesson_says():
    n, p = 400, 0.3
    heads = np.arange(80, 161)  # but for a probability of 1e-5
    errors = [limits.belief_error(p, 1 + h, 1 + n - h) for h in heads]
    mean = stats.binom.pmf(heads, n, p) @ errors
    assert mean == pytest.approx(2 * np.sqrt(p * (1 - p) / (np.pi * n)), rel=0.01)


def test_within_one_standard_deviation_both_ends_count(tmp_path):
    """One flip of a fair coin: 0 and 1 are both exactly one standard deviation from the mean."""
    code, out, _ = run(tmp_path, "distributions", "--preset", "smoke", "--name", "bernoulli", "--p", "0.5")
    assert code == 0 and "2. 1.0000." in out


@pytest.mark.parametrize("p", [0.29, 0.9])
def test_a_whole_mean_that_rounding_misses_is_whole(p, tmp_path):
    """100 * 0.29 is 28.999999999999996, and 100 * 0.9 * (1 - 0.9) is below 9."""
    words = ["--preset", "smoke", "--name", "binomial", "--n", "100", "--p", str(p)]
    code, out, err = run(tmp_path, "distributions", *words)
    assert code == 0, err
    law = stats.binom(100, p)
    assert f"With probability {law.sf(round(100 * p)):.4f}" in answers(out)
    if p == 0.9:
        assert f"2. {law.cdf(93) - law.cdf(86):.4f}." in out


@pytest.mark.parametrize(
    "words",
    [
        ["bernoulli", "--p", "0"],
        ["binomial", "--n", "0"],
        ["geometric", "--p", "1"],
        ["hypergeometric", "--N", "9", "--K", "4", "--n", "9"],
        ["poisson", "--rate", "3000"],
        ["beta", "--alpha", "0.3", "--beta", "0.2"],
        ["uniform", "--low", "-2", "--high", "1e3"],
    ],
    ids=" ".join,
)
def test_edges_can_be_drawn(words, tmp_path):
    code, out, err = run(tmp_path, "distributions", "--preset", "smoke", "--name", *words)
    assert code == 0, err
    assert only_run(tmp_path).joinpath(f"{words[0]}.png").exists() and "nan" not in out


def test_fits_rank_the_family_that_the_data_came_from_first(tmp_path):
    draws = FAMILIES["lognormal"].sample(400, 1, mu=2.0, sigma=0.6)
    lines = ["person,income", *[f"{index},{value!r}" for index, value in enumerate(draws.tolist())]]
    (tmp_path / "data.csv").write_text("\n".join(lines))
    code, out, err = run(tmp_path, "distributions", "--fit", "data.csv", "--column", "income")
    assert code == 0, err
    assert sorted(path.name for path in only_run(tmp_path).iterdir()) == ["best.png", "quantiles.png"]
    table = out[out.index("Best by AIC first") :].splitlines()[2:]
    assert table[0].split()[:4:3] == ["lognormal", "1"] and f"mu={np.log(draws).mean():g}" in table[0]
    assert "not poisson: needs whole numbers" in out and "Yes: they prefer lognormal" in out
    law = stats.lognorm(np.log(draws).std(), scale=np.exp(np.log(draws).mean()))
    assert f"2. {law.ppf(0.999):.6g};" in out
    code, person, err = run(tmp_path, "distributions", "--fit", "data.csv", "--column", "person", "--folder", "other")
    assert code == 0, err
    assert "whole numbers, mean 199.5" in person and answers(person) != answers(out)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--name", "cauchy"], "there is no distribution 'cauchy' here: there are bernoulli, binomial, poisson, "),
        (["--name", "beta", "--p", "0.5"], "beta has no --p: it has --alpha, --beta"),
        (["--name", "binomial", "--p", "1.5"], "p of Binomial must be a probability from 0 to 1, got 1.5"),
        (
            ["--name", "hypergeometric", "--N", "10"],
            "Hypergeometric needs K, the marked ones, at most N, got N=10, K=13",
        ),
        (["--name", "poisson", "--rate", "1e12"], "Poisson with rate=1e+12 has more than 5,000,000 values to add up"),
        (["--name", "binomial", "--n", "2.5"], "n of Binomial must be a whole number, 0 or more, got 2.5"),
        (
            ["--name", "lognormal", "--sigma", "40"],
            "Log-normal with mu=3.5, sigma=40 has a variance beyond the largest",
        ),
        (["--p", "0.5"], "--p needs --name: the distribution whose parameter it is"),
        (["--column", "x"], "--column needs --fit: the CSV file that has the column"),
        (["--name", "beta", "--fit", "x.csv"], "--name shows one distribution, --fit fits all of them: leave one"),
        (["--fit", "none.csv"], "none.csv cannot be read: No such file or directory"),
        (
            ["--name", "normal", "--sigma", "1e154"],
            "Normal with mu=178, sigma=1e+154 has a variance beyond the largest",
        ),
        (
            ["--name", "normal", "--mu", "1e300"],
            "Normal with mu=1e+300, sigma=7 is too narrow for numbers of 16 digits",
        ),
        (["--samples", "1"], "--samples must be from 2 to 10000000, got 1"),
        (["--events", "nan"], "--events must be from 0.1 to 50, got nan"),
        (["--chance", "0"], "--chance must be from 0.05 to 0.95, got 0.0"),
    ],
)
def test_mistakes_get_a_sentence(words, sentence, tmp_path):
    code, _, err = run(tmp_path, "distributions", *words)
    assert code == 2 and err.startswith(f"error: {sentence}") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
