"""What one watches while a model trains: a grid of samples an epoch, and curves of the log."""

import os
import pathlib

import keras
import numpy as np
from PIL import Image

from edge import drawing
from zoo import training

MOST_FRAMES = 60


class SampleGrid(keras.callbacks.Callback):
    """Writes a grid of the same samples after each epoch, so that one sees them take shape, and all as an animation.

    Args:
        folder: gets `epoch_00001.png`, `epoch_00002.png`, ...; at the end `<folder>.gif` stands beside it.
        draw: function without arguments that returns pictures (N, H, W, C) in [-1, 1]; the same noise each time.
        columns: pictures in a row.
    """

    def __init__(self, folder, draw, columns=10):
        super().__init__()
        self.folder = pathlib.Path(folder)
        self.draw = draw
        self.columns = columns

    def on_epoch_end(self, epoch, logs=None):
        """Write the grid of the epoch."""
        save_grid(self.folder / f"epoch_{epoch + 1:05d}.png", self.draw(), self.columns)

    def on_train_end(self, logs=None):
        """Write the animation of up to `MOST_FRAMES` grids, the last among them."""
        paths = sorted(self.folder.glob("epoch_*.png"))
        if len(paths) > 1:
            places = np.linspace(0, len(paths) - 1, min(len(paths), MOST_FRAMES)).round().astype(int)
            frames = [np.asarray(Image.open(paths[place])) for place in places]
            drawing.save_picture(self.folder.with_suffix(".gif"), frames)


def save_grid(path, pictures, columns=10):
    """Write pictures (N, H, W, C) in [-1, 1] as one PNG, enlarged so that small ones can be seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scale = max(1, 56 // pictures.shape[1])
    drawing.save_picture(path, [drawing.grid(pictures, columns=columns, scale=scale)])


def side_by_side(pictures, made):
    """Each picture followed by what was made of it: two of (N, H, W, C) -> (2 N, H, W, C)."""
    return np.stack([pictures, made], axis=1).reshape(-1, *np.shape(pictures)[1:])


def save_frames(path, frames):
    """Write uint8 frames (H, W, 3) as one picture, or as an animation where there are several and the name is .gif."""
    drawing.save_picture(path, frames)


def plot_curves(log, path):
    """Draw every column of a training log against the epochs.

    Args:
        log: CSV file of `zoo.training.EpochLog`.
        path: of the PNG to write.
    """
    import matplotlib.figure

    rows = training.read_log(log)
    epochs = [int(row["epoch"]) for row in rows]
    names = [name for name in rows[0] if name not in ("epoch", "seconds")]
    figure = matplotlib.figure.Figure(figsize=(3.2 * len(names), 2.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot(epochs, [float(row[name]) for row in rows])
        axes.set_title(name)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    unfinished = path.with_suffix(".unfinished")
    figure.savefig(unfinished, dpi=110, format="png")
    os.replace(unfinished, path)
