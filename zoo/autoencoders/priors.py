"""A mixture of Gaussians in place of N(0, I), fitted after training to the latent vectors that a VAE really uses.

Partha Ghosh, Mehdi Sajjadi, Antonio Vergari, Michael Black, Bernhard Schoelkopf: "From Variational to Deterministic
Autoencoders", 2019, https://arxiv.org/abs/1903.12436, section 4 ("ex-post density estimation")

A VAE is trained towards p(z) = N(0, I), but the latent vectors of the data, taken together, are distributed otherwise:
their density is the aggregate posterior

    q(z) = 1/N sum_n q(z|x_n)

and where N(0, I) has mass and q(z) has none, the decoder has never been trained. Samples of N(0, I) that land there are
the broken pictures that VAEs are known for. So a mixture is fitted to q(z) by EM and sampled in place of N(0, I):

    p(z) = sum_k pi_k N(z; mu_k, L_k L_k^T)
    z = mu_k + L_k eps,   k ~ pi,   eps ~ N(0, I)

A picture is varied within the mode of the prior that is nearest to its latent vector, which keeps what it is a picture
of. The noise takes the place of what it adds, so that strength s = 0 is the vector itself and 1 is a fresh draw of that
mode; in between, vectors drawn from the mode stay distributed as it is:

    z' = mu_k + sqrt(1 - s^2) (z - mu_k) + s L_k eps,   k = arg min_k |z - mu_k|

Decoder and encoder stay as they are. Read first: zoo/autoencoders/vae.py
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from zoo import noise

VARIATION_STREAM = 2  # of the noise: a variation has nothing in common with the picture that its seed generates


@dataclass(frozen=True)
class MixturePrior:
    """A mixture of K Gaussians over latent vectors of length D.

    Attributes:
        weights: pi, float32 (K,), sum 1.
        means: mu, float32 (K, D).
        factors: L, float32 (K, D, D), lower triangular.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    def sample(self, seed):
        """Latent vectors of integer seeds: int32 (B,) -> float32 (B, D), in builtin TFLite operations."""
        # Integers, which no precision of the exported files rounds: a seed keeps its component, and so its picture.
        upper_bounds = np.cumsum(self.weights.astype(np.float64))[:-1] * (1 << noise.UNIFORM_BITS)  # (K - 1,)
        above = noise.uniform_integers(seed, 1, stream=1) >= tf.constant(np.rint(upper_bounds).astype(np.int32))
        k = tf.reduce_sum(tf.cast(above, tf.int32), axis=1)  # (B,)
        return self.draw(noise.normal(seed, self.means.shape[1]), k)

    def draw(self, eps, k):
        """mu_k + L_k eps, float32 (B, D), of noise (B, D) and components int32 (B,)."""
        return tf.gather(tf.constant(self.means), k) + self._scaled(eps, k)

    def vary(self, z, strength, seed):
        """Other latent vectors of the same mode as the given ones, in builtin TFLite operations.

        Args:
            z: float32 (B, D).
            strength: s, float32 (B,) in [0, 1]; what lies outside counts as the nearer end.
            seed: int32 (B,).

        Returns:
            float32 (B, D).
        """
        means = tf.constant(self.means)
        distances = tf.reduce_sum(tf.square(z[:, None, :] - means), axis=2)  # (B, K)
        k = tf.argmin(distances, axis=1, output_type=tf.int32)  # (B,)
        centre = tf.gather(means, k)  # (B, D)
        s = tf.clip_by_value(strength, 0.0, 1.0)[:, None]  # (B, 1)
        eps = noise.normal(seed, self.means.shape[1], stream=VARIATION_STREAM)
        return centre + tf.sqrt(1.0 - s * s) * (z - centre) + s * self._scaled(eps, k)

    def _scaled(self, eps, k):
        """L_k eps."""
        return tf.reduce_sum(tf.gather(tf.constant(self.factors), k) * eps[:, None, :], axis=2)  # (B, D)


def standard_normal(latent_dim):
    """N(0, I) as a mixture of one component."""
    return MixturePrior(
        weights=np.ones(1, np.float32),
        means=np.zeros((1, latent_dim), np.float32),
        factors=np.eye(latent_dim, dtype=np.float32)[None],
    )


def fit_classes(latents, labels):
    """One Gaussian with full covariance for each class, by its mean and covariance.

    Args:
        latents: float (N, D), drawn from q(z|x) of training pictures.
        labels: int (N,), 0 to K - 1, each with more than one vector.

    Returns:
        `MixturePrior` whose component k is that of class k, its weight the share of the class.

    Raises:
        ValueError: when a class has fewer than two vectors.
    """
    counts = np.bincount(labels)
    if counts.min() < 2:
        raise ValueError(f"every class needs two latent vectors or more, class {counts.argmin()} has {counts.min()}")
    of_class = [latents[labels == label] for label in range(len(counts))]
    floor = 1e-4 * np.eye(latents.shape[1])  # as in `fit_mixture`: no direction is without spread
    factors = [np.linalg.cholesky(np.cov(vectors, rowvar=False) + floor) for vectors in of_class]
    return MixturePrior(
        weights=(counts / counts.sum()).astype(np.float32),
        means=np.stack([vectors.mean(axis=0) for vectors in of_class]).astype(np.float32),
        factors=np.stack(factors).astype(np.float32),
    )


def fit_mixture(latents, components, seed=0):
    """Fit a mixture with full covariances to latent vectors by EM (scikit-learn).

    Args:
        latents: float (N, D), drawn from q(z|x) of training pictures.
        components: K, at most N.
        seed: of the first guess.

    Returns:
        `MixturePrior`.

    Raises:
        ValueError: for fewer than one component, and for more than there are vectors.
    """
    from sklearn.mixture import GaussianMixture

    if not 1 <= components <= len(latents):
        raise ValueError(f"components must be 1 to {len(latents)} (the latent vectors there are), got {components}")
    mixture = GaussianMixture(components, reg_covar=1e-4, random_state=seed).fit(latents)
    return MixturePrior(
        weights=mixture.weights_.astype(np.float32),
        means=mixture.means_.astype(np.float32),
        factors=np.linalg.cholesky(mixture.covariances_).astype(np.float32),
    )
