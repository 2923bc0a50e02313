"""Maximum likelihood: which parameters of a family make the data most probable, and which family is the best.

    theta^ = argmax_theta L(theta),   L(theta) = sum_i log p(x_i; theta)
    AIC = 2 k - 2 L(theta^),   k parameters; the smaller the better       Akaike 1974

Some maxima are averages of the data; others have to be searched. The families are those of
zoo/probability/distributions.py, by their names there.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

LARGEST_COUNT = 1_000_000  # that the searches for whole numbers go to
TRIED = 40  # numbers from the largest count upwards: as n and as K of a hypergeometric distribution
NEWTON_STEPS = 200
FEWEST = 10  # numbers that are ranked
LARGEST_VALUE = 100_000  # whole numbers above it are measured, not counted
LARGEST = 1e100  # of any number
NARROWEST = 1e-12  # distance of the largest number from the smallest, as a share of the largest


def is_whole(x):
    """Whether all of an array are whole numbers."""
    return bool((x == np.floor(x)).all())


# What data have to be: as a sentence, and as a test.
BITS = ("zeros and ones", lambda x: np.isin(x, (0, 1)).all())
COUNTS = ("whole numbers, 0 or more, not all 0", lambda x: is_whole(x) and x.min() >= 0 and x.max() > 0)
TRIALS = ("whole numbers, 1 or more", lambda x: is_whole(x) and x.min() >= 1)
NUMBERS = ("two different numbers", lambda x: x.min() < x.max())
TIMES = ("numbers, 0 or more, not all 0", lambda x: x.min() >= 0 and x.max() > 0)
POSITIVES = ("numbers above 0, not all equal", lambda x: 0 < x.min() < x.max())
SHARES = ("numbers between 0 and 1, not all equal", lambda x: 0 < x.min() < x.max() < 1)


def _climb(height, start, least):
    """Climb over vectors of whole numbers, none below `least`; steps double after success and halve after failure.

    Raises:
        ValueError: when a number passes `LARGEST_COUNT`: the likelihood has no maximum.
    """
    place, step = np.array(start), 1
    best = height(*place)
    directions = [np.array(each) for each in itertools.product((0, 1, -1), repeat=len(start)) if any(each)]
    while step:
        places = [place + step * each for each in directions if (place + step * each >= least).all()]
        heights = [height(*each) for each in places]
        if max(heights) > best:
            best, place = max(heights), places[int(np.argmax(heights))]
            step *= 2
        else:
            step //= 2
        if place.max() > LARGEST_COUNT:
            raise ValueError("no parameters are the best: the likelihood rises for ever with their size")
    return place.tolist()


def _log_choose(n, k):
    n, k = np.asarray(n, np.float64), np.asarray(k, np.float64)
    return (tf.math.lgamma(n + 1) - tf.math.lgamma(k + 1) - tf.math.lgamma(n - k + 1)).numpy()


def _fit_binomial(x):
    """p = mean / n at every n, so that only n is searched; finite only if the variance is below the mean."""
    if x.var() >= x.mean():
        raise ValueError("no n is the best: the variance is not below the mean")
    values, counts = np.unique(x, return_counts=True)

    def height(n):
        p = x.mean() / n
        failures = 0.0 if p == 1 else (n - x.mean()) * np.log1p(-p)
        return _log_choose(n, values) @ counts / len(x) + x.mean() * np.log(p) + failures

    (n,) = _climb(height, [int(x.max())], [int(x.max())])
    return {"n": n, "p": x.mean() / n}


def _fit_hypergeometric(x):
    """N is near n K / mean, so that n and K are searched; both can be exchanged, and n is the smaller one here.

    There are many local maxima among small n and K: all of these are tried, and the climb starts at the best.
    """
    values, counts = np.unique(x, return_counts=True)
    least = int(x.max())

    def heights(n, K):
        """Pairs (C,), (C,) -> the sizes of population near n K / mean, and their log-likelihoods: (C, 7), (C, 7)."""
        around = np.arange(-3, 4) + np.rint(n * K / x.mean())[:, None]
        N = np.maximum(around, np.maximum(K, n + K - values.min())[:, None])
        n, K = n[:, None, None], K[:, None, None]
        each = _log_choose(K, values) + _log_choose(N[..., None] - K, n - values) - _log_choose(N[..., None], n)
        return N, each @ counts

    n, K = np.array([(n, K) for n in range(least, least + TRIED) for K in range(n, least + TRIED)]).T
    start = heights(n, K)[1].max(axis=1).argmax()
    place = _climb(lambda *pair: heights(*np.sort(pair)[:, None])[1].max(), [n[start], K[start]], [least, least])
    n, K = np.sort(place)[:, None]
    sizes, likelihoods = heights(n, K)
    return {"N": sizes[0, likelihoods[0].argmax()], "K": K[0], "n": n[0]}


def _fit_beta(x):
    """Newton's method on the concave likelihood; where the derivatives, with psi the digamma function, are 0:

    mean log x = psi(alpha) - psi(alpha + beta),   mean log(1 - x) = psi(beta) - psi(alpha + beta)
    """
    means = np.array([np.log(x).mean(), np.log1p(-x).mean()])
    place = (x.mean() * (1 - x.mean()) / x.var() - 1) * np.array([x.mean(), 1 - x.mean()])  # by the moments
    for _ in range(NEWTON_STEPS):
        both = np.append(place, place.sum())  # alpha, beta, alpha + beta
        first, second = tf.math.digamma(both).numpy(), tf.math.polygamma(tf.ones_like(both), both).numpy()
        gradient = means - first[:2] + first[2]
        step = np.linalg.solve(second[2] - np.diag(second[:2]), -gradient)
        while (place + step <= 0).any():
            step /= 2
        place = place + step
        if (np.abs(step) <= 1e-10 * place).all():
            return {"alpha": place[0], "beta": place[1]}
    raise ValueError(f"no parameters are found in {NEWTON_STEPS} steps of Newton's method")


# Family -> what the data have to be (as a sentence and as a test), number of parameters, and where their maximum is.
FITS = {
    "bernoulli": (*BITS, 1, lambda x: {"p": x.mean()}),
    "binomial": (*COUNTS, 2, _fit_binomial),
    "poisson": (*COUNTS, 1, lambda x: {"rate": x.mean()}),
    "geometric": (*TRIALS, 1, lambda x: {"p": 1 / x.mean()}),
    "hypergeometric": (*COUNTS, 3, _fit_hypergeometric),
    "uniform": (*NUMBERS, 2, lambda x: {"low": x.min(), "high": x.max()}),
    "normal": (*NUMBERS, 2, lambda x: {"mu": x.mean(), "sigma": x.std()}),
    "exponential": (*TIMES, 1, lambda x: {"rate": 1 / x.mean()}),
    "lognormal": (*POSITIVES, 2, lambda x: {"mu": np.log(x).mean(), "sigma": np.log(x).std()}),
    "beta": (*SHARES, 2, _fit_beta),
}


def fit(name, x):
    """Parameters of the highest likelihood.

    Args:
        name: of the family.
        x: the data, float64 (N,).

    Returns:
        Name -> number.

    Raises:
        ValueError: when the family cannot be the law of such numbers, or no parameters are the best.
    """
    needs, suits, _, maximise = FITS[name]
    if not suits(x):
        raise ValueError(f"needs {needs}")
    return {parameter: float(value) for parameter, value in maximise(x).items()}


def aic(name, log_likelihood):
    """Akaike's information criterion of a family whose highest log-likelihood is given."""
    return 2 * FITS[name][2] - 2 * log_likelihood


def held_out(name, x, log_prob, folds=5, seed=0):
    """Mean log-likelihood of a number that the fit has not seen, in nats, by cross-validation.

    Args:
        name: of the family.
        x: the data, float64 (N,).
        log_prob: of numbers, given parameters by their names.
        folds: parts of the shuffled data; each is judged by the fit to the others.
        seed: of the shuffling.

    Returns:
        A number; -inf when a fit holds a number for impossible that is there.

    Raises:
        ValueError: when a part cannot be fitted.
    """
    parts = np.array_split(np.random.default_rng(seed).permutation(x), folds)
    total = 0.0
    for index, part in enumerate(parts):
        rest = np.concatenate(parts[:index] + parts[index + 1 :])
        total += log_prob(part, **fit(name, rest)).sum()
    return float(total / len(x))


@dataclass(frozen=True)
class Candidate:
    """A family fitted to data.

    Attributes:
        name: of the family.
        parameters: of the highest likelihood.
        log_likelihood: of all data, in nats.
        aic: Akaike's criterion.
        held_out: mean log-likelihood of a number by a fit to others, in nats; -inf also where these have no best fit.
    """

    name: str
    parameters: dict[str, float]
    log_likelihood: float
    aic: float
    held_out: float


def rank(families, x, seed=0):
    """Fit all families to data, the best by AIC first.

    Only whole numbers can have a discrete law. A density says how probable such a number is by its integral over the
    unit around it: so both kinds are compared by probabilities of the same events.

    Args:
        families: name -> `zoo.probability.distributions.Family`.
        x: the data, float64 (N,).
        seed: of the parts that are held out.

    Returns:
        List of `Candidate`, and for the others name -> why they are none.

    Raises:
        ValueError: when there are too few numbers, one only, many times, or too large or too narrow ones for float64.
    """
    if len(x) < FEWEST:
        raise ValueError(f"{FEWEST} numbers or more are needed for a fit, got {len(x)}")
    if x.min() == x.max():
        raise ValueError(f"two different numbers or more are needed for a fit, got {x[0]:g} only")
    if np.abs(x).max() > LARGEST:
        raise ValueError(
            f"numbers from {-LARGEST:g} to {LARGEST:g} are needed for a fit, got {x[np.abs(x).argmax()]:g}"
        )
    if np.ptp(x) < NARROWEST * np.abs(x).max():
        raise ValueError(f"numbers that differ by more than rounding are needed for a fit, all are {x[0]:g}")
    candidates, refused = [], {}
    for name, family in families.items():
        log_prob = family.log_prob if family.discrete or not is_whole(x) else family.log_mass
        try:
            if family.discrete and x.max() > LARGEST_VALUE:
                raise ValueError(f"needs whole numbers up to {LARGEST_VALUE:,}")
            parameters = fit(name, x)
            log_likelihood = float(_each(log_prob, x, parameters).sum())
            judged = _judge(name, x, log_prob, seed)
            candidates.append(Candidate(name, parameters, log_likelihood, aic(name, log_likelihood), judged))
        except ValueError as reason:
            refused[name] = str(reason)
    return sorted(candidates, key=lambda candidate: candidate.aic), refused


def _judge(name, x, log_prob, seed):
    try:
        return held_out(name, x, lambda part, **parameters: _each(log_prob, part, parameters), seed=seed)
    except ValueError:  # a fifth fewer numbers, and none are the best
        return -np.inf


def _each(log_prob, x, parameters):
    """log_prob of every number, of equal ones only once."""
    values, places = np.unique(x, return_inverse=True)
    return log_prob(values, **parameters)[places]
