"""beta-VAE: a VAE whose latents are pressed to stand for one thing each.

Irina Higgins, Loic Matthey, Arka Pal, Christopher Burgess, Xavier Glorot, Matthew Botvinick, Shakir Mohamed, Alexander
Lerchner: "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework", ICLR 2017,
https://openreview.net/forum?id=Sy2fzU9gl

One number is added to the VAE: the KL counts beta times. With beta > 1 the latents may carry less, and each must be
near the prior, whose components are independent; what is cheapest then is one latent for each thing that varies by
itself, such as the place or the size, and none for what matters little. The price is blur.

    F(theta, phi, beta; x, z) = E_q[log p(x|z)] - beta KL(q(z|x) || p(z))           eq. 4
    p(z) = N(0, I),   q(z|x) = N(mu(x), diag sigma(x)^2),   p(x|z) = Bernoulli

With beta = 1 it is the VAE. Log-likelihoods are sums over pixels and means over the batch, in nats.

What differs from the paper: Adam and networks of this zoo, and a moving average of the weights, which is what one
evaluates and samples.

Read first: zoo/autoencoders/vae.py
"""

import keras
import tensorflow as tf

from zoo import noise, training
from zoo.autoencoders.vae import make_decoder, make_encoder, make_image_decoder


def log_likelihood(images, logits):
    """log p(x|z) of images (B, H, W, C) in [-1, 1], in nats, summed over the pixels: (B,).

    A grey pixel counts as a share of white ones.
    """
    from tensorflow_probability import distributions as tfd

    return tfd.Independent(tfd.Bernoulli(logits=logits), reinterpreted_batch_ndims=3).log_prob((images + 1.0) / 2.0)


def kl_to_prior(mean, log_variance):
    """KL(q(z|x) || N(0, I)) in closed form, in nats: (B,), of mean and log variance (B, D)."""
    from tensorflow_probability import distributions as tfd

    q = tfd.MultivariateNormalDiag(loc=mean, scale_diag=tf.exp(0.5 * log_variance))
    return q.kl_divergence(tfd.MultivariateNormalDiag(loc=tf.zeros_like(mean), scale_diag=tf.ones_like(mean)))


@keras.saving.register_keras_serializable("zoo")
class BetaVAE(training.TrainedModel):
    """Trains `encoder` and `decoder`; `encoder_average` and `decoder_average` are what one evaluates and samples.

    Args:
        image_shape: height, width, channels.
        latent_dim: length D of the latent vector.
        beta: weight of the KL.
        width: channels of the decoder's last hidden layer, and of the encoder's first.
        average_decay: decay of the moving averages.
        seed: of the noise.

    Raises:
        ValueError: for a negative beta, and for sizes that the networks cannot make.
    """

    def __init__(
        self, image_shape=(64, 64, 1), latent_dim=10, beta=4.0, width=32, average_decay=0.999, seed=None, **kwargs
    ):
        super().__init__(seed=seed, **kwargs)
        if not beta >= 0:
            raise ValueError(f"beta must be 0 or more, got {beta}")
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.beta = beta
        self.width = width
        self.average_decay = average_decay
        self.seed = seed

        self.encoder = make_encoder(self.image_shape, latent_dim, width)
        self.decoder = make_decoder(self.image_shape, latent_dim, width)
        with training.full_precision():
            self.encoder_average = make_encoder(self.image_shape, latent_dim, width)
            self.decoder_average = make_decoder(self.image_shape, latent_dim, width)
            self.image_decoder = make_image_decoder(self.decoder_average)
        for average, network in self._averages():
            average.set_weights(network.get_weights())
            average.trainable = False  # never trained: they only follow

        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.reconstruction_tracker = keras.metrics.Mean(name="reconstruction")
        self.kl_tracker = keras.metrics.Mean(name="kl")
        self.built = True

    def _averages(self):
        return [(self.encoder_average, self.encoder), (self.decoder_average, self.decoder)]

    @property
    def metrics(self):
        """-F of eq. 4 and its two terms, the KL without beta, in nats a picture."""
        return [self.loss_tracker, self.reconstruction_tracker, self.kl_tracker]

    def terms(self, images, encoder, decoder, training=False):
        """E_q[log p(x|z)] by one sample of z, and KL(q(z|x) || p(z)) in closed form: (B,), (B,)."""
        mean, log_variance = encoder(images, training=training)  # (B, D), (B, D)
        z = mean + tf.exp(0.5 * log_variance) * self.normal(tf.shape(mean))
        return log_likelihood(images, decoder(z, training=training)), kl_to_prior(mean, log_variance)

    def train_step(self, data):
        """One ascent of F."""
        images, _ = data  # (B, H, W, C), labels are not used
        with tf.GradientTape() as tape:
            reconstruction, kl = self.terms(images, self.encoder, self.decoder, training=True)
            loss = tf.reduce_mean(self.beta * kl - reconstruction)
            objective = self.optimizer.scale_loss(loss / training.replicas())
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(objective, weights), weights)
        for average, network in self._averages():
            training.average_weights(average, network, self.optimizer.iterations, self.average_decay)
        return self._track(reconstruction, kl)

    def test_step(self, data):
        """F of held-out pictures, by the averaged networks."""
        images = data[0] if isinstance(data, (tuple, list)) else data
        return self._track(*self.terms(images, self.encoder_average, self.decoder_average))

    def _track(self, reconstruction, kl):
        self.loss_tracker.update_state(self.beta * kl - reconstruction)
        self.reconstruction_tracker.update_state(reconstruction)
        self.kl_tracker.update_state(kl)
        return training.results(self.metrics)

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
            "beta": self.beta,
            "width": self.width,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
