"""A mistake gets one sentence, exit code 2 and no traceback, and leaves nothing half-written: recipes."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipes import __main__ as command_line

DCGAN = ("dcgan", "--preset", "smoke")
VAE = ("vae", "--preset", "smoke")
CLASSIFIER = ("classifier", "--preset", "smoke")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Runs go to runs/ of the working folder, here an empty one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sentence_of(capsys):
    """A function: run a wrong command line, check the form of the answer, return the sentence."""

    def check(*words):
        assert command_line.main(list(words)) == 2
        printed = capsys.readouterr().err
        assert printed.startswith("error: ")
        assert printed.count("\n") == 1 and printed.endswith("\n")
        assert "Traceback" not in printed
        return printed.removeprefix("error: ").removesuffix("\n")

    return check


def contents(folder):
    """Every file under a folder with its bytes, hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def command_of(value):
    """How a test is called in reports: by its words, without the sentence that it expects."""
    return " ".join(value) if isinstance(value, list) else ""


def checkpoints():
    return list(Path.cwd().rglob("*.h5"))


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["dcgam"], "there is no recipe 'dcgam': the nearest are dcgan, cgan, "),
        (["zzz.py"], "there is no recipe 'zzz.py': there are anomaly, augmentation, "),
        (["runner"], "there is no recipe 'runner'"),
        (["--preset", "smoke"], "there is no recipe '--preset'"),
        (["dcgan", "--preset", "fashon"], "dcgan has no preset 'fashon': the nearest is fashion_mnist"),
        (["dcgan", "--preset=zzz"], "dcgan has no preset 'zzz': there are digits, smoke, mnist, fashion_mnist, gpu"),
        (["dcgan", "--preset"], "--preset needs a value"),
        (["vae", "--resume"], "--resume needs a value"),
    ],
    ids=command_of,
)
def test_unknown_names_get_the_nearest_ones(words, sentence, sentence_of, empty_folder):
    assert sentence_of(*words).startswith(sentence)
    assert contents(empty_folder) == {}


@pytest.mark.parametrize(
    ("words", "mentioned"),
    [
        (["--precision", "float8"], ["float8", "mixed_bfloat16"]),
        (["--epochs", "many"], ["many", "--epochs"]),
        (["--learning-rat", "1"], ["--learning-rat"]),
    ],
    ids=command_of,
)
def test_values_of_another_type_are_refused_by_the_command_line(words, mentioned, capsys, empty_folder):
    with pytest.raises(SystemExit) as caught:
        command_line.main([*DCGAN, *words])
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert all(word in printed for word in mentioned) and "Traceback" not in printed
    assert contents(empty_folder) == {}


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([*DCGAN, "--epochs", "0"], "--epochs must be at least 1, got 0"),
        ([*DCGAN, "--dataset", "fashon_mnist"], "there is no data set 'fashon_mnist': the nearest"),
        ([*VAE, "--dataset", "folder:nowhere"], "there is no folder nowhere"),
        ([*DCGAN, "--image-size", "30"], "a side of 30 pixels cannot be made: sides are 4, 5, 6 or 7 doubled"),
        ([*VAE, "--image-size", "30"], "a side of 30 pixels cannot be made"),
        ([*VAE, "--channels", "2"], "channels must be 1 (grey) or 3 (colour), got 2"),
        ([*DCGAN, "--batch-size", "1258"], "the batch size must be 1 to 1257 (the pictures there are), got 1258"),
        ([*VAE, "--binarized"], "binarised pixels need --likelihood bernoulli"),
        ([*VAE, "--latent-dim", "1"], "--latent-dim 1 has no plane: name --figures without plane and scatter"),
        ([*VAE, "--prior-components", "1258"], "--prior-components must be at most the 1257 pictures, got 1258"),
        (["autoencoder", "--prior-components", "0"], "--prior-components must be 1 to the 1257 pictures, got 0"),
        (["vq_vae", "--beta", "-1"], "--beta must be 0 or more, got -1.0"),
        (["vq_vae", "--codes", "1"], "codes and width must be at least 2, got 1 and 32"),
        (["beta_vae", "--preset", "sprites", "--image-size", "8"], "sprites are 16x16 and grey"),
        (["real_nvp", "--levels", "1"], "levels must be at least 2, got 1"),
        ([*VAE, "--strategy", "multi_worker"], "--strategy multi_worker needs --folder: one that every host sees"),
        ([*VAE, "--strategy", "multi_worker", "--folder", "run"], "--strategy multi_worker needs the environment"),
        ([*VAE, "--strategy", "multi_worker", "--seconds", "9"], "--seconds stops by one host's clock"),
        (
            [*VAE, "--strategy", "mirrored", "--precision", "mixed_float16"],
            "--strategy mirrored cannot tell an",
        ),
        ([*CLASSIFIER, "--strategy", "mirrored"], "a classifier this small trains on one device"),
        ([*CLASSIFIER, "--watch", "100"], "--watch needs a model that draws pictures of seeds"),
        (["pix2pix", "--preset", "smoke", "--watch", "9"], "--watch needs a model that draws pictures of seeds"),
        (["pix2pix", "--preset", "smoke", "--task", "colorize"], "the pictures of digits have no colour"),
        (
            ["pix2pix", "--preset", "smoke", "--task", "super_resolution", "--factor", "3"],
            "the factor must be 2 or more and divide 8 and 8, got 3",
        ),
        (["pix2pix", "--preset", "smoke", "--image-size", "9"], "a side of 9 pixels cannot be made"),
        (["cyclegan", "--preset", "smoke", "--image-size", "9"], "sides must be even, so that they can be halved"),
        (["stylegan", "--preset", "smoke", "--truncation", "1.5"], "--truncation must be 0 to 1, got 1.5"),
        (["cgan", "--preset", "smoke", "--wrong-labels", "2"], "the share of wrong labels must be 0 to 1, got 2.0"),
        (
            ["cgan", "--preset", "smoke", "--condition", "text", "--wrong-labels", "0.1"],
            "--wrong-labels needs --condition label",
        ),
    ],
    ids=command_of,
)
def test_impossible_settings_are_refused_before_anything_is_written(words, sentence, sentence_of, empty_folder):
    assert sentence_of(*words).startswith(sentence)
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([*CLASSIFIER, "--batch-size", "0"], "batch"),
        ([*DCGAN, "--width", "0"], "width"),
        ([*DCGAN, "--latent-dim", "0"], "latent"),
        ([*DCGAN, "--samples", "0"], "samples"),
        ([*DCGAN, "--seed", "-1"], "seed"),
        ([*DCGAN, "--seed", "4294967296"], "--seed must be at most 2147482648, got 4294967296"),
        ([*DCGAN, "--learning-rate", "inf"], "--learning-rate must be a finite number, got inf"),
        ([*VAE, "--seconds", "inf"], "--seconds must be a finite number, got inf"),
        ([*DCGAN, "--learning-rate", "0"], "learning"),
        ([*DCGAN, "--learning-rate", "nan"], "learning"),
        ([*DCGAN, "--beta-2", "1"], "beta"),
        ([*DCGAN, "--average-decay", "-0.5"], "average"),
        ([*DCGAN, "--r1-gamma", "-1"], "gamma"),
        (["gan", "--preset", "smoke", "--widths", "8", "0"], "widths"),
        (["wgan", "--preset", "smoke", "--n-critic", "0"], "n-critic"),
        (["wgan", "--preset", "smoke", "--clip", "0"], "clip must be positive"),
        (["wgan", "--preset", "smoke", "--clip", "nan"], "--clip must be a finite number, got nan"),
        (["wgan_gp", "--preset", "smoke", "--penalty-weight", "-1"], "penalty's weight"),
        ([*VAE, "--seconds", "-1"], "seconds"),
        ([*VAE, "--importance-samples", "0"], "importance"),
        ([*VAE, "--prior-components", "-1"], "components"),
    ],
    ids=command_of,
)
def test_numbers_out_of_range_are_refused_before_anything_is_written(words, named, sentence_of, empty_folder):
    assert named in sentence_of(*words)
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize("recipe", [DCGAN, VAE, ("gan", "--preset", "smoke")], ids=["dcgan", "vae", "gan"])
def test_a_loss_that_is_not_finite_stops_the_run_at_once(recipe, sentence_of, empty_folder):
    sentence = sentence_of(*recipe, "--learning-rate", "1e30")
    assert "loss" in sentence and "not finite after step" in sentence and "learning rate" in sentence
    assert int(sentence.split("after step ")[1].split(":")[0]) <= 3  # of nine
    assert checkpoints() == []
    (log,) = empty_folder.rglob("log.csv")
    assert log.read_text().strip() == ""


def test_tensorboard_that_is_not_installed(sentence_of, empty_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert sentence_of(*DCGAN, "--tensorboard") == "--tensorboard needs TensorBoard: pip install tensorboard"
    assert list(empty_folder.iterdir()) == []


def test_pictures_that_cannot_be_read(sentence_of, empty_folder):
    (empty_folder / "own").mkdir()
    for index in range(12):
        Image.fromarray(np.full((8, 8), 20 * index, np.uint8)).save(empty_folder / "own" / f"{index:02}.png")
    (empty_folder / "own" / "05.png").write_bytes(b"no picture")
    assert sentence_of(*DCGAN, "--dataset", "folder:own") == "own/05.png is not a readable picture"


def test_a_vae_of_too_few_pictures_to_show_its_latent_space(sentence_of, empty_folder):
    (empty_folder / "own").mkdir()
    for index in range(19):
        Image.fromarray(np.full((8, 8), 13 * index, np.uint8)).save(empty_folder / "own" / f"{index:02}.png")
    sentence = sentence_of(*VAE, "--dataset", "folder:own", "--batch-size", "7", "--prior-components", "2")
    assert sentence == "the figures of the latent space take 2 test pictures or more: a folder needs 20 pictures"
    assert [path.name for path in empty_folder.iterdir()] == ["own"]


@pytest.mark.parametrize("recipe", ["vae", "autoencoder"])
def test_a_mixture_has_no_more_components_than_it_sees_pictures(recipe, sentence_of, empty_folder, monkeypatch):
    monkeypatch.setattr(importlib.import_module(f"recipes.{recipe}"), "PRIOR_PICTURES", 40)
    assert "the 40 pictures, got 41" in sentence_of(recipe, "--preset", "smoke", "--prior-components", "41")
    assert list(empty_folder.iterdir()) == []  # and nothing was trained


def test_a_classifier_of_one_class(sentence_of, empty_folder):
    (empty_folder / "own").mkdir()
    for index in range(12):
        Image.fromarray(np.full((8, 8), 20 * index, np.uint8)).save(empty_folder / "own" / f"{index:02}.png")
    assert "needs at least two" in sentence_of(*CLASSIFIER, "--dataset", "folder:own")


# --- folders ----------------------------------------------------------------------------------


def test_a_place_that_cannot_be_written(sentence_of, empty_folder):
    (empty_folder / "runs").write_text("in the way")
    assert sentence_of(*DCGAN).startswith("Not a directory: runs/dcgan-")
    assert "in-the-way" in sentence_of(*DCGAN, "--folder", "runs/in-the-way")
    assert contents(empty_folder) == {"runs": b"in the way"}


def test_a_folder_that_exists_is_not_written_to(sentence_of, empty_folder):
    (empty_folder / "mine").mkdir()
    (empty_folder / "mine" / "thesis.txt").write_text("kept")
    assert "mine exists" in sentence_of(*DCGAN, "--folder", "mine")
    assert contents(empty_folder) == {"mine/thesis.txt": b"kept"}


def test_a_folder_that_another_run_has_made_meanwhile(empty_folder):
    from recipes import dcgan, runner

    config = dataclasses.replace(dcgan.PRESETS["smoke"], folder="mine")
    first, second = (runner.start("dcgan", config) for _ in range(2))  # both find no such folder
    first.folder.mkdir()
    (first.folder / "log.csv").write_text("kept")
    with pytest.raises(FileExistsError, match="mine"):
        runner.fit(second, None, None, 1)
    assert contents(empty_folder) == {"mine/log.csv": b"kept"}


def test_runs_that_begin_in_the_same_second_have_their_own_folders():
    from recipes import runner

    assert len({runner.new_folder("dcgan", None) for _ in range(100)}) > 90  # a microsecond is the unit


@pytest.fixture
def dcgan_run(empty_folder):
    """The folder of a DCGAN run that was stopped before its first checkpoint."""
    folder = empty_folder / "stopped"
    folder.mkdir()
    settings = {"recipe": "dcgan", "epochs": 1, "batch_size": 128, "width": 8, "discriminator_width": 8}
    (folder / "config.json").write_text(json.dumps(settings | {"latent_dim": 16, "samples": 400}))
    return folder


def test_resuming_what_is_no_run_of_this_recipe(sentence_of, dcgan_run, empty_folder):
    before = contents(empty_folder)
    assert sentence_of("dcgan", "--resume", "nowhere") == "nowhere is no run folder: it has no readable config.json"
    assert sentence_of("vae", "--resume", "stopped") == "stopped is a run of another recipe than vae"
    sentence = sentence_of("dcgan", "--resume", "stopped", "--preset", "smoke")
    assert sentence == "--resume takes the settings of its run: leave --preset out"
    sentence = sentence_of("dcgan", "--resume", "stopped", "--folder", "other")
    assert sentence == "a resumed run stays in its folder stopped: leave --folder out"
    assert contents(empty_folder) == before


@pytest.mark.parametrize(
    "content",
    [b"{", b"[1, 2]", b"\xff\xfe", b'{"recipe": "dcgan", "colour": 1}'],
)
def test_resuming_with_a_damaged_config(content, sentence_of, dcgan_run, empty_folder):
    (dcgan_run / "config.json").write_bytes(content)
    assert "stopped" in sentence_of("dcgan", "--resume", "stopped")
    assert contents(empty_folder) == {"stopped/config.json": content}


def test_resuming_with_an_impossible_setting_leaves_the_run_as_it_was(sentence_of, dcgan_run, empty_folder):
    before = contents(empty_folder)
    assert "a side of 30 pixels" in sentence_of("dcgan", "--resume", "stopped", "--image-size", "30")
    assert "there is no folder" in sentence_of("dcgan", "--resume", "stopped", "--dataset", "folder:nowhere")
    assert contents(empty_folder) == before


def test_resuming_without_a_readable_checkpoint(sentence_of, dcgan_run, capsys):
    (dcgan_run / "checkpoints").mkdir()
    for epoch in (1, 2):
        damaged = dcgan_run / "checkpoints" / f"epoch_{epoch:05d}.weights.h5"
        damaged.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))  # how an HDF5 file begins
    sentence = sentence_of("dcgan", "--resume", "stopped")
    assert sentence == "no checkpoint in stopped/checkpoints can be read: start again without --resume"
    assert len(checkpoints()) == 2  # they stay
