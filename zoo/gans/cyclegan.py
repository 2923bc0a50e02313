"""CycleGAN: translation between two sets of pictures, without pairs.

Jun-Yan Zhu, Taesung Park, Phillip Isola, Alexei Efros: "Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks", 2017, https://arxiv.org/abs/1703.10593

There are pictures of two kinds, A and B, and nobody knows which belong together. G makes a B of an A, F an A of a B,
and a discriminator for each kind asks that the results look real. That alone lets G make any B of an A; but F has to
find the A again, so G must keep what it needs.

    L_GAN(G, D_B) = E_b[(D_B(b) - 1)^2] + E_a[D_B(G(a))^2]                             section 4 (least squares)
    L_cyc(G, F)   = E_a[ |F(G(a)) - a|_1 ] + E_b[ |G(F(b)) - b|_1 ]                    eq. 2
    L_identity    = E_b[ |G(b) - b|_1 ] + E_a[ |F(a) - a|_1 ]                          section 5.2
    L = L_GAN(G, D_B) + L_GAN(F, D_A) + lambda (L_cyc + mu L_identity),  lambda = 10   eq. 3

What differs from the paper, and why:
- 28 to 64 pixels: one halving and a few residual blocks in G and F, one halving in the discriminators.
- The paper halves the objective of the discriminators, so that they learn more slowly (section 7.1); here it is whole.
  To Adam, whose steps do not depend on the scale of a loss, that makes hardly a difference.
- The discriminators see the newest pictures only; the paper keeps the last 50 to make them change less, which the small
  ones here do not need.
- Results come from a moving average of G's and F's weights (Yazici et al. 2018, https://arxiv.org/abs/1806.04498).

Read first: zoo/gans/pix2pix.py
"""

import keras
import tensorflow as tf
from keras import layers

from zoo import training
from zoo.gans import adversarial
from zoo.layers import InstanceNormalization


def make_translator(image_shape, width, blocks, name):
    """Picture (B, H, W, C) in [-1, 1] -> picture of the other kind.

    Args:
        image_shape: height, width, channels; even sides.
        width: channels W of the first and last layers.
        blocks: residual blocks of 2W channels at half the size.
        name: of the network.

    Raises:
        ValueError: when a side cannot be halved.
    """
    height, width_pixels, channels = image_shape
    if height % 2 or width_pixels % 2:
        raise ValueError(f"sides must be even, so that they can be halved, got {height}x{width_pixels}")
    image = keras.Input(image_shape, name="image")
    x = layers.Conv2D(width, 5, padding="same", use_bias=False)(image)  # (B, 28, 28, W)
    x = InstanceNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(2 * width, 4, strides=2, padding="same", use_bias=False)(x)  # (B, 14, 14, 2W)
    x = InstanceNormalization()(x)
    x = layers.ReLU()(x)
    for _ in range(blocks):
        before = x
        x = layers.Conv2D(2 * width, 3, padding="same", use_bias=False)(x)
        x = InstanceNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.Conv2D(2 * width, 3, padding="same", use_bias=False)(x)
        x = InstanceNormalization()(x)
        x = layers.Add()([before, x])
    x = layers.Conv2DTranspose(width, 4, strides=2, padding="same", use_bias=False)(x)  # (B, 28, 28, W)
    x = InstanceNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(channels, 5, padding="same")(x)  # (B, 28, 28, C)
    other = layers.Activation("tanh", dtype="float32", name="target")(x)
    return keras.Model(image, other, name=name)


def make_judge(image_shape, width, name):
    """Picture (B, H, W, C) -> a value for each patch of 16 pixels (B, H/2, W/2, 1): 1 for real ones, 0 for others."""
    image = keras.Input(image_shape, name="image")
    x = layers.Conv2D(width, 4, strides=2, padding="same")(image)  # (B, 14, 14, W)
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Conv2D(2 * width, 4, padding="same", use_bias=False)(x)  # (B, 14, 14, 2W)
    x = InstanceNormalization()(x)
    x = layers.LeakyReLU(0.2)(x)
    values = layers.Conv2D(1, 4, padding="same", dtype="float32", name="values")(x)  # (B, 14, 14, 1)
    return keras.Model(image, values, name=name)


def make_both(first, second, image_shape):
    """One model [a, b] -> [first(a), second(b)] of two networks, for the optimizer that they share."""
    a, b = keras.Input(image_shape, name="a"), keras.Input(image_shape, name="b")
    return keras.Model([a, b], [first(a), second(b)])


def discriminator_loss(real_values, fake_values):
    """E[(D(x) - 1)^2] + E[D(G(y))^2], the mean over pictures and patches."""
    return tf.reduce_mean(tf.square(real_values - 1.0)) + tf.reduce_mean(tf.square(fake_values))


def generator_loss(fake_values):
    """E[(D(G(y)) - 1)^2]."""
    return tf.reduce_mean(tf.square(fake_values - 1.0))


def l1_loss(one, other):
    """E[ |x - y| ], the mean over pictures, pixels and channels."""
    return tf.reduce_mean(tf.abs(one - other))


@keras.saving.register_keras_serializable("zoo")
class CycleGAN(adversarial.AdversarialModel):
    """Trains G and F (`generator`) against D_A and D_B (`discriminator`) on pictures of two kinds.

    `a_to_b` and `b_to_a` are the moving averages of G and F, which one uses and ships.

    Args:
        image_shape: height, width, channels, of both kinds.
        width: channels of the translators' first layers.
        blocks: residual blocks of each translator.
        discriminator_width: channels of the discriminators' first layers.
        cycle_weight: lambda.
        identity_weight: mu; 0 leaves that loss out.
        average_decay: decay of the moving averages.
        seed: of the random generator.

    Raises:
        ValueError: when a weight is negative or a side is odd.
    """

    def __init__(
        self,
        image_shape=(64, 64, 3),
        width=64,
        blocks=6,
        discriminator_width=64,
        cycle_weight=10.0,
        identity_weight=0.5,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if not (cycle_weight >= 0 and identity_weight >= 0):
            raise ValueError(f"the weights must be 0 or more, got {cycle_weight} and {identity_weight}")
        self.image_shape = tuple(image_shape)
        self.width = width
        self.blocks = blocks
        self.discriminator_width = discriminator_width
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self.average_decay = average_decay
        self.seed = seed

        def make_generator():
            translators = [make_translator(self.image_shape, width, blocks, name) for name in ("a_to_b", "b_to_a")]
            return make_both(*translators, self.image_shape)

        self.generator = make_generator()
        self.generator_average = training.averaged_copy(self.generator, make_generator)
        judges = [make_judge(self.image_shape, discriminator_width, name) for name in ("judge_a", "judge_b")]
        self.discriminator = make_both(*judges, self.image_shape)

        names = ("d_loss", "g_loss", "cycle", "identity")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        self.built = True

    @property
    def a_to_b(self):
        """The averaged G."""
        return self.generator_average.get_layer("a_to_b")

    @property
    def b_to_a(self):
        """The averaged F."""
        return self.generator_average.get_layer("b_to_a")

    @property
    def metrics(self):
        """The losses of the discriminators and of the translators, L_cyc and L_identity."""
        return self.trackers

    def call(self, inputs, training=False):
        """[a, b] -> [G(a), F(b)], by the averaged translators."""
        return self.generator_average(inputs, training=training)

    def train_step(self, data):
        """One step of the discriminators, then one of the translators."""
        a, b = data  # (B, H, W, C) each; they do not belong together

        # The discriminators. The pictures are made outside their tape: their gradient is not wanted.
        fake_b, fake_a = self.generator([a, b], training=True)
        with tf.GradientTape() as tape:
            real_values = self.discriminator([a, b], training=True)  # D_A(a), D_B(b): (B, h, w, 1)
            fake_values = self.discriminator([fake_a, fake_b], training=True)  # D_A(F(b)), D_B(G(a))
            d_loss = tf.add_n([discriminator_loss(*pair) for pair in zip(real_values, fake_values, strict=True)])
            objective = self.discriminator_optimizer.scale_loss(d_loss / training.replicas())
        weights = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(objective, weights), weights)

        # The translators descend eq. 3.
        with tf.GradientTape() as tape:
            fake_b, fake_a = self.generator([a, b], training=True)
            g_loss = tf.add_n(
                [generator_loss(values) for values in self.discriminator([fake_a, fake_b], training=True)]
            )
            back_b, back_a = self.generator([fake_a, fake_b], training=True)  # G(F(b)), F(G(a))
            cycle = l1_loss(a, back_a) + l1_loss(b, back_b)
            identity = tf.zeros(())
            if self.identity_weight > 0:
                same_b, same_a = self.generator([b, a], training=True)  # G(b), F(a)
                identity = l1_loss(b, same_b) + l1_loss(a, same_a)
            loss = g_loss + self.cycle_weight * (cycle + self.identity_weight * identity)
            objective = self.generator_optimizer.scale_loss(loss / training.replicas())
        weights = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(objective, weights), weights)
        training.average_weights(
            self.generator_average, self.generator, self.generator_optimizer.iterations, self.average_decay
        )

        for tracker, value in zip(self.trackers, (d_loss, g_loss, cycle, identity), strict=True):
            tracker.update_state(value)
        return training.results(self.metrics)

    def get_config(self):
        """The arguments of `__init__`."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "width": self.width,
            "blocks": self.blocks,
            "discriminator_width": self.discriminator_width,
            "cycle_weight": self.cycle_weight,
            "identity_weight": self.identity_weight,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
