"""An anomaly detector becomes files with one signature, `score`, each measured as it ships.

The card tells a client all that it needs: the score above which an example is an anomaly (`threshold`), and for rows
the columns with the values of their categories.
"""

from typing import NamedTuple

import numpy as np

from zoo import anomaly, export, signatures


class Detector(NamedTuple):
    """What can be exported.

    Attributes:
        score: function from a batch to scores (B,), larger for what is stranger, which draws no noise.
        networks: Keras models that it calls.
        value: its input, a `zoo.signatures.Value`.
        examples: float32 (N, ...), of the test split, as the function takes them.
        anomalous: bool (N,): which of them are anomalies.
        draw: function from the scores of the examples and the threshold to the pictures of samples.png.
        card: dictionary of what only the detector knows of its card.
    """

    score: object
    networks: list
    value: object
    examples: object
    anomalous: object
    draw: object
    card: dict


def export_detector(folder, detector, card):
    """Write, check and score the files of a detector, as `zoo.export.export` does.

    Args:
        folder: where the export shall stand.
        detector: `Detector`.
        card: the rest of the card, `threshold` in it.

    Returns:
        The card, complete; the quality of each file is that of `zoo.anomaly.measure`, and n, the count of examples.
    """
    meaning = "larger is stranger; above the card's `threshold` it is an anomaly"
    outputs = (signatures.Value("score", (None,), "float32", meaning),)
    endpoint = signatures.Endpoint(lambda batch: {"score": detector.score(batch)}, (detector.value,), outputs)

    def scores_of(model):
        inputs = ({detector.value.name: example[np.newaxis]} for example in detector.examples)
        return np.concatenate([model.run("score", **example)["score"] for example in inputs])

    def quality(model):
        scores = scores_of(model)
        measures = anomaly.measure(scores[~detector.anomalous], scores[detector.anomalous], card["threshold"])
        return {**measures, "n": len(scores)}

    def draw(model):
        return detector.draw(scores_of(model), card["threshold"])

    card = {**detector.card, **card}
    return export.export(folder, card, {"score": endpoint}, detector.networks, quality, draw)
