"""RealNVP.

Laurent Dinh, Jascha Sohl-Dickstein, Samy Bengio: "Density estimation using Real NVP", 2016,
https://arxiv.org/abs/1605.08803

Normal noise is bent into data by a chain of steps, each of which can be undone and says how much it stretches space.
So the density of any point is known exactly: that of the noise which it came from, times the stretching on the way. A
step, the affine coupling, leaves half of the numbers as they are, and shifts and scales the other half by amounts that
a network computes from the first: hence it needs no inverse of the network, and its Jacobian is triangular.

    log p(x) = log p_z(f(x)) + log |det df(x)/dx|                                   eq. 3; f goes from data to noise
    y = b x + (1 - b) (x exp(s(b x)) + t(b x))                                      eq. 9, b is a mask of zeros and ones
    log |det dy/dx| = sum (1 - b) s(b x)                                            eq. 6
    x = logit(a + (1 - 2a) (level + u) / levels),   u ~ U(0, 1)                     section 4.1: pixels without bounds

Pixels are whole levels and have probabilities, not densities; with u their density is that of a box, and

    log P(level) >= E_u[log p((level + u) / levels)] - D log(levels)                Theis et al. 2015, 1511.01844

What differs from the paper: masks are checkerboards and stripes of rows; under stripes the networks work at half the
size (the paper's squeezing, here inside of the network), and no pixels are factored out half way; no batch norm between
the steps; a is on both sides, so that the range is symmetric; a moving average of the weights, which is what one
evaluates, samples and ships.
"""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo import noise, training

MARGIN = 0.05  # a: keeps the logit finite


def coupling_mask(event_shape, index):
    """The mask b of a step: which numbers it leaves as they are, float32 of the shape of an event.

    Args:
        event_shape: (D,), or height, width, channels.
        index: of the step; each mask is followed by its opposite, and for pictures two checkerboards by two stripes.
    """
    if len(event_shape) == 1:
        mask = np.arange(event_shape[0]) % 2
    else:
        rows, columns, _ = np.indices(event_shape)
        mask = (rows + columns) % 2 if index % 4 < 2 else rows % 2
    return np.float32(mask if index % 2 == 0 else 1 - mask)


def make_coupling_network(event_shape, width, halved):
    """What a step leaves as it is, b x -> s and t, each float32 of the shape of x; both 0 at first.

    Args:
        event_shape: (D,): dense layers; or height, width, channels: convolutions.
        width: units or channels of the hidden layers.
        halved: whether a picture is worked on at half the size, four pixels in a place.
    """
    kept = keras.Input(event_shape, name="kept")
    if len(event_shape) == 1:
        x = layers.Dense(width, activation="relu")(kept)
        x = layers.Dense(width, activation="relu")(x)
        x = layers.Dense(2 * event_shape[0], kernel_initializer="zeros", dtype="float32")(x)
    else:
        height, columns, channels = event_shape
        strides, filters = (2, 8 * channels) if halved else (1, 2 * channels)
        x = layers.Conv2D(width, 3, strides=strides, padding="same", activation="relu")(kept)
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)  # (B, H, W, width), or H/2 and W/2
        x = x + layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        x = layers.Conv2D(filters, 3, padding="same", kernel_initializer="zeros", dtype="float32")(x)
        if halved:
            x = layers.Reshape((height // 2, columns // 2, 2, 2, 2 * channels), dtype="float32")(x)
            x = layers.Permute((1, 3, 2, 4, 5), dtype="float32")(x)  # (B, H/2, 2, W/2, 2, 2C)
            x = layers.Reshape((height, columns, 2 * channels), dtype="float32")(x)
    size = event_shape[-1]
    log_scale = layers.Activation("tanh", dtype="float32", name="log_scale")(x[..., :size])  # |s| < 1: no explosion
    return keras.Model(kept, [log_scale, x[..., size:]], name="coupling")


def affine_coupling(network, mask):
    """Equation 9 as a bijector from noise to data, event of the mask's shape.

    Args:
        network: of `make_coupling_network`.
        mask: b.
    """
    from tensorflow_probability import bijectors as tfb

    dims = len(mask.shape)
    axes = list(range(-dims, 0))

    answers = {}  # TFP asks for the value here, for the determinant at the other end: b x = b y, so the answer is one

    def scale_and_shift(x):
        if x.ref() not in answers:
            log_scale, shift = network(mask * x)
            answers[x.ref()] = (1.0 - mask) * log_scale, (1.0 - mask) * shift
        return answers[x.ref()]

    def forward(x):
        log_scale, shift = scale_and_shift(x)
        y = x * tf.exp(log_scale) + shift
        answers[y.ref()] = log_scale, shift
        return y

    def inverse(y):
        log_scale, shift = scale_and_shift(y)
        x = (y - shift) * tf.exp(-log_scale)
        answers[x.ref()] = log_scale, shift
        return x

    return tfb.Inline(
        forward_fn=forward,
        inverse_fn=inverse,
        forward_log_det_jacobian_fn=lambda x: tf.reduce_sum(scale_and_shift(x)[0], axis=axes),
        inverse_log_det_jacobian_fn=lambda y: -tf.reduce_sum(scale_and_shift(y)[0], axis=axes),
        forward_min_event_ndims=dims,
        name="affine_coupling",
    )


def flow(networks, event_shape):
    """The steps from noise to data, first to last: a list of bijectors; `tfb.Chain(reversed(list))` is all of them."""
    return [affine_coupling(network, coupling_mask(event_shape, index)) for index, network in enumerate(networks)]


def flow_distribution(networks, event_shape):
    """p(x): normal noise bent by the steps, as a distribution. Its variables are those of the networks.

    Args:
        networks: one of `make_coupling_network` for each step.
        event_shape: of x.
    """
    from tensorflow_probability import bijectors as tfb
    from tensorflow_probability import distributions as tfd

    base = tfd.Sample(tfd.Normal(0.0, 1.0), sample_shape=event_shape)
    return tfd.TransformedDistribution(base, tfb.Chain(flow(networks, event_shape)[::-1]))


@keras.saving.register_keras_serializable("zoo")
class RealNVP(training.TrainedModel):
    """Trains `networks`, one for each step; `average_networks` are what one evaluates, samples and ships.

    Args:
        event_shape: (D,) for points, or height, width, channels of pictures, sides even.
        couplings: how many steps, at least 2, so that every number is moved.
        width: units or channels of the networks' hidden layers.
        levels: of a pixel; None for numbers that are no pixels, taken as they are.
        average_decay: decay of the moving averages.
        seed: of the noise u within a level.

    Raises:
        ValueError: for fewer than 2 steps or levels, and pictures with an odd side.
    """

    def __init__(
        self,
        event_shape=(28, 28, 1),
        couplings=8,
        width=32,
        levels=256,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if couplings < 2:
            raise ValueError(f"couplings must be at least 2, got {couplings}")
        if levels is not None and levels < 2:
            raise ValueError(f"levels must be at least 2, got {levels}")
        if len(event_shape) == 3 and (event_shape[0] % 2 or event_shape[1] % 2):
            raise ValueError(f"sides must be even, got {event_shape[0]}x{event_shape[1]}")
        self.event_shape = tuple(event_shape)
        self.couplings = couplings
        self.width = width
        self.levels = levels
        self.average_decay = average_decay
        self.seed = seed

        self.networks = [make_coupling_network(self.event_shape, width, index % 4 >= 2) for index in range(couplings)]
        self.average_networks = [
            training.averaged_copy(
                network, lambda index=index: make_coupling_network(self.event_shape, width, index % 4 >= 2)
            )
            for index, network in enumerate(self.networks)
        ]
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.bits_tracker = keras.metrics.Mean(name="bits_per_dim")
        self.built = True

    @property
    def metrics(self):
        """-log p(x) in nats; of pictures -log P(levels), and in bits for each number."""
        return [self.loss_tracker, self.bits_tracker]

    def log_prob(self, x, networks=None, noise_in_level=0.5):
        """log p(x) of points, or of pictures what stands in the bound of log P(levels) for one u: (B,), in nats.

        Args:
            x: (B, ...), pictures in [-1, 1], which are rounded to their levels.
            networks: None takes the averaged ones.
            noise_in_level: u, in [0, 1): a tensor of the shape of x; the mean over draws from U(0, 1) is the bound.
                Or a number: 0.5, the middle of each level, needs no noise; its value is near the bound, but is none.
        """
        distribution = flow_distribution(networks or self.average_networks, self.event_shape)
        if self.levels is None:
            return distribution.log_prob(x)
        level = tf.round((x + 1.0) * (0.5 * (self.levels - 1)))
        share = MARGIN + (1.0 - 2.0 * MARGIN) * (level + noise_in_level) / self.levels
        unbounded = tf.math.log(share) - tf.math.log1p(-share)
        log_slope = math.log(1.0 - 2.0 * MARGIN) - tf.math.log(share) - tf.math.log1p(-share)  # of the logit
        axes = list(range(1, len(self.event_shape) + 1))
        log_density = distribution.log_prob(unbounded) + tf.reduce_sum(log_slope, axis=axes)
        return log_density - math.prod(self.event_shape) * math.log(self.levels)

    def train_step(self, data):
        """One descent of -log p(x), equation 3."""
        x = data[0] if isinstance(data, (tuple, list)) else data
        u = tf.random.stateless_uniform(tf.shape(x), self.next_seed())
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self.log_prob(x, self.networks, u))
            objective = self.optimizer.scale_loss(loss / training.replicas())
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(objective, weights), weights)
        for average, network in zip(self.average_networks, self.networks, strict=True):
            training.average_weights(average, network, self.optimizer.iterations, self.average_decay)
        return self._track(loss)

    def test_step(self, data):
        """The same of held-out data, by the averaged networks."""
        x = data[0] if isinstance(data, (tuple, list)) else data
        u = tf.random.stateless_uniform(tf.shape(x), self.next_seed())
        return self._track(-self.log_prob(x, noise_in_level=u))

    def _track(self, loss):
        self.loss_tracker.update_state(loss)
        self.bits_tracker.update_state(loss / (math.prod(self.event_shape) * math.log(2.0)))
        return training.results(self.metrics)

    def decode(self, z):
        """Noise (B, D) -> data (B, ...); pictures in [-1, 1]."""
        x = tf.reshape(z, [-1, *self.event_shape])
        for step in flow(self.average_networks, self.event_shape):
            x = step.forward(x)
        if self.levels is None:
            return x
        share = (tf.sigmoid(x) - MARGIN) / (1.0 - 2.0 * MARGIN)
        level = share * self.levels - 0.5  # the middle of a level is the level
        return tf.clip_by_value(level * (2.0 / (self.levels - 1)) - 1.0, -1.0, 1.0)

    def call(self, inputs, training=False):
        """log p of points or pictures (B, ...): (B,)."""
        return self.log_prob(inputs)

    def generate(self, seeds):
        """The data of integer seeds (B,): float32 (B, ...)."""
        return self.decode(noise.normal(tf.cast(seeds, tf.int32), math.prod(self.event_shape)))

    def get_config(self):
        """The arguments of `__init__`."""
        return {
            **super().get_config(),
            "event_shape": self.event_shape,
            "couplings": self.couplings,
            "width": self.width,
            "levels": self.levels,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
