"""Hidden Markov models against brute force over all paths and TFP; Baum-Welch; the lessons on weather and letters."""

import re

import numpy as np
import pytest
from command import run

from recipes import lesson, letters
from zoo.probability import hidden_markov_model as hmm

MODEL = hmm.HiddenMarkovModel(
    (0.2, 0.5, 0.3),
    ((0.6, 0.3, 0.1), (0.0, 0.7, 0.3), (0.4, 0.2, 0.4)),
    ((0.1, 0.2, 0.3, 0.4), (0.25, 0.25, 0.4, 0.1), (0.7, 0.0, 0.1, 0.2)),
)
SYMBOLS = np.array([[0, 3, 2, 2, 1, 0], [1, 1, 3, 0, 2, 3]])


def test_every_path_by_hand():
    model = hmm.HiddenMarkovModel((0.6, 0.4), ((0.7, 0.3), (0.4, 0.6)), ((0.1, 0.9), (0.6, 0.4)))
    paths, logs = hmm.every_path(model, [1, 0])
    assert paths.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    by_hand = [0.6 * 0.9 * 0.7 * 0.1, 0.6 * 0.9 * 0.3 * 0.6, 0.4 * 0.4 * 0.4 * 0.1, 0.4 * 0.4 * 0.6 * 0.6]
    np.testing.assert_allclose(np.exp(logs), by_hand)
    log_alpha, evidence = hmm.forward(model, [[1, 0]])
    np.testing.assert_allclose(np.exp(log_alpha[0]), [[0.54, 0.16], [0.0442, 0.1548]])
    np.testing.assert_allclose(np.exp(evidence), [0.199])
    with pytest.raises(ValueError, match="more than 1000000 paths"):
        hmm.every_path(model, [0] * 20)


def test_forward_equals_brute_force_and_tfp():
    _, evidence = hmm.forward(MODEL, SYMBOLS)
    brute = [np.exp(hmm.every_path(MODEL, row)[1]).sum() for row in SYMBOLS]
    np.testing.assert_allclose(evidence, np.log(brute), rtol=1e-12)
    np.testing.assert_allclose(evidence, hmm.distribution(MODEL, 6).log_prob(SYMBOLS), rtol=1e-12)


def test_probabilities_of_all_sequences_sum_to_one():
    everything = np.stack(np.meshgrid(*[range(4)] * 4), axis=-1).reshape(-1, 4)
    np.testing.assert_allclose(np.exp(hmm.forward(MODEL, everything)[1]).sum(), 1, rtol=1e-12)


def test_posterior_equals_brute_force_and_tfp():
    gamma = hmm.posterior(MODEL, SYMBOLS)
    for row, symbols in enumerate(SYMBOLS):
        paths, logs = hmm.every_path(MODEL, symbols)
        weights = np.exp(logs) / np.exp(logs).sum()
        brute = np.stack([[weights[paths[:, t] == i].sum() for i in range(3)] for t in range(6)])
        np.testing.assert_allclose(gamma[row], brute, atol=1e-12)
    tfp = hmm.distribution(MODEL, 6).posterior_marginals(SYMBOLS).probs_parameter()
    np.testing.assert_allclose(gamma, tfp, atol=1e-12)


def test_viterbi_equals_brute_force_and_tfp():
    path, log_path = hmm.viterbi(MODEL, SYMBOLS)
    for row, symbols in enumerate(SYMBOLS):
        paths, logs = hmm.every_path(MODEL, symbols)
        assert path[row].tolist() == paths[logs.argmax()].tolist()
        np.testing.assert_allclose(log_path[row], logs.max(), rtol=1e-12)
    np.testing.assert_array_equal(path, hmm.distribution(MODEL, 6).posterior_mode(SYMBOLS))


def test_one_symbol_and_thousands():
    log_alpha, evidence = hmm.forward(MODEL, [[2]])
    np.testing.assert_allclose(np.exp(log_alpha[0, 0]), [0.06, 0.2, 0.03])
    np.testing.assert_allclose(hmm.posterior(MODEL, [[2]])[0, 0], np.array([0.06, 0.2, 0.03]) / 0.29)
    assert hmm.viterbi(MODEL, [[2]])[0].tolist() == [[1]]
    long = hmm.sample(MODEL, 1, 3000, seed=1)
    evidence = hmm.forward(MODEL, long)[1]
    assert np.isfinite(evidence).all() and evidence[0] < -2000  # exp of it is 0: only logarithms get so far


def test_a_baum_welch_step_is_the_expected_count_over_all_paths():
    """Equation 40 from its definition: every path counts its moves by its posterior probability."""
    first, moves, emitted = np.zeros(3), np.zeros((3, 3)), np.zeros((3, 4))
    for symbols in SYMBOLS:
        paths, logs = hmm.every_path(MODEL, symbols)
        for path, weight in zip(paths, np.exp(logs) / np.exp(logs).sum(), strict=True):
            first[path[0]] += weight
            np.add.at(moves, (path[:-1], path[1:]), weight)
            np.add.at(emitted, (path, symbols), weight)
    following, likelihood = hmm.baum_welch_step(MODEL, SYMBOLS)
    np.testing.assert_allclose(following.initial, first / first.sum(), rtol=1e-10)
    np.testing.assert_allclose(following.transitions, moves / moves.sum(axis=1, keepdims=True), rtol=1e-10)
    np.testing.assert_allclose(following.emissions, emitted / emitted.sum(axis=1, keepdims=True), rtol=1e-10)
    np.testing.assert_allclose(likelihood, hmm.forward(MODEL, SYMBOLS)[1].sum(), rtol=1e-12)


def test_a_state_that_is_never_visited_gets_equal_shares():
    model = hmm.HiddenMarkovModel((1, 0), ((1, 0), (0.3, 0.7)), ((0.2, 0.3, 0.5), (0.6, 0.2, 0.2)))
    following, _ = hmm.baum_welch_step(model, [[0, 1, 2, 2]])
    np.testing.assert_allclose(following.transitions, [[1, 0], [0.5, 0.5]])
    np.testing.assert_allclose(following.emissions, [[0.25, 0.25, 0.5], [1 / 3, 1 / 3, 1 / 3]])


def test_first_guesses_have_a_favourite_successor():
    for seed in range(4):
        moves = hmm.first_guess(3, 5, seed).transitions
        assert (moves[np.arange(3), (np.arange(3) + seed) % 3] > 0.5).all()


def test_the_likelihood_never_falls_and_the_model_is_found_again():
    true = hmm.HiddenMarkovModel((0.5, 0.5), ((0.9, 0.1), (0.2, 0.8)), ((0.7, 0.2, 0.1), (0.1, 0.1, 0.8)))
    symbols = hmm.sample(true, 40, 100, seed=3)
    learned, likelihoods = hmm.baum_welch(hmm.first_guess(2, 3, seed=0), symbols, 200, 1e-8)
    assert np.diff(likelihoods).min() > -1e-8
    assert likelihoods[-1] > hmm.forward(true, symbols)[1].sum()
    np.testing.assert_allclose(likelihoods[-1], hmm.forward(learned, symbols)[1].sum(), rtol=1e-12)
    order = learned.emissions[:, 0].argsort()[::-1]
    np.testing.assert_allclose(learned.emissions[order], true.emissions, atol=0.05)
    np.testing.assert_allclose(learned.transitions[order][:, order], true.transitions, atol=0.05)


def test_samples_have_the_probabilities_of_the_model():
    samples = hmm.sample(MODEL, 20_000, 3, seed=0)
    triples = np.stack(np.meshgrid(*[range(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    expected = np.exp(hmm.forward(MODEL, triples)[1]) * len(samples)
    seen = np.bincount(samples @ [16, 4, 1], minlength=64)
    possible = expected > 0
    assert not seen[~possible].any()
    assert (((seen - expected) ** 2)[possible] / expected[possible]).sum() < 110  # chi-square, 63 degrees: p = 0.0002
    assert (hmm.sample(MODEL, 5, 7, seed=0) == hmm.sample(MODEL, 5, 7, seed=0)).all()


def test_unigram_and_bigram_are_counts():
    symbols = np.array([[0, 1, 1], [2, 1, 1]])
    one, two = hmm.unigram(symbols, 3), hmm.bigram(symbols, 3)
    np.testing.assert_allclose(one.emissions, [[2 / 9, 5 / 9, 2 / 9]])
    np.testing.assert_allclose(two.transitions, [[1 / 4, 2 / 4, 1 / 4], [1 / 5, 3 / 5, 1 / 5], [1 / 4, 2 / 4, 1 / 4]])
    np.testing.assert_allclose(np.exp(hmm.forward(two, [[2, 1, 0]])[1]), [2 / 9 * 2 / 4 * 1 / 5])
    np.testing.assert_allclose(np.exp(hmm.forward(one, [[2, 1, 0]])[1]), [2 / 9 * 5 / 9 * 2 / 9])
    np.testing.assert_allclose(hmm.perplexity(hmm.forward(hmm.unigram([[0, 1, 2]], 3), [[0, 1]])[1][0], 2), 3)


def test_stationary_shares_do_not_change():
    shares = hmm.stationary(MODEL)
    np.testing.assert_allclose(shares @ MODEL.transitions, shares, atol=1e-12)
    np.testing.assert_allclose(shares.sum(), 1)


def test_smoothing_leaves_nothing_impossible():
    smooth = hmm.smooth(MODEL, 0.1)
    np.testing.assert_allclose(smooth.transitions[1], [0.1 / 3, 0.9 * 0.7 + 0.1 / 3, 0.9 * 0.3 + 0.1 / 3])
    assert smooth.emissions.min() > 0


def test_bad_tables_and_symbols_are_one_sentence():
    rows = ((0.5, 0.5), (0.5, 0.5))
    with pytest.raises(ValueError, match=r"row 2 of transitions .* sum to 1, got \[0.5 0.6\] with sum 1.1"):
        hmm.HiddenMarkovModel((0.5, 0.5), ((0.5, 0.5), (0.5, 0.6)), rows)
    with pytest.raises(ValueError, match=r"row 1 of emissions .* from 0 to 1"):
        hmm.HiddenMarkovModel((0.5, 0.5), rows, ((1.5, -0.5), (0.5, 0.5)))
    with pytest.raises(ValueError, match="row 1 of initial"):
        hmm.HiddenMarkovModel((0.5, np.nan), rows, rows)
    with pytest.raises(ValueError, match=r"transitions must have shape \(2, 2\) for 2 states, got \(1, 2\)"):
        hmm.HiddenMarkovModel((0.5, 0.5), rows[:1], rows)
    with pytest.raises(ValueError, match="the text is empty"):
        hmm.encode("", "abc")
    with pytest.raises(ValueError, match="unknown symbol 'x': known are a, b, c"):
        hmm.encode("abxc", "abc")
    with pytest.raises(ValueError, match="symbols must be 0 to 3, got 0 to 4"):
        hmm.forward(MODEL, [[0, 4]])
    with pytest.raises(ValueError, match="at least one step"):
        hmm.forward(MODEL, np.zeros((2, 0)))
    never = hmm.HiddenMarkovModel((1.0,), ((1.0,),), ((1.0, 0.0),))
    with pytest.raises(ValueError, match="probability 0"):
        hmm.baum_welch_step(never, [[0, 1]])
    assert hmm.encode("cab", "abc").tolist() == [2, 0, 1]


def answers(out):
    return [line for line in out.split("Answers")[1].splitlines() if line[:2] in ("1.", "2.", "3.")]


def test_the_weather_lesson_answers_by_its_settings(tmp_path):
    smoke = ("hidden_markov_model", "--preset", "smoke")
    code, out, err = run(tmp_path, *smoke)
    assert code == 0, err
    other = run(tmp_path, *smoke, "--stay", "0.6", "--ice-creams", "3", "1", "1", "3", "--folder", "other")[1]
    assert all(first != second for first, second in zip(answers(out), answers(other), strict=True))
    alpha = np.array([0.5, 0.5]) * (0.7, 0.1)
    for emitted in ((0.1, 0.6), (0.2, 0.3)):  # three ice creams, then two
        alpha = alpha @ [[0.8, 0.2], [0.2, 0.8]] * emitted
    assert f"after {np.log(5e-324) / np.log(alpha.sum()) * 3:.0f} days like these" in out
    for words, sentence in (
        (("--stay", "1.2"), "--stay must be a probability from 0 to 1, got 1.2"),
        (("--ice-creams", "1", "4"), "--ice-creams must be from 1 to 3 on every day"),
        (("--ice-creams", "1"), "--ice-creams must have 2 to 16 days, got 1"),
        (("--diaries", "0"), "--diaries must be from 1 to 10000, got 0"),
    ):
        code, _, err = run(tmp_path, *smoke, *words, "--folder", "bad")
        assert code == 2 and sentence in err, err
    assert not (tmp_path / "bad").exists()


def test_vowels_and_consonants_separate(tmp_path, capsys):
    """On words of turns of vowel and consonant the two states must find them, and `separate` must say so."""
    random = np.random.default_rng(0)
    consonants = [letter for letter in letters.ALPHABET[1:] if letter not in letters.VOWELS]
    text = "".join(f"{random.choice(consonants)}{random.choice(list(letters.VOWELS))}" for _ in range(32 * 40))
    rows = letters.cut(text)
    assert rows.shape == (40, 64)
    fitted, _ = hmm.baum_welch(hmm.first_guess(2, 27, seed=1), rows, 100)
    shares, owners, kinds = letters.separate(fitted, rows)
    letters.tell_states(lesson.Lesson("letters", tmp_path / "new"), fitted, rows)
    out = capsys.readouterr().out
    assert "5 of 5 vowels" in out and "21 of 21 consonants" in out
    no_z = np.where(rows == letters.ALPHABET.index("z"), letters.ALPHABET.index("b"), rows)
    letters.tell_states(lesson.Lesson("letters", tmp_path / "no_z"), fitted, no_z)
    out = capsys.readouterr().out
    assert "20 of 20 consonants" in out and "z" not in "".join(re.findall(r"state \d .* (\S+)$", out, re.MULTILINE))
    np.testing.assert_allclose(shares.sum(), 1)
    assert sorted(kinds.tolist()) == [False, True]
    assert [letter for letter in letters.ALPHABET[1:] if kinds[owners[letters.ALPHABET.index(letter)]]] == list("aeiou")


def test_the_lesson_on_letters_takes_ones_own_text(tmp_path):
    words = "the quick brown fox jumps over the lazy dog and then sleeps all day in the warm sun\n\n"
    (tmp_path / "own.txt").write_text(words * 40)
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "empty.txt").write_text("")
    code, out, err = run(tmp_path, "letters", "--preset", "smoke", "--text", "file:own.txt", "--states", "3")
    assert code == 0, err
    assert "own.txt" in out and "What 3 states have become" in out
    assert answers(out) != answers(run(tmp_path, "letters", "--preset", "smoke", "--folder", "other")[1])
    for text, sentence in (
        ("file:short.txt", "short.txt is too short"),
        ("file:empty.txt", "empty.txt is too short"),
        ("file:none.txt", "none.txt cannot be read"),
        ("nowhere_text", "there is no text 'nowhere_text'"),
    ):
        code, _, err = run(tmp_path, "letters", "--text", text, "--folder", "bad")
        assert (code, err.count("\n")) == (2, 1) and sentence in err, err
    assert not (tmp_path / "bad").exists()
