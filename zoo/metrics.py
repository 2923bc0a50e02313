"""How good are generated pictures? Distances, coverage, memorisation, measured on features.

    fid               Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule, 1706.08500
    kid               Binkowski et al. 2018, Demystifying MMD GANs, 1801.01401
    precision_recall  Kynkaanniemi et al. 2019, Improved Precision and Recall Metric, 1904.06991
    class_coverage    which classes does a generator draw, by a classifier's verdict?
    memorisation      does it draw the training pictures themselves?
    score             all of these for one set of generated pictures
    real_floor        what a perfect generator would get

(The numbers are arXiv ids.) Features come from the small classifier that zoo/evaluators pins for
each data set, not from an ImageNet network, which knows little about 28 x 28 grey pictures. So a
number compares with others of this zoo that used the same evaluator (its sha256 tells) and equally
many pictures, and with nothing else. Read it beside the floor. The measures are plain functions of
features: NumPy arrays (N, D), one row a picture.
"""

import hashlib
import json
import pathlib

import numpy as np
from scipy import special
from sklearn import neighbors
from sklearn.metrics import pairwise

from zoo.datasets import images as pictures

EVALUATORS = pathlib.Path(__file__).parent / "evaluators"


def _checked(at_least, **sets):
    """Returns each set of features as float64 (N, D), or raises a `ValueError` that names it."""
    sets = {name: np.asarray(features, dtype=np.float64) for name, features in sets.items()}
    for name, features in sets.items():
        if features.ndim != 2:
            raise ValueError(f"{name} must have shape (samples, dimensions), not {features.shape}")
        if len(features) < at_least:
            raise ValueError(f"{name} need at least {at_least} samples, not {len(features)}")
        if not np.isfinite(features).all():
            raise ValueError(f"{name} hold NaN or infinite values")
    dimensions = {name: features.shape[1] for name, features in sets.items()}
    if len(set(dimensions.values())) > 1:
        raise ValueError(f"features must have the same number of dimensions, not {dimensions}")
    return sets.values()


def _square_root(covariance):
    """The symmetric root of a positive semi-definite matrix; rounding below zero counts as zero."""
    values, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def frechet_distance(mean_a, covariance_a, mean_b, covariance_b):
    """Squared Frechet (2-Wasserstein) distance of two Gaussians, Heusel et al. 2017, equation 6.

        |m_a - m_b|^2 + Tr(A + B - 2 (A B)^(1/2))

    Args:
        mean_a, mean_b: (D,).
        covariance_a, covariance_b: (D, D), symmetric positive semi-definite, perhaps singular.

    Returns:
        A float >= 0.
    """
    mean_a, mean_b = np.asarray(mean_a, np.float64), np.asarray(mean_b, np.float64)
    shapes = [np.shape(part) for part in (mean_a, covariance_a, mean_b, covariance_b)]
    if shapes != [mean_a.shape, mean_a.shape * 2] * 2:
        raise ValueError(f"means (D,) and covariances (D, D) must agree in D, not {shapes}")
    # A B is not symmetric and may be singular, where a general matrix root breaks down. It has the
    # eigenvalues of the symmetric A^1/2 B A^1/2 = M^T M with M = B^1/2 A^1/2, so Tr (A B)^1/2 is
    # the sum of M's singular values: real, never negative, and without roots of rounding errors.
    product = _square_root(covariance_b) @ _square_root(covariance_a)
    distance = np.sum((mean_a - mean_b) ** 2) + np.trace(covariance_a) + np.trace(covariance_b)
    distance -= 2.0 * np.linalg.svd(product, compute_uv=False).sum()
    return float(max(distance, 0.0))


def fid(features_a, features_b):
    """Frechet distance of the Gaussians fitted to two sets of features.

    Biased: even for two samples of one distribution it is positive, and it falls as N grows. So
    compare equal N only. Takes (N_a, D) and (N_b, D), at least two samples each.
    """
    gaussians = []
    for features in _checked(2, features_a=features_a, features_b=features_b):
        gaussians.append(features.mean(axis=0))
        gaussians.append(np.atleast_2d(np.cov(features, rowvar=False)))
    return frechet_distance(*gaussians)


def _kernel_sum(x, y):
    """Sum over all pairs of k(x, y) = (x . y / D + 1)^3."""
    base = x @ y.T / x.shape[1] + 1.0  # (N, M)
    return np.vdot(base * base, base)


def _squared_mmd(x, y):
    """Unbiased MMD^2, Gretton et al. 2012, equation 3: no sample is paired with itself."""
    n, m = len(x), len(y)
    itself_x = np.sum((np.sum(x * x, axis=1) / x.shape[1] + 1.0) ** 3)
    itself_y = np.sum((np.sum(y * y, axis=1) / y.shape[1] + 1.0) ** 3)
    return (
        (_kernel_sum(x, x) - itself_x) / (n * (n - 1))
        + (_kernel_sum(y, y) - itself_y) / (m * (m - 1))
        - 2.0 * _kernel_sum(x, y) / (n * m)
    )


def kid(features_a, features_b, subset_size=1000, subsets=100, seed=0):
    """Kernel inception distance: unbiased squared MMD with k(x, y) = (x . y / D + 1)^3.

    Unlike FID its expectation does not depend on N: for samples of one distribution it is 0, and a
    single estimate may well be negative.

    Args:
        features_a, features_b: (N_a, D) and (N_b, D), at least two samples each.
        subset_size: samples drawn from each set, without replacement; a smaller set is used whole.
        subsets: number of such draws.
        seed: of the draws.

    Returns:
        Mean and standard deviation over the draws. When both sets are used whole there is only one
        estimate, and a deviation of 0.0 that says nothing about its error.
    """
    features_a, features_b = _checked(2, features_a=features_a, features_b=features_b)
    size_a = min(subset_size, len(features_a))
    size_b = min(subset_size, len(features_b))
    if size_a == len(features_a) and size_b == len(features_b):
        return float(_squared_mmd(features_a, features_b)), 0.0
    random = np.random.default_rng(seed)
    estimates = []
    for _ in range(subsets):
        chosen_a = random.choice(len(features_a), size_a, replace=False)
        chosen_b = random.choice(len(features_b), size_b, replace=False)
        estimates.append(_squared_mmd(features_a[chosen_a], features_b[chosen_b]))
    return float(np.mean(estimates)), float(np.std(estimates))


def precision_recall(real_features, fake_features, k=3, chunk_size=500):
    """Improved precision and recall, Kynkaanniemi et al. 2019, equations 1 and 2.

    The manifold of a set is the union of balls around its points, each reaching to the point's
    k-th nearest neighbour in the set. Precision is the share of fakes inside the manifold of the
    reals (are they good?), recall that of reals inside the manifold of the fakes (diverse?).

    Args:
        real_features, fake_features: (N_real, D) and (N_fake, D), more than k samples each.
        k: neighbour that sets the radius.
        chunk_size: reals compared with all fakes at a time; bounds memory, not the result.

    Returns:
        Precision and recall, floats in [0, 1].
    """
    real, fake = _checked(k + 1, real_features=real_features, fake_features=fake_features)
    real_radii = _radii(real, k)
    fake_radii = _radii(fake, k)
    fake_squares = np.sum(fake * fake, axis=1)
    fake_inside = np.zeros(len(fake), dtype=bool)
    real_inside = np.zeros(len(real), dtype=bool)
    for start in range(0, len(real), chunk_size):
        rows = slice(start, start + chunk_size)
        distances = real[rows] @ fake.T  # (chunk, N_fake)
        distances *= -2.0
        distances += np.sum(real[rows] ** 2, axis=1)[:, None]
        distances += fake_squares
        np.maximum(distances, 0.0, out=distances)
        np.sqrt(distances, out=distances)
        fake_inside |= (distances <= real_radii[rows, None]).any(axis=0)
        real_inside[rows] = (distances <= fake_radii).any(axis=1)
    return float(fake_inside.mean()), float(real_inside.mean())


def _radii(features, k):
    """Distance of each point to its k-th nearest other point, (N,)."""
    search = neighbors.NearestNeighbors(n_neighbors=k, algorithm="brute").fit(features)
    distances, _ = search.kneighbors()  # without an argument a point is not its own neighbour
    return distances[:, -1]


def memorisation(generated, training, held_out, percentile=1):
    """Share of generated pictures that lie suspiciously close to a training picture.

    For every held-out real picture take the distance to its nearest training picture; the given
    percentile of these is the threshold. The result is the share of generated pictures whose own
    nearest training picture is no farther than that.

    A perfect sampler keeps the same distance from training pictures as held-out ones do, and gets
    percentile / 100, give or take sampling error; one that repeats training pictures gets
    nearly 1. A large number alone is no proof: a generator that draws only the most typical
    pictures comes near training pictures too. Then look at the pairs, and at `pixel_copies`.

    Args:
        generated, training, held_out: features, (N, D) each, N >= 1. The held-out pictures must
            not have trained the model.
        percentile: of the held-out distances, in [0, 100].

    Returns:
        A float in [0, 1].
    """
    generated, training, held_out = _checked(1, generated=generated, training=training, held_out=held_out)
    threshold = np.percentile(_nearest_distances(held_out, training), percentile)
    return float(np.mean(_nearest_distances(generated, training) <= threshold))


def _nearest_distances(points, others):
    """Distance of each point to the nearest of the others, exactly 0 for a copy: (N,)."""
    nearest = pairwise.pairwise_distances_argmin(points, others)  # (N,)
    return np.linalg.norm(points - others[nearest], axis=1)


def pixel_copies(images, training_images):
    """Share of pictures (N, H, W, C) that, rounded to uint8, equal a uint8 training picture."""
    images = _checked_images(images)
    if images.dtype != np.uint8:
        images = pictures.to_uint8(images)
    known = {image.tobytes() for image in np.asarray(training_images)}
    return float(np.mean([image.tobytes() in known for image in images]))


def class_coverage(probabilities, minimum_share=0.01):
    """How many classes a generator draws. A picture counts for its most probable class.

    Args:
        probabilities: (N, classes), or logits.
        minimum_share: of the pictures that a class needs to count as covered; one number, or one
            for each class. `score` asks for a tenth of the class's share in the real pictures as
            the same classifier sees them: 0.01 for each of ten equally frequent classes.

    Returns:
        The number of covered classes, and the share of each class: float64 (classes,), sum 1.
    """
    (probabilities,) = _checked(1, probabilities=probabilities)
    classes = probabilities.shape[1]
    shares = np.bincount(probabilities.argmax(axis=1), minlength=classes) / len(probabilities)
    return int(np.sum((shares >= minimum_share) & (shares > 0))), shares


def _checked_images(images):
    """Returns `images` as uint8 or float (N, H, W, C) in [-1, 1], or raises a `ValueError`."""
    images = np.asarray(images)
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(f"images must have shape (N, H, W, C) with N >= 1, not {images.shape}")
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"images must be uint8 or float32 in [-1, 1], not {images.dtype}")
    finite = np.isfinite(images).all(axis=(1, 2, 3))
    if not finite.all():
        raise ValueError(
            f"{np.sum(~finite)} of {len(images)} images hold NaN or infinite values, "
            f"the first is image {np.argmin(finite)}"
        )
    if np.abs(images).max() > 1.01:  # a quantised network may round a little past 1
        raise ValueError(f"float images must lie in [-1, 1], but these reach from {images.min():g} to {images.max():g}")
    return images


class Evaluator:
    """The pinned classifier of a data set; get one with `Evaluator.load("fashion_mnist")`.

    Attributes:
        model: images (B, H, W, C) in [-1, 1] -> {"features": (B, D), "logits": (B, classes)}.
        card: dict read from the evaluator's .json file.
        sha256: of the .keras file. Scores with different ones must not be compared.
    """

    BATCH_SIZE = 500

    def __init__(self, model, card, sha256):
        self.model = model
        self.card = card
        self.sha256 = sha256
        self._remembered = {}

    @classmethod
    def load(cls, name, folder=EVALUATORS):
        """Loads <folder>/<name>.keras with its card <name>.json; `name` is that of the data set.

        Raises:
            ValueError: there is none for this data set, or it is not the one its card describes.
        """
        folder = pathlib.Path(folder)
        model_file = folder / f"{name}.keras"
        card_file = folder / f"{name}.json"
        if not model_file.is_file() or not card_file.is_file():
            models, cards = ({f.stem for f in folder.glob(f"*.{end}")} for end in ("keras", "json"))
            known = ", ".join(sorted(models & cards)) or "none"
            raise ValueError(
                f"no evaluator for data set {name!r} (there are: {known}); "
                "`python -m recipes classifier` with the same --dataset trains one"
            )
        try:
            card = json.loads(card_file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{card_file} is not valid JSON: {error}") from error
        sha256 = hashlib.sha256(model_file.read_bytes()).hexdigest()
        if sha256 != card.get("sha256"):
            raise ValueError(
                f"{model_file} is not the evaluator that its card describes: "
                f"its sha256 is {sha256}, the card says {card.get('sha256')}"
            )
        import keras  # takes seconds; everything above works without

        return cls(keras.saving.load_model(model_file, compile=False), card, sha256)

    def features(self, images):
        """Runs the classifier.

        Args:
            images: (N, H, W, C), uint8 or float in [-1, 1].

        Returns:
            Features, float32 (N, D), and class probabilities, float32 (N, classes).
        """
        images = _checked_images(images)
        if images.shape[1:] != self.model.input_shape[1:]:
            raise ValueError(
                f"this evaluator takes images of shape {self.model.input_shape[1:]}, not {images.shape[1:]}"
            )
        features = []
        logits = []
        for start in range(0, len(images), self.BATCH_SIZE):
            batch = images[start : start + self.BATCH_SIZE]
            if batch.dtype == np.uint8:
                batch = pictures.to_float(batch)
            outputs = self.model.predict_on_batch(batch.astype(np.float32))
            features.append(outputs["features"])
            logits.append(outputs["logits"])
        return np.concatenate(features), special.softmax(np.concatenate(logits), axis=1)

    def remembered_features(self, images):
        """The same as `features`, but computed once for the same pictures: meant for real ones."""
        images = np.ascontiguousarray(images)
        key = (images.shape, images.dtype.str, hashlib.sha256(images).digest())
        if key not in self._remembered:
            self._remembered[key] = self.features(images)
        return self._remembered[key]


def _compare(real_features, fake_features):
    """The measures of two sets of features, as a dict of numbers."""
    kid_mean, kid_deviation = kid(real_features, fake_features)
    precision, recall = precision_recall(real_features, fake_features)
    return {
        "fid": fid(real_features, fake_features),
        "kid": kid_mean,
        "kid_std": kid_deviation,
        "precision": precision,
        "recall": recall,
        "n": len(fake_features),
        "n_real": len(real_features),
    }


def score(images, data, evaluator, split="test"):
    """Scores generated pictures against real ones that the model has not seen.

    Args:
        images: generated, float32 (N, H, W, C) in [-1, 1], or uint8.
        data: `zoo.datasets.images.ImageData`.
        evaluator: `Evaluator` of that data set.
        split: "test" for the card, "validation" while models are chosen.

    Returns:
        Dict of Python numbers, ready for JSON: fid, kid, kid_std, precision, recall, n (generated
        pictures), n_real, classes_covered, class_shares (a list), memorised (see `memorisation`),
        copies (see `pixel_copies`).
    """
    if split not in ("validation", "test"):
        raise ValueError(f'split must be "validation" or "test", not {split!r}')
    fake_features, fake_probabilities = evaluator.features(images)
    real_features, real_probabilities = evaluator.remembered_features(getattr(data, split).images)
    training_features, _ = evaluator.remembered_features(data.train.images)
    _, real_shares = class_coverage(real_probabilities)
    covered, shares = class_coverage(fake_probabilities, minimum_share=real_shares / 10)
    return _compare(real_features, fake_features) | {
        "classes_covered": covered,
        "class_shares": shares.tolist(),
        "memorised": memorisation(fake_features, training_features, real_features),
        "copies": pixel_copies(images, data.train.images),
    }


def real_floor(data, evaluator, seed=0):
    """Scores training pictures against the test split: the best a perfect sampler can expect.

    The seed chooses as many training pictures as the test split holds, or all if these are fewer.
    Returns a dict like that of `score`, without its last four entries.
    """
    real_features, _ = evaluator.remembered_features(data.test.images)
    training_features, _ = evaluator.remembered_features(data.train.images)
    count = min(len(real_features), len(training_features))
    chosen = np.random.default_rng(seed).choice(len(training_features), count, replace=False)
    return _compare(real_features, training_features[chosen])
