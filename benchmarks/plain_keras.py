"""DCGAN, WGAN, WGAN-GP and VAE as tutorials write them for Keras: the baseline of the comparison of speed."""

import keras
import tensorflow as tf
from keras import layers


def _up(latent_dim, width, norm, activation):
    network = [keras.Input((latent_dim,)), layers.Dense(49 * 4 * width, use_bias=not norm)]
    network.append(layers.Reshape((7, 7, 4 * width)))
    network += [layers.BatchNormalization()] if norm else []
    network.append(activation())
    for filters in (2 * width, width):
        network.append(layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=not norm))
        network += [layers.BatchNormalization()] if norm else []
        network.append(activation())
    return [*network, layers.Conv2D(1, 3, padding="same")]


def _down(width, slope):
    network = [keras.Input((28, 28, 1))]
    for filters in (width, 2 * width, 4 * width):
        network += [layers.Conv2D(filters, 4, strides=2, padding="same"), layers.LeakyReLU(slope)]
    return [*network, layers.Flatten()]


class PlainGAN(keras.Model):
    """The networks of the zoo's DCGAN, and a step of one optimizer each; compiled."""

    def __init__(self, latent_dim, width):
        super().__init__()
        self.latent_dim = latent_dim
        self.generator = keras.Sequential([*_up(latent_dim, width, True, layers.ReLU), layers.Activation("tanh")])
        self.discriminator = keras.Sequential([*_down(width, 0.2), layers.Dense(1)])
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        self.g_optimizer = keras.optimizers.Adam(8e-4, beta_1=0.5, beta_2=0.99)
        self.d_optimizer = keras.optimizers.Adam(8e-4, beta_1=0.5, beta_2=0.99)
        self.d_loss_metric = keras.metrics.Mean(name="d_loss")
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")
        self.compile(optimizer=None)

    @property
    def metrics(self):
        """Both losses."""
        return [self.d_loss_metric, self.g_loss_metric]

    def train_step(self, data):
        """The discriminator, then the generator."""
        pictures, _ = data
        batch = tf.shape(pictures)[0]
        fakes = self.generator(tf.random.normal((batch, self.latent_dim)), training=True)
        with tf.GradientTape() as tape:
            real = self.discriminator(pictures, training=True)
            fake = self.discriminator(fakes, training=True)
            d_loss = self.cross_entropy(tf.ones_like(real), real) + self.cross_entropy(tf.zeros_like(fake), fake)
        weights = self.discriminator.trainable_variables
        self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights, strict=True))
        with tf.GradientTape() as tape:
            fakes = self.generator(tf.random.normal((batch, self.latent_dim)), training=True)
            fake = self.discriminator(fakes, training=True)
            g_loss = self.cross_entropy(tf.ones_like(fake), fake)
        weights = self.generator.trainable_variables
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights, strict=True))
        self.d_loss_metric.update_state(d_loss)
        self.g_loss_metric.update_state(g_loss)
        return {"d_loss": self.d_loss_metric.result(), "g_loss": self.g_loss_metric.result()}


class PlainWGAN(keras.Model):
    """The networks of the zoo's WGAN and WGAN-GP, and a step as tutorials write it; compiled.

    Every critic step makes its own pictures, within its tape, as keras.io's example of WGAN-GP does.
    """

    def __init__(self, latent_dim, width, penalty):
        super().__init__()
        self.latent_dim = latent_dim
        self.penalty = penalty
        self.n_critic = 5
        self.generator = keras.Sequential([*_up(latent_dim, width, True, layers.ReLU), layers.Activation("tanh")])
        self.critic = keras.Sequential([*_down(width, 0.2), layers.Dense(1)])
        self.g_optimizer = keras.optimizers.Adam(4e-4, beta_1=0.0, beta_2=0.9)
        self.c_optimizer = keras.optimizers.Adam(4e-4, beta_1=0.0, beta_2=0.9)
        self.c_loss_metric = keras.metrics.Mean(name="c_loss")
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")
        self.compile(optimizer=None)

    @property
    def metrics(self):
        """Both losses."""
        return [self.c_loss_metric, self.g_loss_metric]

    def gradient_penalty(self, pictures, fakes):
        """Mean of (slope - 1)^2 between real and generated pictures."""
        alpha = tf.random.uniform((tf.shape(pictures)[0], 1, 1, 1))
        between = alpha * pictures + (1.0 - alpha) * fakes
        with tf.GradientTape() as tape:
            tape.watch(between)
            values = self.critic(between, training=True)
        slopes = tf.sqrt(tf.reduce_sum(tape.gradient(values, between) ** 2, axis=(1, 2, 3)) + 1e-12)
        return tf.reduce_mean((slopes - 1.0) ** 2)

    def train_step(self, data):
        """Five steps of the critic, then one of the generator."""
        pictures, _ = data
        batch = tf.shape(pictures)[0] // self.n_critic
        for number in range(self.n_critic):
            real_pictures = pictures[number * batch : (number + 1) * batch]
            with tf.GradientTape() as tape:
                fakes = self.generator(tf.random.normal((batch, self.latent_dim)), training=True)
                real = self.critic(real_pictures, training=True)
                fake = self.critic(fakes, training=True)
                c_loss = tf.reduce_mean(fake) - tf.reduce_mean(real)
                if self.penalty:
                    c_loss += 10.0 * self.gradient_penalty(real_pictures, fakes)
            weights = self.critic.trainable_variables
            self.c_optimizer.apply_gradients(zip(tape.gradient(c_loss, weights), weights, strict=True))
            if not self.penalty:
                for weight in weights:
                    weight.assign(tf.clip_by_value(weight, -0.01, 0.01))
            self.c_loss_metric.update_state(c_loss)
        with tf.GradientTape() as tape:
            fakes = self.generator(tf.random.normal((batch, self.latent_dim)), training=True)
            g_loss = -tf.reduce_mean(self.critic(fakes, training=True))
        weights = self.generator.trainable_variables
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights, strict=True))
        self.g_loss_metric.update_state(g_loss)
        return {"c_loss": self.c_loss_metric.result(), "g_loss": self.g_loss_metric.result()}


class PlainVAE(keras.Model):
    """The networks of the zoo's VAE with Bernoulli pixels, and a step of one optimizer; compiled."""

    def __init__(self, latent_dim, width):
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = keras.Sequential([*_down(width, 0.1), layers.Dense(2 * latent_dim)])
        self.decoder = keras.Sequential(_up(latent_dim, width, False, lambda: layers.LeakyReLU(0.1)))
        self.loss_metric = keras.metrics.Mean(name="loss")
        self.compile(optimizer=keras.optimizers.Adam(1e-3))

    @property
    def metrics(self):
        """The negative ELBO."""
        return [self.loss_metric]

    def train_step(self, data):
        """One step on the negative ELBO."""
        pictures, _ = data
        pixels = (pictures + 1.0) / 2.0
        with tf.GradientTape() as tape:
            mean, log_variance = tf.split(self.encoder(pictures, training=True), 2, axis=1)
            z = mean + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean))
            logits = self.decoder(z, training=True)
            cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=pixels, logits=logits)
            reconstruction = tf.reduce_mean(tf.reduce_sum(cross_entropy, axis=(1, 2, 3)))
            divergence = -0.5 * tf.reduce_sum(1 + log_variance - mean**2 - tf.exp(log_variance), axis=1)
            loss = reconstruction + tf.reduce_mean(divergence)
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self.loss_metric.update_state(loss)
        return {"loss": self.loss_metric.result()}
