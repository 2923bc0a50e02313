"""What the known ways to a faster step are worth: each is pulled alone, in turns with the zoo's step as it is.

    python -m benchmarks.levers
    python -m benchmarks.levers --precision float32

XLA compiles the step into fewer operations; several steps an execution return to Python less often; channels that are
no multiple of 8 leave a part of the vector units idle.
"""

from dataclasses import dataclass
from typing import Literal

from benchmarks import report

STEPS = 8


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark."""

    precision: Literal["float32", "mixed_bfloat16"] = "mixed_bfloat16"
    """Of the layers' arithmetic."""
    batch_size: int = 128
    """Pictures a step."""
    rounds: int = 15
    """Times that each case is measured; a round is 8 steps of each."""


def make_cases(config):
    """Name -> function that makes 8 steps of a DCGAN."""
    from benchmarks import training_speed

    def steps(width=training_speed.WIDTH, **settings):
        step = training_speed.dcgan_step(config.batch_size, config.precision, width, **settings)
        return lambda: [step() for _ in range(STEPS // settings.get("steps_per_execution", 1))]

    wide = training_speed.WIDTH
    return {
        "as it is": steps(jit_compile=False),
        "XLA": steps(jit_compile=True),
        f"{STEPS} steps an execution": steps(jit_compile=False, steps_per_execution=STEPS),
        f"width {wide - 2} for {wide}": steps(wide - 2, jit_compile=False),
    }


def main(config):
    """Measure, print, save."""
    from zoo import tables

    report.check(config, rounds=2, batch_size=1)
    rows, base = {}, None
    for name, times in report.interleaved(make_cases(config), config.rounds).items():
        seconds, spread = report.median_and_spread(times["seconds"])
        base = base or seconds
        rows[name] = {
            "images/s": round(STEPS * config.batch_size / seconds, 1),
            "spread %": round(100 * spread / seconds, 1),
            "times as it is": round(base / seconds, 2),
        }
    tables.print_scores(f"A DCGAN step in {config.precision}, batch {config.batch_size}", rows)

    def draw(figure):
        axes = figure.subplots()
        axes.barh(list(rows), [row["images/s"] for row in rows.values()])
        axes.invert_yaxis()
        axes.set_xlabel("images/s")

    name = f"levers_{config.precision}"
    report.save(name, {"batch_size": config.batch_size, "rounds": config.rounds, "dcgan": rows}, draw)


if __name__ == "__main__":
    report.run(main, Config, __doc__)
