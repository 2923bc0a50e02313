"""Texts: prose without markup, splits that share nothing, letters, one's own files."""

import itertools
import os

import pytest

from zoo.datasets import downloads, text


def test_descriptions_are_prose():
    data = text.load("descriptions")
    assert len(data.train) > 10_000 and min(len(data.validation), len(data.test)) > 800
    everything = data.train + data.validation + data.test
    assert "The data set contains images of hand-written digits" in everything
    for markup in (">>>", "::", "`", "://", "====", "sklearn."):
        assert markup not in everything
    paragraphs = [set(part.split("\n\n")) for part in (data.train, data.validation, data.test)]
    assert not paragraphs[0] & paragraphs[1] and not paragraphs[0] & paragraphs[2] and not paragraphs[1] & paragraphs[2]
    assert text.load("descriptions") == data


def test_prose_leaves_markup_out():
    source = (
        ".. _label:\n\nTitle\n-----\n\nPlain prose of :func:`~module.name` and `a link <https://x.org>`_ is kept.\n\n"
        "    >>> code = 'is left out, however long the line may be'\n\n"
        "=====  =====\na table with words that is left out, too\n=====  =====\n\n"
        "- an item of a list that is long enough to be prose\n- short\n"
    )
    assert text._prose(source) == [
        "Plain prose of module.name and a link is kept.",
        "an item of a list that is long enough to be prose",
    ]


def test_letters():
    assert text.letters("  Été, 2 o'clock\nOK-now ") == "ete o clock ok now"
    assert text.letters("123 ...") == ""


def test_ones_own_file(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("\ufeff" + "\n\n".join(f"paragraph {number}" for number in range(40)), encoding="utf-8")
    data = text.load(f"file:{path}")
    parts = [part.split("\n\n") for part in (data.train, data.validation, data.test)]
    assert [len(part) for part in parts] == [32, 4, 4]
    assert sorted(itertools.chain(*parts)) == sorted(f"paragraph {number}" for number in range(40))
    path.write_text(" ".join(f"word{number}" for number in range(500)))  # one long line
    data = text.load(f"file:{path}")
    words = [part.split() for part in (data.train, data.validation, data.test)]
    assert sorted(itertools.chain(*words)) == sorted(f"word{number}" for number in range(500)) and all(words)
    assert text.load(f"file:{path.rename(tmp_path / 'my own: 2.0.txt')}").name == "file_my_own_2_0"
    path = tmp_path / "own.txt"
    path.write_bytes(b"\xff\xfe\x00text")
    with pytest.raises(ValueError, match="no UTF-8 text"):
        text.load(f"file:{path}")
    path.write_text("word " * 100)
    with pytest.raises(ValueError, match="too short"):
        text.load(f"file:{path}")


def test_sets_that_are_not_there_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "TFDS_HOST", ("127.0.0.1", 9))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(ValueError, match="there is no text 'tiny_milton'"):
        text.load("tiny_milton")
    with pytest.raises(ValueError, match="mnist of TensorFlow Datasets is no set of texts"):
        text.load("mnist")
    monkeypatch.setattr(downloads, "SKLEARN_HOST", ("127.0.0.1", 9))
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="cannot be downloaded without network"):
        text.newsgroups()


@pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR names no folder of prepared sets")
def test_tiny_shakespeare():
    data = text.load("tiny_shakespeare")
    assert len(data.train) == 1_003_854 and data.train.startswith("First Citizen:")
    assert len(data.validation) == len(data.test) == 55_770
