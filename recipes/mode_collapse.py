"""Watch GANs collapse, or not: GAN, WGAN and WGAN-GP side by side, on a ring of Gaussians and on the digits.

    python -m recipes mode_collapse                     # two tables, modes.png, digits.png and modes.gif
    python -m recipes mode_collapse --data ring --seeds 0 1 2 3 4 --steps 4000

A generator that has collapsed sits on a few modes of the data and runs from one to the next when the discriminator
notices. The GAN is made to: both players take large steps, with momentum, and nothing holds the discriminator back.

The ring has eight modes of equal weight; the figure has what each critic thinks of the plane, and the samples on it. On
the digits the alarm of `--watch` (zoo/collapse.py) is listening. After 2,000 steps of the generator, three seeds each,
456 s in all on one core of an AMD EPYC:

               ring: modes of 8, mean    digits: fewest classes      FID    recall    twins    alarms
    gan                           1.0                         5     8.89      0.01     0.95    3 of 3
    wgan                          7.7                         9     1.60      0.76     0.02    0 of 3
    wgan_gp                       8.0                        10     0.60      0.92     0.04    0 of 3
"""

from dataclasses import dataclass
from typing import Literal

KIND = "walkthrough"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the walk-through."""

    data: tuple[Literal["ring", "digits"], ...] = ("ring", "digits")
    """What is learned."""
    models: tuple[str, ...] = ("gan", "wgan", "wgan_gp")
    """Which are compared."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One training each."""
    steps: int = 2000
    """Of the generator."""
    pictures: int = 5
    """Moments of a training that are drawn."""
    width: int = 128
    """Units of each of the three layers of either network."""
    batch_size: int = 128
    """Points a step; of a critic step where there are several."""
    folder: str = "runs/mode_collapse"
    """Gets the figures, modes.json, and for each training on the digits a CSV file of scores."""


PRESETS = {
    "digits": Config(),
    "smoke": Config(seeds=(0,), steps=20, pictures=2, width=8, batch_size=32),
}
MODES = 8
RADIUS = 0.7
SPREAD = 0.02
NEAR = 3.0  # standard deviations: a point farther from every mode belongs to none
SAMPLES = 2000
SCORES = 20  # of a training on the digits; in the first half of it nobody expects digits
SCORED = 500  # pictures
LATENT_DIMS = {"ring": 2, "digits": 16}


def run(config):
    """Train every model with every seed, count modes, draw."""
    import pathlib

    from zoo import callbacks, export, tables

    unknown = sorted(set(config.models) - {"gan", "wgan", "wgan_gp"})
    if unknown:
        raise ValueError(f"there is no model {unknown[0]!r} here: there are gan, wgan, wgan_gp")
    numbers = (config.steps, config.pictures, config.width, config.batch_size, len(config.seeds), len(config.data))
    if min(numbers) < 1:
        raise ValueError("steps, pictures, width, batch size, seeds and data: at least 1 of each")
    folder = pathlib.Path(config.folder)
    folder.mkdir(parents=True, exist_ok=True)
    moments = [round(config.steps * (index + 1) / config.pictures) for index in range(config.pictures)]
    result = {"steps": config.steps}
    if "ring" in config.data:
        found, drawn = learn_ring(config, moments)
        rows = {name: ring_row(runs) for name, runs in found.items()}
        result["ring"] = {"table": rows, "trainings": found}
        tables.print_scores(f"Ring: modes of {MODES} after {config.steps} steps of the generator", rows)
        callbacks.save_frames(folder / "modes.png", [draw_ring(drawn, moments, range(len(moments)))])
        callbacks.save_frames(
            folder / "modes.gif", [draw_ring(drawn, moments, [index]) for index in range(len(moments))]
        )
    if "digits" in config.data:
        found, drawn = learn_digits(config, moments, folder)
        rows = {name: digits_row(runs) for name, runs in found.items()}
        result["digits"] = {"table": rows, "trainings": found}
        tables.print_scores(f"Digits: classes of 10 after {config.steps} steps of the generator", rows)
        callbacks.save_frames(folder / "digits.png", [draw_digits(drawn, moments)])
    export.write_json(folder / "modes.json", result)
    print(f"tables and figures: {folder}")


def learn_ring(config, moments):
    """Train every model with every seed on the ring.

    Returns:
        Model -> a count of modes for each seed, and model -> snapshots of the first seed's training.
    """
    import keras

    found, drawn = {}, {}
    for seed in config.seeds:
        for name in config.models:
            keras.utils.set_random_seed(seed)
            model = make(name, config, seed, (1, 1, 2), LATENT_DIMS["ring"])
            snapshots = train_ring(model, config, seed, moments)
            found.setdefault(name, []).append(count_modes(snapshots[-1][0]))
            drawn.setdefault(name, snapshots)
            print(f"ring, {name}, seed {seed}: {found[name][-1]['modes']} of {MODES} modes", flush=True)
    return found, drawn


def learn_digits(config, moments, folder):
    """Train every model with every seed on the digits; the alarm writes scores to the folder.

    Returns:
        Model -> the signs at the end and the epoch of the alarm for each seed, and model -> pictures at the moments.
    """
    import keras

    from zoo import collapse, metrics
    from zoo.datasets import images

    data = images.load("digits")
    evaluator = metrics.Evaluator.load("digits")
    found, drawn = {}, {}
    for seed in config.seeds:
        for name in config.models:
            keras.utils.set_random_seed(seed)
            model = make(name, config, seed, data.image_shape, LATENT_DIMS["digits"])
            watch = collapse.Watch(
                folder / f"{name}-{seed}.csv",
                lambda model=model: model.generate(range(SCORED)).numpy(),
                data,
                evaluator,
                warm_up=SCORES // 2,
            )
            pictures = train_digits(model, config, seed, moments, data, watch)
            found.setdefault(name, []).append({**watch.rows[-1], "alarm": watch.alarm})
            drawn.setdefault(name, pictures)
            said = f"alarm after {watch.alarm} of {SCORES} scores" if watch.alarm else "no alarm"
            print(f"digits, {name}, seed {seed}: {said}", flush=True)
    return found, drawn


def ring_row(runs):
    """The row of a model in the table of the ring."""
    import numpy as np

    return {
        "modes, mean": float(np.mean([each["modes"] for each in runs])),
        "fewest": min(each["modes"] for each in runs),
        "on a mode %": round(100 * float(np.mean([each["near"] for each in runs])), 1),
        "p-value, median": float(np.median([each["p_value"] for each in runs])),
        "trainings": len(runs),
    }


def digits_row(runs):
    """The row of a model in the table of the digits."""
    import numpy as np

    means = {name: float(np.mean([float(each[name]) for each in runs])) for name in ("fid", "recall", "duplicates")}
    return {
        "classes, fewest": min(int(each["classes"]) for each in runs),
        **means,
        "alarms": sum(each["alarm"] is not None for each in runs),
        "trainings": len(runs),
    }


def centres():
    """The middles of the modes, float (8, 2)."""
    import numpy as np

    angles = 2 * np.pi * np.arange(MODES) / MODES
    return RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def make(name, config, seed, image_shape, latent_dim):
    """A compiled model without moving average; the GAN also without R1, as its paper has it."""
    import keras

    from zoo.gans import gan, wgan, wgan_gp

    def falling(rate, updates):
        return keras.optimizers.schedules.CosineDecay(rate, updates, alpha=0.05)

    common = {"image_shape": image_shape, "latent_dim": latent_dim, "average_decay": 0.0, "seed": seed}
    dense = {"dense": True, "width": config.width, "critic_width": config.width}
    widths = 3 * (config.width,)
    if name == "gan":
        model = gan.GAN(**common, widths=widths, discriminator_widths=widths, r1_gamma=0.0)
        model.compile(keras.optimizers.Adam(4e-3, 0.9, 0.999), keras.optimizers.Adam(4e-3, 0.9, 0.999))
    elif name == "wgan":
        model = wgan.WGAN(**common, **dense, clip=0.1)
        rates = falling(1e-3, config.steps), falling(1e-3, model.n_critic * config.steps)
        model.compile(*[keras.optimizers.RMSprop(rate) for rate in rates])
    else:
        model = wgan_gp.WGANGP(**common, **dense, penalty_weight=0.1)
        rates = falling(2e-3, config.steps), falling(2e-3, model.n_critic * config.steps)
        model.compile(*[keras.optimizers.Adam(rate, 0.5, 0.9) for rate in rates])
    return model


def train_ring(model, config, seed, moments):
    """Train on the ring.

    Returns:
        At each of the moments: samples (N, 2), and the critic on a grid (60, 60) over [-1, 1]^2.
    """
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(seed)
    step = tf.function(lambda points: model.train_step((points, None)))
    axis = np.linspace(-1, 1, 60, dtype=np.float32)
    plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 1, 1, 2)
    count = config.batch_size * getattr(model, "n_critic", 1)
    snapshots = []
    for number in range(1, config.steps + 1):
        points = centres()[random.integers(0, MODES, count)] + SPREAD * random.standard_normal((count, 2))
        step(tf.constant(points[:, None, None], tf.float32))
        if number in moments:
            samples = model.generate(range(SAMPLES)).numpy()[:, 0, 0]  # (N, 2)
            snapshots.append((samples, model.discriminator(plane).numpy().reshape(60, 60)))
    return snapshots


def train_digits(model, config, seed, moments, data, watch):
    """Train on the digits and let the alarm listen.

    Returns:
        At each of the moments 25 pictures (25, 8, 8, 1).
    """
    import tensorflow as tf

    from zoo.datasets import images

    count = config.batch_size * getattr(model, "n_critic", 1)
    batches = iter(images.training_batches(data.train, count, seed))
    step = tf.function(model.train_step)
    pictures = []
    for number in range(1, config.steps + 1):
        step(next(batches))
        if number in moments:
            pictures.append(model.generate(range(25)).numpy())
        if number * SCORES // config.steps > (number - 1) * SCORES // config.steps:
            watch.on_epoch_end(number * SCORES // config.steps - 1)
    return pictures


def count_modes(samples):
    """How many modes samples (N, 2) are found on, the share near one, and a chi-square against equal weights."""
    import numpy as np
    from scipy import stats

    distances = np.linalg.norm(samples[:, None] - centres()[None], axis=2)  # (N, 8)
    near = distances.min(axis=1) <= NEAR * SPREAD
    counts = np.bincount(distances.argmin(axis=1)[near], minlength=MODES)
    enough = counts >= len(samples) / MODES / 10  # a tenth of its share
    p_value = stats.chisquare(counts).pvalue if counts.sum() else 0.0
    return {"modes": int(enough.sum()), "near": float(near.mean()), "p_value": float(p_value)}


def draw_digits(drawn, moments):
    """Rows of models, columns of moments, 25 pictures in each place. uint8 (height, width, 3)."""
    import numpy as np

    def picture(axes, pictures):
        framed = np.pad(pictures[..., 0], ((0, 0), (0, 1), (0, 1)), constant_values=1)  # (25, 9, 9)
        grid = framed.reshape(5, 5, 9, 9).swapaxes(1, 2).reshape(45, 45)
        axes.imshow(grid, cmap="gray", vmin=-1, vmax=1)

    return _panels(drawn, moments, range(len(moments)), picture)


def draw_ring(drawn, moments, chosen):
    """Rows of models, columns of moments: the critic's surface, samples, the modes. uint8 (height, width, 3)."""

    def picture(axes, snapshot):
        samples, surface = snapshot
        axes.imshow(surface, extent=(-1, 1, -1, 1), origin="lower", cmap="coolwarm", alpha=0.7)
        axes.plot(*centres().T, "+", color="0.3", markersize=9)
        axes.plot(*samples[:400].T, ".", color="black", markersize=2)
        axes.set(xlim=(-1, 1), ylim=(-1, 1))

    return _panels(drawn, moments, chosen, picture)


def _panels(drawn, moments, chosen, picture):
    import matplotlib.backends.backend_agg
    import matplotlib.figure
    import numpy as np

    figure = matplotlib.figure.Figure(figsize=(2.4 * len(chosen), 2.5 * len(drawn)), layout="constrained")
    canvas = matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    panels = figure.subplots(len(drawn), len(chosen), squeeze=False)
    for row, (name, snapshots) in zip(panels, drawn.items(), strict=True):
        for axes, index in zip(row, chosen, strict=True):
            picture(axes, snapshots[index])
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"{name}, step {moments[index]}", fontsize=9)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
