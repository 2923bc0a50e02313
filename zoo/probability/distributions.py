"""Ten distributions: their laws, as exact as float64 is.

Each family is an entry of `FAMILIES`: its law and moments in plain text, an everyday example, the ranges of its
parameters, and how TensorFlow Probability (TFP) makes it. TFP does the probability, in float64, but for what it lacks
or gets wrong (measured on 0.25):

- it has no hypergeometric distribution: here it is a `tfd.FiniteDiscrete` whose weights come from the ratios of
  neighbours, without a factorial;
- its Geometric counts the failures before the first success; this one, as textbooks and SciPy do, the trials up to it;
- outside of the support, and between whole numbers, its densities are not 0: here they are;
- its cdf of a Poisson is wrong for large rates (by 0.02 at a rate of 1e6): here a discrete cdf is a sum of the pmf;
- its quantile of a Beta is wrong at the median (0.269 for Beta(2, 5), which has 0.264): here it is a root of the cdf,
  sought in log x, for that of Beta(0.1, 5) at 1 % is 1e-21.

How one becomes another is in zoo/probability/limits.py, how they are fitted to data in zoo/probability/fitting.py.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

TAIL = 1e-12  # a table of an infinite support leaves out at most this probability
MOST_VALUES = 5_000_000  # of a table: 40 MB an array

# Ranges of parameters: what an error says, and the test.
PROBABILITY = ("a probability from 0 to 1", lambda value: 0 <= value <= 1)
CHANCE = ("a probability above 0 and at most 1", lambda value: 0 < value <= 1)
POSITIVE = ("a finite number above 0", lambda value: 0 < value < np.inf)
REAL = ("a finite number", lambda value: np.isfinite(value))
COUNT = ("a whole number, 0 or more", lambda value: value >= 0 and value == int(value))
SIZE = ("a whole number, 1 or more", lambda value: value >= 1 and value == int(value))


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of distributions of one number.

    Attributes:
        title: its name.
        law: pmf or pdf in plain text.
        mean, variance: in plain text.
        example: from everyday life.
        parameters: name -> range, one of those above.
        defaults: name -> value, of the example.
        discrete: whether it has a pmf, on whole numbers, in place of a pdf.
        support: parameters -> least and largest value.
        make: parameters -> `tfd.Distribution`; called by `distribution`, which checks them.
        end: parameters -> value beyond which at most `TAIL` lies, where the support is infinite and discrete.
        rules: (sentence, test of the parameters) for those that must fit each other.
        find_quantile: (shares, parameters) -> quantiles, where TFP's are wrong.
    """

    title: str
    law: str
    mean: str
    variance: str
    example: str
    parameters: dict[str, tuple[str, Callable]]
    defaults: dict[str, float]
    discrete: bool
    support: Callable
    make: Callable
    end: Callable | None = None
    rules: tuple[tuple[str, Callable], ...] = ()
    find_quantile: Callable | None = None

    def check(self, **parameters):
        """Raise a `ValueError` of one sentence unless the parameters are the family's, and in their ranges."""
        for name in self.parameters:
            if name not in parameters:
                raise ValueError(f"{self.title} needs {name}: {self.parameters[name][0]}")
        for name, value in parameters.items():
            if name not in self.parameters:
                raise ValueError(f"{self.title} has no parameter {name}: it has {', '.join(self.parameters)}")
            text, holds = self.parameters[name]
            if not (np.isfinite(value) and holds(value)):
                raise ValueError(f"{name} of {self.title} must be {text}, got {value:g}")
        for text, holds in self.rules:
            if not holds(**parameters):
                raise ValueError(f"{self.title} needs {text}, got {spell(parameters)}")

    def distribution(self, **parameters):
        """The `tfd.Distribution` of some parameters, float64. Mind that its densities are unmasked."""
        self.check(**parameters)
        return self.make(**{name: tf.constant(value, tf.float64) for name, value in parameters.items()})

    def log_prob(self, x, **parameters):
        """log pmf or log pdf at x, in nats; -inf outside of the support."""
        distribution = self.distribution(**parameters)
        low, high = self.support(**parameters)
        x = np.asarray(x, np.float64)
        inside = (low <= x) & (x <= high) & np.isfinite(x)
        if self.discrete:
            inside &= x == np.floor(x)
        safe = np.where(inside, x, low if np.isfinite(low) else 0.0)
        return np.where(inside, distribution.log_prob(safe).numpy(), -np.inf)

    def table(self, **parameters):
        """Every value and its probability: float64 (V,), (V,); an infinite support ends where `TAIL` is left."""
        self.check(**parameters)
        low, high = self.support(**parameters)
        last = self.end(**parameters) if self.end else high
        if last - low >= MOST_VALUES:
            raise ValueError(f"{self.title} with {spell(parameters)} has more than {MOST_VALUES:,} values to add up")
        values = np.arange(low, last + 1, dtype=np.float64)
        return values, np.exp(self.log_prob(values, **parameters))

    def cdf(self, x, **parameters):
        """P(X <= x)."""
        x = np.asarray(x, np.float64)
        if not self.discrete:
            return self.distribution(**parameters).cdf(np.clip(x, *self.support(**parameters))).numpy()
        values, probabilities = self.table(**parameters)
        up_to = np.concatenate([[0.0], np.cumsum(probabilities)])
        return np.minimum(up_to[np.searchsorted(values, x, side="right")], 1.0)

    def quantile(self, share, **parameters):
        """The least x with P(X <= x) >= share, for shares between 0 and 1."""
        share = np.asarray(share, np.float64)
        if self.discrete:
            values, probabilities = self.table(**parameters)
            place = np.searchsorted(np.cumsum(probabilities), share - TAIL)  # a sum may end one rounding too low
            return values[np.minimum(place, len(values) - 1)]
        if self.find_quantile:
            self.check(**parameters)
            return self.find_quantile(share, **parameters)
        return self.distribution(**parameters).quantile(share).numpy()

    def sample(self, count, seed, **parameters):
        """Draw float64 (count,); the same seed draws the same numbers."""
        return self.distribution(**parameters).sample(count, seed=tf.constant([seed, 0])).numpy()

    def moments(self, **parameters):
        """Mean and variance."""
        distribution = self.distribution(**parameters)
        return float(distribution.mean()), float(distribution.variance())

    def log_mass(self, x, **parameters):
        """log P(x - 1/2 < X < x + 1/2): whole numbers under a density, to be compared with their log pmf.

        The difference of two cdfs, which no law is too narrow for; in the tails, where that would be 0, Gauss-Legendre
        quadrature of the density over the part of the interval that lies in the support.
        """
        low, high = self.support(**parameters)
        points, weights = np.polynomial.legendre.leggauss(24)
        left = np.clip(np.asarray(x, np.float64) - 0.5, low, high)[:, None]  # (N, 1)
        right = np.clip(np.asarray(x, np.float64) + 0.5, low, high)[:, None]
        heights = self.log_prob(left + (right - left) * (points + 1.0) / 2.0, **parameters)  # (N, 24)
        mass = (self.cdf(right, **parameters) - self.cdf(left, **parameters))[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = heights + np.log(weights * (right - left) / 2.0)
            return np.where(mass > 1e-6, np.log(mass), np.logaddexp.reduce(logs, axis=1))


def spell(parameters):
    """Parameters as text: "N=50, K=20"."""
    return ", ".join(f"{name}={value:g}" for name, value in parameters.items())


# --- how TFP makes them -----------------------------------------------------------------------


def hypergeometric(N, K, n):
    """Marked ones among n drawn without replacement from N of which K are marked, exactly: `tfd.FiniteDiscrete`.

    Neighbours have the rational ratio

        P(k + 1) / P(k) = (K - k) (n - k) / ((k + 1) (N - K - n + k + 1))

    whose logarithms are summed from the mode outwards (near it the sums, and so their roundings, are small); TFP
    normalises. Sampling, log_prob, cdf, mean, variance, mode and entropy are those of any `tfd.Distribution`.

    Args:
        N: size of the population, from 1.
        K: marked ones, 0 to N.
        n: drawn, 0 to N.

    Raises:
        ValueError: for other numbers.
    """
    from tensorflow_probability import distributions as tfd

    FAMILIES["hypergeometric"].check(N=N, K=K, n=n)
    N, K, n = int(N), int(K), int(n)
    low, high = max(0, n + K - N), min(n, K)
    k = np.arange(low, high, dtype=np.float64)
    steps = np.log((K - k) * (n - k)) - np.log((k + 1) * (N - K - n + k + 1))
    mode = (n + 1) * (K + 1) // (N + 2) - low
    below, above = -np.cumsum(steps[:mode][::-1])[::-1], np.cumsum(steps[mode:])
    logits = np.concatenate([below, [0.0], above])
    return tfd.FiniteDiscrete(np.arange(low, high + 1, dtype=np.float64), logits=logits, name="Hypergeometric")


def _make(name, *arguments, **options):
    """TFP's distribution of a name: TFP takes seconds to import, so it is imported when it is needed."""
    from tensorflow_probability import distributions as tfd

    return getattr(tfd, name)(*arguments, **options)


def _make_trials(p):
    """TFP's Geometric counts failures: one more is the trials."""
    from tensorflow_probability import bijectors as tfb

    return _make("TransformedDistribution", _make("Geometric", probs=p), tfb.Shift(tf.constant(1.0, tf.float64)))


def _beta_quantile(share, alpha, beta):
    """The root of the cdf, in log x, as the quantiles of a small alpha are tiny; above the middle, of 1 - X for X."""
    import tensorflow_probability as tfp

    alpha, beta = np.float64(alpha), np.float64(beta)
    lower = share <= _make("Beta", alpha, beta).cdf(0.5).numpy()
    tail = np.where(lower, share, 1.0 - share)
    law = _make("Beta", np.where(lower, alpha, beta), np.where(lower, beta, alpha))  # of X, or of 1 - X
    least = np.finfo(np.float64).tiny
    root = tfp.math.find_root_chandrupatla(
        lambda log_x: law.cdf(tf.exp(log_x)) - tail, np.log(least), np.float64(0.0), 1e-14
    )
    x = np.where(law.cdf(least) < tail, np.exp(root.estimated_root), 0.0)
    return np.where(lower, x, 1.0 - x)[()]  # a number for a number


# --- where infinite tables end ----------------------------------------------------------------


def _poisson_end(rate):
    """Bernstein's inequality: P(X >= rate + t) <= exp(-t^2 / (2 rate + 2 t / 3)), solved for t."""
    nats = -np.log(TAIL)
    return np.ceil(rate + nats / 3 + np.sqrt(nats**2 / 9 + 2 * nats * rate))


def _geometric_end(p):
    """P(X > k) = (1 - p)^k."""
    return 1.0 if p == 1 else np.ceil(np.log(TAIL) / np.log1p(-p))


# --- the ten ----------------------------------------------------------------------------------

FAMILIES = {
    "bernoulli": Family(
        title="Bernoulli",
        law="P(X = 1) = p,   P(X = 0) = 1 - p",
        mean="p",
        variance="p (1 - p)",
        example="one flip of a bent coin: heads or not",
        parameters={"p": PROBABILITY},
        defaults={"p": 0.3},
        discrete=True,
        support=lambda p: (0, 1),
        make=lambda p: _make("Bernoulli", probs=p, dtype=tf.float64),
    ),
    "binomial": Family(
        title="Binomial",
        law="P(X = k) = C(n, k) p^k (1 - p)^(n - k),   k = 0, ..., n",
        mean="n p",
        variance="n p (1 - p)",
        example="right answers when all 10 questions of a test with four choices are guessed",
        parameters={"n": COUNT, "p": PROBABILITY},
        defaults={"n": 10, "p": 0.25},
        discrete=True,
        support=lambda n, p: (0, int(n)),
        make=lambda n, p: _make("Binomial", n, probs=p),
    ),
    "poisson": Family(
        title="Poisson",
        law="P(X = k) = rate^k e^(-rate) / k!,   k = 0, 1, 2, ...",
        mean="rate",
        variance="rate",
        example="calls that reach a help desk in an hour, 4 on average",
        parameters={"rate": POSITIVE},
        defaults={"rate": 4.0},
        discrete=True,
        support=lambda rate: (0, np.inf),
        end=_poisson_end,
        make=lambda rate: _make("Poisson", rate),
    ),
    "geometric": Family(
        title="Geometric",
        law="P(X = k) = (1 - p)^(k - 1) p,   k = 1, 2, 3, ... trials, the last one the first success",
        mean="1 / p",
        variance="(1 - p) / p^2",
        example="throws of a die until the first six, that throw included",
        parameters={"p": CHANCE},
        defaults={"p": 1 / 6},
        discrete=True,
        support=lambda p: (1, np.inf),
        end=_geometric_end,
        make=_make_trials,
    ),
    "hypergeometric": Family(
        title="Hypergeometric",
        law="P(X = k) = C(K, k) C(N - K, n - k) / C(N, n),   k = max(0, n + K - N), ..., min(n, K)",
        mean="n K / N",
        variance="n (K / N) (1 - K / N) (N - n) / (N - 1)",
        example="hearts among the 5 cards of a hand, from 52 cards of which 13 are hearts",
        parameters={"N": SIZE, "K": COUNT, "n": COUNT},
        defaults={"N": 52, "K": 13, "n": 5},
        discrete=True,
        support=lambda N, K, n: (max(0, int(n + K - N)), int(min(n, K))),
        rules=(
            ("K, the marked ones, at most N", lambda N, K, n: K <= N),
            ("n, the drawn ones, at most N", lambda N, K, n: n <= N),
        ),
        make=hypergeometric,
    ),
    "uniform": Family(
        title="Uniform",
        law="p(x) = 1 / (high - low),   low <= x <= high",
        mean="(low + high) / 2",
        variance="(high - low)^2 / 12",
        example="minutes of waiting for a tram that comes every 10 minutes",
        parameters={"low": REAL, "high": REAL},
        defaults={"low": 0.0, "high": 10.0},
        discrete=False,
        support=lambda low, high: (low, high),
        rules=(("low below high", lambda low, high: low < high and np.isfinite(high - low)),),
        make=lambda low, high: _make("Uniform", low, high),
    ),
    "normal": Family(
        title="Normal",
        law="p(x) = exp(-(x - mu)^2 / (2 sigma^2)) / (sigma sqrt(2 pi))",
        mean="mu",
        variance="sigma^2",
        example="heights of grown men in cm",
        parameters={"mu": REAL, "sigma": POSITIVE},
        defaults={"mu": 178.0, "sigma": 7.0},
        discrete=False,
        support=lambda mu, sigma: (-np.inf, np.inf),
        make=lambda mu, sigma: _make("Normal", mu, sigma),
    ),
    "exponential": Family(
        title="Exponential",
        law="p(x) = rate e^(-rate x),   x >= 0",
        mean="1 / rate",
        variance="1 / rate^2",
        example="minutes until the next call, when a call comes every 15 minutes on average",
        parameters={"rate": POSITIVE},
        defaults={"rate": 1 / 15},
        discrete=False,
        support=lambda rate: (0, np.inf),
        make=lambda rate: _make("Exponential", rate),
    ),
    "lognormal": Family(
        title="Log-normal",
        law="p(x) = exp(-(log x - mu)^2 / (2 sigma^2)) / (x sigma sqrt(2 pi)),   x > 0",
        mean="exp(mu + sigma^2 / 2)",
        variance="(exp(sigma^2) - 1) exp(2 mu + sigma^2)",
        example="incomes in thousands a year: many small factors multiplied",
        parameters={"mu": REAL, "sigma": POSITIVE},
        defaults={"mu": 3.5, "sigma": 0.5},
        discrete=False,
        support=lambda mu, sigma: (0, np.inf),
        make=lambda mu, sigma: _make("LogNormal", mu, sigma),
    ),
    "beta": Family(
        title="Beta",
        law="p(x) = x^(alpha - 1) (1 - x)^(beta - 1) / B(alpha, beta),   0 <= x <= 1",
        mean="alpha / (alpha + beta)",
        variance="alpha beta / ((alpha + beta)^2 (alpha + beta + 1))",
        example="what is believed of a coin's chance of heads after 1 head and 4 tails",
        parameters={"alpha": POSITIVE, "beta": POSITIVE},
        defaults={"alpha": 2.0, "beta": 5.0},
        discrete=False,
        support=lambda alpha, beta: (0, 1),
        make=lambda alpha, beta: _make("Beta", alpha, beta),
        find_quantile=_beta_quantile,
    ),
}
