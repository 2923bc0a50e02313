"""Train pix2pix on one of five tasks, measure it against trivial methods, export it and score every exported file.

    python -m recipes pix2pix                           # outlines -> 8x8 digits, no download
    python -m recipes pix2pix --preset fashion_mnist --task super_resolution --precision mixed_bfloat16 --publish
    python -m recipes pix2pix --task colorize --dataset photographs --precision mixed_bfloat16
    python -m recipes pix2pix --adversarial-weight 0    # what does the discriminator add?

Tasks: edges, colorize, super_resolution (--factor 2 or 4), inpainting, segmentation (zoo/datasets/pairs.py).

With --precision mixed_bfloat16 on one core of an AMD EPYC (avx512_bf16), 1,000 test pairs of Fashion-MNIST, of the
photographs 104; what a trivial method makes stands in brackets:

                                  epochs    seconds
    super_resolution                   4        538    23.3 dB   (bicubic 18.9)
    super_resolution --factor 4        2        241    19.5 dB   (bicubic 15.5)
    inpainting                         2        259    error in the hole 0.09   (biharmonic 0.16)
    edges                              2        258    19.5 dB   (mean picture 10.6)
    segmentation                       2        269    18.3 dB   (mean grey of each class 16.7)
    colorize, the photographs        100        460    26.3 dB   (grey 21.8)
"""

from dataclasses import dataclass
from typing import Literal

from recipes import runner


@dataclass(frozen=True, kw_only=True)
class Config(runner.TrainingOptions):
    """Settings of the recipe."""

    task: Literal["edges", "colorize", "super_resolution", "inpainting", "segmentation"] = "edges"
    """What the source is made of, and so what the model learns."""
    dataset: str = "digits"
    """digits, photographs, an image set of TensorFlow Datasets, or folder:PATH."""
    factor: int = 2
    """Of super-resolution."""
    image_size: int | None = None
    """Crop and scale the pictures to this side; None keeps theirs."""
    epochs: int = 100
    """Passes over the training pairs."""
    batch_size: int = 32
    """Pairs a step."""
    latent_dim: int = 8
    """Length of the noise z."""
    width: int = 16
    """Channels of the generator's first layer."""
    discriminator_width: int = 32
    """Channels of the discriminator's first layer."""
    halvings: int = 1
    """Of the discriminator: 1, 2 or 3 judge patches of 16, 34 or 70 pixels."""
    l1_weight: float = 100.0
    """lambda, the weight of the distance to the target."""
    adversarial_weight: float = 1.0
    """Weight of the game; 0 leaves it out."""
    learning_rate: float = 8e-4
    """Of both players' Adam; falls to a tenth along a cosine."""
    beta_1: float = 0.5
    """Of Adam."""
    beta_2: float = 0.99
    """Of Adam."""
    average_decay: float = 0.999
    """Decay of the moving average of the generator."""
    samples: int = 1000
    """Test pairs that are scored, at most."""


PRESETS = {
    "digits": Config(),
    "smoke": Config(epochs=1, batch_size=128, width=4, discriminator_width=8, latent_dim=4, samples=100),
    "fashion_mnist": Config(dataset="fashion_mnist", epochs=4),
    "gpu": Config(
        dataset="fashion_mnist",
        epochs=50,
        batch_size=128,
        width=32,
        discriminator_width=64,
        precision="mixed_bfloat16",
    ),
}


def run(config, resume=None):
    """Data, model, training, evaluation, export."""
    if config.watch:
        raise ValueError("--watch needs a model that draws pictures of seeds")
    run = runner.start("pix2pix", config, resume)

    import keras
    import numpy as np

    from zoo import callbacks, metrics, noise, signatures, tables
    from zoo.datasets import images, pairs
    from zoo.gans import pix2pix

    data = pairs.load(config.task, config.dataset, config.factor, config.image_size)
    steps = images.steps_per_epoch(images.Split(*data.train), config.batch_size)

    def batches(first_epoch, context):
        return pairs.training_batches(data.train, config.batch_size, config.seed, first_epoch, context)

    def adam():
        schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps, alpha=0.1)
        return keras.optimizers.Adam(schedule, beta_1=config.beta_1, beta_2=config.beta_2)

    with run.scope():
        model = pix2pix.Pix2Pix(
            source_shape=data.source_shape,
            channels=data.target_shape[2],
            latent_dim=config.latent_dim,
            width=config.width,
            discriminator_width=config.discriminator_width,
            halvings=config.halvings,
            l1_weight=config.l1_weight,
            adversarial_weight=config.adversarial_weight,
            average_decay=config.average_decay,
            seed=config.seed,
        )
        model.compile(generator_optimizer=adam(), discriminator_optimizer=adam(), jit_compile=run.jit_compile)
    shown = images.to_float(data.validation.sources[:40])
    grid = callbacks.SampleGrid(run.folder / "samples", lambda: model.translate(shown, range(len(shown))).numpy())
    model, seconds = runner.fit(run, model, batches, steps, [grid])

    test = pairs.Pairs(data.test.sources[: config.samples], data.test.targets[: config.samples])
    trivial = {name: pairs.score(test, made) for name, made in pairs.trivial(data, test).items()}
    variant = f"{config.task}{f'_x{config.factor}' * (config.task == 'super_resolution')}"
    card = {
        "name": f"pix2pix_{variant}_{data.data.name}",
        "title": f"pix2pix, {variant.replace('_', ' ')}, {data.data.title}",
        "paper": {
            "title": "Image-to-Image Translation with Conditional Adversarial Networks",
            "authors": "Phillip Isola, Jun-Yan Zhu, Tinghui Zhou, Alexei Efros",
            "year": 2016,
            "url": "https://arxiv.org/abs/1611.07004",
        },
        "latent_dim": config.latent_dim,
        "task": config.task,
        "channels": list(data.channels),
        "trivial": trivial,
    }
    source = signatures.Value("image", (None, *data.source_shape), "float32", "source, see `channels`", (-1, 1))
    z = signatures.latent_value("z", config.latent_dim, "noise, standard normal")
    seed = signatures.Value("seed", (None,), "int32", "one seed is one noise, on every device", signatures.SEED_RANGE)
    target = signatures.image_value("target", data.target_shape)
    generator = model.generator_average
    endpoints = {
        "translate": signatures.Endpoint(
            lambda image, z: {"target": generator([image, z], training=False)}, (source, z), (target,)
        ),
        "latents": signatures.Endpoint(lambda seed: {"z": noise.normal(seed, config.latent_dim)}, (seed,), (z,)),
    }

    def score(translator, evaluator):
        made = translator.translate(images.to_float(test.sources))
        scores = pairs.score(test, made)
        known = config.task != "segmentation"  # whose scenes it does not know
        if evaluator is not None and known and len(made) > 1:
            real, fake = (evaluator.features(pictures)[0] for pictures in (test.targets, made))
            scores["fid"] = float(metrics.fid(real, fake))
        return scores

    def draw(translator):
        """Ten columns: source, what is made of it, target; four times, and white where the test pairs end."""
        rows = []
        for first in range(0, min(40, len(test.sources)), 10):
            ten = images.to_float(test.sources[first : first + 10])
            rows += [
                pairs.visible(ten, data),
                translator.translate(ten),
                images.to_float(test.targets[first : first + 10]),
            ]
        return np.concatenate([np.pad(row, ((0, 10 - len(row)), *3 * [(0, 0)]), constant_values=1.0) for row in rows])

    print()
    tables.print_scores("What takes no training", trivial)
    runner.export(run, card, data.data, seconds, endpoints, [generator], score, draw)
