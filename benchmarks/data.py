"""Pictures a second that each loader feeds, and the share of a training step that this takes.

    python -m benchmarks.data
    TFDS_DATA_DIR=... python -m benchmarks.data --datasets digits mnist fashion_mnist

The share is that of the loader's own time in a step of the zoo's DCGAN on the same pictures, as if nothing overlapped;
in training it is prepared while the step before is computed.
"""

import pathlib
import tempfile
from dataclasses import dataclass

from benchmarks import report


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark."""

    datasets: tuple[str, ...] = ("digits", "folder")
    """digits, image sets of TensorFlow Datasets, and folder: 500 PNG files of 28x28 that the benchmark writes."""
    batch_size: int = 32
    """Pictures a batch."""
    rounds: int = 15
    """Times that each case is measured."""
    batches: int = 50
    """Batches that are measured together."""


def load(name):
    """The training pictures of a data set; "folder" writes its files first."""
    import numpy as np
    from PIL import Image

    from zoo.datasets import images

    if name != "folder":
        return images.load(name).train
    with tempfile.TemporaryDirectory() as folder:
        for number, picture in enumerate(np.random.default_rng(0).integers(0, 256, (500, 28, 28), np.uint8)):
            Image.fromarray(picture).save(pathlib.Path(folder) / f"{number:03}.png")
        return images.load(f"folder:{folder}").train


def make_cases(config):
    """Case -> function that fetches one batch, or makes one step on it."""
    import keras

    from zoo.datasets import images
    from zoo.gans import dcgan

    cases = {}
    for name in config.datasets:
        split = load(name)
        batches = iter(images.training_batches(split, config.batch_size, seed=0))
        model = dcgan.DCGAN(split.images.shape[1:], 64, 32, 32, seed=0)
        model.compile(keras.optimizers.Adam(8e-4), keras.optimizers.Adam(8e-4))
        model.make_train_function()
        repeated = iter(images.training_batches(split, config.batch_size, seed=1).take(1).cache().repeat())
        cases[name, "data"] = lambda batches=batches: next(batches)[0].numpy()
        cases[name, "step"] = lambda model=model, batches=repeated: float(model.train_function(batches)["d_loss"])
    return cases


def main(config):
    """Measure, print, save."""
    from zoo import tables

    report.check(config, rounds=2, batches=1)
    times = report.interleaved(make_cases(config), config.rounds, config.batches)
    rows = {}
    for name in config.datasets:
        data, spread = report.median_and_spread(times[name, "data"]["seconds"])
        step, _ = report.median_and_spread(times[name, "step"]["seconds"])
        rows[name] = {
            "images/s": round(config.batch_size / data),
            "spread %": round(100 * spread / data, 1),
            "ms a batch": round(1000 * data, 3),
            "ms a step": round(1000 * step, 2),
            "share %": round(100 * data / step, 2),
        }
    tables.print_scores(f"Loaders, batch {config.batch_size}", rows)

    def draw(figure):
        axes = figure.subplots()
        axes.barh(list(rows), [row["images/s"] for row in rows.values()])
        axes.set_xlabel("images/s")

    report.save("data", {"batch_size": config.batch_size, **rows}, draw)


if __name__ == "__main__":
    report.run(main, Config, __doc__)
