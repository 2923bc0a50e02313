"""Latent Dirichlet allocation: scikit-learn from the same start, the bound, topics found again, the grammar."""

import numpy as np
import pytest
from command import run
from scipy import special, stats
from sklearn import decomposition

from recipes import lda as recipe
from zoo.probability import lda

TOPICS = np.array([[0.5, 0.3, 0.1, 0.05, 0.03, 0.02], [0.02, 0.03, 0.05, 0.2, 0.3, 0.4]])
ALPHA, ETA = 0.4, 0.2
START = np.random.RandomState(5).gamma(100.0, 0.01, (3, 6))  # what scikit-learn draws with random_state=5


@pytest.fixture(scope="module")
def corpus():
    return lda.write(TOPICS, ALPHA, documents=60, length=30, seed=1)


@pytest.fixture(scope="module")
def fitted(corpus):
    return lda.fit(corpus[0], START, ALPHA, ETA, 12, tolerance=-1, exactness=1e-10)


def test_same_start_same_end_as_scikit_learn(corpus):
    topics, _, bounds = lda.fit(corpus[0], START[:2], 1.0, ETA, 3, tolerance=-1, exactness=1e-12)
    theirs = decomposition.LatentDirichletAllocation(
        2,
        doc_topic_prior=1.0,
        topic_word_prior=ETA,
        max_iter=3,
        random_state=5,
        mean_change_tol=1e-12,
        max_doc_update_iter=2000,
    ).fit(corpus[0])
    np.testing.assert_allclose(topics, theirs.components_, rtol=1e-5)
    assert len(bounds) == 3
    again, _ = lda.infer(corpus[0], lda.expected_log(topics), 1.0, tolerance=1e-12, most=2000)
    np.testing.assert_allclose(lda.as_rows(again), theirs.transform(corpus[0]), atol=1e-6)
    np.testing.assert_allclose(lda.bound(corpus[0], again, topics, 1.0, ETA), theirs.score(corpus[0]), rtol=1e-8)


def test_the_bound_never_falls(corpus, fitted):
    bounds = fitted[2]
    assert np.diff(bounds).min() > -1e-8 * abs(bounds[-1]) and bounds[-1] - bounds[0] > 1
    _, _, short = lda.fit(corpus[0], START, ALPHA, ETA, 200, tolerance=1e-4)
    growth = np.diff(short) / corpus[0].sum()
    assert (growth[:-1] >= 1e-4).all() and growth[-1] < 1e-4


def test_the_bound_lies_below_the_evidence():
    """With known topics ln p(words) is an integral over one share, of Beta distribution; the bound is close below."""
    counts = np.array([[1, 0, 0, 0, 0, 1]])
    known = TOPICS * 1e7  # Dirichlet distributions so narrow that the topics are TOPICS
    gamma, _ = lda.infer(counts, np.log(TOPICS), ALPHA, tolerance=1e-12)
    of_topics = lda.bound(0 * counts, np.full((1, 2), ALPHA), known, ALPHA, ETA)  # no words: the topics' part alone
    ours = lda.bound(counts, gamma, known, ALPHA, ETA) - of_topics
    share = stats.beta(ALPHA, ALPHA).ppf((np.arange(100_000) + 0.5) / 100_000)
    words = np.prod([share * TOPICS[0, w] + (1 - share) * TOPICS[1, w] for w in (0, 5)], axis=0)
    evidence = np.log(words.mean())
    assert evidence - 0.5 < ours < evidence
    assert lda.bound(counts, gamma * 1.3, known, ALPHA, ETA) - of_topics < ours  # gamma is the best one


def test_one_topic_has_a_closed_form(corpus):
    """With K = 1 nothing is hidden: lambda is eta plus the counts."""
    topics, gamma, bounds = lda.fit(corpus[0], START[:1], ALPHA, ETA, 3, tolerance=-1)
    np.testing.assert_allclose(topics[0], ETA + corpus[0].sum(axis=0))
    np.testing.assert_allclose(gamma[:, 0], ALPHA + corpus[0].sum(axis=1))
    counts = corpus[0].sum(axis=0)
    evidence = special.gammaln(6 * ETA) - special.gammaln(6 * ETA + counts.sum())
    evidence += np.sum(special.gammaln(ETA + counts) - special.gammaln(ETA))
    np.testing.assert_allclose(bounds[-1], evidence, rtol=1e-8)  # the bound is tight: ln p(words), a Polya distribution


def test_topics_and_shares_are_found_again():
    counts, shares = lda.write(TOPICS, ALPHA, documents=300, length=100, seed=2)
    topics, gamma, _ = lda.fit(counts, lda.first_guess(counts, 2, seed=0), ALPHA, ETA, 100, 1e-7)
    true_index, found_index, distances = recipe.match(lda.as_rows(topics), TOPICS)
    assert true_index.tolist() == [0, 1] and distances[true_index, found_index].max() < 0.05
    assert np.abs(lda.as_rows(gamma)[:, found_index] - shares).mean() < 0.08


def test_a_first_guess_has_documents_of_every_kind():
    kinds = np.repeat(np.eye(3) * 20, 15, axis=0)
    for seed in range(10):
        assert set(lda.first_guess(kinds, 3, seed).argmax(axis=1)) == {0, 1, 2}


def test_inference_stops_when_every_document_stands_still(corpus):
    gamma, _ = lda.infer(corpus[0], np.log(TOPICS), ALPHA, tolerance=1e-3)
    following, _ = lda.infer(corpus[0], np.log(TOPICS), ALPHA, gamma, most=1)
    change = np.abs(following - gamma).mean(axis=1)
    assert 1e-6 < change.max() < 1e-3  # and not much later


def test_halves_are_two_halves(corpus):
    first, second = lda.halves(corpus[0], seed=3)
    np.testing.assert_array_equal(first + second, corpus[0])
    assert first.min() >= 0 and second.min() >= 0 and (first.sum(axis=1) == 15).all()
    assert (first != second).any()


def test_completion_perplexity_by_hand():
    """One topic: the shares do not matter, and the perplexity is that of its words."""
    topics = np.array([[0.5, 0.25, 0.25]])
    seen, unseen = np.array([[1, 0, 1]]), np.array([[2, 1, 0]])
    expected = np.exp(-(2 * np.log(0.5) + np.log(0.25)) / 3)
    np.testing.assert_allclose(lda.completion_perplexity(seen, unseen, topics, 0.3), expected)
    np.testing.assert_allclose(lda.completion_perplexity(seen, unseen, np.full((2, 3), 1 / 3), 0.3), 3)


def test_the_truth_foretells_best(corpus):
    counts, _ = lda.write(TOPICS, ALPHA, documents=400, length=40, seed=9)
    halves = lda.halves(counts, seed=0)
    truth = lda.completion_perplexity(*halves, TOPICS, ALPHA)
    one = lda.completion_perplexity(*halves, lda.as_rows(corpus[0].sum(axis=0, keepdims=True)), ALPHA)
    swapped = lda.completion_perplexity(*halves, TOPICS[:, ::-1] * 0.5 + 0.5 / 6, ALPHA)
    assert truth < swapped and truth < one


def test_bad_counts_are_one_sentence():
    start = np.ones((2, 3))
    with pytest.raises(ValueError, match="document 2 of 2 has no words"):
        lda.fit([[1, 0, 2], [0, 0, 0]], start, ALPHA, ETA)
    with pytest.raises(ValueError, match="numbers from 0 up"):
        lda.fit([[1, 0, -2]], start, ALPHA, ETA)
    with pytest.raises(ValueError, match=r"alpha and eta must be positive, got 0 and 0\.2"):
        lda.fit([[1, 0, 2]], start, 0, ETA)
    with pytest.raises(ValueError, match="topics must be at least 1, got 0"):
        lda.check([[1, 0, 2]], 0)
    assert lda.first_guess([[1, 0, 2], [3, 0, 0]], 2, seed=0).min() > 0  # although nobody has the second word
    with pytest.raises(ValueError, match="topics must be at most 1"):
        lda.first_guess([[1, 0, 2]], 2, seed=0)


def test_the_grammar_writes_its_topics():
    config = recipe.Config(documents=800, sentences=20, alpha=0.05)
    counts, held_out, words, (topics, shares, text) = recipe.load_grammar(config)
    np.testing.assert_allclose(topics.sum(axis=1), 1)
    assert counts.shape == (800, len(words)) and len(held_out) == 200 and (counts.sum(axis=1) == 80).all()
    pure = shares.argmax(axis=1)[:, None] == range(5)
    pure &= shares > 0.98
    for topic in range(5):
        seen = counts[pure[:, topic]].sum(axis=0)
        assert np.abs(seen / seen.sum() - topics[topic]).sum() / 2 < 0.05
    assert topics[0, words.index("rain")] == pytest.approx(0.5 / (1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5 + 1 / 6))
    assert text.startswith("the ") and text.count(".") == 20


def test_the_lesson_answers_by_its_settings_and_refuses_bad_ones(tmp_path, monkeypatch):
    smoke = ("lda", "--preset", "smoke", "--folder")
    code, out, err = run(tmp_path, *smoke, "one")
    assert code == 0, err
    other = run(tmp_path, *smoke, "two", "--alpha", "0.9", "--topics", "4", "--seed", "3")[1]
    for number in ("1. ", "2. ", "3. "):
        first, second = (
            next(line for line in text.split("Answers")[1].splitlines() if line.startswith(number))
            for text in (out, other)
        )
        assert first != second
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "nothing"))
    from zoo.datasets import downloads

    monkeypatch.setattr(downloads, "SKLEARN_HOST", ("127.0.0.1", 9))
    for words, sentence in (
        (("--alpha", "0"), "--alpha must be above 0"),
        (("--topics", "0"), "--topics must be at least 1, got 0"),
        (("--preset", "smoke", "--more-topics", "25"), "--topics and --more-topics must be at most 24"),
        (("--corpus", "newsgroups"), "the 20 newsgroups are not in"),
    ):
        code, _, err = run(tmp_path, "lda", *words, "--folder", "bad")
        assert (code, err.count("\n")) == (2, 1) and sentence in err, err
    assert not (tmp_path / "bad").exists()


def test_newsgroups_are_read_where_they_are(tmp_path, monkeypatch):
    """The preset, with a few posts of the kind in the place of the download."""
    from zoo.datasets import text

    random = np.random.default_rng(0)
    kinds = (["orbit", "rocket", "moon", "launch", "planet"], ["goal", "hockey", "team", "player", "season"])
    posts = [" ".join(random.choice(kinds[index % 2], 20)) + " the and 123" for index in range(120)]
    monkeypatch.setattr(text, "newsgroups", lambda: posts)
    words = ("--documents", "100", "--topics", "2", "--more-topics", "3", "--vocabulary", "50", "--starts", "4")
    code, out, err = run(tmp_path, "lda", "--preset", "newsgroups", *words)
    assert code == 0, err
    found = [line.split()[3:] for line in out.splitlines() if line.startswith("topic ")]
    assert {frozenset(each[:5]) for each in found} == {frozenset(kind) for kind in kinds}
