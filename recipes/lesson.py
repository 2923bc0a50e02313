"""What the probability lessons share: the run folder, printed sections, figures in one style, and the questions.

Nothing heavy is imported at the top, so that `python -m recipes NAME --help` answers at once.
"""

import contextlib
import itertools
import math
import os
import pathlib
import textwrap

from recipes import runner

# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/), which people with colour-blindness can tell apart.
BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#000000",
)
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, BLACK)
WIDTH = 100  # characters of a printed line
QUESTIONS = 3
LARGEST_SEED = 2**31 - 1000  # TensorFlow's seeds are int32, and lessons add less than 1,000 to theirs


def check(config, **ranges):
    """Refuse numbers that are too small, too large or NaN, and seeds that NumPy or TensorFlow does not take.

    Args:
        config: of a lesson, with a `seed`.
        **ranges: name of a setting -> the least that it may be, or that and the most.

    Raises:
        ValueError: one sentence.
    """
    for name, bounds in {**ranges, "seed": (0, LARGEST_SEED)}.items():
        least, most = bounds if isinstance(bounds, tuple) else (bounds, math.inf)
        value = getattr(config, name)
        if not least <= value <= most:
            wanted = f"from {least} to {most}" if isinstance(bounds, tuple) else f"at least {least}"
            raise ValueError(f"--{name.replace('_', '-')} must be {wanted}, got {value}")


def import_quietly():
    """Import TensorFlow and TensorFlow Probability, and look for GPUs, without the notices that these print.

    Nor does TensorFlow warn from then on that it traces a function again for each new shape: lessons have many shapes.
    """
    with runner.quiet():
        import tensorflow as tf
        import tensorflow_probability as tfp

        tf.get_logger().setLevel("ERROR")
        tf.config.list_physical_devices("GPU")
        return tfp.distributions


class Lesson:
    """One walk through a lesson: it speaks, shows tables, draws figures and ends with three questions.

    Args:
        recipe: name of the recipe.
        folder: of the figures, new; None makes runs/<recipe>-<time>.
    """

    def __init__(self, recipe, folder=None):
        self.folder = pathlib.Path(runner.new_folder(recipe, folder))
        self.folder.mkdir(parents=True)
        self._questions = []

    def section(self, title):
        """Print the title of the next part."""
        print(f"\n{title}\n{'-' * len(title)}", flush=True)

    def say(self, text):
        """Print paragraphs, wrapped anew; a line that begins with four spaces is a formula and stays as it is."""
        lines = textwrap.dedent(text).strip().split("\n")
        for stays, group in itertools.groupby(lines, lambda line: line.startswith("    ") or not line):
            for line in group if stays else [textwrap.fill(" ".join(group), WIDTH)]:
                print(line, flush=True)

    def table(self, title, rows):
        """Print a table: name -> dict of column -> number or text."""
        from zoo import tables

        tables.print_scores(title, rows)

    @contextlib.contextmanager
    def figure(self, name, rows=1, columns=1, size=None):
        """Give axes to draw on, and write the figure when that is done.

        Args:
            name: of the PNG file, without suffix.
            rows: of axes.
            columns: of axes.
            size: (width, height) in inches; None gives each axes 3.6 by 2.8.

        Yields:
            Array of matplotlib axes (rows, columns); `axes[0, 0].figure` is the figure.
        """
        import matplotlib
        import matplotlib.figure

        style = {
            "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.titlesize": "medium",
            "legend.fontsize": "small",
        }
        with matplotlib.rc_context(style):
            figure = matplotlib.figure.Figure(size or (3.6 * columns, 2.8 * rows), layout="constrained")
            yield figure.subplots(rows, columns, squeeze=False)
            path = self.folder / f"{name}.png"
            unfinished = path.with_suffix(".unfinished")
            figure.savefig(unfinished, dpi=120, format="png")
            os.replace(unfinished, path)
        print(f"figure: {path}", flush=True)

    def ask(self, question, answer):
        """Keep a question and its computed answer for the end."""
        self._questions.append((question, answer))

    def finish(self):
        """Print the questions, then their answers.

        Raises:
            RuntimeError: when the lesson has not asked exactly three.
        """
        if len(self._questions) != QUESTIONS:
            raise RuntimeError(f"a lesson ends with {QUESTIONS} questions, this one has {len(self._questions)}")
        self.section("Three questions")
        for number, (question, _) in enumerate(self._questions, 1):
            self.say(f"{number}. {question}")
        self.section("Answers, for these settings")
        for number, (_, answer) in enumerate(self._questions, 1):
            self.say(f"{number}. {answer}")
        print(f"\nfigures: {self.folder}")
