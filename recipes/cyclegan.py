"""Train a CycleGAN between plain and painted pictures, measure it on held-out pairs, export it and score every file.

    python -m recipes cyclegan                          # 8x8 digits, no download
    python -m recipes cyclegan --preset fashion_mnist --publish
    python -m recipes cyclegan --cycle-weight 0         # what does the cycle do?

No pair is seen in training. Held-out pictures have both kinds (zoo/datasets/styles.py), so that a translation can be
compared with the true one.

With --preset fashion_mnist --precision mixed_bfloat16, on one core of an AMD EPYC (avx512_bf16): 588 s of
training; 1,000 held-out pictures are painted 25.0 dB from the truth (SSIM 0.90; left as they are: 9.8 dB), the painted
ones turned plain at 22.7 dB, and there and back a pixel moves by 0.03 of black to white.
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
    epochs: int = 100
    """Passes over half of the training pictures, as many of either kind."""
    batch_size: int = 16
    """Pictures of either kind a step."""
    width: int = 16
    """Channels of the translators' first layers."""
    blocks: int = 3
    """Residual blocks of each translator."""
    discriminator_width: int = 32
    """Channels of the discriminators' first layers."""
    cycle_weight: float = 10.0
    """lambda, the weight of coming back to the picture."""
    identity_weight: float = 0.5
    """mu, the weight of leaving alone what is of the right kind already."""
    learning_rate: float = 4e-4
    """Of both optimizers' Adam; falls to a tenth along a cosine."""
    beta_1: float = 0.5
    """Of Adam."""
    beta_2: float = 0.99
    """Of Adam."""
    average_decay: float = 0.999
    """Decay of the moving averages of the translators."""
    samples: int = 1000
    """Held-out pairs that are scored, at most."""


PRESETS = {
    "digits": Config(),
    "smoke": Config(epochs=1, batch_size=64, width=4, blocks=1, discriminator_width=8, samples=100),
    "fashion_mnist": Config(dataset="fashion_mnist", epochs=2),
    "gpu": Config(
        dataset="fashion_mnist",
        epochs=50,
        batch_size=64,
        width=32,
        blocks=6,
        discriminator_width=64,
        precision="mixed_bfloat16",
    ),
}


def run(config, resume=None):
    """Data, model, training, evaluation, export."""
    if config.watch:
        raise ValueError("--watch needs a model that draws pictures of seeds")
    run = runner.start("cyclegan", config, resume)

    import keras
    import numpy as np

    from zoo import callbacks, signatures, tables
    from zoo.datasets import images, pairs, styles
    from zoo.gans import cyclegan

    data = styles.load(config.dataset, config.image_size)
    shape = data.train_a.shape[1:]
    steps = images.steps_per_epoch(images.Split(data.train_a, None), config.batch_size)

    def batches(first_epoch, context):
        return styles.training_batches(data, config.batch_size, config.seed, first_epoch, context)

    def adam():
        schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps, alpha=0.1)
        return keras.optimizers.Adam(schedule, beta_1=config.beta_1, beta_2=config.beta_2)

    with run.scope():
        model = cyclegan.CycleGAN(
            image_shape=shape,
            width=config.width,
            blocks=config.blocks,
            discriminator_width=config.discriminator_width,
            cycle_weight=config.cycle_weight,
            identity_weight=config.identity_weight,
            average_decay=config.average_decay,
            seed=config.seed,
        )
        model.compile(generator_optimizer=adam(), discriminator_optimizer=adam(), jit_compile=run.jit_compile)
    shown_a, shown_b = (images.to_float(part[:20]) for part in (data.validation_a, data.validation_b))
    grid = callbacks.SampleGrid(
        run.folder / "samples",
        lambda: np.concatenate([shown_a, model.a_to_b(shown_a), shown_b, model.b_to_a(shown_b)]),
    )
    model, seconds = runner.fit(run, model, batches, steps, [grid])

    test_a, test_b = data.test_a[: config.samples], data.test_b[: config.samples]
    trivial = {"the picture itself": pairs.score(pairs.Pairs(test_a, test_b), images.to_float(test_a))}
    card = {
        "name": f"cyclegan_{data.data.name}",
        "title": f"CycleGAN, plain to painted {data.data.title}",
        "paper": {
            "title": "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
            "authors": "Jun-Yan Zhu, Taesung Park, Phillip Isola, Alexei Efros",
            "year": 2017,
            "url": "https://arxiv.org/abs/1703.10593",
        },
        "task": "style",
        "channels": ["red", "green", "blue"],
        "trivial": trivial,
    }
    image = signatures.image_value("image", shape)
    target = signatures.image_value("target", shape)
    a_to_b, b_to_a = model.a_to_b, model.b_to_a
    endpoints = {
        "translate": signatures.Endpoint(lambda image: {"target": a_to_b(image)}, (image,), (target,)),
        "translate_back": signatures.Endpoint(lambda image: {"target": b_to_a(image)}, (image,), (target,)),
    }

    def back(translator, pictures):
        return np.concatenate([translator.run("translate_back", image=each[None])["target"] for each in pictures])

    def score(translator, evaluator):
        """Both directions against the held-out pairs, and how much is lost on the way there and back."""
        there = translator.translate(images.to_float(test_a))
        scores = pairs.score(pairs.Pairs(test_a, test_b), there)
        backwards = pairs.score(pairs.Pairs(test_b, test_a), back(translator, images.to_float(test_b)))
        cycle = pairs.score(pairs.Pairs(test_a, test_a), back(translator, there))
        return {**scores, "back_psnr": backwards["psnr"], "cycle_error": cycle["error"]}

    def draw(translator):
        """Ten columns: plain, painted by the model, truly painted; painted, made plain by the model, truly plain."""
        a, b = images.to_float(test_a[:10]), images.to_float(test_b[:10])
        return np.concatenate([a, translator.translate(a), b, b, back(translator, b), a])

    tables.print_scores("What takes no training", trivial)
    runner.export(run, card, data.data, seconds, endpoints, [model.generator_average], score, draw)
