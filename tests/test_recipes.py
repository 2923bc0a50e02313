"""Every recipe: its settings, and its smoke preset from data to picture."""

import ast
import dataclasses
import functools
import hashlib
import importlib
import inspect
import json
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import epochs_in_log, only_run, run
from PIL import Image

from edge import __main__ as edge_command
from edge import cards, drawing, runtime
from recipes import __main__ as command_line
from recipes import runner
from zoo import metrics, tflite

ROOT = Path(__file__).resolve().parent.parent
NAMES = command_line.names()
RECIPES = {name: importlib.import_module(f"recipes.{name}") for name in NAMES}
MODELS = [name for name, recipe in RECIPES.items() if getattr(recipe, "KIND", None) is None]
LESSONS = [name for name, recipe in RECIPES.items() if getattr(recipe, "KIND", None) == "lesson"]
TRAINED = [name for name, recipe in RECIPES.items() if issubclass(recipe.Config, runner.TrainingOptions)]
ALL_PRECISIONS = ("dcgan", "vae", "cgan", "pix2pix")  # the others are exported as fp32 alone: it takes less time
NOT_OF_THE_RESULT = ("folder", "publish", "force", "tensorboard")  # options that a card does not repeat
SMOKE_DCGAN = ("dcgan", "--preset", "smoke")

pytestmark = pytest.mark.usefixtures("no_int8")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """A function: run folder and stdout of a recipe's smoke preset, which runs once."""

    @functools.cache
    def run_once(name):
        folder = tmp_path_factory.mktemp(name)
        with pytest.MonkeyPatch.context() as patch:
            if name not in ALL_PRECISIONS:
                patch.setattr(tflite, "TOGETHER", (("fp32",),))
            code, out, err = run(folder, name, "--preset", "smoke")
        assert code == 0, err
        return only_run(folder), out

    return run_once


def fingerprint(folder):
    """Name, size and time of change of everything below a folder."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def as_json(content):
    """What a JSON file gives back: lists in the place of tuples."""
    return json.loads(json.dumps(content))


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_a_frozen_dataclass_with_presets(name):
    recipe = RECIPES[name]
    config = recipe.Config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.folder = "elsewhere"
    default = next(iter(recipe.PRESETS))
    assert default == "digits" or (name in LESSONS and default == "lesson")  # needs no download
    assert recipe.PRESETS[default] == config or name not in LESSONS
    assert "smoke" in recipe.PRESETS
    if name in MODELS:
        assert {"fashion_mnist", "gpu"} <= recipe.PRESETS.keys()
        assert recipe.PRESETS["fashion_mnist"].dataset == "fashion_mnist"
    for preset in recipe.PRESETS.values():
        assert type(preset) is recipe.Config
    if name in TRAINED:
        assert recipe.PRESETS["smoke"].epochs == 1
        assert recipe.PRESETS["smoke"].dataset == recipe.PRESETS["digits"].dataset == "digits"


def help_texts(config_class):
    """Field -> the string below it, from the source of the class and of those that it extends."""
    texts = {}
    for each in reversed([each for each in config_class.__mro__ if dataclasses.is_dataclass(each)]):
        (node,) = ast.parse(inspect.getsource(each)).body
        for field, below in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign):
                assert isinstance(below, ast.Expr), f"{each.__name__}.{field.target.id} has no text below it"
                texts[field.target.id] = ast.literal_eval(below.value)
    return texts


@pytest.mark.parametrize("name", NAMES)
def test_help_explains_every_setting_and_shows_the_commands(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    with pytest.raises(SystemExit) as caught:
        command_line.main([name, "--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    words = " ".join(re.sub(r"[│╭╮╰╯─]", " ", printed).split())
    texts = help_texts(RECIPES[name].Config)
    assert texts.keys() == {field.name for field in dataclasses.fields(RECIPES[name].Config)}
    for field, text in texts.items():
        assert f"--{field.replace('_', '-')}" in printed or (name, field) == ("compare", "models")  # without a flag
        assert " ".join(text.split()) in words
    for preset in RECIPES[name].PRESETS:
        assert f"  {preset}: " in printed
    lines = [line.strip() for line in printed.splitlines()]
    for line in RECIPES[name].__doc__.splitlines():
        if line.strip().startswith("python -m"):
            assert line.strip() in lines, "a command of the docstring is not on a line of its own"


def test_list_has_the_first_line_of_every_docstring(capsys):
    assert command_line.main([]) == 0
    printed = capsys.readouterr().out.splitlines()
    for name, recipe in RECIPES.items():
        first = recipe.__doc__.splitlines()[0]
        assert first.endswith(".")
        assert [line for line in printed if line.split()[:1] == [name]] == [f"  {name:<{max(map(len, NAMES))}} {first}"]
    assert command_line.main(["--help"]) == 0
    assert capsys.readouterr().out.splitlines() == printed


@pytest.mark.parametrize("words", [[], ["dcgan", "--help"], ["vae", "--preset", "mnist", "--help"]], ids=" ".join)
def test_list_and_help_answer_at_once(words):
    program = (
        "import sys\n"
        "from recipes.__main__ import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "assert not {'tensorflow', 'keras', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0  # seconds, whatever else runs


@pytest.mark.parametrize("name", TRAINED)
def test_watch_is_used_or_refused(name):
    source = inspect.getsource(RECIPES[name])
    assert ("runner.watch(" in source) != ("--watch needs" in source)


# --- from data to picture ---------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAINED)
def test_smoke_runs_and_stays_in_its_folder(name, smoke):
    before = fingerprint(ROOT / "exported") | fingerprint(ROOT / "zoo" / "evaluators")
    run_folder, out = smoke(name)
    assert fingerprint(ROOT / "exported") | fingerprint(ROOT / "zoo" / "evaluators") == before
    assert re.fullmatch(rf"{name}-\d{{8}}-\d{{6}}-\d{{6}}", run_folder.name)
    assert f"run folder: runs/{run_folder.name}" in out
    settings = json.loads((run_folder / "config.json").read_text())
    assert settings == {"recipe": name, **as_json(dataclasses.asdict(RECIPES[name].PRESETS["smoke"]))}
    assert epochs_in_log(run_folder) == [1]
    assert [path.name for path in (run_folder / "checkpoints").iterdir()] == ["epoch_00001.weights.h5"]
    left_over = [path for path in run_folder.rglob("*") if path.suffix == ".unfinished" or path.name.startswith(".")]
    assert left_over == []


@pytest.mark.parametrize("name", MODELS)
def test_smoke_exports_a_scored_model_that_edge_can_use(name, smoke, tmp_path):
    run_folder, out = smoke(name)
    preset = RECIPES[name].PRESETS["smoke"]
    card = cards.read_card(run_folder / "export")
    assert card["name"].startswith(f"{name}_") and card["name"].endswith("_digits") and card["recipe"] == name
    expected = {key: value for key, value in dataclasses.asdict(preset).items() if key not in NOT_OF_THE_RESULT}
    assert card["config"] == as_json(expected)
    assert card["dataset"]["classes"] == list("0123456789") and "CC BY" in card["dataset"]["licence"]
    assert card["training"]["epochs"] == 1 and card["training"]["seconds"] > 0
    assert card["paper"]["url"].startswith("https://")
    evaluator = metrics.EVALUATORS / "digits.keras"
    assert card["evaluator"]["sha256"] == hashlib.sha256(evaluator.read_bytes()).hexdigest()
    quality = card["files"]["fp32"]["quality"]
    assert quality["n"] == preset.samples and quality.get("n_real", 360) == 360
    assert f"{quality.get('fid', quality.get('psnr')):.4g}" in out
    for picture in ("curves.png", "samples/epoch_00001.png", "export/samples.png"):
        assert np.asarray(Image.open(run_folder / picture)).std() > 5
    shown, outline = tmp_path / "three.png", tmp_path / "outline.png"
    words = [str(run_folder / "export"), "--count", "3", "--scale", "2", "--out", str(shown)]
    model = runtime.load(run_folder / "export")
    if model.main in ("translate", "reconstruct"):
        source = np.eye(8, dtype=np.uint8) * 255
        Image.fromarray(source).save(outline)
        assert edge_command.main(words) == 2  # a picture of what?
        words += ["--image", str(outline)]
        channels = model.signature(model.of_pictures).inputs["image"].shape[-1]
        pictures = model.translate(np.tile(source[None, ..., None] / np.float32(127.5) - 1, (3, 1, 1, channels)))
    else:
        pictures = model.pictures(0, 3)
    assert edge_command.main(words) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(shown)), drawing.grid(pictures, columns=2, scale=2))
    if model.main in ("translate", "reconstruct"):
        assert edge_command.main([word for word in words if word not in ("--count", "3")]) == 0  # one picture is one
        np.testing.assert_array_equal(np.asarray(Image.open(shown)), drawing.grid(pictures[:1], scale=2))


def test_a_conditional_model_draws_what_it_is_asked_for(smoke, tmp_path, capsys):
    folder = smoke("cgan")[0] / "export"
    card = cards.read_card(folder)
    assert card["labels"] == list("0123456789") and 0 <= card["files"]["fp32"]["quality"]["label_accuracy"] <= 1
    for precision in ("fp32", "dynamic"):
        model = runtime.load(folder, precision)
        threes = model.pictures(5, 17, np.int32([3]))  # sixteen at once, and one
        one_by_one = [model.run("generate_from_seed", seed=np.int32([5 + i]), label=np.int32([3])) for i in range(17)]
        np.testing.assert_allclose(threes, [each["image"][0] for each in one_by_one], atol=1e-5)
        mixed = model.pictures(5, 3, np.int32([4, 3, 0]))
        np.testing.assert_allclose(mixed[1], threes[1], atol=1e-5)
        assert np.abs(mixed[0] - threes[0]).max() > 1e-3
        np.testing.assert_allclose(model.generate(model.latents([6]), np.int32([3])), threes[1:2], atol=1e-5)
        np.testing.assert_allclose(model.interpolate(5, 7, 3, np.int32([3]))[[0, 2]], threes[[0, 2]], atol=1e-5)
    shown = tmp_path / "three.png"
    words = [str(folder), "--label", "3", "--seed", "5", "--count", "17", "--scale", "1", "--precision", "dynamic"]
    assert edge_command.main([*words, "--out", str(shown)]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(shown)), drawing.grid(threes))
    capsys.readouterr()
    for words, sentence in (
        (["--label", "10"], "has no label '10': there are 0, 1, 2"),
        (["--text", "a seven"], "takes no text"),
        (["--attributes", "height"], "an attribute is set by NAME=VALUE with a number, got 'height'"),
    ):
        assert edge_command.main([str(folder), *words]) == 2
        assert sentence in capsys.readouterr().err
    assert edge_command.main([str(smoke("dcgan")[0] / "export"), "--label", "3"]) == 2
    assert "takes no label" in capsys.readouterr().err


def test_a_picture_is_varied(smoke, tmp_path, capsys):
    folder = smoke("vae")[0] / "export"
    given, shown = tmp_path / "given.png", tmp_path / "shown.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save(given)
    model = runtime.load(folder)
    source = drawing.read_source(given, (8, 8, 1), None)
    varied = model.vary(source, 0.5, 3, 4)
    np.testing.assert_allclose(model.vary(source, 0.5, 5, 1), varied[2:3], atol=1e-6)  # one seed is one variation
    same = model.run("reconstruct", image=source)["reconstruction"]
    np.testing.assert_allclose(model.vary(source, 0.0, 8, 2), np.repeat(same, 2, axis=0), atol=1e-5)
    far = [np.abs(model.vary(source, strength, 3, 8) - same).mean() for strength in (0.1, 0.4, 1.0)]
    assert 0 < far[0] < far[1] < far[2]
    words = [str(folder), "--image", str(given), "--scale", "1", "--out", str(shown)]
    assert edge_command.main([*words, "--vary", "0.5", "--seed", "3", "--count", "4"]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(shown)), drawing.grid(varied))
    assert edge_command.main(words) == 0  # without a strength: the picture as the model knows it
    np.testing.assert_array_equal(np.asarray(Image.open(shown)), drawing.grid(same))
    capsys.readouterr()
    for words, sentence in (
        ([str(folder), "--image", str(given), "--vary", "1.5"], "strength of variations must be 0 to 1, got 1.5"),
        ([str(folder), "--vary", "0.5"], "makes pictures of pictures: give it one by --image"),
        ([str(smoke("dcgan")[0] / "export"), "--image", str(given), "--vary", "1"], "has no signature 'vary'"),
    ):
        assert edge_command.main(words) == 2
        assert sentence in capsys.readouterr().err


def test_the_classifier_makes_an_evaluator(smoke, tmp_path, monkeypatch):
    run_folder, _ = smoke("classifier")
    evaluator = metrics.Evaluator.load("digits", run_folder / "evaluator")
    features, probabilities = evaluator.features(np.zeros((2, 8, 8, 1), np.uint8))
    assert features.shape == (2, 64) and probabilities.shape == (2, 10)
    assert evaluator.card["floor"]["n"] == 360 and 0 < evaluator.card["test_accuracy"] < 1

    monkeypatch.setattr(metrics, "EVALUATORS", tmp_path / "evaluators")
    (tmp_path / "evaluators").mkdir()
    copy = shutil.copytree(run_folder, tmp_path / "run")
    code, _, err = run(tmp_path, "classifier", "--resume", "run", "--publish")
    assert code == 0, err
    assert {path.name for path in (tmp_path / "evaluators").iterdir()} == {"digits.keras", "digits.json"}
    assert metrics.Evaluator.load("digits", tmp_path / "evaluators").card["dataset"] == "digits"
    assert epochs_in_log(copy) == [1]  # finished already: nothing was trained

    before = fingerprint(tmp_path / "evaluators")
    code, _, err = run(tmp_path, "classifier", "--resume", "run", "--publish")
    assert code == 2 and err.startswith("error: not published: there is an evaluator of digits,")
    assert fingerprint(tmp_path / "evaluators") == before
    code, _, err = run(tmp_path, "classifier", "--resume", "run", "--publish", "--force")
    assert code == 0, err


def test_ones_own_pictures_need_no_evaluator(tmp_path, monkeypatch, capsys):
    random = np.random.default_rng(0)
    (tmp_path / "digits").mkdir()  # their name does not make them the digits that have an evaluator
    for index in range(24):
        Image.fromarray(random.integers(0, 255, (8, 8), np.uint8)).save(tmp_path / "digits" / f"{index}.png")
    code, out, err = run(tmp_path, "vae", "--preset", "smoke", "--dataset", "folder:digits", "--batch-size", "7")
    assert code == 0, err
    assert "samples are not scored: no evaluator for data set 'folder_digits'" in out
    card = cards.read_card(only_run(tmp_path) / "export")
    assert (
        card["name"] == "vae_folder_digits" and card["evaluator"] is None and card["files"]["fp32"]["quality"] is None
    )
    monkeypatch.setattr(cards, "EXPORTED", only_run(tmp_path))
    assert edge_command.main([]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["vae_folder_digits", "fp32"]


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (["pix2pix", "--dataset", "folder:own"], 3),
        (["pix2pix", "--dataset", "digits", "--samples", "1"], 3),
        (["autoencoder", "--dataset", "folder:own", "--prior-components", "2"], 2),
    ],
    ids=["pix2pix of a folder", "pix2pix of digits", "autoencoder of a folder"],
)
def test_one_test_picture_is_enough(words, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(tflite, "TOGETHER", (("fp32",),))
    random = np.random.default_rng(0)
    (tmp_path / "own").mkdir()
    for index in range(12):
        Image.fromarray(random.integers(0, 255, (8, 8), np.uint8)).save(tmp_path / "own" / f"{index:02}.png")
    code, _, err = run(tmp_path, *words, "--preset", "smoke", "--batch-size", "8")
    assert code == 0, err
    export = only_run(tmp_path) / "export"
    assert cards.read_card(export)["files"]["fp32"]["quality"]["n"] == 1
    samples = np.asarray(Image.open(export / "samples.png"))
    scale = 56 // 8
    assert samples.shape == (scale * (9 * rows - 1), scale * 89)  # ten columns
    assert samples[:, : 8 * scale].std() > 5 and (samples[:, 8 * scale :] == 255).all()  # of which one is filled


def test_a_run_in_mixed_precision_can_be_exported(tmp_path):
    """What ships computes in float32, whatever trained it."""
    code, _, err = run(tmp_path, *SMOKE_DCGAN, "--precision", "mixed_bfloat16")
    assert code == 0, err
    card = cards.read_card(only_run(tmp_path) / "export")
    assert card["training"]["precision"] == "mixed_bfloat16" and "file" in card["files"]["fp32"]


def test_what_several_devices_have_trained_is_measured_and_exported_on_one(tmp_path):
    code, out, err = run(tmp_path, "vae", "--preset", "smoke", "--strategy", "mirrored")
    assert code == 0, err
    card = cards.read_card(only_run(tmp_path) / "export")
    assert card["config"]["strategy"] == "mirrored" and "file" in card["files"]["fp32"]
    assert np.isfinite(card["likelihood"]["elbo"]) and "Held-out" in out


def test_a_worse_export_is_not_published(smoke, tmp_path, monkeypatch):
    run_folder, _ = smoke("dcgan")
    shutil.copytree(run_folder, tmp_path / "run")
    published = Path(shutil.copytree(run_folder / "export", tmp_path / "exported" / "dcgan_digits"))
    card = json.loads((published / "card.json").read_text())
    card["files"]["fp32"]["quality"]["fid"] = 0.001
    (published / "card.json").write_text(json.dumps(card))
    before = fingerprint(tmp_path / "exported")
    monkeypatch.setattr(runner, "EXPORTED", tmp_path / "exported")
    code, out, err = run(tmp_path, "dcgan", "--resume", "run", "--publish")
    assert code == 2 and "published:" not in out
    assert re.fullmatch(
        r"error: not published: dcgan_digits has FID \S+ and the published one 0\.001; --force replaces it: "
        r"python -m recipes dcgan --resume run --publish --force\n",
        err,
    )
    assert fingerprint(tmp_path / "exported") == before
    assert cards.read_card(tmp_path / "run" / "export")["name"] == "dcgan_digits"  # the run keeps its own
