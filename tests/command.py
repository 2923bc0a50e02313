"""Recipes run by their command lines, in the test's process, and what their runs leave."""

import contextlib
import io

import h5py

from recipes import __main__ as command_line
from zoo import training


def run(folder, *words):
    """Run a command line in this process, from a folder: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command_line.main(list(words))
    return code, out.getvalue(), err.getvalue()


def only_run(folder):
    """The one run folder that a command line run from `folder` has made."""
    (made,) = (folder / "runs").iterdir()
    return made


def checkpoint_of(run_folder, epoch):
    """Every number of a checkpoint, by its path in the file."""
    arrays = {}

    def collect(path, item):
        if isinstance(item, h5py.Dataset):
            arrays[path] = item[()]

    with h5py.File(run_folder / "checkpoints" / f"epoch_{epoch:05d}.weights.h5") as file:
        file.visititems(collect)
    return arrays


def epochs_in_log(run_folder):
    return [int(row["epoch"]) for row in training.read_log(run_folder / "log.csv")]
