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

Decoder and encoder stay as they are. Read first: zoo/autoencoders/vae.py
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from zoo import noise


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
        dim = self.means.shape[1]
        # Integers, which no precision of the exported files rounds: a seed keeps its component, and so its picture.
        upper_bounds = np.cumsum(self.weights.astype(np.float64))[:-1] * (1 << noise.UNIFORM_BITS)  # (K - 1,)
        above = noise.uniform_integers(seed, 1, stream=1) >= tf.constant(np.rint(upper_bounds).astype(np.int32))
        k = tf.reduce_sum(tf.cast(above, tf.int32), axis=1)  # (B,)
        eps = noise.normal(seed, dim)  # (B, D)
        factors = tf.gather(tf.constant(self.factors), k)  # (B, D, D)
        return tf.gather(tf.constant(self.means), k) + tf.reduce_sum(factors * eps[:, None, :], axis=2)


def fit_mixture(latents, components, seed=0):
    """Fit a mixture with full covariances to latent vectors by EM (scikit-learn).

    Args:
        latents: float (N, D), drawn from q(z|x) of training pictures.
        components: K, at most N.
        seed: of the first guess.

    Returns:
        `MixturePrior`.

    Raises:
        ValueError: when there are fewer vectors than components.
    """
    from sklearn.mixture import GaussianMixture

    if not 1 <= components <= len(latents):
        raise ValueError(f"a mixture of {components} components needs 1 to {len(latents)} (the vectors there are)")
    mixture = GaussianMixture(components, reg_covar=1e-4, random_state=seed).fit(latents)
    return MixturePrior(
        weights=mixture.weights_.astype(np.float32),
        means=mixture.means_.astype(np.float32),
        factors=np.linalg.cholesky(mixture.covariances_).astype(np.float32),
    )
