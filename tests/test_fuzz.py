"""Thousands of damaged cards and files: each is a sentence or runs, none crashes or hangs the process that loads it."""

import json
import shutil
import subprocess
import sys
import time
import zlib
from pathlib import Path

import fuzzing
import numpy as np
import pytest
from PIL import Image

from edge import __main__ as command_line
from edge import cards, drawing, graph, probe, runtime
from zoo import tflite

pytest_plugins = ["edge_artifact"]

NAME = "tiny_digits"
ROOT = Path(__file__).resolve().parent.parent
OPEN_MANY = (
    "import pathlib, sys\n"
    "sys.path.insert(0, 'tests')\n"
    "import fuzzing\n"
    "fuzzing.open_many([pathlib.Path(line) for line in sys.stdin.read().splitlines()], sys.argv[1])\n"
)
few_or_many = pytest.mark.parametrize("count", [250, pytest.param(4000, marks=pytest.mark.slow)])


def sentence_of(function, *arguments):
    """The one line that a function refuses its arguments with, or None; another error than ours is a failure."""
    try:
        function(*arguments)
    except (ValueError, OSError) as error:
        assert 0 < len(str(error)) < 2000
        assert str(error).isprintable(), repr(str(error))[:300]
        return str(error)
    return None


@pytest.fixture(scope="module")
def rich_card(artifact):
    """The artifact's card with everything in it that `edge` reads."""
    card = json.loads((artifact.folder / "card.json").read_text())
    tokens = {"name": "tokens", "shape": [1, 4], "dtype": "int32", "range": [0, 2]}
    card["signatures"]["generate"] = {"inputs": [tokens], "outputs": [tokens]}
    return card | {
        "labels": ["zero", "one"],
        "examples": ["one two", "two"],
        "vocabulary": ["", "one", "two"],
        "task": "edges",
    }


# --- cards ------------------------------------------------------------------------------------


def use(folder, card):
    """What the command line does with a card, but for the network."""
    command_line.model_table([(folder, card)])
    cards.as_text(card)
    for precision in cards.precisions_on_disk(folder, card):
        cards.check_hash(cards.file_of(folder, card, precision), card["files"][precision]["sha256"])
    for words in (["--label", "one"], ["--text", "two one"], ["--attributes", "weight=1"]):
        options = command_line.make_parser().parse_args([NAME, *words])
        sentence_of(command_line.condition_of, options, card)
    sentence_of(runtime.conditions.examples, card, 3)


@few_or_many
def test_damaged_cards(count, rich_card, folder):
    random = np.random.default_rng(count)
    attributes = [{"name": "weight", "range": [0, 1]}]
    other = {key: value for key, value in rich_card.items() if key not in ("labels", "vocabulary")}
    sources = [rich_card, other | {"attributes": attributes, "examples": [[0.5]]}]
    refused = 0
    for number in range(count):
        source = sources[number % 2]
        make = fuzzing.absurd if number % 4 < 2 else fuzzing.damaged
        data = make(source if number % 4 < 2 else json.dumps(source).encode(), random)
        (folder / "card.json").write_bytes(data)
        if sentence_of(cards.read_card, folder) is None:
            sentence_of(use, folder, cards.read_card(folder))
        else:
            refused += 1
    assert 0.5 * count < refused < count


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"schema": ' + "9" * 5000 + "}", "is not valid JSON"),
        ('{"schema": 1, "name": "' + "x" * 9_000_000 + '"}', "at most 8,000,000 are read"),
        ('{"schema": "' + "x" * 100_000 + '"}', "but this program reads schema 1"),
        ("", "is not valid JSON"),
        ("null", "holds a NoneType"),
    ],
)
def test_cards_that_are_no_cards(folder, text, sentence):
    (folder / "card.json").write_text(text)
    said = sentence_of(cards.read_card, folder)
    assert said is not None and sentence in said


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "../../tmp/x", "'name' must be a plain name"),
        ("name", "folder/x", "'name' must be a plain name"),
        ("name", "C:\\x", "'name' must be a plain name"),
        ("name", "x" * 101, "'name' must be a plain name"),
        ("name", ".hidden", "'name' must be a plain name"),
        ("name", 7, "'name' must be a plain name"),
        ("title", "\x1b[2Jgone", "'title' must be text"),
        ("title", "x" * 1001, "'title' must be text"),
        ("labels", "abc", "'labels' must be a list of names"),
        ("labels", ["a", 1], "'labels' must be a list of names"),
        ("vocabulary", [None], "'vocabulary' must be a list of words"),
        ("vocabulary", ["", "one"], "needs texts as 'examples' and an input 'tokens'"),
        ("attributes", [{"name": "a"}], "'attributes' must be a list of objects with a name and a range"),
        ("attributes", [{"name": "a", "range": [1, 0]}], "'attributes' must be a list"),
        ("attributes", [{"name": "a", "range": [0, 1]}], "as many numbers as there are attributes"),
        ("examples", [{}], "'examples' must be a list"),
        ("columns", [{"name": "a", "kind": "word"}], "'columns' must be a list of objects with a name and a kind"),
        ("columns", [{"name": "a", "kind": "category", "values": [[]]}], "'columns' must be a list"),
        ("threshold", "1", "'threshold' must be a number"),
        ("typical", [2, 1], "'typical' must be two numbers"),
        ("latent_dim", -1, "'latent_dim' must be a whole number"),
        ("signatures", [], "'signatures' must be an object"),
        ("signatures", {"generate": {"inputs": [{"name": "z", "shape": [1, "a"]}]}}, "signatures.'generate' is not as"),
        ("files", {"fp32": 3}, "files.'fp32' is not as a card has it"),
        ("files", {str(number): {} for number in range(65)}, "'files' must be an object with at most 64 entries"),
        ("files", {"fp32": {"file": "x", "sha256": "AB" * 32}}, "'files.fp32.sha256' must be 64 hexadecimal digits"),
        ("files", {"fp32": {"file": 1, "sha256": "0" * 64}}, "'files.fp32.file' must be a plain file name"),
        ("files", {"fp32": {"not_shipped": ["x"]}}, "'files.fp32.not_shipped' must be text"),
        ("files", {"fp32": {"latency_ms": "1"}}, "'files.fp32.latency_ms' must be a number"),
        ("files", {"fp32": {"latency_ms": True}}, "'files.fp32.latency_ms' must be a number"),
        ("files", {"fp32": {"latency_ms": 10**400}}, "'files.fp32.latency_ms' must be a number"),
        ("files", {"fp32": {"latency_ms": float("inf")}}, "'files.fp32.latency_ms' must be a number"),
        ("files", {"fp32": {"quality": {"fid": "1"}}}, "'files.fp32.quality' must be an object with numbers"),
        ("files", {"fp32": {"quality": {"fid": float("nan")}}}, "'files.fp32.quality' must be an object with numbers"),
        ("files", {"fp32": {"quality": {"fid": [1]}}}, "'files.fp32.quality' must be an object with numbers"),
    ],
)
def test_fields_of_wrong_type_or_size(folder, field, value, sentence):
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    said = sentence_of(cards.read_card, folder)
    assert said is not None and sentence in said


def test_the_converters_reason_may_stand_in_a_card():
    words = [sys.executable, "-c", "import sys; sys.exit('first\\nerror: \\033[31mred\\tline\\nlast')"]
    child = subprocess.run(words, capture_output=True, text=True)
    assert tflite._reason(child) == " [31mred line"
    words[2] = "import os, sys; print('a warning', file=sys.stderr, flush=True); os.kill(os.getpid(), 9)"
    assert tflite._reason(subprocess.run(words, capture_output=True, text=True)) == "it crashed with signal 9"


def test_links_that_leave_the_folder(folder, tmp_path, monkeypatch):
    outside = tmp_path / "outside.tflite"
    shutil.move(folder / f"{NAME}.tflite", outside)
    (folder / f"{NAME}.tflite").symlink_to(outside)
    assert "leads out of its folder" in sentence_of(runtime.load, folder)
    assert runtime.load(folder, "dynamic").precision == "dynamic"

    exported = tmp_path / "exported"
    exported.mkdir()
    (exported / NAME).symlink_to(folder)
    monkeypatch.setattr(cards, "EXPORTED", exported)
    assert "leads out of its folder" in sentence_of(runtime.load, NAME, "dynamic")

    shutil.move(folder / "card.json", tmp_path / "card.json")
    (folder / "card.json").symlink_to(tmp_path / "card.json")
    assert "leads out of its folder" in sentence_of(runtime.load, folder, "dynamic")


# --- files ------------------------------------------------------------------------------------


def edited(path, edit):
    """Rewrites a `.tflite` file after a change of its tables."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    edit(model)
    flatbuffer_utils.write_model(model, str(path))
    return path


@pytest.fixture
def lone(artifact, embed_card, tmp_path):
    """A file with its card inside and none beside it."""
    path = Path(shutil.copy(artifact.folder / f"{NAME}.tflite", tmp_path / "lone.tflite"))
    embed_card(path, {"schema": 1, "name": "lone"})
    return path


def make_custom(model):
    model.operatorCodes[0].deprecatedBuiltinCode = 32
    model.operatorCodes[0].builtinCode = 32
    model.operatorCodes[0].customCode = b"FlexSomething"


def make_stateful(model):
    model.operatorCodes[0].deprecatedBuiltinCode = 127
    model.operatorCodes[0].builtinCode = 142


def make_huge(model):
    model.subgraphs[0].tensors[0].shape = np.array([2**14, 2**14], np.int32)


def make_deep(model):
    model.subgraphs[0].tensors[0].shape = np.ones(9, np.int32)


def make_dynamic(model):
    model.subgraphs[0].tensors[0].shape = np.array([-1, 4], np.int32)


def make_distant(model):
    model.buffers[1].offset = 2**40
    model.buffers[1].size = 8


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (make_custom, "operations that no model of this zoo is made of: CUSTOM"),
        (make_stateful, "operations that no model of this zoo is made of: VAR_HANDLE"),
        (make_huge, "a tensor has 268,435,456 numbers"),
        (make_deep, "a tensor has 9 axes, there may be 8"),
        (make_dynamic, "a tensor has -1 entries along an axis"),
        (make_distant, "its weights are not in the file itself"),
    ],
)
def test_graphs_that_are_no_plain_computation(lone, edit, sentence):
    said = sentence_of(runtime.load, edited(lone, edit))
    assert said is not None and sentence in said


def test_every_exported_operation_is_known():
    files = sorted((ROOT / "exported").glob("*/*.tflite"))
    assert files
    for path in files:
        graph.check(path)
    assert set(graph.NAMES.values()) >= graph.OPERATIONS


def test_a_file_without_the_functions_of_its_name(lone):
    def rename(model):
        for signature in model.signatureDefs:
            signature.outputs[0].name = b"other"

    model = runtime.load(edited(lone, rename))
    assert "'generate_batch' of lone needs 'image' among its outputs" in sentence_of(model.pictures, 0, 1)
    assert "'latents' of lone needs 'z' among its outputs" in sentence_of(model.interpolate, 0, 1, 2)


@pytest.mark.parametrize("shape", [(), (0, 8, 8, 1)])
def test_a_batch_of_nothing_does_not_loop(artifact, shape):
    model = runtime.load(artifact.folder)
    empty = {"image": runtime.Tensor(shape, np.dtype("float32"))}
    model.signatures["generate_batch"] = model.signatures["generate_batch"]._replace(outputs=empty)
    assert "needs 'image' among its outputs, but has float32 (" in sentence_of(model.pictures, 0, 1)


def open_in_children(log, paths):
    """Opens files in child processes, a new one after each crash.

    Returns:
        How many files ran, and the names of those that ended their process.
    """
    left = list(paths)
    while left:
        words = [sys.executable, "-c", OPEN_MANY, log]
        child = subprocess.run(words, input="\n".join(map(str, left)), cwd=ROOT, text=True, capture_output=True)
        *_, (name, *fate) = (line.split() for line in log.read_text().splitlines())
        if child.returncode == 0:
            break
        assert child.returncode < 0 and not fate, child.stderr[-1000:]
        left = left[[path.name for path in left].index(name) + 1 :]
        with log.open("a") as file:
            file.write("died\n")
    fates = [line.split() for line in log.read_text().splitlines()]
    return sum(fate == "runs" for _, fate in fates), [name for name, fate in fates if fate == "died"]


@few_or_many
def test_damaged_files(count, artifact, lone, tmp_path):
    random = np.random.default_rng(count)
    sources = [lone.read_bytes(), (artifact.folder / f"{NAME}_dynamic.tflite").read_bytes()]
    passed = []
    slowest = 0.0
    for number in range(count):
        path = tmp_path / f"{number}.tflite"
        path.write_bytes(fuzzing.damaged(sources[number % 2], random))
        began = time.process_time()
        sentence_of(cards.embedded_card, path)
        if sentence_of(graph.check, path) is None:
            passed.append(path)
        slowest = max(slowest, time.process_time() - began)
    assert slowest < 5.0
    ran, crashed = open_in_children(tmp_path / "log.txt", passed)
    assert 0.1 * count < ran < len(passed) < 0.8 * count  # of all three fates there are some
    for name in crashed[:5]:  # here a crash, or, in a fresh process, a sentence of LiteRT's own
        assert sentence_of(probe.check, tmp_path / name) is not None
    for path in passed[:6]:
        said = sentence_of(runtime.load, path)
        assert said is None or str(path.name) in said


def test_a_crash_and_a_hang_become_sentences(lone, monkeypatch):
    """The child process dies by a signal, or never ends; the file itself is whole."""
    site = lone.parent / "site"
    site.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(site))
    only_child = "import sys\nif sys.orig_argv[1:3] == ['-m', 'edge.probe']:\n    "
    (site / "sitecustomize.py").write_text(only_child + "import os; os.kill(os.getpid(), 11)\n")
    assert f"LiteRT crashes on {lone} (exit code -11)" in sentence_of(runtime.load, lone)
    (site / "sitecustomize.py").write_text(only_child + "import time; time.sleep(60)\n")
    monkeypatch.setattr(probe, "SECONDS", 0.5)
    assert "did not end within 0.5 s" in sentence_of(runtime.load, lone)
    (site / "sitecustomize.py").unlink()
    monkeypatch.setattr(probe, "SECONDS", 60)
    assert runtime.load(lone).pictures(0, 1).shape == (1, 8, 8, 1)


# --- pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif", "webp"])
def test_damaged_pictures(suffix, tmp_path):
    random = np.random.default_rng(5)
    whole = tmp_path / f"whole.{suffix}"
    Image.fromarray(random.integers(0, 255, (20, 30, 3), np.uint8)).save(whole)
    assert sentence_of(drawing.read_source, whole, (8, 8, 3), None) is None
    path = tmp_path / f"damaged.{suffix}"
    refused = 0
    for _ in range(100):
        path.write_bytes(fuzzing.damaged(whole.read_bytes(), random))
        refused += sentence_of(drawing.read_source, path, (8, 8, 3), None) is not None
    assert refused > 10


def test_a_picture_that_its_decoder_stumbles_over(tmp_path):
    path = tmp_path / "chunk.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[33:37], "big") - 100  # of the chunk after the header, which now ends too early
    data[33:37] = length.to_bytes(4, "big")
    path.write_bytes(data)
    assert "chunk.png is damaged, or no picture: " in sentence_of(drawing.read_source, path, (8, 8, 3), None)


def test_pictures_that_would_fill_the_memory(tmp_path):
    for width, height in [(60_000, 60_000), (10_000, 10_000)]:
        path = tmp_path / "bomb.png"
        Image.new("1", (8, 8)).save(path)
        data = bytearray(path.read_bytes())
        data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        path.write_bytes(data)
        assert "is too large: at most 89,478,485 pixels" in sentence_of(drawing.read_source, path, (8, 8, 1), None)
