"""Train RealNVP on pictures, and on two moons to see the warp; measure its exact likelihood, export it and score it.

    python -m recipes real_nvp                              # 8x8 digits, no download
    python -m recipes real_nvp --preset fashion_mnist       # not run here

The run's folder also gets moons.png: two moons, and the normal noise that each step of a small flow bends towards them.
The first, on one core of an AMD EPYC, the other one busy: 82 s, held out 92.4 nats a picture, 2.08 bits a pixel (u
drawn once), and -1.34 nats a point for the moons.
"""

from dataclasses import dataclass

from recipes import runner


@dataclass(frozen=True, kw_only=True)
class Config(runner.TrainingOptions):
    """Settings of the recipe."""

    dataset: str = "digits"
    """digits, an image set of TensorFlow Datasets, or folder:PATH."""
    image_size: int | None = None
    """Crop and scale the pictures to this side, which must be even; None keeps theirs."""
    channels: int | None = None
    """1 makes the pictures grey, 3 makes them coloured; None keeps theirs."""
    levels: int = 17
    """Values that a pixel has, 256 in most data; the digits have 17."""
    epochs: int = 100
    """Passes over the training pictures."""
    batch_size: int = 64
    """Pictures a step."""
    couplings: int = 8
    """Affine couplings, the steps from noise to data."""
    width: int = 32
    """Channels of their networks."""
    learning_rate: float = 1e-3
    """Of Adam; falls to a hundredth along a cosine."""
    average_decay: float = 0.999
    """Decay of the moving averages."""
    moons_steps: int = 1500
    """Updates on the two moons, before the pictures."""
    moons_couplings: int = 6
    """Steps from noise to moons."""
    likelihoods: int = 300
    """Test pictures whose likelihood is measured by every exported file."""
    samples: int = 1000
    """Generated pictures that are scored."""


PRESETS = {
    "digits": Config(),
    "smoke": Config(epochs=1, couplings=4, width=8, moons_steps=20, moons_couplings=2, likelihoods=20, samples=200),
    "mnist": Config(dataset="mnist", levels=256, epochs=10, couplings=12),
    "fashion_mnist": Config(dataset="fashion_mnist", levels=256, epochs=10, couplings=12),
    "gpu": Config(dataset="fashion_mnist", levels=256, epochs=100, couplings=24, width=64, batch_size=128),
}


def run(config, resume=None):
    """Moons, data, model, training, evaluation, export."""
    run = runner.start("real_nvp", config, resume)

    import math

    import keras

    from zoo import callbacks, signatures, tables
    from zoo.datasets import images
    from zoo.flows import real_nvp

    data = images.load(config.dataset, config.image_size, config.channels)
    steps = images.steps_per_epoch(data.train, config.batch_size)

    def batches(first_epoch, context):
        return images.training_batches(data.train, config.batch_size, config.seed, first_epoch, context)

    with run.scope():
        model = real_nvp.RealNVP(
            event_shape=data.image_shape,
            couplings=config.couplings,
            width=config.width,
            levels=config.levels,
            average_decay=config.average_decay,
            seed=config.seed,
        )
        schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps, alpha=0.01)
        # The norm of each weight's gradient; of several replicas, that of each one's share, before they are added.
        model.compile(optimizer=keras.optimizers.Adam(schedule, clipnorm=100.0), jit_compile=run.jit_compile)
    grid = callbacks.SampleGrid(run.folder / "samples", lambda: model.generate(range(100)).numpy())
    watch = runner.watch(run, lambda count: model.generate(range(count)).numpy(), data, steps)
    model, seconds = runner.fit(run, model, batches, steps, [grid, *watch])

    held_out = images.to_float(data.test.images)
    bounds = model.evaluate(held_out, batch_size=60, return_dict=True, verbose=0)
    nats = {"nats a picture": bounds["loss"], "bits a pixel": bounds["bits_per_dim"]}
    moons = _learn_moons(config, run.folder)
    tables.print_scores(f"Held-out {data.title}, {config.levels} levels, dequantised", {"test": nats})
    tables.print_scores("Two moons, held out", {"log-likelihood, nats a point": moons})

    shape, size = data.image_shape, math.prod(data.image_shape)
    image = signatures.image_value("image", shape)
    value = signatures.Value("log_prob", (None,), "float32", "log p(image), pixels in the middle of a level, in nats")

    def decode(z, training):
        return model.decode(z)

    endpoints = {
        **signatures.generator_endpoints(decode, shape, size),
        "log_prob": signatures.Endpoint(lambda image: {"log_prob": model.log_prob(image)}, (image,), (value,)),
    }
    card = {
        "name": f"real_nvp_{data.name}",
        "title": f"RealNVP, {data.title}",
        "paper": {
            "title": "Density estimation using Real NVP",
            "authors": "Laurent Dinh, Jascha Sohl-Dickstein, Samy Bengio",
            "year": 2016,
            "url": "https://arxiv.org/abs/1605.08803",
        },
        "latent_dim": size,
        "directions": None,
        "likelihood": {"held_out": "test", "levels": config.levels, **nats},
    }
    chosen = held_out[: config.likelihoods]

    def score(file, evaluator):
        quality = {"nll": -sum(float(file.run("log_prob", image=each[None])["log_prob"][0]) for each in chosen)}
        quality["nll"] /= len(chosen)
        return quality if evaluator is None else quality | runner.score_seeds(file, evaluator, config.samples, data)

    runner.export(run, card, data, seconds, endpoints, model.average_networks, score)


def _learn_moons(config, folder):
    """Train a flow on two moons, draw what each of its steps does, and measure it on held-out points."""
    import keras
    import tensorflow as tf
    from sklearn import datasets

    from zoo.flows import real_nvp

    points, _ = datasets.make_moons(6000, noise=0.06, random_state=config.seed)
    points = ((points - points[:5000].mean(axis=0)) / points[:5000].std(axis=0)).astype("float32")
    with tf.device("cpu"):
        model = real_nvp.RealNVP((2,), config.moons_couplings, 64, None, average_decay=0.99, seed=config.seed)
        schedule = keras.optimizers.schedules.CosineDecay(3e-3, config.moons_steps, alpha=0.01)
        model.compile(optimizer=keras.optimizers.Adam(schedule))
        step = tf.function(lambda batch: model.train_step((batch, None)))
        shuffled = tf.data.Dataset.from_tensor_slices(points[:5000]).repeat().shuffle(5000, seed=config.seed)
        for batch in shuffled.batch(256).take(config.moons_steps):
            step(batch)
        _draw_moons(folder / "moons.png", model, points[5000:])
        return {"flow": float(tf.reduce_mean(model.log_prob(points[5000:])))}


def _draw_moons(path, model, points):
    """The noise, coloured by x, what each step makes of it, and the data; a grid on the noise is bent with it."""
    import os

    import matplotlib.figure
    import numpy as np

    from zoo.flows import real_nvp

    random = np.random.default_rng(0)
    noise = random.standard_normal((1000, 2)).astype(np.float32)
    side = np.linspace(-2.5, 2.5, 21)
    fine = np.linspace(-2.5, 2.5, 101)
    lines = np.stack([np.stack(np.broadcast_arrays(fixed, fine), axis=1) for fixed in side])  # (21, 101, 2)
    lines = np.concatenate([lines, lines[..., ::-1]]).astype(np.float32)  # along one axis, then the other
    colours = noise[:, 0]
    steps = real_nvp.flow(model.average_networks, (2,))
    columns = 4
    panels = len(steps) + 2
    rows = -(-panels // columns)
    figure = matplotlib.figure.Figure((3.0 * columns, 3.1 * rows), layout="constrained")
    figure.suptitle("RealNVP: normal noise, coloured by its x, becomes two moons, one affine coupling after the other")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for index in range(panels - 1):
        if index > 0:
            noise = steps[index - 1].forward(noise).numpy()
            lines = steps[index - 1].forward(lines.reshape(-1, 2)).numpy().reshape(lines.shape)
        for line in lines:
            axes[index].plot(*line.T, color="0.75", linewidth=0.5)
        axes[index].scatter(*noise.T, c=colours, cmap="viridis", s=4, zorder=3)
        moved = "" if index == 0 else (" moves y" if real_nvp.coupling_mask((2,), index - 1)[0] else " moves x")
        axes[index].set_title("noise z ~ N(0, I)" if index == 0 else f"step {index}{moved}", fontsize=10)
    axes[panels - 1].scatter(*points.T, color="0.3", s=4)
    axes[panels - 1].set_title("held-out data", fontsize=10)
    for each in axes[:panels]:
        each.set(xlim=(-3, 3), ylim=(-3, 3), xlabel="x", ylabel="y", aspect="equal")
    for each in axes[panels:]:
        each.set_axis_off()
    unfinished = path.with_suffix(".unfinished")
    figure.savefig(unfinished, dpi=100, format="png")
    os.replace(unfinished, path)
