"""Tests of `python -m edge` and `python -m edge.benchmark`, in place and alone on a device."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge import __main__ as command_line
from edge import benchmark, cards, drawing, runtime

pytest_plugins = ["edge_artifact"]

NAME = "tiny_digits"
ROOT = Path(__file__).resolve().parent.parent


# --- the command line -------------------------------------------------------------------------


def test_command_writes_the_grid(artifact, model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cards, "EXPORTED", artifact.exported)
    monkeypatch.chdir(tmp_path)
    assert command_line.main([NAME, "--seed", "3", "--count", "5", "--scale", "2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("tiny_digits_seed3.png: 5 pictures of tiny_digits, fp32\n")
    assert "ms a picture" in out
    assert [path.name for path in tmp_path.iterdir()] == ["tiny_digits_seed3.png"]
    written = np.asarray(Image.open("tiny_digits_seed3.png"))
    assert written.shape == (2 * (2 * 8 + 1), 2 * (3 * 8 + 2))
    expected = drawing.grid(artifact.pictures[3:8], columns=3, scale=2).astype(int)
    assert np.abs(written - expected).max() <= 1


def test_command_makes_an_animation_and_a_strip(artifact, tmp_path):
    arguments = [str(artifact.folder), "--interpolate", "-2", "6", "--count", "4", "--out"]
    assert command_line.main([*arguments, str(tmp_path / "walk.gif")]) == 0
    assert command_line.main([*arguments, str(tmp_path / "walk.png")]) == 0
    animation = Image.open(tmp_path / "walk.gif")
    assert animation.n_frames == 4
    assert animation.size == (112, 112)  # 14 screen pixels for a pixel
    strip = np.asarray(Image.open(tmp_path / "walk.png"))
    assert strip.shape == (112, 14 * (4 * 8 + 3))
    for frame in range(4):
        animation.seek(frame)
        left = 14 * frame * 9
        np.testing.assert_array_equal(animation.convert("L"), strip[:, left : left + 112])


def test_list_names_every_file_on_disk(artifact, monkeypatch, capsys):
    monkeypatch.setattr(cards, "EXPORTED", artifact.exported)
    assert command_line.main([]) == 0
    header, fp32, dynamic, *_ = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "precision", "KB", "ms", "quality", "title"]
    kilobytes = f"{(artifact.folder / 'tiny_digits.tflite').stat().st_size / 1000:.0f}"
    assert fp32.split()[:6] == [NAME, "fp32", kilobytes, "0.25", "FID", "12.50"]
    assert fp32.endswith("Tiny generator, digits")
    assert dynamic.split()[1] == "dynamic"
    assert dynamic.split()[3:5] == ["0.50", "-"]


def test_list_of_nothing_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cards, "EXPORTED", tmp_path)
    assert command_line.main([]) == 0
    assert "python -m recipes" in capsys.readouterr().out


def test_card_of_a_folder_and_of_a_lone_file(artifact, embed_card, tmp_path, capsys):
    assert command_line.main([str(artifact.folder), "--card"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((artifact.folder / "card.json").read_text())
    lone = Path(shutil.copy(artifact.folder / f"{NAME}_dynamic.tflite", tmp_path / "lone.tflite"))
    card = {"schema": 1, "name": "embedded", "directions": [[0.5, -1e-05], [2.0, 3.0]], "other": {"a": None}}
    embed_card(lone, card)
    assert command_line.main([str(lone), "--card"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == card
    assert "[ 0.5, -1e-05 ]" in out  # lists of numbers stay on a line
    assert list(tmp_path.iterdir()) == [lone]
    assert command_line.main([str(artifact.decoder_only), "--card"]) == 2
    assert_one_sentence(capsys.readouterr(), "has no card")


# --- mistakes: one sentence, exit code 2, nothing written ---------------------------------------


def edit_card(folder, **changes):
    """Overwrites keys of a card; None removes one."""
    path = folder / "card.json"
    card = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in card.items() if value is not None}))


def break_json(folder):
    (folder / "card.json").write_text('{"schema": 1,')


def truncate(folder):
    path = folder / f"{NAME}.tflite"
    path.write_bytes(path.read_bytes()[:9000])


def flip_a_byte(folder):
    path = folder / f"{NAME}.tflite"
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def truncate_and_accept(folder):
    truncate(folder)
    digest = hashlib.sha256((folder / f"{NAME}.tflite").read_bytes()).hexdigest()
    edit_card(folder, files={"fp32": {"file": f"{NAME}.tflite", "sha256": digest}})


BROKEN_ARTIFACTS = [
    (break_json, [], "is not valid JSON"),
    (lambda f: (f / "card.json").write_text("[]"), [], "holds a list, not an object"),
    (lambda f: (f / "card.json").write_bytes(b"\xff\xfe{"), [], "is not valid JSON"),
    (lambda f: edit_card(f, title=None, files=None), [], "lacks title, files"),
    (lambda f: edit_card(f, schema=2), [], "schema 2, but this program reads schema 1"),
    (lambda f: edit_card(f, files=[]), [], "'files' must be an object"),
    (lambda f: edit_card(f, files={"fp32": {"file": "x"}}), [], "fp32 needs file and sha256"),
    (
        lambda f: edit_card(f, files={"fp32": {"file": "../x", "sha256": ""}}),
        [],
        "'files.fp32.file' must be a plain file name, got '../x'",
    ),
    (flip_a_byte, [], "does not match the sha256 in its card"),
    (truncate, [], "does not match the sha256 in its card"),
    (truncate_and_accept, [], "LiteRT cannot open"),
    (lambda f: (f / "card.json").unlink(), [], "has no card.json"),
    (None, ["--precision", "fp64"], "no precision 'fp64': choose one of fp32, fp16, dynamic"),
    (None, ["--precision", "fp16"], "not on disk: `python -m zoo.export remake"),
    (None, ["--precision", "int8"], "as int8 (Its FID is 3 times that of fp32): choose"),
    (None, ["--count", "0"], "count must be at least 1, got 0"),
    (None, ["--interpolate", "1", "2", "--count", "1"], "count must be at least 2"),
    (None, ["--seed", "2147483648", "--count", "1"], "seeds must be in -2147483648 .."),
    (None, ["--seed", "2147483640", "--count", "16"], "got 2147483640 .. 2147483655"),
    (None, ["--seed", "-2147483649", "--count", "1"], "got -2147483649 .. -2147483649"),
    (None, ["--interpolate", "1", "2147483648"], "seeds must be in"),
    (None, ["--seed", "one"], "invalid int value: 'one'"),
    (None, ["--seed", "1", "--interpolate", "1", "2"], "not allowed with argument"),
    (None, ["--scale", "0"], "scale must be at least 1, got 0"),
    (None, ["--scale", "100000"], "a grid has at most 100,000,000 pixels, this one 12,250,000,000,000"),
    (None, ["--threads", "0"], "threads must be 1 to 256, got 0"),
    (None, ["--threads", "3000000000"], "threads must be 1 to 256, got 3000000000"),
    (None, ["--image", "x.png", "--interpolate", "3", "7"], "--interpolate walks from seed to seed: leave --image out"),
    (None, ["--out", "picture"], "must end in one of .png"),
    (None, ["--out", "picture.tif"], "must end in one of .png"),
    (None, ["--out", "."], "is a folder"),
    (None, ["--out", "absent/picture.png"], "the folder absent does not exist"),
]


@pytest.mark.parametrize(("break_it", "arguments", "sentence"), BROKEN_ARTIFACTS)
def test_mistakes(folder, monkeypatch, capsys, break_it, arguments, sentence):
    if break_it:
        break_it(folder)
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    assert command_line.main([str(folder), *arguments]) == 2
    assert_one_sentence(capsys.readouterr(), sentence)
    assert sorted(folder.iterdir()) == before


def assert_one_sentence(captured, sentence):
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert sentence in captured.err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write to")
def test_unwritable_folder(artifact, capsys):
    assert command_line.main([str(artifact.folder), "--out", "/proc/picture.png"]) == 2
    assert_one_sentence(capsys.readouterr(), "cannot write /proc/picture.png: ")


def test_unknown_name_gets_the_nearest_names(artifact, monkeypatch, capsys):
    monkeypatch.setattr(cards, "EXPORTED", artifact.exported)
    assert command_line.main(["tiny_digit"]) == 2
    assert_one_sentence(capsys.readouterr(), "the nearest names are tiny_digits, and `python -m")
    assert command_line.main(["zzz"]) == 2
    assert_one_sentence(capsys.readouterr(), "no such path exists: `python -m edge` lists them")


def test_broken_card_in_the_list(folder, monkeypatch, capsys):
    break_json(folder)
    monkeypatch.setattr(cards, "EXPORTED", folder.parent)
    assert command_line.main([]) == 2
    assert_one_sentence(capsys.readouterr(), "is not valid JSON")


def test_missing_signature_names_those_there(artifact, embed_card, tmp_path, capsys):
    lone = Path(shutil.copy(artifact.decoder_only, tmp_path))
    embed_card(lone, {"schema": 1, "name": "decoder"})
    assert command_line.main([str(lone)]) == 2
    sentence = "decoder has no signature 'generate_from_seed', its signatures are: generate"
    assert_one_sentence(capsys.readouterr(), sentence)
    np.testing.assert_allclose(runtime.load(lone).generate(artifact.latents[:2]), artifact.pictures[:2], atol=1e-4)
    assert benchmark.main([str(lone)]) == 2
    assert_one_sentence(capsys.readouterr(), sentence)


def test_files_that_are_no_models(artifact, folder, tmp_path, capsys):
    assert command_line.main([str(folder / "card.json")]) == 2
    assert_one_sentence(capsys.readouterr(), "is not a model: give a name")
    text = tmp_path / "text.tflite"
    text.write_text("this is no FlatBuffer, however long it may be")
    assert command_line.main([str(text)]) == 2
    assert_one_sentence(capsys.readouterr(), "LiteRT cannot open")
    assert command_line.main([str(folder / f"{NAME}.tflite"), "--precision", "dynamic"]) == 2
    assert_one_sentence(capsys.readouterr(), "give its folder to choose a precision")


# --- alone on a machine -----------------------------------------------------------------------

# Python imports a module of this name at its start. It refuses everything that a device with the
# three packages of requirements.txt would not have, and writes down what was asked for.
SITE_CUSTOMIZE = """
import os
import sys

ALLOWED = {"edge", "numpy", "PIL", "ai_edge_litert", "flatbuffers", "google", "ml_dtypes"}
ALLOWED |= {"tqdm", "typing_extensions", "backports"} | set(sys.stdlib_module_names)

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ALLOWED:
            return None
        with open(os.environ["REFUSED_IMPORTS"], "a") as file:
            file.write(name + "\\n")
        raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Blocker())
"""
FORBIDDEN = {"tensorflow", "keras", "tf_keras", "zoo", "recipes", "scipy", "sklearn", "matplotlib"}


@pytest.fixture
def device(artifact, tmp_path):
    """A folder with a copy of edge/ and exported/ and nothing else of the repository."""
    without_caches = shutil.ignore_patterns("__pycache__", "web", "c", "arm")
    shutil.copytree(ROOT / "edge", tmp_path / "device" / "edge", ignore=without_caches)
    shutil.copytree(artifact.exported, tmp_path / "device" / "exported")
    return tmp_path / "device"


def start(python, device, arguments, **environment):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
        key: str(value) for key, value in environment.items()
    }
    return subprocess.run(
        [str(python), "-m", *arguments],
        cwd=device,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_runs_where_only_its_requirements_are_installed(device, tmp_path):
    (tmp_path / "blocker").mkdir()
    (tmp_path / "blocker" / "sitecustomize.py").write_text(SITE_CUSTOMIZE)
    refused = tmp_path / "refused.txt"
    refused.write_text("")
    environment = {"PYTHONPATH": tmp_path / "blocker", "REFUSED_IMPORTS": refused}

    control = start(sys.executable, device, ["tensorflow"], **environment)
    assert control.returncode != 0
    assert "tensorflow" in refused.read_text().split()
    refused.write_text("")

    arguments = ["edge", NAME, "--seed", "2", "--count", "17", "--out", "grid.png"]
    finished = start(sys.executable, device, arguments, **environment)
    assert finished.returncode == 0, finished.stderr
    assert Image.open(device / "grid.png").size == (14 * (5 * 8 + 4), 14 * (4 * 8 + 3))
    assert start(sys.executable, device, ["edge"], **environment).returncode == 0
    asked = {name.split(".")[0] for name in refused.read_text().split()}
    assert not asked & FORBIDDEN

    wrong = start(sys.executable, device, ["edge", "tiny_digit"], **environment)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: no model is called 'tiny_digit'")
    assert "Traceback" not in wrong.stderr


@pytest.mark.slow
def test_fresh_environment_from_requirements(device, tmp_path):
    """Needs the package index."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = ["pip", "install", "--quiet", "-r", "edge/requirements.txt"]
    installed = start(python, device, install)
    assert installed.returncode == 0, installed.stderr
    finished = start(python, device, ["edge", "exported/tiny_digits", "--out", "x.png"])
    assert finished.returncode == 0, finished.stderr
    assert Image.open(device / "x.png").size == (14 * (4 * 8 + 3), 14 * (4 * 8 + 3))


# --- the benchmark ----------------------------------------------------------------------------


def test_benchmark_has_a_row_for_each_file_and_thread_count(artifact, tmp_path, capsys):
    out = tmp_path / "speed.json"
    arguments = ["--threads", "1", "2", "--runs", "5", "--json", str(out)]
    assert benchmark.main([str(artifact.folder), *arguments]) == 0
    report = json.loads(out.read_text())
    rows = report["rows"]
    keys = [(row["precision"], row["threads"]) for row in rows]
    assert keys == [("fp32", 1), ("fp32", 2), ("dynamic", 1), ("dynamic", 2)]
    assert report["model"] == NAME
    assert report["machine"]["python"] == sys.version.split()[0]
    assert list(tmp_path.iterdir()) == [out]
    for row in rows:
        assert list(row) == list(benchmark.COLUMNS)
        assert 0 < row["median_ms"] <= row["p90_ms"] <= row["p99_ms"]
        assert row["load_ms"] > 0
        assert row["batch_per_s"] > 0
        # Python, NumPy and LiteRT take 60 MB; this process with TensorFlow has several hundred.
        assert 20 < row["peak_mb"] < 200
    assert rows[0]["file_kb"] * 1000 == (artifact.folder / f"{NAME}.tflite").stat().st_size
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == list(benchmark.COLUMNS)
    assert len(lines) == 3 + len(rows)


def test_benchmark_without_batches_leaves_a_dash():
    row = dict.fromkeys(benchmark.COLUMNS, 1.0) | {"batch_per_s": None, "file_kb": 1234.4}
    header, line = benchmark.table([row]).splitlines()
    cells = dict(zip(header.split(), line.split(), strict=True))
    assert cells["batch_per_s"] == "-"
    assert cells["file_kb"] == "1,234"
    assert cells["median_ms"] == "1.000"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--runs", "0"], "runs must be at least 1"),
        (["--threads", "1", "0"], "threads must be 1 to 256, got 0"),
        (["--precision", "fp32", "fp64"], "no precision 'fp64'"),
        (["--json", "absent/speed.json"], "the folder absent does not exist"),
        (["--json", "."], "is a folder"),
    ],
)
def test_benchmark_mistakes(artifact, capsys, arguments, sentence):
    assert benchmark.main([str(artifact.folder), *arguments]) == 2
    assert_one_sentence(capsys.readouterr(), sentence)


def test_benchmark_of_a_model_without_files(folder, capsys):
    for path in folder.glob("*.tflite"):
        path.unlink()
    assert benchmark.main([str(folder)]) == 2
    assert_one_sentence(capsys.readouterr(), "has no .tflite file on disk: `python -m zoo.export")
