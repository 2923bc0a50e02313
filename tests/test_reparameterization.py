"""The two gradient estimators: unbiased, with the variances of the closed forms; the lesson's answers move."""

import numpy as np
import pytest
import tensorflow as tf
from command import run
from scipy import integrate, stats

from zoo.probability import reparameterization as maths

MEAN, SCALE, TARGET = np.array([1.0, -0.5, 2.0]), np.array([0.5, 0.8, 0.3]), np.array([3.0, 0.5, 2.0])
COUNT = 200_000


def test_score_variance_in_one_dimension_by_integration():
    for mean, scale, target, baseline in ((1.0, 0.5, 3.0, 0.0), (0.2, 1.3, -1.0, 2.5)):
        q = stats.norm(mean, scale)

        def moment(power, q=q, mean=mean, scale=scale, target=target, baseline=baseline):
            def integrand(z):
                return (((z - target) ** 2 - baseline) * (z - mean) / scale**2) ** power * q.pdf(z)

            return integrate.quad(integrand, mean - 12 * scale, mean + 12 * scale, epsabs=1e-12)[0]

        given = maths.score_function_variance([mean], [scale], [target], baseline)[0]
        assert given == pytest.approx(moment(2) - moment(1) ** 2, rel=1e-9)
        assert maths.exact_gradients(mean, scale, target)[0] == pytest.approx(moment(1), rel=1e-9)
    d, s = 2.0, 0.5
    by_hand = d**4 / s**2 + 14 * d**2 + 15 * s**2  # the formula that the lesson prints
    assert maths.score_function_variance([1.0], [s], [3.0])[0] == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("estimator", "baseline"), [("reparameterised", 0.0), ("score function", 0.0), ("score function", 5.0)]
)
def test_estimates_have_the_exact_mean_and_variance(estimator, baseline):
    f = maths.quadratic(TARGET)
    for_mean, for_scale = maths.estimates(estimator, f, MEAN, SCALE, COUNT, seed=3, baseline=baseline)
    assert for_mean.shape == for_scale.shape == (COUNT, 3) and for_mean.dtype == np.float64
    for values, exact in zip((for_mean, for_scale), maths.exact_gradients(MEAN, SCALE, TARGET), strict=True):
        np.testing.assert_allclose(values.mean(axis=0), exact, atol=4.5 * values.std(axis=0).max() / np.sqrt(COUNT))
    if estimator == "reparameterised":
        expected = maths.reparameterised_variance(SCALE)
    else:
        expected = maths.score_function_variance(MEAN, SCALE, TARGET, baseline)
    np.testing.assert_allclose(for_mean.var(axis=0), expected, rtol=0.06)


def test_score_function_needs_no_slope():
    values, _ = maths.estimates("score function", lambda z: tf.cast(z[:, 0] > 1.0, tf.float64), [1.0], [0.5], COUNT, 3)
    assert values.mean() == pytest.approx(stats.norm.pdf(0) / 0.5, rel=0.02)  # d/dmu P(z > 1)
    with pytest.raises(ValueError, match="must be one of reparameterised, score function, got 'magic'"):
        maths.estimates("magic", maths.quadratic(TARGET), MEAN, SCALE, 2, 0)


def test_best_baseline_is_the_minimum():
    best = maths.best_baseline(MEAN, SCALE, TARGET)
    for place in range(3):
        at, below, above = (
            maths.score_function_variance(MEAN, SCALE, TARGET, best[place] + step)[place] for step in (0, -0.01, 0.01)
        )
        assert at < below and at < above
        assert below == pytest.approx(above)  # a parabola in b


def test_coin_by_enumeration():
    p, f = 0.3, np.array([4.0, -1.0])
    estimates = np.array([-f[0] / (1 - p), f[1] / p])
    weights = np.array([1 - p, p])
    slope, variance = maths.coin_gradient(p, *f)
    assert slope == pytest.approx(weights @ estimates)
    assert variance == pytest.approx(weights @ estimates**2 - (weights @ estimates) ** 2)


def test_descent_reaches_the_target_and_the_trick_is_less_noisy():
    curves = {name: maths.fit(name, 3.0, 0.5, 300, 8, 0.01, seed=1) for name in maths.ESTIMATORS}
    start = np.log(0.5) + (1 + 9) / (2 * 0.25) - 0.5  # KL(N(0, 1) || N(3, 0.5^2))
    for curve in curves.values():
        assert curve.shape == (301,) and curve[0] == pytest.approx(start)
        assert curve[-50:].mean() < start / 20
    assert curves["reparameterised"][-50:].mean() < 0.5 * curves["score function"][-50:].mean()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "The second is least at sigma = |d| / 15^(1/4) = 1.02. In a narrower q"),
        (["--mean", "3"], "So does the second here, where d = 0, but it stays 15/4 times as large."),
    ],
)
def test_what_is_said_of_a_narrow_q_follows_the_settings(words, sentence, tmp_path):
    code, out, err = run(tmp_path, "reparameterization", "--preset", "smoke", *words)
    assert code == 0 and sentence in " ".join(out.split()), err
    widths = np.linspace(0.9, 1.1, 201)
    noise = [maths.score_function_variance([1.0], [width], [3.0])[0] for width in widths]
    assert widths[np.argmin(noise)] == pytest.approx(1.016, abs=1e-3)
    assert maths.score_function_variance([3.0], [0.5], [3.0])[0] == 15 / 4 * maths.reparameterised_variance([0.5])[0]


def test_answers_move_with_the_settings(tmp_path):
    answers = []
    for words in ([], ["--scale", "1.0"]):
        code, out, err = run(
            tmp_path, "reparameterization", "--preset", "smoke", "--folder", f"run{len(answers)}", *words
        )
        assert code == 0, err
        answers.append([line for line in out.partition("Answers")[2].splitlines() if line[:2] in ("1.", "2.", "3.")])
    assert len(answers[0]) == 3 and all(one != other for one, other in zip(*answers, strict=True))
    needed = int(np.ceil(maths.score_function_variance([1.0], [0.5], [3.0])[0] / 1.0))
    assert f"{needed} samples" in " ".join(answers[0]) and needed == 124
    for words, sentence in (
        (["--scale", "0"], "--scale must be from 0.001 to 1000, got 0.0"),
        (["--scale", "1e-200"], "--scale must be from 0.001 to 1000, got 1e-200"),
        (["--mean", "nan"], "--mean must be from -1000000.0 to 1000000.0, got nan"),
        (["--draws", "1000000", "--dimensions", "100"], "--draws times the largest of --dimensions must be at most 20"),
        (["--dimensions", "4", "0"], "--dimensions must be from 1 to 1000, got 4 0"),
        (["--draws", "0"], "--draws must be from 1 to 1000000, got 0"),
    ):
        code, _, err = run(tmp_path, "reparameterization", "--preset", "smoke", *words)
        assert code == 2 and sentence in err
