"""Variational autoencoder (VAE).

Diederik Kingma, Max Welling: "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114

A picture x is explained by a latent vector z with a simple prior; the decoder gives p(x|z), the encoder an
approximation q(z|x) of the posterior. Both are trained together on a lower bound of log p(x), the ELBO, through which
gradients flow because z is written as a function of the parameters and of noise:

    log p(x) >= ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z))                         eq. 3
    z = mu(x) + sigma(x) * eps,   eps ~ N(0, I)                                     the reparameterisation, section 2.4
    p(z) = N(0, I),   q(z|x) = N(mu(x), diag sigma(x)^2)                            section 3

With k samples the bound is tighter (Burda, Grosse, Salakhutdinov 2015, https://arxiv.org/abs/1509.00519, eq. 8):

    log p(x) >= E[ log 1/k sum_i p(x, z_i) / q(z_i|x) ] >= ELBO                     the importance-weighted bound

At first the decoder makes no use of z, and then the KL term may push q(z|x) to the prior before it ever does: those
latents have collapsed. The remedy of Soenderby et al. 2016 (https://arxiv.org/abs/1602.02282, section 2.3) is to let
the weight of the KL rise from 0 to 1 during the first updates, the warm-up.

p(x|z) is one of the two of appendix C: independent Bernoulli pixels, or Gaussian ones whose one variance is learned
(Rybkin, Daniilidis, Levine 2020, https://arxiv.org/abs/2006.13202), which sets the balance of the two terms by itself.
Log-likelihoods are sums over pixels and means over the batch, in nats; pixels are measured in [0, 1].

What differs from the paper: convolutions in place of one hidden dense layer, Adam in place of Adagrad, and a moving
average of the weights, which is what one evaluates, samples and ships; but the learned spread of the pixels, a single
number, is used as it stands.
"""

import keras
import tensorflow as tf
from keras import layers

from zoo import noise, training
from zoo.layers import start_shape, start_size

LIKELIHOODS = ("bernoulli", "gaussian")


def make_encoder(image_shape, latent_dim, width):
    """Picture (B, H, W, C) in [-1, 1] -> mean (B, D) and log variance (B, D) of q(z|x).

    Args:
        image_shape: height, width, channels; a side of 4 to 7 pixels doubled one or more times.
        latent_dim: length D of the latent vector.
        width: channels W of the first layer; each layer after it has twice as many, up to 4 W.
    """
    _, halvings = start_size(image_shape[0])
    image = keras.Input(image_shape, name="image")
    x = image
    for power in range(halvings):
        x = layers.Conv2D(min(width * 2**power, 4 * width), 4, strides=2, padding="same")(x)  # (B, 14, 14, W), ...
        x = layers.LeakyReLU(0.1)(x)
    x = layers.Conv2D(min(width * 2**halvings, 4 * width), 4, strides=2, padding="same")(x)  # (B, 4, 4, 4W)
    x = layers.LeakyReLU(0.1)(x)
    x = layers.Flatten()(x)
    mean = layers.Dense(latent_dim, dtype="float32", name="mean")(x)
    log_variance = layers.Dense(latent_dim, dtype="float32", name="log_variance")(x)
    return keras.Model(image, [mean, log_variance], name="encoder")


def make_decoder(image_shape, latent_dim, width):
    """Latent vector (B, D) -> logits of the mean of p(x|z), (B, H, W, C).

    Args:
        image_shape: height, width, channels, as for `make_encoder`.
        latent_dim: length D of the latent vector.
        width: channels W of the last hidden layer; each layer before it has twice as many, up to 4 W.
    """
    start_height, start_width, doublings = start_shape(image_shape)
    widths = [min(width * 2**power, 4 * width) for power in range(doublings, -1, -1)]

    z = keras.Input((latent_dim,), name="z")
    x = layers.Dense(start_height * start_width * widths[0])(z)
    x = layers.LeakyReLU(0.1)(x)
    x = layers.Reshape((start_height, start_width, widths[0]))(x)  # (B, 7, 7, 4W) for 28 pixels
    for filters in widths[1:]:
        x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same")(x)  # (B, 14, 14, 2W), (B, 28, 28, W)
        x = layers.LeakyReLU(0.1)(x)
    logits = layers.Conv2D(image_shape[2], 3, padding="same", dtype="float32", name="logits")(x)  # (B, 28, 28, C)
    return keras.Model(z, logits, name="decoder")


def make_image_decoder(decoder):
    """The decoder with the mean of p(x|z) as its picture: (B, D) -> (B, H, W, C) in [-1, 1]. Weights are shared."""
    logits = decoder(decoder.input)
    image = layers.Activation("tanh", dtype="float32", name="image")(0.5 * logits)  # tanh(l / 2) = 2 sigmoid(l) - 1
    return keras.Model(decoder.input, image, name="image_decoder")


def log_likelihood(images, logits, likelihood, log_scale):
    """log p(x|z) in nats, summed over the pixels: (B,).

    Args:
        images: (B, H, W, C) in [-1, 1].
        logits: (B, H, W, C) from the decoder.
        likelihood: "bernoulli" (a grey pixel counts as a share of white ones: cross entropy), or "gaussian" with mean
            sigmoid(logits).
        log_scale: scalar, the logarithm of the Gaussian's standard deviation; of no effect for Bernoulli.
    """
    from tensorflow_probability import distributions as tfd

    pixels = (images + 1.0) / 2.0
    if likelihood == "bernoulli":
        pixel_distribution = tfd.Bernoulli(logits=logits)
    else:
        pixel_distribution = tfd.Normal(loc=tf.sigmoid(logits), scale=tf.exp(log_scale))
    return tfd.Independent(pixel_distribution, reinterpreted_batch_ndims=3).log_prob(pixels)


def posterior(mean, log_variance):
    """q(z|x), a Gaussian with independent components, batch (B,), event (D,)."""
    from tensorflow_probability import distributions as tfd

    return tfd.MultivariateNormalDiag(loc=mean, scale_diag=tf.exp(0.5 * log_variance))


def prior(latent_dim):
    """p(z) = N(0, I), event (D,)."""
    from tensorflow_probability import distributions as tfd

    return tfd.MultivariateNormalDiag(loc=tf.zeros(latent_dim), scale_diag=tf.ones(latent_dim))


def warm_up(step, steps):
    """Weight of the KL after `step` updates: rises linearly from 0 to 1 during the first `steps`, a scalar."""
    if steps == 0:
        return 1.0
    return tf.minimum(1.0, tf.cast(step, tf.float32) / steps)


@keras.saving.register_keras_serializable("zoo")
class VAE(training.TrainedModel):
    """Trains `encoder` and `decoder`; `encoder_average` and `decoder_average` are what one evaluates and ships.

    Args:
        image_shape: height, width, channels.
        latent_dim: length D of the latent vector.
        width: channels of the decoder's last hidden layer.
        encoder_width: channels of the encoder's first layer.
        likelihood: "bernoulli" or "gaussian".
        importance_samples: k of the importance-weighted bound that `evaluate` reports beside the ELBO.
        warm_up_steps: updates in which the weight of the KL rises from 0 to 1; with 0 it is always 1.
        average_decay: decay of the moving averages.
        seed: of the noise.

    Raises:
        ValueError: for another likelihood, and for sizes that the networks cannot make.
    """

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=20,
        width=32,
        encoder_width=32,
        likelihood="bernoulli",
        importance_samples=1,
        warm_up_steps=0,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"the likelihood must be bernoulli or gaussian, got {likelihood!r}")
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.width = width
        self.encoder_width = encoder_width
        self.likelihood = likelihood
        self.importance_samples = importance_samples
        self.warm_up_steps = warm_up_steps
        self.average_decay = average_decay
        self.seed = seed

        self.encoder = make_encoder(self.image_shape, latent_dim, encoder_width)
        self.decoder = make_decoder(self.image_shape, latent_dim, width)
        self.log_scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(-1.0),
            dtype="float32",
            trainable=likelihood == "gaussian",
            name="log_scale",
        )
        with training.full_precision():
            self.encoder_average = make_encoder(self.image_shape, latent_dim, encoder_width)
            self.decoder_average = make_decoder(self.image_shape, latent_dim, width)
            self.image_decoder = make_image_decoder(self.decoder_average)
        for average, network in self._averages():
            average.set_weights(network.get_weights())
            average.trainable = False  # never trained: they only follow

        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.reconstruction_tracker = keras.metrics.Mean(name="reconstruction")
        self.kl_tracker = keras.metrics.Mean(name="kl")
        self.elbo_tracker = keras.metrics.Mean(name="elbo")
        self.bound_tracker = keras.metrics.Mean(name="importance_weighted_bound")
        self.built = True

    def _averages(self):
        return [(self.encoder_average, self.encoder), (self.decoder_average, self.decoder)]

    @property
    def metrics(self):
        """The negative ELBO and its two terms; `evaluate` adds the bounds. All in nats a picture."""
        return [self.loss_tracker, self.reconstruction_tracker, self.kl_tracker, self.elbo_tracker, self.bound_tracker]

    def terms(self, images, encoder, decoder, training=False):
        """E_q[log p(x|z)] by one sample of z, and KL(q(z|x) || p(z)) in closed form: (B,), (B,)."""
        mean, log_variance = encoder(images, training=training)  # (B, D), (B, D)
        z = mean + tf.exp(0.5 * log_variance) * self.normal(tf.shape(mean))
        reconstruction = log_likelihood(images, decoder(z, training=training), self.likelihood, self.log_scale)
        kl = posterior(mean, log_variance).kl_divergence(prior(self.latent_dim))
        return reconstruction, kl

    def train_step(self, data):
        """One ascent of the ELBO (Algorithm 1 of the paper with L = 1), its KL weighted while warming up."""
        images, _ = data  # (B, H, W, C), labels are not used
        weight = warm_up(self.optimizer.iterations, self.warm_up_steps)
        with tf.GradientTape() as tape:
            reconstruction, kl = self.terms(images, self.encoder, self.decoder, training=True)
            loss = tf.reduce_mean(kl - reconstruction)
            objective = tf.reduce_mean(weight * kl - reconstruction)
            objective = self.optimizer.scale_loss(objective / training.replicas())
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(objective, weights), weights)
        for average, network in self._averages():
            training.average_weights(average, network, self.optimizer.iterations, self.average_decay)

        self.loss_tracker.update_state(loss)
        self.reconstruction_tracker.update_state(reconstruction)
        self.kl_tracker.update_state(kl)
        return training.results(self.metrics[:3])

    def test_step(self, data):
        """The ELBO and the importance-weighted bound of held-out pictures, by the averaged networks."""
        images = data[0] if isinstance(data, (tuple, list)) else data
        reconstruction, kl = self.terms(images, self.encoder_average, self.decoder_average)
        self.loss_tracker.update_state(kl - reconstruction)
        self.reconstruction_tracker.update_state(reconstruction)
        self.kl_tracker.update_state(kl)
        self.elbo_tracker.update_state(reconstruction - kl)
        self.bound_tracker.update_state(self.importance_weighted_bound(images, self.importance_samples))
        return training.results(self.metrics)

    def importance_weighted_bound(self, images, samples):
        """log 1/k sum_i p(x|z_i) p(z_i) / q(z_i|x) with z_i ~ q(z|x) (Burda et al. 2015, eq. 8), in nats: (B,).

        Args:
            images: (B, H, W, C) in [-1, 1].
            samples: k, a Python integer of at least 1; memory does not grow with it.
        """
        mean, log_variance = self.encoder_average(images, training=False)
        q = posterior(mean, log_variance)
        p = prior(self.latent_dim)

        def add_sample(count, total):
            z = mean + tf.exp(0.5 * log_variance) * self.normal(tf.shape(mean))
            logits = self.decoder_average(z, training=False)
            log_weight = log_likelihood(images, logits, self.likelihood, self.log_scale) + p.log_prob(z) - q.log_prob(z)
            return count + 1, tf.reduce_logsumexp(tf.stack([total, log_weight]), axis=0)

        nothing = tf.fill([tf.shape(images)[0]], -float("inf"))
        _, total = tf.while_loop(lambda i, _: i < samples, add_sample, (0, nothing))
        return total - tf.math.log(tf.cast(samples, tf.float32))

    def call(self, inputs, training=False):
        """Reconstructions (B, H, W, C) in [-1, 1]: the picture of the posterior's mean."""
        mean, _ = self.encoder_average(inputs, training=training)
        return self.image_decoder(mean, training=training)

    def generate(self, seeds):
        """The pictures of integer seeds (B,), float32 (B, H, W, C) in [-1, 1]: the mean of p(x|z) with z ~ p(z)."""
        return self.image_decoder(noise.normal(tf.cast(seeds, tf.int32), self.latent_dim), training=False)

    def get_config(self):
        """The arguments of `__init__`."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "width": self.width,
            "encoder_width": self.encoder_width,
            "likelihood": self.likelihood,
            "importance_samples": self.importance_samples,
            "warm_up_steps": self.warm_up_steps,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
