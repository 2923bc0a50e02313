"""Naive Bayes, a generative model as a classifier: counts, missing pixels, samples, strange pictures, and a file.

    python -m recipes naive_bayes                          # 8x8 digits, no download
    python -m recipes naive_bayes --threshold 0.3
    python -m recipes naive_bayes --preset mnist --publish

The fitted Bernoulli classifier is exported with a card: one file that says how likely a picture is with each class.
Beside five discriminative classifiers it stands in `python -m recipes generative_discriminative`.
"""

from dataclasses import dataclass

from recipes import lesson, runner

KIND = "lesson"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the lesson."""

    dataset: str = "digits"
    """digits, an image set of TensorFlow Datasets, or folder:PATH with a sub-folder for each class."""
    image_size: int | None = None
    """Crop and scale the pictures to this side; None keeps theirs."""
    threshold: float = 0.5
    """Brightness, 0 to 1, above which a pixel is white for the Bernoulli model."""
    pseudo_count: float = 1.0
    """Pictures with a white pixel, and as many with a black one, that each class has before it has seen any."""
    smoothing: float = 0.03
    """Share of the largest variance of a pixel that the Gaussian model adds to all variances."""
    train_pictures: int = 3000
    """Of the training split that the discriminative classifiers learn from, at most; naive Bayes counts all."""
    test_pictures: int = 2000
    """Of the test split that are classified, at most; all of them for the card."""
    seed: int = 0
    """Of missing pixels, samples and noise."""
    folder: str | None = None
    """Of the figures, new; None makes runs/naive_bayes-<time>."""
    no_files: bool = False
    """Leave out the export: the Bernoulli classifier as SavedModel and TFLite files, scored on the whole test split."""
    publish: bool = False
    """Copy the export to exported/ when it scores better than what is there."""
    force: bool = False
    """With --publish: copy it even when it does not score better."""


PRESETS = {
    "digits": Config(),
    "smoke": Config(train_pictures=200, test_pictures=60, no_files=True),
    "mnist": Config(dataset="mnist"),
    "fashion_mnist": Config(dataset="fashion_mnist"),
}
BERNOULLI, GAUSSIAN, LOGISTIC, SVM = "naive Bayes, Bernoulli", "naive Bayes, Gaussian", "logistic regression", "SVM"
STYLES = {  # dashed lines are the generative ones
    BERNOULLI: (lesson.BLUE, "o", "--"),
    GAUSSIAN: (lesson.SKY, "s", "--"),
    LOGISTIC: (lesson.RED, "^", "-"),
    SVM: (lesson.ORANGE, "v", "-"),
}
NOT_OF_THE_RESULT = ("folder", "no_files", "publish", "force")
MISSING = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9)  # of the pixels
PAPER = {
    "title": "Automatic Indexing: An Experimental Inquiry",
    "authors": "M. E. Maron",
    "year": 1961,
    "url": "https://doi.org/10.1145/321075.321084",
}


def run(config):
    """The lesson, from counting to the exported file."""
    check(config)

    import numpy as np
    from sklearn import calibration, linear_model, svm

    from zoo.datasets import images
    from zoo.probability import naive_bayes

    data = images.load(config.dataset, config.image_size, channels=1)
    x, y = flat(data.train)
    random = np.random.default_rng(config.seed)
    some = random.permutation(len(y))[: config.train_pictures]
    fewest = np.bincount(y[some], minlength=len(data.class_names)).min()
    if len(data.class_names) < 2 or fewest < 5:
        raise ValueError(
            f"--train-pictures of {config.dataset} must be of two classes or more, five pictures or more each"
        )
    tested = random.permutation(len(data.test.labels))[: config.test_pictures]
    test = tuple(each[tested] for each in flat(data.test))
    teacher = lesson.Lesson("naive_bayes", config.folder)

    fitted = {
        BERNOULLI: naive_bayes.Classifier("bernoulli", config.threshold, config.pseudo_count).fit(x, y),
        GAUSSIAN: naive_bayes.Classifier("gaussian", smoothing=config.smoothing).fit(x, y),
    }
    teach_the_model(teacher, config, data, fitted[BERNOULLI], test)
    fitted[LOGISTIC] = linear_model.LogisticRegression(max_iter=2000).fit(x[some], y[some])
    fitted[SVM] = calibration.CalibratedClassifierCV(svm.SVC(), ensemble=False).fit(x[some], y[some])
    teach_missing(teacher, config, fitted, x.mean(axis=0), test)
    teach_samples(teacher, config, fitted, data)
    teach_strange_pictures(teacher, config, fitted, test, data.image_shape)
    if config.publish or not config.no_files:
        hand_over(teacher, config, data, fitted[BERNOULLI])
    teacher.finish()


def check(config):
    """Refuse settings that are out of range, before anything is loaded or written."""
    from zoo.probability import naive_bayes

    lesson.check(config, train_pictures=100, test_pictures=10)
    lesson.check(config, pseudo_count=(naive_bayes.LEAST_COUNT, 1e10), smoothing=(1e-20, 1e10))
    if not 0 <= config.threshold < 1:
        raise ValueError(f"--threshold must be 0 or more and less than 1, got {config.threshold}")


def flat(split):
    """Brightness in 0 .. 1 of a split, float (N, D), and its labels (N,)."""
    return split.images.reshape(len(split.images), -1) / 255.0, split.labels


def teach_the_model(teacher, config, data, ours, test):
    """Equation by equation, on one picture."""
    import numpy as np
    from sklearn import naive_bayes as theirs

    from zoo.probability import naive_bayes

    x, y = flat(data.train)
    names = data.class_names
    a = config.pseudo_count
    teacher.section("Two questions about the same data")
    teacher.say(f"""
        {data.title}: {len(y)} training pictures of {len(names)} classes. A discriminative classifier asks only where
        the border between the classes runs:
            p(y | x)
        A generative one asks how a picture of each class comes about, and has the border from Bayes' rule:
            p(x, y) = p(y) p(x | y),    p(y | x) = p(x, y) / sum_k p(x, y=k)
        Naive Bayes lets the pixels of a class be independent. A pixel is white with probability theta, or its
        brightness has a normal distribution:
            Bernoulli   p(x | y=k) = prod_d theta_kd^x_d (1 - theta_kd)^(1 - x_d)
            Gaussian    p(x | y=k) = prod_d N(x_d; mu_kd, variance_kd)
        Fitting is counting: theta_kd = (n_kd + {a:g}) / (n_k + {2 * a:g}), for n_k pictures of class k,
        n_kd of them white at pixel d.""")
    joint = ours.log_joint(test[0])
    both = theirs.BernoulliNB(alpha=a).fit(ours.as_seen(x), y)
    apart = np.abs(both.predict_joint_log_proba(ours.as_seen(test[0])) - joint).max()
    chances = naive_bayes.posterior(joint)
    twice = naive_bayes.posterior(2 * joint - ours.model.log_prior)
    right = [(each.argmax(axis=1) == test[1]).mean() for each in (chances, twice)]
    teacher.table(
        f"One test picture of the class {names[test[1][0]]}, in nats",
        {
            f"as {names[k]}": {
                "log p(y)": ours.model.log_prior[k],
                "log p(x | y)": joint[0, k] - ours.model.log_prior[k],
                "log p(x, y)": joint[0, k],
                "p(y | x)": chances[0, k],
            }
            for k in np.argsort(-joint[0])[:3]
        },
    )
    teacher.say(f"""
        Of {len(joint)} test pictures {right[0]:.1%} get their class. scikit-learn's BernoulliNB has the same
        log p(x, y), up to {apart:.0e} nats.""")
    evidence = naive_bayes.log_evidence(joint)
    black = naive_bayes.log_evidence(ours.log_joint(np.zeros((1, x.shape[1]))))[0]
    beaten = np.mean(evidence < black)
    moral = (
        "it has few surprises, though it shows nothing: likely is not the same as typical"
        if beaten > 0.5
        else "every white pixel that a class expects, and that is missing, costs it"
    )
    teacher.ask(
        "Under the Bernoulli model, is an all-black picture more or less likely than most test pictures, and why?",
        f"log p(x) of it is {black:.1f} nats, {beaten:.0%} of the test pictures are less likely: {moral}.",
    )
    teacher.ask(
        "Every pixel is entered twice, so that the data say nothing new. What becomes of naive Bayes?",
        f"Accuracy goes from {right[0]:.1%} to {right[1]:.1%}, the mean probability of the chosen class from "
        f"{chances.max(axis=1).mean():.3f} to {twice.max(axis=1).mean():.3f}: the same evidence "
        "counts double. Neighbouring pixels do the same to a smaller degree, which is why it is too sure.",
    )


def teach_missing(teacher, config, fitted, mean, test):
    """Leave out what was not seen, or fill it in."""
    import numpy as np

    x, y = test
    order = np.random.default_rng(config.seed).random(x.shape)  # a pixel is missing when it is below the share
    found = {}
    for share in MISSING:
        seen = order >= share
        filled = np.where(seen, x, mean)
        guesses = {name: fitted[name].predict(x, seen) for name in (BERNOULLI, GAUSSIAN)}
        guesses |= {f"{name}, mean filled in": fitted[name].predict(filled) for name in (GAUSSIAN, LOGISTIC, SVM)}
        for name, guess in guesses.items():
            found.setdefault(name, []).append(float((guess == y).mean()))
    teacher.section("Missing pixels")
    teacher.say("""
        A part of the pixels of each test picture is missing. To sum over everything that they could be is easy, because
        each factor sums to 1 by itself: what is missing drops out of the product.
            p(x_seen, y) = p(y) prod_{d seen} p(x_d | y)
        A discriminative classifier has no p(x) to sum over. It needs a number for each pixel: here the pixel's mean in
        all training pictures.""")
    columns = [f"{share:.0%}" for share in MISSING]
    table = {name: dict(zip(columns, values, strict=True)) for name, values in found.items()}
    teacher.table("Accuracy by the share of missing pixels", table)
    with teacher.figure("missing", size=(6.4, 4)) as axes:
        for name, values in found.items():
            colour, mark, line = STYLES[name.removesuffix(", mean filled in")]
            line = ":" if name == f"{GAUSSIAN}, mean filled in" else line
            places = [100 * share for share in MISSING]
            axes[0, 0].plot(places, values, color=colour, marker=mark, linestyle=line, markersize=4, label=name)
        axes[0, 0].set(title="Naive Bayes leaves missing pixels out", xlabel="missing pixels, %", ylabel="accuracy")
        axes[0, 0].legend(loc="lower left")
    ours, theirs = found[GAUSSIAN], found[f"{SVM}, mean filled in"]
    ahead = [f"when {share:.0%} are missing" for share, a, b in zip(MISSING, ours, theirs, strict=True) if a > b]
    teacher.ask(
        "How many pixels have to be missing for Gaussian naive Bayes, which leaves them out, to be right more often "
        "than the SVM, which gets their means?",
        f"It is ahead first {[*ahead, 'at no share'][0]}. With nothing missing it has {ours[0]:.1%} against "
        f"{theirs[0]:.1%}, with {MISSING[-1]:.0%} missing {ours[-1]:.1%} against {theirs[-1]:.1%}.",
    )


def teach_samples(teacher, config, fitted, data):
    """Pictures of a class, drawn from the model."""
    import numpy as np

    from zoo.probability import naive_bayes

    names = data.class_names[:10]
    shape = data.image_shape[:2]
    rows = {}
    for name, title, values in ((BERNOULLI, "Bernoulli", "theta"), (GAUSSIAN, "Gaussian", "mean")):
        model = fitted[name].model
        rows[f"{title}\n{values}"] = [getattr(model, values)[k] for k in range(len(names))]
        for index in range(2):
            drawn = [naive_bayes.sample(model, k, 1, config.seed + index)[0] for k in range(len(names))]
            rows[f"{title}\nsample {index + 1}"] = drawn
    teacher.section("Pictures of a class")
    teacher.say("""
        A generative model can be asked the other way round: draw x from p(x | y). The outline of the class is there, in
        theta and in the means; what the picture lacks is what naive Bayes leaves out, that neighbouring pixels belong
        together: its noise is independent from pixel to pixel.""")
    with teacher.figure("samples", rows=len(rows), columns=len(names), size=(1.0 * len(names) + 1.6, 7)) as axes:
        for row, (title, pictures) in zip(axes, rows.items(), strict=True):
            for panel, picture in zip(row, pictures, strict=True):
                panel.imshow(np.reshape(picture, shape), cmap="gray", vmin=0, vmax=1)
                panel.set(xticks=[], yticks=[])
            row[0].set_ylabel(title, rotation=0, ha="right", va="center")
        for panel, name in zip(axes[0], names, strict=True):
            panel.set_title(name, fontsize=8)


def teach_strange_pictures(teacher, config, fitted, test, shape):
    """How likely is an input at all? Only p(x) can say."""
    import numpy as np
    from skimage import color, transform
    from sklearn import metrics

    from zoo.datasets import pairs
    from zoo.probability import naive_bayes

    photographs = [color.rgb2gray(each) for each in pairs.photographs().test.images]
    small = [transform.resize(each, shape[:2], anti_aliasing=True).ravel() for each in photographs]
    kinds = {
        "test pictures": test[0],
        "photographs": np.stack(small),
        "noise": np.random.default_rng(config.seed).random((len(photographs), test[0].shape[1])),
        "upside down": test[0][:, ::-1],
    }
    likely = {
        name: {kind: naive_bayes.log_evidence(fitted[name].log_joint(x)) for kind, x in kinds.items()}
        for name in (BERNOULLI, GAUSSIAN)
    }
    sure = {
        name: {kind: fitted[name].predict_proba(x).max(axis=1) for kind, x in kinds.items()} for name in (LOGISTIC, SVM)
    }

    def told_apart(found):
        usual, *strange = found.values()
        shares = [metrics.roc_auc_score([1] * len(usual) + [0] * len(each), [*usual, *each]) for each in strange]
        return dict(zip(list(found)[1:], map(float, shares), strict=True))

    teacher.section("Pictures of another kind")
    teacher.say(f"""
        What has a classifier to say of a picture that shows none of its classes? p(y | x) sums to 1 over the classes it
        knows, so it must name one. p(x) need not be large for any:
            log p(x) = log sum_k p(x, y=k)
        {len(photographs)} patches of photographs, as many pictures of noise, and the test pictures upside down.
        AUROC is the share of pairs of a test picture and a strange one in which the test picture gets more; equal ones
        count half.""")
    rows = {f"log p(x), {name}": told_apart(found) for name, found in likely.items()}
    rows |= {f"max p(y | x), {name}": told_apart(found) for name, found in sure.items()}
    teacher.table("Are test pictures told from strange ones? AUROC: 0.5 is a coin, 1 is always", rows)
    limit = np.percentile(likely[BERNOULLI]["test pictures"], 1)
    below = [f"{np.mean(each < limit):.0%} of {kind}" for kind, each in list(likely[BERNOULLI].items())[1:]]
    shares = {name: np.mean(each["photographs"] > 0.9) for name, each in sure.items()}
    teacher.say(f"""
        Logistic regression is surer than 90 % of the class of {shares[LOGISTIC]:.0%} of the photographs, the SVM of
        {shares[SVM]:.0%}. The limit below which 1 % of the test pictures lie, {limit:.1f} nats of the Bernoulli model,
        catches {", ".join(below)}.""")
    with teacher.figure("strange", columns=2, size=(10, 3.8)) as axes:
        for panel, (name, found) in zip(axes[0], likely.items(), strict=True):
            bins = np.histogram_bin_edges(np.concatenate(list(found.values())), 60)
            colours = (lesson.BLUE, lesson.ORANGE, lesson.BLACK, lesson.PINK)
            for (kind, each), colour in zip(found.items(), colours, strict=True):
                panel.hist(each, bins, weights=np.full(len(each), 1 / len(each)), color=colour, alpha=0.6, label=kind)
            panel.set(title=f"how likely is a picture? {name}", xlabel="log p(x), nats", ylabel="share of pictures")
        axes[0, 0].legend(loc="upper left")


def hand_over(teacher, config, data, ours):
    """The Bernoulli classifier, fitted to the whole training split, as files with a card."""
    import dataclasses
    import functools
    import timeit

    import keras
    import numpy as np
    import tensorflow as tf

    from zoo import export, hardware, signatures, tables
    from zoo.probability import naive_bayes

    seconds = timeit.timeit(lambda: ours.fit(*flat(data.train)), number=1)
    names = list(data.class_names)
    weights = naive_bayes.linear_form(ours.model)
    dense = keras.Sequential([keras.Input(weights[0].shape[:1]), keras.layers.Dense(len(names))])
    dense.set_weights(weights)
    limit = 2.0 * naive_bayes.cut(config.threshold) - 1.0

    def log_prob(image):
        white = tf.cast(image > limit, tf.float32)
        return {"log_prob": dense(tf.reshape(white, (-1, len(weights[0]))))}

    meaning = "log p(x, y=k) in nats for each of the labels, natural logarithm"
    value = signatures.Value("log_prob", (None, len(names)), "float32", meaning)
    endpoint = signatures.Endpoint(log_prob, (signatures.image_value("image", data.image_shape),), (value,))
    evidence = naive_bayes.log_evidence(ours.log_joint(flat(data.validation)[0]))
    card = {
        "name": f"naive_bayes_{data.name}",
        "title": f"Naive Bayes, {data.title}",
        "paper": PAPER,
        "recipe": "naive_bayes",
        "config": {name: value for name, value in dataclasses.asdict(config).items() if name not in NOT_OF_THE_RESULT},
        "dataset": {"name": data.name, "title": data.title, "licence": data.licence, "classes": names},
        "training": {"seconds": round(seconds, 1), "pictures": len(data.train.labels), "machine": hardware.machine()},
        "evaluator": None,
        "labels": names,
        "typical": [round(float(limit), 1) for limit in np.percentile(evidence, (1, 99))],
    }
    samples = functools.partial(draw_samples, ours.model, data.image_shape, config.seed)
    scorer = functools.partial(score, split=data.test)
    card = export.export(teacher.folder / "export", card, {"log_prob": endpoint}, [dense], scorer, samples)
    teacher.section("The classifier as a file")
    teacher.say("""
        The logarithm of the Bernoulli model is linear in the pixels: all of it is one dense layer behind a threshold.
            log p(x, y=k) = b_k + sum_d W_kd x_d
            W_kd = log theta_kd - log(1 - theta_kd),    b_k = log p(y=k) + sum_d log(1 - theta_kd)
        From the same numbers come the class and how usual the picture is.""")
    tables.print_card(card)
    print(f"export: {teacher.folder / 'export'}")
    if config.publish:
        print(f"published: {export.publish(teacher.folder / 'export', runner.EXPORTED, config.force)}")


def score(model, split):
    """Scores of an open file on a split: accuracy, mean log p(x) in nats, calibration error, pictures."""
    import numpy as np

    from zoo.datasets import images
    from zoo.probability import naive_bayes

    pictures = images.to_float(split.images)
    joint = np.concatenate([model.run("log_prob", image=each[None])["log_prob"] for each in pictures]).astype(float)
    chances = naive_bayes.posterior(joint)
    return {
        "accuracy": float((joint.argmax(axis=1) == split.labels).mean()),
        "log_likelihood": float(naive_bayes.log_evidence(joint).mean()),
        "ece": naive_bayes.calibration(chances, split.labels, bins=10)[0],
        "n": len(joint),
    }


def draw_samples(fitted, shape, seed, model):
    """samples.png: a class a column, theta as brightness above and nine samples below; (100, H, W, 1) in [-1, 1]."""
    import numpy as np

    from zoo.probability import naive_bayes

    classes = np.arange(10) % len(fitted.theta)
    drawn = [naive_bayes.sample(fitted, label, 9, seed + column) for column, label in enumerate(classes)]  # (10, 9, D)
    rows = np.concatenate([fitted.theta[classes][None], np.swapaxes(drawn, 0, 1)])  # (10, 10, D)
    return 2.0 * rows.reshape(-1, *shape) - 1.0
