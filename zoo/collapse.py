"""Signs that a generator has collapsed: it draws few kinds of pictures, or the same few pictures again and again.

Three signs, each of a sample of generated pictures beside as many real ones, in the features of the pinned evaluator:

    classes      how many are drawn at all, and Pearson's chi-square of their counts beside those of the data
    recall       the share of the real pictures that lie among the generated ones (`zoo.metrics.precision_recall`)
    duplicates   the share of generated pictures that have a twin in the sample, nearer than all but 1 % of the real
                 ones have; Arora and Zhang 2017, https://arxiv.org/abs/1706.08224: when a sample of s has twins, the
                 generator has no more than about s^2 different pictures (the birthday paradox)
"""

import csv
import os
import pathlib

import keras
import numpy as np

from zoo import metrics, training

WARM_UP = 1000  # steps of the generator
PATIENCE = 3  # scores in a row that have to look collapsed: single epochs can
MOST_DUPLICATES = 0.2
ADVICE = "raise --r1-gamma, lower --learning-rate, or try wgan_gp, whose critic keeps a slope where D is sure"


def duplicates(features, real_features, percentile=1):
    """Share of samples that have a twin among the others.

    Args:
        features: (N, D) of generated pictures.
        real_features: (M, D) of as many real ones, or more.
        percentile: of the real distances that no twin exceeds.

    Returns:
        A float: percentile / 100 for samples as different as real ones, 1 where every picture has a twin.
    """
    from sklearn import neighbors

    def nearest(points):
        search = neighbors.NearestNeighbors(n_neighbors=1, algorithm="brute").fit(points)
        return search.kneighbors()[0][:, 0]  # without an argument a point is not its own neighbour

    threshold = np.percentile(nearest(real_features[: len(features)]), percentile)
    return float(np.mean(nearest(features) <= threshold))


def chi_square(counts, real_counts):
    """Pearson's test of whether two samples have their classes from one distribution.

    Args:
        counts, real_counts: (classes,), how many of each class are in either; classes that are in neither are left out.

    Returns:
        The statistic and the probability of one as large by chance.
    """
    from scipy import stats

    table = np.stack([counts, real_counts])
    test = stats.chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False)
    return float(test.statistic), float(test.pvalue)


def signs(features, probabilities, real_features, real_probabilities):
    """All signs of a sample.

    Args:
        features, probabilities: (N, D) and (N, classes), what the evaluator says of generated pictures.
        real_features, real_probabilities: likewise of real ones.

    Returns:
        Dictionary: fid, recall, classes (covered), chi_square, p_value, duplicates.
    """
    _, real_shares = metrics.class_coverage(real_probabilities)
    covered, shares = metrics.class_coverage(probabilities, minimum_share=real_shares / 10)
    statistic, p_value = chi_square(shares * len(features), real_shares * len(real_features))
    _, recall = metrics.precision_recall(real_features, features)
    return {
        "fid": metrics.fid(real_features, features),
        "recall": recall,
        "classes": covered,
        "chi_square": statistic,
        "p_value": p_value,
        "duplicates": duplicates(features, real_features),
    }


def verdict(found, classes):
    """What the signs say: a sentence when they look collapsed, else None.

    Args:
        found: from `signs`.
        classes: how many there are.
    """
    if found["classes"] <= classes / 2:
        return f"{found['classes']} of {classes} classes are drawn"
    if found["duplicates"] > MOST_DUPLICATES:
        return f"{found['duplicates']:.0%} of the pictures have a twin"
    return None


class Watch(keras.callbacks.Callback):
    """Scores a small sample after each epoch, appends a row to a CSV file, and warns of mode collapse.

    Args:
        path: of the CSV file.
        draw: function without arguments that returns pictures (N, H, W, C) in [-1, 1], of the same noise each time.
        data: `zoo.datasets.images.ImageData`; its validation split is compared with.
        evaluator: `zoo.metrics.Evaluator` of the data.
        warm_up: epochs in which nothing is said: who has not learned to draw yet has few kinds of pictures, too.

    Attributes:
        rows: the scores, one dictionary an epoch.
    """

    def __init__(self, path, draw, data, evaluator, warm_up=0):
        super().__init__()
        self.path = pathlib.Path(path)
        self.draw = draw
        self.evaluator = evaluator
        self.real = evaluator.features(data.validation.images)
        self.classes = len(data.class_names)
        self.rows = training.read_log(self.path)
        self.warm_up = warm_up

    @property
    def alarm(self):
        """The epoch after which the warning came, or None; from the rows, so that a resumed run knows of it."""
        in_a_row = 0
        for row in self.rows:
            epoch = int(row["epoch"])
            found = {"classes": int(row["classes"]), "duplicates": float(row["duplicates"])}
            in_a_row = in_a_row + 1 if epoch > self.warm_up and verdict(found, self.classes) else 0
            if in_a_row == PATIENCE:
                return epoch
        return None

    def on_epoch_end(self, epoch, logs=None):
        """Score, write, warn."""
        found = signs(*self.evaluator.features(self.draw()), *self.real)
        self.rows = [row for row in self.rows if int(row["epoch"]) <= epoch]  # a resumed run may repeat epochs
        self.rows.append({"epoch": epoch + 1, **{name: round(value, 5) for name, value in found.items()}})
        unfinished = self.path.with_suffix(".unfinished")
        with open(unfinished, "w", newline="") as file:
            writer = csv.DictWriter(file, self.rows[0].keys())
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(unfinished, self.path)
        if self.alarm == epoch + 1:
            print(f"\nmode collapse after epoch {epoch + 1}: {verdict(found, self.classes)}; {ADVICE}")
