"""Maximum likelihood: against SciPy's optimisers, against every whole number tried, and on drawn data."""

import itertools

import numpy as np
import pytest
from command import run
from scipy import stats

from zoo.probability import distributions, fitting

FAMILIES = distributions.FAMILIES


def log_likelihood(name, x, **parameters):
    return FAMILIES[name].log_prob(x, **parameters).sum()


def test_every_family_has_a_fit():
    assert fitting.FITS.keys() == FAMILIES.keys()
    for name, (_, _, count, _) in fitting.FITS.items():
        assert count == len(FAMILIES[name].parameters)


def test_averages_by_hand():
    x = np.array([1.0, 2.0, 2.0, 7.0])
    assert fitting.fit("poisson", x) == {"rate": 3.0}
    assert fitting.fit("geometric", x) == {"p": pytest.approx(1 / 3)}
    assert fitting.fit("exponential", x) == {"rate": pytest.approx(1 / 3)}
    assert fitting.fit("uniform", x) == {"low": 1.0, "high": 7.0}
    assert fitting.fit("normal", x) == {"mu": 3.0, "sigma": pytest.approx(np.sqrt((4 + 1 + 1 + 16) / 4))}
    assert fitting.fit("bernoulli", np.array([1.0, 0.0, 0.0, 0.0])) == {"p": 0.25}
    logs = np.log([1, 2, 2, 7])
    assert fitting.fit("lognormal", x) == pytest.approx({"mu": logs.mean(), "sigma": logs.std()})


@pytest.mark.parametrize("name", ["poisson", "geometric", "normal", "exponential", "lognormal", "beta"])
def test_no_neighbour_is_more_likely(name):
    x = FAMILIES[name].sample(300, 5, **FAMILIES[name].defaults)
    found = fitting.fit(name, x)
    best = log_likelihood(name, x, **found)
    for parameter in found:
        for factor in (0.999, 1.001):
            assert log_likelihood(name, x, **found | {parameter: found[parameter] * factor}) < best


@pytest.mark.parametrize(("alpha", "beta"), [(0.3, 0.4), (2.0, 5.0), (80.0, 3.0)])
def test_the_beta_fit_is_scipys(alpha, beta):
    x = stats.beta.rvs(alpha, beta, size=200, random_state=1).clip(1e-12, 1 - 1e-12)
    expected = stats.beta.fit(x, floc=0, fscale=1)[:2]
    assert list(fitting.fit("beta", x).values()) == pytest.approx(expected, rel=1e-5)


def test_the_binomial_fit_is_the_best_of_all_n():
    x = stats.binom.rvs(12, 0.7, size=60, random_state=2).astype(float)
    tried = {n: stats.binom.logpmf(x, n, x.mean() / n).sum() for n in range(int(x.max()), 3000)}
    best = max(tried, key=tried.get)
    assert fitting.fit("binomial", x) == {"n": best, "p": pytest.approx(x.mean() / best)}
    assert fitting.fit("binomial", np.array([3.0, 3.0, 3.0])) == {"n": 3, "p": 1}


def test_the_hypergeometric_fit_is_the_best_of_all_populations():
    x = stats.hypergeom.rvs(14, 8, 6, size=80, random_state=4).astype(float)
    low, high = int(x.min()), int(x.max())
    tried = {
        (N, K, n): stats.hypergeom.logpmf(x, N, K, n).sum()
        for n, K in itertools.combinations_with_replacement(range(high, 26), 2)
        for N in range(max(n, K, n + K - low), 60)
    }
    best = max(tried, key=tried.get)
    found = fitting.fit("hypergeometric", x)
    assert log_likelihood("hypergeometric", x, **found) >= tried[best] - 1e-9
    assert tuple(found.values()) == best


@pytest.mark.parametrize(
    ("name", "x", "reason"),
    [
        ("bernoulli", [0, 1, 2], "needs zeros and ones"),
        ("poisson", [0.5, 1], "needs whole numbers, 0 or more, not all 0"),
        ("poisson", [0, 0], "needs whole numbers, 0 or more, not all 0"),
        ("geometric", [0, 1], "needs whole numbers, 1 or more"),
        ("uniform", [2, 2], "needs two different numbers"),
        ("exponential", [-1, 1], "needs numbers, 0 or more, not all 0"),
        ("lognormal", [0, 1], "needs numbers above 0, not all equal"),
        ("beta", [0.2, 1.0], "needs numbers between 0 and 1, not all equal"),
        ("binomial", [0, 0, 9], "no n is the best: the variance is not below the mean"),
    ],
)
def test_what_cannot_be_fitted_says_why(name, x, reason):
    with pytest.raises(ValueError) as caught:
        fitting.fit(name, np.array(x, np.float64))
    assert str(caught.value) == reason


def test_a_hypergeometric_without_a_best_population_says_so():
    """The variance is above the mean: the best are larger and larger populations, whose limit is a Poisson."""
    with pytest.raises(ValueError, match="the likelihood rises for ever"):
        fitting.fit("hypergeometric", np.array([0.0, 0, 0, 1, 1, 2, 6]))


def test_aic_counts_parameters():
    assert fitting.aic("poisson", -10.0) == 22.0
    assert fitting.aic("normal", -10.0) == 24.0
    assert fitting.aic("hypergeometric", -10.0) == 26.0


def test_held_out_numbers_are_judged_by_fits_to_the_others():
    x = np.arange(1.0, 7.0)
    order = np.random.default_rng(3).permutation(x)
    total = 0.0
    for part in (order[:2], order[2:4], order[4:]):
        rest = np.setdiff1d(x, part)
        total += stats.norm.logpdf(part, rest.mean(), rest.std()).sum()
    found = fitting.held_out("normal", x, FAMILIES["normal"].log_prob, folds=3, seed=3)
    assert found == pytest.approx(total / 6)
    # Whoever holds the largest number out finds it impossible by a uniform fit.
    assert fitting.held_out("uniform", x, FAMILIES["uniform"].log_prob, folds=3, seed=3) == -np.inf


def test_families_are_ranked_by_aic():
    x = FAMILIES["poisson"].sample(400, 1, rate=3.0)
    candidates, refused = fitting.rank(FAMILIES, x)
    assert candidates[0].name == "poisson" and candidates[0].parameters == {"rate": pytest.approx(x.mean())}
    assert [each.aic for each in candidates] == sorted(each.aic for each in candidates)
    assert candidates[0].log_likelihood == pytest.approx(stats.poisson.logpmf(x, x.mean()).sum())
    assert candidates[0].aic == pytest.approx(2 - 2 * candidates[0].log_likelihood)
    assert refused["bernoulli"] == "needs zeros and ones" and {each.name for each in candidates} | set(refused) == set(
        FAMILIES
    )
    # On whole numbers a density is judged by its integral over the unit around each.
    (normal,) = (each for each in candidates if each.name == "normal")
    law = stats.norm(x.mean(), x.std())
    assert normal.log_likelihood == pytest.approx(np.log(law.cdf(x + 0.5) - law.cdf(x - 0.5)).sum())


def test_a_density_does_not_win_over_bits_by_being_narrow():
    """U(0, 1) has density 1 at 0 and at 1, but each of the two has probability 1/2."""
    x = np.array([0.0, 1.0] * 10)
    candidates, _ = fitting.rank(FAMILIES, x)
    assert candidates[0].name == "bernoulli"
    (uniform,) = (each for each in candidates if each.name == "uniform")
    assert uniform.log_likelihood == pytest.approx(20 * np.log(0.5))


def test_large_whole_numbers_are_measured_not_counted():
    x = np.round(stats.norm.rvs(3e6, 2e5, size=50, random_state=0))
    candidates, refused = fitting.rank(FAMILIES, x)
    assert refused["poisson"] == "needs whole numbers up to 100,000"
    assert candidates[0].name in ("normal", "lognormal")
    assert candidates[0].log_likelihood == pytest.approx(stats.norm(x.mean(), x.std()).logpdf(x).sum(), abs=1)


def test_a_family_that_some_fifth_cannot_do_without_stays_a_candidate():
    """All numbers together have a variance below their mean; without some fifth of them it is above."""
    x = np.array([0.0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 5])
    assert x.var() < x.mean()
    found = [fitting.rank({"binomial": FAMILIES["binomial"]}, x, seed)[0][0] for seed in (0, 1)]
    assert found[0].parameters == found[1].parameters and found[0].parameters["n"] >= 5
    assert found[0].held_out == -np.inf and np.isfinite(found[1].held_out)  # how the parts fall is up to the seed


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        ([1.0, 2.0], "10 numbers or more are needed for a fit, got 2"),
        ([3.0] * 12, "two different numbers or more are needed for a fit, got 3 only"),
    ],
)
def test_too_few_numbers_get_a_sentence(x, sentence):
    with pytest.raises(ValueError) as caught:
        fitting.rank(FAMILIES, np.array(x))
    assert str(caught.value) == sentence


# --- the lesson -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("0\n1\n" * 10, "2. 1; in 20 numbers 0 larger ones are expected, and there are 0."),
        ("-5.5\n" * 9 + "-6.5\n", "3. They cannot say: no fit to the others allows for all of them."),
    ],
)
def test_answers_about_fits_hold_at_the_edge(content, answer, tmp_path):
    (tmp_path / "data.csv").write_text(f"x\n{content}")
    code, out, err = run(tmp_path, "distributions", "--fit", "data.csv")
    assert code == 0, err
    assert answer in out and "nan" not in out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "data.csv is empty: a column of numbers is needed"),
        ("x\n1\ntwo\n", "data.csv, line 3, column x: a finite number is needed, got 'two'"),
        ("x\n1\n2\n", "10 numbers or more are needed for a fit, got 2"),
        ("x\n" + "4\n" * 20, "two different numbers or more are needed for a fit, got 4 only"),
        ("x\n" + "1\n-1e308\n" * 10, "numbers from -1e+100 to 1e+100 are needed for a fit, got -1e+308"),
        ("x\n" + "4\n4.000000000000001\n" * 10, "numbers that differ by more than rounding are needed for a fit, all "),
    ],
)
def test_a_file_without_a_column_of_numbers_gets_a_sentence(content, sentence, tmp_path):
    (tmp_path / "data.csv").write_text(content)
    code, _, err = run(tmp_path, "distributions", "--fit", "data.csv")
    assert code == 2 and err.startswith(f"error: {sentence}") and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]
