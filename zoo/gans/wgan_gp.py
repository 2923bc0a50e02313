"""Wasserstein GAN with gradient penalty (WGAN-GP).

Ishaan Gulrajani, Faruk Ahmed, Martin Arjovsky, Vincent Dumoulin, Aaron Courville: "Improved Training of Wasserstein
GANs", 2017, https://arxiv.org/abs/1704.00028

A WGAN's critic must not be steeper than 1. Clipped weights make it so, but also make it simple. The best critic has
slope 1 almost everywhere on the lines between real and generated pictures (proposition 1 of the paper), so the penalty
asks for just that, at random points of such lines, and the critic may use all its capacity.

    L = E_z[f(G(z))] - E_x[f(x)] + lambda E[ (|grad f(x^)| - 1)^2 ]                    eq. 3
    x^ = a x + (1 - a) G(z),   a ~ U[0, 1], one for each picture
    generator:  G descends  -E_z[f(G(z))]

-L without its last term estimates W(P_r, P_theta), now on its own scale.

What differs from the paper, and why:
- Networks of DCGAN, without any norm in the critic. Batch norm is ruled out, for the penalty is one on each picture by
  itself; the layer norm that the paper recommends in its place is not needed by three convolutions.
- The pictures against which the n_critic steps train come from one pass of the generator, which does not move
  meanwhile: the same distribution, made in a larger batch.
- Samples come from a moving average of G's weights (Yazici et al. 2018, https://arxiv.org/abs/1806.04498).

Read first: zoo/gans/wgan.py
"""

import keras
import tensorflow as tf

from zoo import noise, training
from zoo.gans import adversarial
from zoo.gans.dcgan import make_discriminator, make_generator
from zoo.gans.gan import make_discriminator as make_dense_discriminator
from zoo.gans.gan import make_generator as make_dense_generator

DENSE_LAYERS = 3

SMALLEST_SQUARE = 1e-12  # under the root, whose slope at 0 is infinite


def critic_loss(real_values, fake_values):
    """E[f(G(z))] - E[f(x)], eq. 3 without its penalty: the negative of the estimate of W."""
    return tf.reduce_mean(fake_values) - tf.reduce_mean(real_values)


def generator_loss(fake_values):
    """-E[f(G(z))]."""
    return -tf.reduce_mean(fake_values)


def interpolate(real, fake, alpha):
    """x^ = a x + (1 - a) G(z): pictures (B, H, W, C) between real and generated ones, for a of (B,) in [0, 1]."""
    alpha = tf.cast(alpha, real.dtype)[:, None, None, None]  # (B, 1, 1, 1)
    return alpha * real + (1.0 - alpha) * fake


def gradient_penalty(critic, images):
    """E[ (|grad f(x^)| - 1)^2 ] over pictures x^ (B, H, W, C); eq. 3 without lambda."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        values = critic(images, training=True)  # (B, 1)
    gradients = tf.cast(tape.gradient(values, images), tf.float32)  # (B, H, W, C)
    norms = tf.sqrt(tf.reduce_sum(tf.square(gradients), axis=(1, 2, 3)) + SMALLEST_SQUARE)  # (B,)
    return tf.reduce_mean(tf.square(norms - 1.0))


@keras.saving.register_keras_serializable("zoo")
class WGANGP(adversarial.AdversarialModel):
    """Trains `generator` against the critic `discriminator`; `generator_average` is what one samples and ships.

    A batch holds the pictures of all critic steps of a train step: n_critic minibatches, one after the other.

    Args:
        image_shape: height, width, channels.
        latent_dim: length of z.
        width: channels of the generator's last hidden layer.
        critic_width: channels of the critic's first layer.
        penalty_weight: lambda of eq. 3.
        n_critic: critic steps for one step of the generator.
        dense: three dense layers of `width` units in place of the convolutions of either network, for data that are no
            pictures (figures 1 and 2 of the paper).
        average_decay: decay of the generator's moving average; 0 makes it the generator.
        seed: of the noise.

    Raises:
        ValueError: when n_critic is less than 1 or the penalty's weight is negative.
    """

    def __init__(
        self,
        image_shape=(64, 64, 3),
        latent_dim=128,
        width=64,
        critic_width=64,
        penalty_weight=10.0,
        n_critic=5,
        dense=False,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if n_critic < 1:
            raise ValueError(f"n_critic must be at least 1, got {n_critic}")
        if not penalty_weight >= 0:
            raise ValueError(f"the penalty's weight must be 0 or more, got {penalty_weight}")
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.width = width
        self.critic_width = critic_width
        self.penalty_weight = penalty_weight
        self.n_critic = n_critic
        self.dense = dense
        self.average_decay = average_decay
        self.seed = seed

        self.generator = self._make_generator()
        self.generator_average = training.averaged_copy(self.generator, self._make_generator)
        if dense:
            self.discriminator = make_dense_discriminator(self.image_shape, DENSE_LAYERS * (critic_width,))
        else:
            self.discriminator = make_discriminator(self.image_shape, critic_width)

        self.distance_tracker = keras.metrics.Mean(name="wasserstein")
        self.penalty_tracker = keras.metrics.Mean(name="penalty")
        self.generator_tracker = keras.metrics.Mean(name="g_loss")
        self.built = True

    def _make_generator(self):
        if self.dense:
            return make_dense_generator(self.image_shape, self.latent_dim, DENSE_LAYERS * (self.width,))
        return make_generator(self.image_shape, self.latent_dim, self.width)

    @property
    def metrics(self):
        """The critic's estimate of the Wasserstein distance, the penalty without lambda, the generator's loss."""
        return [self.distance_tracker, self.penalty_tracker, self.generator_tracker]

    def train_step(self, data):
        """One round of Algorithm 1: n_critic steps of the critic, each on fresh pictures, then one of the generator."""
        images, _ = data  # (n_critic B, H, W, C), labels are not used
        minibatches = tf.split(images, self.n_critic)  # n_critic of (B, H, W, C)
        batch = tf.shape(minibatches[0])[0]

        # The critic ascends. The generator stands still meanwhile: one pass makes the pictures of all its steps.
        z = self.normal((self.n_critic * batch, self.latent_dim))
        fakes = tf.split(self.generator(z, training=True), self.n_critic)
        weights = self.discriminator.trainable_variables
        for real, fake in zip(minibatches, fakes, strict=True):
            between = interpolate(real, fake, tf.random.stateless_uniform((batch,), self.next_seed()))
            with tf.GradientTape() as tape:
                real_values = self.discriminator(real, training=True)  # (B, 1)
                fake_values = self.discriminator(fake, training=True)  # (B, 1)
                c_loss = critic_loss(real_values, fake_values)
                penalty = gradient_penalty(self.discriminator, between)
                objective = (c_loss + self.penalty_weight * penalty) / training.replicas()
                objective = self.discriminator_optimizer.scale_loss(objective)
            self.discriminator_optimizer.apply(tape.gradient(objective, weights), weights)
            self.distance_tracker.update_state(-c_loss)
            self.penalty_tracker.update_state(penalty)

        # The generator descends, on noise of its own.
        z = self.normal((batch, self.latent_dim))
        with tf.GradientTape() as tape:
            g_loss = generator_loss(self.discriminator(self.generator(z, training=True), training=True))
            objective = self.generator_optimizer.scale_loss(g_loss / training.replicas())
        weights = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(objective, weights), weights)
        training.average_weights(
            self.generator_average, self.generator, self.generator_optimizer.iterations, self.average_decay
        )

        self.generator_tracker.update_state(g_loss)
        return training.results(self.metrics)

    def generate(self, seeds):
        """The pictures of integer seeds (B,), float32 (B, H, W, C) in [-1, 1], as the exported files make them."""
        return self.generator_average(noise.normal(tf.cast(seeds, tf.int32), self.latent_dim), training=False)

    def get_config(self):
        """The arguments of `__init__`."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "width": self.width,
            "critic_width": self.critic_width,
            "penalty_weight": self.penalty_weight,
            "n_critic": self.n_critic,
            "dense": self.dense,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
