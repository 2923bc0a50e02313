"""Panels of figures about distributions: a law and its samples, two laws and their distance, quantiles.

They draw on axes of matplotlib, in the colours of its cycle (C0, C1 ...); the laws are passed as objects or as arrays.
"""

import numpy as np
from matplotlib import ticker

MOST_BARS = 60  # more whole numbers than that are drawn as a histogram
MOST_POINTS = 300  # of a Q-Q plot


def law(axes, family, parameters, draws, dots="samples", line="theory", of=None):
    """Draw pmf or pdf, and cdf, each over that of samples.

    Args:
        axes: two of them.
        family: a `zoo.probability.distributions.Family`.
        parameters: of it, name -> number.
        draws: samples, or data (N,).
        dots, line: what they and the law are called.
        of: what the values are, below the axes; None writes k or x.
    """
    left, right = axes
    low, high = family.quantile([0.002, 0.995], **parameters)
    margin = 1.0 if family.discrete else 0.05 * (high - low)
    ends = low - margin, high + margin
    x = np.arange(ends[0], ends[1] + 1) if family.discrete else np.linspace(*ends, 400)
    heights = np.exp(family.log_prob(x, **parameters))
    if family.discrete and len(x) <= MOST_BARS:
        shares = (draws[:, None] == x).mean(axis=0)
        left.bar(x, shares, color="C4", label=dots)
        left.plot(x[1:-1], heights[1:-1], "o", color="C7", markersize=4, label=line)
    else:
        bins = np.linspace(low, high, 41)
        if family.discrete:
            bins = np.unique(bins.round()) - 0.5
        shares = np.histogram(draws, bins)[0] / np.diff(bins) / len(draws)  # of all draws, those beyond included
        left.stairs(shares, bins, fill=True, color="C4", label=dots)
        left.plot(x, heights, color="C7", label=line)
    top = max(np.quantile(heights[np.isfinite(heights)], 0.97), shares.max())
    left.set(ylim=(0, 1.2 * top), ylabel="P(X = k)" if family.discrete else "density p(x)")
    exact = family.cdf(x, **parameters)
    right.plot(x, exact, color="C7", drawstyle="steps-post" if family.discrete else "default", label=line)
    places = np.concatenate([[ends[0]], np.sort(draws), [max(ends[1], draws.max())]])
    sampled = np.concatenate([[0.0], np.arange(1, len(draws) + 1) / len(draws), [1.0]])
    right.plot(places, sampled, "--", color="C1", drawstyle="steps-post", label=dots)
    letter = "k" if family.discrete else "x"
    right.set(ylabel=f"P(X <= {letter})")
    short = ", ".join(f"{name}={value:.4g}" for name, value in parameters.items())
    for panel, title in ((left, f"{family.title}({short})"), (right, f"cdf of {family.title}")):
        panel.set(title=title, xlabel=of or letter, xlim=ends)
        panel.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=family.discrete))
        panel.legend()


def two_pmfs(axes, title, names, values, first, second):
    """Draw two pmfs over the same values, where they are not next to nothing."""
    shown = np.maximum(first, second) > 1e-3
    axes.bar(values[shown], first[shown], color="C4", label=names[0])
    axes.plot(values[shown], second[shown], "o", color="C7", markersize=4, label=names[1])
    axes.set(title=title, xlabel="k", ylabel="P(X = k)", ylim=(0, 1.4 * max(first.max(), second.max())))
    axes.legend(loc="upper right")


def two_cdfs(axes, title, names, values, probabilities, cdf):
    """Draw the steps of a discrete cdf, and a continuous one at them, but for the last thousandths."""
    shown = (cdf > 1e-3) & (cdf < 1 - 1e-3)
    after = np.cumsum(probabilities)[shown]
    before = after[:1] - probabilities[shown][:1]
    axes.step(np.append(values[shown][:1], values[shown]), np.append(before, after), "C0", where="post", label=names[0])
    few = shown.sum() <= MOST_BARS
    axes.plot(values[shown], cdf[shown], "." if few else "--", color="C1", markersize=5, label=names[1])
    axes.set(title=title, xlabel="x", ylabel="P(X <= x)")
    axes.legend()


def beliefs(axes, title, x, densities, truth):
    """Draw densities over a chance x, name -> (X,), and the true chance."""
    for (name, density), style in zip(densities.items(), ("-", "--", "-."), strict=True):
        axes.plot(x, density, style, label=name)
    axes.axvline(truth, color="C7", linewidth=1, label=f"truth, {truth:g}")
    top = 1.6 * max(density.max() for density in densities.values())
    axes.set(title=title, xlabel="theta, the chance of heads", ylabel="density of the belief", ylim=(0, top))
    axes.legend(loc="upper right")


def falling(axes, title, size_name, sizes, lines):
    """Draw distances against sizes, both logarithmic.

    Args:
        axes: one of them.
        title: above it.
        size_name: of the horizontal axis.
        sizes: (S,).
        lines: name -> distances (S,).
    """
    for (name, distances), style in zip(lines.items(), ("o-", "s--", "^:", "d-."), strict=False):
        axes.plot(sizes, distances, style, markersize=4, label=name)
    axes.set(title=title, xscale="log", yscale="log", xlabel=size_name, ylabel="distance")
    axes.legend()


def quantile_grid(axes, families, candidates, x):
    """Draw quantiles of data over those of laws fitted to them: on the diagonal where the law is right.

    Args:
        axes: (rows, columns), at least as many as candidates.
        families: name -> `zoo.probability.distributions.Family`.
        candidates: list of `zoo.probability.fitting.Candidate`.
        x: the data (N,).
    """
    points = min(len(x), MOST_POINTS)
    shares = (np.arange(points) + 0.5) / points
    data = np.quantile(x, shares, method="inverted_cdf")
    for panel, candidate in zip(axes.flat, candidates, strict=False):
        family = families[candidate.name]
        panel.plot(data[[0, -1]], data[[0, -1]], "--", color="C7", label="perfect fit")
        theory = family.quantile(shares, **candidate.parameters)
        panel.plot(theory, data, "o", color="C0", markersize=3, alpha=0.7, label="data")
        panel.set(title=f"{family.title}, AIC {candidate.aic:,.1f}", xlabel="quantile of the law")
        panel.set_ylabel("quantile of the data")
        panel.legend()
    for panel in list(axes.flat)[len(candidates) :]:
        panel.set_visible(False)
