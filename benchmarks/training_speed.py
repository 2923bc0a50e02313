"""A train step of the zoo beside the plain Keras pattern and PyTorch, on the same networks.

    python -m benchmarks.training_speed
    python -m benchmarks.training_speed --only dcgan --rounds 30

"plain" is how the tutorials write it: layers and `train_step` of Keras in float32, one optimizer a player, nothing
else. "zoo" does more in a step (moving average, R1 at every 8th one, random generators that resume). PyTorch takes part
when it is there (pip install torch==2.13.0). Pictures are noise in memory: reading data is another benchmark.
"""

import importlib.util
import pathlib
from dataclasses import dataclass
from typing import Literal

from benchmarks import report

WIDTH = 32


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark."""

    only: Literal["dcgan", "wgan", "wgan_gp", "vae"] | None = None
    """One model, where not all are wanted."""
    batch_size: int = 128
    """Pictures a step."""
    rounds: int = 15
    """Times that each case is measured."""
    steps: int = 5
    """Steps that are measured together."""
    folder: pathlib.Path = report.RESULTS
    """Where the results are written."""
    case: str | None = None
    """Run a few steps of one case (of the model `only`) and nothing else: how its memory is measured."""


LATENT = {"dcgan": 64, "wgan": 64, "wgan_gp": 64, "vae": 16}
CRITIC_STEPS = {"wgan": 5, "wgan_gp": 5}  # a step of these takes so many minibatches


def make_cases(model, batch_size):
    """Name -> function that makes one step."""
    cases = {
        "plain float32": lambda: plain_step(model, batch_size, "float32"),
        "zoo float32": lambda: zoo_step(model, batch_size, "float32"),
        "zoo mixed_bfloat16": lambda: zoo_step(model, batch_size, "mixed_bfloat16"),
    }
    if importlib.util.find_spec("torch") is not None and model not in CRITIC_STEPS:
        cases["PyTorch float32"] = lambda: torch_step(model, batch_size, half=False)
        cases["PyTorch bfloat16"] = lambda: torch_step(model, batch_size, half=True)
    return cases


def zoo_step(model, batch_size, precision):
    """The step of the zoo's own model."""
    import keras

    from zoo.autoencoders import vae
    from zoo.gans import wgan, wgan_gp

    keras.config.set_dtype_policy(precision)
    if model == "dcgan":
        return dcgan_step(batch_size, precision, WIDTH)
    if model in CRITIC_STEPS:
        make = wgan.WGAN if model == "wgan" else wgan_gp.WGANGP
        trained = make((28, 28, 1), LATENT[model], WIDTH, WIDTH, n_critic=CRITIC_STEPS[model], seed=0)
        trained.compile(adam(0.0), adam(0.0))
    else:
        trained = vae.VAE((28, 28, 1), LATENT[model], WIDTH, WIDTH, seed=0)
        trained.compile(adam(0.9))
    return compiled(trained, batch_size)


def dcgan_step(batch_size, precision, width, **settings):
    """The step of the zoo's DCGAN of a width; further settings are those of `keras.Model.compile`."""
    import keras

    from zoo.gans import dcgan

    keras.config.set_dtype_policy(precision)
    trained = dcgan.DCGAN((28, 28, 1), LATENT["dcgan"], width, width, seed=0)
    trained.compile(adam(0.5), adam(0.5), **settings)
    return compiled(trained, batch_size)


def plain_step(model, batch_size, precision):
    """The step that a tutorial would write for the same networks."""
    import keras

    from benchmarks import plain_keras

    keras.config.set_dtype_policy(precision)
    if model in CRITIC_STEPS:
        plain = plain_keras.PlainWGAN(LATENT[model], WIDTH, penalty=model == "wgan_gp")
    else:
        plain = (plain_keras.PlainGAN if model == "dcgan" else plain_keras.PlainVAE)(LATENT[model], WIDTH)
    return compiled(plain, batch_size)


def adam(beta_1):
    """Adam, as the recipes use it."""
    import keras

    return keras.optimizers.Adam(8e-4, beta_1=beta_1, beta_2=0.99)


def compiled(model, batch_size):
    """One step on a batch of noise, by the train function of Keras; it ends when the losses are there."""
    import numpy as np
    import tensorflow as tf

    pictures = np.random.default_rng(0).uniform(-1, 1, (batch_size, 28, 28, 1)).astype(np.float32)
    labels = np.zeros(batch_size, np.int64)
    batches = iter(tf.data.Dataset.from_tensors((tf.constant(pictures), tf.constant(labels))).repeat())
    model.make_train_function()

    def step():
        return {name: float(value) for name, value in model.train_function(batches).items()}

    return step


def torch_step(model, batch_size, half):
    """The step of the same networks in PyTorch."""
    from benchmarks import torch_models

    make = torch_models.dcgan_step if model == "dcgan" else torch_models.vae_step
    return make(batch_size, LATENT[model], WIDTH, half)


def flops(model, batch_size):
    """Multiplications and additions of the convolutions and dense layers of a step, from the shapes.

    A pass forward costs 2 times the multiplications, a pass with gradients 3 times that, one whose weights get none 2
    times, a slope that is differentiated once more 6 times. DCGAN's step has one pass of G without gradients, one with,
    two of D with gradients and one through which G gets its own; a WGAN's has for each fifth of the batch one of G
    without and two of D with gradients, and in the end G's own; the VAE's one of each network.
    """
    w = WIDTH
    up = LATENT[model] * 49 * 4 * w + 49 * 16 * 4 * w * 2 * w + 196 * 16 * 2 * w * w + 784 * 9 * w
    outputs = 2 * LATENT[model] if model == "vae" else 1
    down = 196 * 16 * w + 49 * 16 * w * 2 * w + 16 * 16 * 2 * w * 4 * w + 16 * 4 * w * outputs
    passes = {
        "dcgan": 4 * up + 8 * down,
        "wgan": up + 6 * down + (3 * up + 2 * down) / 5,
        "wgan_gp": up + 12 * down + (3 * up + 2 * down) / 5,
        "vae": 3 * up + 3 * down,
    }[model]
    return 2 * batch_size * passes


def roofline():
    """Name -> function that multiplies two 2048x2048 matrices: the arithmetic this machine can do."""
    import tensorflow as tf

    def multiply(dtype):
        matrix = tf.cast(tf.random.stateless_normal((2048, 2048), (1, 2)), dtype)
        product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
        return lambda: product().numpy()

    return {"matmul float32": multiply("float32"), "matmul bfloat16": multiply("bfloat16")}


def batch_of(model, config):
    """Pictures of a step: the nearest multiple of the critic's steps."""
    return config.batch_size // CRITIC_STEPS.get(model, 1) * CRITIC_STEPS.get(model, 1)


def measure(model, config):
    """The rows of one model: case -> scores."""
    batch_size = batch_of(model, config)
    cases = {name: make() for name, make in make_cases(model, batch_size).items()}
    times = report.interleaved({**cases, **roofline()}, config.rounds, config.steps)
    arithmetic = flops(model, batch_size)
    peak = {
        kind: 2 * 2048**3 / report.median_and_spread(times[f"matmul {kind}"]["seconds"])[0]
        for kind in ("float32", "bfloat16")
    }
    base, _ = report.median_and_spread(times["plain float32"]["seconds"])
    rows = {}
    for name in cases:
        seconds, spread = report.median_and_spread(times[name]["seconds"])
        cpu, _ = report.median_and_spread(times[name]["cpu_seconds"])
        kind = "bfloat16" if "bfloat16" in name else "float32"
        words = ("--only", model, "--case", name, "--batch-size", str(config.batch_size))
        rows[name] = {
            "images/s": round(batch_size / seconds, 1),
            "spread %": round(100 * spread / seconds, 1),
            "CPU ms/image": round(1000 * cpu / batch_size, 3),
            "times plain": round(base / seconds, 2),
            "roofline %": round(100 * arithmetic / seconds / peak[kind], 1),
            "peak MB": report.peak_memory("benchmarks.training_speed", *words),
        }
    return rows


def main(config):
    """Measure, print, save; or run the steps of one case."""
    from zoo import tables

    report.check(config, rounds=2, steps=1, batch_size=max(CRITIC_STEPS.values()))
    models = [config.only] if config.only else list(LATENT)
    if config.case is not None:
        step = make_cases(config.only, batch_of(config.only, config))[config.case]()
        for _ in range(10):
            step()
        return
    result = {}
    for model in models:
        result[model] = measure(model, config)
        tables.print_scores(f"{model}, batch {config.batch_size}", result[model])

    def draw(figure):
        columns = min(2, len(models))
        panels = figure.subplots(-(-len(models) // columns), columns, squeeze=False).flat
        for axes, model in zip(panels, models, strict=True):
            axes.barh(list(result[model]), [row["images/s"] for row in result[model].values()])
            axes.invert_yaxis()
            axes.set_title(model)
            axes.set_xlabel("images/s")

    name = f"training_speed_{config.only}" if config.only else "training_speed"
    report.save(name, {"batch_size": config.batch_size, "rounds": config.rounds, **result}, draw, config.folder)


if __name__ == "__main__":
    report.run(main, Config, __doc__)
