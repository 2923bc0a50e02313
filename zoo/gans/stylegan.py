"""StyleGAN: a generator that is told its style layer by layer.

Tero Karras, Samuli Laine, Timo Aila: "A Style-Based Generator Architecture for Generative Adversarial Networks", 2018,
https://arxiv.org/abs/1812.04948

The generator does not start from z. A mapping network f makes w = f(z) of it, free of the shape that a normal
distribution imposes, and the picture grows from a learned constant; after each convolution w sets the mean and the
spread of every channel, the *style*, and noise of its own adds what is left to chance. As every layer has its style,
the coarse ones can come from one picture and the fine ones from another.

    w = f(z)                                                        f: layers of LeakyReLU
    AdaIN(x_i, y) = y_s,i (x_i - mean(x_i)) / std(x_i) + y_b,i      eq. 1, (y_s, y_b) = A w, statistics over H and W
    style mixing:  layers before a random crossover get w of one z, the others w of another (section 3.1)
    truncation:    w' = w_bar + psi (w - w_bar),  w_bar = E_z[f(z)]                    (appendix B)
    path length:   E[ 1/eps^2 d(g(lerp(f(z_1), f(z_2); t)), g(lerp(f(z_1), f(z_2); t + eps))) ]       section 4.1

What differs from the paper, and why:
- 28 to 64 pixels do not need networks that grow: all resolutions train at once. The smallest is 4 to 7 pixels a side.
- The mapping network has 4 layers of 64 units (the paper: 8 of 512), the discriminator is DCGAN's with one more
  convolution, after the channel of minibatch deviations.
- The constant starts from noise, not from ones, of which the first AdaIN could make nothing. Up-sampling repeats pixels
  (the paper: bilinear), and convolutions have no bias.
- R1 is evaluated at every 8th step (Karras et al. 2020, https://arxiv.org/abs/1912.04958).

Weights of the mapping, the styles and the 3x3 convolutions are kept at unit variance and scaled when they are used, so
that Adam moves them at the same pace ("equalised learning rate", Karras et al. 2017, https://arxiv.org/abs/1710.10196,
section 4.1).

Read first: zoo/gans/dcgan.py
"""

import math

import keras
import tensorflow as tf
from keras import layers

from zoo import noise, training
from zoo.gans import adversarial
from zoo.gans.dcgan import make_discriminator as make_dcgan_discriminator
from zoo.layers import MinibatchDeviation, start_shape

MAPPING_RATE = 0.01  # of the mapping network's learning rate, relative to all else (appendix C)


@keras.saving.register_keras_serializable("zoo")
class EqualizedDense(layers.Layer):
    """Dense layer with an equalised learning rate: y = r (s W x + b), W ~ N(0, 1 / r^2), s = gain / sqrt(inputs).

    Args:
        units: of y.
        gain: 2^(1/2) before a LeakyReLU, else 1.
        rate: r, the learning rate of this layer relative to the others.
        bias: what b starts from, after r.
    """

    def __init__(self, units, gain=1.0, rate=1.0, bias=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.gain = gain
        self.rate = rate
        self.bias = bias

    def build(self, input_shape):
        """Make W and b."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer=keras.initializers.RandomNormal(stddev=1.0 / self.rate),
        )
        self.offset = self.add_weight(
            name="bias", shape=(self.units,), initializer=keras.initializers.Constant(self.bias / self.rate)
        )

    def call(self, inputs):
        """(..., inputs) -> (..., units)."""
        scale = self.gain / self.kernel.shape[0] ** 0.5
        return self.rate * (scale * keras.ops.matmul(inputs, self.kernel) + self.offset)

    def get_config(self):
        """The arguments of `__init__`."""
        return {**super().get_config(), "units": self.units, "gain": self.gain, "rate": self.rate, "bias": self.bias}


@keras.saving.register_keras_serializable("zoo")
class EqualizedConv(layers.Layer):
    """3x3 convolution with an equalised learning rate and without bias: W ~ N(0, 1), used as W (2 / inputs)^(1/2).

    Args:
        filters: channels of the result.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        """Make W."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(3, 3, input_shape[-1], self.filters),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )

    def call(self, inputs):
        """(B, H, W, inputs) -> (B, H, W, filters)."""
        scale = (2.0 / (9 * self.kernel.shape[2])) ** 0.5
        return keras.ops.conv(inputs, scale * self.kernel, padding="same")

    def get_config(self):
        """The arguments of `__init__`."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("zoo")
class AdaIN(layers.Layer):
    """Adaptive instance normalisation, eq. 1: every channel gets the mean and standard deviation of its style."""

    def call(self, inputs):
        """[x (B, H, W, C), style (B, 2C): scales, then means] -> (B, H, W, C)."""
        x, style = (keras.ops.cast(each, "float32") for each in inputs)  # statistics of bfloat16 are too coarse
        scale, mean = keras.ops.split(style[:, None, None, :], 2, axis=-1)  # (B, 1, 1, C) each
        centred = x - keras.ops.mean(x, axis=(1, 2), keepdims=True)
        variance = keras.ops.mean(keras.ops.square(centred), axis=(1, 2), keepdims=True)
        return keras.ops.cast(scale * centred * keras.ops.rsqrt(variance + 1e-8) + mean, self.compute_dtype)


def layer_sides(image_shape):
    """Height and width of each styled layer, two for each resolution: (7, 7), (7, 7), (14, 14), ... for 28 pixels."""
    height, width, doublings = start_shape(image_shape)
    return [(height * 2**power, width * 2**power) for power in range(doublings + 1) for _ in range(2)]


def make_mapping(latent_dim, depth, count):
    """f: latent vectors (B, count, D) -> styles w (B, count, D), each by itself.

    Args:
        latent_dim: D, of z and of w.
        depth: layers.
        count: vectors of one picture, one for each styled layer.
    """
    z = keras.Input((count, latent_dim), name="z")
    x = z * keras.ops.rsqrt(keras.ops.mean(keras.ops.square(z), axis=-1, keepdims=True) + 1e-8)
    for _ in range(depth):
        x = EqualizedDense(latent_dim, gain=2**0.5, rate=MAPPING_RATE)(x)  # (B, count, D)
        x = layers.LeakyReLU(0.2)(x)
    return keras.Model(z, x, name="mapping")


def make_synthesis(image_shape, latent_dim, width):
    """g: styles (B, L, D) and L noise pictures (B, H_l, W_l, 1) -> picture (B, H, W, C) in [-1, 1].

    Args:
        image_shape: height, width, channels; a side of 4 to 7 pixels doubled one or more times.
        latent_dim: D.
        width: channels W of the last two layers; each resolution before has twice as many, up to 8 W.
    """
    sides = layer_sides(image_shape)
    resolutions = len(sides) // 2
    styles = keras.Input((len(sides), latent_dim), name="w")
    pixels = [keras.Input((*side, 1), name=f"noise_{index}") for index, side in enumerate(sides)]
    filters = [min(width * 2 ** (resolutions - 1 - index // 2), 8 * width) for index in range(len(sides))]
    shape = (*sides[0], filters[0])
    normal = keras.initializers.RandomNormal(stddev=1.0)
    constant = layers.Dense(math.prod(shape), use_bias=False, kernel_initializer=normal, name="constant")
    x = layers.Reshape(shape)(constant(keras.ops.ones_like(styles[:, 0, :1])))  # (B, 7, 7, 4W), learned
    for index, channels in enumerate(filters):
        if index and index % 2 == 0:
            x = layers.UpSampling2D(interpolation="nearest")(x)  # (B, 14, 14, 4W), (B, 28, 28, 2W)
        if index:
            x = EqualizedConv(channels)(x)  # (B, 14, 14, 2W), (B, 28, 28, W)
        factors = layers.Dense(channels, use_bias=False, kernel_initializer="zeros", name=f"factors_{index}")
        x = layers.Add()([x, factors(pixels[index])])  # one noise picture, scaled for each channel
        x = layers.LeakyReLU(0.2)(x)
        scales = EqualizedDense(channels, bias=1.0)(styles[:, index])
        means = EqualizedDense(channels)(styles[:, index])
        x = AdaIN()([x, layers.Concatenate()([scales, means])])
    x = layers.Conv2D(image_shape[2], 1)(x)  # (B, 28, 28, C)
    image = layers.Activation("tanh", dtype="float32", name="image")(x)
    return keras.Model([styles, *pixels], image, name="synthesis")


def make_generator(image_shape, latent_dim, width, depth):
    """A latent vector for each layer (B, L, D), equal or mixed, and L noise pictures -> picture (B, H, W, C)."""
    sides = layer_sides(image_shape)
    z = keras.Input((len(sides), latent_dim), name="z")
    pixels = [keras.Input((*side, 1), name=f"noise_{index}") for index, side in enumerate(sides)]
    styles = make_mapping(latent_dim, depth, len(sides))(z)
    image = make_synthesis(image_shape, latent_dim, width)([styles, *pixels])
    return keras.Model([z, *pixels], image, name="generator")


def make_discriminator(image_shape, width):
    """DCGAN's, which is also told how much the pictures of a batch differ: picture (B, H, W, C) -> logit (B, 1)."""
    dcgan = make_dcgan_discriminator(image_shape, width)
    x = dcgan.layers[-3].output  # (B, 4, 4, 4W)
    filters = x.shape[-1]
    x = MinibatchDeviation()(x)  # (B, 4, 4, 4W + 1)
    x = layers.Conv2D(filters, 3, padding="same")(x)  # (B, 4, 4, 4W)
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    logit = layers.Dense(1, dtype="float32", name="logit")(x)
    return keras.Model(dcgan.input, logit, name="discriminator")


def mix(first, second, crossover, count):
    """Vectors for `count` layers (B, L, D): of the first (B, D) before the crossover (B,), of the second after it."""
    before = tf.range(count)[None, :, None] < tf.reshape(crossover, (-1, 1, 1))  # (B, L, 1)
    return tf.where(before, first[:, None], second[:, None])


def truncate(styles, mean_style, psi):
    """w' = w_bar + psi (w - w_bar): nearer to the mean style, where pictures are better and less diverse."""
    return mean_style + psi * (styles - mean_style)


def discriminator_loss(real_logits, fake_logits):
    """-E[log D(x)] - E[log(1 - D(G(z)))], with D = sigmoid(logit). 2 log 2 when D knows nothing."""
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))


def generator_loss(fake_logits):
    """-E[log D(G(z))], the non-saturating form."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def r1_penalty(discriminator, images):
    """E[ |grad_x logit(x)|^2 ] over real pictures (Mescheder et al. 2018, eq. 9, without gamma / 2)."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = discriminator(images, training=True)
    gradients = tf.cast(tape.gradient(logits, images), tf.float32)  # (B, H, W, C)
    return tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=(1, 2, 3)))


@keras.saving.register_keras_serializable("zoo")
class StyleGAN(adversarial.AdversarialModel):
    """Trains `generator` against `discriminator`; `generator_average` is what one samples and ships.

    The averaged networks are also there one by one: `mapping` (f) and `synthesis` (g).

    Args:
        image_shape: height, width, channels.
        latent_dim: length of z and of w.
        width: channels of the synthesis network's last layers.
        depth: layers of the mapping network.
        discriminator_width: channels of the discriminator's first layer.
        mixing_probability: share of the pictures in training that have the styles of two latent vectors.
        r1_gamma: weight of the penalty; 0 leaves it out.
        r1_interval: the penalty is evaluated once in so many steps.
        average_decay: decay of the generator's moving average.
        seed: of the noise.
    """

    def __init__(
        self,
        image_shape=(64, 64, 3),
        latent_dim=512,
        width=16,
        depth=8,
        discriminator_width=64,
        mixing_probability=0.9,
        r1_gamma=10.0,
        r1_interval=8,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if not 0 <= mixing_probability <= 1:
            raise ValueError(f"the mixing probability must be 0 to 1, got {mixing_probability}")
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.width = width
        self.depth = depth
        self.discriminator_width = discriminator_width
        self.mixing_probability = mixing_probability
        self.r1_gamma = r1_gamma
        self.r1_interval = r1_interval
        self.average_decay = average_decay
        self.seed = seed
        self.sides = layer_sides(self.image_shape)

        self.generator = make_generator(self.image_shape, latent_dim, width, depth)
        self.generator_average = training.averaged_copy(
            self.generator, lambda: make_generator(self.image_shape, latent_dim, width, depth)
        )
        self.discriminator = make_discriminator(self.image_shape, discriminator_width)

        self.discriminator_tracker = keras.metrics.Mean(name="d_loss")
        self.generator_tracker = keras.metrics.Mean(name="g_loss")
        self.real_tracker = keras.metrics.Mean(name="d_real")
        self.fake_tracker = keras.metrics.Mean(name="d_fake")
        self.built = True

    @property
    def mapping(self):
        """f of the averaged generator: (B, L, D) -> (B, L, D)."""
        return self.generator_average.get_layer("mapping")

    @property
    def synthesis(self):
        """g of the averaged generator: styles (B, L, D) and L noise pictures -> pictures."""
        return self.generator_average.get_layer("synthesis")

    @property
    def metrics(self):
        """Both losses, and the mean of D(x) and of D(G(z)): 0.5 each when D can no longer tell."""
        return [self.discriminator_tracker, self.generator_tracker, self.real_tracker, self.fake_tracker]

    def draw(self, batch):
        """What the generator takes in training: latent vectors, of two pictures where styles are mixed, and noise."""
        count = len(self.sides)
        first, second = self.normal((batch, self.latent_dim)), self.normal((batch, self.latent_dim))
        crossover = tf.random.stateless_uniform((batch,), self.next_seed(), 1, count, tf.int32)
        mixed = tf.random.stateless_uniform((batch,), self.next_seed()) < self.mixing_probability
        z = mix(first, second, tf.where(mixed, crossover, count), count)  # (B, L, D)
        return [z, *[self.normal((batch, *side, 1)) for side in self.sides]]

    def train_step(self, data):
        """One step of each player, the discriminator first."""
        images, _ = data  # (B, H, W, C), labels are not used
        batch = tf.shape(images)[0]

        # The discriminator ascends. The pictures are made outside its tape: their gradient is not wanted.
        fakes = self.generator(self.draw(batch), training=True)
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(images, training=True)  # (B, 1)
            fake_logits = self.discriminator(fakes, training=True)  # (B, 1)
            d_loss = discriminator_loss(real_logits, fake_logits)
            objective = (d_loss + self._lazy_r1(images)) / training.replicas()
            objective = self.discriminator_optimizer.scale_loss(objective)
        weights = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(objective, weights), weights)

        # The generator ascends, on latent vectors and noise of its own.
        drawn = self.draw(batch)
        with tf.GradientTape() as tape:
            g_loss = generator_loss(self.discriminator(self.generator(drawn, training=True), training=True))
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

    def styles(self, seeds):
        """w of integer seeds (B,), the same for every layer: float32 (B, L, D)."""
        z = noise.normal(tf.cast(seeds, tf.int32), self.latent_dim)  # (B, D)
        return self.mapping(tf.repeat(z[:, None], len(self.sides), axis=1))

    def mean_style(self, count=10_000):
        """w_bar, the mean of w over the seeds 0 .. count - 1: float32 (D,)."""
        sums = [
            tf.reduce_sum(self.styles(tf.range(i, min(i + 500, count)))[:, 0], axis=0) for i in range(0, count, 500)
        ]
        return tf.add_n(sums) / count

    def synthesize(self, styles, seeds):
        """Pictures of styles (B, L, D), with the noise of integer seeds (B,): float32 (B, H, W, C) in [-1, 1]."""
        seeds = tf.cast(seeds, tf.int32)
        pixels = [
            tf.reshape(noise.normal(seeds, height * width, stream=index + 1), (-1, height, width, 1))
            for index, (height, width) in enumerate(self.sides)
        ]
        return self.synthesis([tf.convert_to_tensor(styles), *pixels], training=False)

    def generate(self, seeds):
        """The pictures of integer seeds (B,), float32 (B, H, W, C) in [-1, 1], as the exported files make them."""
        return self.synthesize(self.styles(seeds), seeds)

    def get_config(self):
        """The arguments of `__init__`."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "width": self.width,
            "depth": self.depth,
            "discriminator_width": self.discriminator_width,
            "mixing_probability": self.mixing_probability,
            "r1_gamma": self.r1_gamma,
            "r1_interval": self.r1_interval,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
