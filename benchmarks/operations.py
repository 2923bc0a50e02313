"""Which operations a train step spends its time on, by TensorFlow's profiler.

    python -m benchmarks.operations
    python -m benchmarks.operations --model vae --precision float32

The milliseconds are those of all threads together, so with two of them up to twice the wall time of a step.
"""

import collections
import pathlib
import tempfile
from dataclasses import dataclass
from typing import Literal

from benchmarks import report


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark."""

    model: Literal["dcgan", "vae"] = "dcgan"
    """Whose step."""
    precision: Literal["float32", "mixed_bfloat16"] = "mixed_bfloat16"
    """Of the layers' arithmetic."""
    batch_size: int = 32
    """Pictures a step."""
    steps: int = 48
    """Steps that are recorded, after as many that warm up."""


NOT_OPERATIONS = ("Process", "Run", "EagerKernelExecute", "EagerExecute", "TFE_Py_ExecuteCancelable", "FunctionRun")
KINDS = {
    "convolutions and dense layers": ("Conv2D", "MatMul"),
    "batch norm": ("BatchNorm",),
    "activations": ("Relu", "Tanh", "Softplus", "Sigmoid"),
    "conversions to and from bfloat16": ("Cast",),
}


def record(config):
    """Milliseconds a step of every operation, and how often a step runs it."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    from benchmarks import training_speed

    step = training_speed.zoo_step(config.model, config.batch_size, config.precision)
    for _ in range(config.steps):
        step()
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(config.steps):
            step()
        tf.profiler.experimental.stop()
        (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace()
        space.ParseFromString(path.read_bytes())
    milliseconds, calls = collections.Counter(), collections.Counter()
    (plane,) = [plane for plane in space.planes if plane.name == "/host:CPU"]
    for event in (event for line in plane.lines for event in line.events):
        name = plane.event_metadata[event.metadata_id].name.split(":")[-1].removeprefix("_Mkl").removeprefix("Native")
        if name[:1].isupper() and name not in NOT_OPERATIONS:
            milliseconds[name] += event.duration_ps / 1e9 / config.steps
            calls[name] += 1 / config.steps
    return milliseconds, calls


def kind_of(name):
    """The kind that an operation is counted with."""
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "all else")


def main(config):
    """Record, print, save."""
    from zoo import tables

    report.check(config, batch_size=1, steps=1)
    milliseconds, calls = record(config)
    whole = sum(milliseconds.values())
    kinds = collections.Counter()
    for name, value in milliseconds.items():
        kinds[kind_of(name)] += value
    rows = {kind: {"ms": round(value, 2), "%": round(100 * value / whole, 1)} for kind, value in kinds.most_common()}
    title = f"A step of {config.model}, batch {config.batch_size}, {config.precision}"
    tables.print_scores(title, rows)
    operations = {
        name: {"ms": round(value, 2), "%": round(100 * value / whole, 1), "calls": round(calls[name], 1)}
        for name, value in milliseconds.most_common(15)
    }
    tables.print_scores("The longest operations", operations)

    def draw(figure):
        axes = figure.subplots()
        axes.barh(list(rows), [row["ms"] for row in rows.values()])
        axes.invert_yaxis()
        axes.set_xlabel("milliseconds a step, all threads")
        axes.set_title(title)

    name = f"operations_{config.model}_{config.precision}"
    report.save(name, {"batch_size": config.batch_size, "kinds": rows, "operations": operations}, draw)


if __name__ == "__main__":
    report.run(main, Config, __doc__)
