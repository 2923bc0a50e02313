"""How a benchmark measures cases in turns, and how it prints, saves and draws what it found."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from edge import command
from zoo import hardware

RESULTS = pathlib.Path(__file__).parent / "results"


def run(main, settings, description):
    """Run a benchmark's command line; a mistake is one sentence, and the program ends with code 2.

    Args:
        main: function of the settings.
        settings: class of the settings.
        description: for --help.
    """
    import tyro

    code = command.run(main, tyro.cli(settings, description=description))
    if code:
        sys.exit(code)


def check(config, **least):
    """Refuse numbers that are too small, before anything is measured.

    Args:
        config: settings of a benchmark.
        **least: name of a setting -> the least that it may be; medians and quartiles need two rounds.

    Raises:
        ValueError: one sentence.
    """
    for name, smallest in least.items():
        if not getattr(config, name) >= smallest:
            raise ValueError(f"--{name.replace('_', '-')} must be at least {smallest}, got {getattr(config, name)}")


def interleaved(cases, rounds, repeats=1):
    """Run every case in every round, so that whatever slows the machine slows all of them.

    Args:
        cases: name -> function without arguments that returns when its work is done.
        rounds: how often each case is timed; one more round, the first, warms up and does not count.
        repeats: calls that are timed together.

    Returns:
        Name -> {"seconds": [...], "cpu_seconds": [...]}, a call.
    """
    times = {name: {"seconds": [], "cpu_seconds": []} for name in cases}
    for number in range(rounds + 1):
        for name, work in cases.items():
            wall = time.perf_counter()
            cpu = time.process_time()
            for _ in range(repeats):
                work()
            if number:
                times[name]["seconds"].append((time.perf_counter() - wall) / repeats)
                times[name]["cpu_seconds"].append((time.process_time() - cpu) / repeats)
    return times


def median_and_spread(values):
    """Median, and half the distance between the quartiles."""
    quartiles = statistics.quantiles(values, n=4)
    return statistics.median(values), (quartiles[2] - quartiles[0]) / 2


def peak_memory(module, *words):
    """MB that a process of its own needs at most for `python -m module words`, as Linux counts it; None elsewhere."""
    if not pathlib.Path("/proc/self/status").exists():
        return None
    program = (  # getrusage would start from what this process needs
        "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_module(sys.argv[0], run_name='__main__'); "
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    )
    child = subprocess.run([sys.executable, "-c", program, module, *words], capture_output=True, text=True, check=True)
    return int(child.stdout.split()[-1]) // 1024


def save(name, result, draw, folder=RESULTS):
    """Write <name>.json, with the machine, and the plot.

    Args:
        name: of the benchmark.
        result: what JSON can hold.
        draw: function of a `matplotlib.figure.Figure`.
        folder: for both.
    """
    import matplotlib.figure

    folder.mkdir(parents=True, exist_ok=True)
    result = {"machine": hardware.machine(), "load_at_the_end": os.getloadavg()[0], **result}
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    figure = matplotlib.figure.Figure(figsize=(8, 4), layout="constrained")
    draw(figure)
    figure.savefig(folder / f"{name}.png", dpi=110)
    print(f"\n{result['machine']}\nwritten: {folder / name}.json and .png")
