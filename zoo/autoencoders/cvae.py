"""Conditional VAE (CVAE): a variational autoencoder that is told the class.

Kihyuk Sohn, Honglak Lee, Xinchen Yan: "Learning Structured Output Representation using Deep Conditional Generative
Models", NeurIPS 2015,
https://proceedings.neurips.cc/paper/2015/hash/8d55a249e6baa5c06772297520da2051-Abstract.html

Everything is as in a VAE, and is given x besides: what y shall be a picture of. The prior of z depends on x, so each x
has its own region of the latent space, and the decoder, which knows x, leaves to z what x does not tell: the style.

    log p(y|x) >= E_q[log p(y|x,z)] - KL(q(z|x,y) || p(z|x))                        eq. 4
    q(z|x,y) = N(mu(x,y), diag sigma(x,y)^2)                                        the recognition network
    p(z|x)   = N(mu_x, diag sigma_x^2)                                              the prior network
    p(y|x,z) = N(y; g(x,z), s^2 I)                                                  the generation network

Here x is a class. Log-likelihoods are sums over pixels and means over the batch, in nats; pixels are measured in
[0, 1].

What differs from the paper: the condition is a class in place of a picture, so the prior network is a table; no hybrid
objective (eq. 7), which is for prediction, where there is one right answer; the pixels' one variance s^2 is learned
(Rybkin, Daniilidis, Levine 2020, https://arxiv.org/abs/2006.13202); and a moving average of the weights is what one
evaluates, samples and ships; but s, a single number, is used as it stands.

Read first: zoo/autoencoders/vae.py
"""

import keras
import tensorflow as tf
from keras import layers

from zoo import noise, training
from zoo.autoencoders.vae import make_encoder as make_image_encoder
from zoo.layers import start_shape


def make_recognition(image_shape, classes, latent_dim, width):
    """Class (B,) and picture (B, H, W, C) in [-1, 1] -> mean (B, D) and log variance (B, D) of q(z|x,y).

    The class is a further channel of the picture: a map that is learned for it.

    Args:
        image_shape: height, width, channels; a side of 4 to 7 pixels doubled one or more times.
        classes: how many there are.
        latent_dim: length D of the latent vector.
        width: channels of the first layer.
    """
    height, width_pixels, channels = image_shape
    label = keras.Input((), dtype="int32", name="label")
    picture = keras.Input(image_shape, name="image")
    class_map = layers.Embedding(classes, height * width_pixels)(label)
    class_map = layers.Reshape((height, width_pixels, 1))(class_map)  # (B, H, W, 1)
    both = layers.Concatenate()([picture, class_map])  # (B, H, W, C + 1)
    encoder = make_image_encoder((height, width_pixels, channels + 1), latent_dim, width)
    return keras.Model([label, picture], encoder(both), name="recognition")


def make_prior(classes, latent_dim):
    """Class (B,) -> mean (B, D) and log variance (B, D) of p(z|x); N(0, I) for every class to begin with."""
    label = keras.Input((), dtype="int32", name="label")
    means = layers.Embedding(classes, latent_dim, "zeros", dtype="float32", name="prior_mean")(label)
    log_variances = layers.Embedding(classes, latent_dim, "zeros", dtype="float32", name="prior_log_variance")(label)
    return keras.Model(label, [means, log_variances], name="prior")


def make_generation(image_shape, classes, latent_dim, width):
    """Class (B,) and latent vector (B, D) -> logits of the mean of p(y|x,z), (B, H, W, C).

    Args:
        image_shape: height, width, channels, as for `make_recognition`.
        classes: how many there are.
        latent_dim: length D of the latent vector.
        width: channels W of the last hidden layer; each layer before it has twice as many, up to 4 W.
    """
    start_height, start_width, doublings = start_shape(image_shape)
    widths = [min(width * 2**power, 4 * width) for power in range(doublings, -1, -1)]

    label = keras.Input((), dtype="int32", name="label")
    z = keras.Input((latent_dim,), name="z")
    told = layers.Embedding(classes, classes)(label)  # (B, classes)
    x = layers.Concatenate()([z, told])
    x = layers.Dense(start_height * start_width * widths[0], name="first")(x)
    x = layers.LeakyReLU(0.1)(x)
    x = layers.Reshape((start_height, start_width, widths[0]))(x)  # (B, 7, 7, 4W)
    for filters in widths[1:]:
        x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same")(x)  # (B, 14, 14, 2W), (B, 28, 28, W)
        x = layers.LeakyReLU(0.1)(x)
    logits = layers.Conv2D(image_shape[2], 3, padding="same", dtype="float32", name="logits")(x)  # (B, 28, 28, C)
    return keras.Model([label, z], logits, name="generation")


def log_likelihood(pictures, logits, log_scale):
    """log p(y|x,z) in nats, summed over the pixels: (B,).

    Args:
        pictures: y, (B, H, W, C) in [-1, 1].
        logits: (B, H, W, C) from the generation network, whose mean is sigmoid(logits).
        log_scale: scalar, log s.
    """
    from tensorflow_probability import distributions as tfd

    pixels = tfd.Normal(loc=tf.sigmoid(logits), scale=tf.exp(log_scale))
    return tfd.Independent(pixels, reinterpreted_batch_ndims=3).log_prob((pictures + 1.0) / 2.0)


def gaussian(mean, log_variance):
    """q(z|x,y) or p(z|x): a Gaussian with independent components, batch (B,), event (D,)."""
    from tensorflow_probability import distributions as tfd

    return tfd.MultivariateNormalDiag(loc=mean, scale_diag=tf.exp(0.5 * log_variance))


@keras.saving.register_keras_serializable("zoo")
class CVAE(training.TrainedModel):
    """Trains `recognition`, `prior` and `generation`; their averages are what one evaluates and ships.

    Args:
        image_shape: height, width, channels.
        classes: how many there are.
        latent_dim: length D of the latent vector.
        width: channels of the generation network's last hidden layer.
        recognition_width: channels of the recognition network's first layer.
        average_decay: decay of the moving averages.
        seed: of the noise.

    Raises:
        ValueError: for sizes that the networks cannot make.
    """

    def __init__(
        self,
        image_shape=(28, 28, 1),
        classes=10,
        latent_dim=16,
        width=32,
        recognition_width=32,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        self.image_shape = tuple(image_shape)
        self.classes = classes
        self.latent_dim = latent_dim
        self.width = width
        self.recognition_width = recognition_width
        self.average_decay = average_decay
        self.seed = seed

        self.recognition, self.prior, self.generation = self._make_networks()
        self.log_scale = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(-1.0), dtype="float32", name="log_scale"
        )
        with training.full_precision():
            averages = self._make_networks()
        self.recognition_average, self.prior_average, self.generation_average = averages
        for average, network in self._averages():
            average.set_weights(network.get_weights())
            average.trainable = False  # never trained: they only follow

        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.reconstruction_tracker = keras.metrics.Mean(name="reconstruction")
        self.kl_tracker = keras.metrics.Mean(name="kl")
        self.built = True

    def _make_networks(self):
        return (
            make_recognition(self.image_shape, self.classes, self.latent_dim, self.recognition_width),
            make_prior(self.classes, self.latent_dim),
            make_generation(self.image_shape, self.classes, self.latent_dim, self.width),
        )

    def _averages(self):
        return [
            (self.recognition_average, self.recognition),
            (self.prior_average, self.prior),
            (self.generation_average, self.generation),
        ]

    @property
    def metrics(self):
        """The negative bound of eq. 4 and its two terms, in nats a picture."""
        return [self.loss_tracker, self.reconstruction_tracker, self.kl_tracker]

    def terms(self, labels, pictures, networks, training=False):
        """E_q[log p(y|x,z)] by one sample of z, and KL(q(z|x,y) || p(z|x)) in closed form: (B,), (B,).

        Args:
            labels: x, int (B,).
            pictures: y, (B, H, W, C) in [-1, 1].
            networks: recognition, prior and generation network.
            training: whether they are in training.
        """
        recognition, prior, generation = networks
        mean, log_variance = recognition([labels, pictures], training=training)  # (B, D), (B, D)
        z = mean + tf.exp(0.5 * log_variance) * self.normal(tf.shape(mean))
        logits = generation([labels, z], training=training)
        kl = gaussian(mean, log_variance).kl_divergence(gaussian(*prior(labels, training=training)))
        return log_likelihood(pictures, logits, self.log_scale), kl

    def train_step(self, data):
        """One ascent of the bound of eq. 4 with L = 1."""
        pictures, labels = data  # (B, H, W, C), (B,)
        networks = self.recognition, self.prior, self.generation
        with tf.GradientTape() as tape:
            reconstruction, kl = self.terms(labels, pictures, networks, training=True)
            loss = tf.reduce_mean(kl - reconstruction)
            objective = self.optimizer.scale_loss(loss / training.replicas())
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(objective, weights), weights)
        for average, network in self._averages():
            training.average_weights(average, network, self.optimizer.iterations, self.average_decay)
        return self._track(reconstruction, kl)

    def test_step(self, data):
        """The bound of held-out pictures, by the averaged networks."""
        pictures, labels = data
        return self._track(*self.terms(labels, pictures, [average for average, _ in self._averages()]))

    def _track(self, reconstruction, kl):
        self.loss_tracker.update_state(kl - reconstruction)
        self.reconstruction_tracker.update_state(reconstruction)
        self.kl_tracker.update_state(kl)
        return training.results(self.metrics)

    def call(self, inputs, training=False):
        """Pictures (B, H, W, C) in [-1, 1] of [labels (B,), noise (B, D)], standard normal: z = mu_x + sigma_x eps."""
        labels, eps = inputs
        mean, log_variance = self.prior_average(labels, training=training)
        return self.draw(labels, mean + tf.exp(0.5 * log_variance) * eps)

    def draw(self, labels, z):
        """The mean of p(y|x,z) as a picture in [-1, 1], of labels (B,) and latent vectors (B, D)."""
        logits = self.generation_average([labels, z], training=False)
        return tf.tanh(0.5 * logits)  # tanh(l / 2) = 2 sigmoid(l) - 1

    def generate(self, seeds, labels):
        """The pictures of integer seeds (B,) and labels (B,), float32 (B, H, W, C) in [-1, 1].

        Raises:
            ValueError: when a label is not a class.
        """
        labels = tf.convert_to_tensor(labels)
        if bool(tf.reduce_any((labels < 0) | (labels >= self.classes))):
            raise ValueError(f"a label has numbers 0 to {self.classes - 1}, got {labels.numpy().tolist()}")
        return self([labels, noise.normal(tf.cast(seeds, tf.int32), self.latent_dim)])

    def get_config(self):
        """The arguments of `__init__`."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "classes": self.classes,
            "latent_dim": self.latent_dim,
            "width": self.width,
            "recognition_width": self.recognition_width,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
