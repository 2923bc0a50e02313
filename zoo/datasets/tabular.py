"""Tables with columns of numbers and of categories, for detectors that learn from ordinary rows alone.

    load("flows")       the simulated log of zoo/datasets/flows.py: no download
    load("kddcup99")    the KDD Cup 1999 connections, by scikit-learn, where they are at hand or can be fetched

A row is a vector of float32: numbers as they are, a category as its index among the values of its column. The training
split has ordinary rows only; validation and test have attacks too, each with its kind. `Encoding` makes of a row what a
network can learn from, in operations that an exported file may contain: so a device gets raw rows.
"""

import csv
import os
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from zoo.datasets import downloads, flows

SPLIT_SEED = 1999
KDD_ATTACKS = {  # kind -> the names that the data has for it
    "dos": ("back", "land", "neptune", "pod", "smurf", "teardrop"),
    "probe": ("ipsweep", "nmap", "portsweep", "satan"),
    "r2l": ("ftp_write", "guess_passwd", "imap", "multihop", "phf", "spy", "warezclient", "warezmaster"),
    "u2r": ("buffer_overflow", "loadmodule", "perl", "rootkit"),
}
KDD_LOGARITHMIC = ("duration", "src_bytes", "dst_bytes", "hot", "num_compromised", "num_root", "count", "srv_count")


@dataclass(frozen=True)
class Column:
    """One column of a table: numbers, or the categories `values`; `logarithmic` is how to look at its numbers."""

    name: str
    values: tuple = ()
    logarithmic: bool = False

    def describe(self):
        """What a card says of it."""
        if self.values:
            return {"name": self.name, "kind": "category", "values": list(self.values)}
        return {"name": self.name, "kind": "number"}

    def text(self, entry):
        """An entry as a CSV file has it: the number, or the category in words."""
        if not self.values:
            return str(int(entry)) if entry == int(entry) else str(entry)  # reads back as the same float32
        return self.values[int(entry)] if 0 <= entry < len(self.values) else "other"


class Rows(NamedTuple):
    """Rows float32 (N, F), and int64 (N,): 0 for ordinary ones, else 1 + the index among the kinds of attack."""

    rows: np.ndarray
    kinds: np.ndarray


@dataclass(frozen=True)
class TableData:
    """One table, split in three; `kinds` are the names of the attacks."""

    name: str
    title: str
    licence: str
    columns: tuple
    kinds: tuple
    train: Rows
    validation: Rows
    test: Rows

    def write_csv(self, path, each=10):
        """Write test rows, categories in words, and their kind: `each` of every attack, and as many ordinary ones."""
        counts = [each * len(self.kinds), *[each] * len(self.kinds)]
        places = [np.flatnonzero(self.test.kinds == kind)[:count] for kind, count in enumerate(counts)]
        unfinished = path.with_suffix(".unfinished")
        with open(unfinished, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*(column.name for column in self.columns), "kind"])
            for place in np.concatenate(places):
                entries = zip(self.columns, self.test.rows[place], strict=True)
                kind = ("normal", *self.kinds)[self.test.kinds[place]]
                writer.writerow([*(column.text(entry) for column, entry in entries), kind])
        os.replace(unfinished, path)


def load(name):
    """Load a table.

    Args:
        name: "flows" or "kddcup99".

    Returns:
        `TableData`.

    Raises:
        ValueError: for another name, and where KDD Cup 1999 is neither in scikit-learn's folder nor within reach.
    """
    if name == "flows":
        return _simulated()
    if name == "kddcup99":
        return _kddcup99()
    raise ValueError(f"there is no table {name!r}: there are flows, kddcup99")


def _simulated():
    columns = [Column(name, logarithmic=logarithmic) for name, logarithmic in flows.NUMBERS]
    columns += [Column(name, values) for name, values in flows.CATEGORIES]

    def split(stream, ordinary, attacks):
        random = np.random.default_rng([SPLIT_SEED, stream])
        parts = [flows.normal_rows(ordinary, random)]
        parts += [flows.draw(habit, attacks, random) for habit in flows.ATTACKS.values()]
        kinds = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        return Rows(np.concatenate(parts), kinds)

    return TableData(
        name="flows",
        title="simulated network flows",
        licence="made by this repository",
        columns=tuple(columns),
        kinds=tuple(flows.ATTACKS),
        train=split(0, 20_000, 0),
        validation=split(1, 5_000, 100),
        test=split(2, 10_000, 500),
    )


def _kddcup99():
    from sklearn import datasets

    try:
        table = datasets.fetch_kddcup99(percent10=True, download_if_missing=False)
    except OSError:
        if not downloads.reachable(downloads.SKLEARN_HOST):
            raise ValueError(
                f"kddcup99 is not in {datasets.get_data_home()} and cannot be downloaded without network: "
                "set SCIKIT_LEARN_DATA to a folder that has it, or use --dataset flows"
            ) from None
        table = datasets.fetch_kddcup99(percent10=True)
    labels = [_text(label).rstrip(".") for label in table.target]
    known = {attack: index for index, attacks in enumerate(KDD_ATTACKS.values(), 1) for attack in attacks}
    kinds = np.array([0 if label == "normal" else known.get(label, -1) for label in labels])
    entries = np.asarray(table.data, object)
    words = {
        place: np.array([_text(entry) for entry in entries[:, place]])
        for place, entry in enumerate(entries[0])
        if isinstance(entry, bytes | str)
    }
    for place, column in words.items():
        entries[:, place] = np.unique(column, return_inverse=True)[1]
    rows = entries.astype(np.float32)
    _, different = np.unique(np.column_stack([rows, kinds]), axis=0, return_index=True)  # most rows are repetitions
    order = np.random.default_rng(SPLIT_SEED).permutation(different)
    ordinary, attacks = order[kinds[order] == 0], order[kinds[order] > 0]
    fifth = len(ordinary) // 5
    train = ordinary[2 * fifth :]

    columns = []
    for place, name in enumerate(map(_text, table.feature_names)):
        values = tuple(np.unique(words[place][train]).tolist()) if place in words else ()
        columns.append(Column(name, values, logarithmic=name in KDD_LOGARITHMIC))
        if values:
            index = {value: number for number, value in enumerate(values)}
            rows[:, place] = [index.get(word, -1) for word in words[place]]  # -1: not met in training

    def split(chosen):
        return Rows(rows[chosen], kinds[chosen])

    return TableData(
        name="kddcup99",
        title="KDD Cup 1999 (10 %)",
        licence="as the UCI KDD archive says",
        columns=tuple(columns),
        kinds=tuple(KDD_ATTACKS),
        train=split(train),
        validation=split(np.concatenate([ordinary[:fifth], attacks[0::2][:20_000]])),
        test=split(np.concatenate([ordinary[fifth : 2 * fifth], attacks[1::2][:20_000]])),
    )


def _text(name):
    return name.decode() if isinstance(name, bytes) else str(name)


@dataclass(frozen=True)
class Encoding:
    """Raw rows become what a network learns from: scaled numbers, then a one-hot vector for each category.

    Attributes:
        columns: `Column`s of the rows.
        mean, deviation: float32 (numbers,), of the training rows, after the logarithm where the column asks for it.
    """

    columns: tuple
    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def fit(cls, rows, columns):
        """Measure mean and standard deviation of training rows (N, F); what never varies is left as large as it is."""
        plain = cls(columns, np.float32(0.0), np.float32(1.0))
        numbers = plain.numbers(rows).numpy().astype(np.float64)
        deviation = numbers.std(axis=0)
        deviation = np.where(deviation > 0, deviation, 1.0)
        return cls(columns, numbers.mean(axis=0).astype(np.float32), deviation.astype(np.float32))

    @property
    def sizes(self):
        """Length of the one-hot vector of each category: its values, and one for what is none of them."""
        return tuple(len(column.values) + 1 for column in self.columns if column.values)

    @property
    def count(self):
        """How many columns are numbers."""
        return sum(not column.values for column in self.columns)

    def numbers(self, rows):
        """The columns of numbers, (x - mean) / deviation, with log(1 + max(x, 0)) for x where that is asked for.

        Args:
            rows: float32 (B, F).

        Returns:
            float32 (B, count).
        """
        places = [place for place, column in enumerate(self.columns) if not column.values]
        logarithmic = tf.constant([self.columns[place].logarithmic for place in places])
        x = tf.gather(tf.convert_to_tensor(rows, tf.float32), places, axis=1)
        x = tf.where(logarithmic, tf.math.log(1.0 + tf.maximum(x, 0.0)), x)  # TFLite has no log1p
        return (x - self.mean) / self.deviation

    def __call__(self, rows):
        """Encode raw rows float32 (B, F): float32 (B, count + sum of sizes)."""
        rows = tf.convert_to_tensor(rows, tf.float32)
        parts = [self.numbers(rows)]
        for place, column in enumerate(self.columns):
            if column.values:
                index = tf.round(rows[:, place : place + 1])  # (B, 1)
                one_hot = tf.cast(tf.equal(index, tf.range(len(column.values), dtype=tf.float32)), tf.float32)
                parts += [one_hot, 1.0 - tf.reduce_sum(one_hot, axis=1, keepdims=True)]
        return tf.concat(parts, axis=1)

    def error(self, encoded, decoded):
        """How far a network's output is from the row that it was to repeat: (B,).

        Half the squared error of each number, and the cross entropy of each category: minus the logarithm of the
        probability, up to a constant, where numbers have unit variance.

        Args:
            encoded: (B, G) from `__call__`.
            decoded: (B, G): numbers, then logits for each one-hot vector.
        """
        numbers = 0.5 * tf.square(encoded[:, : self.count] - decoded[:, : self.count])
        total = tf.reduce_sum(numbers, axis=1)
        first = self.count
        for size in self.sizes:
            part = slice(first, first + size)
            total += tf.nn.softmax_cross_entropy_with_logits(encoded[:, part], decoded[:, part])
            first += size
        return total
