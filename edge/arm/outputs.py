"""Runs files for a few seeds and keeps what they make, on whatever machine this is.

    python -m edge.arm.outputs FOLDER SEEDS FILE.tflite ...

The outputs of the first file are FOLDER/0.npy, of the second FOLDER/1.npy, and so on.
"""

import sys
from pathlib import Path

import numpy as np

from edge import runtime


def outputs(model, seeds):
    """What a model makes of the seeds 0 to `seeds` - 1, whatever it is for.

    Returns:
        float32 (seeds, ...): pictures where it makes pictures, else the first output of its main signature. What is no
        seed and no condition is uniform noise in [-1, 1], the same on every machine.
    """
    if model.main == "generate_from_seed":
        return model.pictures(0, seeds)
    signature = model.signature(model.main)
    made = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        inputs = {name: random.uniform(-1, 1, each.shape).astype(each.dtype) for name, each in signature.inputs.items()}
        made.append(model.run(model.main, **inputs)[next(iter(signature.outputs))])
    return np.stack(made)


def main(words):
    """Writes the outputs of each file."""
    folder, seeds, *paths = words
    for number, path in enumerate(paths):
        np.save(Path(folder) / f"{number}.npy", outputs(runtime.load(path), int(seeds)))


if __name__ == "__main__":
    main(sys.argv[1:])
