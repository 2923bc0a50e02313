"""The walk-through that ranks recipes: from end to end, and what happens when a recipe fails."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from command import run
from PIL import Image

from zoo import training

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.usefixtures("no_int8")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """The recipes run in processes of their own, from the test's folder."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}")


@pytest.mark.slow
def test_two_recipes_are_ranked_at_equal_seconds_and_steps(tmp_path):
    code, out, err = run(tmp_path, "compare", "dcgan", "wgan", "--preset", "smoke", "--folder", "board")
    assert code == 0, err
    board = json.loads((tmp_path / "board" / "compare.json").read_text())
    for unit in ("seconds", "steps"):
        table = board[unit]["table"]
        fids = [row["FID, mean"] for row in table.values()]
        assert table.keys() == {"dcgan", "wgan"} and fids == sorted(fids)
        ends = [curve[unit][-1] for each in board["curves"].values() for curve in each]
        assert board[unit]["at"] == min(ends)
    log = training.read_log(tmp_path / "board" / "wgan-0" / "log.csv")
    scores = training.read_log(tmp_path / "board" / "wgan-0" / "scores.csv")
    (curve,) = board["curves"]["wgan"]
    assert curve["seconds"] == [float(row["seconds"]) for row in log] and curve["seconds"][-1] >= 1.0
    assert curve["fid"] == [float(row["fid"]) for row in scores] and np.all(np.isfinite(curve["fid"]))
    assert curve["steps"][0] == 1257 // (2 * 64)  # smoke: two critic steps of 64 pictures, 1,257 to train on
    assert np.asarray(Image.open(tmp_path / "board" / "compare.png")).std() > 5
    assert "After" in out and "seconds, 1 seeds" in out


def test_a_recipe_that_fails_says_why(tmp_path):
    words = ["--preset", "smoke", "--recipe-preset", "nonsense", "--folder", "board"]
    code, _, err = run(tmp_path, "compare", "gan", *words)
    assert code == 2 and err.startswith("error: gan, seed 0: gan has no preset 'nonsense'") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["dcgam"], "error: there is no recipe 'dcgam': `python -m recipes` lists them\n"),
        (["--seconds", "0"], "error: --seconds and --watch must be positive, and there must be models and seeds\n"),
    ],
)
def test_mistakes_get_a_sentence(words, sentence, tmp_path):
    code, _, err = run(tmp_path, "compare", *words)
    assert (code, err) == (2, sentence)
    assert list(tmp_path.iterdir()) == []
