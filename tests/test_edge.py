"""Tests of `edge/runtime.py` and `edge/cards.py` against TensorFlow's own answers."""

import math
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge import cards, drawing, runtime

pytest_plugins = ["edge_artifact"]

NAME = "tiny_digits"


# --- the model against TensorFlow -------------------------------------------------------------


def test_pictures_equal_tensorflow(artifact, model):
    pictures = model.pictures(first_seed=3, count=20)
    assert pictures.dtype == np.float32
    np.testing.assert_allclose(pictures, artifact.pictures[3:23], atol=1e-4)
    assert np.ptp(artifact.pictures[3:23], axis=0).max() > 0.5  # seeds do differ


@pytest.mark.parametrize("count", [1, 15, 16, 17, 32, 33])
def test_pictures_do_not_depend_on_the_split(model, count):
    one_by_one = [model.pictures(seed, 1)[0] for seed in range(5, 5 + count)]
    np.testing.assert_allclose(model.pictures(5, count), one_by_one, atol=1e-6)


def test_a_precision_is_its_own_file(artifact, model):
    dynamic = runtime.load(artifact.folder, precision="dynamic")
    difference = np.abs(dynamic.pictures(0, 8) - artifact.pictures[:8]).max()
    assert 1e-5 < difference < 0.2
    assert (model.precision, dynamic.precision) == ("fp32", "dynamic")
    assert dynamic.path.name == "tiny_digits_dynamic.tflite"


def test_latents_and_generate_are_the_two_halves_of_pictures(artifact, model):
    latents = model.latents(range(4))
    np.testing.assert_allclose(latents, artifact.latents[:4], atol=1e-5)
    np.testing.assert_allclose(model.generate(latents), artifact.pictures[:4], atol=1e-4)


def test_signatures_come_from_the_file(model):
    assert sorted(model.signatures) == ["generate", "generate_batch", "generate_from_seed", "latents"]
    batch = model.signatures["generate_batch"]
    assert batch.inputs == {"seed": ((1,), np.dtype("int32"))}
    assert batch.outputs == {"image": ((16, 8, 8, 1), np.dtype("float32"))}


@pytest.mark.parametrize(
    ("signature", "inputs", "sentence"),
    [
        ("paint", {}, "no signature 'paint', its signatures are: generate, generate_batch"),
        ("latents", {}, "'latents' of tiny_digits takes seed, got nothing"),
        ("latents", {"z": 1}, "takes seed, got z"),
        ("latents", {"seed": [1]}, r"must be int32 \(1,\), but int64 \(1,\) was given"),
        ("latents", {"seed": np.int32(1)}, r"must be int32 \(1,\), but int32 \(\) was given"),
        (
            "generate",
            {"z": np.zeros((2, 5), np.float32)},
            r"float32 \(1, 5\), but float32 \(2, 5\)",
        ),
    ],
)
def test_run_refuses_wrong_inputs(model, signature, inputs, sentence):
    with pytest.raises(ValueError, match=sentence):
        model.run(signature, **inputs)


def test_other_arguments_are_checked(model):
    with pytest.raises(ValueError, match=r"\(N, 5\) with N >= 1, got \(2, 4\)"):
        model.generate(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="a seed must be a whole number"):
        model.pictures(1.5, 1)
    with pytest.raises(ValueError, match="threads must be 1 to 256, got 0"):
        runtime.load(model.path, threads=0)
    assert model.pictures(2**31 - 1, 1).shape == (1, 8, 8, 1)
    assert model.pictures(-(2**31), 1).shape == (1, 8, 8, 1)


def test_a_condition_below_zero_is_refused():
    """LiteRT would draw the class at that place from the end, or whatever lies there in the memory."""
    model = runtime.load(cards.EXPORTED / "cgan_mnist", "dynamic")
    for make in (model.pictures, lambda seed, count, label: model.generate(model.latents([seed]), label)):
        with pytest.raises(ValueError, match="label is counted from 0, got -1"):
            make(0, 1, np.array([-1], np.int32))


# --- interpolation ----------------------------------------------------------------------------


def test_slerp_stays_on_the_sphere_in_equal_steps():
    start = np.array([3.0, 0.0, 0.0])
    end = np.array([0.0, 3.0, 0.0])
    path = runtime.slerp(start, end, np.linspace(0, 1, 4))  # 0, 30, 60, 90 degrees
    half = 3 * math.sqrt(3) / 2
    expected = [[3, 0, 0], [half, 1.5, 0], [1.5, half, 0], [0, 3, 0]]
    np.testing.assert_allclose(path, expected, atol=1e-6)


def test_slerp_middle_has_the_norm_of_the_formula():
    start = np.array([1.0, 2.0, -0.5])
    end = np.array([0.3, -1.0, 4.0])
    angle = math.acos(start @ end / np.linalg.norm(start) / np.linalg.norm(end))
    (middle,) = runtime.slerp(start, end, [0.5])
    expected = np.linalg.norm(start + end) / (2 * math.cos(angle / 2))
    assert np.linalg.norm(middle) == pytest.approx(expected, rel=1e-6)


def test_slerp_of_parallel_vectors_is_the_straight_line():
    np.testing.assert_allclose(runtime.slerp([1, 1], [3, 3], [0.25]), [[1.5, 1.5]])
    np.testing.assert_allclose(runtime.slerp([0, 0], [2, 0], [0.5]), [[1, 0]])


def test_interpolation_begins_and_ends_at_the_two_pictures(artifact, model):
    frames = model.interpolate(4, 9, 7)
    assert frames.shape == (7, 8, 8, 1)
    np.testing.assert_allclose(frames[0], artifact.pictures[4], atol=1e-4)
    np.testing.assert_allclose(frames[-1], artifact.pictures[9], atol=1e-4)
    middle = runtime.slerp(artifact.latents[4], artifact.latents[9], [0.5])
    np.testing.assert_allclose(frames[3], model.generate(middle)[0], atol=1e-4)


# --- grids and picture files ------------------------------------------------------------------


def test_to_uint8_rounds_and_clips():
    values = np.array([-3.0, -1.0, -0.99, 0.0, 0.5, 1.0, 1.2])
    assert drawing.to_uint8(values).tolist() == [0, 0, 1, 128, 191, 255, 255]


def test_grid_layout_by_hand():
    pictures = np.full((3, 1, 2, 1), -1.0)
    pictures[1] = 0.0
    pictures[2, 0, 1] = 1.0
    expected = [[0, 0, 255, 128, 128], [255, 255, 255, 255, 255], [0, 255, 255, 255, 255]]
    assert drawing.grid(pictures).tolist() == expected
    assert drawing.grid(pictures, columns=1).tolist() == [
        [0, 0],
        [255, 255],
        [128, 128],
        [255, 255],
        [0, 255],
    ]
    assert drawing.grid(pictures[:1], scale=3).tolist() == [[0] * 6] * 3


def test_grid_keeps_colours():
    picture = np.array([[[[-1.0, 0.0, 1.0], [1.0, -1.0, -1.0]]]])  # (1, 1, 2, 3)
    assert drawing.grid(picture).tolist() == [[[0, 128, 255], [255, 0, 0]]]


@pytest.mark.parametrize(
    ("shape", "options", "sentence"),
    [
        ((2, 4, 4), {}, "must be"),
        ((2, 4, 4, 2), {}, "must be"),
        ((0, 4, 4, 1), {}, "must be"),
        ((2, 4, 4, 1), {"columns": 0}, "columns must be at least 1"),
        ((2, 4, 4, 1), {"scale": 0}, "scale must be at least 1"),
    ],
)
def test_grid_refuses(shape, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        drawing.grid(np.zeros(shape), **options)


def test_nothing_is_left_when_the_picture_cannot_be_made(tmp_path):
    too_wide_for_jpeg = np.zeros((1, 70_000), np.uint8)
    with pytest.raises(OSError, match=r"cannot write .*wide\.jpg"):
        drawing.save_picture(tmp_path / "wide.jpg", [too_wide_for_jpeg])
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_the_disk_refuses(tmp_path, monkeypatch):
    def refuse(path, target):
        raise OSError(28, "No space left on device")

    (tmp_path / "old.png").write_bytes(b"kept")
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match=r"cannot write .*old\.png: No space left on device"):
        drawing.save_picture(tmp_path / "old.png", [np.zeros((2, 2), np.uint8)])
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"kept"]


def test_what_a_killed_process_left_goes_with_the_next_picture(tmp_path):
    program = (
        "import os, signal, sys, numpy\n"
        "from pathlib import Path\n"
        "from edge import drawing\n"
        "Path.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)\n"
        "drawing.save_picture(sys.argv[1], [numpy.zeros((2, 2), numpy.uint8)])\n"
    )
    path = tmp_path / "grid.png"
    child = subprocess.run([sys.executable, "-c", program, str(path)])
    assert child.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    drawing.save_picture(path, [np.zeros((2, 2), np.uint8)])
    assert list(tmp_path.iterdir()) == [path]


# --- cards ------------------------------------------------------------------------------------


def test_lone_file_uses_the_card_inside(artifact, embed_card, tmp_path):
    lone = Path(shutil.copy(artifact.folder / f"{NAME}_dynamic.tflite", tmp_path / "lone.tflite"))
    with pytest.raises(ValueError, match=r"lone\.tflite has no card, neither inside nor"):
        runtime.load(lone)
    embed_card(lone, {"schema": 1, "name": "embedded", "title": "From inside"})
    model = runtime.load(lone)
    assert (model.name, model.precision) == ("embedded", "unknown")
    assert model.card["title"] == "From inside"
    expected = runtime.load(artifact.folder, "dynamic").pictures(0, 3)
    np.testing.assert_allclose(model.pictures(0, 3), expected, atol=1e-6)


def test_file_in_its_folder_uses_the_card_beside_it(artifact):
    model = runtime.load(artifact.folder / f"{NAME}_dynamic.tflite")
    assert (model.name, model.precision) == (NAME, "dynamic")
