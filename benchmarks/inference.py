"""Milliseconds from a seed or a latent vector to one picture, by everything that can make one.

    python -m benchmarks.inference
    python -m benchmarks.inference --name vae_mnist --rounds 100

"Keras" is the generator of a DCGAN of that width, untrained; all others are the exported model.
"""

import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks import report


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark."""

    name: str = "dcgan_fashion_mnist"
    """Of an export in exported/ that makes pictures of a seed alone."""
    rounds: int = 100
    """Times that each case is measured."""
    cold_starts: int = 5
    """Processes that are started for the time to the first picture."""


def make_cases(name):
    """Case -> function that makes one picture."""
    import keras
    import numpy as np
    import tensorflow as tf

    from edge import cards, runtime
    from zoo.gans import dcgan

    folder = cards.find(name)
    card = cards.card_of(name)
    signature = card["signatures"].get("generate_from_seed", {"inputs": ()})
    if not card["latent_dim"] or [value["name"] for value in signature["inputs"]] != ["seed"]:
        raise ValueError(f"{name} does not make pictures of a seed alone, from a latent vector")
    z = np.random.default_rng(0).standard_normal((1, card["latent_dim"])).astype(np.float32)
    seed = np.array([3], np.int32)
    network = dcgan.make_generator((28, 28, 1), card["latent_dim"], card["config"]["width"])
    traced = tf.function(lambda z: network(z, training=False), jit_compile=False)
    saved = tf.saved_model.load(folder / "saved_model").signatures["generate_from_seed"]
    cases = {
        "Keras predict": lambda: network.predict(z, verbose=0),
        "Keras call": lambda: keras.ops.convert_to_numpy(network(z, training=False)),
        "Keras call in tf.function": lambda: traced(tf.constant(z)).numpy(),
        "SavedModel": lambda: saved(seed=tf.constant(seed))["image"].numpy(),
    }
    for precision, facts in card["files"].items():
        if "file" in facts and (folder / facts["file"]).exists():
            for threads in (1, 2):
                model = runtime.load(folder, precision, threads)
                cases[f"TFLite {precision}, {threads} thread{'s'[: threads - 1]}"] = lambda model=model: model.run(
                    "generate_from_seed", seed=seed
                )
    return cases


def cold_start(program, times):
    """Seconds from the start of a process to its end, each time."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return seconds


def main(config):
    """Measure, print, save."""
    from edge import cards
    from zoo import tables

    report.check(config, rounds=2, cold_starts=2)
    rows = {}
    for case, times in report.interleaved(make_cases(config.name), config.rounds).items():
        milliseconds, spread = report.median_and_spread(times["seconds"])
        rows[case] = {"ms": round(1000 * milliseconds, 3), "spread ms": round(1000 * spread, 3)}
    tables.print_scores(f"One picture of {config.name}", rows)

    folder = cards.find(config.name)
    programs = {
        "SavedModel": "import tensorflow as tf; m = tf.saved_model.load('{}/saved_model'); "
        "print(m.signatures['generate_from_seed'](seed=tf.constant([3]))['image'].numpy().mean())",
        "TFLite, edge.runtime": "from edge import runtime; print(runtime.load('{}').pictures(3, 1).mean())",
    }
    cold = {}
    for case, program in programs.items():
        seconds, spread = report.median_and_spread(cold_start(program.format(folder), config.cold_starts))
        cold[case] = {"s": round(seconds, 2), "spread s": round(spread, 2)}
    tables.print_scores("From the start of a process to its first picture", cold)

    def draw(figure):
        axes = figure.subplots()
        axes.barh(list(rows), [row["ms"] for row in rows.values()])
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlabel("ms a picture")

    report.save("inference", {"name": config.name, "one_picture": rows, "cold_start": cold}, draw)


if __name__ == "__main__":
    report.run(main, Config, __doc__)
