"""Find what does not belong: train an autoencoder on ordinary examples, score strange ones.

    python -m recipes anomaly                           # 8x8 digits: nine classes are ordinary, the tenth is strange
    python -m recipes anomaly --preset mnist --precision mixed_bfloat16
    python -m recipes anomaly --preset flows            # network traffic, simulated, with nine kinds of attack

Pictures: a VAE (zoo/autoencoders/vae.py) is trained on nine classes and scores the tenth, which it has never seen, ten
times over. Its scores, larger for what looks stranger, are

    squared error      mean of (x - x')^2, x' the picture of the posterior's mean
    relative error     the same over the mean of x^2: a thin 1 has little ink to get wrong
    ELBO, IWAE         minus the bounds of log p(x)

Rows: a dense autoencoder with a narrow middle is trained on ordinary rows, and scores every kind of attack. Its error
is the squared error of the numbers and the cross entropy of the categories; logarithms, scales and one-hot vectors are
inside the exported file, which takes raw rows. --dataset kddcup99 takes the KDD Cup 1999 connections where scikit-learn
has them.

All are compared with PCA of as many components, an isolation forest and a one-class SVM. The validation split sets the
thresholds (a quantile of its ordinary examples) and says which of the autoencoder's scores that draw no noise is
exported; every printed measure is of the test split. Means over the ten digits and over the nine kinds of attack, of
which the first row is the error of the autoencoder:

                            digits, AUROC    FPR at 95 % TPR      flows, AUROC    FPR at 95 % TPR
    squared error                   0.929               0.23             0.979               0.05
    relative error                  0.914               0.28
    ELBO                            0.926               0.28
    IWAE                            0.930               0.25
    PCA                             0.856               0.41             0.878               0.18
    isolation forest                0.735               0.61             0.842               0.21
    one-class SVM                   0.655               0.74             0.892               0.23
"""

from dataclasses import asdict, dataclass
from typing import Literal

from recipes import lesson, runner

KIND = "walkthrough"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the walk-through."""

    dataset: str = "digits"
    """digits, an image set of TensorFlow Datasets, folder:PATH with a sub-folder a class; or table flows, kddcup99."""
    leave_out: tuple[str, ...] = ()
    """Classes of pictures that are left out, one after the other, by name; none given means each of them."""
    ship: str | None = None
    """The left-out class whose detector is exported; None takes the first."""
    epochs: int = 40
    """Passes over the ordinary training examples."""
    batch_size: int = 64
    """Examples a step."""
    latent_dim: int = 6
    """Length of the latent vector: of a picture's z, or of the narrow middle of the network for rows."""
    width: int = 16
    """Channels of the VAE's outer layers; a quarter of the units of the outer layers of the network for rows."""
    learning_rate: float = 2e-3
    """Of Adam; falls to a hundredth along a cosine."""
    importance_samples: int = 10
    """Samples k of the importance-weighted bound (IWAE)."""
    quantile: float = 0.95
    """Share of ordinary held-out examples below the threshold."""
    seed: int = 0
    """Of weights, noise and the order of the data."""
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    """Of the layers' arithmetic in training."""
    folder: str | None = None
    """Of the figures and the export, new; None makes runs/anomaly-<time>."""
    publish: bool = False
    """Copy the export to exported/ when its AUROC is higher than that of what is there."""
    force: bool = False
    """With --publish: copy it even when it is not."""


REAL = {"epochs": 2, "batch_size": 128, "latent_dim": 10, "importance_samples": 5}
PRESETS = {
    "digits": Config(),
    "smoke": Config(leave_out=("0", "4"), epochs=1, batch_size=128, width=4, latent_dim=2, importance_samples=2),
    "mnist": Config(**REAL, dataset="mnist"),
    "fashion_mnist": Config(**REAL, dataset="fashion_mnist", ship="Bag"),
    "flows": Config(dataset="flows", epochs=20, batch_size=128),
}
TABLES = ("flows", "kddcup99")


def run(config):
    """Train, score, compare, draw, export."""
    check(config)

    import keras

    from zoo import anomaly, anomaly_figures, export

    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    data = load(config)
    folder = runner.new_folder("anomaly", config.folder)
    cases, detectors = (learn_rows if config.dataset in TABLES else learn_pictures)(config, data)
    speaker = lesson.Lesson("anomaly", folder)
    results = {case.name: anomaly.judge(case, config.quantile) for case in cases}
    by_case, by_method = anomaly.tables(results)
    speaker.table(f"AUROC, {data.title}, test split", by_case)
    speaker.table(f"Mean and standard deviation over {len(cases)} kinds of anomaly, test split", by_method)
    export.write_json(speaker.folder / "anomaly.json", results)
    method = max(detectors, key=lambda name: anomaly.mean(results, name, "validation"))

    thresholds = [results[case.name][method]["threshold"] for case in cases]
    with speaker.figure("scores", *anomaly_figures.grid(len(cases))) as panels:
        anomaly_figures.draw_histograms(panels, cases, method, thresholds)
    with speaker.figure("roc", *anomaly_figures.grid(len(cases))) as panels:
        anomaly_figures.draw_curves(panels, cases, (method, *anomaly.OTHERS))
    if config.dataset in TABLES:
        data.write_csv(speaker.folder / "held_out.csv")
        print(f"rows: {speaker.folder / 'held_out.csv'}")
    else:
        strange = [data.test.labels == data.class_names.index(case.name) for case in cases]
        with speaker.figure("extremes", len(cases), 3, (12, 0.56 * len(cases) + 0.5)) as panels:
            anomaly_figures.draw_extremes(panels, cases, method, data.test.images, strange)
    threshold = results[config.ship or cases[0].name][method]["threshold"]
    ship(detectors[method], method, threshold, config, data, speaker.folder)


def check(config):
    """Refuse settings out of range, before anything is loaded or written."""
    for name in ("epochs", "batch_size", "latent_dim", "width", "importance_samples"):
        if getattr(config, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1, got {getattr(config, name)}")
    if not (config.learning_rate > 0 and 0 < config.quantile < 1 and 0 <= config.seed <= lesson.LARGEST_SEED):
        raise ValueError(
            f"--learning-rate must be positive, --quantile between 0 and 1, --seed 0 to {lesson.LARGEST_SEED}, "
            f"got {config.learning_rate}, {config.quantile}, {config.seed}"
        )
    if config.dataset in TABLES and (config.leave_out or config.ship):
        raise ValueError(f"{config.dataset} has anomalies of its own: --leave-out and --ship are for pictures")
    if config.dataset in TABLES and config.precision != "float32":
        raise ValueError(f"--precision must be float32 for rows, got {config.precision}")


def load(config):
    """The table or the pictures that are asked for, if there are classes to leave out."""
    from zoo.datasets import images, tabular

    if config.dataset in TABLES:
        return tabular.load(config.dataset)
    data = images.load(config.dataset)
    if len(data.class_names) < 2:
        raise ValueError(f"{data.title} has one class: there is nothing to leave out")
    names = config.leave_out or data.class_names
    for name in names:
        if name not in data.class_names:
            raise ValueError(f"{data.title} has no class {name!r}: there are {', '.join(data.class_names)}")
        if names.count(name) > 1:
            raise ValueError(f"--leave-out has {name!r} more than once")
        if any(data.class_names.index(name) not in split.labels for split in (data.validation, data.test)):
            raise ValueError(f"{data.title}: no {name!r} among the validation or among the test pictures")
    if config.ship not in (None, *names):
        raise ValueError(f"--ship must be a class that is left out ({', '.join(names)}), got {config.ship!r}")
    return data


def learn_pictures(config, data):
    """Train a VAE for each class that is left out.

    Returns:
        List of `zoo.anomaly.Case`, and name of a score -> `zoo.anomaly_export.Detector` of the class that is shipped.
    """
    from zoo import anomaly

    names = config.leave_out or data.class_names
    cases, detectors = [], {}
    for name in names:
        label = data.class_names.index(name)
        strange = {split: getattr(data, split).labels == label for split in anomaly.SPLITS}
        ordinary = data.train.images[data.train.labels != label]
        model, seconds = train_vae(config, ordinary)
        others = anomaly.detectors(pixels(ordinary), config.latent_dim, config.seed)
        score = make_scorer(model, config.importance_samples)
        scored = {}
        for split in anomaly.SPLITS:
            pictures = getattr(data, split).images
            scored[split] = score(pictures) | {method: other(pixels(pictures)) for method, other in others.items()}
            scored[split]["PCA, relative"] = scored[split]["PCA"] / anomaly.energy(pixels(pictures))
        cases.append(anomaly.make_case(name, scored, {split: ~where for split, where in strange.items()}, strange))
        if name == (config.ship or names[0]):
            detectors = picture_detectors(model, data, name, seconds)
        print(f"left out {name}: {len(ordinary)} pictures, {seconds:.0f} s of training", flush=True)
    return cases, detectors


def picture_detectors(model, data, left_out, seconds):
    """The `zoo.anomaly_export.Detector`s that a VAE makes: one for each of its scores that draws no noise."""
    import numpy as np

    from zoo import anomaly, anomaly_export, signatures
    from zoo.datasets import images

    def draw(scores, threshold):
        order = np.argsort(scores)
        return images.to_float(data.test.images[np.concatenate([order[:50], order[-50:]])])

    def detector(error):
        return anomaly_export.Detector(
            score=lambda image: error(image, model(image, training=False)),
            networks=[model.encoder_average, model.image_decoder],
            value=signatures.image_value("image", data.image_shape),
            examples=images.to_float(data.test.images),
            anomalous=data.test.labels == data.class_names.index(left_out),
            draw=draw,
            card={
                "title": f"Anomaly detector, {data.title} without {left_out}",
                "paper": {
                    "title": "Auto-Encoding Variational Bayes",
                    "authors": "Diederik P. Kingma, Max Welling",
                    "year": 2013,
                    "url": "https://arxiv.org/abs/1312.6114",
                },
                "ordinary": [name for name in data.class_names if name != left_out],
                "anomalies": [left_out],
                "training": {"seconds": round(seconds, 1)},
            },
        )

    return {"squared error": detector(anomaly.squared_error), "relative error": detector(anomaly.relative_error)}


def train_vae(config, ordinary):
    """A VAE of ordinary pictures uint8 (N, H, W, C), and the seconds that its training took."""
    import time

    import keras
    import numpy as np

    from zoo import training
    from zoo.autoencoders import vae
    from zoo.datasets import images

    split = images.Split(ordinary, np.zeros(len(ordinary), np.int64))
    steps = images.steps_per_epoch(split, config.batch_size)
    model = vae.VAE(
        image_shape=ordinary.shape[1:],
        latent_dim=config.latent_dim,
        width=config.width,
        encoder_width=config.width,
        likelihood="gaussian",
        average_decay=0.99,
        seed=config.seed,
    )
    schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps, alpha=0.01)
    model.compile(keras.optimizers.Adam(schedule))
    began = time.perf_counter()
    batches = images.training_batches(split, config.batch_size, config.seed)
    stop = training.StopOnNaN()
    model.fit(batches, epochs=config.epochs, steps_per_epoch=steps, callbacks=[stop], shuffle=False, verbose=0)
    return model, time.perf_counter() - began


def make_scorer(model, samples):
    """The four scores of a VAE: a function from pictures uint8 (N, H, W, C) to a dictionary, name -> float32 (N,)."""
    import numpy as np
    import tensorflow as tf

    from zoo import anomaly
    from zoo.datasets import images

    @tf.function(input_signature=[tf.TensorSpec((None, *model.image_shape), tf.float32)])
    def score_batch(batch):
        reconstructions = model(batch, training=False)
        reconstruction, kl = model.terms(batch, model.encoder_average, model.decoder_average)
        return {
            "squared error": anomaly.squared_error(batch, reconstructions),
            "relative error": anomaly.relative_error(batch, reconstructions),
            "ELBO": kl - reconstruction,
            "IWAE": -model.importance_weighted_bound(batch, samples),
        }

    def score(pictures):
        parts = [score_batch(images.to_float(pictures[first : first + 500])) for first in range(0, len(pictures), 500)]
        return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}

    return score


def pixels(pictures):
    """What the detectors without a network get: pictures as float32 vectors in [0, 1]."""
    return pictures.reshape(len(pictures), -1).astype("float32") / 255.0


def learn_rows(config, data):
    """Train one autoencoder on the ordinary rows of a table; returns what `learn_pictures` does."""
    import time

    import keras

    from zoo import anomaly, training
    from zoo.datasets import tabular

    encoding = tabular.Encoding.fit(data.train.rows, data.columns)
    encoded = {split: encoding(getattr(data, split).rows).numpy() for split in ("train", *anomaly.SPLITS)}
    network = make_row_autoencoder(encoded["train"].shape[1], config.latent_dim, 4 * config.width)
    steps = config.epochs * -(-len(encoded["train"]) // config.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps, alpha=0.01)
    network.compile(keras.optimizers.Adam(schedule), loss=encoding.error)
    began = time.perf_counter()
    stop = training.StopOnNaN()
    network.fit(encoded["train"], encoded["train"], config.batch_size, config.epochs, verbose=0, callbacks=[stop])
    seconds = time.perf_counter() - began
    print(f"{len(encoded['train'])} ordinary rows, {seconds:.0f} s of training", flush=True)

    methods = {"autoencoder": lambda rows: encoding.error(rows, network(rows, training=False)).numpy()}
    methods |= anomaly.detectors(encoded["train"], config.latent_dim, config.seed)
    scored = {split: {name: score(encoded[split]) for name, score in methods.items()} for split in anomaly.SPLITS}
    kinds = {split: getattr(data, split).kinds for split in anomaly.SPLITS}
    ordinary = {split: kinds[split] == 0 for split in anomaly.SPLITS}
    cases = [
        anomaly.make_case(name, scored, ordinary, {split: kinds[split] == index for split in anomaly.SPLITS})
        for index, name in enumerate(data.kinds, 1)
    ]
    return cases, {"autoencoder": row_detector(network, encoding, data, seconds)}


def row_detector(network, encoding, data, seconds):
    """The `zoo.anomaly_export.Detector` of raw rows that an autoencoder of encoded ones makes."""
    import numpy as np

    from zoo import anomaly_export, anomaly_figures, signatures

    def score(x):
        encoded = encoding(x)
        return encoding.error(encoded, network(encoded, training=False))

    def draw(scores, threshold):
        parts = [scores[data.test.kinds == kind] for kind in range(len(data.kinds) + 1)]
        pictures = zip(data.kinds, parts[1:], strict=True)
        return np.stack([anomaly_figures.small_histogram(name, parts[0], part, threshold) for name, part in pictures])

    meaning = "a raw row: the card's `columns` in their order, a category as its index among the values"
    return anomaly_export.Detector(
        score=score,
        networks=[network],
        value=signatures.Value("x", (None, len(data.columns)), "float32", meaning),
        examples=data.test.rows,
        anomalous=data.test.kinds != 0,
        draw=draw,
        card={
            "title": f"Anomaly detector, {data.title}",
            "paper": {
                "title": "Reducing the Dimensionality of Data with Neural Networks",
                "authors": "Geoffrey E. Hinton, Ruslan R. Salakhutdinov",
                "year": 2006,
                "url": "https://doi.org/10.1126/science.1127647",
            },
            "columns": [column.describe() for column in data.columns],
            "ordinary": ["normal"],
            "anomalies": list(data.kinds),
            "training": {"seconds": round(seconds, 1)},
        },
    )


def make_row_autoencoder(size, latent_dim, width):
    """Encoded row (B, size) -> the same through a narrow middle of `latent_dim` units: numbers and logits (B, size)."""
    import keras
    from keras import layers

    row = keras.Input((size,), name="row")
    x = layers.Dense(width, activation="relu")(row)
    x = layers.Dense(width // 2, activation="relu")(x)
    x = layers.Dense(latent_dim, name="middle")(x)  # (B, D)
    x = layers.Dense(width // 2, activation="relu")(x)
    x = layers.Dense(width, activation="relu")(x)
    return keras.Model(row, layers.Dense(size)(x), name="row_autoencoder")


def ship(detector, method, threshold, config, data, folder):
    """Export a detector, score every file of it on the test split, and publish it when that is asked for."""
    from zoo import anomaly_export, export, hardware, tables

    settings = {name: value for name, value in asdict(config).items() if name not in ("folder", "publish", "force")}
    machine = {"precision": config.precision, "machine": hardware.machine()}
    card = {
        "name": f"anomaly_{data.name}",
        "threshold": threshold,
        "quantile": config.quantile,
        "score": method,
        "recipe": "anomaly",
        "config": settings,
        "dataset": {"name": data.name, "title": data.title, "licence": data.licence},
        "training": {**detector.card["training"], "epochs": config.epochs, **machine},
        "latent_dim": config.latent_dim,
        "evaluator": None,
    }
    card = anomaly_export.export_detector(folder / "export", detector, card)
    tables.print_card(card)
    print(f"the {method} is exported, its AUROC is the highest on the validation split: {folder / 'export'}")
    if config.publish:
        print(f"published: {export.publish(folder / 'export', runner.EXPORTED, config.force)}")
