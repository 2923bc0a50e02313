"""What a latent space holds: how much of it is used, what lies between two pictures, which way an attribute points.

    kl_per_dimension, active_units    posterior collapse: latents that the encoder leaves at the prior
    path                              from one latent vector to another, straight or along the sphere
    attribute_vector                  the way from pictures without an attribute to those that have it
    plane                             a grid of latent vectors on the plane where most of their variance lies

and a figure of each. Encoders and decoders are functions of NumPy arrays here, so that the tools serve every model.

An active unit is a latent whose posterior mean depends on the picture (Burda, Grosse, Salakhutdinov 2015,
https://arxiv.org/abs/1509.00519, section 5.2):

    A_u = Cov_x( E_{u ~ q(u|x)}[u] ) > 0.01

Attribute vectors are differences of means (Larsen et al. 2015, https://arxiv.org/abs/1512.09300, section 4.1.1).
"""

import os

import numpy as np

from edge import runtime

ACTIVE = 0.01  # variance of the posterior means above which a latent is active
MOST_POINTS = 4000  # of a scatter plot
# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/), which people with colour-blindness can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
MARKERS = ("o", "s", "^", "x")


def kl_per_dimension(mean, log_variance):
    """KL(q(z_d|x) || N(0, 1)) of each latent, in nats, the mean over pictures.

    Args:
        mean: float (N, D), of q(z|x).
        log_variance: float (N, D).

    Returns:
        float64 (D,), which sums to the KL of the ELBO.
    """
    mean, log_variance = np.asarray(mean, np.float64), np.asarray(log_variance, np.float64)
    return 0.5 * np.mean(np.exp(log_variance) + mean**2 - 1.0 - log_variance, axis=0)


def mean_variances(mean):
    """A_u of each latent: the variance over pictures of the posterior's mean, from (N, D) to float64 (D,)."""
    return np.var(np.asarray(mean, np.float64), axis=0, ddof=1)


def active_units(mean, threshold=ACTIVE):
    """Which latents depend on the picture: bool (D,), from posterior means (N, D)."""
    return mean_variances(mean) > threshold


def path(start, end, steps, spherical=False):
    """Latent vectors on the way from one to another, both ends among them.

    Args:
        start: (D,).
        end: (D,).
        steps: how many vectors, 2 or more.
        spherical: along the great circle, as `edge.runtime.slerp` has it; else on the straight line.

    Returns:
        float32 (steps, D).
    """
    if steps < 2:
        raise ValueError(f"a path has at least 2 steps, got {steps}")
    fractions = np.linspace(0.0, 1.0, steps)
    if spherical:
        return runtime.slerp(start, end, fractions)
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    return (start + fractions[:, None] * (end - start)).astype(np.float32)


def attribute_vector(latents, has, lacks=None):
    """The mean latent vector of pictures with an attribute minus that of pictures without.

    Args:
        latents: float (N, D).
        has: bool (N,), the pictures with it.
        lacks: bool (N,), the pictures to compare with; None takes all others.

    Returns:
        float32 (D,).

    Raises:
        ValueError: when no picture has it, or none lacks it.
    """
    has = np.asarray(has, bool)
    lacks = ~has if lacks is None else np.asarray(lacks, bool)
    if not has.any() or not lacks.any():
        raise ValueError("an attribute vector needs pictures with the attribute and pictures without it")
    latents = np.asarray(latents, np.float64)
    return (latents[has].mean(axis=0) - latents[lacks].mean(axis=0)).astype(np.float32)


def attribute_vectors(latents, values, names):
    """A vector for each attribute of `zoo.datasets.captions.attributes`.

    Of a trait (0 or 1) those that have it are compared with those that have no trait at all: sleeves with garments, not
    with shoes. Of a measure the upper third is compared with the lower.

    Args:
        latents: float (N, D).
        values: float (N, A).
        names: of the attributes.

    Returns:
        Name -> float32 (D,); an attribute without examples on both sides is left out.
    """
    is_trait = [set(np.unique(column)) == {0.0, 1.0} for column in values.T]  # a constant is none
    no_trait = ~np.any(values[:, is_trait] > 0.5, axis=1)
    vectors = {}
    for name, column, trait in zip(names, values.T, is_trait, strict=True):
        low, high = np.quantile(column, [1 / 3, 2 / 3])
        has, lacks = (column > 0.5, no_trait) if trait else (column > high, column < low)
        if has.any() and lacks.any():
            vectors[name] = attribute_vector(latents, has, lacks)
    return vectors


def principal_axes(latents):
    """Mean (D,) and the two axes (2, D) of most variance, each as long as one standard deviation along it.

    With two latents the axes are the latents themselves.
    """
    from sklearn.decomposition import PCA

    latents = np.asarray(latents, np.float64)
    if latents.shape[1] == 2:
        return latents.mean(axis=0), np.diag(latents.std(axis=0, ddof=1))
    pca = PCA(2).fit(latents)
    return pca.mean_, pca.components_ * np.sqrt(pca.explained_variance_)[:, None]


def plane(latents, side):
    """A square grid of latent vectors on the plane of `principal_axes`, at equal steps of probability.

    Args:
        latents: float (N, D), D >= 2.
        side: vectors along each side of the square.

    Returns:
        float32 (side * side, D), row by row, the second axis from top to bottom.
    """
    from scipy import stats

    mean, axes = principal_axes(latents)
    steps = stats.norm.ppf(np.linspace(0.03, 0.97, side))
    across, down = np.meshgrid(steps, steps[::-1])
    return (mean + across.reshape(-1, 1) * axes[0] + down.reshape(-1, 1) * axes[1]).astype(np.float32)


def draw_rows(path, title, rows, heads=None):
    """Write a figure of labelled rows of pictures.

    Args:
        path: of the PNG.
        title: above all.
        rows: list of (label, pictures (N, H, W, C) in [-1, 1]), N the same in each.
        heads: a text above each column, or None.
    """
    columns = len(rows[0][1])
    widest = max(len(label) for label, _ in rows)
    figure = _figure((0.66 * columns + 0.075 * widest + 0.3, 0.66 * len(rows) + 0.8))
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for axes, head in zip(panels[0], heads or [], strict=heads is not None):
        axes.set_title(head, fontsize=8)
    for row, (label, pictures) in zip(panels, rows, strict=True):
        for axes, picture in zip(row, pictures, strict=True):
            _show(axes, picture)
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    _write(figure, path)


def draw_paths(path_of_figure, decode, latents, pairs, steps=10):
    """Write a figure of straight and spherical paths between pairs of pictures.

    Args:
        path_of_figure: of the PNG.
        decode: function from (N, D) to pictures (N, H, W, C) in [-1, 1].
        latents: float (N, D).
        pairs: list of (start, end), places in `latents`.
        steps: pictures on a path.
    """
    rows = []
    for number, (start, end) in enumerate(pairs, 1):
        for spherical in (False, True):
            name = "sphere" if spherical else "straight"
            rows.append((f"{number}, {name}", decode(path(latents[start], latents[end], steps, spherical))))
    heads = [f"{fraction:.1f}" for fraction in np.linspace(0, 1, steps)]
    draw_rows(path_of_figure, "From one test picture to another: share of the way", rows, heads)


def draw_attributes(path, decode, start, vectors, strengths=(-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)):
    """Write a figure of pictures moved along attribute vectors.

    Args:
        path: of the PNG.
        decode: function from (N, D) to pictures.
        start: name -> latent vectors (N, D) to begin with, for each attribute.
        vectors: name -> (D,), from `attribute_vectors`.
        strengths: how many times the vector is added.
    """
    rows = []
    for name, vector in vectors.items():
        for z in start[name]:
            rows.append((name, decode(np.stack([z + strength * vector for strength in strengths]).astype(np.float32))))
    heads = [f"{strength:+g}" if strength else "0" for strength in strengths]
    draw_rows(path, "Attribute vectors: how many times each is added", rows, heads)


def draw_plane(path, decode, latents, side=16):
    """Write the pictures of `plane` as one figure."""
    pictures = np.asarray(decode(plane(latents, side)))
    height, width, channels = pictures.shape[1:]
    sheet = pictures.reshape(side, side, height, width, channels).swapaxes(1, 2)
    figure = _figure((6.4, 6.6))
    axes = figure.subplots()
    _show(axes, sheet.reshape(side * height, side * width, channels))
    two = latents.shape[1] == 2
    axes.set_title("Decoded grid of the latent plane, 3 % to 97 % along each axis")
    axes.set_xlabel("first latent" if two else "first principal axis of the latents")
    axes.set_ylabel("second latent" if two else "second principal axis of the latents")
    _write(figure, path)


def draw_scatter(path, latents, labels, class_names):
    """Write a scatter plot of latent vectors (N, D) on the plane of `principal_axes`, a colour a class."""
    mean, axes_of_plane = principal_axes(latents)
    two = latents.shape[1] == 2
    lengths = np.linalg.norm(axes_of_plane, axis=1, keepdims=True)
    directions = np.eye(2) if two else axes_of_plane / np.maximum(lengths, 1e-12)  # 0 where nothing varies
    points = (np.asarray(latents)[:MOST_POINTS] - (0.0 if two else mean)) @ directions.T  # (N, 2)
    labels = np.asarray(labels)[:MOST_POINTS]
    figure = _figure((7.0, 5.4))
    axes = figure.subplots()
    middles = {}
    for number, name in enumerate(class_names):
        chosen = points[labels == number]
        colour = COLOURS[number % len(COLOURS)]
        marker = MARKERS[number // len(COLOURS) % len(MARKERS)]
        axes.plot(*chosen.T, marker, color=colour, markersize=2.6, alpha=0.5, label=name)
        if len(chosen):
            middles[name] = np.median(chosen, axis=0)
    height, width = 0.05 * np.ptp(points[:, 1]), 0.2 * np.ptp(points[:, 0])
    placed = []
    for name, (x, y) in sorted(middles.items(), key=lambda item: item[1][1]):  # names at their places, from below
        while any(abs(x - other_x) < width and abs(y - other_y) < height for other_x, other_y in placed):
            y += 0.2 * height
        placed.append((x, y))
        box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5}
        axes.text(x, y, name, fontsize=8, ha="center", va="center", bbox=box)
    axes.set_title("Latent vectors of test pictures" + ("" if two else ", on the plane of most variance"))
    axes.set_xlabel("first latent" if two else "first principal axis")
    axes.set_ylabel("second latent" if two else "second principal axis")
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=3, fontsize=8, frameon=False)
    _write(figure, path)


def draw_usage(path, mean, log_variance):
    """Write a figure of KL and variance of the posterior mean of each latent, in falling order of the KL."""
    kl, variances = kl_per_dimension(mean, log_variance), mean_variances(mean)
    order = np.argsort(-kl)
    places = np.arange(len(order))
    figure = _figure((max(6.4, 0.22 * len(order) + 3.0), 4.8))
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.bar(places, kl[order], color="#0072B2")
    upper.set_ylabel("KL(q || N(0, 1)), nats")
    active = int(np.sum(variances > ACTIVE))
    upper.set_title(f"{active} of {len(order)} latents are active; KL {kl.sum():.1f} nats a picture")
    lower.plot(places, variances[order], "o", color="#D55E00", markersize=4)
    lower.axhline(ACTIVE, color="black", linewidth=1, linestyle="--", label=f"active above {ACTIVE}")
    lower.set_yscale("log")
    lower.set_ylabel("variance of the mean")
    lower.set_xlabel("latents, most informative first")
    lower.legend(loc="best", fontsize=8)
    if len(order) <= 40:
        lower.set_xticks(places, [str(number) for number in order], fontsize=7)
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    _write(figure, path)


def _show(axes, picture):
    shown = np.clip((np.asarray(picture) + 1.0) / 2.0, 0.0, 1.0)
    axes.imshow(shown[..., 0] if shown.shape[-1] == 1 else shown, cmap="gray", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])


def _figure(size):
    import matplotlib.figure

    return matplotlib.figure.Figure(figsize=size, layout="constrained")


def _write(figure, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    figure.savefig(unfinished, dpi=110, format="png")
    os.replace(unfinished, path)
