"""Latent Dirichlet allocation: topics found in a heap of texts, known ones and those of the 20 newsgroups.

    python -m recipes lda                           # texts that a small grammar writes: the true topics are known
    python -m recipes lda --documents 50            # with fewer texts
    python -m recipes lda --preset newsgroups       # by scikit-learn, when it has them or can fetch them

The default takes 36 s on two cores of an older AMD EPYC, imports included.
"""

from dataclasses import dataclass
from typing import Literal

from recipes import lesson

KIND = "lesson"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the lesson."""

    corpus: Literal["grammar", "newsgroups"] = "grammar"
    """The texts."""
    documents: int = 400
    """To learn from; a quarter more are held out."""
    sentences: int = 12
    """Of each text that the grammar writes, of four words that count."""
    vocabulary: int = 1000
    """Most frequent words that are kept of the newsgroups."""
    topics: int = 5
    """To look for."""
    more_topics: tuple[int, ...] = (2, 3, 4, 6, 8, 12)
    """Further numbers of topics, for the perplexity."""
    alpha: float = 0.2
    """Of the Dirichlet prior of a text's shares: small means few topics in a text."""
    eta: float = 0.1
    """Of the Dirichlet prior of a topic's words: small means few words in a topic."""
    starts: int = 4
    """Random first guesses; the one with the highest bound is kept."""
    iterations: int = 100
    """Of variational EM at most."""
    seed: int = 0
    """Of texts and first guesses."""
    folder: str | None = None
    """Of the figures, new; None makes runs/lda-<time>."""


PRESETS = {
    "lesson": Config(),
    "newsgroups": Config(
        corpus="newsgroups", documents=2000, topics=10, more_topics=(5, 20), starts=1, iterations=40, alpha=0.1
    ),
    "smoke": Config(documents=24, sentences=4, topics=3, more_topics=(2,), starts=1, iterations=5),
}
GRAMMAR = {  # topic -> adjectives, nouns, verbs, the frequent ones first; some words belong to two topics
    "weather": ("cold bright heavy grey", "rain wind cloud storm sun season", "covers blows brings clears"),
    "kitchen": ("sweet fresh hot heavy", "soup bread pan roll pepper season", "cooks stirs serves covers"),
    "sport": ("fast strong young hot", "team goal ball pitch score match", "wins throws serves catches"),
    "music": ("soft bright slow sweet", "song score pitch drum choir violin", "plays sings tunes brings"),
    "sky": ("distant bright dark young", "star moon sun planet orbit comet", "circles shines crosses covers"),
}
SHOWN = 8  # words of a topic


def run(config):
    """Write or fetch texts, find topics, compare with the truth and with scikit-learn."""
    check(config)
    texts, held_out, words, truth = load(config)
    most = max((config.topics, *config.more_topics))
    if most > len(texts):
        raise ValueError(f"--topics and --more-topics must be at most {len(texts)} (the texts there are), got {most}")
    speaker = lesson.Lesson("lda", config.folder)
    tell_texts(speaker, texts, words, truth)
    topics, gamma = tell_fit(speaker, config, texts)
    if truth is None:
        tell_words(speaker, topics, gamma, words)
    else:
        tell_recovery(speaker, topics, gamma, words, truth)
    scores = tell_perplexity(speaker, config, texts, held_out, topics, truth)
    ask(speaker, config, topics, gamma, words, scores)
    speaker.finish()


def check(config):
    """Refuse settings out of range."""
    lesson.check(config, documents=(8, 100_000), sentences=(2, 1000), vocabulary=10, topics=1, starts=1, iterations=1)
    if config.corpus == "newsgroups" and config.documents < 100:
        raise ValueError(f"--documents must be at least 100 of the newsgroups, got {config.documents}")
    if config.more_topics and min(config.more_topics) < 1:
        raise ValueError(f"--more-topics must be numbers of at least 1, got {config.more_topics}")
    for name in ("alpha", "eta"):
        if not 0 < getattr(config, name) <= 1:  # as in scikit-learn
            raise ValueError(f"--{name} must be above 0 and at most 1, got {getattr(config, name)}")


# --- texts ------------------------------------------------------------------------------------


def load(config):
    """Counts (D, V) to learn from and held out, the words, and (true topics, true shares, one text) or None."""
    if config.corpus == "newsgroups":
        return *load_newsgroups(config), None
    return load_grammar(config)


def grammar_topics():
    """The words of the grammar, sorted, and p(word | topic), float64 (5, V)."""
    import numpy as np

    words = sorted({word for kinds in GRAMMAR.values() for kind in kinds for word in kind.split()})
    topics = np.zeros((len(GRAMMAR), len(words)))
    for topic, kinds in enumerate(GRAMMAR.values()):
        for kind, share in zip(kinds, (0.25, 0.5, 0.25), strict=True):  # a sentence has two nouns
            for word, frequency in zip(kind.split(), zipf(kind), strict=True):
                topics[topic, words.index(word)] += share * frequency
    return words, topics


def zipf(kind):
    """Probabilities of words, the second half as frequent as the first, the third a third of it, and so on."""
    import numpy as np

    weights = 1 / np.arange(1, len(kind.split()) + 1)
    return weights / weights.sum()


def load_grammar(config):
    """Texts of sentences "the ADJECTIVE NOUN VERB the NOUN": each text has its shares, each sentence one topic."""
    import numpy as np
    from sklearn.feature_extraction import text

    random = np.random.default_rng(config.seed)
    words, topics = grammar_topics()
    count = config.documents + config.documents // 4
    shares = random.dirichlet(np.full(len(GRAMMAR), config.alpha), count)
    texts = []
    for mixture in shares:
        sentences = []
        for topic in random.choice(len(GRAMMAR), config.sentences, p=mixture):
            kinds = [(kind.split(), zipf(kind)) for kind in list(GRAMMAR.values())[topic]]
            adjective, noun, verb, other = (random.choice(kinds[i][0], p=kinds[i][1]) for i in (0, 1, 2, 1))
            sentences.append(f"the {adjective} {noun} {verb} the {other}.")
        texts.append(" ".join(sentences))
    counts = text.CountVectorizer(vocabulary=words).fit_transform(texts).toarray()  # "the" is no word of a topic
    fitted = slice(config.documents)
    return counts[fitted], counts[config.documents :], words, (topics, shares[fitted], texts[0])


def load_newsgroups(config):
    """Counts to learn from and held out, and the words, of the 20 newsgroups without headers, footers and quotes."""
    import numpy as np
    from sklearn.feature_extraction import text

    from zoo.datasets import text as texts

    posts = texts.newsgroups()
    order = np.random.default_rng(config.seed).permutation(len(posts))
    posts = [posts[index] for index in order]
    vectorizer = text.CountVectorizer(
        max_features=config.vocabulary, stop_words="english", token_pattern="[a-z]{3,}", min_df=2
    )
    counts = vectorizer.fit_transform(posts[: config.documents]).toarray()
    rest = vectorizer.transform(posts[config.documents : config.documents + config.documents // 2]).toarray()
    return (
        counts[counts.sum(axis=1) >= 10],  # shorter ones say nothing
        rest[rest.sum(axis=1) >= 10][: config.documents // 4],
        list(vectorizer.get_feature_names_out()),
    )


# --- the parts of the lesson ------------------------------------------------------------------


def favourites(row, words):
    """The most frequent words of a topic."""
    return " ".join(words[index] for index in row.argsort()[::-1][:SHOWN])


def tell_texts(speaker, texts, words, truth):
    """The corpus, and how the model says that it came about."""
    speaker.section("1. A heap of texts")
    speaker.say(f"""
        {len(texts)} texts, {int(texts.sum()):,} words, {len(words)} different ones. Only their counts are kept. Latent
        Dirichlet allocation says how such a text comes about: it has shares of K topics, and each word
        is drawn by choosing a topic, then a word of that topic:
            theta_d ~ Dirichlet(alpha)    shares of the topics in text d
            beta_k  ~ Dirichlet(eta)      words of topic k
            z ~ theta_d, w ~ beta_z       for each word
        Wanted: topics and shares, from the words alone.""")
    if truth is None:
        return
    speaker.table(
        "The grammar that wrote these texts: the true topics, frequent words first",
        {name: {"words": favourites(row, words)} for name, row in zip(GRAMMAR, truth[0], strict=True)},
    )
    shares = ", ".join(f"{name} {share:.2f}" for name, share in zip(GRAMMAR, truth[1][0], strict=True))
    speaker.say(f"\nThe first text, of {shares}:")
    speaker.say(f"{truth[2][:240]} ...")
    speaker.say("""
        The grammar cheats a little: all words of a sentence have one topic, where the model draws a
        topic for each word.""")


def tell_fit(speaker, config, texts):
    """Variational EM; returns lambda and gamma."""
    import numpy as np

    from zoo.probability import lda

    speaker.section("2. Two steps in turn, and a bound that never falls")
    speaker.say("""
        Given the topics, the shares gamma of each text; given the shares, the topics lambda; again.
            phi_dwk   ~ exp(E[ln theta_dk] + E[ln beta_kw])     whose word is it?
            gamma_dk  = alpha + sum_w n_dw phi_dwk
            lambda_kw = eta + sum_d n_dw phi_dwk
        Each step raises a lower bound of ln p(words).""")
    runs = [
        lda.fit(
            texts,
            lda.first_guess(texts, config.topics, config.seed + start),
            config.alpha,
            config.eta,
            config.iterations,
        )
        for start in range(config.starts)
    ]
    topics, gamma, _ = max(runs, key=lambda run: run[2][-1])
    total = texts.sum()
    rows = {
        f"start {number}": {
            "steps": len(history),
            "first": f"{history[0] / total:.4f}",
            "last": f"{history[-1] / total:.4f}",
            "smallest change, all words": f"{np.diff(history).min() if len(history) > 1 else 0:.1e}",
        }
        for number, (_, _, history) in enumerate(runs, 1)
    }
    speaker.table(f"Bound in nats a word, {config.topics} topics, each start at texts that differ", rows)
    return topics, gamma


def tell_words(speaker, topics, gamma, words):
    """Topics whose truth nobody knows: their words and shares."""
    from zoo.probability import lda

    speaker.section("3. The topics")
    shares = lda.as_rows(gamma).mean(axis=0)
    rows = {
        f"topic {k + 1}": {"share": f"{shares[k]:.2f}", "words": favourites(topics[k], words)}
        for k in shares.argsort()[::-1]
    }
    speaker.table("Frequent words of each topic, and its share of the texts", rows)
    draw_topics(speaker, lda.as_rows(topics), [f"topic {k + 1}" for k in range(len(topics))], words)


def draw_topics(speaker, topics, names, words):
    """Bars: the most frequent words of up to six topics."""
    count = min(6, len(topics))
    with speaker.figure("topics", 1, count, (2.4 * count, 3.2)) as axes:
        for panel, row, name in zip(axes[0], topics, names, strict=False):
            best = row.argsort()[::-1][:SHOWN][::-1]
            panel.barh([words[index] for index in best], row[best])
            panel.set(title=name, xlabel="p(word | topic)")


def match(topics, truth):
    """For each true topic the found one that is nearest in total variation, no found one twice.

    Returns:
        Indices into the true topics, into the found ones, and all distances (true, found).
    """
    import numpy as np
    from scipy import optimize

    distances = np.abs(truth[:, None] - topics[None]).sum(axis=2) / 2
    return *optimize.linear_sum_assignment(distances), distances


def tell_recovery(speaker, topics, gamma, words, truth):
    """Found topics beside the true ones, and shares beside true shares."""
    import numpy as np

    from zoo.probability import lda

    speaker.section("3. Are they the true topics?")
    found = lda.as_rows(topics)
    true_index, found_index, distances = match(found, truth[0])
    names = list(GRAMMAR)
    rows = {
        names[i]: {
            "found as": f"topic {j + 1}",
            "distance": f"{distances[i, j]:.3f}",
            "next best": f"{np.delete(distances[i], j).min():.3f}" if len(found) > 1 else "-",
            "words": favourites(found[j], words),
        }
        for i, j in zip(true_index, found_index, strict=True)
    }
    speaker.table("Total variation distance between true and found topic: 0 is the same, 1 has no word in common", rows)
    shares = lda.as_rows(gamma)[:, found_index]
    error = np.abs(shares - truth[1][:, true_index]).mean()
    speaker.say("")
    speaker.say(f"""
        The numbers of the topics mean nothing, so each true one was given the nearest found one. A word
        of two topics, as pitch (sport, music) or season (weather, kitchen), can be in both: its meaning
        is told by the words around it. The shares of a text are off by {error:.3f} on average.""")
    draw_topics(speaker, found[found_index], [names[i] for i in true_index], words)
    with speaker.figure("shares", 1, 1, (4.6, 4)) as axes:
        for index, (i, colour) in enumerate(zip(true_index, lesson.COLOURS, strict=False)):
            axes[0, 0].plot(truth[1][:, i], shares[:, index], ".", color=colour, markersize=4, label=names[i])
        axes[0, 0].plot([0, 1], [0, 1], color=lesson.BLACK, linewidth=1)
        axes[0, 0].set(title="Shares of the topics in the texts", xlabel="true share", ylabel="inferred share")
        axes[0, 0].legend(markerscale=2)


def tell_perplexity(speaker, config, texts, held_out, topics, truth):
    """Held-out texts, against scikit-learn and the truth; returns number of topics -> perplexity."""
    import os

    import joblib
    import numpy as np
    from sklearn import decomposition

    from zoo.probability import lda

    speaker.section("4. Texts that were held out")
    speaker.say(f"""
        Of {len(held_out)} other texts the shares are inferred from one half of the words; the other half is
        foretold. Perplexity is among how many equally likely words one would be as unsure:
            exp(-sum over unseen words of ln sum_k theta_dk beta_kw / number of unseen words)""")
    seen, unseen = lda.halves(held_out, config.seed)

    def score(rows):
        return lda.completion_perplexity(seen, unseen, lda.as_rows(rows), config.alpha)

    settings = {"doc_topic_prior": config.alpha, "topic_word_prior": config.eta, "max_iter": config.iterations}
    models = [
        decomposition.LatentDirichletAllocation(config.topics, random_state=config.seed + start, **settings)
        for start in range(config.starts)
    ]
    processes = min(config.starts, os.cpu_count())
    theirs = joblib.Parallel(processes)(joblib.delayed(model.fit)(texts) for model in models)
    best = max(theirs, key=lambda model: model.score(texts))
    rows = {
        "no topics (unigram)": score(texts.sum(axis=0, keepdims=True) + config.eta),
        f"found, {config.topics} topics": score(topics),
        f"scikit-learn, {config.topics} topics": score(best.components_),
    }
    if truth is not None:
        rows["the true topics"] = score(np.maximum(truth[0], 1e-9))
    speaker.table(
        "Perplexity of the unseen words, by the same procedure", {k: {"words": f"{v:.2f}"} for k, v in rows.items()}
    )
    scores = {config.topics: rows[f"found, {config.topics} topics"]}
    for count in set(config.more_topics) - {config.topics}:
        guess = lda.first_guess(texts, count, config.seed)
        found = lda.fit(texts, guess, config.alpha, config.eta, config.iterations, exactness=1e-4)[0]
        scores[count] = score(found)
    scores = dict(sorted(scores.items()))
    with speaker.figure("perplexity", 1, 1, (5.5, 3.6)) as axes:
        axes[0, 0].plot(list(scores), list(scores.values()), "o-", label="found topics")
        if truth is not None:
            axes[0, 0].axhline(rows["the true topics"], color=lesson.GREEN, linestyle="--", label="the true topics")
        axes[0, 0].set(title="Held-out texts: less is better", xlabel="number of topics", ylabel="perplexity, words")
        axes[0, 0].legend()
    return scores


def ask(speaker, config, topics, gamma, words, scores):
    """Three questions, answered by computation."""
    import numpy as np

    from zoo.probability import lda

    best = min(scores, key=scores.get)
    speaker.ask(
        "With how many topics are the held-out texts foretold best?",
        f"With {best}: perplexity {scores[best]:.2f}; of the numbers tried, {', '.join(map(str, scores))}.",
    )
    shares = lda.as_rows(gamma)
    main = (shares > 0.5).any(axis=1).mean()
    speaker.ask(
        "How many of the texts have one topic with more than half of the words?",
        f"{main:.0%}; of the draws from Dirichlet({config.alpha:g}), the model's prior, {dominated(config):.0%}.",
    )
    owners = lda.as_rows(topics) * shares.mean(axis=0)[:, None]
    owners /= owners.sum(axis=0)  # p(topic | word)
    doubtful = int((-np.sum(owners * np.log(owners), axis=0)).argmax())
    speaker.ask(
        "Which word tells least about the topic that it came from?",
        f"{words[doubtful]!r}: its likeliest topic has probability {owners[:, doubtful].max():.2f}.",
    )


def dominated(config):
    """Share of Dirichlet(alpha) draws in which one topic has more than half."""
    import numpy as np

    draws = np.random.default_rng(config.seed).dirichlet(np.full(config.topics, config.alpha), 10_000)
    return float((draws > 0.5).any(axis=1).mean())
