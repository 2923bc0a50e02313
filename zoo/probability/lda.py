"""Latent Dirichlet allocation: documents are mixtures of topics, topics are distributions over words.

David Blei, Andrew Ng, Michael Jordan: "Latent Dirichlet Allocation", 2003, https://jmlr.org/papers/v3/blei03a.html

A document has its own shares of a few topics; each of its words is drawn by choosing a topic by these shares, then a
word from the topic. Only the words are seen. Variational inference replaces the posterior, which cannot be computed, by
independent distributions for shares, topics and the choice behind each word, and brings them as near to it as they can
come: coordinate by coordinate, a lower bound of ln p(words) rises and never falls.

    theta_d ~ Dirichlet(alpha),  beta_k ~ Dirichlet(eta),  z_dn ~ theta_d,  w_dn ~ beta_z            (section 3, 5.4)
    phi_dwk  proportional to exp(E[ln theta_dk] + E[ln beta_kw])                                     (6)
    gamma_dk = alpha + sum_w n_dw phi_dwk                                                            (7)
    lambda_kw = eta + sum_d n_dw phi_dwk                                                             (section 5.4)
    E[ln theta_dk] = digamma(gamma_dk) - digamma(sum_j gamma_dj), likewise of beta and lambda        (8)

What differs from the paper: topics have the Dirichlet prior of section 5.4 from the start (smoothing), alpha and eta
are given, not fitted, and documents are rows of counts n_dw: words that are equal share one phi.
"""

import numpy as np
import tensorflow as tf

UNSEEN = 0.01  # what a first guess has for words that no document has: a Dirichlet parameter must be positive


def check(counts, topics):
    """Counts as float64 (D, V), or one sentence about what is wrong with them.

    Raises:
        ValueError: when they are no table of numbers from 0 up, a document is empty, or topics are under 1.
    """
    counts = np.asarray(counts, np.float64)
    if counts.ndim != 2 or not counts.size or not np.isfinite(counts).all() or counts.min() < 0:
        raise ValueError(f"counts must be a table (documents, words) of numbers from 0 up, got shape {counts.shape}")
    if not counts.sum(axis=1).all():
        raise ValueError(f"document {int(np.argmin(counts.sum(axis=1))) + 1} of {len(counts)} has no words")
    if topics < 1:
        raise ValueError(f"topics must be at least 1, got {topics}")
    return counts


def expected_log(dirichlet):
    """E[ln p] of p ~ Dirichlet(rows), equation 8: float64, shape as given."""
    return tf.math.digamma(dirichlet) - tf.math.digamma(tf.reduce_sum(dirichlet, axis=-1, keepdims=True))


@tf.function(reduce_retracing=True)  # for any number of topics; compiling it for each takes longer than it saves
def _infer(counts, log_topics, gamma, alpha, tolerance, most):
    """Equations 6 and 7 in turns, until gamma stands still; also sum_d n_dw phi_dwk, (K, V)."""
    topics = tf.exp(log_topics)

    def words_by_topic(gamma):
        shares = tf.exp(expected_log(gamma))  # (D, K)
        return shares, counts / (tf.matmul(shares, topics) + 1e-300)  # phi's denominator under the counts, (D, V)

    change = tf.constant(np.inf, tf.float64)
    step = tf.constant(0)
    while change > tolerance and step < most:
        shares, ratios = words_by_topic(gamma)
        following = alpha + shares * tf.matmul(ratios, topics, transpose_b=True)
        change = tf.reduce_max(tf.reduce_mean(tf.abs(following - gamma), axis=1))
        gamma = following
        step += 1
    shares, ratios = words_by_topic(gamma)
    return gamma, topics * tf.matmul(shares, ratios, transpose_a=True)


def infer(counts, log_topics, alpha, gamma=None, tolerance=1e-6, most=500):
    """The E step: shares of the topics in documents, given the topics.

    Args:
        counts: n, float (D, V).
        log_topics: E[ln beta], or ln beta of known topics, float (K, V).
        alpha: of the Dirichlet prior of the shares, positive.
        gamma: to begin with, float (D, K); None begins with ones.
        tolerance: largest mean change of a document's gamma that counts as none.
        most: turns of equations 6 and 7 at most.

    Returns:
        gamma, float64 (D, K), and the expected counts of words by topic, float64 (K, V).
    """
    start = np.ones((len(counts), len(log_topics))) if gamma is None else gamma
    tensors = [tf.constant(each, tf.float64) for each in (counts, log_topics, start, alpha, tolerance)]
    return tuple(each.numpy() for each in _infer(*tensors, tf.constant(most)))


def bound(counts, gamma, topics, alpha, eta):
    """The lower bound of ln p(words), with the best phi for gamma and topics: nats.

    Args:
        counts: n, float (D, V).
        gamma: float (D, K).
        topics: lambda, float (K, V).
        alpha, eta: of the Dirichlet priors of shares and topics.
    """
    log_shares, log_topics = expected_log(tf.constant(gamma)), expected_log(tf.constant(topics))
    words = np.sum(counts * np.log(np.exp(log_shares) @ np.exp(log_topics) + 1e-300))
    return float(words - _divergence(gamma, log_shares, alpha) - _divergence(topics, log_topics, eta))


def _divergence(rows, logs, prior):
    """Sum over the rows of KL(Dirichlet(row) || Dirichlet(prior, prior, ...)); logs are the rows' E[ln p]."""
    width = rows.shape[1]
    normalised = tf.reduce_sum(
        tf.math.lgamma(tf.reduce_sum(rows, axis=1)) - tf.reduce_sum(tf.math.lgamma(rows), axis=1)
    )
    whole, one = (float(tf.math.lgamma(tf.constant(each, tf.float64))) for each in (width * prior, prior))
    return float(normalised) - len(rows) * (whole - width * one) + float(tf.reduce_sum((rows - prior) * logs))


def first_guess(counts, topics, seed):
    """lambda to begin with: each topic near one document, the documents far from each other.

    The first document is drawn by its length; each next one with a probability that grows with its distance from those
    there are (as k-means++ does). From a start near equal topics, which is usual, EM more often ends with two topics in
    one.

    Args:
        counts: n, float (D, V).
        topics: K, at most D.
        seed: integer.

    Returns:
        float64 (K, V).
    """
    counts = check(counts, topics)
    if topics > len(counts):
        raise ValueError(f"topics must be at most {len(counts)} (the documents there are), got {topics}")
    random = np.random.default_rng(seed)
    rows = as_rows(counts)
    chosen, nearest = [], counts.sum(axis=1)
    for _ in range(topics):
        chosen.append(int(random.choice(len(rows), p=nearest / nearest.sum())))
        distances = np.abs(rows - rows[chosen[-1]]).sum(axis=1) ** 2 + 1e-12
        nearest = np.minimum(nearest, distances) if len(chosen) > 1 else distances
    everything = as_rows(counts.sum(axis=0, keepdims=True))
    return counts.mean() * len(counts) * (rows[chosen] + everything) / 2 + UNSEEN


def fit(counts, start, alpha, eta, iterations=100, tolerance=1e-5, exactness=1e-6):
    """Variational EM: shares given topics, topics given shares, until the bound stands still.

    Args:
        counts: n, float (D, V), without empty documents.
        start: lambda, float (K, V).
        alpha, eta: of the Dirichlet priors of shares and topics, positive.
        iterations: at most so many.
        tolerance: of the growth of the bound, in nats a word.
        exactness: `tolerance` of `infer`.

    Returns:
        lambda, float64 (K, V); gamma, float64 (D, K); the bound after each iteration, a list.
    """
    counts = check(counts, len(start))
    if min(alpha, eta) <= 0:
        raise ValueError(f"alpha and eta must be positive, got {alpha} and {eta}")
    topics, gamma, bounds = np.asarray(start, np.float64), None, []
    for _ in range(iterations):
        gamma, expected = infer(counts, expected_log(topics), alpha, gamma, exactness)
        topics = eta + expected
        bounds.append(bound(counts, gamma, topics, alpha, eta))
        if len(bounds) > 1 and bounds[-1] - bounds[-2] < tolerance * counts.sum():
            break
    return topics, gamma, bounds


def as_rows(dirichlet):
    """The mean of each Dirichlet distribution: rows that sum to 1."""
    return dirichlet / dirichlet.sum(axis=1, keepdims=True)


def halves(counts, seed):
    """Each document's words, dealt out at random into two halves: two integer tables (D, V)."""
    random = np.random.default_rng(seed)
    counts = np.asarray(counts, np.int64)
    first = np.stack([random.multivariate_hypergeometric(row, row.sum() // 2, method="marginals") for row in counts])
    return first, counts - first


def completion_perplexity(seen, unseen, topics, alpha):
    """How well the second halves of documents are foretold by their first halves.

    The shares of the topics are inferred from the words seen, as gamma over its sum; then
        exp(-sum_dw unseen_dw ln sum_k theta_dk beta_kw / number of unseen words)
    is among how many equally likely words one would be as unsure.

    Args:
        seen, unseen: counts (D, V); no row of `seen` may be empty.
        topics: beta, float (K, V), positive rows that sum to 1, of any origin.
        alpha: of the Dirichlet prior of the shares.
    """
    gamma, _ = infer(check(seen, len(topics)), np.log(topics), alpha)
    return float(np.exp(-np.sum(unseen * np.log(as_rows(gamma) @ topics)) / unseen.sum()))


def write(topics, alpha, documents, length, seed):
    """Documents as the model says they come about.

    Args:
        topics: beta, float (K, V).
        alpha: of the Dirichlet prior of the shares.
        documents: D.
        length: words of each.
        seed: integer.

    Returns:
        Counts, int64 (D, V), and the shares theta, float64 (D, K).
    """
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(len(topics), alpha), documents)
    return random.multinomial(length, shares @ topics), shares
