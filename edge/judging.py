"""What models have to say of a picture or of the rows of a table: classes with their probabilities, or anomaly scores.

    log_prob   image float32 (1, H, W, C) -> log_prob float32 (1, K), log p(x, y=k) for each of the card's `labels`;
               or (1,), log p(x), where there are no classes
    score      image float32 (1, H, W, C) or x float32 (1, F) -> score float32 (1,), above the card's `threshold`
               where the input is an anomaly

For rows the card has `columns` in the order of x: {"name", "kind": "number"}, or {"name", "kind": "category",
"values"}, of which x has the place of the value in the list. `typical`, if a card has it, is the range of log p(x) in
nats in which 98 of 100 held-out pictures lie. Each mistake of a user raises `ValueError` or `OSError` with one
sentence.
"""

import csv
import math

import numpy as np

from edge import drawing

SIGNATURES = ("log_prob", "score")
LARGEST = float(np.finfo(np.float32).max)


def signature_of(model, image=None, rows=None):
    """The signature that judges: a model's main one, or one beside the making of pictures that has an input.

    Args:
        model: An open `edge.runtime.Model`.
        image: Path of a picture file, or None.
        rows: Path of a CSV file, or None.

    Returns:
        One of `SIGNATURES`, or None where the model makes pictures.

    Raises:
        ValueError: There are rows, and the model takes none.
    """
    if model.main in SIGNATURES:
        return model.main
    if rows is not None:
        raise ValueError(f"{model.name} makes pictures: it takes no --rows")
    if image is None or "translate" in model.signatures:
        return None
    return next((name for name in SIGNATURES if name in model.signatures), None)


def verdicts(model, name, image=None, rows=None):
    """Judges a picture, or each row of a table.

    Args:
        model: An open `edge.runtime.Model`.
        name: The signature to judge by, one of `SIGNATURES`.
        image: Path of a picture file.
        rows: Path of a CSV file with a header; either this or `image`.

    Returns:
        List of lines of text.

    Raises:
        OSError: There is no such file, or it is no picture.
        ValueError: The model takes the other kind of input, the card lacks what is needed, or the table has mistakes.
    """
    (tensor,) = model.signature(name).inputs.values()
    takes_pictures = len(tensor.shape) == 4
    wanted, other = ("--image", rows) if takes_pictures else ("--rows", image)
    if other is not None or (image is None and rows is None):
        kind = "a picture" if takes_pictures else "the rows of a CSV file"
        raise ValueError(f"{model.name} judges {kind}: give it one by {wanted}")
    inputs = drawing.read_source(image, tensor.shape[1:], None) if takes_pictures else read_rows(rows, model.card)
    outputs = np.concatenate([_answer(model, name, each[None]) for each in inputs]).astype(np.float64)
    if not np.isfinite(outputs).all():
        raise ValueError(f"{model.name} has no finite answer for {image or rows}")
    if name == "log_prob":
        return classes(model.card, image, outputs[0])
    return anomalies(model.card, [image] if takes_pictures else [f"row {i + 1}" for i in range(len(outputs))], outputs)


def _answer(model, signature, array):
    """The only output for one input: (1, K) for classes, else (1, 1)."""
    (name,) = model.signature(signature).inputs
    (output,) = model.run(signature, **{name: array}).values()
    return output.reshape(1, -1)


def classes(card, source, log_joint):
    """Describes log p(x, y=k) (K,): the likelihood of the picture, and the classes, most probable first.

    log p(x) = log sum_k p(x, y=k),    p(y=k | x) = p(x, y=k) / p(x)
    """
    largest = log_joint.max()
    evidence = largest + np.log(np.exp(log_joint - largest).sum())
    lines = [f"{source}: log-likelihood {evidence:.1f} nats{_how_usual(card, evidence)}"]
    labels = card.get("labels", [])
    if len(labels) != len(log_joint):
        return lines  # a model without classes
    width = max(map(len, labels))
    posterior = np.exp(log_joint - evidence)
    return lines + [f"  {labels[k]:<{width}}  {posterior[k]:.4f}" for k in np.argsort(-posterior, kind="stable")]


def _how_usual(card, evidence):
    if "typical" not in card:
        return ""
    low, high = card["typical"]
    if evidence < low:
        return f", less than 99 of 100 pictures of its kind ({low:g} to {high:g} is usual)"
    if evidence > high:
        return f", more than 99 of 100 pictures of its kind ({low:g} to {high:g} is usual)"
    return f", as usual ({low:g} to {high:g})"


def anomalies(card, sources, scores):
    """Describes anomaly scores (N, 1): each with its source and verdict, and how many are anomalies."""
    threshold = card.get("threshold")
    if type(threshold) not in (int, float):
        raise ValueError(f"the card of {card['name']} has no threshold, above which a score is an anomaly")
    scores = scores.ravel()
    width = max(map(len, sources))
    lines = [
        f"{source:<{width}}  {score:.4g}  {'anomaly' if score > threshold else 'normal'}"
        for source, score in zip(sources, scores, strict=True)
    ]
    return [*lines, f"{(scores > threshold).sum()} of {len(scores)} above the threshold {threshold:.4g}"]


def read_rows(path, card):
    """Reads a table for a model of rows.

    Args:
        path: Of a CSV file, UTF-8, with a header. It may have further columns, in any order.
        card: With `columns`.

    Returns:
        float32 (N, F), N >= 1.

    Raises:
        OSError: There is no such file.
        ValueError: It is no text, a column is missing or there twice, there are no rows, a row has another number of
            values than the header, or a value is no number or no known category; rows are counted from 1.
    """
    columns = card.get("columns")
    if not columns:
        raise ValueError(f"the card of {card['name']} does not say which columns its rows have")
    with open(path, newline="", encoding="utf-8-sig") as file:
        try:
            header, *rows = [row for row in csv.reader(file) if row]
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{path} is no CSV file in UTF-8: {error}") from error
        except ValueError:
            raise ValueError(f"{path} is empty: its first line must name the columns") from None
    header = [name.strip() for name in header]
    for column in columns:
        times = header.count(column["name"])
        if times != 1:
            there = ", ".join(header)
            raise ValueError(f"{path} must have one column {column['name']!r}, it has {times}: there are {there}")
    if not rows:
        raise ValueError(f"{path} has no rows below its header")
    places = [header.index(column["name"]) for column in columns]
    table = []
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise ValueError(f"row {number} of {path} has {len(row)} values, its header names {len(header)} columns")
        cells = zip(columns, (row[place].strip() for place in places), strict=True)
        table.append([_value(column, text, f"row {number} of {path}") for column, text in cells])
    return np.array(table, np.float32)  # (N, F)


def _value(column, text, where):
    """One cell as the number that the file takes."""
    if column["kind"] == "category":
        known = [str(value) for value in column["values"]]
        if text not in known:
            shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
            raise ValueError(f"{where}: {column['name']} must be one of {shown}, got {text!r}")
        return known.index(text)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) <= LARGEST:
        raise ValueError(f"{where}: {column['name']} must be a number, got {text!r}")
    return number
