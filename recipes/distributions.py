"""Ten distributions: a gallery, how one becomes another, one with parameters of your own, or fits to your data.

    python -m recipes distributions                                    # the gallery, and five relations
    python -m recipes distributions --name beta --alpha 2 --beta 5     # one of them
    python -m recipes distributions --fit heights.csv --column cm      # which of them fits a column best?

The mathematics is in zoo/probability: distributions.py, limits.py, fitting.py. 20 s of one core of an AMD EPYC.
"""

import math
from dataclasses import dataclass

from recipes import lesson

KIND = "lesson"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the lesson."""

    name: str | None = None
    """One alone, as the gallery has it but for the parameters given: bernoulli, binomial, poisson, geometric,
    hypergeometric, uniform, normal, exponential, lognormal, beta."""
    p: float | None = None
    """Probability of a success, 0 to 1: bernoulli, binomial, geometric."""
    n: float | None = None
    """How often is tried or drawn, whole: binomial, hypergeometric."""
    N: float | None = None
    """Size of the population, whole: hypergeometric."""
    K: float | None = None
    """Marked ones in the population, whole, up to N: hypergeometric."""
    rate: float | None = None
    """Events in a unit of time: poisson, exponential."""
    low: float | None = None
    """Least value: uniform."""
    high: float | None = None
    """Largest value: uniform."""
    mu: float | None = None
    """Mean: normal; of the logarithm: lognormal."""
    sigma: float | None = None
    """Standard deviation: normal; of the logarithm: lognormal."""
    alpha: float | None = None
    """Successes seen, plus one: beta."""
    beta: float | None = None
    """Failures seen, plus one: beta."""
    fit: str | None = None
    """CSV file: fit all that can be its law to a column of numbers."""
    column: str | None = None
    """Of the CSV file; None takes the only one."""
    samples: int = 10_000
    """Numbers that are drawn from each distribution."""
    events: float = 3.0
    """Of the relations: events in a unit of time, 0.1 to 50."""
    chance: float = 0.3
    """Of the relations: probability of a success, 0.05 to 0.95."""
    seed: int = 0
    """Of the samples and of the parts that are held out."""
    folder: str | None = None
    """Of the figures, new; None makes runs/<recipe>-<time>."""


PRESETS = {"lesson": Config(), "smoke": Config(samples=500)}
PARAMETERS = ("p", "n", "N", "K", "rate", "low", "high", "mu", "sigma", "alpha", "beta")
GROWTH = (1, 4, 16, 64, 256)  # sizes at which a distance to a limit is measured, in multiples of the first
DRAWS = 10  # from a jar, with and without putting back
PRIORS = {"sceptic": (2, 8), "open mind": (1, 1), "optimist": (8, 2)}  # alpha, beta


def run(config):
    """The gallery and the relations, or one distribution, or fits to data."""
    lesson.check(config, samples=(2, 10_000_000), events=(0.1, 50), chance=(0.05, 0.95))
    given = {name: getattr(config, name) for name in PARAMETERS if getattr(config, name) is not None}
    if config.name is not None and config.fit is not None:
        raise ValueError("--name shows one distribution, --fit fits all of them: leave one of the two out")
    if given and config.name is None:
        raise ValueError(f"--{next(iter(given))} needs --name: the distribution whose parameter it is")
    if config.column is not None and config.fit is None:
        raise ValueError("--column needs --fit: the CSV file that has the column")
    if config.fit is not None:
        show_fits(config)
    elif config.name is not None:
        show_one(config, given)
    else:
        show_all(config)


def show_all(config):
    """Draw the ten, then the relations between them, and ask."""
    from zoo import panels
    from zoo.probability.distributions import FAMILIES

    speak = lesson.Lesson("distributions", config.folder)
    speak.section("Ten distributions")
    speak.say("""
        The law of a random number X says how probable its values are. Whole numbers have a probability
        each (pmf), other numbers a density (pdf), whose area over an interval is its probability. Both
        have a cdf, a mean and a variance:
            pmf  P(X = k),  sum 1        pdf  p(x),  area 1        cdf  F(x) = P(X <= x)
            mean E[X],   variance E[(X - E[X])^2]
    """)
    draws = {
        name: family.sample(config.samples, config.seed + index, **family.defaults)
        for index, (name, family) in enumerate(FAMILIES.items())
    }
    rows = {name: introduce(speak, family, family.defaults, draws[name]) for name, family in FAMILIES.items()}
    show_samples(speak, config, rows)
    with speak.figure("gallery", 5, 4) as axes:
        for index, (name, family) in enumerate(FAMILIES.items()):
            panels.law(axes[index // 2, 2 * (index % 2) :][:2], family, family.defaults, draws[name])
    show_relations(speak, config)
    speak.finish()


def introduce(speak, family, parameters, draws):
    """Say what a distribution is; returns its row of the table of samples."""
    from zoo.probability import limits
    from zoo.probability.distributions import spell

    mean, variance = family.moments(**parameters)
    print()
    speak.say(f"""
        {family.title}({spell(parameters)}). Everyday: {family.example} ({spell(family.defaults)}).
            {family.law}
            mean = {family.mean} = {mean:.6g},   variance = {family.variance} = {variance:.6g}
    """)
    return {
        "mean": mean,
        "of samples": float(draws.mean()),
        "variance": variance,
        "of samples ": float(draws.var()),
        "largest gap of cdfs": limits.gap(draws, lambda x: family.cdf(x, **parameters), family.discrete),
    }


def show_samples(speak, config, rows):
    """Print theory beside samples."""
    speak.table(f"Theory, and {config.samples:,} samples", rows)
    limit = 1.36 / config.samples**0.5
    speak.say(f"In at least 95 of 100 runs the gap of a right sampler is below 1.36 / sqrt(samples) = {limit:.4f}.")


def show_relations(speak, config):
    """Five limits, each with a distance that shrinks."""
    from zoo.probability import limits

    events, chance = config.events, config.chance
    from_few = [max(4, math.ceil(2 * events)) * size for size in GROWTH]
    speak.section("How one becomes another")
    speak.say("""
        Two distances of laws P and Q with cdfs F and G, 0 for equal laws and never above 1:
            total variation   TV = max over events A of |P(A) - Q(A)| = 1/2 sum_k |P(k) - Q(k)|
            Kolmogorov        D = max over x of |F(x) - G(x)|
        Theory gives each relation a bound that its distance cannot pass.
    """)
    tell(
        speak,
        f"""
        (1) Binomial -> Poisson. n tries, each a success with the small probability p = events / n,
        events = {events:g}:
            C(n, k) p^k (1 - p)^(n - k) -> events^k e^(-events) / k!
            TV <= n p^2 = events^2 / n        (Le Cam)
        """,
        ("1_binomial_to_poisson", "n", "TV", "Binomial(n, events / n)", f"Poisson({events:g})"),
        {n: (limits.rare_events(n, events), events**2 / n) for n in from_few},
    )
    tell(
        speak,
        f"""
        (2) Binomial -> Normal. A sum of n small parts, each 1 with probability p = {chance:g}:
            Z = (X - n p) / sqrt(n p (1 - p)) -> N(0, 1)        (central limit theorem)
            D <= 0.4748 (p^2 + (1 - p)^2) / sqrt(n p (1 - p))   (Berry, Esseen; constant: Shevtsova 2011)
        """,
        ("2_binomial_to_normal", "n", "D", "Z of Binomial(n, p)", "N(0, 1)"),
        {10 * n: (limits.standardised(10 * n, chance), limits.berry_esseen(10 * n, chance)) for n in GROWTH},
    )
    tell(
        speak,
        f"""
        (3) Geometric -> Exponential. Waiting for a success: m trials in a unit of time, each with
        p = events / m, events = {events:g}:
            P(X / m > t) = (1 - events / m)^(m t) -> e^(-events t)
            D <= events / m
        """,
        ("3_geometric_to_exponential", "m", "D", "Geometric(events / m) / m", f"Exponential({events:g})"),
        {m: (limits.waiting(m, events), events / m) for m in from_few},
    )
    tell(
        speak,
        f"""
        (4) Hypergeometric -> Binomial. n = {DRAWS} draws from a jar of N balls, a share {chance:g} of them
        marked. In a large jar it hardly matters whether a ball is put back: it hardly comes twice.
            TV <= P(some ball comes twice) <= n (n - 1) / (2 N)
        """,
        ("4_hypergeometric_to_binomial", "N", "TV", f"Hypergeometric(N, K, {DRAWS})", f"Binomial({DRAWS}, K / N)"),
        {20 * N: (limits.jar(20 * N, round(20 * N * chance), DRAWS), DRAWS * (DRAWS - 1) / (40 * N)) for N in GROWTH},
    )
    show_updating(speak, config)

    minutes = max(60, math.ceil(events))
    _, first, second = limits.rare_events(minutes, events)
    speak.ask(
        f"{events:g} calls an hour on average, at most one in each of {minutes} slots of time, so Binomial({minutes}, "
        f"{events:g} / {minutes}). How far off can the Poisson be, for any question about the number of calls?",
        f"By {limits.total_variation(first, second):.5f}, the total variation; the bound is {events**2 / minutes:.4f}.",
    )
    enough = math.ceil((100 * limits.berry_esseen(1, chance)) ** 2)
    speak.ask(
        f"How often must a coin of chance {chance:g} be flipped before theory promises that no P(X <= k) differs from "
        "the Normal's by more than 0.01? How large is the difference then?",
        f"{enough:,} times; the difference is {limits.kolmogorov(*limits.standardised(enough, chance)[1:]):.5f}.",
    )
    _, without, with_it = limits.jar(100, round(100 * chance), DRAWS)
    speak.ask(
        f"{DRAWS} draws from a jar of 100 balls, {round(100 * chance)} of them marked: how probable is it to draw no "
        "marked one, without and with putting back?",
        f"{without[0]:.5f} without, {with_it[0]:.5f} with: who does not put back uses up the unmarked ones.",
    )


def tell(speak, text, names, sizes):
    """Say the text, print and draw distances: sizes is size -> ((values, pmf, pmf or cdf), bound)."""
    from zoo import panels
    from zoo.probability import limits

    figure, size_name, distance_name, *laws = names
    distance = {"TV": limits.total_variation, "D": limits.kolmogorov}[distance_name]
    draw = {"TV": panels.two_pmfs, "D": panels.two_cdfs}[distance_name]
    print()
    speak.say(text)
    found = {size: {distance_name: distance(*arrays[1:]), "bound": bound} for size, (arrays, bound) in sizes.items()}
    rows = {f"{size_name} = {size:,}": row for size, row in found.items()}
    speak.table(f"{laws[0]} against {laws[1]}", rows)
    with speak.figure(figure, 1, 3, (12, 3.2)) as axes:
        for panel, size in zip(axes[0], list(sizes)[:3:2], strict=False):
            heading = f"{size_name} = {size:,}: {distance_name} = {found[size][distance_name]:.3g}"
            draw(panel, heading, laws, *sizes[size][0])
        title = f"{distance_name} falls as {size_name} grows"
        lines = {name: [row[name] for row in found.values()] for name in (distance_name, "bound")}
        panels.falling(axes[0, 2], title, size_name, list(sizes), lines)


def show_updating(speak, config):
    """Beta and Bernoulli: beliefs of three people who see the same flips."""
    import numpy as np

    from zoo import panels
    from zoo.probability import limits
    from zoo.probability.distributions import FAMILIES

    chance = config.chance
    print()
    speak.say(f"""
        (5) Beta and Bernoulli. What is believed of a coin's chance theta of heads, before and after flips:
            prior Beta(alpha, beta),  h heads and t tails  ->  posterior Beta(alpha + h, beta + t)    (Bayes)
            distance to the truth = E|theta - {chance:g}|, mean over all flips about 2 sqrt(p (1 - p) / (pi n))
        Three people start from other beliefs and see the same flips, of chance {chance:g}. Sceptic and
        optimist then differ by 6 / (10 + n) in the mean, whatever falls: data win over opinions.
    """)
    flips = FAMILIES["bernoulli"].sample(10 * GROWTH[-1], config.seed, p=chance)
    numbers = [10 * size for size in GROWTH]
    beliefs = {n: {who: limits.update(*prior, flips[:n]) for who, prior in PRIORS.items()} for n in (0, *numbers)}
    rows = {}
    for n, row in beliefs.items():
        means = {f"mean, {who}": alpha / (alpha + beta) for who, (alpha, beta) in row.items()}
        errors = {f"{who} to truth": limits.belief_error(chance, *belief) for who, belief in row.items()}
        apart = means["mean, optimist"] - means["mean, sceptic"]
        rows[f"n = {n:,}"] = {**means, "sceptic to optimist": apart, **errors}
    speak.table("Mean beliefs and distances", rows)
    theta = np.linspace(0.001, 0.999, 500)
    with speak.figure("5_beta_bernoulli", 1, 3, (12, 3.2)) as axes:
        for panel, n in zip(axes[0], (0, numbers[1]), strict=False):
            densities = {
                f"{who}: Beta({alpha}, {beta})": np.exp(FAMILIES["beta"].log_prob(theta, alpha=alpha, beta=beta))
                for who, (alpha, beta) in beliefs[n].items()
            }
            panels.beliefs(panel, f"after {n} flips", theta, densities, chance)
        later = [rows[f"n = {n:,}"] for n in numbers]
        lines = {name: [row[name] for row in later] for name in later[0] if " to " in name}
        panels.falling(axes[0, 2], "beliefs meet each other, and the truth", "flips n", numbers, lines)


def show_one(config, given):
    """One distribution with its parameters, and three questions about it."""
    import numpy as np

    from zoo import panels
    from zoo.probability.distributions import FAMILIES, spell

    if config.name not in FAMILIES:
        raise ValueError(f"there is no distribution {config.name!r} here: there are {', '.join(FAMILIES)}")
    family = FAMILIES[config.name]
    for name in given:
        if name not in family.parameters:
            raise ValueError(f"{config.name} has no --{name}: it has --{', --'.join(family.parameters)}")
    parameters = family.defaults | given
    shares = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    quantiles = family.quantile(shares, **parameters)  # refuses what has too many values, before anything is written
    mean, variance = family.moments(**parameters)
    if not math.isfinite(100 * variance):
        raise ValueError(f"{family.title} with {spell(parameters)} has a variance beyond the largest number")
    if not family.discrete and not quantiles[-1] - quantiles[0] > max(1e-100, 1e-12 * abs(mean)):
        raise ValueError(f"{family.title} with {spell(parameters)} is too narrow for numbers of 16 digits")
    draws = family.sample(config.samples, config.seed, **parameters)

    speak = lesson.Lesson("distributions", config.folder)
    speak.section(family.title)
    row = introduce(speak, family, parameters, draws)
    show_samples(speak, config, {config.name: row})
    theory = {f"{share:.0%}": float(value) for share, value in zip(shares, quantiles, strict=True)}
    sampled = dict(zip(theory, np.quantile(draws, shares, method="inverted_cdf").tolist(), strict=True))
    speak.table("Quantiles: the least x with P(X <= x) of at least", {"theory": theory, "samples": sampled})
    with speak.figure(config.name, 1, 2, (9, 3.4)) as axes:
        panels.law(axes[0], family, parameters, draws)
    spread = math.sqrt(variance)
    slack = 1e-9 * spread  # 100 * 0.29 is 28.999999999999996
    above = 1 - float(family.cdf(mean + slack, **parameters))
    speak.ask(
        f"How often is a draw above its mean, {mean:.6g}?",
        f"With probability {above:.4f}; at least half of the draws are at most {quantiles[3]:.6g}, the median.",
    )
    left = math.ceil(mean - spread - slack) - 1 if family.discrete else mean - spread
    inside = float(family.cdf(mean + spread + slack, **parameters) - family.cdf(left, **parameters))
    speak.ask(
        f"How much of the probability lies within one standard deviation, {spread:.4g}, of the mean?",
        f"{inside:.4f}. The middle 90 % reach from {quantiles[1]:.4g} to {quantiles[5]:.4g}.",
    )
    speak.ask(
        "How many draws must be averaged until the average has a standard deviation of at most 0.1?",
        f"variance / 0.1^2, rounded up: {max(1, math.ceil(round(100 * variance, 6))):,}.",
    )
    speak.finish()


def show_fits(config):
    """Fit every family that can be the law of a column, rank them, draw them."""
    from zoo import panels
    from zoo.datasets import csv_files
    from zoo.probability import fitting
    from zoo.probability.distributions import FAMILIES, spell

    column, x = csv_files.read_column(config.fit, config.column)
    candidates, refused = fitting.rank(FAMILIES, x, config.seed)

    speak = lesson.Lesson("distributions", config.folder)
    whole = fitting.is_whole(x)
    speak.section(f"Which distribution fits column {column}?")
    speak.say(f"""
        {len(x):,} {"whole numbers" if whole else "numbers"}, mean {x.mean():.6g}, variance {x.var():.6g}.
        Each family gets the parameters that make the data most probable:
            L(theta) = sum_i log p(x_i; theta),   AIC = 2 (number of parameters) - 2 max L
        More parameters fit better; AIC, the smaller the better, charges for them. Held out, the larger the
        better, is the mean log-likelihood of numbers that a fit has not seen: each fifth of them by the
        fit to the others.
    """)
    if whole:
        speak.say("A density says how probable a whole number is by its area from 1/2 below to 1/2 above.")
    held_out = sorted(candidates, key=lambda each: -each.held_out)
    rows = {
        each.name: {
            "AIC": f"{each.aic:,.1f}",
            "held out": f"{each.held_out:.4f}",
            "rank held out": held_out.index(each) + 1,
            "  parameters": spell(each.parameters),
        }
        for each in candidates
    }
    speak.table("Best by AIC first", rows)
    if any(math.isinf(each.held_out) for each in candidates):
        speak.say("-inf: a fit to the others excludes a number that was held out, or has no best parameters.")
    for name, reason in refused.items():
        speak.say(f"not {name}: {reason}")
    columns = min(3, len(candidates))
    with speak.figure("quantiles", -(-len(candidates) // columns), columns) as axes:
        panels.quantile_grid(axes, FAMILIES, candidates, x)
    with speak.figure("best", 1, 2, (9, 3.4)) as axes:
        panels.law(axes[0], FAMILIES[candidates[0].name], candidates[0].parameters, x, "data", "fit", column)

    best, second = candidates[:2]
    speak.ask(
        "How much better is the first than the second, by AIC?",
        f"AIC says that {second.name} is {math.exp((best.aic - second.aic) / 2):.3g} times as plausible as {best.name} "
        "(exp of half the difference).",
    )
    rare = float(FAMILIES[best.name].quantile(0.999, **best.parameters))
    expected = len(x) * (1 - float(FAMILIES[best.name].cdf(rare, **best.parameters)))
    speak.ask(
        f"By the best law, what is passed in at most one case of 1,000? The largest of the column is {x.max():g}.",
        f"{rare:.6g}; in {len(x):,} numbers {round(expected, 9):.3g} larger ones are expected, and there are "
        f"{int((x > rare).sum())}.",
    )
    favourite, next_one = held_out[:2]
    speak.ask(
        "Do numbers that were held out agree with AIC, and by how much is their favourite ahead?",
        "They cannot say: no fit to the others allows for all of them."
        if math.isinf(favourite.held_out)
        else f"{'Yes' if favourite is best else 'No'}: they prefer {favourite.name}, by "
        f"{favourite.held_out - next_one.held_out:.4f} nats a number over {next_one.name}.",
    )
    speak.finish()
