"""Naive Bayes: against counts by hand, all possible pictures, and scikit-learn; and the file that ships."""

import itertools

import numpy as np
import pytest
from command import run
from PIL import Image
from sklearn import naive_bayes as sklearn_naive_bayes

from edge import __main__ as edge_command
from edge import cards, runtime
from recipes import runner
from zoo.datasets import images
from zoo.probability import naive_bayes

X = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 0]])
Y = np.array([0, 0, 1, 0, 1])


@pytest.fixture(scope="module")
def grey(digits):
    return digits.images.reshape(-1, 64) / 255, digits.labels


@pytest.fixture(scope="module")
def black_and_white(grey):
    return (grey[0] > 0.5).astype(float), grey[1]


# --- by hand ----------------------------------------------------------------------------------


def test_counts_by_hand():
    model = naive_bayes.fit_bernoulli(X, Y, 2, pseudo_count=0.5)
    np.testing.assert_allclose(np.exp(model.log_prior), [3 / 5, 2 / 5])
    np.testing.assert_allclose(model.theta, [[3.5 / 4, 1.5 / 4, 2.5 / 4], [0.5 / 3, 1.5 / 3, 1.5 / 3]])
    joint = naive_bayes.log_joint(model, [[1, 0, 0]])
    by_hand = [3 / 5 * 3.5 / 4 * 2.5 / 4 * 1.5 / 4, 2 / 5 * 0.5 / 3 * 1.5 / 3 * 1.5 / 3]
    np.testing.assert_allclose(np.exp(joint), [by_hand], rtol=1e-12)
    np.testing.assert_allclose(naive_bayes.posterior(joint), [by_hand / np.sum(by_hand)], rtol=1e-12)
    np.testing.assert_allclose(naive_bayes.log_evidence(joint), [np.log(np.sum(by_hand))], rtol=1e-12)


def test_means_and_variances_by_hand():
    model = naive_bayes.fit_gaussian([[1.0, 4.0], [3.0, 8.0], [5.0, 0.0], [5.0, 6.0]], [0, 0, 1, 1], 2, smoothing=0.1)
    largest = np.var([4, 8, 0, 6])
    np.testing.assert_allclose(model.mean, [[2, 6], [5, 3]])
    np.testing.assert_allclose(model.variance, np.array([[1, 4], [0, 9]]) + 0.1 * largest)


@pytest.mark.parametrize("unseen", [[], [1], [0, 2]])
def test_all_possible_pictures_are_one(unseen):
    """p sums to 1, and leaving a feature out is the sum over what it could be."""
    model = naive_bayes.fit_bernoulli(X, Y, 2)
    pictures = np.array(list(itertools.product((0, 1), repeat=3)))
    whole = np.exp(naive_bayes.log_joint(model, pictures))
    assert whole.sum() == pytest.approx(1, abs=1e-12)
    seen = ~np.isin(np.arange(3), unseen)
    partial = np.exp(naive_bayes.log_joint(model, pictures, seen))
    for picture, value in zip(pictures, partial, strict=True):
        alike = (pictures[:, seen] == picture[seen]).all(axis=1)
        np.testing.assert_allclose(value, whole[alike].sum(axis=0), rtol=1e-12)


def test_each_picture_may_miss_other_pixels(black_and_white):
    model = naive_bayes.fit_bernoulli(*black_and_white, 10)
    x = black_and_white[0][:450]  # more than two chunks
    seen = np.random.default_rng(0).random(x.shape) < 0.5
    joint = naive_bayes.log_joint(model, x, seen)
    for row in (0, 199, 200, 449):
        np.testing.assert_allclose(joint[row], naive_bayes.log_joint(model, x[row : row + 1], seen[row])[0])


def test_calibration_by_hand():
    sure = np.array([[0.9, 0.1], [0.2, 0.8], [0.85, 0.15], [0.45, 0.55], [1.0, 0.0]])
    error, rows = naive_bayes.calibration(sure, np.array([0, 0, 0, 1, 0]), bins=5)
    np.testing.assert_allclose(rows, [[0.55, 1.0, 1], [(0.9 + 0.8 + 0.85 + 1) / 4, 3 / 4, 4]])
    assert error == pytest.approx((1 * 0.45 + 4 * (0.8875 - 0.75)) / 5)


# --- against scikit-learn ---------------------------------------------------------------------


@pytest.mark.parametrize("pseudo_count", [1.0, 0.03])
def test_bernoulli_is_that_of_scikit_learn(black_and_white, pseudo_count):
    x, y = black_and_white
    ours = naive_bayes.fit_bernoulli(x[:900], y[:900], 10, pseudo_count)
    theirs = sklearn_naive_bayes.BernoulliNB(alpha=pseudo_count).fit(x[:900], y[:900])
    joint = naive_bayes.log_joint(ours, x[900:])
    np.testing.assert_allclose(joint, theirs.predict_joint_log_proba(x[900:]), atol=1e-6)
    np.testing.assert_allclose(naive_bayes.posterior(joint), theirs.predict_proba(x[900:]), atol=1e-6)
    kernel, bias = naive_bayes.linear_form(ours)
    np.testing.assert_allclose(x[900:] @ kernel + bias, joint, atol=1e-9)


@pytest.mark.parametrize("smoothing", [1e-3, 0.03])
def test_gaussian_is_that_of_scikit_learn(grey, smoothing):
    x, y = grey
    ours = naive_bayes.fit_gaussian(x[:900], y[:900], 10, smoothing)
    theirs = sklearn_naive_bayes.GaussianNB(var_smoothing=smoothing).fit(x[:900], y[:900])
    joint = naive_bayes.log_joint(ours, x[900:])
    np.testing.assert_allclose(joint, theirs.predict_joint_log_proba(x[900:]), atol=1e-6)
    np.testing.assert_allclose(naive_bayes.posterior(joint), theirs.predict_proba(x[900:]), atol=1e-6)


def test_the_least_pseudo_count_leaves_nothing_impossible():
    """Beside 100,000 white pixels a smaller one would be lost, and a black one impossible."""
    white = np.ones((100_000, 1))
    model = naive_bayes.fit_bernoulli(white, np.zeros(100_000, int), 1, naive_bayes.LEAST_COUNT)
    assert model.theta[0, 0] < 1 and np.isfinite(naive_bayes.linear_form(model)[1]).all()


def test_samples_have_the_law_of_their_class(grey, black_and_white):
    bernoulli = naive_bayes.fit_bernoulli(*black_and_white, 10)
    drawn = naive_bayes.sample(bernoulli, 3, 4000, seed=5)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    np.testing.assert_allclose(drawn.mean(axis=0), bernoulli.theta[3], atol=5 * 0.5 / np.sqrt(4000))
    gaussian = naive_bayes.fit_gaussian(*grey, 10, 0.03)
    drawn = naive_bayes.sample(gaussian, 7, 4000, seed=5)
    spread = np.sqrt(gaussian.variance[7])
    assert np.abs((drawn.mean(axis=0) - gaussian.mean[7]) / spread).max() < 5 / np.sqrt(4000)
    np.testing.assert_allclose(drawn.std(axis=0), spread, rtol=0.06)
    np.testing.assert_array_equal(drawn, naive_bayes.sample(gaussian, 7, 4000, seed=5))
    assert np.any(drawn != naive_bayes.sample(gaussian, 7, 4000, seed=6))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: naive_bayes.fit_bernoulli(X * 2, Y, 2), "x must be 0 or 1 everywhere"),
        (lambda: naive_bayes.fit_bernoulli(X, Y, 2, 0), "the pseudo-count must be at least 1e-10, got 0"),
        (lambda: naive_bayes.fit_bernoulli(X, Y, 3), "class 2 of 0 to 2 has no picture"),
        (lambda: naive_bayes.fit_gaussian(X, Y, 2, -1), "the smoothing must be 0 or more, got -1"),
        (lambda: naive_bayes.fit_gaussian(X, Y, 2, 0), "a pixel never changes within a class"),
        (lambda: naive_bayes.calibration(np.ones((1, 1)), [0], 0), "bins must be at least 1, got 0"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


# --- the lessons ------------------------------------------------------------------------------


def answers(out):
    return [line for line in out.split("Answers, for these settings")[1].splitlines() if line[:2] in ("1.", "2.", "3.")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("naive_bayes", ("--threshold", "0.2", "--smoothing", "1e-9")),
        ("generative_discriminative", ("--threshold", "0.2", "--sizes", "20", "80")),
    ],
)
def test_other_settings_have_other_answers(name, change, tmp_path):
    found = []
    for words in ((), change):
        code, out, err = run(tmp_path, name, "--preset", "smoke", "--folder", f"run{len(words)}", *words)
        assert code == 0, err
        found.append(answers(out))
    assert all(one != other for one, other in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("name", "words", "sentence"),
    [
        ("naive_bayes", ("--threshold", "1"), "--threshold must be 0 or more and less than 1, got 1.0"),
        ("naive_bayes", ("--pseudo-count", "0"), "--pseudo-count must be from 1e-10 to 10000000000.0, got 0.0"),
        ("naive_bayes", ("--smoothing", "nan"), "--smoothing must be from 1e-20 to 10000000000.0, got nan"),
        ("naive_bayes", ("--test-pictures", "0"), "--test-pictures must be at least 10, got 0"),
        ("naive_bayes", ("--dataset", "folder:absent"), "there is no folder absent"),
        ("generative_discriminative", ("--sizes", "5", "100"), "--sizes must be at least 10, the number of classes"),
        ("generative_discriminative", ("--sizes", "10"), "one at least 20, got 10"),
        ("generative_discriminative", ("--pseudo-count", "1e-300"), "--pseudo-count must be from 1e-10 to "),
        ("generative_discriminative", ("--repeats", "0"), "--repeats must be at least 1, got 0"),
        ("generative_discriminative", ("--bins", "0"), "--bins must be from 1 to 1000, got 0"),
    ],
)
def test_bad_settings_are_one_sentence(name, words, sentence, tmp_path):
    code, out, err = run(tmp_path, name, *words)
    assert code == 2 and out == "" and err.count("\n") == 1 and sentence in err
    assert not (tmp_path / "runs").exists()


def test_the_file_says_what_the_model_says(tmp_path, monkeypatch, capsys, black_and_white):
    """Export, then judge a picture of the digits without TensorFlow; publish only what is better."""
    monkeypatch.setattr(runner, "EXPORTED", tmp_path / "exported")
    words = ("naive_bayes", "--preset", "smoke", "--publish", "--pseudo-count", "2.0", "--folder", "run")
    code, _, err = run(tmp_path, *words)
    assert code == 0, err
    folder = tmp_path / "exported" / "naive_bayes_digits"
    card = cards.read_card(folder)
    assert card["labels"] == list("0123456789") and card["config"]["pseudo_count"] == 2.0
    data = images.load("digits")
    x, y = data.test.images.reshape(-1, 64) / 255, data.test.labels
    ours = naive_bayes.fit_bernoulli(*black_and_white, 10, 2.0)
    joint = naive_bayes.log_joint(ours, x > 0.5)
    for precision, tolerance in (("fp32", 1e-3), ("fp16", 0.1), ("dynamic", 0.5)):
        model = runtime.load(folder, precision)
        given = [model.run("log_prob", image=each[None])["log_prob"][0] for each in images.to_float(data.test.images)]
        np.testing.assert_allclose(given, joint, atol=tolerance)
        quality = card["files"][precision]["quality"]
        assert quality["accuracy"] == pytest.approx((joint.argmax(axis=1) == y).mean(), abs=0.01)
        assert quality["log_likelihood"] == pytest.approx(naive_bayes.log_evidence(joint).mean(), abs=tolerance)
        assert quality["n"] == 360
    Image.fromarray(data.test.images[7, ..., 0]).save(tmp_path / "x.png")
    capsys.readouterr()
    assert edge_command.main([str(folder), "--image", str(tmp_path / "x.png")]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert f"log-likelihood {naive_bayes.log_evidence(joint)[7]:.1f} nats" in first
    assert second.split() == [str(joint[7].argmax()), f"{naive_bayes.posterior(joint)[7].max():.4f}"]
    code, _, err = run(tmp_path, *words[:-1], "again")
    assert code == 2 and "not published: naive_bayes_digits has ACCURACY" in err
