"""Train the evaluator of a data set: the small classifier whose features and labels measure generated pictures.

    python -m recipes classifier                                       # digits
    python -m recipes classifier --preset fashion_mnist --publish

With --publish the network and its card land in zoo/evaluators/, from where zoo.metrics loads them. Every FID of the
zoo depends on these files: a score with one evaluator must not be compared with a score with another.
"""

from dataclasses import dataclass

from recipes import runner

KIND = "walkthrough"


@dataclass(frozen=True, kw_only=True)
class Config(runner.TrainingOptions):
    """Settings of the recipe."""

    dataset: str = "digits"
    """digits, an image set of TensorFlow Datasets, or folder:PATH."""
    epochs: int = 12
    """Passes over the training pictures."""
    batch_size: int = 64
    """Pictures a step."""
    learning_rate: float = 2e-3
    """Of Adam; falls to zero along a cosine."""
    width: int = 16
    """Channels of the first layer."""
    feature_dim: int = 64
    """Length of the feature vector that FID, KID, precision and recall compare."""


PRESETS = {
    "digits": Config(),
    "smoke": Config(epochs=1, width=4),
    "mnist": Config(dataset="mnist", epochs=4, batch_size=128, width=32),
    "fashion_mnist": Config(dataset="fashion_mnist", epochs=5, batch_size=128, width=32),
}


def make_classifier(image_shape, classes, width, feature_dim):
    """Picture (B, H, W, C) in [-1, 1] -> features (B, feature_dim) and logits (B, classes), as a dictionary."""
    import keras
    from keras import layers

    image = keras.Input(image_shape, name="image")
    x = image
    for filters, strides in ((width, 1), (2 * width, 2), (2 * width, 1), (4 * width, 2)):
        x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(
            x
        )  # (B, 28, 28, W) ... (B, 7, 7, 4W)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)  # (B, 4W)
    features = layers.Dense(feature_dim, activation="relu", dtype="float32", name="features")(x)
    x = layers.Dropout(0.3)(features)
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(image, {"features": features, "logits": logits}, name="classifier")


def run(config, resume=None):
    """Train, measure on the test split, and save network and card."""
    if config.strategy != "none":
        raise ValueError("a classifier this small trains on one device: leave --strategy out")
    if config.watch:
        raise ValueError("--watch needs a model that draws pictures of seeds")
    run = runner.start("classifier", config, resume)

    import dataclasses
    import hashlib
    import shutil

    import keras

    from zoo import export, metrics, tables
    from zoo.datasets import images

    data = images.load(config.dataset)
    if len(data.class_names) < 2:
        raise ValueError(f"{config.dataset} has one class: a classifier needs at least two (one sub-folder each)")
    steps = images.steps_per_epoch(data.train, config.batch_size)

    def batches(first_epoch, context):
        return images.training_batches(data.train, config.batch_size, config.seed, first_epoch, context)

    network = make_classifier(data.image_shape, len(data.class_names), config.width, config.feature_dim)
    model = keras.Model(network.input, network.output["logits"])
    schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps)
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=run.jit_compile,
    )
    _, seconds = runner.fit(run, model, batches, steps)

    folder = run.folder / "evaluator"
    folder.mkdir(exist_ok=True)
    path = folder / f"{data.name}.keras"
    network.save(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    evaluator = metrics.Evaluator(network, {}, sha256)
    accuracy = {}
    for split in ("validation", "test"):
        _, probabilities = evaluator.features(getattr(data, split).images)
        accuracy[split] = float((probabilities.argmax(axis=1) == getattr(data, split).labels).mean())
    floor = metrics.real_floor(data, evaluator)
    card = {
        "dataset": data.name,
        "title": data.title,
        "licence": data.licence,
        "classes": list(data.class_names),
        "image_shape": list(data.image_shape),
        "test_accuracy": accuracy["test"],
        "validation_accuracy": accuracy["validation"],
        "floor": floor,
        "bytes": path.stat().st_size,
        "sha256": sha256,
        "config": dataclasses.asdict(config),
        "training": runner.training_facts(run, seconds),
    }
    export.write_json(folder / f"{data.name}.json", card)
    tables.print_scores(
        f"Evaluator of {data.title}",
        {data.name: {**accuracy, **{f"floor {name}": value for name, value in floor.items()}}},
    )
    if config.publish:
        if (metrics.EVALUATORS / f"{data.name}.json").exists() and not config.force:
            raise ValueError(
                f"not published: there is an evaluator of {data.name}, to which every published score refers; "
                "--force replaces it"
            )
        for suffix in ("keras", "json"):
            unfinished = metrics.EVALUATORS / f"{data.name}.{suffix}.unfinished"
            shutil.copyfile(folder / f"{data.name}.{suffix}", unfinished)
            unfinished.rename(metrics.EVALUATORS / f"{data.name}.{suffix}")
        folder = metrics.EVALUATORS
    print(f"evaluator: {folder / data.name}.keras")
