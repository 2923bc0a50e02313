"""Generative against discriminative: naive Bayes beside logistic regression, SVM, neighbours, a tree and a neural net.

    python -m recipes generative_discriminative                                     # 8x8 digits, no download
    python -m recipes generative_discriminative --sizes 10 1000 --smoothing 1e-9    # the default of scikit-learn
    python -m recipes generative_discriminative --preset mnist

Accuracy against the number of training pictures, calibration, and outliers. What only a generative model can do is in
`python -m recipes naive_bayes`. The first command took 25 s, the third 237 s on one core of an older AMD EPYC. On the
digits logistic regression overtakes naive Bayes at 200 pictures, on MNIST it is ahead from 10 pictures on.
"""

from dataclasses import dataclass

from recipes import lesson

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
    sizes: tuple[int, ...] = (10, 20, 50, 100, 200, 500, 1000)
    """Training pictures of the points of the learning curve; the largest size is used for everything after it."""
    repeats: int = 5
    """Draws of training pictures for each point."""
    test_pictures: int = 2000
    """Of the test split that are classified, at most."""
    bins: int = 5
    """Of the reliability diagram."""
    seed: int = 0
    """Of draws and outliers."""
    folder: str | None = None
    """Of the figures, new; None makes runs/generative_discriminative-<time>."""


REAL = {"sizes": (10, 30, 100, 300, 1000, 3000), "repeats": 3, "bins": 10}
PRESETS = {
    "digits": Config(),
    "smoke": Config(sizes=(10, 60), repeats=1, test_pictures=60),
    "mnist": Config(**REAL, dataset="mnist"),
    "fashion_mnist": Config(**REAL, dataset="fashion_mnist"),
}
BERNOULLI, GAUSSIAN, LOGISTIC, SVM = "naive Bayes, Bernoulli", "naive Bayes, Gaussian", "logistic regression", "SVM"
STYLES = {  # a colour, a mark and a line for each classifier, in every figure; dashed lines are the generative ones
    BERNOULLI: (lesson.BLUE, "o", "--"),
    GAUSSIAN: (lesson.SKY, "s", "--"),
    LOGISTIC: (lesson.RED, "^", "-"),
    SVM: (lesson.ORANGE, "v", "-"),
    "nearest neighbours": (lesson.GREEN, "D", "-"),
    "decision tree": (lesson.PINK, "P", "-"),
    "neural net": (lesson.BLACK, "X", "-"),
}
SHARES = (0.0, 0.05, 0.1, 0.2, 0.4)  # of the training pictures that are outliers
BROKEN = 20.0  # brightness of a broken pixel, where white is 1


def run(config):
    """The curve, calibration, outliers."""
    check(config)

    import numpy as np
    import threadpoolctl

    from zoo.datasets import images

    data = images.load(config.dataset, config.image_size, channels=1)
    x, y = flat(data.train)
    check_sizes(config, y, len(data.class_names))
    teacher = lesson.Lesson("generative_discriminative", config.folder)
    tested = np.random.default_rng(config.seed).permutation(len(data.test.labels))[: config.test_pictures]
    test = tuple(each[tested] for each in flat(data.test))
    subset = draw(y, max(config.sizes), np.random.default_rng(config.seed))
    train = x[subset], y[subset]

    teacher.section("Two questions about the same data")
    teacher.say(f"""
        {data.title}: {len(y)} training pictures of {len(data.class_names)} classes. A discriminative classifier asks
        only where the border between the classes runs, a generative one how a picture of each class comes about:
            discriminative   p(y | x)
            generative       p(x, y) = p(y) prod_d p(x_d | y),    p(y | x) = p(x, y) / sum_k p(x, y=k)
        Here the generative ones are naive Bayes with black and white pixels (Bernoulli) and with grey ones (Gaussian).
        The others are scikit-learn's and see grey pixels: logistic regression, a support vector machine with a Gaussian
        kernel, the five nearest neighbours (fewer where a class has fewer pictures), a decision tree, and a net with
        one hidden layer of 64 units.""")
    with threadpoolctl.threadpool_limits(1):  # matrices this small take several threads up to ten times as long
        teach_the_curve(teacher, config, (x, y), test)
        teach_calibration(teacher, config, train, test)
        teach_outliers(teacher, config, train, test)
    teacher.finish()


def check(config):
    """Refuse settings that are out of range, before anything is loaded or written."""
    from zoo.probability import naive_bayes

    lesson.check(config, repeats=1, test_pictures=10, bins=(1, 1000))
    lesson.check(config, pseudo_count=(naive_bayes.LEAST_COUNT, 1e10), smoothing=(1e-20, 1e10))
    if not 0 <= config.threshold < 1:
        raise ValueError(f"--threshold must be 0 or more and less than 1, got {config.threshold}")


def check_sizes(config, y, classes):
    """Refuse training sizes that do not give each class a picture, and the largest each class two."""
    import numpy as np

    counts = np.bincount(y, minlength=classes)
    if classes < 2 or counts.min() < 2:
        raise ValueError(f"{config.dataset} must have two classes or more with two training pictures or more each")
    if not config.sizes or min(config.sizes) < classes or max(config.sizes) < 2 * classes:
        raise ValueError(
            f"--sizes must be at least {classes}, the number of classes, and one at least {2 * classes}, "
            f"got {' '.join(map(str, config.sizes)) or 'none'}"
        )


def flat(split):
    """Brightness in 0 .. 1 of a split, float (N, D), and its labels (N,)."""
    return split.images.reshape(len(split.images), -1) / 255.0, split.labels


def draw(y, size, random):
    """Indices of `size` pictures, equally many of each class where there are so many."""
    import numpy as np

    classes = np.unique(y)
    members = [random.permutation(np.flatnonzero(y == each))[: size // len(classes)] for each in classes]
    return np.concatenate(members)


def classifiers(config, y, sure=True):
    """Name -> untrained classifier of brightness for training labels y; without `sure` the SVM has no probabilities."""
    import numpy as np
    from sklearn import calibration, linear_model, neighbors, neural_network, svm, tree

    from zoo.probability import naive_bayes

    fewest = min(5, int(np.bincount(y).min()))
    machine = svm.SVC()
    found = [
        naive_bayes.Classifier("bernoulli", config.threshold, config.pseudo_count),
        naive_bayes.Classifier("gaussian", smoothing=config.smoothing),
        linear_model.LogisticRegression(max_iter=2000),
        calibration.CalibratedClassifierCV(machine, ensemble=False, cv=fewest) if sure else machine,
        neighbors.KNeighborsClassifier(fewest),
        tree.DecisionTreeClassifier(random_state=config.seed),
        neural_network.MLPClassifier((64,), learning_rate_init=0.005, max_iter=50, random_state=config.seed),
    ]
    return dict(zip(STYLES, found, strict=True))


def quietly(function, *arguments):
    """Call without scikit-learn's notice that a fit was stopped before its loss stood still."""
    import warnings

    from sklearn import exceptions

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        return function(*arguments)


def share_right(classifier, test):
    """Accuracy on (x, y)."""
    return float((classifier.predict(test[0]) == test[1]).mean())


def plot(axes, label, style, x, y):
    """A curve in the style of a classifier."""
    colour, mark, line = style
    axes.plot(x, y, color=colour, marker=mark, linestyle=line, markersize=4, label=label)


# --- the sections -----------------------------------------------------------------------------


def teach_the_curve(teacher, config, train, test):
    """Accuracy against the number of training pictures: the crossing."""
    import numpy as np
    from sklearn import linear_model

    from zoo.probability import naive_bayes

    x, y = train
    white, white_test = x > naive_bayes.cut(config.threshold), test[0] > naive_bayes.cut(config.threshold)
    sizes = sorted(set(config.sizes))
    seen = []  # how many pictures there really are
    found = {name: [] for name in STYLES}
    pair = []
    for size in sizes:
        draws = [draw(y, size, np.random.default_rng([config.seed, size, index])) for index in range(config.repeats)]
        seen.append(len(draws[0]))
        for name in STYLES:
            fits = [quietly(classifiers(config, y[each], sure=False)[name].fit, x[each], y[each]) for each in draws]
            found[name].append([share_right(each, test) for each in fits])
        plain = linear_model.LogisticRegression(C=np.inf, max_iter=300)
        pair.append([share_right(quietly(plain.fit, white[i], y[i]), (white_test, test[1])) for i in draws])
    teacher.section("Few pictures or many: the curves cross")
    teacher.say("""
        Bernoulli naive Bayes and logistic regression on the same black and white pixels choose among the same borders:
            log p(x, y=k) = b_k + sum_d W_kd x_d
        One takes the b and W that make the pictures likely, the other those that make the labels likely. Ng and Jordan
        (2001): the first needs a number of pictures that grows with the logarithm of the number of pixels, the second
        one that grows with the number of pixels, but the second ends higher, because it does not rely on independence.
        So the first should win while pictures are few, and lose when there are many.""")
    rows = {name: dict(zip(map(str, seen), np.mean(values, axis=1), strict=True)) for name, values in found.items()}
    unpenalised = "... black and white, no penalty"
    rows[unpenalised] = dict(zip(map(str, seen), np.mean(pair, axis=1), strict=True))
    teacher.table(f"Accuracy by training pictures, mean of {config.repeats} draws, {len(test[1])} test pictures", rows)
    with teacher.figure("curves", columns=2, size=(10, 4)) as axes:
        left, right = axes[0]
        for panel, title in (
            (left, "the pair: the same pixels, the same form"),
            (right, "all, each on its own pixels"),
        ):
            panel.set(xscale="log", xlabel="training pictures", ylabel="accuracy on test pictures", title=title)
        plot(left, BERNOULLI, STYLES[BERNOULLI], seen, np.mean(found[BERNOULLI], axis=1))
        plot(left, "logistic regression, no penalty", STYLES[LOGISTIC], seen, np.mean(pair, axis=1))
        for values, colour in ((found[BERNOULLI], lesson.BLUE), (pair, lesson.RED)):
            low, high = np.min(values, axis=1), np.max(values, axis=1)
            left.fill_between(seen, low, high, color=colour, alpha=0.15, linewidth=0)
        for name, values in found.items():
            plot(right, name, STYLES[name], seen, np.mean(values, axis=1))
        for panel in axes[0]:
            panel.set_xticks(seen, seen)
            panel.minorticks_off()
        left.legend(title="bands: from the worst to the best draw", title_fontsize="small")
        right.legend()
    ahead = np.mean(pair, axis=1) > np.mean(found[BERNOULLI], axis=1)
    start = len(ahead) - int(np.argmin(ahead[::-1])) if not ahead.all() else 0
    late = "at none of these sizes for good" if start == len(ahead) else f"from {seen[start]} pictures on"
    teacher.ask(
        "From how many training pictures on is logistic regression right more often than naive Bayes, both on the same "
        "black and white pixels?",
        f"{late[0].upper()}{late[1:]}. At {seen[0]} it has {np.mean(pair[0]):.1%} against "
        f"{np.mean(found[BERNOULLI][0]):.1%}, at {seen[-1]} {np.mean(pair[-1]):.1%} against "
        f"{np.mean(found[BERNOULLI][-1]):.1%}.",
    )


def teach_calibration(teacher, config, train, test):
    """When it says 90 %, is it right nine times of ten?"""
    from zoo.probability import naive_bayes

    fitted = {name: quietly(each.fit, *train) for name, each in classifiers(config, train[1]).items()}
    said = {name: each.predict_proba(test[0]) for name, each in fitted.items()}
    judged = {name: naive_bayes.calibration(each, test[1], config.bins) for name, each in said.items()}
    teacher.section("Is it as often right as it says?")
    teacher.say(f"""
        Each classifier says how sure it is of the class it chooses; all have seen {len(train[1])} pictures. Put
        together the test pictures for which it is about equally sure, in {config.bins} bins of equal width, and compare
        with how often it is right (ECE, the expected calibration error, is 0 for one that keeps its word):
            ECE = sum_b (n_b / N) |share right_b - confidence_b|
        Naive Bayes counts what two neighbouring pixels say as two pieces of evidence, though they say the same. The
        SVM has no probabilities of its own: Platt's method fits them to held-out parts of the training pictures.""")
    rows = {
        name: {
            "accuracy": float((said[name].argmax(axis=1) == test[1]).mean()),
            "mean confidence": float(said[name].max(axis=1).mean()),
            "ECE": error,
        }
        for name, (error, _) in judged.items()
    }
    teacher.table("Said and kept", rows)
    with teacher.figure("calibration", columns=2, size=(10, 5.4)) as axes:
        for panel, title in zip(axes[0], ("generative", "discriminative"), strict=True):
            panel.plot([0, 1], [0, 1], color="0.6", label="keeps its word")
            panel.set(title=title, xlabel="confidence (mean of the bin)", ylabel="share right")
            panel.set(xlim=(0, 1.03), ylim=(-0.03, 1.03))
        for name, (error, bins) in judged.items():
            panel = axes[0, int(name not in (BERNOULLI, GAUSSIAN))]
            plot(panel, f"{name}, ECE {error:.3f}", STYLES[name], bins[:, 0], bins[:, 1])
            panel.scatter(bins[:, 0], bins[:, 1], 300 * bins[:, 2] / len(test[1]), STYLES[name][0], alpha=0.4)
        for panel in axes[0]:
            words = {"title": "area of the marks: test pictures", "title_fontsize": "small"}
            panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, **words)
    sure = said[BERNOULLI].max(axis=1) > 0.99
    right = (said[BERNOULLI].argmax(axis=1) == test[1])[sure]
    kept = f", where fewer than {0.01 * sure.sum():.1f} were to be expected if it kept its word" if sure.any() else ""
    teacher.ask(
        "For how many test pictures is Bernoulli naive Bayes surer than 99 %, and how many of them are wrong?",
        f"For {sure.sum()} of {len(sure)}; {(~right).sum()} are{kept}.",
    )


def teach_outliers(teacher, config, train, test):
    """Train on pictures of which some are not as they should be; test on good ones."""
    import numpy as np

    x, y = train
    random = np.random.default_rng(config.seed)
    order, pixel = random.permutation(len(y)), random.integers(0, x.shape[1], len(y))
    spoilt = {kind: {share: x.copy() for share in SHARES} for kind in ("broken pixel", "negatives")}
    for share in SHARES:
        some = order[: round(share * len(y))]
        spoilt["broken pixel"][share][some, pixel[some]] = BROKEN
        spoilt["negatives"][share][some] = 1 - x[some]
    found = {
        kind: {
            name: [
                share_right(quietly(classifiers(config, y, sure=False)[name].fit, pictures, y), test)
                for pictures in by_share.values()
            ]
            for name in STYLES
        }
        for kind, by_share in spoilt.items()
    }
    teacher.section("Outliers among the training pictures")
    teacher.say(f"""
        Two ways to spoil a share of the training pictures. In the first each of them has one broken pixel, {BROKEN:g}
        times as bright as white. A variance is a mean of squares, so a single such pixel among n adds to it about
            (1 / n) {BROKEN:g}^2 = {BROKEN**2:g} / n
        where a whole pixel has at most 1/4. The Bernoulli model sees one more white pixel, and no more. In the second
        the spoilt pictures are negatives: nothing of them is extreme, but a generative model has to explain them all
        by one mean for each pixel, while a neighbour or an SVM can keep them apart.""")
    for kind, rows in found.items():
        columns = [f"{share:.0%}" for share in SHARES]
        table = {name: dict(zip(columns, values, strict=True)) for name, values in rows.items()}
        teacher.table(f"Accuracy on good test pictures, by the share of training pictures spoilt: {kind}", table)
    with teacher.figure("outliers", columns=2, size=(10, 4.2)) as axes:
        titles = {"broken pixel": f"one pixel {BROKEN:g} times white", "negatives": "black and white exchanged"}
        for panel, (kind, rows) in zip(axes[0], found.items(), strict=True):
            for name, values in rows.items():
                plot(panel, name, STYLES[name], [100 * share for share in SHARES], values)
            panel.set(title=titles[kind], xlabel="spoilt training pictures, %", ylabel="accuracy on good test pictures")
            panel.set(ylim=(0, 1.02))
        axes[0, 0].legend(loc="lower left")
    gaussian = naive_bayes_variances(config, [spoilt["broken pixel"][share] for share in (SHARES[0], SHARES[1])], y)
    before, after = found["broken pixel"][GAUSSIAN][:2]
    teacher.ask(
        f"{SHARES[1]:.0%} of the training pictures get one broken pixel each. What becomes of the Gaussian model's "
        "variances, and of its accuracy?",
        f"The mean variance of a pixel within a class goes from {gaussian[0]:.3f} to {gaussian[1]:.3f}, and accuracy "
        f"from {before:.1%} to {after:.1%}; the Bernoulli model goes from {found['broken pixel'][BERNOULLI][0]:.1%} to "
        f"{found['broken pixel'][BERNOULLI][1]:.1%}.",
    )


def naive_bayes_variances(config, versions, y):
    """Mean variance of the Gaussian model fitted to each of the versions of the training pictures."""
    return [float(classifiers(config, y, sure=False)[GAUSSIAN].fit(x, y).model.variance.mean()) for x in versions]
