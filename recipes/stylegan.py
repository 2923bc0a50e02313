"""Train a StyleGAN, measure it, edit by style, export it and score every exported file.

    python -m recipes stylegan                          # 8x8 digits, no download
    python -m recipes stylegan --preset fashion_mnist --precision mixed_bfloat16 --publish

Beside the samples the run's folder gets mixing.png (the coarse styles of a column, the fine ones of a row), edits.png
(steps along the direction in w of an attribute) and truncation.png (psi from 0 to 1).

The second, on one core of an AMD EPYC (avx512_bf16): 9 epochs in 1,748 s of training, FID 0.27, precision 0.91, recall
0.76 on the test split (n = 10,000; floor 0.02). On the way, FID of 5,000 pictures against 10,000 training pictures:

    seconds     200     385     579     770     969   1,169   1,365   1,561   1,748
    FID        2.61    0.98    0.55    0.54    0.46    0.43    0.40    0.35    0.34

What was tried before: without the channel of minibatch deviations, and with 0.9 of the pictures mixed, the same 9
epochs ended at FID 2.48, recall 0.50. With the channel, one epoch (its rate falling to a tenth) ends at 5.7 where 0.9
are mixed and at 3.5 where 0.3 are: few layers have little to say about the styles of two kinds of clothes. The
generator's weights have unit variance and want large steps: after 1,200 updates at a rate of 1e-3 the FID was 23.5,
after 960 at 1e-2 it was 6.4.
"""

from dataclasses import dataclass

from recipes import runner


@dataclass(frozen=True, kw_only=True)
class Config(runner.TrainingOptions):
    """Settings of the recipe."""

    dataset: str = "digits"
    """digits, an image set of TensorFlow Datasets, or folder:PATH."""
    image_size: int | None = None
    """Crop and scale the pictures to this side; None keeps theirs."""
    channels: int | None = None
    """1 makes the pictures grey, 3 makes them coloured; None keeps theirs."""
    epochs: int = 250
    """Passes over the training pictures."""
    batch_size: int = 32
    """Pictures a step."""
    latent_dim: int = 64
    """Length of the latent vector z and of the style w."""
    width: int = 24
    """Channels of the synthesis network's last layers."""
    depth: int = 4
    """Layers of the mapping network."""
    discriminator_width: int = 32
    """Channels of the discriminator's first layer."""
    mixing_probability: float = 0.9
    """Share of the pictures in training that mix the styles of two latent vectors."""
    truncation: float = 1.0
    """psi of the exported generator: under 1 the styles move towards their mean."""
    learning_rate: float = 1e-2
    """Of the generator's Adam, whose weights have unit variance; falls to a tenth along a cosine."""
    discriminator_learning_rate: float = 8e-4
    """Of the discriminator's Adam; falls likewise."""
    beta_1: float = 0.0
    """Of Adam."""
    beta_2: float = 0.99
    """Of Adam."""
    r1_gamma: float = 0.2
    """Weight of the gradient penalty R1."""
    average_decay: float = 0.999
    """Decay of the moving average of the generator."""
    samples: int = 10_000
    """Generated pictures that are scored."""


PRESETS = {
    "digits": Config(r1_gamma=1.0, samples=1000),
    "smoke": Config(epochs=1, batch_size=128, width=4, discriminator_width=8, latent_dim=16, depth=2, samples=400),
    "fashion_mnist": Config(dataset="fashion_mnist", epochs=9, mixing_probability=0.3, average_decay=0.9995),
    "gpu": Config(
        dataset="fashion_mnist",
        epochs=100,
        batch_size=256,
        latent_dim=128,
        width=48,
        depth=8,
        discriminator_width=64,
        precision="mixed_bfloat16",
    ),
}
EPSILON = 1e-3  # of the path length
STEPS = (-3, -2, -1, 0, 1, 2, 3)  # of the edits, in standard deviations of w along the direction


def run(config, resume=None):
    """Data, model, training, evaluation, export."""
    if not 0 <= config.truncation <= 1:
        raise ValueError(f"--truncation must be 0 to 1, got {config.truncation}")
    run = runner.start("stylegan", config, resume)

    import keras

    from zoo import callbacks, signatures
    from zoo.datasets import images
    from zoo.gans import stylegan

    data = images.load(config.dataset, config.image_size, config.channels)
    steps = images.steps_per_epoch(data.train, config.batch_size)

    def batches(first_epoch, context):
        return images.training_batches(data.train, config.batch_size, config.seed, first_epoch, context)

    def adam(rate):
        schedule = keras.optimizers.schedules.CosineDecay(rate, config.epochs * steps, alpha=0.1)
        return keras.optimizers.Adam(schedule, beta_1=config.beta_1, beta_2=config.beta_2)

    with run.scope():
        model = stylegan.StyleGAN(
            image_shape=data.image_shape,
            latent_dim=config.latent_dim,
            width=config.width,
            depth=config.depth,
            discriminator_width=config.discriminator_width,
            mixing_probability=config.mixing_probability,
            r1_gamma=config.r1_gamma,
            average_decay=config.average_decay,
            seed=config.seed,
        )
        model.compile(
            generator_optimizer=adam(config.learning_rate),
            discriminator_optimizer=adam(config.discriminator_learning_rate),
            jit_compile=run.jit_compile,
        )
    grid = callbacks.SampleGrid(run.folder / "samples", lambda: model.generate(range(100)).numpy())
    watch = runner.watch(run, lambda count: model.generate(range(count)).numpy(), data, steps)
    model, seconds = runner.fit(run, model, batches, steps, [grid, *watch])

    mean_style = model.mean_style().numpy()
    _draw_mixing(model, run.folder / "mixing.png")
    _draw_truncation(model, mean_style, run.folder / "truncation.png")
    edits = _find_edits(model, run.folder / "edits.png")

    card = {
        "name": f"stylegan_{data.name}",
        "title": f"StyleGAN, {data.title}",
        "paper": {
            "title": "A Style-Based Generator Architecture for Generative Adversarial Networks",
            "authors": "Tero Karras, Samuli Laine, Timo Aila",
            "year": 2018,
            "url": "https://arxiv.org/abs/1812.04948",
        },
        "latent_dim": config.latent_dim,
        "directions": signatures.sefa_directions(model.mapping),
        "mean_style": [round(float(value), 5) for value in mean_style],
        "edits": edits,
        "path_length": _path_length(model, runner.find_evaluator(data)),
    }
    endpoints = _endpoints(model, mean_style, config.truncation, data.image_shape)
    runner.export(run, card, data, seconds, endpoints, [model.generator_average])


def _endpoints(model, mean_style, psi, image_shape):
    """Signatures of a generator, and its two halves: synthesize(map(z), 0) is generate(z), truncated by psi like it."""
    import tensorflow as tf

    from zoo import noise, signatures
    from zoo.gans import stylegan

    count, dim = len(model.sides), model.latent_dim

    def styles(z):
        return stylegan.truncate(model.mapping(tf.repeat(z[:, None], count, axis=1)), mean_style, psi)  # (B, L, D)

    def draw(z, seeds):
        return {"image": model.synthesize(styles(z), seeds)}

    def latents(seed):
        return {"z": noise.normal(seed, dim)}

    z = signatures.latent_value("z", dim, "latent vector, standard normal; the noise is that of seed 0")
    w = signatures.Value("w", (None, count, dim), "float32", "styles, a row for each layer, coarse to fine")
    seed = signatures.Value("seed", (None,), "int32", "one seed is one picture, on every device", signatures.SEED_RANGE)
    noise_seed = signatures.Value("seed", (None,), "int32", "of the noise", signatures.SEED_RANGE)
    first = signatures.Value("seed", (1,), "int32", f"the first of {signatures.BATCH} seeds", signatures.SEED_RANGE)
    image = signatures.image_value("image", image_shape)
    several = signatures.Value("image", (signatures.BATCH, *image_shape), "float32", "pictures of these seeds", (-1, 1))
    return {
        "generate": signatures.Endpoint(lambda z: draw(z, tf.zeros_like(z[:, 0], tf.int32)), (z,), (image,)),
        "generate_from_seed": signatures.Endpoint(lambda seed: draw(noise.normal(seed, dim), seed), (seed,), (image,)),
        "generate_batch": signatures.Endpoint(
            lambda seed: draw(noise.normal(seed + tf.range(signatures.BATCH), dim), seed + tf.range(signatures.BATCH)),
            (first,),
            (several,),
        ),
        "latents": signatures.Endpoint(latents, (seed,), (signatures.latent_value("z", dim, "standard normal"),)),
        "map": signatures.Endpoint(lambda z: {"w": styles(z)}, (z,), (w,)),
        "synthesize": signatures.Endpoint(
            lambda w, seed: {"image": model.synthesize(w, seed)}, (w, noise_seed), (image,)
        ),
    }


def _draw_mixing(model, path):
    """A picture for each column and row: coarse styles of the column's seed (on top), fine ones of the row's."""
    import numpy as np

    from zoo import callbacks

    count = 8
    w = model.styles(range(2 * count)).numpy()  # (16, L, D)
    columns, rows = w[:count], w[count:]
    crossover = len(model.sides) // 2
    table = [np.zeros((1, *model.image_shape), np.float32) + 1, model.synthesize(columns, [0] * count)]
    for row in rows:
        mixed = np.concatenate([columns[:, :crossover], np.repeat(row[None, crossover:], count, axis=0)], axis=1)
        table += [model.synthesize(row[None], [0]), model.synthesize(mixed, [0] * count)]
    callbacks.save_grid(path, np.concatenate(table), columns=count + 1)


def _draw_truncation(model, mean_style, path):
    """Eight pictures, a column each, for psi = 0, 0.25, 0.5, 0.75 and 1."""
    import numpy as np

    from zoo import callbacks
    from zoo.gans import stylegan

    w = model.styles(range(8))
    pictures = [model.synthesize(stylegan.truncate(w, mean_style, psi), [0] * 8) for psi in np.linspace(0, 1, 5)]
    callbacks.save_grid(path, np.concatenate(pictures), columns=8)


def _find_edits(model, path, count=5000):
    """Directions in w along which brightness and aspect change: least squares on pictures that are measured.

    Returns:
        For the card: name -> direction of unit length, standard deviation of w along it, and the mean measure of 200
        pictures after each of the steps that edits.png shows.
    """
    import numpy as np
    from sklearn.linear_model import Ridge

    from zoo import callbacks
    from zoo.datasets import captions

    parts = [range(first, first + 500) for first in range(0, count, 500)]
    w = np.concatenate([model.styles(part).numpy()[:, 0] for part in parts])  # (N, D)
    measured = np.concatenate([captions.measure(model.generate(part).numpy()) for part in parts])  # (N, 3)
    edits, pictures = {}, []
    for name in ("brightness", "aspect"):
        values = measured[:, captions.MEASURES.index(name)]
        direction = Ridge(alpha=1.0).fit(w, values).coef_
        direction /= np.linalg.norm(direction)
        spread = float(np.std(w @ direction))
        means = []
        for step in STEPS:
            moved = model.styles(range(200)).numpy() + np.float32(step * spread) * direction.astype(np.float32)
            drawn = model.synthesize(moved, range(200)).numpy()
            means.append(round(float(captions.measure(drawn)[:, captions.MEASURES.index(name)].mean()), 4))
            pictures.append(drawn[:4])
        edits[name] = {"direction": direction.round(5).tolist(), "spread": round(spread, 5), "means": means}
    by_step = np.stack(pictures).reshape(2, len(STEPS), 4, *model.image_shape)
    callbacks.save_grid(path, np.concatenate(by_step.swapaxes(1, 2).reshape(2, -1, *model.image_shape)), len(STEPS))
    return edits


def _path_length(model, evaluator, count=2000):
    """The perceptual path length in w (section 4.1), in the features of the pinned evaluator; None without one."""
    import numpy as np

    if evaluator is None:
        return None
    random = np.random.default_rng(0)
    lengths = []
    for first in range(0, count, 500):
        one, other = (model.styles(range(start, start + 500)).numpy() for start in (first, first + count))
        t = random.random((500, 1, 1), np.float32)
        features = []
        for shift in (0.0, EPSILON):
            pictures = model.synthesize(one + (t + np.float32(shift)) * (other - one), range(first, first + 500))
            features.append(evaluator.features(pictures.numpy())[0].astype(np.float64))
        lengths.append(np.sum((features[1] - features[0]) ** 2, axis=1) / EPSILON**2)
    return round(float(np.mean(lengths)), 3)
