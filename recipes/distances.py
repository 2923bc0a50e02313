"""Likelihood, perplexity, KL, Jensen-Shannon, Wasserstein, FID: all for two laws that can be moved, and why WGAN.

    python -m recipes distances                                        # N(0, 1) and N(2, 1.5^2)
    python -m recipes distances --q-mean 6 --q-sd 0.5                  # Q elsewhere, and narrower
    python -m recipes distances --p uniform --q uniform --q-mean 4     # P has mass where Q has none: KL is infinite

The mathematics is in zoo/probability/distances.py. 10 s of one core of an AMD EPYC.
"""

import math
from dataclasses import dataclass
from typing import Literal

from recipes import lesson

KIND = "lesson"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the lesson."""

    p: Literal["normal", "laplace", "uniform"] = "normal"
    """Shape of P, which the data come from."""
    p_mean: float = 0.0
    """Mean of P."""
    p_sd: float = 1.0
    """Standard deviation of P, above 0."""
    q: Literal["normal", "laplace", "uniform"] = "normal"
    """Shape of Q, the model."""
    q_mean: float = 2.0
    """Mean of Q."""
    q_sd: float = 1.5
    """Standard deviation of Q, above 0."""
    samples: int = 2000
    """Numbers that are drawn from each, at least 10."""
    seed: int = 0
    """Of the samples."""
    folder: str | None = None
    """Of the figures, new; None makes runs/<recipe>-<time>."""


PRESETS = {"lesson": Config(), "smoke": Config(samples=200)}
LARGEST = 1e6  # mean or standard deviation
SHIFTS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # of the means, in standard deviations of P
STEPS = 50  # of gradient descent
RATE = 0.2  # of it; a step on W_1 is that many standard deviations


def run(config):
    """Data and a model, every distance, how they change when Q moves, and FID."""
    mean, spread = (-LARGEST, LARGEST), (1 / LARGEST, LARGEST)
    lesson.check(config, p_mean=mean, q_mean=mean, p_sd=spread, q_sd=spread, samples=(10, 1_000_000))

    from zoo.probability import distances

    speak = lesson.Lesson("distances", config.folder)
    first = distances.make_law(config.p, config.p_mean, config.p_sd)
    second = distances.make_law(config.q, config.q_mean, config.q_sd)
    show_die(speak)
    found = show_both(speak, config, first, second)
    show_moving(speak, config)
    show_descent(speak, config)
    show_lines(speak, config)
    show_fid(speak, config)
    ask(speak, config, found)
    speak.finish()


def show_die(speak):
    """Likelihood, perplexity and divergences of a die, where everything can be added up by hand."""
    import numpy as np

    from zoo.probability import distances

    speak.section("Part 1: A model of a die")
    speak.say("""
        A loaded die P shows six in half of all throws. Three models Q of it; the mean log-likelihood of a
        throw is sum_k P(k) log Q(k), perplexity is exp of minus that: a fair die is as surprising as 6
        equally probable sides. KL is what the wrong model costs, in nats:
            KL(P || Q) = sum_k P(k) log P(k) / Q(k) = log-likelihood under P - log-likelihood under Q
            JS(P, Q) = 1/2 KL(P || M) + 1/2 KL(Q || M),   M = (P + Q) / 2,   at most log 2 = 0.6931
    """)
    p = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.5])
    models = {
        "P itself": p,
        "fair": np.full(6, 1 / 6),
        "never a one": np.array([0.0, 0.2, 0.2, 0.2, 0.2, 0.2]),
    }
    rows = {}
    for name, q in models.items():
        with np.errstate(divide="ignore"):
            likelihood = float(p @ np.log(q))
        rows[name] = {
            "log-likelihood": likelihood,
            "perplexity": distances.perplexity(likelihood),
            "KL(P || Q)": distances.kl(p, q),
            "KL(Q || P)": distances.kl(q, p),
            "JS": distances.jensen_shannon(p, q),
        }
    speak.table("Models of the loaded die", rows)
    speak.say("One impossible side that does come up makes likelihood and KL infinite; JS stays finite.")


def show_both(speak, config, first, second):
    """Every distance of P and Q, by integrals, closed forms and samples; returns them by name."""
    import numpy as np
    import tensorflow as tf

    from zoo.probability import distances

    speak.section("Part 2: Two laws on the line")
    speak.say(f"""
        P is {config.p} with mean {config.p_mean:g} and standard deviation {config.p_sd:g},
        Q is {config.q} with mean {config.q_mean:g} and standard deviation {config.q_sd:g}.
            log-likelihood = int p(x) log q(x) dx = -(entropy of P) - KL(P || Q),  of data from P under the model Q
            perplexity = exp(-log-likelihood): a uniform law of that width would surprise as much
            KL(P || Q) = int p(x) log p(x) / q(x) dx
            W_1(P, Q) = int |F(x) - G(x)| dx,  the area between the cdfs: the mean way from P to Q
            W_2^2 of Gaussians = (m_P - m_Q)^2 + (s_P - s_Q)^2 = FID in one dimension
        From samples, log-likelihood and KL are means of log q(x) and log p(x) / q(x) over x from P, and W_1
        that of |x_(i) - y_(i)| over samples in their order: the best plan of transport never crosses.
    """)
    (p, _), (q, _) = first, second
    x = p.sample(config.samples, seed=tf.constant([config.seed, 0])).numpy()
    y = q.sample(config.samples, seed=tf.constant([config.seed, 1])).numpy()
    forwards = distances.kl_of_laws(first, second)
    likelihood = -float(p.entropy()) - forwards
    found = {
        "log-likelihood": likelihood,
        "perplexity": distances.perplexity(likelihood),
        "KL(P || Q)": forwards,
        "KL(Q || P)": distances.kl_of_laws(second, first),
        "JS": distances.jensen_shannon_of_laws(first, second),
        "W_1": distances.wasserstein_of_laws(first, second),
        "FID": distances.fid([config.p_mean], [[config.p_sd**2]], [config.q_mean], [[config.q_sd**2]]),
    }
    ratio_x, ratio_y = (p.log_prob(each).numpy() - q.log_prob(each).numpy() for each in (x, y))
    log_q = q.log_prob(x).numpy()
    sampled = {
        "log-likelihood": float(log_q.mean()),
        "perplexity": distances.perplexity(log_q),
        "KL(P || Q)": float(ratio_x.mean()),
        "KL(Q || P)": float(-ratio_y.mean()),
        "JS": float((np.log(2) * 2 - np.logaddexp(0, -ratio_x).mean() - np.logaddexp(0, ratio_y).mean()) / 2),
        "W_1": distances.wasserstein(x, y),
        "FID": distances.fid([x.mean()], [[x.var()]], [y.mean()], [[y.var()]]),
    }
    rows = {"exact": found, f"{config.samples:,} samples": sampled}
    if config.p == config.q == "normal":
        forwards = distances.kl_of_normals(config.p_mean, config.p_sd, config.q_mean, config.q_sd)
        backwards = distances.kl_of_normals(config.q_mean, config.q_sd, config.p_mean, config.p_sd)
        rows["closed form"] = {"KL(P || Q)": forwards, "KL(Q || P)": backwards}
    speak.table("P and Q (log-likelihood, KL, JS in nats; perplexity, W_1 in the unit of x, FID in its square)", rows)
    draw_both(speak, config, first, second, found)
    return found


def draw_both(speak, config, first, second, found):
    """Densities, what KL adds up, and the area between the cdfs."""
    import numpy as np

    ends = [centre + side * 4 * sd for centre, sd in spots(config) for side in (-1, 1)]
    x = np.linspace(min(ends), max(ends), 1200)
    density_p, density_q = (np.exp(law.log_prob(x).numpy()) for law, _ in (first, second))
    cdf_p, cdf_q = (law.cdf(x).numpy() for law, _ in (first, second))
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = np.where(density_p > 0, density_p * np.log(density_p / density_q), 0.0)
    with speak.figure("laws", 1, 3, (13, 3.4)) as axes:
        densities, costs, cdfs = axes[0]
        densities.plot(x, density_p, label="p, the data")
        densities.plot(x, density_q, "--", label="q, the model")
        densities.plot(x, (density_p + density_q) / 2, ":", color=lesson.BLACK, label="m = (p + q) / 2")
        densities.set(title=f"densities: JS = {found['JS']:.4g} of {math.log(2):.4g} nats", ylabel="density")
        finite = np.where(np.isfinite(cost), cost, np.nan)
        costs.plot(x, finite, color=lesson.PINK, label="p log(p / q)")
        costs.fill_between(x, 0, np.nan_to_num(finite), color=lesson.PINK, alpha=0.3)
        if np.isinf(cost).any():
            where = np.isinf(cost)
            costs.fill_between(
                x, 0, 1, where=where, transform=costs.get_xaxis_transform(), color="0.8", label="infinite"
            )
        costs.set(title=f"KL(P || Q) = {found['KL(P || Q)']:.4g} nats: the area", ylabel="nats per unit of x")
        cdfs.plot(x, cdf_p, label="F of P")
        cdfs.plot(x, cdf_q, "--", label="G of Q")
        cdfs.fill_between(x, cdf_p, cdf_q, color=lesson.GREEN, alpha=0.3, label="area = W_1")
        cdfs.set(title=f"cdfs: W_1 = {found['W_1']:.4g}", ylabel="probability of at most x")
        for panel in axes[0]:
            panel.set_xlabel("x")
            panel.legend()


def spots(config):
    """(mean, standard deviation) of P and of Q."""
    return (config.p_mean, config.p_sd), (config.q_mean, config.q_sd)


def at_distance(config, shapes, shift, names=("KL", "JS", "W_1")):
    """Distances of the two shapes, with the standard deviations of P and Q and means `shift` apart."""
    from zoo.probability import distances

    measures = {
        "KL": distances.kl_of_laws,
        "JS": distances.jensen_shannon_of_laws,
        "W_1": distances.wasserstein_of_laws,
    }
    first = distances.make_law(shapes[0], 0.0, config.p_sd)
    second = distances.make_law(shapes[1], shift, config.q_sd)
    return {name: measures[name](first, second) for name in names}


def show_moving(speak, config):
    """Q moves away: KL explodes or is infinite, JS saturates at log 2, W_1 goes on."""
    import numpy as np

    speak.section("Part 3: Q moves away")
    speak.say("""
        Now Q, with its shape and spread, is moved away from P, and so are two uniform laws, which at some
        distance have nothing in common. The best discriminator of a GAN measures JS, and the generator
        follows its slope: where JS is flat, at log 2, moving changes nothing, and there is no gradient.
        KL is infinite as soon as P has mass where Q has none. Once the laws lie apart, W_1 grows by 1 for
        each unit of way: its slope says where P is, however far.
    """)
    kinds = {"P and Q": (config.p, config.q), "uniform": ("uniform", "uniform")}
    rows = {}
    for shift in SHIFTS:
        row = {}
        for kind, shapes in kinds.items():
            row |= {
                f"{name}, {kind}": value for name, value in at_distance(config, shapes, shift * config.p_sd).items()
            }
        rows[f"shift {shift * config.p_sd:g}"] = row
    speak.table("Means apart, and distances", rows)
    shifts = np.linspace(0, 8, 41) * max(config.p_sd, config.q_sd)
    curves = {kind: [at_distance(config, shapes, shift) for shift in shifts] for kind, shapes in kinds.items()}
    notes = {"KL": "explodes, or is infinite", "JS": "saturates", "W_1": "grows with the way"}
    with speak.figure("moving", 1, 3, (13, 3.6)) as axes:
        for panel, (name, note) in zip(axes[0], notes.items(), strict=True):
            for (kind, points), style in zip(curves.items(), ("-", "--"), strict=True):
                values = np.array([point[name] for point in points])
                finite = np.isfinite(values)
                label = f"{config.p}, {config.q}" if kind == "P and Q" else "uniform, uniform"
                (line,) = panel.plot(shifts[finite], values[finite], style, label=label)
                if not finite.all():
                    edge = shifts[~finite][0]
                    panel.axvline(edge, linestyle=":", color=line.get_color(), label=f"infinite at {edge:.2g} and on")
            if name == "JS":
                panel.axhline(math.log(2), color="0.4", linewidth=1, label="log 2")
            unit = "unit of x" if name == "W_1" else "nats"
            panel.set(title=f"{name} {note}", xlabel="distance of the means", ylabel=f"{name} ({unit})")
            panel.legend()


def show_descent(speak, config):
    """Gradient descent of Q's mean on JS and on W_1, for uniform laws that start apart."""
    import numpy as np

    spread = (config.p_sd + config.q_sd) / 2
    start = 3.0 * math.sqrt(3) * spread  # half as far again as where the supports part
    speak.section("Part 4: A generator follows the slope")
    speak.say(f"""
        A generator with one number theta, the mean of its uniform law, starts {start:.4g} from the mean of a
        uniform P, where the two do not overlap, and walks {STEPS} steps against the slope of a distance:
            theta <- theta - rate * d distance / d theta
    """)
    paths = {"JS": [start], "W_1": [start]}
    width = 1e-4 * spread
    for name, path in paths.items():
        unit = spread**2 if name == "JS" else spread  # so that a step has the unit of x
        for _ in range(STEPS):
            ends = [path[-1] + side * width for side in (1, -1)]
            higher, lower = (at_distance(config, ("uniform", "uniform"), end, [name])[name] for end in ends)
            path.append(path[-1] - RATE * unit * (higher - lower) / (2 * width))
    rows = {
        name: {"start": path[0], "first step": path[0] - path[1], "after half": path[STEPS // 2], "end": path[-1]}
        for name, path in paths.items()
    }
    speak.table("theta on the two distances", rows)
    speak.say("JS cannot tell far from farther; W_1 leads home. This is the reason for the Wasserstein GAN.")
    with speak.figure("descent", 1, 1, (6, 3.4)) as axes:
        panel = axes[0, 0]
        for (name, path), style in zip(paths.items(), ("-", "--"), strict=True):
            panel.plot(np.arange(STEPS + 1), path, style, label=f"descent on {name}")
        panel.axhline(0, color="0.4", linewidth=1, label="P is here")
        panel.set(title="Does the generator find P?", xlabel="step", ylabel="theta, distance of the means")
        panel.legend()


def show_lines(speak, config):
    """Two parallel lines in the plane: KL and JS cannot see the way between them, sliced Wasserstein can."""
    import numpy as np

    from zoo.probability import distances

    speak.section("Part 5: Two parallel lines in the plane")
    speak.say("""
        Pictures lie on thin surfaces in a space of many dimensions, and surfaces hardly ever meet. As in
        the WGAN paper, let P be on the line (0, U) and Q on (theta, U), with U uniform in [0, 1]:
            KL = infinite, JS = log 2 for every theta but 0;   W_1 = |theta|
            sliced: E_u |theta cos(angle of u)| = 2 |theta| / pi = 0.6366 |theta|
    """)
    heights = np.random.default_rng(config.seed).random(min(config.samples, 500))
    rows = {}
    for theta in (0.0, 0.25, 0.5, 1.0, 2.0):
        left = np.stack([np.zeros_like(heights), heights], axis=1)
        sliced = distances.sliced_wasserstein(left, left + np.array([theta, 0.0]), seed=config.seed)
        apart = float(theta > 0)
        rows[f"theta {theta:g}"] = {
            "KL": math.inf if apart else 0.0,
            "JS": apart * math.log(2),
            "W_1": theta,
            "sliced, of samples": sliced,
            "2 theta / pi": 2 * theta / math.pi,
        }
    speak.table("Two lines, theta apart (256 random directions)", rows)


def show_fid(speak, config):
    """FID: what it sees (means and covariances) and what it does not."""
    import numpy as np

    from zoo.probability import distances

    speak.section("Part 6: FID: Wasserstein of two Gaussians")
    speak.say("""
        FID takes features of real and generated pictures for Gaussian and computes W_2^2 of the two:
            FID = |m_P - m_Q|^2 + Tr(S_P + S_Q - 2 (S_P S_Q)^(1/2))
        So it sees means and covariances only. A ring with the mean and the covariance of a Gaussian has
        FID 0 from it, whatever it looks like; the sliced Wasserstein distance sees the hole. The last
        cloud has Q's standard deviation, and is moved along both axes as far as Q's mean is from P's.
    """)
    random = np.random.default_rng(config.seed)
    angles = 2 * np.pi * random.random(config.samples)
    clouds = {
        "gaussian": config.p_sd * random.standard_normal((config.samples, 2)),
        "another gaussian": config.p_sd * random.standard_normal((config.samples, 2)),
        "ring": config.p_sd * np.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)], axis=1),
        "moved like Q": config.q_mean - config.p_mean + config.q_sd * random.standard_normal((config.samples, 2)),
    }
    identity, origin = np.eye(2), np.zeros(2)
    exact = dict.fromkeys(clouds, 0.0)
    shift = np.full(2, config.q_mean - config.p_mean)
    exact["moved like Q"] = distances.fid(origin, config.p_sd**2 * identity, shift, config.q_sd**2 * identity)
    real = clouds["gaussian"]
    rows = {
        name: {
            "FID, exact": exact[name],
            "FID of samples": distances.fid(real.mean(0), np.cov(real.T), cloud.mean(0), np.cov(cloud.T)),
            "sliced W_1": distances.sliced_wasserstein(real, cloud, 64, seed=config.seed),
        }
        for name, cloud in clouds.items()
        if name != "gaussian"
    }
    speak.table("Against a Gaussian around 0, in the plane", rows)
    with speak.figure("fid", 1, 3, (11, 3.7)) as axes:
        for panel, (name, row) in zip(axes[0], rows.items(), strict=True):
            panel.plot(*real[:1000].T, ".", markersize=2, label="gaussian")
            panel.plot(*clouds[name][:1000].T, ".", markersize=2, label=name)
            title = f"FID {row['FID of samples']:.3g}, sliced W_1 {row['sliced W_1']:.3g}"
            panel.set(title=title, xlabel="x_1", ylabel="x_2", aspect="equal", adjustable="datalim")
            panel.legend(loc="upper right", markerscale=5)


def ask(speak, config, found):
    """Three questions about P and Q."""
    shapes = (config.p, config.q)

    def saturated(shift):
        return at_distance(config, shapes, shift, ["JS"])["JS"] >= 0.99 * math.log(2)

    low, high = 0.0, config.p_sd
    while not saturated(high):
        low, high = high, 2 * high
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if saturated(middle) else (middle, high)
    speak.ask(
        "Data come from P and are coded by the model Q: what does a number cost more than by the right model, in bits? "
        "And if it is the other way round?",
        f"{found['KL(P || Q)'] / math.log(2):.4f} and {found['KL(Q || P)'] / math.log(2):.4f} bits: KL / log 2.",
    )
    speak.ask(
        "How far must the means be apart for JS to have used up 99 % of its range, log 2?",
        f"{high:.4g}: from there on JS hardly changes, while W_1 goes on growing by 1 for each unit.",
    )
    left = at_distance(config, shapes, 0.0, ["W_1"])["W_1"]
    speak.ask(
        "How much of W_1 is due to the means, that is, how much is left when Q is moved onto P's mean?",
        f"{left:.4f} of {found['W_1']:.4f} is left: that is due to spread and shape.",
    )
