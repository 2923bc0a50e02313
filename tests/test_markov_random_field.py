"""Markov random fields against enumeration, Kaufman, Onsager and Yang; detailed balance; pictures freed of noise."""

import re

import numpy as np
import pytest
import tensorflow as tf
from command import run
from scipy import special, stats

from zoo.probability import markov_random_field as mrf

RANDOM_FIELD = np.array([[0.3, -0.7, 0.1], [0.9, 0.0, -0.4], [-0.2, 0.5, 0.6]])
GRIDS = {
    "torus 2 x 2": mrf.ising(2, 2, 0.8, 0.3),
    "free 3 x 3 with fields": mrf.ising(3, 3, 0.8, RANDOM_FIELD, periodic=False),
    "Potts 2 x 2": mrf.potts(2, 2, 3, 1.3),
    "Potts free 2 x 3": mrf.potts(2, 3, 3, -0.9, periodic=False),
}


def slow_energy(spins, coupling, field, periodic):
    """E of +1 and -1 by loops over sites."""
    rows, columns = spins.shape
    total = -np.sum(field * spins)
    for i in range(rows):
        for j in range(columns):
            for k, m in ((i + 1, j), (i, j + 1)):
                if periodic or (k < rows and m < columns):
                    total -= coupling * spins[i, j] * spins[k % rows, m % columns]
    return total


@pytest.mark.parametrize("periodic", [True, False])
def test_the_ising_energy_is_that_of_its_definition(periodic):
    labels = np.random.default_rng(0).integers(0, 2, (4, 3, 3))
    grid = mrf.ising(3, 3, 1.7, RANDOM_FIELD, periodic)
    by_loops = [slow_energy(2 * each - 1, 1.7, RANDOM_FIELD, periodic) for each in labels]
    np.testing.assert_allclose(mrf.energy(grid, labels), by_loops, rtol=1e-12)


def test_the_potts_energy_by_hand():
    labels = np.array([[0, 0, 2], [1, 0, 2]])
    assert mrf.energy(mrf.potts(2, 3, 3, 10.0, periodic=False), labels) == -30.0  # two down, one to the right
    assert mrf.energy(mrf.potts(2, 3, 3, 10.0), labels) == -50.0  # and the two down counted again, around the torus


def test_the_order_by_hand():
    labels = np.array([[0, 0, 2], [1, 0, 2]])
    np.testing.assert_allclose(mrf.order(labels, 3), (3 * 3 / 6 - 1) / 2, rtol=1e-6)
    magnetisation = np.mean(2 * (labels // 2) - 1)
    np.testing.assert_allclose(mrf.order(labels // 2, 2), abs(magnetisation), rtol=1e-6)


def test_conditionals_are_those_of_the_joint_distribution():
    for grid in GRIDS.values():
        if grid.periodic and grid.unary.shape[0] == 2:
            continue  # the two ways around are one neighbour twice, checked by the energies below
        labels = mrf.every_state(grid)[17]
        given = tf.nn.softmax(mrf.conditional_logits(grid, labels, tf.constant(0.7, tf.float64)))
        for row, column in np.ndindex(labels.shape):
            changed = np.tile(labels, (grid.states, 1, 1))
            changed[:, row, column] = range(grid.states)
            expected = tf.nn.softmax(-0.7 * mrf.energy(grid, changed))
            np.testing.assert_allclose(given[row, column], expected, rtol=1e-12)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("sampler", mrf.SAMPLERS)
def test_each_half_of_a_sweep_is_in_detailed_balance(name, sampler):
    grid, beta = GRIDS[name], 0.6
    probabilities = mrf.exact(grid, beta)[0]
    for white in (True, False):
        matrix = mrf.transitions(grid, beta, sampler, white)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-12)
        flow = probabilities[:, None] * matrix
        np.testing.assert_allclose(flow, flow.T, atol=1e-15)
        assert np.abs(matrix - np.eye(len(matrix))).max() > 0.1


@pytest.mark.parametrize("sampler", mrf.SAMPLERS)
def test_a_sweep_moves_as_the_transition_matrices_say(sampler):
    """20,000 sweeps from one state against the product of both halves: chi-square."""
    grid, beta, start = GRIDS["Potts free 2 x 3"], 0.8, 205
    states = mrf.every_state(grid)
    matrix = mrf.transitions(grid, beta, sampler, True) @ mrf.transitions(grid, beta, sampler, False)
    labels = np.tile(states[start], (20_000, 1, 1))
    moved = mrf.sample(grid, labels, np.full(len(labels), beta), 1, 5, sampler).labels
    places = np.ravel_multi_index(moved.reshape(len(moved), -1).T, (3,) * 6)
    expected = matrix[start] * len(labels)
    often = expected > 5
    seen = np.bincount(places, minlength=len(states))
    test = stats.chisquare(
        np.append(seen[often], seen[~often].sum()), np.append(expected[often], expected[~often].sum())
    )
    assert test.pvalue > 1e-3 and often.sum() > 50


@pytest.mark.parametrize("sampler", mrf.SAMPLERS)
def test_long_chains_have_the_exact_energy_and_order(sampler):
    grid, beta = mrf.ising(4, 4, 1.0, 0.1), 0.3
    _, mean_energy, mean_order = mrf.exact(grid, beta)
    chains = mrf.sample(grid, np.ones((400, 4, 4)), np.full(400, beta), 120, 7, sampler)
    for values, exact in ((chains.energies, mean_energy), (chains.orders, mean_order)):
        means = values[60:].mean(axis=0)
        assert abs(means.mean() - exact) < 4 * means.std(ddof=1) / np.sqrt(len(means))
        assert means.std(ddof=1) / np.sqrt(len(means)) < 0.02 * abs(exact)
    np.testing.assert_allclose(chains.energies[-1], mrf.energy(grid, chains.labels), atol=1e-9)
    np.testing.assert_allclose(chains.shares.sum(axis=-1), 1, atol=1e-5)


def test_chains_of_several_temperatures_and_seeds():
    grid = mrf.potts(4, 4, 3)
    cold_and_hot = mrf.sample(grid, np.ones((2, 4, 4)), [50.0, 1e-6], 40, 1)
    assert (cold_and_hot.labels[0] == 1).all() and cold_and_hot.orders[:, 0].min() == 1
    np.testing.assert_allclose(cold_and_hot.shares[1].mean(axis=(0, 1)), 1 / 3, atol=0.08)
    again = mrf.sample(grid, np.ones((2, 4, 4)), [50.0, 1e-6], 40, 1)
    np.testing.assert_array_equal(again.labels, cold_and_hot.labels)
    assert (mrf.sample(grid, np.ones((2, 4, 4)), [50.0, 1e-6], 40, 2).labels[1] != again.labels[1]).any()


def test_kaufman_is_enumeration():
    betas = np.array([0.15, 0.4406867935097715, 0.9])  # the middle one is critical
    for rows, columns in ((4, 4), (2, 4), (4, 3)):
        grid = mrf.ising(rows, columns, 1.3)
        energies = mrf.energy(grid, mrf.every_state(grid)).numpy()
        log_partition = [special.logsumexp(-beta / 1.3 * energies) for beta in betas]
        np.testing.assert_allclose(mrf.torus_log_partition(rows, columns, betas / 1.3, 1.3), log_partition, rtol=1e-10)
        exact = [mrf.exact(grid, beta / 1.3)[1] / (rows * columns) for beta in betas]
        np.testing.assert_allclose(mrf.torus_energy(rows, columns, betas / 1.3, 1.3), exact, rtol=1e-6)


def test_the_infinite_grid():
    betas = np.array([0.2, 0.35, 0.6, 1.0])
    modulus = 2 * np.sinh(2 * betas) / np.cosh(2 * betas) ** 2
    elliptic = special.ellipk(modulus**2)
    onsager = -(1 + 2 / np.pi * (2 * np.tanh(2 * betas) ** 2 - 1) * elliptic) / np.tanh(2 * betas)
    np.testing.assert_allclose(mrf.onsager_energy(betas), onsager, rtol=1e-12)
    np.testing.assert_allclose(mrf.torus_energy(80, 80, betas), onsager, rtol=1e-8)  # a large torus is as good
    critical = mrf.critical_temperature(2, 2 * 1.3)
    np.testing.assert_allclose(np.sinh(2 * 1.3 / critical), 1, rtol=1e-12)
    np.testing.assert_allclose(mrf.onsager_energy(1 / critical, 1.3), -1.3 * np.sqrt(2), rtol=1e-6)
    assert (
        mrf.yang_magnetisation(1 / (critical * 1.001), 1.3) == 0 < mrf.yang_magnetisation(1 / (critical * 0.999), 1.3)
    )
    np.testing.assert_allclose(mrf.yang_magnetisation(0.5), (1 - np.sinh(1.0) ** -4) ** 0.125)


def test_icm_climbs_to_a_state_that_no_single_site_improves():
    random = np.random.default_rng(2)
    grid = mrf.ising(6, 7, 0.5, random.normal(size=(3, 6, 7)), periodic=False)
    start = random.integers(0, 2, (3, 6, 7))
    end = mrf.icm(grid, start)
    assert (mrf.energy(grid, end).numpy() < mrf.energy(grid, start).numpy()).all()
    for row, column in np.ndindex(6, 7):
        flipped = end.copy()
        flipped[:, row, column] = 1 - flipped[:, row, column]
        assert (mrf.energy(grid, flipped).numpy() >= mrf.energy(grid, end).numpy()).all()


def test_pseudo_likelihood_finds_coupling_and_field_again():
    grid = mrf.ising(16, 16, 0.3, 0.1, periodic=False)
    pictures = mrf.sample(grid, np.zeros((60, 16, 16)), np.ones(60), 60, 3).labels
    coupling, field = mrf.fit_ising(pictures)
    assert abs(coupling - 0.3) < 0.03 and abs(field - 0.1) < 0.03
    from sklearn import linear_model

    padded = np.pad(2 * pictures - 1, ((0, 0), (1, 1), (1, 1)))
    around = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    theirs = linear_model.LogisticRegression(C=np.inf, tol=1e-8).fit(2 * around.reshape(-1, 1), pictures.ravel())
    np.testing.assert_allclose([coupling, 2 * field], [theirs.coef_[0, 0], theirs.intercept_[0]], atol=1e-4)


def test_bad_settings_are_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="even sides, got 3 x 4"):
        mrf.sample(mrf.ising(3, 4), np.zeros((1, 3, 4)), [1.0], 1, 0)
    with pytest.raises(ValueError, match="sampler must be one of gibbs, metropolis, got 'wolff'"):
        mrf.sample(mrf.ising(2, 2), np.zeros((1, 2, 2)), [1.0], 1, 0, "wolff")
    with pytest.raises(ValueError, match="more than 1000000 states"):
        mrf.every_state(mrf.ising(5, 5))
    with pytest.raises(ValueError, match="at least 2, got 1, 4 and 2"):
        mrf.ising(1, 4)
    for words, sentence in (
        (("--size", "5"), "--size must be even"),
        (("--temperatures", "1", "0"), "--temperatures must be from 0.1 to 1000"),
        (("--temperatures", "nan"), "--temperatures must be from 0.1 to 1000"),
        (("--temperatures", "1e-3"), "--temperatures must be from 0.1 to 1000"),
        (("--noise", "0.5"), "--noise must be a probability above 0 and below 0.5, got 0.5"),
        (("--chains", "1"), "--chains must be from 2 to 1000"),
        (("--dataset", "folder:none"), "there is no folder none"),
        (("--image-size", "1"), "must have sides of at least 2, got (1, 1, 1)"),
    ):
        code, _, err = run(tmp_path, "markov_random_field", *words, "--folder", "bad")
        assert (code, err.count("\n")) == (2, 1) and sentence in err, err
    assert not (tmp_path / "bad").exists()


@pytest.mark.slow
def test_the_lesson_answers_by_its_settings(tmp_path):
    smoke = ("markov_random_field", "--preset", "smoke", "--folder")
    code, out, err = run(tmp_path, *smoke, "one")
    assert code == 0, err
    other = run(tmp_path, *smoke, "two", "--size", "2", "--noise", "0.2", "--temperatures", "8", "9")[1]
    assert re.search(r"widest error bar is at T = (8, 5.73|9, 6.73) from T_c", " ".join(other.split()))
    for first, second in zip(*(text.split("Answers")[1].splitlines()[2:5] for text in (out, other)), strict=True):
        assert first != second
