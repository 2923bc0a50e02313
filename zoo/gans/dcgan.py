"""Deep convolutional GAN (DCGAN).

Alec Radford, Luke Metz, Soumith Chintala: "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", 2015, https://arxiv.org/abs/1511.06434

Two networks play against each other: the generator G turns noise into pictures, the discriminator D tells pictures of
the data from those of G. What the paper found is an architecture in which this game stays stable: transposed and
strided convolutions in place of pooling, batch norm, no hidden dense layers, and Adam with beta_1 = 0.5.

    D maximises  E_x[log D(x)] + E_z[log(1 - D(G(z)))]          D(x) = sigmoid(logit)
    G maximises  E_z[log D(G(z))]                               the non-saturating form

What differs from the paper, and why:
- Pictures of 8 to 64 pixels instead of 64: the number of up-samplings follows from the size, 28 = 7 * 2 * 2.
- Kernels are 4x4 (the paper: 5x5): a multiple of the stride, so no checkerboard.
- The discriminator has no batch norm, for D(x) should not depend on the other pictures of the batch, and is kept smooth
  by the penalty R1 of Mescheder, Geiger and Nowozin, 2018, https://arxiv.org/abs/1801.04406, eq. 9,

    R1 = gamma / 2 * E_x[ |grad_x logit(x)|^2 ]                 evaluated at every 8th step and weighted 8-fold
                                                                (Karras et al. 2020, https://arxiv.org/abs/1912.04958)
- Samples come from a moving average of G's weights (Yazici et al. 2018, https://arxiv.org/abs/1806.04498).

Between its neighbours, each at 28x28 on one core:
- GAN (zoo/gans/gan.py) plays the same game with dense layers. They do not know which pixels are neighbours, so edges
  are frayed and rare things are missed (recall 0.33 on Fashion-MNIST, here 0.86); but a step takes 20 ms for 64
  pictures, here 52 ms for 32.
- StyleGAN (zoo/gans/stylegan.py) adds a convolution to this discriminator and tells every layer of the generator its
  style instead of handing z to the first: coarse and fine can be chosen apart, for twice the time of a step.
"""

import keras
import tensorflow as tf
from keras import layers

from zoo import noise, training
from zoo.gans import adversarial
from zoo.layers import BatchNormalization, start_shape, start_size


def make_generator(image_shape, latent_dim, width):
    """Latent vector (B, latent_dim) -> picture (B, H, W, C) in [-1, 1].

    Args:
        image_shape: height, width, channels; a side of 4 to 7 pixels doubled one or more times.
        latent_dim: length of the latent vector.
        width: channels W of the last hidden layer; each layer before it has twice as many, up to 8 W.
    """
    start_height, start_width, doublings = start_shape(image_shape)
    widths = [min(width * 2**power, 8 * width) for power in range(doublings, -1, -1)]

    z = keras.Input((latent_dim,), name="z")
    x = layers.Dense(start_height * start_width * widths[0], use_bias=False)(z)
    x = layers.Reshape((start_height, start_width, widths[0]))(x)  # (B, 7, 7, 4W) for 28 pixels
    x = BatchNormalization()(x)
    x = layers.ReLU()(x)
    for filters in widths[1:]:
        x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False)(
            x
        )  # (B, 14, 14, 2W), (B, 28, 28, W)
        x = BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = layers.Conv2D(image_shape[2], 3, padding="same")(x)  # (B, 28, 28, C)
    image = layers.Activation("tanh", dtype="float32", name="image")(x)
    return keras.Model(z, image, name="generator")


def make_discriminator(image_shape, width):
    """Picture (B, H, W, C) -> logit (B, 1): positive for pictures that look real.

    Args:
        image_shape: height, width, channels, as for `make_generator`.
        width: channels W of the first layer; each layer after it has twice as many, up to 8 W.
    """
    _, doublings = start_size(image_shape[0])
    image = keras.Input(image_shape, name="image")
    x = image
    for power in range(doublings + 1):
        x = layers.Conv2D(min(width * 2**power, 8 * width), 4, strides=2, padding="same")(
            x
        )  # (B, 14, 14, W) ... (B, 4, 4, 4W)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    logit = layers.Dense(1, dtype="float32", name="logit")(x)
    return keras.Model(image, logit, name="discriminator")


def discriminator_loss(real_logits, fake_logits):
    """-E[log D(x)] - E[log(1 - D(G(z)))], with D = sigmoid(logit). 2 log 2 when D knows nothing."""
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))


def generator_loss(fake_logits):
    """-E[log D(G(z))], the non-saturating form: its gradient is large where D is sure that a picture is false."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def r1_penalty(discriminator, images):
    """E[ |grad_x logit(x)|^2 ] over real pictures: (Mescheder et al. 2018, eq. 9, without gamma / 2)."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = discriminator(images, training=True)
    gradients = tf.cast(tape.gradient(logits, images), tf.float32)  # (B, H, W, C)
    return tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=(1, 2, 3)))


@keras.saving.register_keras_serializable("zoo")
class DCGAN(adversarial.AdversarialModel):
    """Trains `generator` against `discriminator`; `generator_average` is what one samples and ships.

    Args:
        image_shape: height, width, channels.
        latent_dim: length of z; the paper's 100.
        width: channels of the generator's last hidden layer.
        discriminator_width: channels of the discriminator's first layer.
        r1_gamma: weight of the penalty; 0 leaves it out, as the paper does.
        r1_interval: the penalty is evaluated once in so many steps.
        average_decay: decay of the generator's moving average.
        seed: of the noise.
    """

    def __init__(
        self,
        image_shape=(64, 64, 3),
        latent_dim=100,
        width=128,
        discriminator_width=64,
        r1_gamma=0.2,
        r1_interval=8,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.width = width
        self.discriminator_width = discriminator_width
        self.r1_gamma = r1_gamma
        self.r1_interval = r1_interval
        self.average_decay = average_decay
        self.seed = seed

        self.generator = make_generator(self.image_shape, latent_dim, width)
        self.generator_average = training.averaged_copy(
            self.generator, lambda: make_generator(self.image_shape, latent_dim, width)
        )
        self.discriminator = make_discriminator(self.image_shape, discriminator_width)

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
        """One step of Algorithm 1 of Goodfellow et al. 2014 with k = 1: the discriminator first, then the generator."""
        images, _ = data  # (B, H, W, C), labels are not used
        batch = tf.shape(images)[0]

        # The discriminator ascends. The pictures are made outside its tape: their gradient is not wanted.
        fakes = self.generator(self.normal((batch, self.latent_dim)), training=True)
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(images, training=True)  # (B, 1)
            fake_logits = self.discriminator(fakes, training=True)  # (B, 1)
            d_loss = discriminator_loss(real_logits, fake_logits)
            objective = (d_loss + self._lazy_r1(images)) / training.replicas()
            objective = self.discriminator_optimizer.scale_loss(objective)
        weights = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(objective, weights), weights)

        # The generator ascends, on noise of its own.
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
            "width": self.width,
            "discriminator_width": self.discriminator_width,
            "r1_gamma": self.r1_gamma,
            "r1_interval": self.r1_interval,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
