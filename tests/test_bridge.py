"""The bridge from mixtures to GANs: the true density, the measures, and what each model says of its own."""

import numpy as np
import pytest
from command import run
from scipy import stats
from sklearn import datasets

from recipes import bridge

SMALL = {
    "points": 300,
    "components": 3,
    "couplings": 2,
    "flow_steps": 5,
    "vae_steps": 5,
    "gan_steps": 2,
    "importance_samples": 6,
}


@pytest.fixture(scope="module")
def models():
    config = bridge.Config(**SMALL)
    return bridge.learn(config, bridge.draw_moons(config.points, config.noise, 0))


def on_a_grid(log_prob, reach=2.0, count=201):
    """The integral of exp(log_prob) over a square."""
    axis = np.linspace(-reach, reach, count, dtype=np.float32)
    plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return np.exp(np.float64(log_prob(plane))).sum() * (axis[1] - axis[0]) ** 2


def test_moons_are_those_of_scikit_learn():
    angles = np.linspace(0, np.pi, 50)
    theirs, lower = datasets.make_moons(100, shuffle=False)
    ours = bridge.moon_centres(angles, np.zeros(50, bool)) / bridge.SCALE + [0.5, 0.25]
    np.testing.assert_allclose(ours, theirs[lower == 0], atol=1e-12)
    lower_moon = bridge.moon_centres(angles, np.ones(50, bool)) / bridge.SCALE + [0.5, 0.25]
    np.testing.assert_allclose(lower_moon, theirs[lower == 1], atol=1e-12)


def test_the_true_density_is_that_of_the_points():
    assert on_a_grid(lambda x: bridge.moons_log_prob(x, 0.2)) == pytest.approx(1, abs=1e-3)
    points = bridge.draw_moons(40_000, 0.2, seed=3)
    square = np.abs(points - [0.1, -0.4]).max(axis=1) < 0.15  # the share of points in a square, by its density
    axis = np.linspace(-0.15, 0.15, 31)
    plane = np.stack(np.meshgrid(axis + 0.1, axis - 0.4), axis=-1).reshape(-1, 2)
    share = np.exp(bridge.moons_log_prob(plane, 0.2)).mean() * 0.09
    assert square.mean() == pytest.approx(share, rel=0.05)


def test_sliced_wasserstein():
    points = np.random.default_rng(0).standard_normal((500, 2))
    assert bridge.sliced_wasserstein(points, points) == 0
    moved = bridge.sliced_wasserstein(points, points + np.array([3.0, 4.0]))
    assert moved == pytest.approx(5 * 2 / np.pi, rel=1e-3)  # the mean of |cos| over all directions
    one = np.abs(stats.norm.ppf((np.arange(500) + 0.5) / 500)).mean()
    assert bridge.sliced_wasserstein(points, 0 * points) == pytest.approx(one, rel=0.1)


@pytest.mark.parametrize("name", ["mixture", "flow", "GAN"])
def test_densities_integrate_to_one(models, name):
    assert on_a_grid(models[0][name].log_prob, reach=6.0, count=401) == pytest.approx(1, abs=0.02)


def test_the_bound_is_a_density_s_from_below(models):
    view = models[0]["VAE"]
    points = bridge.draw_moons(50, 0.1, seed=5)
    weights = view.log_weights(points, 40)
    elbo = weights.mean()
    assert weights.shape == (40, 50)
    assert elbo < view.log_prob(points).mean()  # k = 6
    # Its expectation over the square is no more than p's, which is 1.
    assert on_a_grid(view.log_prob, reach=5.0, count=101) < 1.05


def test_every_view_samples(models):
    for name, view in models[0].items():
        samples = view.sample(64)
        assert samples.shape == (64, 2), name
        assert np.ptp(samples, axis=0).min() > 0, name
        assert np.isfinite(view.log_prob(np.float32(samples))).all()
    assert {name: view.kind for name, view in models[0].items()} == {
        "mixture": "exact",
        "flow": "exact",
        "VAE": "bound",
        "GAN": "stand-in",
    }
    assert models[1]["double"] != models[1]["chosen"]


def test_the_truth_is_measured_as_the_truth():
    held_out = bridge.draw_moons(2000, 0.1, seed=1)
    truth = bridge.View(
        lambda count: bridge.draw_moons(count, 0.1, seed=2), lambda x: bridge.moons_log_prob(x, 0.1), "exact"
    )
    row = bridge.measure(truth, held_out)
    wide = bridge.View(
        lambda count: bridge.draw_moons(count, 0.4, seed=2), lambda x: bridge.moons_log_prob(x, 0.4), "exact"
    )
    other = bridge.measure(wide, held_out)
    assert row["log p(x)"] > other["log p(x)"] + 0.3
    assert row["sliced W1"] < other["sliced W1"]
    assert row["precision"] > 0.95 > 0.8 > other["precision"]
    assert row["coverage"] > 0.95


@pytest.mark.slow
def test_answers_follow_the_question(tmp_path):
    answers = []
    for number, query in enumerate((("0", "0"), ("0.5", "-0.5"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        code, out, err = run(folder, "bridge", "--preset", "smoke", "--query", *query)
        assert code == 0, err
        answers.append([line for line in out.splitlines() if line.startswith("3. truth")])
    assert len(answers[0]) == len(answers[1]) == 1
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--points", "50"], "--points must be from 100 to 50000, got 50"),
        (["--couplings", "1"], "--couplings must be at least 2, got 1"),
        (["--components", "5000"], "--components must be at most the 3000 points, got 5000"),
        (["--noise", "0"], "--noise must be 0.02 to 1, got 0.0"),
        (["--query", "20", "0"], "--query must be two numbers between -10 and 10"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence(words, sentence, tmp_path):
    code, _, err = run(tmp_path, "bridge", *words)
    assert code == 2
    assert err.startswith("error: ") and sentence in err and err.count("\n") == 1
    assert not list(tmp_path.rglob("*.png"))
