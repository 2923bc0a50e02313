"""Conditional GAN (cGAN): by class label, by attributes, by text.

Mehdi Mirza, Simon Osindero: "Conditional Generative Adversarial Nets", 2014, https://arxiv.org/abs/1411.1784
Takeru Miyato, Masanori Koyama: "cGANs with Projection Discriminator", 2018, https://arxiv.org/abs/1802.05637

Both players are told what a picture shall be. G draws such a picture, D judges whether a picture is a real one of that
kind: a fine boot is refused when a dress was asked for. A condition c is a class, a vector of attributes or a sentence;
a small network e makes a vector of it, and everything else is the same for the three.

    max_D min_G  E_{x,c}[log D(x|c)] + E_{z,c}[log(1 - D(G(z|c)|c))]                   Mirza and Osindero, eq. 2
    logit of D(x|c) = psi(phi(x)) + e(c)^T V phi(x)                                    Miyato and Koyama, eq. 3

G takes the concatenation [z, e(c)], as Mirza and Osindero have it. D takes the projection, not the concatenation: of
the best D's logit, log q(x|c)/p(x|c), the part that depends on c is an inner product whenever p(c|x) is a softmax of
features of x, so D has to learn no more than that.

What differs from the papers, and why:
- The networks, the penalty R1 and the moving average are those of zoo/gans/dcgan.py, for the same reasons.
- Each player has an encoder e of its own, trained with it: a sentence is encoded by what it says about pictures.

Read first: zoo/gans/dcgan.py
"""

import keras
import tensorflow as tf
from keras import layers, ops

from zoo import noise, training
from zoo.gans import adversarial
from zoo.layers import BatchNormalization, start_shape, start_size

CONDITIONS = ("label", "attributes", "text")


def make_label_encoder(classes, dim):
    """Class (B,), int32 0 .. classes - 1 -> e(c) (B, dim): a vector for each class."""
    label = keras.Input((), dtype="int32", name="label")
    return keras.Model(label, layers.Embedding(classes, dim)(label), name="encoder")


def make_attribute_encoder(count, dim):
    """Attributes (B, count), about 0 to 1 -> e(c) (B, dim): a sum of vectors, one an attribute."""
    attributes = keras.Input((count,), name="attributes")
    return keras.Model(attributes, layers.Dense(dim)(attributes), name="encoder")


def make_text_encoder(words, length, dim):
    """Numbers of words (B, length), int32, 0 where there is none -> e(c) (B, dim).

    Args:
        words: how many numbers there are, 0 included.
        length: of a sentence.
        dim: of the result.
    """
    tokens = keras.Input((length,), dtype="int32", name="tokens")
    there = ops.cast(ops.not_equal(tokens, 0), "float32")[..., None]  # (B, T, 1)
    x = layers.Embedding(words, dim)(tokens)  # (B, T, dim)
    x = layers.Multiply()([x, there])
    x = layers.Conv1D(dim, 3, padding="same")(x)  # (B, T, dim): a word and its neighbours
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Multiply()([x, there])
    x = layers.GlobalAveragePooling1D()(x)  # (B, dim)
    return keras.Model(tokens, layers.Dense(dim)(x), name="encoder")


def make_encoder(condition, dim):
    """The encoder e of a condition.

    Args:
        condition: ("label", classes), ("attributes", count) or ("text", words, length).
        dim: length of e(c).

    Raises:
        ValueError: for another kind of condition.
    """
    kind, *sizes = condition
    if kind not in CONDITIONS:
        raise ValueError(f"the condition must be one of {', '.join(CONDITIONS)}, got {kind!r}")
    if kind == "label":
        return make_label_encoder(*sizes, dim)
    if kind == "attributes":
        return make_attribute_encoder(*sizes, dim)
    return make_text_encoder(*sizes, dim)


def make_generator(image_shape, latent_dim, width, condition, condition_dim):
    """Latent vector (B, latent_dim) and condition -> picture (B, H, W, C) in [-1, 1].

    Args:
        image_shape: height, width, channels; a side of 4 to 7 pixels doubled one or more times.
        latent_dim: length of the latent vector.
        width: channels W of the last hidden layer; each layer before it has twice as many, up to 8 W.
        condition: as for `make_encoder`.
        condition_dim: length of e(c).
    """
    start_height, start_width, doublings = start_shape(image_shape)
    widths = [min(width * 2**power, 8 * width) for power in range(doublings, -1, -1)]

    encoder = make_encoder(condition, condition_dim)
    z = keras.Input((latent_dim,), name="z")
    x = layers.Concatenate()([z, encoder.output])  # (B, D + dim)
    x = layers.Dense(start_height * start_width * widths[0], use_bias=False, name="first")(x)
    x = layers.Reshape((start_height, start_width, widths[0]))(x)  # (B, 7, 7, 4W) for 28 pixels
    x = BatchNormalization()(x)
    x = layers.ReLU()(x)
    for filters in widths[1:]:
        x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False)(x)  # (B, 14, 14, 2W) ...
        x = BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = layers.Conv2D(image_shape[2], 3, padding="same")(x)  # (B, 28, 28, C)
    image = layers.Activation("tanh", dtype="float32", name="image")(x)
    return keras.Model([z, encoder.input], image, name="generator")


def make_discriminator(image_shape, width, condition, condition_dim):
    """Picture (B, H, W, C) and condition -> logit (B, 1): positive for pictures that look real and fit the condition.

    Args:
        image_shape: height, width, channels, as for `make_generator`.
        width: channels W of the first layer; each layer after it has twice as many, up to 8 W.
        condition: as for `make_encoder`.
        condition_dim: length of e(c).
    """
    _, doublings = start_size(image_shape[0])
    encoder = make_encoder(condition, condition_dim)
    image = keras.Input(image_shape, name="image")
    x = image
    for power in range(doublings + 1):
        x = layers.Conv2D(min(width * 2**power, 8 * width), 4, strides=2, padding="same")(x)  # (B, 14, 14, W) ...
        x = layers.LeakyReLU(0.2)(x)
    phi = layers.Flatten()(x)  # (B, 16 * 4W)
    psi = layers.Dense(1, dtype="float32", name="psi")(phi)
    projected = layers.Dense(condition_dim, use_bias=False, dtype="float32", name="V")(phi)  # (B, dim)
    fit = layers.Dot(axes=1, dtype="float32", name="fit")([projected, encoder.output])  # (B, 1)
    logit = layers.Add(dtype="float32", name="logit")([psi, fit])
    return keras.Model([image, encoder.input], logit, name="discriminator")


def discriminator_loss(real_logits, fake_logits):
    """-E[log D(x|c)] - E[log(1 - D(G(z|c)|c))], with D = sigmoid(logit). 2 log 2 when D knows nothing."""
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))


def generator_loss(fake_logits):
    """-E[log D(G(z|c)|c)], the non-saturating form."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def r1_penalty(discriminator, images, conditions):
    """E[ |grad_x logit(x|c)|^2 ] over real pictures (Mescheder et al. 2018, eq. 9, without gamma / 2)."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = discriminator([images, conditions], training=True)
    gradients = tf.cast(tape.gradient(logits, images), tf.float32)  # (B, H, W, C)
    return tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=(1, 2, 3)))


@keras.saving.register_keras_serializable("zoo")
class CGAN(adversarial.AdversarialModel):
    """Trains `generator` against `discriminator`; `generator_average` is what one samples and ships.

    Args:
        image_shape: height, width, channels.
        condition: ("label", classes), ("attributes", count) or ("text", words, length).
        latent_dim: length of z.
        width: channels of the generator's last hidden layer.
        discriminator_width: channels of the discriminator's first layer.
        condition_dim: length of e(c).
        r1_gamma: weight of the penalty; 0 leaves it out.
        r1_interval: the penalty is evaluated once in so many steps.
        average_decay: decay of the generator's moving average.
        seed: of the noise.
    """

    def __init__(
        self,
        image_shape=(28, 28, 1),
        condition=("label", 10),
        latent_dim=100,
        width=128,
        discriminator_width=64,
        condition_dim=64,
        r1_gamma=0.2,
        r1_interval=8,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        self.image_shape = tuple(image_shape)
        self.condition = tuple(condition)
        self.latent_dim = latent_dim
        self.width = width
        self.discriminator_width = discriminator_width
        self.condition_dim = condition_dim
        self.r1_gamma = r1_gamma
        self.r1_interval = r1_interval
        self.average_decay = average_decay
        self.seed = seed

        generator = (self.image_shape, latent_dim, width, self.condition, condition_dim)
        self.generator = make_generator(*generator)
        self.generator_average = training.averaged_copy(self.generator, lambda: make_generator(*generator))
        self.discriminator = make_discriminator(self.image_shape, discriminator_width, self.condition, condition_dim)

        self.discriminator_tracker = keras.metrics.Mean(name="d_loss")
        self.generator_tracker = keras.metrics.Mean(name="g_loss")
        self.real_tracker = keras.metrics.Mean(name="d_real")
        self.fake_tracker = keras.metrics.Mean(name="d_fake")
        self.built = True

    @property
    def metrics(self):
        """Both losses, and the mean of D(x|c) and of D(G(z|c)|c): 0.5 each when D can no longer tell."""
        return [self.discriminator_tracker, self.generator_tracker, self.real_tracker, self.fake_tracker]

    def train_step(self, data):
        """One step of each player. The conditions of the batch are asked for again when G draws."""
        images, conditions = data  # (B, H, W, C) and (B,), (B, count) or (B, length)
        batch = tf.shape(images)[0]

        # The discriminator ascends. The pictures are made outside its tape: their gradient is not wanted.
        fakes = self.generator([self.normal((batch, self.latent_dim)), conditions], training=True)
        with tf.GradientTape() as tape:
            real_logits = self.discriminator([images, conditions], training=True)  # (B, 1)
            fake_logits = self.discriminator([fakes, conditions], training=True)  # (B, 1)
            d_loss = discriminator_loss(real_logits, fake_logits)
            objective = (d_loss + self._lazy_r1(images, conditions)) / training.replicas()
            objective = self.discriminator_optimizer.scale_loss(objective)
        weights = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(objective, weights), weights)

        # The generator ascends, on noise of its own.
        z = self.normal((batch, self.latent_dim))
        with tf.GradientTape() as tape:
            fakes = self.generator([z, conditions], training=True)
            g_loss = generator_loss(self.discriminator([fakes, conditions], training=True))
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

    def _lazy_r1(self, images, conditions):
        if self.r1_gamma == 0:
            return 0.0
        weight = self.r1_interval * self.r1_gamma / 2.0
        due = self.discriminator_optimizer.iterations % self.r1_interval == 0
        return tf.cond(due, lambda: weight * r1_penalty(self.discriminator, images, conditions), lambda: 0.0)

    def generate(self, seeds, conditions):
        """The pictures of integer seeds (B,) and their conditions, float32 (B, H, W, C) in [-1, 1].

        Raises:
            ValueError: for a class or word that has no number.
        """
        kind, *sizes = self.condition
        conditions = tf.convert_to_tensor(conditions)
        if kind != "attributes":
            lowest, highest = int(tf.reduce_min(conditions)), int(tf.reduce_max(conditions))
            if lowest < 0 or highest >= sizes[0]:
                raise ValueError(f"a {kind} has numbers 0 to {sizes[0] - 1}, got {lowest} to {highest}")
        z = noise.normal(tf.cast(seeds, tf.int32), self.latent_dim)
        return self.generator_average([z, conditions], training=False)

    def get_config(self):
        """The arguments of `__init__`."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "condition": self.condition,
            "latent_dim": self.latent_dim,
            "width": self.width,
            "discriminator_width": self.discriminator_width,
            "condition_dim": self.condition_dim,
            "r1_gamma": self.r1_gamma,
            "r1_interval": self.r1_interval,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
