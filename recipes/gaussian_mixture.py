"""Gaussian mixture: EM step by step, what it can do wrong, and how many Gaussians there should be.

    python -m recipes gaussian_mixture                              # points drawn from a known mixture
    python -m recipes gaussian_mixture --preset iris                # 150 flowers, four lengths each
    python -m recipes gaussian_mixture --data file:points.csv --components 3

The default takes 24 s of one core of an AMD EPYC, imports included.
"""

from dataclasses import dataclass

from recipes import lesson

KIND = "lesson"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the lesson."""

    data: str = "drawn"
    """"drawn" from four Gaussians, "iris", or "file:PATH": a CSV file of numbers, with or without a line of names; each
    column is measured from its mean in standard deviations."""
    points: int = 600
    """Of the drawn data, for EM; half as many more are held out. Of other data a third is held out."""
    components: int = 4
    """Gaussians in the part that follows EM step by step."""
    most: int = 7
    """Of Gaussians, when their number is chosen."""
    starts: int = 6
    """First guesses for each number of Gaussians; the likeliest end is kept."""
    iterations: int = 300
    """Of EM at most."""
    ridge: float = 1e-6
    """Added to every variance, as a share of the data's mean variance."""
    seed: int = 0
    """Of data, the first guess of the step by step part, and samples."""
    folder: str | None = None
    """Of the figures, new; None makes runs/gaussian_mixture-<time>."""


PRESETS = {
    "lesson": Config(),
    "iris": Config(data="iris", components=3, most=6),
    "smoke": Config(points=120, components=2, most=3, starts=2, iterations=20),
}
SHOWN = (0, 1, 2, 5, 10)  # iterations in the figure, and then the last one
NAMES = ("first column", "second column")


def run(config):
    """Fit, compare with scikit-learn, choose the number of Gaussians, break it, sample."""
    import numpy as np

    from zoo.probability import gaussian_mixture as gm

    check(config)
    points, held_out, names, truth = load(config)
    gm.check(points, max(config.components, config.most))
    ridge = config.ridge * float(np.var(points, axis=0).mean())
    start = gm.first_guess(points, config.components, config.seed, ridge)
    mixtures, likelihoods = gm.fit(points, start, config.iterations, ridge=ridge)  # it may collapse: nothing is written
    speaker = lesson.Lesson("gaussian_mixture", config.folder)
    tell_model(speaker, config, points, held_out, names)
    tell_one_step(speaker, points, start)
    tell_em(speaker, points, mixtures, likelihoods, names)
    tell_scikit_learn(speaker, config, points, mixtures, likelihoods, ridge)
    best, fits = choose(speaker, config, points, held_out, ridge)
    tell_danger(speaker, config, points, held_out, mixtures[-1])
    tell_samples(speaker, config, points, fits[best][0], names, truth)
    ask(speaker, points, mixtures[-1], best, fits)
    speaker.finish()


def check(config):
    """Refuse settings out of range."""
    lesson.check(config, points=(10, 1_000_000), components=1, most=1, starts=1, iterations=1)
    if not 0 <= config.ridge < 1:
        raise ValueError(f"--ridge must be 0 or more and less than 1, got {config.ridge}")


def load(config):
    """Points to fit (N, D), points held out (M, D), names of the columns, and the true mixture or None."""
    import numpy as np

    from zoo.probability import gaussian_mixture as gm

    random = np.random.default_rng(config.seed)
    if config.data == "drawn":
        turned = np.array([[1.0, 0.85], [0.85, 0.9]])
        truth = gm.Mixture(
            np.array([0.3, 0.3, 0.25, 0.15]),
            np.array([[0.0, 0.0], [0.5, 0.2], [4.0, -1.5], [-3.0, 2.5]]),
            np.stack([turned, turned * [[1.0, -1.0], [-1.0, 1.0]], np.diag([0.3, 1.2]), np.diag([0.5, 0.3])]),
        )
        seed = (config.seed, 1)
        drawn = gm.distribution(truth).sample(config.points + config.points // 2, seed=seed).numpy()
        return drawn[: config.points], drawn[config.points :], NAMES, truth
    if config.data == "iris":
        from sklearn import datasets

        flowers = datasets.load_iris()
        table, names = flowers.data, tuple(flowers.feature_names)
    elif config.data.startswith("file:"):
        from zoo.datasets import csv_files

        path = config.data.removeprefix("file:")
        names, table = csv_files.read_table(path)
        if len(table) < 6 or len(names) < 2:
            raise ValueError(f"{path} must have at least 6 rows and 2 columns of numbers, got {table.shape}")
        names = tuple(f"column {name}, scaled" if name.isdigit() else f"{name}, scaled" for name in names)
        spreads = table.std(axis=0)
        table = (table - table.mean(axis=0)) / np.where(spreads > 0, spreads, 1)  # a ridge must suit all columns
    else:
        raise ValueError(f"--data must be drawn, iris or file:PATH, got {config.data!r}")
    order = random.permutation(len(table))
    third = len(table) // 3
    return table[order[third:]], table[order[:third]], names, None


# --- the parts of the lesson ------------------------------------------------------------------


def tell_model(speaker, config, points, held_out, names):
    """What is assumed, and of what data."""
    speaker.section("1. Points without labels")
    speaker.say(f"""
        {len(points)} points of {points.shape[1]} numbers each, {len(held_out)} more held out: {", ".join(names)}.
        Suppose that each was made in two steps: choose one of K Gaussians, number k with probability
        pi_k; draw the point from it. Nobody has written down the choice, so the density of a point
        adds up all K ways in which it can have come about:
            p(x) = sum_k pi_k N(x | mu_k, Sigma_k)
        Wanted are weights pi, means mu and covariances Sigma; here K = {config.components}.""")


def tell_one_step(speaker, points, start):
    """The first E and M step, number by number."""
    from zoo.probability import gaussian_mixture as gm

    speaker.section("2. One step of EM, in numbers")
    speaker.say("""
        E step: with the Gaussians as they are, Bayes' rule says how responsible each is for a point:
            gamma_nk = pi_k N(x_n | mu_k, Sigma_k) / sum_j pi_j N(x_n | mu_j, Sigma_j)""")
    gamma, before = gm.e_step(points, start)
    rows = {
        f"({', '.join(f'{value:.2f}' for value in points[n])})": {
            f"Gaussian {k + 1}": round(float(gamma[n, k]), 3) for k in range(gamma.shape[1])
        }
        for n in range(3)
    }
    speaker.table("Responsibilities for three points, by the first guess: every row sums to 1", rows)
    speaker.say("")
    speaker.say("""
        M step: each Gaussian becomes the mean and the covariance of all points, each counted by its
        responsibility:
            N_k = sum_n gamma_nk,   pi_k = N_k / N,   mu_k = 1/N_k sum_n gamma_nk x_n
            Sigma_k = 1/N_k sum_n gamma_nk (x_n - mu_k)(x_n - mu_k)^T""")
    after = gm.m_step(points, gamma)
    counts = gamma.sum(axis=0)
    rows = {
        f"Gaussian {k + 1}": {
            "N_k": round(float(counts[k]), 1),
            "pi_k": round(float(after.weights[k]), 3),
            "mean before": " ".join(f"{value:6.2f}" for value in start.means[k]),
            "mean after": " ".join(f"{value:6.2f}" for value in after.means[k]),
        }
        for k in range(len(counts))
    }
    speaker.table(f"The N_k sum to {counts.sum():.0f}, the number of points", rows)
    speaker.say(f"\nThe log-likelihood ln p(X) rises from {before:.2f} to {gm.e_step(points, after)[1]:.2f}.")


def tell_em(speaker, points, mixtures, likelihoods, names):
    """All steps, and that the likelihood never falls."""
    import numpy as np

    speaker.section("3. Again and again")
    last = len(likelihoods) - 1
    shown = [index for index in SHOWN if index < last] + [last]
    rows = {f"after {index} steps": {"ln p(X)": f"{likelihoods[index]:.3f}"} for index in shown}
    speaker.table("The Gaussians of these moments are in em.png", rows)
    speaker.say("")
    least = np.diff(likelihoods).min()
    verdict = "it never falls" if least > -1e-6 else "only the ridge can make it fall"
    speaker.say(f"""
        The smallest change of ln p(X) in {last} steps is {least:.1e}: {verdict}.
        The E step makes a lower bound of ln p(X) that touches it at the present parameters; the M step
        climbs to the top of the bound, and ln p(X) is nowhere below the bound.""")
    with speaker.figure("em", 2, 3, (11, 7)) as axes:
        for panel, index in zip(axes.flat, shown, strict=False):
            draw_mixture(panel, points, mixtures[index], names)
            panel.set_title(f"after {index} steps: ln p(X) = {likelihoods[index]:.1f}")
        for panel in axes.flat[len(shown) :]:
            panel.axis("off")
        title = "A point has the colour of the Gaussian most responsible. Ellipses: 1 and 2 standard deviations"
        axes[0, 0].figure.suptitle(title)


def draw_mixture(panel, points, mixture, names):
    """The first two columns: points coloured by responsibility, and the Gaussians' ellipses."""
    import matplotlib.patches
    import numpy as np

    from zoo.probability import gaussian_mixture as gm

    owners = gm.e_step(points, mixture)[0].argmax(axis=1)
    for k, (mean, covariance) in enumerate(zip(mixture.means, mixture.covariances, strict=True)):
        colour = lesson.COLOURS[k % len(lesson.COLOURS)]
        panel.plot(*points[owners == k, :2].T, ".", color=colour, markersize=3, alpha=0.6)
        variances, directions = np.linalg.eigh(covariance[:2, :2])  # the longer axis last
        angle = np.degrees(np.arctan2(directions[1, 1], directions[0, 1]))
        for deviations in (1, 2):
            width, height = 2 * deviations * np.sqrt(variances[::-1])
            outline = {"fill": False, "color": colour, "linewidth": 3 - deviations}
            panel.add_patch(matplotlib.patches.Ellipse(mean[:2], width, height, angle=angle, **outline))
        panel.plot(*mean[:2], "+", color="black", markersize=9)
    _frame(panel, points, names)


def _frame(panel, points, names):
    """The same part of the plane in every panel: the points', and a tenth more at each side."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    (left, bottom), (right, top) = low - (high - low) / 10, high + (high - low) / 10
    panel.set(xlabel=names[0], ylabel=names[1], xlim=(left, right), ylim=(bottom, top))


def tell_scikit_learn(speaker, config, points, mixtures, likelihoods, ridge):
    """The same start, the same number of steps, another implementation."""
    import warnings

    import numpy as np
    from sklearn import exceptions, mixture

    start, end = mixtures[0], mixtures[-1]
    theirs = mixture.GaussianMixture(
        config.components,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=np.linalg.inv(start.covariances),
        reg_covar=ridge,
        max_iter=len(mixtures) - 1,
        tol=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        theirs.fit(points)
    speaker.section("4. Does it agree with scikit-learn?")
    speaker.say(f"""
        From the same start, after {theirs.n_iter_} steps of each, the largest differences are
            weights      {abs(theirs.weights_ - end.weights).max():.1e}
            means        {abs(theirs.means_ - end.means).max():.1e}
            covariances  {abs(theirs.covariances_ - end.covariances).max():.1e}
            ln p(X)      {abs(theirs.score(points) * len(points) - likelihoods[-1]):.1e}""")


def choose(speaker, config, points, held_out, ridge):
    """BIC and held-out likelihood for 1 to `most` Gaussians.

    Returns:
        K of the least BIC, and K -> (`Mixture`, ln p(X), BIC, held-out nats a point).
    """
    from zoo.probability import gaussian_mixture as gm

    speaker.section("5. How many Gaussians?")
    speaker.say(f"""
        On the points that they are fitted to more Gaussians always look better. Two fairer judges:
        points that were held out, and the Bayesian information criterion, which charges ln N for every
        free number. EM finds a local maximum only, so each K gets {config.starts} starts, and the best one counts.
            BIC = -2 ln p(X) + parameters ln N,   parameters = K - 1 + K D + K D (D + 1) / 2""")
    fits, histories, rows = {}, {}, {}
    for k in range(1, config.most + 1):
        rows[f"K = {k}"] = {"parameters": gm.parameters(k, points.shape[1])}
        try:
            mixture, likelihood, histories[k] = gm.fit_best(points, k, config.starts, config.iterations, ridge)
        except ValueError:
            rows[f"K = {k}"]["fitted to"] = "no start lasted"
            continue
        unseen = gm.e_step(held_out, mixture)[1] / len(held_out)
        fits[k] = mixture, likelihood, gm.bic(likelihood, k, points), unseen
        rows[f"K = {k}"] |= {
            "fitted to": round(likelihood / len(points), 3),
            "... worst start": round(min(each[-1] for each in histories[k]) / len(points), 3),
            "held out": round(unseen, 3),
            "BIC": f"{fits[k][2]:.1f}",
        }
    speaker.table("ln p(X) / N in nats a point, and BIC", rows)
    best = min(fits, key=lambda k: fits[k][2])
    favourite = max(fits, key=lambda k: fits[k][3])
    speaker.say(f"\nBIC is least for K = {best}; the held-out points are likeliest under K = {favourite}.")
    numbers = list(fits)
    with speaker.figure("choosing", 1, 3, (12, 3.6)) as axes:
        axes[0, 0].plot(numbers, [fits[k][2] for k in numbers], "o-")
        axes[0, 0].plot(best, fits[best][2], "*", markersize=15, color="black", label=f"least: K = {best}")
        axes[0, 0].set(title="BIC: less is better", xlabel="Gaussians K", ylabel="BIC", xticks=numbers)
        axes[0, 1].plot(numbers, [fits[k][1] / len(points) for k in numbers], "o-", label="points fitted to")
        axes[0, 1].plot(numbers, [fits[k][3] for k in numbers], "s--", label="points held out")
        axes[0, 1].set(title="More is better", xlabel="Gaussians K", ylabel="ln p, nats a point", xticks=numbers)
        for number, history in enumerate(histories[best], 1):
            axes[0, 2].plot([value / len(points) for value in history[1:]], label=f"start {number}")
        axes[0, 2].set(title=f"K = {best}: EM from each start", xlabel="step", ylabel="ln p(X) / N, nats a point")
        for panel in axes[0]:
            panel.legend()
    return best, fits


def tell_danger(speaker, config, points, held_out, mixture):
    """A Gaussian on one point: likelihood without bound."""
    import numpy as np

    from zoo.probability import gaussian_mixture as gm

    speaker.section("6. The danger: a likelihood without end")
    speaker.say("""
        Put one more Gaussian on a single point, with weight 1/N, and let its variance s shrink. At that
        point the density grows like s^(-D/2), and everywhere else the other Gaussians keep it up. So
        ln p(X) has no maximum at all, and the highest value is the worst model:""")
    rows = {}
    for variance in (1e-1, 1e-4, 1e-8, 1e-16, 1e-32):
        broken = gm.spiked(points, mixture, variance)
        rows[f"s = {variance:g}"] = {
            "points fitted to": f"{gm.e_step(points, broken)[1]:.2f}",
            "held out": f"{gm.e_step(held_out, broken)[1]:.2f}",
        }
    growth = points.shape[1] / 2 * np.log(100)
    title = f"ln p(X): a variance 100 times smaller adds D/2 ln 100 = {growth:.2f} in the end"
    there = alike(points)
    speaker.table(title + (f", for each of {there} equal points" if there > 1 else ""), rows)
    speaker.say("")
    speaker.say(f"""
        EM that stumbles into this would divide by a singular covariance; `fit` stops with a sentence.
        A ridge, added to every variance, prevents it; here it is {config.ridge:g} of the data's mean variance.""")


def alike(points):
    """How many points equal the first one, itself included: so many a spike on it makes likely."""
    return int((points == points[0]).all(axis=1).sum())


def tell_samples(speaker, config, points, mixture, names, truth):
    """The mixture as a generator, and beside the truth where that is known."""
    from zoo.probability import gaussian_mixture as gm

    speaker.section("7. A mixture is a generative model")
    samples = gm.distribution(mixture).sample(len(points), seed=(config.seed, 2)).numpy()
    rows = {
        name: {
            "mean": " ".join(f"{value:.2f}" for value in each.mean(axis=0)),
            "standard deviation": " ".join(f"{value:.2f}" for value in each.std(axis=0)),
        }
        for name, each in (("data", points), ("samples", samples))
    }
    speaker.table(
        f"{len(points)} samples of the mixture that BIC chose (K = {len(mixture.weights)}), and the data", rows
    )
    if truth is not None:
        ours, theirs = gm.e_step(points, mixture)[1], gm.e_step(points, truth)[1]
        usual = "That the truth is beaten on the data that something else was fitted to is usual."
        speaker.say("")
        speaker.say(f"""
            The true mixture, of four Gaussians, gives the data ln p(X) = {theirs:.1f}, the fitted one {ours:.1f}.
            {usual if ours > theirs else ""}""")
    with speaker.figure("samples", 1, 2, (8, 3.6)) as axes:
        for panel, cloud, title in zip(axes[0], (points, samples), ("data", "samples of the mixture"), strict=True):
            panel.plot(*cloud[:, :2].T, ".", markersize=3)
            panel.set_title(title)
            _frame(panel, points, names)


def ask(speaker, points, mixture, best, fits):
    """Three questions, answered by computation."""
    import numpy as np

    from zoo.probability import gaussian_mixture as gm

    gamma = gm.e_step(points.mean(axis=0)[None], mixture)[0][0]
    owner = int(gamma.argmax())
    speaker.ask(
        "Which Gaussian of section 3 would have made a point at the mean of all data, and how sure is that?",
        f"Gaussian {owner + 1} of {len(gamma)}, whose responsibility for it is {gamma[owner]:.3f}.",
    )
    gain = fits[best][3] - fits[1][3]
    speaker.ask(
        "How many times likelier is a held-out point under the mixture that BIC chose than under one Gaussian?",
        f"K = {best} has {gain:.3f} nats a point more than K = 1: {np.exp(gain):.2f} times, in the geometric mean.",
    )
    tiny = 1e-30
    missing = gm.e_step(points, mixture)[1] + 100 - gm.e_step(points, gm.spiked(points, mixture, tiny))[1]
    exponent = np.log10(tiny) - 2 * missing / (alike(points) * points.shape[1]) / np.log(10)
    speaker.ask(
        "At which variance s does the spike of section 6 bring ln p(X) 100 above the mixture without it?",
        f"At s = 10^{exponent:.1f}: from there on the worst model has the best likelihood by a factor of e^100.",
    )
