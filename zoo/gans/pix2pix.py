"""pix2pix: a conditional GAN from picture to picture.

Phillip Isola, Jun-Yan Zhu, Tinghui Zhou, Alexei Efros: "Image-to-Image Translation with Conditional Adversarial
Networks", 2016, https://arxiv.org/abs/1611.07004

Given pairs of pictures, say outlines x and photographs y, G learns to make y of x. The distance |y - G(x, z)| alone
makes blurred pictures, the mean of all that are possible; a discriminator that sees x beside y or G(x, z) asks for one
that is possible. It judges every patch by itself and the answers are averaged, so it is small and fits any size.

    L_cGAN = E_{x,y}[log D(x, y)] + E_{x,z}[log(1 - D(x, G(x, z)))]                    eq. 1
    L_L1   = E_{x,y,z}[ |y - G(x, z)|_1 ]                                              eq. 3
    G*     = arg min_G max_D L_cGAN + lambda L_L1,   lambda = 100                      eq. 4

G is a U-Net: what its first half finds on the way down is handed to the layer of the same size on the way up, so what x
and y share, such as where the outlines are, need not pass through the bottleneck.

What differs from the paper, and why:
- As many halvings as fit: down to 4 to 7 pixels a side instead of 1.
- Instance norm in place of batch norm: a picture must not depend on others of the batch; on a device there are none.
- The noise z is an input at the bottleneck. The paper's is dropout, left on when pictures are made, which a device's
  runtime does not draw; and D's objective is not halved, as G has an optimizer of its own.
- Samples come from a moving average of G's weights (Yazici et al. 2018, https://arxiv.org/abs/1806.04498).

Read first: zoo/gans/dcgan.py and zoo/gans/cgan.py
"""

import keras
import tensorflow as tf
from keras import layers

from zoo import noise, training
from zoo.gans import adversarial
from zoo.layers import InstanceNormalization, start_size

KERNEL = 4


def make_generator(source_shape, channels, latent_dim, width):
    """U-Net: source (B, H, W, S) and noise (B, latent_dim) -> picture (B, H, W, channels) in [-1, 1].

    Args:
        source_shape: height, width, channels S; a side of 4 to 7 pixels doubled one or more times.
        channels: of the picture.
        latent_dim: length of the noise z.
        width: channels W of the first layer; each halving doubles them, up to 8 W.
    """
    height, doublings = start_size(source_shape[0])
    width_pixels, doublings_across = start_size(source_shape[1])
    if doublings != doublings_across:
        raise ValueError(f"height and width must be halved equally often, got {source_shape[0]}x{source_shape[1]}")
    widths = [min(width * 2**power, 8 * width) for power in range(doublings + 1)]

    source = keras.Input(source_shape, name="image")
    z = keras.Input((latent_dim,), name="z")
    x = layers.Conv2D(width, 3, padding="same")(source)  # (B, 28, 28, W)
    x = layers.LeakyReLU(0.2)(x)
    skips = []
    for filters in widths[1:]:
        skips.append(x)
        x = layers.Conv2D(filters, KERNEL, strides=2, padding="same", use_bias=False)(
            x
        )  # (B, 14, 14, 2W), (B, 7, 7, 4W)
        x = InstanceNormalization()(x)
        x = layers.LeakyReLU(0.2)(x)
    seed_map = layers.Dense(height * width_pixels * 4)(z)
    seed_map = layers.Reshape((height, width_pixels, 4))(seed_map)  # (B, 7, 7, 4)
    x = layers.Concatenate()([x, seed_map])  # (B, 7, 7, 4W + 4)
    x = layers.Conv2D(widths[-1], 3, padding="same")(x)
    x = layers.ReLU()(x)
    for filters in reversed(widths[:-1]):
        x = layers.Conv2DTranspose(filters, KERNEL, strides=2, padding="same", use_bias=False)(
            x
        )  # (B, 14, 14, 2W), ...
        x = InstanceNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.Concatenate()([x, skips.pop()])  # (B, 14, 14, 4W), (B, 28, 28, 2W)
    x = layers.Conv2D(channels, 3, padding="same")(x)  # (B, 28, 28, C)
    image = layers.Activation("tanh", dtype="float32", name="target")(x)
    return keras.Model([source, z], image, name="generator")


def make_discriminator(source_shape, channels, width, halvings):
    """PatchGAN: source (B, H, W, S) and picture (B, H, W, C) -> a logit for each patch (B, h, w, 1).

    Args:
        source_shape: height, width, channels S.
        channels: of the picture.
        width: channels of the first layer; each layer has twice as many as the one before, up to 8 times.
        halvings: layers of stride 2; the paper's 70x70 patches have 3. See `receptive_field`.
    """
    source = keras.Input(source_shape, name="source")
    picture = keras.Input((*source_shape[:2], channels), name="target")
    x = layers.Concatenate()([source, picture])
    for power in range(halvings + 1):
        stride = 2 if power < halvings else 1
        x = layers.Conv2D(min(width * 2**power, 8 * width), KERNEL, strides=stride, padding="same")(x)
        if power:
            x = InstanceNormalization()(x)  # not after the first layer, as in the paper
        x = layers.LeakyReLU(0.2)(x)
    logits = layers.Conv2D(1, KERNEL, padding="same", dtype="float32", name="logits")(x)
    return keras.Model([source, picture], logits, name="discriminator")


def receptive_field(halvings):
    """Side in pixels of the patch that one logit of `make_discriminator` sees: 16, 34, 70 for 1, 2, 3 halvings."""
    side = 1
    for stride in [1, 1] + [2] * halvings:  # from the last layer to the first
        side = (side - 1) * stride + KERNEL
    return side


def discriminator_loss(real_logits, fake_logits):
    """-L_cGAN of eq. 1, the mean over pictures and patches. 2 log 2 when D knows nothing."""
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))


def generator_loss(fake_logits):
    """-E[log D(x, G(x, z))], the non-saturating form."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def l1_loss(targets, pictures):
    """E[ |y - G(x, z)| ], the mean over pictures, pixels and channels (eq. 3)."""
    return tf.reduce_mean(tf.abs(targets - pictures))


@keras.saving.register_keras_serializable("zoo")
class Pix2Pix(adversarial.AdversarialModel):
    """Trains `generator` against `discriminator` on pairs; `generator_average` is what one uses and ships.

    Args:
        source_shape: height, width, channels of x.
        channels: of y.
        latent_dim: length of z.
        width: channels of the generator's first layer.
        discriminator_width: channels of the discriminator's first layer.
        halvings: layers of stride 2 in the discriminator.
        l1_weight: lambda of eq. 4.
        adversarial_weight: of L_cGAN; 1 in the paper, 0 leaves the game out, as in the paper's table 1.
        average_decay: decay of the generator's moving average.
        seed: of the noise.

    Raises:
        ValueError: when a weight is negative or both are 0, or there is no halving.
    """

    def __init__(
        self,
        source_shape=(64, 64, 3),
        channels=3,
        latent_dim=8,
        width=64,
        discriminator_width=64,
        halvings=3,
        l1_weight=100.0,
        adversarial_weight=1.0,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if halvings < 1:
            raise ValueError(f"the discriminator needs at least 1 halving, got {halvings}")
        if not (l1_weight >= 0 and adversarial_weight >= 0 and l1_weight + adversarial_weight > 0):
            raise ValueError(f"the weights must be 0 or more and not both 0, got {l1_weight} and {adversarial_weight}")
        self.source_shape = tuple(source_shape)
        self.channels = channels
        self.latent_dim = latent_dim
        self.width = width
        self.discriminator_width = discriminator_width
        self.halvings = halvings
        self.l1_weight = l1_weight
        self.adversarial_weight = adversarial_weight
        self.average_decay = average_decay
        self.seed = seed

        self.generator = make_generator(self.source_shape, channels, latent_dim, width)
        self.generator_average = training.averaged_copy(
            self.generator, lambda: make_generator(self.source_shape, channels, latent_dim, width)
        )
        self.discriminator = make_discriminator(self.source_shape, channels, discriminator_width, halvings)

        self.discriminator_tracker = keras.metrics.Mean(name="d_loss")
        self.generator_tracker = keras.metrics.Mean(name="g_loss")
        self.l1_tracker = keras.metrics.Mean(name="l1")
        self.real_tracker = keras.metrics.Mean(name="d_real")
        self.fake_tracker = keras.metrics.Mean(name="d_fake")
        self.built = True

    @property
    def metrics(self):
        """The losses of both players, the distance, and the mean of D(x, y) and of D(x, G(x, z))."""
        return [
            self.discriminator_tracker,
            self.generator_tracker,
            self.l1_tracker,
            self.real_tracker,
            self.fake_tracker,
        ]

    def train_step(self, data):
        """One step of each player, the discriminator first."""
        sources, targets = data  # (B, H, W, S), (B, H, W, C)
        batch = tf.shape(sources)[0]

        # The discriminator ascends. The pictures are made outside its tape: their gradient is not wanted.
        fakes = self.generator([sources, self.normal((batch, self.latent_dim))], training=True)
        with tf.GradientTape() as tape:
            real_logits = self.discriminator([sources, targets], training=True)  # (B, h, w, 1)
            fake_logits = self.discriminator([sources, fakes], training=True)  # (B, h, w, 1)
            d_loss = discriminator_loss(real_logits, fake_logits)
            objective = self.discriminator_optimizer.scale_loss(d_loss / training.replicas())
        weights = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(objective, weights), weights)

        # The generator descends eq. 4, on noise of its own.
        z = self.normal((batch, self.latent_dim))
        with tf.GradientTape() as tape:
            fakes = self.generator([sources, z], training=True)
            g_loss = generator_loss(self.discriminator([sources, fakes], training=True))
            l1 = l1_loss(targets, fakes)
            objective = (self.adversarial_weight * g_loss + self.l1_weight * l1) / training.replicas()
            objective = self.generator_optimizer.scale_loss(objective)
        weights = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(objective, weights), weights)
        training.average_weights(
            self.generator_average, self.generator, self.generator_optimizer.iterations, self.average_decay
        )

        self.discriminator_tracker.update_state(d_loss)
        self.generator_tracker.update_state(g_loss)
        self.l1_tracker.update_state(l1)
        self.real_tracker.update_state(tf.sigmoid(real_logits))
        self.fake_tracker.update_state(tf.sigmoid(fake_logits))
        return training.results(self.metrics)

    def translate(self, sources, seeds):
        """The pictures of sources (B, H, W, S) in [-1, 1] with the noise of integer seeds (B,): (B, H, W, C)."""
        z = noise.normal(tf.cast(seeds, tf.int32), self.latent_dim)
        return self.generator_average([tf.convert_to_tensor(sources), z], training=False)

    def get_config(self):
        """The arguments of `__init__`."""
        return {
            **super().get_config(),
            "source_shape": self.source_shape,
            "channels": self.channels,
            "latent_dim": self.latent_dim,
            "width": self.width,
            "discriminator_width": self.discriminator_width,
            "halvings": self.halvings,
            "l1_weight": self.l1_weight,
            "adversarial_weight": self.adversarial_weight,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
