"""Whether a recipe comes out as well in bfloat16 as in float32: both precisions, several seeds, in turns.

    python -m benchmarks.precision                      # dcgan and vae on the digits, 3 seeds: 12 trainings
    python -m benchmarks.precision --recipes dcgan --preset fashion_mnist

A difference counts where the means are further apart than the seeds of one precision are among themselves.
"""

import csv
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from benchmarks import report


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark."""

    recipes: tuple[str, ...] = ("dcgan", "vae")
    """Which are trained."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One training each, in each precision."""
    preset: str = "digits"
    """Of the recipes."""


PRECISIONS = ("float32", "mixed_bfloat16")


def train(recipe, preset, precision, seed):
    """Scores of the exported fp32 file, and the losses of the last epoch."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "run"
        words = ["--preset", preset, "--precision", precision, "--seed", str(seed), "--folder", folder]
        child = subprocess.run([sys.executable, "-m", "recipes", recipe, *words], capture_output=True, text=True)
        if child.returncode:
            raise ValueError(f"{recipe} ended with code {child.returncode}: {child.stderr.strip()}")
        card = json.loads((folder / "export" / "card.json").read_text())
        quality = card["files"]["fp32"]["quality"]
        with open(folder / "log.csv", newline="") as file:
            losses = list(csv.DictReader(file))[-1]
    del losses["epoch"], losses["seconds"]
    scores = {name: quality[name] for name in ("fid", "precision", "recall")}
    return {**scores, **{name: float(value) for name, value in losses.items()}}


def main(config):
    """Train, print, save."""
    from zoo import tables

    results = {}
    for recipe in config.recipes:
        runs = {precision: [] for precision in PRECISIONS}
        for seed in config.seeds:
            for precision in PRECISIONS:
                runs[precision].append(train(recipe, config.preset, precision, seed))
                print(f"{recipe} {precision} seed {seed}: {runs[precision][-1]}", flush=True)
        rows = {}
        for precision, each in runs.items():
            rows[f"{precision}, mean"] = {name: statistics.mean(run[name] for run in each) for name in each[0]}
            rows[f"{precision}, spread"] = {
                name: max(run[name] for run in each) - min(run[name] for run in each) for name in each[0]
            }
        tables.print_scores(f"{recipe}, seeds {', '.join(map(str, config.seeds))}", rows)
        results[recipe] = {"runs": runs, "table": rows}

    def draw(figure):
        for axes, recipe in zip(figure.subplots(1, len(results), squeeze=False)[0], results, strict=True):
            for precision, runs in results[recipe]["runs"].items():
                axes.plot([precision] * len(runs), [run["fid"] for run in runs], "o")
            axes.margins(x=0.3)
            axes.set_title(recipe)
            axes.set_ylabel("FID")
            axes.set_ylim(0)

    report.save("precision", {"preset": config.preset, **results}, draw)


if __name__ == "__main__":
    report.run(main, Config, __doc__)
