"""Three widely used examples, rebuilt from the layer sizes and settings that they publish; the code is our own.

keras.io, "Conditional GAN": dense 7x7, two 4x4 stride-2 transposed convolutions of 128 channels, 7x7 output;
    discriminator 64-128 and global max pooling; Adam 3e-4, batch 64
keras.io, "WGAN-GP overriding Model.train_step": generator 256-128-64 by up-sampling; critic 64-128-256-512 with 5x5
    kernels; batch 512, 3 critic steps, Adam 2e-4, gradient penalty 10
PyTorch-GAN, "dcgan.py": pictures of 32x32; generator 128-128-64 by up-sampling; discriminator 16-32-64-128 with
    dropout and batch norm; Adam 2e-4 with beta_1 0.5, batch 64
"""

import keras
import tensorflow as tf
from keras import layers


class Example:
    """A generator and a discriminator with an optimizer each.

    Args:
        generator: network from (B, inputs) to pictures.
        discriminator: network from pictures to logits (B, 1).
        latent_dim: length of the noise.
        batch_size: pictures a step.
        optimizers: function that makes one.
    """

    def __init__(self, generator, discriminator, latent_dim, batch_size, optimizers):
        self.generator = generator
        self.discriminator = discriminator
        self.latent_dim = latent_dim
        self.batch_size = batch_size
        self.g_optimizer = optimizers()
        self.d_optimizer = optimizers()
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def noise(self, count):
        """(count, latent_dim), standard normal."""
        return tf.random.normal((count, self.latent_dim))

    def update(self, optimizer, tape, loss, network):
        """One step of an optimizer."""
        weights = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    def step(self, pictures, labels):
        """The discriminator, then the generator."""
        count = self.batch_size
        fakes = self.generator(self.noise(count), training=True)
        with tf.GradientTape() as tape:
            real = self.discriminator(pictures, training=True)
            fake = self.discriminator(fakes, training=True)
            loss = self.cross_entropy(tf.ones_like(real), real) + self.cross_entropy(tf.zeros_like(fake), fake)
        self.update(self.d_optimizer, tape, loss, self.discriminator)
        with tf.GradientTape() as tape:
            fake = self.discriminator(self.generator(self.noise(count), training=True), training=True)
            loss = self.cross_entropy(tf.ones_like(fake), fake)
        self.update(self.g_optimizer, tape, loss, self.generator)

    def sample(self, count):
        """Pictures (count, 28, 28, 1) in [-1, 1]."""
        return self.generator(self.noise(count), training=False)


class ConditionalExample(Example):
    """The label is an input of both: one-hot beside the noise, and as ten more channels of the picture."""

    def with_label(self, pictures, labels):
        """(B, 28, 28, 11)."""
        planes = tf.tile(labels[:, None, None, :], (1, 28, 28, 1))
        return tf.concat([pictures, planes], axis=-1)

    def step(self, pictures, labels):
        """The discriminator on a batch of both kinds, then the generator."""
        labels = tf.one_hot(labels, 10)
        count = self.batch_size
        fakes = self.generator(tf.concat([self.noise(count), labels], 1), training=True)
        both = tf.concat([self.with_label(fakes, labels), self.with_label(pictures, labels)], 0)
        is_real = tf.concat([tf.zeros((count, 1)), tf.ones((count, 1))], 0)
        with tf.GradientTape() as tape:
            loss = self.cross_entropy(is_real, self.discriminator(both, training=True))
        self.update(self.d_optimizer, tape, loss, self.discriminator)
        with tf.GradientTape() as tape:
            fakes = self.generator(tf.concat([self.noise(count), labels], 1), training=True)
            fake = self.discriminator(self.with_label(fakes, labels), training=True)
            loss = self.cross_entropy(tf.ones_like(fake), fake)
        self.update(self.g_optimizer, tape, loss, self.generator)

    def sample(self, count):
        """Pictures of labels drawn evenly."""
        labels = tf.one_hot(tf.random.uniform((count,), 0, 10, tf.int32), 10)
        return self.generator(tf.concat([self.noise(count), labels], 1), training=False)


class WassersteinExample(Example):
    """Three critic steps with gradient penalty, then the generator."""

    def step(self, pictures, labels):
        """Algorithm 1 of Gulrajani et al. 2017."""
        count = self.batch_size
        for _ in range(3):
            fakes = self.generator(self.noise(count), training=True)
            mixed = pictures + tf.random.uniform((count, 1, 1, 1)) * (fakes - pictures)
            with tf.GradientTape() as tape:
                with tf.GradientTape() as inner:
                    inner.watch(mixed)
                    value = self.discriminator(mixed, training=True)
                slope = tf.sqrt(tf.reduce_sum(inner.gradient(value, mixed) ** 2, axis=(1, 2, 3)) + 1e-12)
                penalty = tf.reduce_mean((slope - 1.0) ** 2)
                real = self.discriminator(pictures, training=True)
                fake = self.discriminator(fakes, training=True)
                loss = tf.reduce_mean(fake) - tf.reduce_mean(real) + 10.0 * penalty
            self.update(self.d_optimizer, tape, loss, self.discriminator)
        with tf.GradientTape() as tape:
            fake = self.discriminator(self.generator(self.noise(count), training=True), training=True)
            loss = -tf.reduce_mean(fake)
        self.update(self.g_optimizer, tape, loss, self.generator)


def keras_conditional_gan():
    """keras.io, "Conditional GAN"."""
    generator = keras.Sequential(
        [
            keras.Input((138,)),
            layers.Dense(7 * 7 * 138),
            layers.LeakyReLU(0.2),
            layers.Reshape((7, 7, 138)),
            layers.Conv2DTranspose(128, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2DTranspose(128, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(1, 7, padding="same", activation="sigmoid"),
            layers.Rescaling(2.0, -1.0),  # there pixels are 0 to 1
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((28, 28, 11)),
            layers.Conv2D(64, 3, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(128, 3, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.GlobalMaxPooling2D(),
            layers.Dense(1),
        ]
    )
    return ConditionalExample(generator, discriminator, 128, 64, lambda: keras.optimizers.Adam(3e-4))


def keras_wgan_gp():
    """keras.io, "WGAN-GP overriding Model.train_step"."""

    def up(filters):
        return [
            layers.UpSampling2D(2),
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
        ]

    generator = keras.Sequential(
        [
            keras.Input((128,)),
            layers.Dense(4 * 4 * 256, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Reshape((4, 4, 256)),
            *up(128),
            layers.LeakyReLU(0.2),
            *up(64),
            layers.LeakyReLU(0.2),
            *up(1),
            layers.Activation("tanh"),
            layers.Cropping2D(2),
        ]
    )
    critic = [keras.Input((28, 28, 1)), layers.ZeroPadding2D(2)]
    for filters, dropout in ((64, 0.0), (128, 0.3), (256, 0.3), (512, 0.0)):
        critic += [layers.Conv2D(filters, 5, strides=2, padding="same"), layers.LeakyReLU(0.2), layers.Dropout(dropout)]
    critic = keras.Sequential([*critic, layers.Flatten(), layers.Dropout(0.2), layers.Dense(1)])
    return WassersteinExample(generator, critic, 128, 512, lambda: keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.9))


def pytorch_gan_dcgan():
    """PyTorch-GAN, "dcgan.py"; its pictures of 32x32 are scaled to and from the 28x28 of the data."""
    start = keras.initializers.RandomNormal(stddev=0.02)

    def convolution(filters, strides=1):
        return layers.Conv2D(filters, 3, strides=strides, padding="same", kernel_initializer=start)

    generator = keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(8 * 8 * 128),
            layers.Reshape((8, 8, 128)),
            layers.BatchNormalization(momentum=0.9),
            layers.UpSampling2D(2),
            convolution(128),
            layers.BatchNormalization(momentum=0.9, epsilon=0.8),
            layers.LeakyReLU(0.2),
            layers.UpSampling2D(2),
            convolution(64),
            layers.BatchNormalization(momentum=0.9, epsilon=0.8),
            layers.LeakyReLU(0.2),
            convolution(1),
            layers.Activation("tanh"),
            layers.Resizing(28, 28),
        ]
    )
    discriminator = [keras.Input((28, 28, 1)), layers.Resizing(32, 32)]
    for filters in (16, 32, 64, 128):
        discriminator += [convolution(filters, 2), layers.LeakyReLU(0.2), layers.SpatialDropout2D(0.25)]
        discriminator += [layers.BatchNormalization(momentum=0.9, epsilon=0.8)] if filters > 16 else []
    discriminator = keras.Sequential([*discriminator, layers.Flatten(), layers.Dense(1)])
    return Example(generator, discriminator, 100, 64, lambda: keras.optimizers.Adam(2e-4, beta_1=0.5))


EXAMPLES = {
    "keras.io cGAN": keras_conditional_gan,
    "keras.io WGAN-GP": keras_wgan_gp,
    "PyTorch-GAN DCGAN": pytorch_gan_dcgan,
}
