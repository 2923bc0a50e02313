"""Watch GANs collapse, or not: eight Gaussians on a ring, learned by GAN, WGAN and WGAN-GP side by side.

    python -m recipes mode_collapse                     # a table, modes.png and modes.gif; about two minutes
    python -m recipes mode_collapse --seeds 0 1 2 3 4 --steps 4000

The data have eight modes of equal weight. A generator that has collapsed sits on a few of them and runs from one to the
next when the discriminator notices. The figure has what each critic thinks of the plane, and the samples on it.
"""

from dataclasses import dataclass

KIND = "walkthrough"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the walk-through."""

    models: tuple[str, ...] = ("gan", "wgan", "wgan_gp")
    """Which are compared."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One training each."""
    steps: int = 2000
    """Of the generator."""
    pictures: int = 5
    """Moments of a training that are drawn."""
    width: int = 64
    """Units of each of the three layers of either network."""
    batch_size: int = 128
    """Points a step; of a critic step where there are several."""
    folder: str = "runs/mode_collapse"
    """Gets the figures and modes.json."""


PRESETS = {
    "digits": Config(),
    "smoke": Config(seeds=(0,), steps=20, pictures=2, width=8, batch_size=32),
}
MODES = 8
RADIUS = 0.7
SPREAD = 0.02
NEAR = 3.0  # standard deviations: a point farther from every mode belongs to none
SAMPLES = 2000


def run(config):
    """Train every model with every seed, count modes, draw."""
    import pathlib

    import keras
    import numpy as np

    from zoo import callbacks, export, tables

    unknown = sorted(set(config.models) - {"gan", "wgan", "wgan_gp"})
    if unknown:
        raise ValueError(f"there is no model {unknown[0]!r} here: there are gan, wgan, wgan_gp")
    if min(config.steps, config.pictures, config.width, config.batch_size, len(config.seeds)) < 1:
        raise ValueError("--steps, --pictures, --width, --batch-size and --seeds must be at least 1")
    folder = pathlib.Path(config.folder)
    moments = [round(config.steps * (index + 1) / config.pictures) for index in range(config.pictures)]
    found = {name: [] for name in config.models}
    drawn = {}
    for seed in config.seeds:
        for name in config.models:
            keras.utils.set_random_seed(seed)
            model = make(name, config, seed)
            snapshots = train(model, config, seed, moments)
            found[name].append(count_modes(snapshots[-1][0]))
            drawn.setdefault(name, snapshots)
            print(f"{name}, seed {seed}: {found[name][-1]['modes']} of {MODES} modes", flush=True)
    rows = {
        name: {
            "modes, mean": float(np.mean([each["modes"] for each in runs])),
            "fewest": min(each["modes"] for each in runs),
            "on a mode %": round(100 * float(np.mean([each["near"] for each in runs])), 1),
            "p-value, median": float(np.median([each["p_value"] for each in runs])),
            "collapsed": sum(each["modes"] <= MODES / 2 for each in runs),
            "trainings": len(runs),
        }
        for name, runs in found.items()
    }
    tables.print_scores(f"Modes of {MODES} after {config.steps} steps of the generator", rows)
    folder.mkdir(parents=True, exist_ok=True)
    export.write_json(folder / "modes.json", {"steps": config.steps, "table": rows, "trainings": found})
    callbacks.save_frames(folder / "modes.png", [draw(drawn, moments, range(len(moments)))])
    callbacks.save_frames(folder / "modes.gif", [draw(drawn, moments, [index]) for index in range(len(moments))])
    print(f"figures: {folder / 'modes.png'}, {folder / 'modes.gif'}")


def centres():
    """The middles of the modes, float (8, 2)."""
    import numpy as np

    angles = 2 * np.pi * np.arange(MODES) / MODES
    return RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def make(name, config, seed):
    """A compiled model of points (1, 1, 2), as its paper has it: without R1 and without a moving average."""
    import keras

    from zoo.gans import gan, wgan, wgan_gp

    def adam(beta_1, beta_2):
        return keras.optimizers.Adam(1e-3, beta_1=beta_1, beta_2=beta_2)

    common = {"image_shape": (1, 1, 2), "latent_dim": 2, "average_decay": 0.0, "seed": seed}
    dense = {"dense": True, "width": config.width, "critic_width": config.width}
    widths = 3 * (config.width,)
    if name == "gan":
        model = gan.GAN(**common, widths=widths, discriminator_widths=widths, r1_gamma=0.0)
        model.compile(adam(0.5, 0.999), adam(0.5, 0.999))
    elif name == "wgan":
        model = wgan.WGAN(**common, **dense, clip=0.1)
        model.compile(keras.optimizers.RMSprop(5e-4), keras.optimizers.RMSprop(5e-4))
    else:
        model = wgan_gp.WGANGP(**common, **dense, penalty_weight=1.0)
        model.compile(adam(0.0, 0.9), adam(0.0, 0.9))
    return model


def train(model, config, seed, moments):
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


def draw(drawn, moments, chosen):
    """Rows of models, columns of moments: the critic's surface, samples, the modes. uint8 (height, width, 3)."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure
    import numpy as np

    figure = matplotlib.figure.Figure(figsize=(2.4 * len(chosen), 2.5 * len(drawn)), layout="constrained")
    canvas = matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    panels = figure.subplots(len(drawn), len(chosen), squeeze=False)
    for row, (name, snapshots) in zip(panels, drawn.items(), strict=True):
        for axes, index in zip(row, chosen, strict=True):
            samples, surface = snapshots[index]
            axes.imshow(surface, extent=(-1, 1, -1, 1), origin="lower", cmap="coolwarm", alpha=0.7)
            axes.plot(*centres().T, "+", color="0.3", markersize=9)
            axes.plot(*samples[:400].T, ".", color="black", markersize=2)
            axes.set(xlim=(-1, 1), ylim=(-1, 1), xticks=[], yticks=[])
            axes.set_title(f"{name}, step {moments[index]}", fontsize=9)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
