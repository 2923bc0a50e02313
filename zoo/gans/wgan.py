"""Wasserstein GAN (WGAN).

Martin Arjovsky, Soumith Chintala, Leon Bottou: "Wasserstein GAN", 2017, https://arxiv.org/abs/1701.07875

Where two distributions hardly overlap, the divergence that a GAN minimises is flat, and G has nothing to follow. The
earth mover's distance has a slope there too: it counts how far mass must be carried. A critic f estimates it, a network
without sigmoid that must not be steep; the paper keeps it so by clipping its weights after each step.

    W(P_r, P_theta) = sup over |f|_L <= 1 of  E_x[f(x)] - E_z[f(G(z))]                 eq. 2
    critic:     f ascends   E_x[f(x)] - E_z[f(G(z))],    then w <- clip(w, -c, c)      Algorithm 1, lines 5 to 7
    generator:  G descends  -E_z[f(G(z))]                                              lines 10 and 11

The critic is trained n_critic = 5 steps for one of the generator, by RMSprop: an optimizer with momentum makes a
clipped critic unstable (section 4 of the paper). What the critic reaches is the estimate of the distance, up to a
factor K, the steepness that the clipped weights allow; it falls while pictures get better, as no loss of a GAN does.

What differs from the paper, and why:
- Networks of DCGAN, without batch norm in the critic: its value for a picture must not depend on other pictures.
- Only kernels are clipped: a bias does not make a function steeper.
- The pictures against which the n_critic steps train come from one pass of the generator, which does not move
  meanwhile: the same distribution, made in a larger batch.
- Samples come from a moving average of G's weights (Yazici et al. 2018, https://arxiv.org/abs/1806.04498).

Read first: zoo/gans/gan.py and zoo/gans/dcgan.py. What came after clipping: zoo/gans/wgan_gp.py
"""

import keras
import tensorflow as tf

from zoo import noise, training
from zoo.gans import adversarial
from zoo.gans.dcgan import make_discriminator, make_generator
from zoo.gans.gan import make_discriminator as make_dense_discriminator
from zoo.gans.gan import make_generator as make_dense_generator

DENSE_LAYERS = 3


def critic_loss(real_values, fake_values):
    """E[f(G(z))] - E[f(x)], the negative of what Algorithm 1 ascends and so of the estimate of W."""
    return tf.reduce_mean(fake_values) - tf.reduce_mean(real_values)


def generator_loss(fake_values):
    """-E[f(G(z))]."""
    return -tf.reduce_mean(fake_values)


def clip_kernels(network, limit):
    """w <- clip(w, -limit, limit) for every trainable kernel of a network; biases stay as they are."""
    for weight in network.trainable_variables:
        if weight.path.endswith("kernel"):
            weight.assign(tf.clip_by_value(weight, -limit, limit))


@keras.saving.register_keras_serializable("zoo")
class WGAN(adversarial.AdversarialModel):
    """Trains `generator` against the critic `discriminator`; `generator_average` is what one samples and ships.

    A batch holds the pictures of all critic steps of a train step: n_critic minibatches, one after the other.

    Args:
        image_shape: height, width, channels.
        latent_dim: length of z.
        width: channels of the generator's last hidden layer.
        critic_width: channels of the critic's first layer.
        clip: c, the largest absolute value of the critic's kernels.
        n_critic: critic steps for one step of the generator.
        dense: three dense layers of `width` units in place of the convolutions of either network, for data that are no
            pictures. (Figure 7 of the paper has pictures of a dense generator, four layers of 512 ReLU units.)
        average_decay: decay of the generator's moving average; 0 makes it the generator.
        seed: of the noise.

    Raises:
        ValueError: when n_critic is less than 1 or clip is not positive.
    """

    def __init__(
        self,
        image_shape=(64, 64, 3),
        latent_dim=100,
        width=64,
        critic_width=64,
        clip=0.01,
        n_critic=5,
        dense=False,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if n_critic < 1:
            raise ValueError(f"n_critic must be at least 1, got {n_critic}")
        if not clip > 0:
            raise ValueError(f"clip must be positive, got {clip}")
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.width = width
        self.critic_width = critic_width
        self.clip = clip
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
        self.generator_tracker = keras.metrics.Mean(name="g_loss")
        self.built = True

    def _make_generator(self):
        if self.dense:
            return make_dense_generator(self.image_shape, self.latent_dim, DENSE_LAYERS * (self.width,))
        return make_generator(self.image_shape, self.latent_dim, self.width)

    @property
    def metrics(self):
        """The critic's estimate of the Wasserstein distance, K W(P_r, P_theta), and the generator's loss."""
        return [self.distance_tracker, self.generator_tracker]

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
            with tf.GradientTape() as tape:
                real_values = self.discriminator(real, training=True)  # (B, 1)
                fake_values = self.discriminator(fake, training=True)  # (B, 1)
                c_loss = critic_loss(real_values, fake_values)
                objective = self.discriminator_optimizer.scale_loss(c_loss / training.replicas())
            self.discriminator_optimizer.apply(tape.gradient(objective, weights), weights)
            clip_kernels(self.discriminator, self.clip)
            self.distance_tracker.update_state(-c_loss)

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
            "clip": self.clip,
            "n_critic": self.n_critic,
            "dense": self.dense,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
