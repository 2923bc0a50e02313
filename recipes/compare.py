"""Train several GANs under the same conditions and rank them, at equal seconds and at equal steps of the generator.

    python -m recipes compare gan dcgan wgan wgan_gp    # 8x8 digits, three seeds, 60 s each
    python -m recipes compare dcgan wgan_gp --preset fashion_mnist --seeds 0 1

Each recipe runs in a process of its own, one after the other, seed by seed, at a constant learning rate. After every
epoch a few pictures are scored against the validation split; scoring is not counted. Between two epochs the FID is
interpolated. The first, on one core of an AMD EPYC, 31 minutes in all with scoring and export:

    FID, 3 seeds       after 60 s           after 3,819 steps of the generator
    wgan       0.43 (0.38 to 0.48)                         0.45 (0.41 to 0.49)
    gan        0.48 (0.44 to 0.52)                         0.47 (0.44 to 0.49)
    dcgan      0.56 (0.42 to 0.69)                         0.59 (0.43 to 0.72)
    wgan_gp    0.58 (0.56 to 0.61)                         0.59 (0.53 to 0.63)

The 8x8 digits are too easy to rank them: the spread over seeds is as large as the differences.
"""

from dataclasses import dataclass

import tyro

KIND = "walkthrough"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the walk-through."""

    models: tyro.conf.Positional[tuple[str, ...]] = ("gan", "dcgan", "wgan", "wgan_gp")
    """Recipes to compare."""
    recipe_preset: str = "digits"
    """Preset of the recipes."""
    seconds: float = 60.0
    """Of training, each."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One training each."""
    watch: int = 1000
    """Pictures that are scored after each epoch."""
    precision: str = "float32"
    """Of the recipes."""
    folder: str = "runs/compare"
    """Gets a folder for each training, compare.json and compare.png."""


PRESETS = {
    "digits": Config(),
    "smoke": Config(models=("dcgan", "wgan"), recipe_preset="smoke", seconds=1.0, seeds=(0,), watch=50),
    "fashion_mnist": Config(recipe_preset="fashion_mnist", seconds=300.0, precision="mixed_bfloat16"),
}


def run(config):
    """Train, rank, draw."""
    import importlib.util
    import pathlib

    import numpy as np

    from zoo import export, tables

    unknown = [name for name in config.models if importlib.util.find_spec(f"recipes.{name}") is None]
    if unknown:
        raise ValueError(f"there is no recipe {unknown[0]!r}: `python -m recipes` lists them")
    if not (config.seconds > 0 and config.watch >= 1 and config.models and config.seeds):
        raise ValueError("--seconds and --watch must be positive, and there must be models and seeds")
    folder = pathlib.Path(config.folder)
    curves = {name: [] for name in config.models}
    for seed in config.seeds:
        for name in config.models:
            curves[name].append(train(name, config, seed, folder / f"{name}-{seed}"))
            last = {key: values[-1] for key, values in curves[name][-1].items()}
            print(f"{name}, seed {seed}: {last}", flush=True)

    boards = {}
    for unit in ("seconds", "steps"):
        end = min(curve[unit][-1] for each in curves.values() for curve in each)
        rows = {}
        for name, each in curves.items():
            fids = [float(np.interp(end, curve[unit], curve["fid"])) for curve in each]
            rows[name] = {"FID, mean": np.mean(fids).item(), "lowest": min(fids), "highest": max(fids)}
        boards[unit] = {"at": end, "table": dict(sorted(rows.items(), key=lambda row: row[1]["FID, mean"]))}
        what = "seconds" if unit == "seconds" else "steps of the generator"
        tables.print_scores(f"After {end:.0f} {what}, {len(config.seeds)} seeds", boards[unit]["table"])
    export.write_json(folder / "compare.json", {"preset": config.recipe_preset, **boards, "curves": curves})
    _draw(curves, folder / "compare.png")
    print(f"written: {folder / 'compare.json'}, {folder / 'compare.png'}")


def train(name, config, seed, folder):
    """Run one recipe.

    Returns:
        Lists, a number an epoch: seconds of training, steps of the generator, fid.
    """
    import json
    import subprocess
    import sys

    from zoo import training
    from zoo.datasets import images

    words = ["--preset", config.recipe_preset, "--seconds", str(config.seconds), "--epochs", "100000"]
    words += ["--seed", str(seed), "--watch", str(config.watch), "--precision", config.precision]
    command = [sys.executable, "-m", "recipes", name, *words, "--folder", str(folder)]
    child = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if child.returncode != 0:
        lines = child.stderr.strip().splitlines() or [f"exit code {child.returncode}"]
        raise ValueError(f"{name}, seed {seed}: {lines[-1].removeprefix('error: ')}")
    settings = json.loads((folder / "config.json").read_text())
    data = images.load(settings["dataset"], settings["image_size"], settings["channels"])
    steps = images.steps_per_epoch(data.train, settings["batch_size"] * settings.get("n_critic", 1))
    log, scores = training.read_log(folder / "log.csv"), training.read_log(folder / "scores.csv")
    return {
        "seconds": [float(row["seconds"]) for row in log],
        "steps": [steps * int(row["epoch"]) for row in log],
        "fid": [float(row["fid"]) for row in scores],
    }


def _draw(curves, path):
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(9, 3.6), layout="constrained")
    for axes, unit in zip(figure.subplots(1, 2, sharey=True), ("seconds", "steps"), strict=True):
        for index, (name, each) in enumerate(curves.items()):
            for curve in each:
                label = name if curve is each[0] else None
                axes.plot(curve[unit], curve["fid"], color=f"C{index}", label=label, alpha=0.8)
        axes.set(xlabel="seconds of training" if unit == "seconds" else "steps of the generator", yscale="log")
        axes.grid(alpha=0.3)
    axes.legend()
    figure.axes[0].set_ylabel("FID, validation split")
    figure.savefig(path, dpi=110)
