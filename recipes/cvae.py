"""Train a conditional VAE by label, measure its bound and its samples, export it and score every exported file.

    python -m recipes cvae                              # 8x8 digits, no download
    python -m recipes cvae --preset fashion_mnist --precision mixed_bfloat16 --publish

What is sampled in place of the learned prior p(z|x) is a Gaussian with full covariance for each class, fitted after
training to the latent vectors of its pictures (zoo/autoencoders/priors.py); both are scored. The exported files draw
one picture of a seed and a label, and `generate` takes standard normal noise.

The second, 14 epochs in 362 s of training on one core of an AMD EPYC (avx512_bf16): FID 2.30, label accuracy 0.80,
precision 0.81, recall 0.61 on the test split (n = 10,000; floor 0.02); from the learned prior 3.43 and 0.75.
"""

from dataclasses import dataclass

from recipes import runner


@dataclass(frozen=True, kw_only=True)
class Config(runner.TrainingOptions):
    """Settings of the recipe."""

    dataset: str = "digits"
    """digits, an image set of TensorFlow Datasets, or folder:PATH with a sub-folder for each class."""
    image_size: int | None = None
    """Crop and scale the pictures to this side; None keeps theirs."""
    channels: int | None = None
    """1 makes the pictures grey, 3 makes them coloured; None keeps theirs."""
    epochs: int = 300
    """Passes over the training pictures."""
    batch_size: int = 64
    """Pictures a step."""
    latent_dim: int = 8
    """Length of the latent vector z."""
    width: int = 16
    """Channels of the generation network's last hidden layer."""
    recognition_width: int = 16
    """Channels of the recognition network's first layer."""
    learning_rate: float = 1e-3
    """Of Adam; falls to a hundredth along a cosine."""
    average_decay: float = 0.999
    """Decay of the moving averages."""
    samples: int = 10_000
    """Generated pictures that are scored."""


PRESETS = {
    "digits": Config(samples=1000),
    "smoke": Config(epochs=1, batch_size=128, width=8, recognition_width=8, latent_dim=4, samples=400),
    "mnist": Config(dataset="mnist", epochs=16, batch_size=128, latent_dim=16, recognition_width=24),
    "fashion_mnist": Config(dataset="fashion_mnist", epochs=14, batch_size=128, latent_dim=16, recognition_width=24),
    "gpu": Config(
        dataset="fashion_mnist",
        epochs=100,
        batch_size=256,
        latent_dim=16,
        width=48,
        recognition_width=48,
        precision="mixed_bfloat16",
    ),
}
FITTED = 20_000  # training pictures, at most, whose latent vectors the Gaussians of the classes are fitted to


def run(config, resume=None):
    """Data, model, training, evaluation, export."""
    run = runner.start("cvae", config, resume)

    import keras
    import numpy as np

    from zoo import callbacks, signatures, tables
    from zoo.autoencoders import cvae
    from zoo.datasets import conditions, images

    data = images.load(config.dataset, config.image_size, config.channels)
    told = conditions.by_label(data)
    counts = np.bincount(data.train.labels[:FITTED], minlength=len(data.class_names))
    if counts.min() < 2:
        name = data.class_names[counts.argmin()]
        raise ValueError(f"every class needs 2 training pictures or more, {name} has {counts.min()}")
    steps = images.steps_per_epoch(data.train, config.batch_size)

    def batches(first_epoch, context):
        return images.training_batches(data.train, config.batch_size, config.seed, first_epoch, context)

    with run.scope():
        model = cvae.CVAE(
            image_shape=data.image_shape,
            classes=len(data.class_names),
            latent_dim=config.latent_dim,
            width=config.width,
            recognition_width=config.recognition_width,
            average_decay=config.average_decay,
            seed=config.seed,
        )
        schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps, alpha=0.01)
        model.compile(optimizer=keras.optimizers.Adam(schedule), jit_compile=run.jit_compile)
    columns = len(told.shown)  # a column shows one class
    shown = np.tile(told.shown, 10)
    grid = callbacks.SampleGrid(
        run.folder / "samples", lambda: model.generate(range(len(shown)), shown).numpy(), columns=columns
    )

    def draw(count):
        return model.generate(range(count), np.resize(told.asked, count)).numpy()

    model, seconds = runner.fit(run, model, batches, steps, [grid, *runner.watch(run, draw, data, steps)])

    test = images.to_float(data.test.images), data.test.labels
    bound = model.evaluate(*test, batch_size=100, return_dict=True, verbose=0)
    tables.print_scores(f"Held-out {data.title}, nats a picture", {"test": bound})
    asked = np.resize(told.asked, config.samples)
    fitted = _fit_prior(model, data, config)
    card = {
        "name": f"cvae_{data.name}",
        "title": f"Conditional VAE by label, {data.title}",
        "paper": {
            "title": "Learning Structured Output Representation using Deep Conditional Generative Models",
            "authors": "Kihyuk Sohn, Honglak Lee, Xinchen Yan",
            "year": 2015,
            "url": "https://proceedings.neurips.cc/paper/2015/hash/8d55a249e6baa5c06772297520da2051-Abstract.html",
        },
        "latent_dim": config.latent_dim,
        "prior": "one Gaussian with full covariance for each class",
        "learned_prior": _score_learned_prior(model, data, asked, told),
        "likelihood": {"held_out": "test", "elbo": -bound["loss"], **bound},
        **told.card,
    }

    def network(inputs, training):
        eps, labels = inputs
        return model.draw(labels, fitted.draw(eps, labels))

    endpoints = signatures.generator_endpoints(network, data.image_shape, config.latent_dim, condition=told.value)

    def score(generator, evaluator):
        return evaluator and runner.score_seeds(generator, evaluator, config.samples, data, asked, told.judge)

    runner.export(run, card, data, seconds, endpoints, [model.generation_average], score)


def _fit_prior(model, data, config):
    """A Gaussian for each class, of one latent vector of each of (at most) `FITTED` training pictures."""
    import numpy as np

    from zoo.autoencoders import priors
    from zoo.datasets import images

    pictures, labels = images.to_float(data.train.images[:FITTED]), data.train.labels[:FITTED].astype(np.int32)
    latents = []
    random = np.random.default_rng(config.seed)
    for part in np.array_split(np.arange(len(pictures)), -(-len(pictures) // 500)):
        mean, log_variance = model.recognition_average([labels[part], pictures[part]], training=False)
        latents.append(mean + np.exp(0.5 * log_variance) * random.standard_normal(mean.shape))
    return priors.fit_classes(np.concatenate(latents), labels)


def _score_learned_prior(model, data, asked, told):
    """Scores of samples of the learned prior p(z|x); None where there is no evaluator."""
    import numpy as np

    from zoo import metrics, tables

    evaluator = runner.find_evaluator(data)
    if evaluator is None:
        return None
    parts = np.array_split(np.arange(len(asked)), -(-len(asked) // 500))
    pictures = np.concatenate([model.generate(part, asked[part]).numpy() for part in parts])
    judged = told.judge(pictures, evaluator.features(pictures)[1])
    scores = {**metrics.score(pictures, data, evaluator), **judged}
    chosen = {name: scores[name] for name in ("fid", "precision", "recall", "n", *judged)}
    tables.print_scores("Samples of the learned prior", {"p(z|x)": chosen})
    return chosen
