"""Exports are published when they are better, whole or not at all, and their card tells the commit they come from."""

import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zoo import export

ROOT = Path(__file__).resolve().parent.parent


def contents(folder):
    """Every file under a folder with its bytes, hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def make_export(tmp_path):
    """A function: the folder of an export of some name and scores; its files are only copied here, never opened."""

    def make(fid, name="tiny_gan", title="A title", **scores):
        folder = tmp_path / "drafts" / f"{name}_{fid}_{title}"
        (folder / "saved_model" / "variables").mkdir(parents=True)
        (folder / "saved_model" / "variables" / "variables.index").write_text(f"weights of {title}")
        (folder / f"{name}.tflite").write_bytes(bytes(30_000))
        quality = {**scores} if fid is None else {"fid": fid, **scores}
        files = {"fp32": {"file": f"{name}.tflite", "sha256": "0" * 64, "quality": quality or None}}
        card = {"schema": 1, "name": name, "title": title, "signatures": {}, "files": files}
        (folder / "card.json").write_text(json.dumps(card))
        return folder

    return make


@pytest.fixture
def exported(tmp_path):
    return tmp_path / "exported"


def title_of(exported, name="tiny_gan"):
    return json.loads((exported / name / "card.json").read_text())["title"]


def titles_in_index(exported):
    return [model["title"] for model in json.loads((exported / "index.json").read_text())["models"]]


def test_publishing_copies_the_whole_export_and_lists_it(make_export, exported):
    first = make_export(5.0, "zebra", "Stripes")
    assert export.publish(first, exported) == exported / "zebra"
    export.publish(make_export(7.0, "ant", "Legs"), exported)
    assert contents(exported / "zebra") == contents(first)
    assert first.is_dir()  # copied, not moved
    assert sorted(path.name for path in exported.iterdir()) == ["ant", "index.json", "zebra"]
    assert json.loads((exported / "index.json").read_text()) == {
        "schema": 1,
        "models": [
            {"name": "ant", "title": "Legs", "card": "ant/card.json"},
            {"name": "zebra", "title": "Stripes", "card": "zebra/card.json"},
        ],
    }


def test_a_better_export_replaces_the_published_one(make_export, exported):
    published = export.publish(make_export(5.0), exported)
    (published / "tiny_gan_old.tflite").write_bytes(b"of an earlier version")
    better = make_export(4.9, title="Better")
    export.publish(better, exported)
    assert contents(published) == contents(better)  # nothing of the old one is left
    assert titles_in_index(exported) == ["Better"]
    assert sorted(path.name for path in exported.iterdir()) == ["index.json", "tiny_gan"]


@pytest.mark.parametrize("fid", [5.0, 5.1])
def test_an_export_that_is_no_better_is_refused_unless_forced(make_export, exported, fid):
    export.publish(make_export(5.0, title="Old"), exported)
    before = contents(exported)
    other = make_export(fid, title="New")
    with pytest.raises(ValueError, match=rf"not published: tiny_gan .*{fid:.3f}.* 5\.000.*--force"):
        export.publish(other, exported)
    assert contents(exported) == before
    export.publish(other, exported, force=True)
    assert title_of(exported) == "New" and titles_in_index(exported) == ["New"]


def test_an_unscored_export_never_replaces_a_scored_one(make_export, exported):
    export.publish(make_export(5.0, title="Scored"), exported)
    with pytest.raises(ValueError, match="not published: tiny_gan") as caught:
        export.publish(make_export(None, title="Unscored"), exported)
    assert "inf" not in str(caught.value)  # it has no FID, not an infinite one
    assert title_of(exported) == "Scored"


def test_a_scored_export_replaces_an_unscored_one(make_export, exported):
    export.publish(make_export(None, title="Unscored"), exported)
    export.publish(make_export(99.0, title="Scored"), exported)
    assert title_of(exported) == "Scored"


def test_only_the_figure_that_counted_is_compared(make_export, exported):
    """An NLL of 3 nats is no better FID than 5; an FID of 4 is, whatever the NLL is."""
    export.publish(make_export(5.0, title="Old"), exported)
    with pytest.raises(ValueError, match=r"tiny_gan has no FID and the published one 5\.000; --force replaces it"):
        export.publish(make_export(None, title="Other", nll=3.0), exported)
    with pytest.raises(ValueError, match="tiny_gan has no FID and"):
        export.publish(make_export(None, title="Lost", psnr=30.0), exported)
    export.publish(make_export(4.0, title="New", nll=300.0), exported)
    assert title_of(exported) == "New"


def test_a_damaged_card_is_named(make_export, exported):
    published = export.publish(make_export(5.0), exported)
    (published / "card.json").write_text("{")
    with pytest.raises(ValueError, match=r"tiny_gan/card\.json is not valid JSON"):
        export.publish(make_export(1.0, title="Better"), exported)
    before = contents(exported)
    with pytest.raises(ValueError, match=r"'files\.fp32\.quality' must be an object with numbers"):
        export.publish(make_export(float("nan"), title="NaN"), exported)
    outside = make_export(1.0, title="Outside") / "card.json"
    outside.write_text(outside.read_text().replace('"tiny_gan"', '"../outside"'))
    with pytest.raises(ValueError, match="'name' must be a plain name"):
        export.publish(outside.parent, exported)
    assert contents(exported) == before


@pytest.mark.parametrize("arrived", [False, True])
def test_an_interrupt_between_two_renames_loses_nothing(make_export, exported, monkeypatch, arrived):
    """Ctrl-C just before the new folder gets its name, and just after the old one has lost it."""
    export.publish(make_export(5.0), exported)
    before = contents(exported)
    better = make_export(4.0, title="Better")
    rename = os.rename
    calls = []

    def interrupted(source, target):
        calls.append(target)
        if len(calls) == 1 and arrived:
            rename(source, target)
        if len(calls) == 2 - arrived:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(export.os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export.publish(better, exported)
    monkeypatch.undo()
    assert contents(exported) == before
    export.publish(better, exported)
    assert title_of(exported) == "Better"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "../x"}, "'name' must be a plain name"),
        ({"files": {"fp32": {"file": "/victim", "sha256": "0" * 64}}}, "'files.fp32.file' must be a plain file name"),
        ({"files": {"fp32": {"file": "../victim", "sha256": "0" * 64}}}, "'files.fp32.file' must be a plain file name"),
        ({"files": {"fp32": {"file": "x.tflite"}}}, "needs file and sha256"),
        ({"signatures": 3}, "'signatures' must be an object"),
        (None, "lacks schema, name, title, signatures, files"),
    ],
)
def test_remake_trusts_no_card(make_export, tmp_path, monkeypatch, changes, sentence):
    """Nothing is converted, moved or written."""
    folder = make_export(5.0)
    (tmp_path / "drafts" / "victim").write_text("kept")
    card = {} if changes is None else json.loads((folder / "card.json").read_text()) | changes
    (folder / "card.json").write_text(json.dumps(card))
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        export.remake(folder)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_that_no_browser_reads_is_not_written(tmp_path, number):
    path = tmp_path / "card.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"^card\.json was not written: a number in it is not finite$"):
        export.write_json(path, {"directions": [[1.0, number]]})
    assert contents(tmp_path) == {"card.json": b"{}"}


def test_what_is_no_export_is_refused(exported, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere/card\.json is missing"):
        export.publish(tmp_path / "nowhere", exported)
    assert not exported.exists()


@contextlib.contextmanager
def full_disk(size):
    """No file can grow beyond so many bytes: the system's answer to a write is an error, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_leaves_what_was_published(make_export, exported):
    export.publish(make_export(5.0), exported)
    before = contents(exported)
    better = make_export(1.0, title="Better")
    with full_disk(20_000), pytest.raises(OSError, match="File too large"):
        export.publish(better, exported)
    assert contents(exported) == before


def test_a_file_in_the_place_of_the_folder(make_export, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        export.publish(make_export(5.0), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["remake", "nowhere"], "error: nowhere/card.json is missing"),
        (["remake"], "usage: "),
        (["make", "x"], "usage: "),
    ],
)
def test_remake_from_the_command_line_refuses(words, sentence, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "zoo.export", *words]
    child = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (child.returncode, child.stdout) == (2, "")
    assert child.stderr.startswith(sentence) and child.stderr.count("\n") == 1


def test_the_card_tells_the_commit_and_changes_since(tmp_path):
    copy = tmp_path / "copy"
    for folder in ("zoo", "recipes", "edge"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "*.keras"))
    (copy / ".gitignore").write_text("__pycache__/\n")
    (copy / "exported").mkdir()

    def run(*command):
        return subprocess.run(command, cwd=copy, check=True, capture_output=True, text=True).stdout.strip()

    def provenance():
        program = "import json; from zoo import export; print(json.dumps(export._provenance()))"
        found = json.loads(run(sys.executable, "-c", program))
        return found["commit"], found["dirty"]

    run("git", "init", "--quiet", ".")
    run("git", "add", ".")
    run("git", "-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "--message", "x")
    commit = run("git", "rev-parse", "HEAD")
    assert provenance() == (commit, False)
    (copy / "exported" / "card.json").write_text("{}")  # what an earlier run has published is no change of the code
    assert provenance() == (commit, False)
    with (copy / "recipes" / "dcgan.py").open("a") as recipe:
        recipe.write("# changed\n")
    assert provenance() == (commit, True)
    shutil.rmtree(copy / ".git")
    assert provenance()[0] == "unknown"


@pytest.mark.parametrize(
    ("name", "best", "good", "bad"),
    [
        ("fid", 2.0, 2.19, 2.21),
        ("nll", 88.0, 88.9, 89.1),
        ("psnr", 20.0, 19.75, 19.65),
        ("auroc", 0.9, 0.895, 0.885),
        ("accuracy", 0.9, 1.0, 0.885),
    ],
)
def test_each_figure_has_its_direction_and_its_allowance(name, best, good, bad):
    assert export._worse({name: good}, {name: best}) is None
    assert f"its {name.upper()} is {bad:.3f}, more than" in export._worse({name: bad}, {name: best})
    assert export._worse({name: float("nan")}, {name: best})
    assert (export._cost({name: good}, name) < export._cost({name: bad}, name)) is True


def test_a_likelihood_counts_for_more_than_an_fid():
    best = {"fid": 1.0, "nll": 88.0}
    assert export._worse({"fid": 3.0, "nll": 88.5}, best) is None  # few samples: their FID is all noise
    assert "its NLL is 90.000" in export._worse({"fid": 1.0, "nll": 90.0}, best)


def test_slow_models_are_timed_for_ten_seconds(monkeypatch):
    class Slow:
        main = "generate_from_seed"
        runs = 0

        def zeros(self):
            return {}

        def run(self, signature):
            self.runs += 1

    clock = iter(range(10_000))
    monkeypatch.setattr(export.time, "perf_counter", lambda: 0.5 * next(clock))  # half a second for each look at it
    slow = Slow()
    assert export._latency(slow) == 500.0
    assert slow.runs == 21
