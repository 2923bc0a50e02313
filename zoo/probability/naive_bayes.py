"""Naive Bayes: a generative model of each class, with all features independent of one another, used as a classifier.

Maron 1961, "Automatic Indexing: An Experimental Inquiry", https://doi.org/10.1145/321075.321084; compared with logistic
regression by Ng and Jordan 2001, "On Discriminative vs. Generative Classifiers".

The model says how a picture x of class k comes about, pixel by pixel; Bayes' rule then says which class a picture has:

    p(x, y=k) = p(y=k) prod_d p(x_d | y=k)                                                  (1)
    p(y=k | x) = p(x, y=k) / p(x),    p(x) = sum_k p(x, y=k)                                (2)

    Bernoulli   p(x_d | y=k) = theta_kd^x_d (1 - theta_kd)^(1 - x_d),   x_d in {0, 1}       (3)
                theta_kd = (n_kd + a) / (n_k + 2 a)
    Gaussian    p(x_d | y=k) = N(x_d; mu_kd, s_kd + e max_d s_d)                            (4)

with n_k pictures of class k, n_kd of them white at pixel d, and a pseudo-count a: (3) is the mean of theta under the
prior Beta(a, a) after the pictures. mu_kd and s_kd are mean and variance of pixel d within class k, and the share e of
the largest variance s_d of a pixel over all classes keeps a pixel that never changed from being certain for ever.

Fitting is counting: no step size, no iterations, the optimum in one pass. Because (1) is a product, a pixel that was
not seen is left out of it and the rest is still exact. What (1) gets wrong is the independence: neighbouring pixels say
the same thing twice, so that (2) is far too sure of itself.

All numbers are float64; the probabilities are those of TensorFlow Probability.
"""

from typing import NamedTuple

import numpy as np

LEAST_COUNT = 1e-10  # smaller pseudo-counts are lost beside the pictures: theta would be 1, a black pixel impossible
CHUNK = 200  # pictures whose (pictures, classes, pixels) log-probabilities are held at once


class Bernoulli(NamedTuple):
    """Fitted to black and white features: log p(y) (K,), and theta (K, D), the probability of 1."""

    log_prior: np.ndarray
    theta: np.ndarray


class Gaussian(NamedTuple):
    """Fitted to real features: log p(y) (K,), means and variances (K, D)."""

    log_prior: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def fit_bernoulli(x, y, classes, pseudo_count=1.0):
    """Count (3).

    Args:
        x: (N, D) of 0 and 1.
        y: integers (N,) in 0 .. classes - 1.
        classes: K; each needs a picture.
        pseudo_count: a, `LEAST_COUNT` or more, so that nothing that was not seen is impossible.

    Returns:
        `Bernoulli`.

    Raises:
        ValueError: x has other values than 0 and 1, a class has no picture, or the pseudo-count is too small.
    """
    x, log_prior, members = _by_class(x, y, classes)
    if not np.isin(x, (0.0, 1.0)).all():
        raise ValueError("x must be 0 or 1 everywhere: compare the pixels with a threshold first")
    if not pseudo_count >= LEAST_COUNT:
        raise ValueError(f"the pseudo-count must be at least {LEAST_COUNT:g}, got {pseudo_count}")
    theta = [(x[each].sum(axis=0) + pseudo_count) / (each.sum() + 2 * pseudo_count) for each in members]
    return Bernoulli(log_prior, np.stack(theta))


def fit_gaussian(x, y, classes, smoothing=1e-9):
    """Means and variances of (4).

    Args:
        x: real (N, D).
        y: integers (N,) in 0 .. classes - 1.
        classes: K; each needs a picture.
        smoothing: e >= 0, the share of the largest variance that is added to all.

    Returns:
        `Gaussian`.

    Raises:
        ValueError: a class has no picture, the share is negative, or a variance stays 0.
    """
    x, log_prior, members = _by_class(x, y, classes)
    if not smoothing >= 0:
        raise ValueError(f"the smoothing must be 0 or more, got {smoothing}")
    variance = np.stack([x[each].var(axis=0) for each in members]) + smoothing * x.var(axis=0).max()
    if not variance.all():
        raise ValueError(f"a pixel never changes within a class: smoothing must be larger than {smoothing}")
    return Gaussian(log_prior, np.stack([x[each].mean(axis=0) for each in members]), variance)


def _by_class(x, y, classes):
    """x in float64, the logarithms of the shares of the classes (K,), and which pictures each has, bool (K, N)."""
    members = np.asarray(y) == np.arange(classes)[:, None]  # (K, N)
    counts = members.sum(axis=1)
    if not counts.all():
        raise ValueError(f"class {int(np.argmin(counts))} of 0 to {classes - 1} has no picture to learn from")
    return np.asarray(x, np.float64), np.log(counts / counts.sum()), members


def features(model):
    """The distributions p(x_d | y=k) of a fitted model: a TFP distribution of batch shape (K, D)."""
    import tensorflow as tf
    import tensorflow_probability as tfp

    if isinstance(model, Bernoulli):  # an array would be rounded to float32
        return tfp.distributions.Bernoulli(probs=tf.constant(model.theta, tf.float64), dtype=tf.float64)
    return tfp.distributions.Normal(model.mean, np.sqrt(model.variance))


def log_joint(model, x, seen=None):
    """log p(x, y=k), equation (1).

    Args:
        model: `Bernoulli` or `Gaussian`.
        x: (N, D).
        seen: bool (N, D) or (D,): the features that are known; those that are not drop out of the product, which is
            the same as summing over all that they could be. None: all of them.

    Returns:
        float64 (N, K).
    """
    x = np.asarray(x, np.float64)
    seen = np.broadcast_to(True if seen is None else seen, x.shape)
    each = features(model)
    sums = [
        np.where(seen[i : i + CHUNK, None], each.log_prob(x[i : i + CHUNK, None]), 0.0).sum(axis=2)  # (<= CHUNK, K)
        for i in range(0, len(x), CHUNK)
    ]
    return model.log_prior + np.concatenate(sums)


def log_evidence(joint):
    """log p(x) = log sum_k p(x, y=k) of `log_joint` (N, K): float64 (N,), in nats."""
    largest = joint.max(axis=1)
    return largest + np.log(np.exp(joint - largest[:, None]).sum(axis=1))


def posterior(joint):
    """p(y=k | x), equation (2), of `log_joint` (N, K): float64 (N, K), rows sum to 1."""
    return np.exp(joint - log_evidence(joint)[:, None])


def sample(model, label, count, seed):
    """Draw x from p(x | y=label): float64 (count, D); the same seed, an integer, draws the same."""
    of_class = type(model)(*[each[label] for each in model])
    return features(of_class).sample(count, seed=(seed, label)).numpy()


def linear_form(model):
    """A fitted `Bernoulli` as one dense layer: log p(x, y=k) = x W + b, for (1) and (3) are linear in x.

        W_dk = log theta_kd - log(1 - theta_kd),    b_k = log p(y=k) + sum_d log(1 - theta_kd)

    Logistic regression has the same form, and other W and b: those that make the labels likely, not the pictures.

    Returns:
        W float64 (D, K), b float64 (K,).
    """
    log_odds = np.log(model.theta) - np.log1p(-model.theta)
    return log_odds.T, model.log_prior + np.log1p(-model.theta).sum(axis=1)


class Classifier:
    """A model of pictures by their brightness in 0 .. 1, with the manners of scikit-learn's classifiers.

    Args:
        kind: "bernoulli" or "gaussian".
        threshold: brightness above which a pixel is white for the Bernoulli model.
        pseudo_count: of `fit_bernoulli`.
        smoothing: of `fit_gaussian`.
    """

    def __init__(self, kind, threshold=0.5, pseudo_count=1.0, smoothing=1e-9):
        self.kind = kind
        self.threshold = threshold
        self.pseudo_count = pseudo_count
        self.smoothing = smoothing
        self.model = None

    def fit(self, x, y):
        """Count pictures (N, D) with labels (N,) in 0 .. K - 1; returns itself."""
        if self.kind == "bernoulli":
            self.model = fit_bernoulli(self.as_seen(x), y, max(y) + 1, self.pseudo_count)
        else:
            self.model = fit_gaussian(x, y, max(y) + 1, self.smoothing)
        return self

    def as_seen(self, x):
        """What the model has of brightness: 0 or 1, or the brightness itself."""
        return (x > cut(self.threshold)).astype(np.float64) if self.kind == "bernoulli" else x

    def log_joint(self, x, seen=None):
        """log p(x, y=k) of brightness, as the function of that name: (N, K)."""
        return log_joint(self.model, self.as_seen(x), seen)

    def predict_proba(self, x, seen=None):
        """p(y=k | x), (N, K)."""
        return posterior(self.log_joint(x, seen))

    def predict(self, x, seen=None):
        """The most probable classes (N,)."""
        return self.log_joint(x, seen).argmax(axis=1)


def cut(threshold):
    """The threshold, moved between two of the 256 brightnesses that a pixel can have: no rounding decides."""
    return (int(255 * threshold) + 0.5) / 255


def calibration(probabilities, labels, bins):
    """How often a classifier is right when it says how sure it is (Guo et al. 2017, https://arxiv.org/abs/1706.04599).

        ECE = sum_b (n_b / N) |accuracy_b - confidence_b|                                   (eq. 3 there)

    Pictures are put into `bins` of equal width by their confidence, the probability of the class that is chosen.

    Args:
        probabilities: (N, K), rows sum to 1.
        labels: integers (N,).
        bins: number of bins, 1 or more.

    Returns:
        ECE, and for each bin that is not empty: mean confidence, accuracy, pictures; float (B, 3).

    Raises:
        ValueError: there are no bins.
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = np.array([[confidence[place == b].mean(), right[place == b].mean(), (place == b).sum()] for b in set(place)])
    error = np.sum(rows[:, 2] * np.abs(rows[:, 1] - rows[:, 0])) / len(labels)
    return float(error), rows[np.argsort(rows[:, 0])]
