"""FID against seconds: three models of the zoo beside three widely used examples, from the same start of the clock.

    TFDS_DATA_DIR=... python -m benchmarks.quality_per_second --dataset fashion_mnist --seconds 200
    TFDS_DATA_DIR=... python -m benchmarks.quality_per_second --dataset mnist --seconds 600 --scores 3 --seeds 0 1 2
    TFDS_DATA_DIR=... python -m benchmarks.quality_per_second --contenders "zoo DCGAN" --seeds 3 --add

Every contender trains in a process of its own, one after the other, seed by seed. The clock starts with the process:
imports, reading the data and tracing count, scoring does not (10,000 pictures, the pinned evaluator, against the
validation split). The zoo's models train as their recipes do, at a constant rate, in bfloat16 where --precision says
so; the VAE's mixture prior is fitted before each score, and that counts. The conditional models are sampled with labels
that are drawn evenly.
"""

import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Literal

from benchmarks import report
from zoo import hardware

CONTENDERS = ("zoo DCGAN", "zoo VAE", "zoo cGAN", "keras.io cGAN", "keras.io WGAN-GP", "PyTorch-GAN DCGAN")


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark."""

    dataset: str = "fashion_mnist"
    """A set that has an evaluator."""
    seconds: float = 200.0
    """Budget of each contender."""
    scores: int = 4
    """How often each is scored, evenly over the budget."""
    seeds: tuple[int, ...] = (0,)
    """One training each."""
    precision: Literal["float32", "mixed_bfloat16"] = "mixed_bfloat16"
    """Of the zoo's models; the examples are float32, as they are published."""
    contenders: tuple[str, ...] = CONTENDERS
    """Who takes part."""
    add: bool = False
    """Keep the trainings that the results have, which are to be of this machine, and add these."""
    folder: pathlib.Path = report.RESULTS
    """Where the results are written."""
    contender: str | None = None
    """Train this one here, and print a line of JSON a score: what the processes do."""
    began: float | None = None
    """When the process was started, in seconds of `time.time`."""


class Zoo:
    """A model of the zoo, with the settings of its recipe."""

    def __init__(self, name, dataset, data, precision, seed):
        import importlib

        import keras

        self.data = data
        self.recipe = importlib.import_module(f"recipes.{name}")
        self.config = config = dataclasses.replace(self.recipe.PRESETS[dataset], seed=seed)
        self.batch_size = config.batch_size
        keras.config.set_dtype_policy(precision)
        if name == "dcgan":
            from zoo.gans import dcgan

            self.model = dcgan.DCGAN(
                data.image_shape,
                config.latent_dim,
                config.width,
                config.discriminator_width,
                config.r1_gamma,
                average_decay=config.average_decay,
                seed=seed,
            )
            adam = [keras.optimizers.Adam(config.learning_rate, config.beta_1, config.beta_2) for _ in range(2)]
            self.model.compile(*adam)
        elif name == "cgan":
            from zoo.gans import cgan

            self.model = cgan.CGAN(
                data.image_shape,
                ("label", len(data.class_names)),
                config.latent_dim,
                config.width,
                config.discriminator_width,
                config.condition_dim,
                config.r1_gamma,
                average_decay=config.average_decay,
                seed=seed,
            )
            adam = [keras.optimizers.Adam(config.learning_rate, config.beta_1, config.beta_2) for _ in range(2)]
            self.model.compile(*adam)
        else:
            from zoo.autoencoders import vae

            self.model = vae.VAE(
                data.image_shape,
                config.latent_dim,
                config.width,
                config.encoder_width,
                config.likelihood,
                average_decay=config.average_decay,
                seed=seed,
            )
            self.model.compile(keras.optimizers.Adam(config.learning_rate))
        self.components = getattr(config, "prior_components", 0)
        self.latent_dim = config.latent_dim

    def step(self, pictures, labels):
        """One train step."""
        self.model.train_step((pictures, labels))

    def prepare(self):
        """Fit the VAE's prior, as its recipe does."""
        if self.components:
            self.prior = self.recipe._fit_prior(self.model, self.data, self.config)

    def sample(self, count):
        """Pictures of the averaged networks."""
        import tensorflow as tf

        if self.components:
            z = self.prior.sample(tf.random.uniform((count,), 0, 2**31 - 1, tf.int32))
            return self.model.image_decoder(z, training=False)
        z = tf.random.normal((count, self.latent_dim))
        if hasattr(self.model, "condition"):
            labels = tf.random.uniform((count,), 0, len(self.data.class_names), tf.int32)
            return self.model.generator_average([z, labels], training=False)
        return self.model.generator_average(z, training=False)


def train(config, seed):
    """In the contender's process: train, score, print."""
    import keras
    import numpy as np
    import tensorflow as tf

    from zoo import metrics
    from zoo.datasets import images

    keras.utils.set_random_seed(seed)
    data = images.load(config.dataset)
    if config.contender.startswith("zoo "):
        contender = Zoo(config.contender.split()[1].lower(), config.dataset, data, config.precision, seed)
    else:
        from benchmarks import examples

        contender = examples.EXAMPLES[config.contender]()
    keras.config.set_dtype_policy("float32")
    batches = iter(images.training_batches(data.train, contender.batch_size, seed))
    step = tf.function(contender.step)

    excluded = 0.0
    steps = 0
    evaluator = None
    for score in range(1, config.scores + 1):
        while time.time() - config.began - excluded < config.seconds * score / config.scores:
            step(*next(batches))
            steps += 1
        if hasattr(contender, "prepare"):
            contender.prepare()
        seconds = time.time() - config.began - excluded
        pause = time.time()
        if evaluator is None:
            evaluator = metrics.Evaluator.load(config.dataset)
            real, _ = evaluator.features(data.validation.images)
        pictures = np.concatenate([np.asarray(contender.sample(500)) for _ in range(20)])
        fakes, _ = evaluator.features(np.clip(pictures.astype(np.float32), -1.0, 1.0))
        fid = float(metrics.fid(real, fakes))
        print(json.dumps({"seconds": round(seconds, 1), "fid": round(fid, 3), "steps": steps}), flush=True)
        excluded += time.time() - pause


def draw_curves(curves, dataset):
    """A function that draws FID against seconds, a line a training, into a figure."""

    def draw(figure):
        axes = figure.subplots()
        for index, (name, runs) in enumerate(curves.items()):
            for run in runs:
                xs = [point["seconds"] for point in run]
                ys = [point["fid"] for point in run]
                axes.plot(xs, ys, "o-", color=f"C{index}", label=name if run is runs[0] else None)
        axes.set_yscale("log")
        axes.grid(alpha=0.3)
        axes.set_xlabel("seconds since the start of the process")
        axes.set_ylabel(f"FID, {dataset}")
        figure.legend(loc="outside right upper")

    return draw


def table_of(curves):
    """Name -> the median FID of its trainings at each 50 seconds that were scored, and how many trainings."""
    rows = {}
    for name, runs in curves.items():
        fids = {}
        for run in runs:
            for point in run:
                fids.setdefault(50 * round(point["seconds"] / 50), []).append(point["fid"])
        medians = {f"{seconds} s": round(statistics.median(fids[seconds]), 3) for seconds in sorted(fids)}
        rows[name] = {**medians, "trainings": len(runs)}
    return rows


def earlier(path):
    """The results that others are added to.

    Raises:
        ValueError: when there are none, or another machine found them: seconds of two machines cannot be compared.
    """
    if not path.exists():
        raise ValueError(f"--add: there is no {path}")
    results = json.loads(path.read_text())
    if results["machine"] != hardware.machine():
        raise ValueError(
            f"--add: {path} is of {results['machine']}, this is {hardware.machine()}: take another --folder"
        )
    return results


def main(config):
    """Train every contender with every seed, print, save."""
    if config.contender is not None:
        train(config, config.seeds[0])
        return
    from zoo import tables

    unknown = set(config.contenders) - set(CONTENDERS)
    if unknown:
        raise ValueError(f"unknown contender {unknown.pop()!r}: known are {', '.join(CONTENDERS)}")
    result = f"quality_per_second_{config.dataset}"
    curves = {name: [] for name in CONTENDERS}
    if config.add:
        curves |= earlier(config.folder / f"{result}.json")["curves"]
    for seed in config.seeds:
        for name in config.contenders:
            words = ["--contender", name, "--seeds", str(seed), "--began", str(time.time())]
            for field in ("dataset", "seconds", "scores", "precision"):
                words += [f"--{field}", str(getattr(config, field))]
            child = subprocess.run(
                [sys.executable, "-m", "benchmarks.quality_per_second", *words],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            )
            curves[name].append([json.loads(line) for line in child.stdout.splitlines() if line.startswith("{")])
            print(f"{name}, seed {seed}: {curves[name][-1]}", flush=True)
            found = {"precision": config.precision, "table": table_of(curves), "curves": curves}
            report.save(result, found, draw_curves(curves, config.dataset), config.folder)
    tables.print_scores(f"FID on {config.dataset}, median of the trainings", table_of(curves))


if __name__ == "__main__":
    report.run(main, Config, __doc__)
