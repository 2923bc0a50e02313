"""A mixture of Gaussians with full covariances, fitted by expectation-maximisation (EM).

Arthur Dempster, Nan Laird, Donald Rubin: "Maximum Likelihood from Incomplete Data via the EM Algorithm", 1977,
https://www.jstor.org/stable/2984875. Equations are numbered as in Christopher Bishop: "Pattern Recognition and Machine
Learning", 2006, chapter 9.

Each point is made by one of K Gaussians, and nobody has written down by which. If one knew, each Gaussian's mean and
covariance would be those of its own points; if one knew the Gaussians, Bayes' rule would tell which of them made a
point. EM begins with a guess and does one after the other; the likelihood never falls on the way.

    p(x) = sum_k pi_k N(x | mu_k, Sigma_k)                                                   (9.7)
    E step:  gamma_nk = pi_k N(x_n | mu_k, Sigma_k) / sum_j pi_j N(x_n | mu_j, Sigma_j)      (9.23)
    M step:  N_k     = sum_n gamma_nk                                                        (9.27)
             mu_k    = 1/N_k sum_n gamma_nk x_n                                              (9.24)
             Sigma_k = 1/N_k sum_n gamma_nk (x_n - mu_k) (x_n - mu_k)^T                      (9.25)
             pi_k    = N_k / N                                                               (9.26)
    ln p(X)  = sum_n ln sum_k pi_k N(x_n | mu_k, Sigma_k)                                    (9.28)

What differs from the book: `ridge` is added to the diagonal of each covariance, as scikit-learn does. With 0 this is
the book's EM, whose likelihood has no upper bound: a Gaussian that sits on one point can shrink for ever.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

SINGULAR = 1e-10  # smallest variance of a component, as a share of the data's largest, that counts as positive


@dataclass(frozen=True)
class Mixture:
    """K Gaussians over points of D numbers.

    Attributes:
        weights: pi, float64 (K,), sum 1.
        means: mu, float64 (K, D).
        covariances: Sigma, float64 (K, D, D), symmetric and positive definite.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def distribution(mixture):
    """The mixture as a `tfd.Distribution`, to be sampled and evaluated: equation 9.7."""
    import tensorflow_probability as tfp

    tfd = tfp.distributions
    return tfd.MixtureSameFamily(
        tfd.Categorical(probs=tf.constant(mixture.weights, tf.float64)),
        tfd.MultivariateNormalTriL(
            tf.constant(mixture.means, tf.float64), tf.linalg.cholesky(tf.constant(mixture.covariances, tf.float64))
        ),
    )


def log_joint(points, weights, means, covariances):
    """ln pi_k N(x_n | mu_k, Sigma_k).

    Args:
        points: float64 (N, D).
        weights: pi, float64 (K,).
        means: mu, float64 (K, D).
        covariances: Sigma, float64 (K, D, D).

    Returns:
        float64 (N, K).
    """
    import tensorflow_probability as tfp

    gaussians = tfp.distributions.MultivariateNormalTriL(means, tf.linalg.cholesky(covariances))
    return tf.math.log(weights) + gaussians.log_prob(points[:, None])


def e_step(points, mixture):
    """Bayes' rule: which Gaussian made each point.

    Args:
        points: float (N, D).
        mixture: `Mixture`.

    Returns:
        gamma, float64 (N, K), rows sum to 1 (equation 9.23), and ln p(X), a float (equation 9.28).
    """
    joint = log_joint(tf.constant(points, tf.float64), mixture.weights, mixture.means, mixture.covariances)
    evidence = tf.reduce_logsumexp(joint, axis=1)  # (N,)
    return tf.exp(joint - evidence[:, None]).numpy(), float(tf.reduce_sum(evidence))


def m_step(points, responsibilities, ridge=0.0):
    """The mixture that is likeliest when each point counts for each Gaussian by its responsibility.

    Args:
        points: float (N, D).
        responsibilities: gamma, float (N, K), rows sum to 1.
        ridge: added to every variance, in the squared unit of the points.

    Returns:
        `Mixture`: equations 9.24 to 9.26.
    """
    moments = _m_step(tf.constant(points, tf.float64), tf.constant(responsibilities, tf.float64), ridge)
    return Mixture(*(moment.numpy() for moment in moments))


def _m_step(points, responsibilities, ridge):
    counts = tf.reduce_sum(responsibilities, axis=0)  # N_k, (K,)
    means = tf.einsum("nk,nd->kd", responsibilities, points) / counts[:, None]
    distances = points[:, None] - means  # (N, K, D)
    spreads = tf.einsum("nk,nki,nkj->kij", responsibilities, distances, distances) / counts[:, None, None]
    diagonal = tf.cast(ridge, tf.float64) * tf.eye(tf.shape(points)[1], dtype=tf.float64)
    return counts / tf.cast(tf.shape(points)[0], tf.float64), means, spreads + diagonal


@tf.function(
    input_signature=[
        tf.TensorSpec([None, None], tf.float64),
        tf.TensorSpec([None], tf.float64),
        tf.TensorSpec([None, None], tf.float64),
        tf.TensorSpec([None, None, None], tf.float64),
        tf.TensorSpec([], tf.float64),
    ]
)
def _em_step(points, weights, means, covariances, ridge):
    """One E step and one M step; also ln p(X) before them, and the smallest variance in any direction after them."""
    joint = log_joint(points, weights, means, covariances)
    evidence = tf.reduce_logsumexp(joint, axis=1)
    moments = _m_step(points, tf.exp(joint - evidence[:, None]), ridge)
    finite = tf.where(tf.math.is_finite(moments[2]), moments[2], 0.0)  # of a Gaussian without points they are NaN
    return moments, tf.reduce_sum(evidence), tf.linalg.eigvalsh(finite)[:, 0]


def fit(points, start, iterations=200, tolerance=1e-8, ridge=0.0):
    """Repeat E and M step until the log-likelihood of a point grows by less than the tolerance.

    Args:
        points: float (N, D), finite.
        start: `Mixture` to begin with.
        iterations: at most so many.
        tolerance: of the growth of ln p(X) / N, in nats; with 0 only rounding errors stop it.
        ridge: added to every variance, in the squared unit of the points; 0 is the EM of the book.

    Returns:
        List of `Mixture`, the start first, and list of ln p(X) of each of them.

    Raises:
        ValueError: when a covariance becomes singular, or a Gaussian is left without points.
    """
    points = check(points, len(start.weights))
    constant = tf.constant(points)
    least = SINGULAR * np.var(points, axis=0).max()
    mixtures, likelihoods = [start], []
    for _ in range(iterations):
        now = mixtures[-1]
        moments, likelihood, variances = _em_step(constant, now.weights, now.means, now.covariances, ridge)
        likelihoods.append(float(likelihood))
        healthy = variances.numpy() > least
        if not healthy.all():
            raise ValueError(
                f"Gaussian {int(np.argmin(healthy)) + 1} of {len(healthy)} has collapsed onto too few points, its "
                f"covariance is singular after iteration {len(likelihoods)}: take fewer Gaussians, another start, or "
                f"a ridge above {ridge:g}"
            )
        mixtures.append(Mixture(*(moment.numpy() for moment in moments)))
        if len(likelihoods) > 1 and likelihoods[-1] - likelihoods[-2] < tolerance * len(points):
            break
    return mixtures, [*likelihoods, e_step(points, mixtures[-1])[1]]


def fit_best(points, components, starts, iterations=200, ridge=0.0):
    """The likeliest of several runs of EM: each finds a local maximum only.

    Args:
        points: float (N, D).
        components: K.
        starts: how many first guesses, of the seeds 0, 1, ...
        iterations, ridge: as of `fit`.

    Returns:
        `Mixture`, its ln p(X), and for each run that did not collapse the list of ln p(X).

    Raises:
        ValueError: when all runs have collapsed.
    """
    runs, reason = [], None
    for seed in range(starts):
        guess = first_guess(points, components, seed, ridge)
        try:
            runs.append(fit(points, guess, iterations, ridge=ridge))
        except ValueError as error:
            reason = error
    if not runs:
        raise ValueError(f"none of {starts} starts with {components} Gaussians lasted; the last one: {reason}")
    mixtures, likelihoods = max(runs, key=lambda run: run[1][-1])
    return mixtures[-1], likelihoods[-1], [run[1] for run in runs]


def spiked(points, mixture, variance):
    """The mixture with one more Gaussian, of weight 1/N and the given variance, on the first point."""
    share = 1 / len(points)
    return Mixture(
        np.append(mixture.weights * (1 - share), share),
        np.concatenate([mixture.means, points[:1]]),
        np.concatenate([mixture.covariances, variance * np.eye(points.shape[1])[None]]),
    )


def check(points, components):
    """Points as float64 (N, D), or one sentence about what is wrong with them.

    Raises:
        ValueError: when they are no table of finite numbers, or fewer than the components, or constant.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise ValueError(f"points must be a table (N, D) of finite numbers, got shape {points.shape}")
    if not 1 <= components <= len(points):
        raise ValueError(f"components must be 1 to {len(points)} (the points there are), got {components}")
    if np.ptp(points, axis=0).min() == 0:
        raise ValueError(f"column {int(np.argmin(np.ptp(points, axis=0))) + 1} of the points is constant")
    return points


def first_guess(points, components, seed, ridge=0.0):
    """A start for EM: means at different points, far from each other as a rule, the data's covariance, equal weights.

    The first mean is any point; each next one is drawn with a probability that grows with its squared distance from
    those there are (k-means++: Arthur and Vassilvitskii 2007).

    Args:
        points: float (N, D).
        components: K, at most N.
        seed: integer.
        ridge: added to every variance, as by `fit`: columns that say the same have a singular covariance.

    Returns:
        `Mixture`.
    """
    points = check(points, components)
    random = np.random.default_rng(seed)
    scaled = points / points.std(axis=0)
    chosen = [int(random.integers(len(points)))]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < components:
        nearest = np.minimum(nearest, ((scaled - scaled[chosen[-1]]) ** 2).sum(axis=1))
        if not nearest.any():
            raise ValueError(f"components must be at most {len(chosen)} (the different points there are)")
        chosen.append(int(random.choice(len(points), p=nearest / nearest.sum())))
    covariance = np.atleast_2d(np.cov(points.T, bias=True)) + ridge * np.eye(points.shape[1])
    return Mixture(np.full(components, 1 / components), points[chosen], np.tile(covariance, (components, 1, 1)))


def parameters(components, dimensions):
    """How many free numbers K Gaussians in D dimensions have: weights sum to 1, covariances are symmetric."""
    return components - 1 + components * dimensions + components * dimensions * (dimensions + 1) // 2


def bic(log_likelihood, components, points):
    """Schwarz's Bayesian information criterion (1978): -2 ln p(X) + parameters ln N; less is better.

    Args:
        log_likelihood: ln p(X), of the points that the mixture was fitted to.
        components: K.
        points: those points, (N, D).
    """
    count, dimensions = np.shape(points)
    return -2 * log_likelihood + parameters(components, dimensions) * np.log(count)
