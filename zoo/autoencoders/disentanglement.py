"""Do the latents of a model stand for the factors that its pictures were made of? The score of the beta-VAE paper.

Irina Higgins et al., ICLR 2017, https://openreview.net/forum?id=Sy2fzU9gl, section 3

A factor is fixed, all others are drawn at random, twice for each of many pairs of pictures. The latent that stands for
the fixed factor differs least between the two of a pair; so from the mean absolute differences

    z_diff = 1/L sum_l |mu(x_1l) - mu(x_2l)|

a linear classifier should tell which factor was fixed. Its accuracy on new points is the score: 1 is the best, and one
over the number of factors is chance. A code that mixes two factors in every latent cannot have 1.
"""

import numpy as np


def score(encode, draw, factors, pairs=16, points=400, seed=0):
    """Accuracy of the linear classifier.

    Args:
        encode: function from pictures (N, ...) to posterior means (N, D).
        draw: function from factors int (N, F) to pictures.
        factors: how many values each of the F factors has.
        pairs: L, of pictures for a point.
        points: of training, and as many of test, for all factors together.
        seed: of the draws.

    Returns:
        A float in [0, 1].
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    random = np.random.default_rng(seed)
    fixed = np.arange(2 * points) % len(factors)  # the factor of each point
    values = random.integers(0, factors, (2 * points, pairs, 2, len(factors)))  # the last axis: the factors
    for point, factor in enumerate(fixed):
        values[point, :, 1, factor] = values[point, :, 0, factor]
    means = encode(draw(values.reshape(-1, len(factors))))
    means = means.reshape(2 * points, pairs, 2, -1)
    differences = np.abs(means[:, :, 0] - means[:, :, 1]).mean(axis=1)  # (points, D)
    scaled = StandardScaler().fit(differences[:points]).transform(differences)
    classifier = LogisticRegression(C=100.0, max_iter=2000).fit(scaled[:points], fixed[:points])
    return float(classifier.score(scaled[points:], fixed[points:]))
