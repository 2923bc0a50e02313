"""Vector-quantised variational autoencoder (VQ-VAE).

Aaron van den Oord, Oriol Vinyals, Koray Kavukcuoglu: "Neural Discrete Representation Learning", 2017,
https://arxiv.org/abs/1711.00937

The encoder writes a picture as a small grid of vectors, each of which is replaced by the nearest of K learned ones;
what is left of the picture is a grid of integers, the codes, and the decoder draws it from them. No gradient passes a
choice of the nearest, so it is copied from the decoder's input to the encoder's output as if nothing had been
replaced. A PixelCNN learns which grids of codes occur; to draw a picture is to draw codes from it and decode them.

    z = k with the smallest |z_e(x) - e_k|,   z_q(x) = e_z                          eq. 1, 2
    L = -log p(x|z_q(x)) + |sg[z_e(x)] - e|^2 + beta |z_e(x) - sg[e]|^2             eq. 3; sg stops the gradient
    p(z) = prod_i p(z_i | z_1, ..., z_{i-1})                                        the prior, section 3.3

The second term moves the codebook to the encoder's vectors, the third keeps the encoder near the codebook. p(x|z) is
Gaussian of a fixed variance; all three terms are means (over pixels, over the entries of the grid), constants left out.

What differs from the paper: the prior is trained together with the rest, on the codes that the averaged encoder gives
at that moment, not afterwards (no gradient flows from it to the codes, and by the end they stand still); one residual
block a side in place of two; a moving average of the weights, which is what one evaluates, samples and ships. The
codebook follows equation 3, not the moving averages of the paper's appendix A.1.

Read first: zoo/autoencoders/vae.py, zoo/autoregressive/pixelcnn.py
"""

import keras
import tensorflow as tf
from keras import layers

from zoo import noise, training
from zoo.autoregressive.pixelcnn import make_pixelcnn, make_sampler
from zoo.layers import start_shape, start_size


@keras.saving.register_keras_serializable("zoo")
class Codebook(layers.Layer):
    """K vectors of length D, and which of them is nearest.

    Args:
        codes: K.
        code_dim: D.
    """

    def __init__(self, codes, code_dim, **kwargs):
        super().__init__(dtype="float32", **{name: value for name, value in kwargs.items() if name != "dtype"})
        self.codes = codes
        self.code_dim = code_dim
        self.build()

    def build(self, input_shape=None):
        """Make the vectors."""
        initializer = keras.initializers.RandomUniform(-1.0 / self.codes, 1.0 / self.codes)  # all in reach at first
        self.vectors = self.add_weight(
            name="vectors", shape=(self.codes, self.code_dim), initializer=initializer, autocast=False
        )  # Keras would round what `look_up` reads within the call of a model in half precision
        self.built = True

    def call(self, inputs):
        """The index of the nearest vector, equation 1: (B, H, W, D) -> int32 (B, H, W)."""
        vectors = tf.convert_to_tensor(self.vectors)
        products = tf.linalg.matmul(tf.reshape(inputs, [-1, self.code_dim]), vectors, transpose_b=True)  # (B H W, K)
        distances = tf.reduce_sum(tf.square(vectors), axis=1) - 2.0 * products  # |z_e|^2 is the same for all
        nearest = tf.argmin(distances, axis=1, output_type=tf.int32)
        return tf.reshape(nearest, [-1, *inputs.shape[1:3]])

    def look_up(self, codes):
        """The vectors of codes, equation 2: int32 (B, H, W) -> (B, H, W, D)."""
        return tf.gather(tf.convert_to_tensor(self.vectors), codes)

    def get_config(self):
        """The arguments of `__init__`."""
        return {**super().get_config(), "codes": self.codes, "code_dim": self.code_dim}


def residual(x, width):
    """ReLU, 3x3 convolution, ReLU, 1x1 convolution, added to what came in (section 4.1): the same shape again."""
    found = layers.Conv2D(width, 3, padding="same", activation="relu")(layers.ReLU()(x))
    return x + layers.Conv2D(x.shape[-1], 1)(found)


def make_encoder(image_shape, code_dim, width):
    """Picture (B, H, W, C) in [-1, 1] -> vectors z_e, float32 (B, h, w, D).

    Args:
        image_shape: height, width, channels; a side of 4 to 7 pixels doubled one or more times, and h or w is that.
        code_dim: D.
        width: channels W of the layers but the first, which has half of them.
    """
    _, halvings = start_size(image_shape[0])
    start_size(image_shape[1])
    image = keras.Input(image_shape, name="image")
    x = image
    for power in range(halvings):
        filters = width if power == halvings - 1 else width // 2
        x = layers.Conv2D(filters, 4, strides=2, padding="same", activation="relu")(x)  # (B, 14, 14, W/2), (B, 7, 7, W)
    x = residual(x, width)
    vectors = layers.Conv2D(code_dim, 1, dtype="float32", name="vectors")(x)  # (B, 7, 7, D)
    return keras.Model(image, vectors, name="encoder")


def make_decoder(image_shape, code_dim, width):
    """Vectors z_q (B, h, w, D) -> the mean of p(x|z), float32 (B, H, W, C) in [-1, 1].

    Args:
        image_shape: height, width, channels, as for `make_encoder`.
        code_dim: D.
        width: channels W of the first layers; half of them remain at full size.
    """
    height, width_pixels, doublings = start_shape(image_shape)
    vectors = keras.Input((height, width_pixels, code_dim), name="vectors")
    x = layers.Conv2D(width, 3, padding="same")(vectors)
    x = residual(x, width)
    x = layers.ReLU()(x)
    for _ in range(doublings):
        x = layers.Conv2DTranspose(width // 2, 4, strides=2, padding="same", activation="relu")(x)  # (B, 14, 14, W/2)
    image = layers.Conv2D(image_shape[-1], 3, padding="same", activation="tanh", dtype="float32", name="image")(x)
    return keras.Model(vectors, image, name="decoder")


def losses(images, reconstructions, vectors, chosen, pixel_variance, beta):
    """The three terms of equation 3, scalars: reconstruction, codebook, and beta times commitment.

    Args:
        images, reconstructions: (B, H, W, C) in [-1, 1].
        vectors: z_e (B, h, w, D).
        chosen: e (B, h, w, D).
        pixel_variance: twice that of p(x|z).
        beta: weight of the commitment.
    """
    reconstruction = tf.reduce_mean(tf.square(images - reconstructions)) / pixel_variance
    codebook = tf.reduce_mean(tf.square(tf.stop_gradient(vectors) - chosen))
    commitment = tf.reduce_mean(tf.square(vectors - tf.stop_gradient(chosen)))
    return reconstruction, codebook, beta * commitment


def log_prior(codes, logits):
    """log p(z) in nats: int32 (B, h, w) and logits (B, h, w, K) -> (B,)."""
    by_code = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=codes, logits=logits)
    return -tf.reduce_sum(by_code, axis=(1, 2))


def perplexity(codes, count):
    """How many codes are in use: exp of the entropy of their shares, 1 to K.

    Args:
        codes: int32, any shape.
        count: K.
    """
    shares = tf.reduce_mean(tf.one_hot(tf.reshape(codes, [-1]), count), axis=0)  # (K,)
    return tf.exp(-tf.reduce_sum(tf.math.xlogy(shares, shares)))


@keras.saving.register_keras_serializable("zoo")
class VQVAE(training.TrainedModel):
    """Trains encoder, codebook, decoder and prior; their averages are what one evaluates and ships.

    Args:
        image_shape: height, width, channels.
        codes: K, how many vectors the codebook has.
        code_dim: D, their length.
        width: channels of encoder and decoder.
        prior_width: channels of each stack of the PixelCNN.
        prior_blocks: gated blocks of the PixelCNN.
        beta: weight of the commitment.
        pixel_variance: twice that of p(x|z), pixels in [-1, 1].
        average_decay: decay of the moving averages.
        seed: of the generator that nothing draws from: training is deterministic but for the data.

    Raises:
        ValueError: for sizes that the networks cannot make, for fewer than 2 codes, and for a width under 2.
    """

    def __init__(
        self,
        image_shape=(28, 28, 1),
        codes=64,
        code_dim=16,
        width=48,
        prior_width=24,
        prior_blocks=4,
        beta=0.25,
        pixel_variance=0.5,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if min(codes, width) < 2:
            raise ValueError(f"codes and width must be at least 2, got {codes} and {width}")
        self.image_shape = tuple(image_shape)
        self.codes = codes
        self.code_dim = code_dim
        self.width = width
        self.prior_width = prior_width
        self.prior_blocks = prior_blocks
        self.beta = beta
        self.pixel_variance = pixel_variance
        self.average_decay = average_decay
        self.seed = seed
        self.grid = start_shape(self.image_shape)[:2]

        makers = {
            "encoder": lambda: make_encoder(self.image_shape, code_dim, width),
            "codebook": lambda: Codebook(codes, code_dim),
            "decoder": lambda: make_decoder(self.image_shape, code_dim, width),
            "prior": lambda: make_pixelcnn(self.grid, codes, prior_width, prior_blocks, first_reach=2, reach=1),
        }
        for name, make in makers.items():
            setattr(self, name, make())
            setattr(self, f"{name}_average", training.averaged_copy(getattr(self, name), make))
        self.sampler = make_sampler(self.prior_average)

        names = ("loss", "reconstruction", "codebook_loss", "commitment", "prior_nll", "perplexity")
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.built = True

    @property
    def metrics(self):
        """The loss of equation 3 with its terms, -log p(z) in nats a picture, and a batch's perplexity of the codes."""
        return list(self.trackers.values())

    def train_step(self, data):
        """One descent of equation 3, and of -log p(z) for the prior."""
        images, _ = data  # (B, H, W, C), labels are not used
        stable_codes = self.encode(images)
        with tf.GradientTape() as tape:
            vectors = self.encoder(images, training=True)  # z_e
            codes = self.codebook(vectors)
            chosen = self.codebook.look_up(codes)  # e
            straight_through = vectors + tf.stop_gradient(chosen - vectors)  # z_q; its gradient is that of z_e
            reconstructions = self.decoder(straight_through, training=True)
            terms = losses(images, reconstructions, vectors, chosen, self.pixel_variance, self.beta)
            logits = self.prior(tf.one_hot(stable_codes, self.codes), training=True)
            prior_nll = -tf.reduce_mean(log_prior(stable_codes, logits))
            loss = sum(terms)
            objective = self.optimizer.scale_loss((loss + prior_nll) / training.replicas())
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(objective, weights), weights)
        for name in ("encoder", "codebook", "decoder", "prior"):
            average, network = getattr(self, f"{name}_average"), getattr(self, name)
            training.average_weights(average, network, self.optimizer.iterations, self.average_decay)
        return self._track(images, loss, *terms, prior_nll, perplexity(codes, self.codes))

    def test_step(self, data):
        """The same numbers of held-out pictures, by the averaged networks."""
        images = data[0] if isinstance(data, (tuple, list)) else data
        vectors = self.encoder_average(images, training=False)
        codes = self.codebook_average(vectors)
        chosen = self.codebook_average.look_up(codes)
        terms = losses(images, self.decode(codes), vectors, chosen, self.pixel_variance, self.beta)
        logits = self.prior_average(tf.one_hot(codes, self.codes), training=False)
        prior_nll = -tf.reduce_mean(log_prior(codes, logits))
        return self._track(images, sum(terms), *terms, prior_nll, perplexity(codes, self.codes))

    def _track(self, images, *values):
        count = tf.shape(images)[0]  # the last batch may be smaller, and counts for less
        for tracker, value in zip(self.metrics, values, strict=True):
            tracker.update_state(value, sample_weight=count)
        return training.results(self.metrics)

    def encode(self, images):
        """Pictures (B, H, W, C) in [-1, 1] -> codes int32 (B, h, w)."""
        return self.codebook_average(self.encoder_average(images, training=False))

    def decode(self, codes):
        """Codes int32 (B, h, w) -> pictures (B, H, W, C) in [-1, 1]."""
        return self.decoder_average(self.codebook_average.look_up(codes), training=False)

    def call(self, inputs, training=False):
        """Reconstructions (B, H, W, C) in [-1, 1]."""
        return self.decode(self.encode(inputs))

    def generate(self, seeds):
        """The pictures of integer seeds (B,), float32 (B, H, W, C) in [-1, 1]: codes drawn from p(z), decoded."""
        height, width = self.grid
        return self.decode(self.sampler(noise.uniform(tf.cast(seeds, tf.int32), height * width)))

    def get_config(self):
        """The arguments of `__init__`."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "codes": self.codes,
            "code_dim": self.code_dim,
            "width": self.width,
            "prior_width": self.prior_width,
            "prior_blocks": self.prior_blocks,
            "beta": self.beta,
            "pixel_variance": self.pixel_variance,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
