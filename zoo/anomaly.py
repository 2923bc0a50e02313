"""How well does a score tell anomalies from ordinary data? Measures, and three detectors to compare with.

A score is one number for each example, larger for what looks stranger. Detectors learn from ordinary examples alone.

    auroc         probability that an anomaly has a higher score than an ordinary example (ties count half)
    fpr95         share of ordinary examples that are flagged when the threshold is set to find 95 % of the anomalies
    threshold     what an application uses: a quantile of the scores of held-out ordinary examples
    found         share of the anomalies above that threshold
    alarms        share of the ordinary examples above it

    squared_error, relative_error         two scores of pictures that a network was to repeat

The threshold and every choice come from the validation split; the test split is for the measures that are reported.
"""

import statistics
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from sklearn import decomposition, ensemble, metrics, svm

SPLITS = ("validation", "test")
OTHERS = ("PCA", "isolation forest", "one-class SVM")
DARK = 1e-3  # mean square of a picture that has next to no ink; its error is not divided by less
SVM_EXAMPLES = 2000  # what a one-class SVM, whose kernel matrix is quadratic in them, is fitted to


class Case(NamedTuple):
    """One kind of anomaly, and method -> split -> (scores of ordinary examples (N,), scores of anomalies (M,))."""

    name: str
    scores: dict


def make_case(name, scored, ordinary, strange):
    """The `Case` of one kind of anomaly.

    Args:
        name: of the kind.
        scored: split -> method -> scores (N,) of everything in the split.
        ordinary, strange: split -> bool (N,): which examples are ordinary, which are of this kind.
    """
    scores = {
        method: {
            split: (scored[split][method][ordinary[split]], scored[split][method][strange[split]]) for split in SPLITS
        }
        for method in scored["test"]
    }
    return Case(name, scores)


def threshold_of(ordinary, quantile):
    """The smallest of the scores (N,) that at least so large a share of them does not exceed."""
    return float(np.quantile(ordinary, quantile, method="inverted_cdf"))


def measure(ordinary, anomalous, threshold):
    """The measures of a score.

    Args:
        ordinary, anomalous: scores (N,) and (M,) of examples that were not trained on.
        threshold: above it an example is called an anomaly.

    Returns:
        Dictionary of floats in [0, 1]: auroc, fpr95, found, alarms.

    Raises:
        ValueError: when there are no examples of a sort, or scores that are not finite.
    """
    scores = np.concatenate([ordinary, anomalous])
    if min(len(ordinary), len(anomalous)) == 0 or not np.all(np.isfinite(scores)):
        raise ValueError(
            f"finite scores of ordinary and of anomalous examples are needed, got {len(ordinary)} and "
            f"{len(anomalous)}, of which {np.sum(~np.isfinite(scores))} are not finite"
        )
    truth = np.repeat([0, 1], [len(ordinary), len(anomalous)])
    false_positives, true_positives, _ = metrics.roc_curve(truth, scores, drop_intermediate=False)
    return {
        "auroc": float(metrics.roc_auc_score(truth, scores)),
        "fpr95": float(false_positives[np.argmax(true_positives >= 0.95)]),
        "found": float(np.mean(np.asarray(anomalous) > threshold)),
        "alarms": float(np.mean(np.asarray(ordinary) > threshold)),
    }


def judge(case, quantile):
    """For each method its threshold, from the validation split, and its measures on either: method -> dictionary."""
    judged = {}
    for method, scores in case.scores.items():
        threshold = threshold_of(scores["validation"][0], quantile)
        judged[method] = {"threshold": threshold} | {split: measure(*scores[split], threshold) for split in SPLITS}
    return judged


def mean(results, method, split, name="auroc"):
    """Mean over the cases of a measure of a method.

    Args:
        results: case -> what `judge` returns.
        method, split: of which.
        name: of the measure.
    """
    return statistics.fmean(judged[method][split][name] for judged in results.values())


def deviation(results, method, split, name="auroc"):
    """Standard deviation over the cases of a measure of a method, arguments as for `mean`."""
    return statistics.pstdev(judged[method][split][name] for judged in results.values())


def tables(results, split="test"):
    """Two tables of results, as `zoo.tables` takes them: the AUROC by case and method, and all measures by method."""
    methods = list(next(iter(results.values())))
    by_case = {name: {method: judged[method][split]["auroc"] for method in methods} for name, judged in results.items()}
    by_case["mean"] = {method: mean(results, method, split) for method in methods}
    by_case["deviation"] = {method: deviation(results, method, split) for method in methods}
    by_method = {
        method: {
            "AUROC": f"{mean(results, method, split):.3f} +- {deviation(results, method, split):.3f}",
            "FPR at 95 % TPR": f"{mean(results, method, split, 'fpr95'):.3f} +- "
            f"{deviation(results, method, split, 'fpr95'):.3f}",
            "found": round(mean(results, method, split, "found"), 3),
            "false alarms": round(mean(results, method, split, "alarms"), 3),
        }
        for method in methods
    }
    return {
        name: {method: round(value, 3) for method, value in row.items()} for name, row in by_case.items()
    }, by_method


def detectors(train, components, seed):
    """Three detectors that need no network, fitted to ordinary examples.

    Args:
        train: float (N, D).
        components: of the principal component analysis, as many as the network has latent variables.
        seed: of the isolation forest, and of the choice of examples for the support vector machine.

    Returns:
        Name (`OTHERS`) -> function from examples (M, D) to scores (M,): the mean squared error that PCA leaves, the
        isolation forest's score, and minus the decision function of a one-class SVM with Gaussian kernel.
    """
    pca = decomposition.PCA(min(components, *train.shape), svd_solver="randomized", random_state=seed).fit(train)
    forest = ensemble.IsolationForest(random_state=seed).fit(train)
    chosen = np.random.default_rng(seed).permutation(len(train))[:SVM_EXAMPLES]
    machine = svm.OneClassSVM(nu=0.05).fit(train[chosen])

    def pca_error(examples):
        return np.mean(np.square(examples - pca.inverse_transform(pca.transform(examples))), axis=1)

    def forest_score(examples):
        return -forest.score_samples(examples)

    def machine_score(examples):
        return -machine.decision_function(examples)

    return dict(zip(OTHERS, (pca_error, forest_score, machine_score), strict=True))


def squared_error(pictures, reconstructions):
    """Mean of (x - x')^2 over the pixels, which count from 0 to 1: (B,) of pictures (B, H, W, C) in [-1, 1]."""
    return tf.reduce_mean(tf.square(pictures - reconstructions), axis=(1, 2, 3)) / 4.0


def relative_error(pictures, reconstructions):
    """The squared error over the mean of x^2, at least `DARK`: what share of its ink a picture has lost, (B,)."""
    ink = tf.reduce_mean(tf.square(pictures + 1.0), axis=(1, 2, 3)) / 4.0
    return squared_error(pictures, reconstructions) / tf.maximum(ink, DARK)


def energy(vectors):
    """Mean of x^2 of each vector (N, D), at least `DARK`, for other detectors' errors to be divided by likewise."""
    return np.maximum(np.mean(np.square(vectors), axis=1), DARK)
