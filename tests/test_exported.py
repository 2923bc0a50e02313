"""What is exported, and the pinned evaluators: each is what its card says, runs, and is small."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from edge import cards, runtime

ROOT = Path(__file__).resolve().parent.parent
MODEL_BYTES = 6_000_000
LARGE_MODELS = {"gan": 14_000_000}  # recipe -> bytes: only the dense GAN has 1.5 M weights
ALL_BYTES = 100_000_000
TRACKED = ("fp32", "dynamic")
EXPORTS = sorted((ROOT / "exported").glob("*/card.json"))


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def size(path):
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )


def bytes_in_git(folder):
    """Size of what git holds of an export: card, pictures, SavedModel and the tracked precisions."""
    files = read_json(folder / "card.json")["files"].values()
    names = [entry["file"] for entry in files if entry.get("tracked")]
    return sum(size(folder / name) for name in ("card.json", "samples.png", "ladder.svg", "saved_model", *names))


def test_index_lists_every_export():
    folders = sorted(path.name for path in (ROOT / "exported").glob("*") if path.is_dir())
    assert folders == [path.parent.name for path in EXPORTS]  # no folder without a card
    index = ROOT / "exported" / "index.json"
    if not EXPORTS and not index.exists():
        return  # nothing has been published yet
    assert read_json(index) == {
        "schema": 1,
        "models": [
            {"name": card["name"], "title": card["title"], "card": f"{card['name']}/card.json"}
            for card in (read_json(path) for path in EXPORTS)
        ],
    }


@pytest.mark.parametrize("path", EXPORTS, ids=[path.parent.name for path in EXPORTS])
def test_an_export_is_what_its_card_says(path):
    folder = path.parent
    card = cards.read_card(folder)
    assert card["name"] == folder.name
    assert not card["name"].endswith("_digits")
    assert (ROOT / "recipes" / f"{card['recipe']}.py").is_file()
    assert (folder / "samples.png").is_file() and (folder / "saved_model" / "saved_model.pb").is_file()
    named = {entry["file"] for entry in card["files"].values() if "file" in entry}
    assert {file.name for file in folder.glob("*.tflite")} <= named  # nothing that the card does not know
    for precision, entry in card["files"].items():
        if "file" not in entry:
            assert entry["not_shipped"] and precision != "fp32"
            continue
        assert entry["tracked"] == (precision in TRACKED)
        file = folder / entry["file"]
        assert file.exists() or not entry["tracked"], f"{file} is missing"
        if file.exists():
            assert (file.stat().st_size, sha256(file)) == (entry["bytes"], entry["sha256"])
        quality, whole = entry["quality"], card["files"]["fp32"]["quality"]
        if "psnr" in quality:  # of a model from picture to picture
            assert quality["psnr"] >= whole["psnr"] - 0.3
            if "trivial" in card:
                assert quality["psnr"] > max(other["psnr"] for other in card["trivial"].values()) + 0.6
        elif "nll" in quality:
            assert quality["nll"] <= whole["nll"] + 1.0  # false for NaN
        elif "fid" in quality:
            assert quality["fid"] <= 1.10 * whole["fid"]
        else:
            name = "auroc" if "auroc" in quality else "accuracy"
            assert quality[name] >= whole[name] - 0.01
    if card["evaluator"]:
        evaluator = ROOT / "zoo" / "evaluators" / f"{card['evaluator']['dataset']}.keras"
        assert card["evaluator"]["sha256"] == sha256(evaluator), "it was scored with another evaluator"
    elif {"fid", "psnr"} & whole.keys():
        assert card["dataset"]["name"] == "photographs", "there is an evaluator for every data set with labels"
    assert bytes_in_git(folder) <= LARGE_MODELS.get(card["recipe"], MODEL_BYTES)


@pytest.mark.parametrize("path", EXPORTS, ids=[path.parent.name for path in EXPORTS])
@pytest.mark.parametrize("precision", TRACKED)
def test_an_export_runs(path, precision):
    card = read_json(path)
    if "not_shipped" in card["files"][precision]:
        with pytest.raises(ValueError, match="is not shipped as"):
            runtime.load(path.parent, precision)
        return
    model = runtime.load(path.parent, precision)
    if model.main in ("log_prob", "score"):  # it judges
        ((name, value),) = model.signature(model.main).inputs.items()
        inputs = np.random.default_rng(3).uniform(-1, 1, (18, *value.shape)).astype(np.float32)
        answers = np.concatenate([list(model.run(model.main, **{name: each}).values()) for each in inputs])
        (shape,) = [value["shape"] for value in card["signatures"][model.main]["outputs"]]
        assert answers.shape == (18, *shape) and np.isfinite(answers).all() and np.ptp(answers, axis=0).min() > 0
        return
    if model.main in ("translate", "reconstruct"):
        source = model.signature(model.main).inputs["image"].shape
        black, white = (np.full((9, *source[1:]), value, np.float32) for value in (-1, 1))
        pictures = model.translate(np.concatenate([black, white]))
    else:
        pictures = model.pictures(first_seed=3, count=18)
    (shape,) = [value["shape"] for value in card["signatures"][model.main]["outputs"]]
    assert pictures.shape == (18, *shape[1:])
    assert np.isfinite(pictures).all() and np.abs(pictures).max() <= 1.0
    assert np.ptp(pictures, axis=0).max() > 0.5  # the seeds, or the sources, differ


def test_exports_are_small():
    assert sum(bytes_in_git(path.parent) for path in EXPORTS) <= ALL_BYTES


EVALUATORS = sorted((ROOT / "zoo" / "evaluators").glob("*.keras"))


def test_evaluators_and_cards_go_together():
    assert "digits" in {path.stem for path in EVALUATORS}
    assert {path.stem for path in EVALUATORS} == {path.stem for path in (ROOT / "zoo" / "evaluators").glob("*.json")}


@pytest.mark.parametrize("path", EVALUATORS, ids=[path.stem for path in EVALUATORS])
def test_an_evaluator_is_what_its_card_says(path):
    card = read_json(path.with_suffix(".json"))
    assert card["dataset"] == path.stem
    assert (path.stat().st_size, sha256(path)) == (card["bytes"], card["sha256"])
    assert path.stat().st_size < 2_000_000
    assert card["test_accuracy"] > 0.85
    assert re.fullmatch(r"[0-9a-f]{64}", card["sha256"]) and card["floor"]["fid"] > 0
