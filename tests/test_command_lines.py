"""What all command lines share: Ctrl-C, a full disk or memory, and a reader that has seen enough are no traceback."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge import __main__ as edge_command
from edge import benchmark, command
from edge.arm import __main__ as arm
from edge.web import __main__ as web

ROOT = Path(__file__).resolve().parent.parent
LISTS = [["edge"], ["edge.benchmark", "--ladder"], ["recipes"]]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs pipes and signals as Unix has them")


def start(words, stdout):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    words = [sys.executable, "-m", *words]
    return subprocess.Popen(words, stdout=stdout, stderr=subprocess.PIPE, cwd=ROOT, env=environment)


@pytest.mark.parametrize("words", [*LISTS, ["edge", "dcgan_mnist", "--card"], ["recipes", "dcgan", "--help"]])
def test_a_reader_that_has_seen_enough_is_no_error(words):
    program = start(words, subprocess.PIPE)
    program.stdout.close()
    assert (program.stderr.read(), program.wait()) == (b"", 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
@pytest.mark.parametrize("words", [*LISTS, ["edge", "--help"], ["recipes", "compare", "--help"]])
def test_a_full_disk_is_a_sentence(words):
    """Whether it is noticed on the way, or when Python empties its buffers at the end."""
    with open("/dev/full", "w") as full:
        program = start(words, full)
        assert program.stderr.read() == b"error: [Errno 28] No space left on device\n"
        assert program.wait() == 2


@pytest.mark.parametrize("main", [edge_command.main, benchmark.main, arm.main, web.main])
def test_control_c_is_a_sentence(main, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", interrupted)
    assert main([]) == 2
    assert capsys.readouterr() == ("", "error: stopped\n")


def test_control_c_while_files_are_made_again(tmp_path):
    os.mkfifo(tmp_path / "card.json")  # who reads it waits
    program = (
        "import runpy, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job of a shell begins without
        "runpy.run_module('zoo.export', run_name='__main__')\n"
    )
    words = [sys.executable, "-c", program, "remake", str(tmp_path)]
    child = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with open(tmp_path / "card.json", "w"):  # waits until the program reads
        child.send_signal(signal.SIGINT)
        assert child.communicate() == (b"", b"error: stopped\n")
    assert child.returncode == 2


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "there is no memory left"),
        (MemoryError("Unable to allocate 9 TiB"), "Unable to allocate 9 TiB"),
        (OverflowError("bind(): port must be 0-65535."), "bind(): port must be 0-65535."),
        (ValueError("count must be at least 1, got 0"), "count must be at least 1, got 0"),
    ],
)
def test_mistakes_are_a_sentence(error, sentence, capsys):
    def work(words):
        print("begun", words)
        raise error

    assert command.run(work, "here") == 2
    assert capsys.readouterr() == ("begun here\n", f"error: {sentence}\n")


def test_the_exit_code_is_that_of_the_work():
    assert [command.run(int, number) for number in (0, 1, 2)] == [0, 1, 2]
    assert command.run(print) == 0


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        command.run(lambda: 1 / 0)
