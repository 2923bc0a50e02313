"""Autoencoder: a picture squeezed through a few numbers, and unfolded again.

Geoffrey Hinton, Ruslan Salakhutdinov: "Reducing the Dimensionality of Data with Neural Networks", Science 313, 2006,
https://doi.org/10.1126/science.1127647

An encoder f makes a short code of a picture, a decoder g a picture of the code; both are trained so that what comes out
is what went in. The code is all that passes, so it has to hold what matters. No noise and no distribution are involved:
the model can compress and restore, but nothing says which codes are those of pictures, so it cannot draw new ones.

    z = f(x),   x' = g(z)
    E = 1/N sum_n |t_n - g(f(x_n))|^2                   t = x; pixels in [0, 1], the mean also over pixels

With linear f and g of D numbers the best there is is the projection on the first D principal components, and every
other stationary point of E is a saddle (Baldi, Hornik 1989, https://doi.org/10.1016/0893-6080(89)90014-2, fact 4), so
gradient descent gets PCA's error. To do better takes layers that are not linear.

The target t need not be the input. From a corrupted x to the clean t it is the denoising autoencoder (Vincent,
Larochelle, Bengio, Manzagol 2008, https://doi.org/10.1145/1390156.1390294), which has to know what pictures look like;
then the code may be as large as the picture, here a small picture with many channels (Masci et al. 2011,
https://doi.org/10.1007/978-3-642-21735-7_7).

What differs from the paper: all layers are trained at once by Adam, without the pretraining that 2006 needed; leaky
rectifiers in place of sigmoids; and a moving average of the weights, which is what one evaluates and ships.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo import training
from zoo.layers import start_shape, start_size

NETWORKS = ("linear", "dense", "convolutional", "map")


def make_linear_encoder(image_shape, latent_dim, width=0):
    """Picture (B, H, W, C) -> code (B, D), a matrix and a bias; the width has no part in it."""
    image = keras.Input(image_shape, name="image")
    x = layers.Flatten()(image)
    return keras.Model(image, layers.Dense(latent_dim, dtype="float32", name="code")(x), name="encoder")


def make_linear_decoder(image_shape, latent_dim, width=0):
    """Code (B, D) -> picture (B, H, W, C), a matrix and a bias: values may leave [-1, 1]."""
    z = keras.Input((latent_dim,), name="z")
    x = layers.Dense(int(np.prod(image_shape)), dtype="float32")(z)
    return keras.Model(z, layers.Reshape(image_shape, dtype="float32", name="image")(x), name="decoder")


def make_dense_encoder(image_shape, latent_dim, width):
    """Picture (B, H, W, C) in [-1, 1] -> code (B, D), by two hidden layers of 4 W and 2 W units."""
    image = keras.Input(image_shape, name="image")
    x = layers.Flatten()(image)
    for units in (4 * width, 2 * width):
        x = layers.Dense(units)(x)
        x = layers.LeakyReLU(0.1)(x)
    return keras.Model(image, layers.Dense(latent_dim, dtype="float32", name="code")(x), name="encoder")


def make_dense_decoder(image_shape, latent_dim, width):
    """Code (B, D) -> picture (B, H, W, C) in [-1, 1], by two hidden layers of 2 W and 4 W units."""
    z = keras.Input((latent_dim,), name="z")
    x = z
    for units in (2 * width, 4 * width):
        x = layers.Dense(units)(x)
        x = layers.LeakyReLU(0.1)(x)
    x = layers.Dense(int(np.prod(image_shape)))(x)
    x = layers.Reshape(image_shape)(x)
    return keras.Model(z, layers.Activation("tanh", dtype="float32", name="image")(x), name="decoder")


def make_convolutional_encoder(image_shape, latent_dim, width):
    """Picture (B, H, W, C) in [-1, 1] -> code (B, D).

    Args:
        image_shape: height, width, channels; a side of 4 to 7 pixels doubled one or more times.
        latent_dim: length D of the code.
        width: channels W of the first layer; each layer after it has twice as many, up to 4 W.
    """
    _, halvings = start_size(image_shape[0])
    image = keras.Input(image_shape, name="image")
    x = image
    for power in range(halvings + 1):
        x = layers.Conv2D(min(width * 2**power, 4 * width), 4, strides=2, padding="same")(x)  # (B, 14, 14, W), ...
        x = layers.LeakyReLU(0.1)(x)
    x = layers.Flatten()(x)  # (B, 4 * 4 * 4W) for 28 pixels
    return keras.Model(image, layers.Dense(latent_dim, dtype="float32", name="code")(x), name="encoder")


def make_convolutional_decoder(image_shape, latent_dim, width):
    """Code (B, D) -> picture (B, H, W, C) in [-1, 1]; arguments as for `make_convolutional_encoder`."""
    start_height, start_width, doublings = start_shape(image_shape)
    widths = [min(width * 2**power, 4 * width) for power in range(doublings, -1, -1)]
    z = keras.Input((latent_dim,), name="z")
    x = layers.Dense(start_height * start_width * widths[0])(z)
    x = layers.LeakyReLU(0.1)(x)
    x = layers.Reshape((start_height, start_width, widths[0]))(x)  # (B, 7, 7, 4W)
    return keras.Model(z, _upwards(x, widths[1:], image_shape[2]), name="decoder")


def make_map_encoder(image_shape, latent_dim, width):
    """Picture (B, H, W, C) in [-1, 1] -> a small picture (B, h, w, D), h and w of 4 to 7: convolutions alone."""
    _, _, halvings = start_shape(image_shape)
    image = keras.Input(image_shape, name="image")
    x = layers.Conv2D(width, 3, padding="same")(image)  # (B, 28, 28, W)
    x = layers.LeakyReLU(0.1)(x)
    for power in range(1, halvings + 1):
        x = layers.Conv2D(min(width * 2**power, 4 * width), 4, strides=2, padding="same")(x)  # (B, 14, 14, 2W), ...
        x = layers.LeakyReLU(0.1)(x)
    code = layers.Conv2D(latent_dim, 3, padding="same", dtype="float32", name="code")(x)  # (B, 7, 7, D)
    return keras.Model(image, code, name="encoder")


def make_map_decoder(image_shape, latent_dim, width):
    """A small picture (B, h, w, D) -> picture (B, H, W, C) in [-1, 1]; arguments as for `make_map_encoder`."""
    start_height, start_width, doublings = start_shape(image_shape)
    widths = [min(width * 2**power, 4 * width) for power in range(doublings, -1, -1)]
    z = keras.Input((start_height, start_width, latent_dim), name="z")
    x = layers.Conv2D(widths[0], 3, padding="same")(z)  # (B, 7, 7, 4W)
    x = layers.LeakyReLU(0.1)(x)
    return keras.Model(z, _upwards(x, widths[1:], image_shape[2]), name="decoder")


def _upwards(x, widths, channels):
    """Doubles height and width of (B, h, w, F) once for each width, and makes a picture in [-1, 1]."""
    for filters in widths:
        x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same")(x)  # (B, 14, 14, 2W), (B, 28, 28, W)
        x = layers.LeakyReLU(0.1)(x)
    x = layers.Conv2D(channels, 3, padding="same")(x)  # (B, 28, 28, C)
    return layers.Activation("tanh", dtype="float32", name="image")(x)


def make_networks(networks, image_shape, latent_dim, width):
    """Encoder and decoder of one of `NETWORKS`.

    Raises:
        ValueError: for another name, and for sizes that convolutions cannot make.
    """
    makers = {
        "linear": (make_linear_encoder, make_linear_decoder),
        "dense": (make_dense_encoder, make_dense_decoder),
        "convolutional": (make_convolutional_encoder, make_convolutional_decoder),
        "map": (make_map_encoder, make_map_decoder),
    }
    if networks not in makers:
        raise ValueError(f"the networks must be one of {', '.join(NETWORKS)}, got {networks!r}")
    return [make(image_shape, latent_dim, width) for make in makers[networks]]


def reconstruction_error(targets, pictures):
    """E: the mean squared error over pictures and pixels (B, H, W, C), which are in [-1, 1] but measured in [0, 1]."""
    return tf.reduce_mean(tf.square(0.5 * (targets - pictures)))


@keras.saving.register_keras_serializable("zoo")
class Autoencoder(training.TrainedModel):
    """Trains `encoder` and `decoder`; `encoder_average` and `decoder_average` are what one evaluates and ships.

    Args:
        image_shape: height, width, channels.
        latent_dim: length D of the code; of "map" its channels.
        width: W, of the layers.
        networks: "linear", "dense", "convolutional" or "map".
        average_decay: decay of the moving averages.

    Raises:
        ValueError: for other networks, and for sizes that they cannot make.
    """

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=16,
        width=32,
        networks="convolutional",
        average_decay=0.999,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.width = width
        self.networks = networks
        self.average_decay = average_decay

        self.encoder, self.decoder = make_networks(networks, self.image_shape, latent_dim, width)
        with training.full_precision():
            averages = make_networks(networks, self.image_shape, latent_dim, width)
        self.encoder_average, self.decoder_average = averages
        for average, network in self._averages():
            average.set_weights(network.get_weights())
            average.trainable = False  # never trained: they only follow
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.built = True

    def _averages(self):
        return [(self.encoder_average, self.encoder), (self.decoder_average, self.decoder)]

    @property
    def metrics(self):
        """E, of the networks in training; `evaluate` has that of the averaged ones."""
        return [self.loss_tracker]

    def train_step(self, data):
        """One descent of E on inputs (B, H, W, C) and targets, which are the same or the clean ones."""
        inputs, targets = data
        with tf.GradientTape() as tape:
            loss = reconstruction_error(targets, self.decoder(self.encoder(inputs, training=True), training=True))
            objective = self.optimizer.scale_loss(loss / training.replicas())
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(objective, weights), weights)
        for average, network in self._averages():
            training.average_weights(average, network, self.optimizer.iterations, self.average_decay)
        self.loss_tracker.update_state(loss)
        return training.results(self.metrics)

    def test_step(self, data):
        """E of held-out inputs and targets, by the averaged networks."""
        inputs, targets = data
        self.loss_tracker.update_state(reconstruction_error(targets, self(inputs)), sample_weight=tf.shape(inputs)[0])
        return training.results(self.metrics)

    def call(self, inputs, training=False):
        """What comes out for pictures (B, H, W, C) in [-1, 1]: the same shape."""
        code = self.encoder_average(inputs, training=training)
        return self.decoder_average(code, training=training)

    def get_config(self):
        """The arguments of `__init__`."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "width": self.width,
            "networks": self.networks,
            "average_decay": self.average_decay,
        }
