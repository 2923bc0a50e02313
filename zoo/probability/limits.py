"""How one distribution becomes another, and how far it still is from it.

    Binomial(n, rate / n)              -> Poisson(rate)           many chances, each rare
    Binomial(n, p), standardised       -> N(0, 1)                 a sum of many small parts
    Geometric(rate / m) / m            -> Exponential(rate)       waiting, m trials in a unit of time
    Hypergeometric(N, p N, n)          -> Binomial(n, p)          draws from a large population
    Beta(alpha, beta), updated         -> certainty               a belief, after many flips of a coin

Each function gives both laws over the same values, so that their distance is a line. Everything is float64.
"""

import numpy as np
import tensorflow as tf


def total_variation(first, second):
    """max_A |P(A) - Q(A)| = 1/2 sum |p - q|, for two pmfs over the same values."""
    return 0.5 * float(np.abs(np.asarray(first) - np.asarray(second)).sum())


def kolmogorov(probabilities, cdf):
    """sup_x |F(x) - G(x)|, of a discrete F that jumps by `probabilities` (V,) where the continuous G is `cdf` (V,)."""
    after = np.cumsum(probabilities)
    return float(max(np.abs(after - cdf).max(), np.abs(after - probabilities - cdf).max()))


def gap(draws, cdf, discrete):
    """sup_x |F_n(x) - F(x)|, of the empirical cdf F_n of draws (N,) and a function F, both right-continuous."""
    values, counts = np.unique(draws, return_counts=True)
    after, exact = np.cumsum(counts) / len(draws), cdf(values)
    before = after - counts / len(draws)  # F_n just left of each value, where F is the same unless it jumps
    return float(max(np.abs(after - exact).max(), 0.0 if discrete else np.abs(before - exact).max()))


def rare_events(n, rate):
    """Binomial(n, rate / n) and Poisson(rate): values up to where both are next to nothing, pmf, pmf.

    Each of the n tries is within p^2 of a Poisson(p) number, and their sum is Poisson(rate): TV <= n p^2 (Le Cam 1960).
    """
    from tensorflow_probability import distributions as tfd

    k = np.arange(max(n, np.ceil(rate + 40 + 10 * np.sqrt(rate))) + 1)
    binomial = tfd.Binomial(np.float64(n), probs=tf.constant(rate / n, tf.float64))
    first = np.where(k <= n, binomial.prob(np.minimum(k, n)).numpy(), 0.0)
    return k, first, tfd.Poisson(tf.constant(rate, tf.float64)).prob(k).numpy()


def standardised(n, p):
    """Z = (X - n p) / sqrt(n p (1 - p)) of X ~ Binomial(n, p): its values, their pmf and the cdf of N(0, 1) there."""
    from tensorflow_probability import distributions as tfd

    k = np.arange(n + 1.0)
    z = (k - n * p) / np.sqrt(n * p * (1 - p))
    first = tfd.Binomial(np.float64(n), probs=tf.constant(p, tf.float64)).prob(k).numpy()
    return z, first, tfd.Normal(np.float64(0.0), np.float64(1.0)).cdf(z).numpy()


def berry_esseen(n, p):
    """A bound of their Kolmogorov distance: 0.4748 E|Y - p|^3 / (sd(Y)^3 sqrt(n)) of one try Y (Shevtsova 2011)."""
    return 0.4748 * (p**2 + (1 - p) ** 2) / np.sqrt(n * p * (1 - p))


def waiting(m, rate):
    """Geometric(rate / m) in units of m trials: its values, their pmf, and the cdf of Exponential(rate) there.

    Times above 40 / rate, whose probability is below e^-40, are left out. The Kolmogorov distance is at most rate / m.
    """
    t = np.arange(1.0, np.ceil(40 * m / rate)) / m
    q = 1 - rate / m
    return t, rate / m * q ** (t * m - 1), -np.expm1(-rate * t)


def jar(N, K, n):
    """Marked ones among n from a jar of N of which K are marked, without and with putting back: values, pmf, pmf.

    Both ways are the same unless a ball comes twice: TV <= n (n - 1) / (2 N).
    """
    from tensorflow_probability import distributions as tfd

    k = np.arange(n + 1.0)
    possible = (k <= K) & (n - k <= N - K)
    inside = np.where(possible, k, max(0, n + K - N))
    logs = _log_choose(K, inside) + _log_choose(N - K, n - inside) - _log_choose(N, n)
    with_putting_back = tfd.Binomial(np.float64(n), probs=tf.constant(K / N, tf.float64)).prob(k).numpy()
    return k, np.where(possible, np.exp(logs), 0.0), with_putting_back


def _log_choose(n, k):
    n, k = np.asarray(n, np.float64), np.asarray(k, np.float64)
    return (tf.math.lgamma(n + 1) - tf.math.lgamma(k + 1) - tf.math.lgamma(n - k + 1)).numpy()


def update(alpha, beta, flips):
    """The belief Beta(alpha, beta) in a coin's chance of heads, after flips of 0 and 1: alpha, beta."""
    heads = int(np.sum(flips))
    return alpha + heads, beta + len(flips) - heads


def belief_error(p, alpha, beta):
    """E|theta - p| of theta ~ Beta(alpha, beta): its 1-Wasserstein distance to the certainty that theta is p.

    With the mean m, and x pdf(x; alpha, beta) = m pdf(x; alpha + 1, beta), it is

        p (2 F(p; alpha, beta) - 1) + m (1 - 2 F(p; alpha + 1, beta))
    """
    first = tf.constant([alpha, alpha + 1], tf.float64)
    below, weighted = tf.math.betainc(first, tf.constant(2 * [beta], tf.float64), tf.constant(2 * [p], tf.float64))
    mean = alpha / (alpha + beta)
    return float(p * (2 * below - 1) + mean * (1 - 2 * weighted))
