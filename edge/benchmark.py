"""Measures every precision of an exported model on this machine.

Run it from the folder that holds `edge/`:

    python -m edge.benchmark dcgan_fashion_mnist --threads 1 2 --runs 200 --json speed.json

For each file and thread count: size, time to load (card, sha256, interpreter), time of the first
picture (LiteRT plans memory and packs weights then), latency of one picture (median, 90th
and 99th percentile), pictures per second through `generate_batch`, and the peak memory of the whole
process, Python included.

Each measurement runs in a fresh process, so that no file profits from another's warm caches or
carries its memory. Other programs disturb measurements for seconds at a time; so all rows are
measured in turn, three times over, and the table has the median of the three.

    python -m edge.benchmark --ladder             # measures nothing: quality, size and latency that the cards have
    python -m edge.benchmark --ladder --plot      # and draws them: ladder.svg beside each card
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from edge import cards, command, ladder, ladder_plot, runtime

ROUNDS = 3
WARM_UP_RUNS = 5
COLUMNS = {
    "precision": "{}",
    "threads": "{}",
    "file_kb": "{:,.0f}",
    "load_ms": "{:.1f}",
    "first_ms": "{:.1f}",
    "median_ms": "{:.3f}",
    "p90_ms": "{:.3f}",
    "p99_ms": "{:.3f}",
    "batch_per_s": "{:,.0f}",
    "peak_mb": "{:.0f}",
}


def peak_megabytes():
    """Returns the largest memory this process has had, in MB.

    On Linux the kernel's VmHWM: `getrusage` there still counts the parent process, whose peak a
    child inherits when it is started.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024 / 1e6
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else peak * 1024) / 1e6


def milliseconds(function, *arguments):
    """Calls a function and returns how long it took."""
    start = time.perf_counter()
    function(*arguments)
    return 1000 * (time.perf_counter() - start)


def measure(path, threads, runs):
    """Measures one file in this process.

    Args:
        path: A `.tflite` file.
        threads: CPU threads.
        runs: Number of timed pictures.

    Returns:
        Dictionary with a number for each measured column; `batch_per_s` is None where the file has
        no `generate_batch`.
    """

    def run(signature):
        return model.run(signature, **inputs)

    start = time.perf_counter()
    model = runtime.load(path, threads=threads)
    load_ms = 1000 * (time.perf_counter() - start)
    inputs = model.zeros()
    first_ms = milliseconds(run, model.main)
    for _ in range(WARM_UP_RUNS):
        run(model.main)
    latencies = [milliseconds(run, model.main) for _ in range(runs)]
    median_ms, p90_ms, p99_ms = np.percentile(latencies, [50, 90, 99]).tolist()
    batch_per_s = None
    if "generate_batch" in model.signatures:
        size = len(run("generate_batch")["image"])
        batches = [milliseconds(run, "generate_batch") for _ in range(max(ROUNDS, runs // size))]
        batch_per_s = 1000 * size / statistics.median(batches)
    return {
        "load_ms": load_ms,
        "first_ms": first_ms,
        "median_ms": median_ms,
        "p90_ms": p90_ms,
        "p99_ms": p99_ms,
        "batch_per_s": batch_per_s,
        "peak_mb": peak_megabytes(),
    }


def measure_in_fresh_process(path, threads, runs):
    """Calls `measure` in a new Python process and returns what it returned."""
    program = (
        "import json, sys; from edge import benchmark; print(json.dumps(benchmark.measure(*json.loads(sys.argv[1]))))"
    )
    arguments = json.dumps([str(Path(path).resolve()), threads, runs])
    child = subprocess.run(
        [sys.executable, "-c", program, arguments],
        cwd=Path(__file__).resolve().parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode != 0:
        reason = (child.stderr.splitlines() or ["no message"])[-1]
        raise OSError(f"measuring {path} failed with exit code {child.returncode}: {reason}")
    return json.loads(child.stdout.splitlines()[-1])


def find_models(name_or_path, precisions):
    """Opens each file that shall be measured once, so that mistakes are found before the work."""
    path = cards.find(name_or_path)
    if path.is_dir() and not precisions:
        precisions = cards.precisions_on_disk(path, cards.read_card(path))
        if not precisions:
            hint = cards.remake_hint(path)
            raise ValueError(f"{path} has no .tflite file on disk: {hint} makes them")
    models = [runtime.load(name_or_path, precision) for precision in precisions or [None]]
    for model in models:
        model.signature(model.main)
    return models


def benchmark(models, thread_counts, runs):
    """Measures all files with all thread counts, interleaved.

    Returns:
        A list of rows, one dictionary with the keys of `COLUMNS` for each file and thread count.
    """
    jobs = [(model, threads) for model in models for threads in thread_counts]
    rounds = []
    for _ in range(ROUNDS):
        rounds.append([measure_in_fresh_process(job[0].path, job[1], runs) for job in jobs])
    rows = []
    for (model, threads), repeats in zip(jobs, zip(*rounds, strict=True), strict=True):
        row = {"precision": model.precision, "threads": threads}
        row["file_kb"] = model.path.stat().st_size / 1000
        for key in repeats[0]:
            values = [repeat[key] for repeat in repeats]
            row[key] = None if None in values else statistics.median(values)
        rows.append(row)
    return rows


def machine():
    """Describes what the numbers were measured on."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        cpu = names[0] if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "ai_edge_litert": importlib.metadata.version("ai-edge-litert"),
    }


def table(rows):
    """Formats rows as aligned lines of text."""
    cells = [list(COLUMNS)]
    for row in rows:
        formats = COLUMNS.items()
        cells.append(["-" if row[key] is None else form.format(row[key]) for key, form in formats])
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    lines = []
    for line in cells:
        lines.append("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    return "\n".join(lines)


def write_text(path, content):
    """Writes a file by way of a temporary name."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.unfinished")
    try:
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def show_ladder(name_or_path, plot):
    """Prints the ladder of a model, or of every model in `exported/`; draws it beside the card where `plot`."""
    if name_or_path is None:
        models = runtime.list_models()
    else:
        path = cards.find(name_or_path)
        folder = path if path.is_dir() else path.parent
        models = [(folder, cards.read_card(folder))]  # the card inside a file knows nothing of the others
    print(ladder.table([card for _, card in models]), flush=True)
    for folder, card in models:
        drawn = ladder_plot.plot(card) if plot else None
        if drawn:
            write_text(folder / ladder_plot.FILE, drawn)


def make_parser():
    """Describes the command line."""
    parser = command.Parser(
        prog="python -m edge.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", nargs="?", help="a name, a folder with card.json, or a .tflite file")
    parser.add_argument("--precision", nargs="+", help="precisions (default: all on disk)")
    parser.add_argument("--threads", nargs="+", type=int, default=[1], help="CPU threads")
    parser.add_argument("--runs", type=int, default=200, help="timed pictures in each round")
    parser.add_argument("--ladder", action="store_true", help="print what the cards say of every precision")
    parser.add_argument("--plot", action="store_true", help="with --ladder: draw it, ladder.svg beside the card")
    parser.add_argument("--json", help="also write the numbers to this file")
    return parser


def work(argv):
    """Does what the command line asks for."""
    options = make_parser().parse_args(argv)
    if options.plot and not options.ladder:
        raise ValueError("--plot draws the ladder: give --ladder too")
    if options.ladder:
        show_ladder(options.model, options.plot)
        return
    if options.model is None:
        raise ValueError("a model is needed (see --help)")
    if options.runs < 1:
        raise ValueError(f"runs must be at least 1, got {options.runs}")
    for threads in options.threads:
        runtime.check_threads(threads)
    if options.json and not Path(options.json).parent.is_dir():
        raise ValueError(f"the folder {Path(options.json).parent} does not exist: make it")
    if options.json and Path(options.json).is_dir():
        raise ValueError(f"{options.json} is a folder: give the name of a file in it")
    models = find_models(options.model, options.precision)
    rows = benchmark(models, options.threads, options.runs)
    here = machine()
    print(f"{models[0].name} on {here['cpu']}, {here['cores']} cores, {here['system']},")
    print(f"Python {here['python']}, ai-edge-litert {here['ai_edge_litert']}")
    print(table(rows))
    if options.json:
        content = {"model": models[0].name, "machine": here, "rounds": ROUNDS}
        content |= {"runs": options.runs, "rows": rows}
        write_text(options.json, json.dumps(content, indent=2) + "\n")


def main(argv=None):
    """Runs the command line and returns the exit code: 0, or 2 after a mistake of the user."""
    return command.run(work, argv)


if __name__ == "__main__":
    sys.exit(main())
