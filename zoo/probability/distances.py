"""How far apart are two distributions P and Q? Likelihood, divergences and transport.

    log-likelihood   1/n sum_i log q(x_i)                      how probable a model makes data; for densities, in nats
    perplexity       exp(-1/n sum_i log q(x_i))                as many equally probable values would surprise as much
    KL(P || Q)     = E_P[log p(x) / q(x)]                      infinite where p > 0 and q = 0; not symmetric
    JS(P, Q)       = 1/2 KL(P || M) + 1/2 KL(Q || M),  M = (P + Q) / 2        between 0 and log 2
    W_1(P, Q)      = inf E|x - y|,  x ~ P, y ~ Q               the least work of moving P to Q
                   = int |F(x) - G(x)| dx                      in one dimension, with the cdfs F and G
    SW_p(P, Q)^p   = E_u[W_p(u P, u Q)^p],  |u| = 1            sliced: projected to random lines
    FID            = |m_P - m_Q|^2 + Tr(S_P + S_Q - 2 (S_P S_Q)^(1/2))        W_2^2 of Gaussians

What KL and JS are to GANs, and W_1 to WGANs: Arjovsky, Chintala, Bottou: "Wasserstein GAN", 2017,
https://arxiv.org/abs/1701.07875, section 2. FID: Heusel et al. 2017, https://arxiv.org/abs/1706.08500, equation 6.

Laws in one dimension are `tfd.Distribution`s in float64; their integrals are sums over Gauss-Legendre points, exact to
about 1e-10 as long as the pieces between the ends of the supports are smooth.
"""

import itertools

import numpy as np
import tensorflow as tf

SHAPES = ("normal", "laplace", "uniform")
PANELS = 24  # of an integral, in each of its pieces
ZOOMS = 4  # into a panel where cdfs cross, each 64 times closer
TAIL = 40.0  # standard deviations after which a law is next to nothing: exp(-40 sqrt(2)) of the Laplace's


def make_law(shape, mean, sd):
    """A distribution of a shape with a mean and a standard deviation, float64.

    Args:
        shape: one of `SHAPES`.
        mean: finite.
        sd: above 0.

    Returns:
        `tfd.Distribution`, and the ends of its support (low, high).
    """
    from tensorflow_probability import distributions as tfd

    mean, sd = tf.constant(mean, tf.float64), tf.constant(sd, tf.float64)
    if shape == "normal":
        return tfd.Normal(mean, sd), (-np.inf, np.inf)
    if shape == "laplace":
        return tfd.Laplace(mean, sd / np.sqrt(2)), (-np.inf, np.inf)
    half = np.sqrt(3) * sd
    return tfd.Uniform(mean - half, mean + half), (float(mean - half), float(mean + half))


# --- data and a model -------------------------------------------------------------------------


def perplexity(log_probs):
    """exp of minus the mean log-probability (N,); of a density, the width of a uniform one that surprises as much."""
    with np.errstate(over="ignore"):
        return float(np.exp(-np.mean(log_probs)))


# --- probabilities of finitely many values ----------------------------------------------------


def kl(p, q):
    """sum p log(p / q) in nats, of probabilities (V,) and (V,); inf where p > 0 and q = 0."""
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    if ((p > 0) & (q == 0)).any():
        return float("inf")
    both = p > 0
    return float(np.sum(p[both] * np.log(p[both] / q[both])))


def jensen_shannon(p, q):
    """1/2 KL(P || M) + 1/2 KL(Q || M) in nats, M = (P + Q) / 2, of probabilities (V,) and (V,); at most log 2."""
    middle = (np.asarray(p, np.float64) + np.asarray(q, np.float64)) / 2
    return (kl(p, middle) + kl(q, middle)) / 2


# --- laws on the line -------------------------------------------------------------------------


def panel_edges(first, second):
    """Edges (E,) of the panels of an integral over two from `make_law`; their kinks and ends are among them."""
    breaks = set()
    for law, (low, high) in (first, second):
        centre, spread = float(law.mean()), float(law.stddev())
        steps = centre + spread * np.array([-TAIL, -8.0, -2.0, 0.0, 2.0, 8.0, TAIL])
        breaks |= set(np.clip(steps, low, high).tolist())
    pieces = [np.linspace(*ends, PANELS)[:-1] for ends in itertools.pairwise(sorted(breaks))]
    return np.concatenate([*pieces, [max(breaks)]])


def gauss_legendre(edges):
    """Points and weights of an integral over panels, 8 in each, both (8 (E - 1),)."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    halves = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + halves * (nodes + 1)).ravel(), (halves * weights).ravel()


def kl_of_laws(first, second):
    """KL(P || Q) in nats, of two from `make_law`; inf where P has mass outside of Q's support."""
    (p, support_p), (q, support_q) = first, second
    if support_p[0] < support_q[0] or support_p[1] > support_q[1]:
        return float("inf")
    x, weights = gauss_legendre(panel_edges(first, second))
    log_p = p.log_prob(x).numpy()
    log_q = q.log_prob(x).numpy()
    inside = np.isfinite(log_p)
    return float(np.sum(weights[inside] * np.exp(log_p[inside]) * (log_p[inside] - log_q[inside])))


def jensen_shannon_of_laws(first, second):
    """JS(P, Q) in nats, of two from `make_law`."""
    x, weights = gauss_legendre(panel_edges(first, second))
    logs = np.stack([law.log_prob(x).numpy() for law, _ in (first, second)])
    middle = np.logaddexp(*logs) - np.log(2)
    ratios = np.where(np.isfinite(logs), logs - np.where(np.isfinite(middle), middle, 0.0), 0.0)
    return float(np.sum(weights * np.exp(logs) * ratios) / 2)


def wasserstein_of_laws(first, second):
    """W_1(P, Q), the area between the cdfs of two from `make_law`."""

    def apart(x):
        return first[0].cdf(x).numpy() - second[0].cdf(x).numpy()

    edges = panel_edges(first, second)
    heights = apart(edges)
    crossings = []  # of the cdfs, where the area has a kink
    for index in np.flatnonzero(heights[:-1] * heights[1:] < 0):
        finer = edges[index : index + 2]
        for _ in range(ZOOMS):
            finer = np.linspace(*finer, 65)
            heights = apart(finer)
            place = np.argmax(heights[:-1] * heights[1:] <= 0)
            finer = finer[place : place + 2]
        crossings.append(finer[0])
    x, weights = gauss_legendre(np.union1d(edges, crossings))
    return float(np.sum(weights * np.abs(apart(x))))


def kl_of_normals(mean_p, sd_p, mean_q, sd_q):
    """KL(N(mean_p, sd_p^2) || N(mean_q, sd_q^2)) in nats, in closed form."""
    return float(np.log(sd_q / sd_p) + (sd_p**2 + (mean_p - mean_q) ** 2) / (2 * sd_q**2) - 0.5)


# --- samples ----------------------------------------------------------------------------------


def wasserstein(x, y, power=1):
    """W_p of samples x (N,) and y (M,), exactly: in one dimension the order is the best plan of transport.

    The quantile functions of both are steps; between their steps the distance is constant:

        W_p^p = int_0^1 |F^-1(s) - G^-1(s)|^p ds
    """
    x, y = np.sort(np.asarray(x, np.float64)), np.sort(np.asarray(y, np.float64))
    if len(x) == len(y):
        return float(np.mean(np.abs(x - y) ** power) ** (1 / power))
    steps = np.union1d(np.arange(1, len(x) + 1) * len(y), np.arange(1, len(y) + 1) * len(x))  # of N M in all
    widths = np.diff(steps, prepend=0) / (len(x) * len(y))
    distances = np.abs(x[(steps - 1) // len(y)] - y[(steps - 1) // len(x)])
    return float(np.sum(widths * distances**power) ** (1 / power))


def sliced_wasserstein(x, y, directions=256, power=1, seed=0):
    """SW_p of samples x (N, D) and y (M, D), over random directions."""
    lines = np.random.default_rng(seed).standard_normal((x.shape[1], directions))
    lines /= np.linalg.norm(lines, axis=0)
    each = [wasserstein(x @ line, y @ line, power) ** power for line in lines.T]
    return float(np.mean(each) ** (1 / power))


# --- Gaussians in many dimensions -------------------------------------------------------------


def fid(mean_p, covariance_p, mean_q, covariance_q):
    """Squared W_2 of two Gaussians: |m_P - m_Q|^2 + Tr(S_P + S_Q - 2 (S_P^(1/2) S_Q S_P^(1/2))^(1/2)).

    The root of that symmetric product has the trace of (S_P S_Q)^(1/2), and is the one that is sure to be real.

    Args:
        mean_p, mean_q: (D,).
        covariance_p, covariance_q: (D, D), symmetric, no negative eigenvalue.
    """
    covariance_p, covariance_q = np.atleast_2d(covariance_p), np.atleast_2d(covariance_q)
    values, vectors = np.linalg.eigh(covariance_p)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance_q @ root), 0.0)).sum()
    apart = np.sum((np.asarray(mean_p, np.float64) - mean_q) ** 2)
    return float(apart + np.trace(covariance_p) + np.trace(covariance_q) - 2 * shared)
