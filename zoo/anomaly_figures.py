"""Figures of anomaly scores: histograms with their threshold, ROC curves, and pictures by their scores.

Each function draws on the axes that it is given, one for each kind of anomaly.
"""

import numpy as np
from sklearn import metrics

FAR = 20.0  # times the threshold


def grid(count):
    """Rows, columns and size in inches of a figure with so many panels, up to five in a row."""
    columns = min(5, count)
    rows = -(-count // columns)
    return rows, columns, (2.4 * columns + 0.4, 2.2 * rows + 0.7)


def draw_histograms(panels, cases, method, thresholds):
    """Draw the test scores of a method, of ordinary examples and of anomalies.

    Args:
        panels: array of matplotlib axes, one for each case or more.
        cases: list of `zoo.anomaly.Case`.
        method: whose scores.
        thresholds: one for each case.
    """
    for axes, case, threshold in zip(panels.flat, cases, thresholds, strict=False):
        draw_histogram(axes, *case.scores[method]["test"], threshold)
        axes.set_title(case.name)
    _finish(panels, len(cases), f"score: {method}", "share of the examples, %")


def draw_histogram(axes, ordinary, anomalous, threshold):
    """Draw scores (N,) and (M,) of ordinary examples and of anomalies, and the threshold.

    The axis is logarithmic where scores are positive and the highest is far above the threshold.
    """
    scores = np.concatenate([ordinary, anomalous])
    low, high = scores.min(), scores.max()
    wide = low > 0 and high > FAR * threshold
    bins = np.geomspace(low, high, 40) if wide else np.linspace(low, high, 40)
    for name, values in (("ordinary", ordinary), ("anomalies", anomalous)):
        axes.hist(values, bins, weights=np.full(len(values), 100.0 / len(values)), alpha=0.6, label=name)
    axes.axvline(threshold, color="black", linestyle="--", linewidth=1, label="threshold")
    if wide:
        axes.set_xscale("log")


def draw_curves(panels, cases, methods):
    """Draw the ROC curves on the test split: the share of anomalies found over the share of false alarms.

    Args:
        panels: array of matplotlib axes, one for each case or more.
        cases: list of `zoo.anomaly.Case`.
        methods: up to four.
    """
    for axes, case in zip(panels.flat, cases, strict=False):
        for method, line in zip(methods, ("-", "--", ":", "-."), strict=False):
            ordinary, anomalous = case.scores[method]["test"]
            truth = np.repeat([0, 1], [len(ordinary), len(anomalous)])
            alarms, found, _ = metrics.roc_curve(truth, np.concatenate([ordinary, anomalous]))
            axes.plot(alarms, found, line, label=method)
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        axes.set_title(case.name)
    _finish(panels, len(cases), "share of ordinary examples flagged", "share of anomalies found")


def _finish(panels, used, x, y):
    """Label the figure, put one legend above, hide the panels that are not used."""
    for axes in panels.flat[used:]:
        axes.axis("off")
    figure = panels.flat[0].figure
    figure.supxlabel(x, fontsize="medium")
    figure.supylabel(y, fontsize="medium")
    figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)


def draw_extremes(panels, cases, method, pictures, strange, shown=8):
    """Draw for each left-out class its pictures of highest and of lowest score, and the ordinary ones of highest.

    Args:
        panels: array of matplotlib axes (cases, 3).
        cases: list of `zoo.anomaly.Case`.
        method: whose scores.
        pictures: of the test split, uint8 (N, H, W, C).
        strange: for each case bool (N,): which pictures are of its class.
        shown: pictures on each of the axes.
    """
    titles = ("left out, highest scores", "left out, lowest scores", "ordinary, highest scores")
    for axes, title in zip(panels[0], titles, strict=True):
        axes.set_title(title)
    for row, case, of_class in zip(panels, cases, strange, strict=True):
        ordinary, left_out = (np.argsort(scores) for scores in case.scores[method]["test"])
        chosen = (
            np.flatnonzero(of_class)[left_out[::-1][:shown]],
            np.flatnonzero(of_class)[left_out[:shown]],
            np.flatnonzero(~of_class)[ordinary[::-1][:shown]],
        )
        for axes, places in zip(row, chosen, strict=True):
            framed = np.pad(pictures[places], ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=255)  # (8, H, W + 1, C)
            axes.imshow(np.concatenate(list(framed), axis=1).squeeze(), cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
        row[0].set_ylabel(case.name, rotation=0, ha="right", va="center")


def small_histogram(title, ordinary, anomalous, threshold):
    """What `draw_histogram` draws as a picture with a title, float32 (120, 160, 3) in [-1, 1]."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure

    figure = matplotlib.figure.Figure((1.6, 1.2), dpi=100, layout="constrained")
    canvas = matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    axes = figure.subplots()
    draw_histogram(axes, ordinary, anomalous, threshold)
    axes.set_title(title, fontsize=8)
    axes.tick_params(labelsize=6)
    axes.set_yticks([])
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(np.float32) / 127.5 - 1.0
