"""Do generated pictures help a classifier that has few real ones? Measure it, on the test split.

    python -m recipes augmentation                      # ten 8x8 digits of each class
    python -m recipes augmentation --preset fashion_mnist --per-class 10

A classifier is trained on a few labelled pictures, every time with as many steps of as many pictures, in several ways:

    real          the few pictures alone
    shifted       the same, moved and turned a little at random: what one does without a generator
    generated     half of every batch is drawn by a conditional GAN (zoo/gans/cgan.py) trained on the same few pictures
    informed      half of every batch is drawn by exported/cgan_<dataset>, where there is one

The first three have seen the same real pictures, so they may be compared. The fourth is no fair competitor: its
generator has learned from the whole training split. Each seed chooses other pictures; nothing is chosen by the test
split.
"""

from dataclasses import dataclass

from recipes import lesson, runner

KIND = "walkthrough"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the walk-through."""

    dataset: str = "digits"
    """digits, an image set of TensorFlow Datasets, or folder:PATH with a sub-folder for each class."""
    per_class: int = 10
    """Real pictures of each class that are known."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One choice of pictures, and one training of everything, each."""
    generated: int = 200
    """Pictures of each class that a generator draws."""
    generator_steps: int = 1500
    """Of the conditional GAN."""
    generator_width: int = 24
    """Channels of the last hidden layer of the generator, and of the first of its discriminator."""
    r1_gamma: float = 1.0
    """Weight of the discriminator's gradient penalty."""
    classifier_steps: int = 300
    """Of each classifier."""
    classifier_width: int = 16
    """Channels of the classifier's first layer."""
    batch_size: int = 64
    """Pictures a step of a classifier; half as many are a step of the GAN."""
    folder: str | None = None
    """Of the figures and scores, new; None makes runs/augmentation-<time>."""


REAL = {"seeds": (0, 1, 2, 3, 4), "generator_steps": 2000, "r1_gamma": 0.5}
PRESETS = {
    "digits": Config(),
    "smoke": Config(
        per_class=4, seeds=(0, 1), generated=5, generator_steps=3, generator_width=4, classifier_steps=3, batch_size=16
    ),
    "mnist": Config(**REAL, dataset="mnist"),
    "fashion_mnist": Config(**REAL, dataset="fashion_mnist"),
}
SHIFT = 0.08  # share of the side by which a picture may move
TURN = 0.03  # of a full turn


def run(config):
    """Choose pictures, train generators and classifiers, compare."""
    numbers = (config.per_class, config.generated, config.generator_steps, config.generator_width)
    if min(*numbers, config.classifier_steps, config.classifier_width, len(config.seeds)) < 1 or config.batch_size < 2:
        raise ValueError("pictures, steps, widths and seeds: at least 1 of each, and a batch size of 2")
    if not config.r1_gamma >= 0:
        raise ValueError(f"--r1-gamma must be 0 or more, got {config.r1_gamma}")

    import keras
    import numpy as np

    from zoo import export
    from zoo.datasets import images

    data = images.load(config.dataset)
    classes = len(data.class_names)
    if classes < 2 or np.bincount(data.train.labels, minlength=classes).min() < config.per_class:
        raise ValueError(f"{data.title} lacks {config.per_class} training pictures in each of two classes or more")
    folder = runner.new_folder("augmentation", config.folder)
    accuracies, shown = {}, {}
    for seed in config.seeds:
        keras.utils.set_random_seed(seed)
        few = choose(data.train, classes, config.per_class, seed)
        sources = {"real": None, "shifted": None, "generated": train_generator(few, classes, config, seed)}
        published = runner.EXPORTED / f"cgan_{data.name}" / "saved_model"
        if published.exists():
            sources["informed"] = load_generator(published)
        for name, draw in sources.items():
            parts = [(images.to_float(few.images), few.labels)]
            if draw is not None:
                labels = np.tile(np.arange(classes), config.generated)
                parts.append((draw(np.arange(len(labels)), labels), labels))
                shown.setdefault(name, parts[1][0])
            shown.setdefault("real", parts[0][0])
            classifier = train_classifier(parts, classes, config, seed, moved=name == "shifted")
            predicted = classifier.predict(images.to_float(data.test.images), batch_size=500, verbose=0).argmax(axis=1)
            accuracies.setdefault(name, []).append(float(np.mean(predicted == data.test.labels)))
        print(f"seed {seed}: " + ", ".join(f"{name} {each[-1]:.3f}" for name, each in accuracies.items()), flush=True)

    speaker = lesson.Lesson("augmentation", folder)
    title = f"Test accuracy, {data.title}, {config.per_class} real pictures a class, {len(config.seeds)} seeds"
    speaker.table(title, {name: summary(each, accuracies["real"]) for name, each in accuracies.items()})
    export.write_json(speaker.folder / "augmentation.json", accuracies)
    draw_accuracies(accuracies, title, speaker)
    draw_pictures(shown, classes, speaker)
    print(f"figures and scores: {speaker.folder}")


def choose(split, classes, per_class, seed):
    """A few pictures of each class: a `zoo.datasets.images.Split`."""
    import numpy as np

    from zoo.datasets import images

    random = np.random.default_rng(seed)
    members = [np.flatnonzero(split.labels == label) for label in range(classes)]
    chosen = np.concatenate([random.choice(each, per_class, replace=False) for each in members])
    return images.Split(split.images[chosen], split.labels[chosen])


def train_generator(few, classes, config, seed):
    """Train a conditional GAN on the few pictures; returns its function from seeds and labels (N,) to pictures."""
    import keras
    import numpy as np
    import tensorflow as tf

    from zoo.datasets import images
    from zoo.gans import cgan

    model = cgan.CGAN(
        image_shape=few.images.shape[1:],
        condition=("label", classes),
        latent_dim=32,
        width=config.generator_width,
        discriminator_width=config.generator_width,
        condition_dim=classes,
        r1_gamma=config.r1_gamma,
        average_decay=0.99,
        seed=seed,
    )

    def adam():
        schedule = keras.optimizers.schedules.CosineDecay(8e-4, config.generator_steps, alpha=0.1)
        return keras.optimizers.Adam(schedule, beta_1=0.5, beta_2=0.99)

    model.compile(generator_optimizer=adam(), discriminator_optimizer=adam())
    batches = images.training_batches(few, min(config.batch_size // 2, len(few.images)), seed)
    model.fit(batches, epochs=1, steps_per_epoch=config.generator_steps, shuffle=False, verbose=0)
    generator = tf.function(model.generator_average)

    def draw(seeds, labels):
        z = np.random.default_rng(seed).standard_normal((len(seeds), 32)).astype(np.float32)
        return np.concatenate([generator([z[i : i + 500], labels[i : i + 500]]) for i in range(0, len(seeds), 500)])

    return draw


def load_generator(folder):
    """The exported generator: a function from seeds and labels (N,) to pictures."""
    import numpy as np
    import tensorflow as tf

    signature = tf.saved_model.load(folder).signatures["generate_from_seed"]

    def draw(seeds, labels):
        parts = [slice(i, i + 500) for i in range(0, len(seeds), 500)]
        asked = [{"seed": seeds[part].astype(np.int32), "label": labels[part].astype(np.int32)} for part in parts]
        return np.concatenate(
            [signature(**{key: tf.constant(x) for key, x in each.items()})["image"] for each in asked]
        )

    return draw


def make_classifier(image_shape, classes, width, moved, seed):
    """Picture (B, H, W, C) in [-1, 1] -> logits (B, classes); `moved` shifts and turns them while it is trained."""
    import keras
    from keras import layers

    image = keras.Input(image_shape, name="image")
    x = image
    if moved:
        x = layers.RandomTranslation(SHIFT, SHIFT, fill_mode="nearest", seed=seed)(x)
        x = layers.RandomRotation(TURN, fill_mode="nearest", seed=seed)(x)
    for filters, strides in ((width, 1), (2 * width, 2), (4 * width, 2)):
        x = layers.Conv2D(filters, 3, strides=strides, padding="same")(x)  # (B, 28, 28, W) ... (B, 7, 7, 4W)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)  # (B, 4W)
    return keras.Model(image, layers.Dense(classes, name="logits")(x), name="classifier")


def train_classifier(parts, classes, config, seed, moved):
    """Train a classifier on batches that have equally many pictures of each part: (pictures (N, H, W, C), labels)."""
    import keras
    import tensorflow as tf

    def endless(images, labels):
        pairs = tf.data.Dataset.from_tensor_slices((images, labels))
        return pairs.shuffle(len(labels), seed=seed).repeat().batch(config.batch_size // len(parts))

    def together(*batches):
        return tuple(tf.concat(each, axis=0) for each in zip(*batches, strict=True))

    batches = tf.data.Dataset.zip(tuple(endless(*part) for part in parts)).map(together)
    keras.utils.set_random_seed(seed)  # the same first weights, whatever came before
    model = make_classifier(parts[0][0].shape[1:], classes, config.classifier_width, moved, seed)
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, config.classifier_steps)
    model.compile(keras.optimizers.Adam(schedule), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(batches, epochs=1, steps_per_epoch=config.classifier_steps, shuffle=False, verbose=0)
    return model


def summary(accuracies, alone):
    """The row of a table: mean and standard deviation over the seeds, and of the gain over the real pictures alone."""
    import numpy as np

    gains = np.subtract(accuracies, alone)
    return {
        "accuracy": f"{np.mean(accuracies):.3f} +- {np.std(accuracies):.3f}",
        "lowest": f"{min(accuracies):.3f}",
        "highest": f"{max(accuracies):.3f}",
        "gain": f"{gains.mean():+.3f} +- {gains.std():.3f}",
        "better in": f"{np.sum(gains > 0)} of {len(gains)}",
    }


def draw_accuracies(accuracies, title, speaker):
    """Draw the accuracy of each way; a line joins those of one seed."""
    with speaker.figure("accuracies", 1, 1, (6, 3.6)) as panels:
        axes = panels[0, 0]
        for index, seed in enumerate(zip(*accuracies.values(), strict=True)):
            axes.plot(range(len(seed)), seed, "o-", alpha=0.7, label=f"choice {index + 1}")
        axes.set_xticks(range(len(accuracies)), list(accuracies))
        axes.set(ylabel="test accuracy")
        axes.set_title(title, fontsize=9)
        axes.legend()


def draw_pictures(shown, classes, speaker):
    """Draw for each source up to five pictures of each class, a class a column."""
    import numpy as np

    with speaker.figure("pictures", 1, len(shown), (0.32 * classes * len(shown), 0.36 * 5 + 0.4)) as panels:
        for axes, (name, pictures) in zip(panels[0], shown.items(), strict=True):
            by_class = pictures.reshape(classes, -1, *pictures.shape[1:]) if name == "real" else None
            columns = (
                by_class if by_class is not None else pictures.reshape(-1, classes, *pictures.shape[1:]).swapaxes(0, 1)
            )
            framed = np.pad(columns[:, :5], ((0, 0), (0, 0), (0, 1), (0, 1), (0, 0)), constant_values=1)
            grid = np.concatenate([np.concatenate(list(column)) for column in framed], axis=1)  # (5 (H+1), K (W+1), C)
            axes.imshow((grid.squeeze() + 1) / 2, cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[], title=name)
            axes.grid(False)
