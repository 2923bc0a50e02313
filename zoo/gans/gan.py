"""Generative adversarial network (GAN), with dense layers.

Ian Goodfellow, Jean Pouget-Abadie, Mehdi Mirza, Bing Xu, David Warde-Farley, Sherjil Ozair, Aaron Courville, Yoshua
Bengio: "Generative Adversarial Nets", 2014, https://arxiv.org/abs/1406.2661

A generator G turns noise z into pictures, a discriminator D gives the probability that a picture is real, and both
learn against each other. For a G that stands still the best D is known, and what G then minimises is a distance between
its distribution p_g and that of the data: at its minimum p_g = p_data, and D says 1/2 everywhere.

    min_G max_D  V(D, G) = E_x[log D(x)] + E_z[log(1 - D(G(z)))]                       eq. 1
    D*(x) = p_data(x) / (p_data(x) + p_g(x))                                           eq. 2
    V(D*, G) = -log 4 + 2 JSD(p_data || p_g)                                           eq. 6

Two losses for G lead to the same end (section 3 of the paper), D(G(z)) = sigmoid(l):

    minimax          E_z[log(1 - D(G(z)))]      its gradient for l is -D(G(z)): none where D refuses G's pictures
    non-saturating   -E_z[log D(G(z))]          its gradient for l is D(G(z)) - 1: largest there

At the start D refuses everything, so with the first loss G learns from next to nothing. The recipe draws both slopes.

What differs from the paper, and why:
- The layers are those of the classic dense example: 256-512-1024 with LeakyReLU(0.2) and batch norm of momentum 0.8
  (the paper: ReLU and sigmoid layers against maxout), for pictures in [-1, 1] (tanh).
- k = 1 step of D for each of G, by Adam in place of momentum.
- D is kept smooth by the penalty R1 at every 8th step (Mescheder, Geiger and Nowozin, 2018,
  https://arxiv.org/abs/1801.04406, eq. 9), and samples come from a moving average of G's weights (Yazici et al. 2018,
  https://arxiv.org/abs/1806.04498). Both are off at r1_gamma = 0 and average_decay = 0.

This is the file to read first. zoo/gans/dcgan.py puts convolutions in the place of the dense layers.
"""

import math

import keras
import tensorflow as tf
from keras import layers

from zoo import noise, training
from zoo.gans import adversarial

OBJECTIVES = ("non_saturating", "minimax")


def make_generator(image_shape, latent_dim, widths):
    """Latent vector (B, latent_dim) -> picture (B, H, W, C) in [-1, 1].

    Args:
        image_shape: height, width, channels.
        latent_dim: length of the latent vector.
        widths: units of each hidden layer.
    """
    z = keras.Input((latent_dim,), name="z")
    x = z
    for units in widths:
        x = layers.Dense(units)(x)  # (B, 256), (B, 512), (B, 1024)
        x = layers.LeakyReLU(0.2)(x)
        x = layers.BatchNormalization(momentum=0.8, synchronized=True)(x)
    x = layers.Dense(math.prod(image_shape))(x)
    x = layers.Reshape(image_shape)(x)  # (B, H, W, C)
    image = layers.Activation("tanh", dtype="float32", name="image")(x)
    return keras.Model(z, image, name="generator")


def make_discriminator(image_shape, widths):
    """Picture (B, H, W, C) -> logit (B, 1): positive for pictures that look real.

    Args:
        image_shape: height, width, channels.
        widths: units of each hidden layer.
    """
    image = keras.Input(image_shape, name="image")
    x = layers.Flatten()(image)  # (B, HWC)
    for units in widths:
        x = layers.Dense(units)(x)  # (B, 512), (B, 256)
        x = layers.LeakyReLU(0.2)(x)
    logit = layers.Dense(1, dtype="float32", name="logit")(x)
    return keras.Model(image, logit, name="discriminator")


def discriminator_loss(real_logits, fake_logits):
    """-V(D, G) = -E[log D(x)] - E[log(1 - D(G(z)))] (eq. 1), with D = sigmoid(logit). 2 log 2 when D knows nothing."""
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))


def minimax_loss(fake_logits):
    """E[log(1 - D(G(z)))], the second term of eq. 1: flat where D is sure that a picture is false."""
    return -tf.reduce_mean(tf.nn.softplus(fake_logits))


def non_saturating_loss(fake_logits):
    """-E[log D(G(z))]: steep where D is sure that a picture is false."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def r1_penalty(discriminator, images):
    """E[ |grad_x logit(x)|^2 ] over real pictures (Mescheder et al. 2018, eq. 9, without gamma / 2)."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = discriminator(images, training=True)
    gradients = tf.cast(tape.gradient(logits, images), tf.float32)  # (B, H, W, C)
    return tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=(1, 2, 3)))


@keras.saving.register_keras_serializable("zoo")
class GAN(adversarial.AdversarialModel):
    """Trains `generator` against `discriminator`; `generator_average` is what one samples and ships.

    Args:
        image_shape: height, width, channels.
        latent_dim: length of z.
        widths: units of the generator's hidden layers.
        discriminator_widths: units of the discriminator's hidden layers.
        objective: of the generator, "non_saturating" or "minimax".
        r1_gamma: weight of the penalty; 0 leaves it out, as the paper does.
        r1_interval: the penalty is evaluated once in so many steps.
        average_decay: decay of the generator's moving average; 0 makes it the generator.
        seed: of the noise.

    Raises:
        ValueError: for another objective.
    """

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=100,
        widths=(256, 512, 1024),
        discriminator_widths=(512, 256),
        objective="non_saturating",
        r1_gamma=0.2,
        r1_interval=8,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if objective not in OBJECTIVES:
            raise ValueError(f"the objective must be {' or '.join(OBJECTIVES)}, got {objective!r}")
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.widths = tuple(widths)
        self.discriminator_widths = tuple(discriminator_widths)
        self.objective = objective
        self.r1_gamma = r1_gamma
        self.r1_interval = r1_interval
        self.average_decay = average_decay
        self.seed = seed

        self.generator = make_generator(self.image_shape, latent_dim, self.widths)
        self.generator_average = training.averaged_copy(
            self.generator, lambda: make_generator(self.image_shape, latent_dim, self.widths)
        )
        self.discriminator = make_discriminator(self.image_shape, self.discriminator_widths)

        self.discriminator_tracker = keras.metrics.Mean(name="d_loss")
        self.generator_tracker = keras.metrics.Mean(name="g_loss")
        self.real_tracker = keras.metrics.Mean(name="d_real")
        self.fake_tracker = keras.metrics.Mean(name="d_fake")
        self.built = True

    @property
    def metrics(self):
        """Both losses, and the mean of D(x) and of D(G(z)): 0.5 each when D can no longer tell."""
        return [self.discriminator_tracker, self.generator_tracker, self.real_tracker, self.fake_tracker]

    def train_step(self, data):
        """One step of Algorithm 1 with k = 1: the discriminator first, then the generator."""
        images, _ = data  # (B, H, W, C), labels are not used
        batch = tf.shape(images)[0]

        # The discriminator ascends V. The pictures are made outside its tape: their gradient is not wanted.
        fakes = self.generator(self.normal((batch, self.latent_dim)), training=True)
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(images, training=True)  # (B, 1)
            fake_logits = self.discriminator(fakes, training=True)  # (B, 1)
            d_loss = discriminator_loss(real_logits, fake_logits)
            objective = (d_loss + self._lazy_r1(images)) / training.replicas()
            objective = self.discriminator_optimizer.scale_loss(objective)
        weights = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(objective, weights), weights)

        # The generator descends its own loss, on noise of its own.
        generator_loss = minimax_loss if self.objective == "minimax" else non_saturating_loss
        z = self.normal((batch, self.latent_dim))
        with tf.GradientTape() as tape:
            g_loss = generator_loss(self.discriminator(self.generator(z, training=True), training=True))
            objective = self.generator_optimizer.scale_loss(g_loss / training.replicas())
        weights = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(objective, weights), weights)
        training.average_weights(
            self.generator_average, self.generator, self.generator_optimizer.iterations, self.average_decay
        )

        self.discriminator_tracker.update_state(d_loss)
        self.generator_tracker.update_state(g_loss)
        self.real_tracker.update_state(tf.sigmoid(real_logits))
        self.fake_tracker.update_state(tf.sigmoid(fake_logits))
        return training.results(self.metrics)

    def _lazy_r1(self, images):
        if self.r1_gamma == 0:
            return 0.0
        weight = self.r1_interval * self.r1_gamma / 2.0
        due = self.discriminator_optimizer.iterations % self.r1_interval == 0
        return tf.cond(due, lambda: weight * r1_penalty(self.discriminator, images), lambda: 0.0)

    def generate(self, seeds):
        """The pictures of integer seeds (B,), float32 (B, H, W, C) in [-1, 1], as the exported files make them."""
        return self.generator_average(noise.normal(tf.cast(seeds, tf.int32), self.latent_dim), training=False)

    def get_config(self):
        """The arguments of `__init__`."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "widths": self.widths,
            "discriminator_widths": self.discriminator_widths,
            "objective": self.objective,
            "r1_gamma": self.r1_gamma,
            "r1_interval": self.r1_interval,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
