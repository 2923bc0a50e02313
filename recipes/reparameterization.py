"""Why a VAE can be trained: the gradient of an expectation by two estimators, and how noisy each of them is.

    python -m recipes reparameterization
    python -m recipes reparameterization --scale 0.2 --dimensions 1 10 100

Two ways to the same gradient, checked against the closed form: their noise on one number, over the number of samples,
over the number of dimensions, with a baseline, and what it does to gradient descent.
"""

from dataclasses import dataclass

from recipes import lesson

KIND = "lesson"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the lesson."""

    mean: float = 1.0
    """mu of q(z) = N(mu, sigma^2)."""
    scale: float = 0.5
    """sigma of q(z)."""
    target: float = 3.0
    """a of f(z) = (z - a)^2."""
    dimensions: tuple[int, ...] = (1, 4, 16, 64)
    """Numbers of dimensions that are compared, up to 1000; each has the same mu, sigma and a."""
    draws: int = 20_000
    """Samples that variances are measured with, up to 1,000,000."""
    samples: int = 8
    """Samples a step of gradient descent."""
    steps: int = 400
    """Of gradient descent."""
    learning_rate: float = 0.01
    """Of gradient descent."""
    seed: int = 0
    """Of the samples."""
    folder: str | None = None
    """Of the figures, new; None makes runs/<recipe>-<time>."""


PRESETS = {
    "lesson": Config(),
    "smoke": Config(dimensions=(1, 3), draws=300, steps=20),
}

MOST_NUMBERS = 20_000_000  # that are drawn at once


def run(config):
    """The two estimators, their variance, the baseline, learning, a coin, questions."""
    anywhere, whole = (-1e6, 1e6), (1, 1_000_000)
    lesson.check(config, mean=anywhere, target=anywhere, scale=(0.001, 1000), draws=whole, samples=whole, steps=whole)
    if not config.dimensions or not all(1 <= count <= 1000 for count in config.dimensions):
        raise ValueError(f"--dimensions must be from 1 to 1000, got {' '.join(map(str, config.dimensions)) or 'none'}")
    if config.draws * max(config.dimensions) > MOST_NUMBERS:
        raise ValueError(f"--draws times the largest of --dimensions must be at most {MOST_NUMBERS}")
    if not 0 < config.learning_rate < float("inf"):
        raise ValueError(f"--learning-rate must be a finite number above 0, got {config.learning_rate}")

    import numpy as np

    from zoo.probability import reparameterization as maths

    speaker = lesson.Lesson("reparameterization", config.folder)
    one = [np.array([value]) for value in (config.mean, config.scale, config.target)]
    exact = maths.exact_gradients(*one)

    speaker.section("1. What is wanted")
    speaker.say(
        f"""
        A VAE's encoder says how latent vectors are to be drawn, and training needs to know how the expected loss changes when the encoder changes. But sampling stands between them: how does one differentiate through a draw?
        The smallest case: z is drawn from q = N(mu, sigma^2), the loss is f(z) = (z - a)^2, here with mu = {config.mean:g}, sigma = {config.scale:g}, a = {config.target:g}. The expectation is known, and so is its slope:
            E[f(z)] = (mu - a)^2 + sigma^2
            slope in mu    = 2 (mu - a) = {exact[0][0]:g}
            slope in sigma = 2 sigma    = {exact[1][0]:g}
        A network's loss has no such formula. It has to be estimated from samples."""  # noqa: E501
    )

    speaker.section("2. Two estimators")
    speaker.say(
        """
        The score function moves the slope to the density, and asks for values of f alone:
            slope E[f(z)] = E[ f(z) * slope of log q(z) ]
        The reparameterisation trick writes the sample as a function of the parameters and of noise that has none, z = mu + sigma eps with eps ~ N(0, 1); then the slope goes through f:
            slope E[f(z)] = E[ slope of f(mu + sigma eps) ]
        Both are exact on average. TensorFlow Probability knows which distributions can do the second: tfd.Normal is FULLY_REPARAMETERIZED, tfd.Bernoulli is not."""  # noqa: E501
    )
    f = maths.quadratic(one[2])
    single, rows = {}, {}
    for estimator in maths.ESTIMATORS:
        for_mean, for_scale = maths.estimates(estimator, f, one[0], one[1], config.draws, config.seed)
        single[estimator] = for_mean[:, 0]
        rows[estimator] = {
            "slope in mu": float(for_mean.mean()),
            "exact": float(exact[0][0]),
            "variance": float(for_mean.var()),
            "slope in sigma": float(for_scale.mean()),
            "exact, sigma": float(exact[1][0]),
            "variance, sigma": float(for_scale.var()),
        }
    speaker.table(f"Means and variances of {config.draws} estimates from one sample each", rows)
    _draw_estimates(speaker, single, float(exact[0][0]))

    speaker.section("3. The noise, in closed form")
    score_variance = float(maths.score_function_variance(*one)[0])
    trick_variance = float(maths.reparameterised_variance(one[1])[0])
    least = abs(config.mean - config.target) / 15**0.25  # where d^4 / sigma^2 + 15 sigma^2 is
    narrow = "So does the second here, where d = 0, but it stays 15/4 times as large."
    if least > 0:
        narrow = f"The second is least at sigma = |d| / 15^(1/4) = {least:.3g}. In a narrower q sigma in the denominator decides: the slope of log q is steep, and f(z) weighs it by nearly the same number on both sides. The average of two large numbers with opposite signs is where the noise comes from."  # noqa: E501
    speaker.say(
        f"""
        With d = mu - a the variances of the estimates for mu are
            reparameterised:  4 sigma^2                              = {trick_variance:.4g}
            score function:   d^4 / sigma^2 + 14 d^2 + 15 sigma^2    = {score_variance:.4g}
        The first falls with sigma: a narrow q samples nearly the same slope each time. {narrow}
        Any constant b may be taken off f(z), since the slope of log q is 0 on average. The best b is {float(maths.best_baseline(*one)[0]):.4g} here and leaves a variance of {float(maths.score_function_variance(*one, maths.best_baseline(*one))[0]):.4g}."""  # noqa: E501
    )
    many = {count: [np.repeat(each, count) for each in one] for count in config.dimensions}
    table = {}
    for count, point in many.items():
        best = maths.best_baseline(*point)
        score, _ = maths.estimates(
            "score function", maths.quadratic(point[2]), point[0], point[1], config.draws, config.seed
        )
        trick, _ = maths.estimates(
            "reparameterised", maths.quadratic(point[2]), point[0], point[1], config.draws, config.seed
        )
        table[f"{count} dimensions" if count > 1 else "1 dimension"] = {
            "score function": float(maths.score_function_variance(*point)[0]),
            "measured": float(score.var(axis=0).mean()),
            "with baseline": float(maths.score_function_variance(*point, best[0])[0]),
            "reparameterised": float(maths.reparameterised_variance(point[1])[0]),
            "measured, trick": float(trick.var(axis=0).mean()),
        }
    speaker.table("Variance of the estimate for one mu when f sums over many dimensions", table)
    _draw_variance(speaker, config, maths)

    speaker.section("4. What the noise does to learning")
    curves = {
        estimator: maths.fit(
            estimator, config.target, config.scale, config.steps, config.samples, config.learning_rate, config.seed
        )
        for estimator in maths.ESTIMATORS
    }
    speaker.say(
        f"""
        Variational inference in small: q = N(0, 1) is moved towards p = N({config.target:g}, {config.scale:g}^2) down KL(q || p) = E_q[-log p(z)] - H(q), the first term by samples and the entropy exactly, by {config.steps} steps of gradient descent with {config.samples} samples each. The exact KL, in nats:"""  # noqa: E501
    )
    moments = sorted({0, config.steps // 10, config.steps // 2, config.steps})
    speaker.table(
        "KL(q || p) after so many steps",
        {name: {str(moment): float(kl[moment]) for moment in moments} for name, kl in curves.items()},
    )
    if not all(np.isfinite(kl[-1]) for kl in curves.values()):
        speaker.say(
            f"""
            The rate is too large: descent in mu needs one below 2 sigma^2 = {2 * config.scale**2:g}, and less where gradients are noisy."""  # noqa: E501
        )
    _draw_learning(speaker, curves)

    speaker.section("5. Where the trick ends")
    slope, coin_variance = maths.coin_gradient(0.5, (0.0 - config.target) ** 2, (1.0 - config.target) ** 2)
    speaker.say(
        f"""
        A coin cannot be moved a little: x in {{0, 1}} jumps, and has no slope in p. The score function does not mind, it never looks at the slope of f. For f(x) = (x - {config.target:g})^2 and p = 0.5 the slope of the expectation is f(1) - f(0) = {slope:g}, and one estimate of it has the variance {coin_variance:.4g}. This is why VAEs have continuous latents, and why models with discrete ones (VQ-VAE, policies of reinforcement learning) need other remedies."""  # noqa: E501
    )

    needed = int(np.ceil(score_variance / trick_variance))
    speaker.ask(
        "How many samples does the score function need for the precision that the trick has with one?",
        f"The variance of a mean falls with the number of samples: {score_variance:.4g} / {trick_variance:.4g}, so "
        f"{needed} samples.",
    )
    half = [one[0], one[1] / 2, one[2]]
    halved = float(maths.score_function_variance(*half)[0]), float(maths.reparameterised_variance(half[1])[0])
    speaker.ask(
        "Training makes q narrower. What happens to either variance when sigma is halved?",
        f"The trick's falls to a quarter, {trick_variance:.4g} to {halved[1]:.4g}; the score function's goes from "
        f"{score_variance:.4g} to {halved[0]:.4g}, {halved[0] / score_variance:.2g} times.",
    )
    # The variance grows with the square of the dimensions, however large sigma is: 64 are always enough.
    wide = next(count for count in 2 ** np.arange(8) if _variance_in(count, one, maths) > 1000 * trick_variance)
    speaker.ask(
        "In how many dimensions (a power of two) does the score function, without baseline, need more than a thousand "
        "times the samples of the trick?",
        f"From {wide} on: there its variance is {_variance_in(wide, one, maths):.4g}, that of the trick is still "
        f"{trick_variance:.4g}.",
    )
    speaker.finish()


def _variance_in(count, point, maths):
    """Variance of the score function's estimate for one mu among `count` alike."""
    import numpy as np

    return float(maths.score_function_variance(*[np.repeat(each, count) for each in point])[0])


def _draw_estimates(speaker, single, exact):
    """Histograms of estimates from one sample, and the error of means of more and more of them."""
    import numpy as np

    colours = {"reparameterised": lesson.BLUE, "score function": lesson.ORANGE}
    with speaker.figure("estimates", columns=2, size=(9.0, 3.4)) as axes:
        low, high = np.quantile(single["score function"], [0.01, 0.99])
        bins = np.linspace(min(low, exact), max(high, exact), 80)
        for name, values in single.items():
            axes[0, 0].hist(values, bins, density=True, alpha=0.6, color=colours[name], label=name)
        axes[0, 0].axvline(exact, color=lesson.BLACK, label="exact")
        axes[0, 0].set(title="Slope in mu, from one sample", xlabel="estimate", ylabel="density", yscale="log")
        axes[0, 0].legend()
        for name, values in single.items():
            counts = [count for count in 2 ** np.arange(14) if 20 * count <= len(values)]
            errors = [
                np.sqrt(np.mean((values[: len(values) // count * count].reshape(-1, count).mean(axis=1) - exact) ** 2))
                for count in counts
            ]
            axes[0, 1].loglog(counts, errors, "o-", color=colours[name], label=name)
        axes[0, 1].set(title="Error of a mean", xlabel="samples averaged", ylabel="root mean square error")
        axes[0, 1].legend()


def _draw_variance(speaker, config, maths):
    """Variance in closed form, over the number of dimensions and over sigma."""
    import numpy as np

    one = [np.array([value]) for value in (config.mean, config.scale, config.target)]
    with speaker.figure("variance", columns=2, size=(9.0, 3.4)) as axes:
        counts = 2 ** np.arange(9)
        points = [[np.repeat(each, count) for each in one] for count in counts]
        scales = np.geomspace(0.05, 3.0, 40)
        places = [[one[0], np.array([scale]), one[2]] for scale in scales]
        for panel, x, all_points in ((axes[0, 0], counts, points), (axes[0, 1], scales, places)):
            plain = [maths.score_function_variance(*point)[0] for point in all_points]
            best = [maths.score_function_variance(*point, maths.best_baseline(*point)[0])[0] for point in all_points]
            trick = [maths.reparameterised_variance(point[1])[0] for point in all_points]
            panel.loglog(x, plain, "-", color=lesson.ORANGE, label="score function")
            panel.loglog(x, best, "--", color=lesson.GREEN, label="... with the best baseline")
            panel.loglog(x, trick, "-.", color=lesson.BLUE, label="reparameterised")
            panel.set_ylabel("variance of the slope in one mu")
            panel.legend()
        axes[0, 0].set(title="More dimensions", xlabel="dimensions")
        axes[0, 1].set(title="One dimension, wider and narrower q", xlabel="sigma")


def _draw_learning(speaker, curves):
    """The exact KL over the steps of gradient descent."""
    colours = {"reparameterised": lesson.BLUE, "score function": lesson.ORANGE}
    with speaker.figure("learning", size=(5.4, 3.4)) as axes:
        for name, kl in curves.items():
            axes[0, 0].semilogy(kl, color=colours[name], label=name)
        axes[0, 0].set(title="Gradient descent by estimated slopes", xlabel="steps", ylabel="KL(q || p), nats")
        axes[0, 0].legend()
