"""Runs that are stopped, killed or damaged, and go on as if nothing had happened."""

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import checkpoint_of, epochs_in_log, only_run, run

from zoo import training

ROOT = Path(__file__).resolve().parent.parent
SMOKE_DCGAN = ("dcgan", "--preset", "smoke")
LONGEST_LIFE = 8.0  # seconds from the start of a run to its kill

pytestmark = pytest.mark.usefixtures("no_int8")


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory):
    """The run folder of an uninterrupted DCGAN of two epochs, with a checkpoint of each."""
    folder = tmp_path_factory.mktemp("two_epochs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DYING", "fp32 int8")
        run(folder, *SMOKE_DCGAN, "--epochs", "2")
    return only_run(folder)


def assert_same_checkpoint(one, other):
    assert one.keys() == other.keys() and len(one) > 20
    for path, array in one.items():
        np.testing.assert_array_equal(array, other[path], err_msg=path)


def test_a_resumed_run_repeats_the_uninterrupted_one_to_the_bit(two_epochs, tmp_path, no_converter):
    copy = Path(shutil.copytree(two_epochs, tmp_path / "run"))
    (copy / "checkpoints" / "epoch_00002.weights.h5").unlink()  # as if it had been killed in the second epoch
    code, out, err = run(tmp_path, "dcgan", "--resume", "run")
    assert "resumed after epoch 1 of 2" in out
    assert (code, err.count("\n")) == (2, 1) and "converter" in err  # training survives an export that fails
    expected = checkpoint_of(two_epochs, 2)
    assert any("generator_average" in path for path in expected)
    assert any("optimizer" in path for path in expected) and any("random_state" in path for path in expected)
    assert_same_checkpoint(checkpoint_of(copy, 2), expected)
    first = checkpoint_of(two_epochs, 1)
    assert any(not np.array_equal(array, expected[path]) for path, array in first.items())
    assert epochs_in_log(copy) == [1, 2]
    losses = [
        [row | {"seconds": None} for row in training.read_log(folder / "log.csv")] for folder in (copy, two_epochs)
    ]
    assert losses[0] == losses[1]


def test_a_damaged_checkpoint_costs_an_epoch_and_changes_nothing(two_epochs, tmp_path, no_converter):
    copy = Path(shutil.copytree(two_epochs, tmp_path / "run"))
    newest = copy / "checkpoints" / "epoch_00002.weights.h5"
    newest.write_bytes(newest.read_bytes()[:10_000])
    code, out, err = run(tmp_path, "dcgan", "--resume", "run")
    assert (code, err.count("\n")) == (2, 1)
    assert "epoch_00002.weights.h5 is damaged" in out and "resumed after epoch 1 of 2" in out
    assert_same_checkpoint(checkpoint_of(copy, 2), checkpoint_of(two_epochs, 2))
    assert epochs_in_log(copy) == [1, 2]


def test_a_run_without_its_log_is_left_as_it_is(two_epochs, tmp_path):
    copy = Path(shutil.copytree(two_epochs, tmp_path / "run"))
    (copy / "log.csv").unlink()
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    code, _, err = run(tmp_path, "dcgan", "--resume", "run", "--epochs", "3")
    sentence = "error: run/log.csv lacks some of the 2 finished epochs: start again without --resume\n"
    assert (code, err) == (2, sentence)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("content", [b"epoch,seconds\n1\n", b"epoch,loss\n1,2\n", b"epoch,seconds\n1,\xff\n"])
def test_a_damaged_log_is_a_sentence(content, tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path} is damaged: start again without --resume$"):
        training.EpochLog(path, finished=1)
    assert path.read_bytes() == content


def test_a_run_killed_after_its_last_checkpoint_lacks_nothing(two_epochs, tmp_path, no_converter):
    copy = Path(shutil.copytree(two_epochs, tmp_path / "run"))
    (copy / "samples.gif").unlink()  # the last that training writes
    run(tmp_path, "dcgan", "--resume", "run")
    assert (copy / "samples.gif").read_bytes() == (two_epochs / "samples.gif").read_bytes()
    assert_same_checkpoint(checkpoint_of(copy, 2), checkpoint_of(two_epochs, 2))


def test_a_finished_run_goes_on_with_more_epochs(tmp_path):
    code, _, err = run(tmp_path, "classifier", "--preset", "smoke", "--folder", "run")
    assert code == 0, err
    copy = tmp_path / "run"
    code, out, err = run(tmp_path, "classifier", "--resume", "run", "--epochs", "2")
    assert code == 0, err
    assert "resumed after epoch 1 of 2" in out
    assert epochs_in_log(copy) == [1, 2]
    seconds = [float(row["seconds"]) for row in training.read_log(copy / "log.csv")]
    assert seconds[1] > seconds[0] > 0  # they go on from those of the first part
    assert json.loads((copy / "config.json").read_text())["epochs"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["run"]  # no second run folder


def test_seconds_stop_after_the_epoch_in_which_they_are_over(tmp_path):
    code, _, err = run(tmp_path, "classifier", "--preset", "smoke", "--epochs", "50", "--seconds", "0")
    assert code == 0, err
    assert epochs_in_log(only_run(tmp_path)) == [1]
    card = json.loads((only_run(tmp_path) / "evaluator" / "digits.json").read_text())
    assert card["training"]["epochs"] == 1
    code, _, err = run(tmp_path, "classifier", "--resume", str(only_run(tmp_path)))
    assert code == 0, err
    assert epochs_in_log(only_run(tmp_path)) == [1]  # they were over


def test_control_c_leaves_a_run_that_can_be_resumed(tmp_path, no_converter):
    program = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job of a shell begins without
        "from recipes.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", program, *SMOKE_DCGAN, "--epochs", "3000"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"}
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True)
    try:
        while child.poll() is None and not list(tmp_path.glob("runs/*/checkpoints/epoch_*.weights.h5")):
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate()
    finally:
        child.kill()
    run_folder = only_run(tmp_path)
    assert child.returncode == 2, err
    assert err == f"error: stopped; go on with: python -m recipes dcgan --resume runs/{run_folder.name}\n"
    newest = int(training.checkpoints(run_folder / "checkpoints")[0].name[6:11])
    assert all(np.isfinite(array).all() for array in checkpoint_of(run_folder, newest).values())
    words = shlex.split(err.split("python -m recipes ")[1])
    code, out, _ = run(tmp_path, *words, "--epochs", str(newest + 1))
    assert code == 2  # no converter
    assert f"resumed after epoch {newest} of {newest + 1}" in out
    assert epochs_in_log(run_folder) == list(range(1, newest + 2))


# --- killed at random moments -----------------------------------------------------------------


def start(folder, *words):
    """A recipe in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "recipes", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_while_a_checkpoint_is_written(child, run_folder):
    before = training.checkpoints(run_folder / "checkpoints")[:1]
    while child.poll() is None:
        after = training.checkpoints(run_folder / "checkpoints")[:1]
        if after != before and (run_folder / "checkpoints" / "unfinished.weights.h5").exists():
            break  # an epoch later, so that a run that is killed this way moves on
    child.kill()


def kill_within(child, seconds):
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(timeout=seconds)
    child.kill()


def everything(run_folder, epoch):
    """What a run of so many epochs has left, times aside."""
    log = [row | {"seconds": None} for row in training.read_log(run_folder / "log.csv")]
    grids = {path.name: path.read_bytes() for path in (run_folder / "samples").iterdir()}
    return log, grids, checkpoint_of(run_folder, epoch)


def check_kills(recipe, kills, epochs, tmp_path):
    """A run that is killed so many times ends as one that is not."""
    moments = random.Random(kills)
    words = (recipe, "--preset", "smoke", "--epochs", str(epochs))
    whole = start(tmp_path, *words, "--folder", "whole")
    assert whole.wait() == 2 and "converter" in whole.communicate()[1]
    killed = start(tmp_path, *words, "--folder", "killed")
    for number in range(kills):
        while not (tmp_path / "killed" / "config.json").exists():
            assert killed.poll() is None, killed.communicate()[1]
        if number % 2 == 0:
            kill_while_a_checkpoint_is_written(killed, tmp_path / "killed")
        else:
            kill_within(killed, moments.uniform(0.0, LONGEST_LIFE))
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL
        finished = len(training.checkpoints(tmp_path / "killed" / "checkpoints"))
        assert 1 <= finished <= training.KEPT_CHECKPOINTS
        killed = start(tmp_path, recipe, "--resume", "killed")
    out, err = killed.communicate()
    assert "resumed after epoch" in out and "converter" in err
    log, grids, numbers = everything(tmp_path / "killed", epochs)
    expected_log, expected_grids, expected_numbers = everything(tmp_path / "whole", epochs)
    assert log == expected_log and len(log) == epochs
    assert grids == expected_grids and len(grids) == epochs
    assert_same_checkpoint(numbers, expected_numbers)
    names = sorted(path.name for path in (tmp_path / "killed" / "checkpoints").iterdir())
    assert names == [f"epoch_{epoch:05d}.weights.h5" for epoch in (epochs - 1, epochs)]


def test_two_kills_change_nothing(tmp_path, no_converter):
    check_kills("dcgan", 2, 40, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["dcgan", "vae"])
def test_ten_kills_change_nothing(recipe, tmp_path, no_converter):
    check_kills(recipe, 10, 120, tmp_path)
