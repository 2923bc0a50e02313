"""Do the latents of a model stand for the factors that its pictures were made of? The score of the FactorVAE paper.

Hyunjik Kim, Andriy Mnih: "Disentangling by Factorising", 2018, https://arxiv.org/abs/1802.05983, section 4

A factor is fixed, all others are drawn at random, for a number of pictures. The latent that stands for the fixed factor
varies least among them, measured by its variance over all pictures:

    d* = arg min_d  Var_fixed(z_d) / Var_all(z_d)

Every such set of pictures casts a vote, d* for its factor. A latent predicts the factor that it had most votes for, and
the share of right predictions on new sets is the score: 1 is the best, one over the number of factors is chance. (The
linear classifier of the beta-VAE paper, which this replaces, can have 1 where two latents share two factors equally.)
"""

import numpy as np

COLLAPSED = 0.01  # variance of the means at which a latent is taken to stand for nothing


def score(encode, draw, factors, samples=64, votes=200, seed=0):
    """Share of right predictions.

    Args:
        encode: function from pictures (N, ...) to posterior means (N, D).
        draw: function from factors int (N, F) to pictures.
        factors: how many values each of the F factors has.
        samples: pictures of one vote.
        votes: of all factors together; as many are predicted.
        seed: of the draws.

    Returns:
        A float in [0, 1].
    """
    random = np.random.default_rng(seed)
    fixed = np.arange(2 * votes) % len(factors)  # the factor of each vote
    values = random.integers(0, factors, (2 * votes, samples, len(factors)))
    for vote, factor in enumerate(fixed):
        values[vote, :, factor] = values[vote, 0, factor]
    means = encode(draw(values.reshape(-1, len(factors)))).reshape(2 * votes, samples, -1)
    over_all = encode(draw(random.integers(0, factors, (4096, len(factors))))).var(axis=0)  # (D,)
    used = over_all > COLLAPSED
    if not used.any():
        return 1.0 / len(factors)
    winners = np.argmin(means.var(axis=1)[:, used] / over_all[used], axis=1)  # (2 votes,)
    counts = np.zeros((used.sum(), len(factors)))
    np.add.at(counts, (winners[:votes], fixed[:votes]), 1)
    return float(np.mean(counts.argmax(axis=1)[winners[votes:]] == fixed[votes:]))
