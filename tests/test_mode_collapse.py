"""Mode collapse on purpose: counting the modes of the ring, and the walk-through from end to end."""

import json

import numpy as np
import pytest
from command import run
from PIL import Image

from recipes import mode_collapse


def sample(weights, count=4000, spread=mode_collapse.SPREAD):
    random = np.random.default_rng(0)
    chosen = random.choice(8, count, p=weights)
    return mode_collapse.centres()[chosen] + spread * random.standard_normal((count, 2))


def test_modes_lie_on_a_ring():
    centres = mode_collapse.centres()
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), mode_collapse.RADIUS)
    gaps = np.linalg.norm(centres - np.roll(centres, 1, axis=0), axis=1)
    np.testing.assert_allclose(gaps, 2 * mode_collapse.RADIUS * np.sin(np.pi / 8))


def test_counting_modes():
    even = mode_collapse.count_modes(sample(np.full(8, 1 / 8)))
    assert even["modes"] == 8 and even["p_value"] > 0.001
    assert even["near"] == pytest.approx(1 - np.exp(-4.5), abs=0.01)  # within 3 deviations in the plane
    two = mode_collapse.count_modes(sample(np.array([0.5, 0, 0, 0.5, 0, 0, 0, 0])))
    assert two["modes"] == 2 and two["p_value"] < 1e-6
    rare = mode_collapse.count_modes(sample(np.array([0.93, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])))
    assert rare["modes"] == 1  # a mode counts from a tenth of its share
    nowhere = mode_collapse.count_modes(np.zeros((100, 2)))
    assert nowhere == {"modes": 0, "near": 0.0, "p_value": 0.0}


def test_the_walk_through(tmp_path):
    code, out, err = run(tmp_path, "mode_collapse", "--preset", "smoke", "--folder", "ring")
    assert code == 0, err
    scores = [f"{name}-0.csv" for name in ("gan", "wgan", "wgan_gp")]
    written = sorted(path.name for path in (tmp_path / "ring").iterdir())
    assert written == ["digits.png", *scores[:1], "modes.gif", "modes.json", "modes.png", *scores[1:]]
    result = json.loads((tmp_path / "ring" / "modes.json").read_text())
    assert result["ring"]["table"].keys() == result["digits"]["table"].keys() == {"gan", "wgan", "wgan_gp"}
    assert result["steps"] == 20
    for name, row in result["ring"]["table"].items():
        assert 0 <= row["modes, mean"] <= 8 and row["trainings"] == 1 and name in out
    for name, row in result["digits"]["table"].items():
        assert 0 <= row["classes, fewest"] <= 10 and row["trainings"] == 1
        lines = (tmp_path / "ring" / f"{name}-0.csv").read_text().splitlines()
        assert [int(line.split(",")[0]) for line in lines[1:]] == list(range(1, mode_collapse.SCORES + 1))
        # An untrained network draws one kind of picture, and there is time enough for the alarm to say so.
        assert result["digits"]["trainings"][name][0]["alarm"] in (None, *range(mode_collapse.SCORES // 2 + 3, 21))
    for name in ("modes.png", "digits.png"):
        assert np.asarray(Image.open(tmp_path / "ring" / name)).std() > 5
    assert Image.open(tmp_path / "ring" / "modes.gif").n_frames == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--models", "dcgan"], "error: there is no model 'dcgan' here: there are gan, wgan, wgan_gp\n"),
        (
            ["--steps", "0"],
            "error: steps, pictures, width, batch size, seeds and data: at least 1 of each\n",
        ),
        (["--resume", "ring"], "error: mode_collapse cannot be resumed: start it again\n"),
    ],
)
def test_mistakes_get_a_sentence(words, sentence, tmp_path):
    code, _, err = run(tmp_path, "mode_collapse", *words)
    assert (code, err) == (2, sentence)
    assert list(tmp_path.iterdir()) == []
