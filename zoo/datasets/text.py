"""Running text, from three kinds of source.

    load("descriptions")        the descriptions of data sets inside scikit-learn, English prose: no download
    load("tiny_shakespeare")    a set of TensorFlow Datasets whose examples are texts, by its name
    load("file:/path/to.txt")   your own text, UTF-8

Training, validation and test text are never mixed: models are chosen on the validation split, and the test split is
read once. What has no splits is cut into paragraphs, a tenth of the text for validation and a tenth for the test.
"""

import pathlib
import re
from dataclasses import dataclass

import numpy as np

from zoo.datasets import downloads, images

SPLIT_SEED = 1797  # the splits belong to the data: they do not move with a run's seed
SHORTEST = 40  # characters of a paragraph of prose: shorter ones in the descriptions are titles and names
PROSE = 0.8  # share of letters, spaces, commas and full stops in prose; tables and code have less
NO_PROSE = r">>>|==|--|\.\. |::|\||sklearn\.|^[.:+]"  # in code, tables, directives, lists of fields, module names


@dataclass(frozen=True)
class TextData:
    """One body of text, split in three."""

    name: str
    title: str
    licence: str
    train: str
    validation: str
    test: str


def load(name):
    """Load a text.

    Args:
        name: "descriptions", the name of a text set in TensorFlow Datasets, or "file:PATH".

    Returns:
        `TextData`.

    Raises:
        ValueError: one sentence: an unknown name, a set that is neither prepared nor within reach, an unreadable or
            empty file.
    """
    if name == "descriptions":
        return _load_descriptions()
    if name.startswith("file:"):
        return _load_file(pathlib.Path(name.removeprefix("file:")))
    return _load_tfds(name)


def newsgroups():
    """The posts of the 20 newsgroups, by scikit-learn, without headers, footers and quotes: a list of texts.

    Raises:
        ValueError: one sentence, within seconds, when they are neither at hand nor within reach.
    """
    from sklearn import datasets

    def fetch(download):
        parts = ("headers", "footers", "quotes")
        return datasets.fetch_20newsgroups(subset="all", remove=parts, download_if_missing=download).data

    try:
        return fetch(False)
    except OSError as error:
        if not downloads.reachable(downloads.SKLEARN_HOST):
            raise ValueError(
                f"the 20 newsgroups are not in {datasets.get_data_home()} and cannot be downloaded without network: "
                "set SCIKIT_LEARN_DATA to a folder that has them, or use --corpus grammar"
            ) from error
    try:
        return fetch(True)
    except OSError as error:
        raise ValueError(f"the 20 newsgroups cannot be downloaded ({error}): use --corpus grammar") from error


def letters(text):
    """Only a to z and single spaces: capitals become small, accents are dropped, all else is a space."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    return " ".join(re.findall("[a-z]+", plain))


def _load_descriptions():
    import sklearn

    folder = pathlib.Path(sklearn.__file__).parent / "datasets" / "descr"
    paragraphs = []
    for path in sorted(folder.glob("*.rst")):
        paragraphs += _prose(path.read_text(encoding="utf-8"))
    if not paragraphs:
        raise ValueError(f"this scikit-learn has no descriptions of data sets in {folder}: use file:PATH")
    return TextData(
        name="descriptions",
        title="descriptions of data sets in scikit-learn",
        licence="BSD 3-Clause, scikit-learn developers",
        **_split_in_three(paragraphs),
    )


def _prose(source):
    """The paragraphs of a reStructuredText file that are prose, without markup, each on one line."""
    source = re.sub(r":[\w:]+:`~?([^`<]*)(<[^`]*>)?`", r"\1", source)  # :func:`name`
    source = re.sub(r"`+([^`<]*?)\s*(<[^`]*>)?`+_*", r"\1", source)  # `words <link>`_
    source = re.sub(r"https?://\S+", "", source)
    found = []
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*[-*] )", source):  # items of a list are paragraphs
        line = re.sub(r"^[-*] ", "", " ".join(paragraph.split()))
        plain = len(re.findall(r"[A-Za-z ,.]", line))
        if len(line) >= SHORTEST and plain >= PROSE * len(line) and not re.search(NO_PROSE, line):
            found.append(line)
    return found


def _load_file(path):
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} cannot be read: it is no UTF-8 text") from error
    paragraphs = [paragraph for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip()]
    if len(paragraphs) < 20:  # a file of few lines, or of one
        paragraphs = re.findall(r"\S+(?:\s+\S+){0,49}", text)
    if len(paragraphs) < 3:
        raise ValueError(f"{path} is too short: at least 101 words, or 20 paragraphs, are needed to hold some out")
    return TextData(
        name=images.plain(f"file_{path.stem}"),
        title=path.name,
        licence="as its owner says",
        **_split_in_three(paragraphs),
    )


def _split_in_three(paragraphs):
    order = np.random.default_rng(SPLIT_SEED).permutation(len(paragraphs))
    tenth = max(1, len(paragraphs) // 10)
    shares = {"validation": order[:tenth], "test": order[tenth : 2 * tenth], "train": order[2 * tenth :]}
    return {split: "\n\n".join(paragraphs[index] for index in sorted(share)) for split, share in shares.items()}


def _load_tfds(name):
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name)
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError, ImportError) as error:
        raise ValueError(f"there is no text {name!r}: descriptions and file:PATH always work") from error
    if builder.info.features is None or "text" not in builder.info.features:
        raise ValueError(f"{name} of TensorFlow Datasets is no set of texts")
    downloads.prepare(builder, name, "descriptions or file:PATH")
    with downloads.reading(name):
        read = {
            split: "\n\n".join(
                example["text"].decode("utf-8", "replace") for example in tfds.as_numpy(builder.as_dataset(split=split))
            )
            for split in ("train", "validation", "test")
            if split in builder.info.splits
        }
    if read.keys() != {"train", "validation", "test"}:
        read = _split_in_three(re.split(r"\n\s*\n", "\n\n".join(read.values())))
    licence = builder.info.redistribution_info.license or "see TFDS"
    return TextData(name=images.plain(name), title=name, licence=licence, **read)
