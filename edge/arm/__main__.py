"""Compares what exported files make on this machine and on an emulated ARM64 processor, number by number.

    edge/arm/install.sh build/arm                      # an ARM64 Python with LiteRT; make arm does both
    python -m edge.arm build/arm                       # every file in exported/, seeds 0 to 3
    python -m edge.arm build/arm exported/dcgan_mnist  # the files of one folder

qemu-user runs ARM64 programs on this machine: the Python in the folder, and, where aarch64-linux-gnu-gcc is there, the
C program of edge/c with the libLiteRt.so of the ARM64 wheel, for seed 0. Emulated seconds say nothing of a phone's, so
none are printed. Exit code 1 says that a file is further off than it may be.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edge import cards, command, conditions, drawing, runtime

ROOT = Path(__file__).resolve().parent.parent.parent
EMULATOR = ["qemu-aarch64-static", "-cpu", "cortex-a76"]
COMPILER = "aarch64-linux-gnu-gcc"
# Largest difference allowed: float32 sums in another order; a rounding of activations that flips in a quantised file
# moves what follows; integers alone are exact.
ALLOWED = {"fp32": 1e-4, "fp16": 1e-3, "dynamic": 5e-2, "int8": 0.0}


def emulated(folder, words):
    """A command line and its environment variables that run an ARM64 program from an installed folder."""
    root = folder / "root"
    variables = {"PYTHONHOME": str(root / "usr"), "PYTHONPATH": f"{folder / 'packages'}{os.pathsep}{ROOT}"}
    return [*EMULATOR, "-L", str(root), *words], {**os.environ, **variables}


def run(words, environment=None):
    """Runs a program to its end.

    Raises:
        OSError: It failed; the sentence has the last line that it printed.
    """
    child = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if child.returncode != 0:
        reason = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise OSError(f"{Path(words[0]).name} ended with exit code {child.returncode}: {reason}")


def files_of(folders):
    """(model folder, card, precision) of each file on disk."""
    found = []
    for folder, card in folders:
        found += [(folder, card, precision) for precision in cards.precisions_on_disk(folder, card)]
    return found


def compile_program(folder):
    """Builds the C program for ARM64; returns its path, or None where there is no compiler."""
    if shutil.which(COMPILER) is None:
        return None
    library = folder / "packages" / "ai_edge_litert"
    run(["make", "-B", "-C", "edge/c", f"CC={COMPILER}", f"LITERT={library}", f"OUT={folder / 'generate'}"])
    return folder / "generate"


def picture_in_c(folder, program, model):
    """The picture of seed 0 by the emulated C program, as a file's bytes."""
    words = [str(program), str(model.path), "--out", str(folder / "c.pgm")]
    if model.condition is not None:
        numbers = conditions.examples(model.card, 1).reshape(-1).tolist()
        words += ["--condition", ",".join(map(str, numbers))]
    run(*emulated(folder, words))
    with open(folder / "c.pgm", "rb") as file:
        return file.read()


def as_pnm(picture):
    """A picture (H, W, C) as the bytes of a PGM or PPM file, written independently of the C program."""
    height, width, channels = picture.shape
    header = f"P{5 if channels == 1 else 6}\n{width} {height}\n255\n"
    return header.encode() + drawing.to_uint8(picture).tobytes()


def largest_difference(wanted, given):
    """Of two arrays; as a share of the largest number where that is above 1, which pixels are not."""
    return float(np.abs(wanted - given).max() / max(1.0, np.abs(wanted).max()))


def compare(folder, files, seeds):
    """Runs every file here and emulated, and prints a line for each.

    Returns:
        Dictionary from precision to the largest difference, and a list of sentences about files that are too far off.
    """
    paths = [str((each / card["files"][precision]["file"]).resolve()) for each, card, precision in files]
    program = compile_program(folder)
    worst, wrong = {}, []
    with tempfile.TemporaryDirectory() as scratch:
        here, there = Path(scratch) / "here", Path(scratch) / "there"
        here.mkdir()
        there.mkdir()
        words = ["-m", "edge.arm.outputs"]
        run([sys.executable, *words, str(here), str(seeds), *paths])
        python = str(folder / "root" / "usr" / "bin" / "python3.11")
        run(*emulated(folder, [python, *words, str(there), str(seeds), *paths]))
        for number, (path, (_, card, precision)) in enumerate(zip(paths, files, strict=True)):
            wanted, given = (np.load(each / f"{number}.npy") for each in (here, there))
            difference = largest_difference(wanted, given)
            worst[precision] = max(difference, worst.get(precision, 0.0))
            model = runtime.load(path)
            in_c = "-"
            if program is not None and model.main == "generate_from_seed":
                in_c = "same" if picture_in_c(folder, program, model) == as_pnm(given[0]) else "differs"
            name = f"{card['name']} {precision}"
            print(f"{name:<55} {difference:9.2g}   {in_c}", flush=True)
            if not difference <= ALLOWED[precision]:
                wrong.append(f"{name}: {difference:.2g}, at most {ALLOWED[precision]:g} is accepted")
            if in_c == "differs":
                wrong.append(f"{name}: the C program's picture is not that of Python")
    return worst, wrong


def work(argv):
    """Does what the command line asks for; returns 1 when files differ too much."""
    parser = command.Parser(
        prog="python -m edge.arm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="where edge/arm/install.sh has put the ARM64 Python")
    parser.add_argument("models", nargs="*", help="names or folders of models (default: all in exported/)")
    parser.add_argument("--seeds", type=int, default=4, help="how many, from 0")
    options = parser.parse_args(argv)
    folder = Path(options.folder).resolve()
    runtime.check_seeds(0, options.seeds)
    if not (folder / "packages").is_dir():
        raise ValueError(f"{options.folder} has no ARM64 Python: edge/arm/install.sh {options.folder} puts it there")
    found = [cards.find(name) for name in options.models]
    folders = [(each, cards.read_card(each)) for each in found] or runtime.list_models()
    print(f"{'file':<55} {'largest':>9}   C program's picture\n{'':<55} {'difference':>9}")
    worst, wrong = compare(folder, files_of(folders), options.seeds)
    print(f"\nlargest of all: {', '.join(f'{precision} {value:.2g}' for precision, value in worst.items())}")
    for sentence in wrong:
        print(f"error: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


def main(argv=None):
    """Runs the command line and returns the exit code: 0, 1 when files differ too much, 2 after a mistake."""
    return command.run(work, argv)


if __name__ == "__main__":
    sys.exit(main())
