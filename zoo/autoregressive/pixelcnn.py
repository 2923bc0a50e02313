"""Gated PixelCNN.

Aaron van den Oord, Nal Kalchbrenner, Oriol Vinyals, Lasse Espeholt, Alex Graves, Koray Kavukcuoglu: "Conditional Image
Generation with PixelCNN Decoders", 2016, https://arxiv.org/abs/1606.05328; after "Pixel Recurrent Neural Networks",
2016, https://arxiv.org/abs/1601.06759

A picture is written pixel by pixel, row by row from the top left; each pixel gets a distribution over its levels that
depends on all pixels before it. One pass of a convolutional network gives all these distributions at once, since no
convolution sees the pixel that it speaks of, nor a later one. So the likelihood is exact and training is plain
classification; only sampling has to go from pixel to pixel.

    p(x) = prod_i p(x_i | x_1, ..., x_{i-1})                                        1606.05328, eq. 1
    y = tanh(W_f * x) . sigmoid(W_g * x)                                            the gate, eq. 2

Two stacks of convolutions see all that is above and to the left (section 2.2): the vertical stack sees whole rows, and
what it has found of the rows above is added to the horizontal stack, which sees the left part of the row. (One stack
of masked 3x3 convolutions never sees a triangle at the upper right: its blind spot.)

What differs from the paper: a masked convolution is one with a smaller kernel here, which holds no weights that a mask
would set to zero; in the first block the vertical stack sees only rows above the pixel's own, which saves the paper's
shift down by a row; no class conditions; small networks, and a moving average of the weights, which is what one
evaluates, samples and ships. The sampler remembers what it has computed, so that a pixel costs one pixel's work.
"""

import keras
import tensorflow as tf
from keras import layers

from zoo import noise, training


@keras.saving.register_keras_serializable("zoo")
class CausalConv2D(layers.Layer):
    """Convolution that sees a rectangle of neighbours, given by offsets from the pixel itself.

    Args:
        filters: channels of the result.
        rows: first and last row that is seen, (-1, 0) for the one above and the pixel's own.
        columns: first and last column.
    """

    def __init__(self, filters, rows, columns, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.rows = tuple(rows)
        self.columns = tuple(columns)

    def build(self, input_shape):
        """Make kernel and bias."""
        height, width = (last - first + 1 for first, last in (self.rows, self.columns))
        shape = (height, width, input_shape[-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs, pad=True):
        """Convolve a whole picture.

        Args:
            inputs: (B, H, W, C).
            pad: whether neighbours outside of the picture count as zeros; without, only places all of whose neighbours
                are there get a result.

        Returns:
            (B, H, W, filters), or smaller without padding.
        """
        if pad:
            ends = [max(-last, 0) for _, last in (self.rows, self.columns)]  # what nothing sees
            inputs = inputs[:, : inputs.shape[1] - ends[0], : inputs.shape[2] - ends[1]]
            sides = [[-first, max(last, 0)] for first, last in (self.rows, self.columns)]
            inputs = tf.pad(inputs, [[0, 0], *sides, [0, 0]])
        found = tf.nn.conv2d(inputs, tf.cast(self.kernel, inputs.dtype), strides=1, padding="VALID")
        return tf.nn.bias_add(found, tf.cast(self.bias, inputs.dtype))

    def get_config(self):
        """The arguments of `__init__`."""
        return {**super().get_config(), "filters": self.filters, "rows": self.rows, "columns": self.columns}


def gate(x):
    """tanh of the first half of the channels times sigmoid of the second: (..., 2W) -> (..., W)."""
    features, gates = tf.split(x, 2, axis=-1)
    return tf.tanh(features) * tf.sigmoid(gates)


@keras.saving.register_keras_serializable("zoo")
class GatedBlock(layers.Layer):
    """One layer of both stacks, figure 2 of the paper.

    Args:
        width: channels W of each stack.
        reach: pixels seen in each direction; the paper's kernel is 2 reach + 1 wide.
        first: whether it is the first block, which must not see the pixel itself and has nothing to add to.
    """

    def __init__(self, width, reach, first=False, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.reach = reach
        self.first = first
        last = -1 if first else 0
        self.vertical = CausalConv2D(2 * width, (-reach, last), (-reach, reach), name="vertical")
        self.horizontal = CausalConv2D(2 * width, (0, 0), (-reach, last), name="horizontal")
        self.link = layers.Conv2D(2 * width, 1, name="link")
        self.output_layer = layers.Conv2D(width, 1, name="output")

    def build(self, vertical_shape, horizontal_shape):
        """Make the weights of all four convolutions."""
        self.vertical.build(vertical_shape)
        self.horizontal.build(horizontal_shape)
        self.link.build((*vertical_shape[:-1], 2 * self.width))
        self.output_layer.build((*horizontal_shape[:-1], self.width))
        self.built = True

    def above(self, rows, pad=True):
        """The vertical stack: (B, H, W, C) -> what it hands on (B, H, W, width), and to the row (B, H, W, 2 width)."""
        found = self.vertical(rows, pad=pad)
        return gate(found), self.link(found)

    def left(self, row, from_above, pad=True):
        """The horizontal stack, (B, H, W, C) -> (B, H, W, width); without padding only its last column."""
        found = self.output_layer(gate(self.horizontal(row, pad=pad) + from_above))
        if self.first:
            return found
        return found + (row if pad else row[:, :, -1:])

    def call(self, vertical, horizontal):
        """Both stacks, of whole pictures (B, H, W, C) -> two of (B, H, W, width)."""
        vertical, from_above = self.above(vertical)
        return vertical, self.left(horizontal, from_above)

    def get_config(self):
        """The arguments of `__init__`."""
        return {**super().get_config(), "width": self.width, "reach": self.reach, "first": self.first}


def make_pixelcnn(shape, levels, width, blocks, first_reach, reach):
    """One-hot levels (B, H, W, L) -> logits of p(x_i | pixels before i), float32 (B, H, W, L).

    Args:
        shape: height and width.
        levels: L, how many values a pixel has.
        width: channels W of each stack.
        blocks: how many gated blocks, the first among them.
        first_reach: pixels that the first block sees in each direction.
        reach: pixels that each later block sees.

    Raises:
        ValueError: for fewer than 2 levels.
    """
    if levels < 2:
        raise ValueError(f"levels must be at least 2, got {levels}")
    pixels = keras.Input((*shape, levels), name="levels")
    vertical, horizontal = GatedBlock(width, first_reach, first=True, name="block_0")(pixels, pixels)  # (B, H, W, W)
    for index in range(1, blocks):
        vertical, horizontal = GatedBlock(width, reach, name=f"block_{index}")(vertical, horizontal)
    x = layers.ReLU()(horizontal)
    x = layers.Conv2D(2 * width, 1, activation="relu", name="hidden")(x)
    logits = layers.Conv2D(levels, 1, dtype="float32", name="logits")(x)  # (B, H, W, L)
    return keras.Model(pixels, logits, name="pixelcnn")


def log_likelihood(levels, logits):
    """log p(x) in nats, equation 1: int32 (B, H, W) and logits (B, H, W, L) -> (B,)."""
    by_pixel = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=levels, logits=logits)  # (B, H, W)
    return -tf.reduce_sum(by_pixel, axis=(1, 2))


def choose(logits, uniform):
    """The level at which the cumulative probability passes a uniform number: logits (B, L), (B,) -> int32 (B,)."""
    cumulative = tf.cumsum(tf.nn.softmax(logits), axis=1)[:, :-1]  # (B, L - 1); the last would be 1
    return tf.reduce_sum(tf.cast(uniform[:, None] >= cumulative, tf.int32), axis=1)


def make_sampler(network):
    """The function that draws pictures from a network of `make_pixelcnn`, in builtin TFLite operations.

    It goes down the rows and, in each, along the columns. A row needs the vertical stack once; a pixel needs the
    horizontal stack at its place only. What they look back at is kept: the last `reach` rows and pixels of every block.

    Args:
        network: computing in float32.

    Returns:
        Function from uniform numbers float32 (B, H W) to levels int32 (B, H, W).
    """
    height, width, levels = network.input.shape[1:]
    blocks = [layer for layer in network.layers if isinstance(layer, GatedBlock)]
    hidden, last = network.get_layer("hidden"), network.get_layer("logits")
    seen = [levels] + [block.width for block in blocks[:-1]]  # channels that each block looks at

    def vertical_stack(rows):
        """The rows that each block looks back at -> what it gives to this row, and the rows but for the oldest."""
        to_row, kept, found = [], [], None
        for block, before in zip(blocks, rows, strict=True):
            window = before if found is None else tf.concat([before, found], axis=1)
            sides = [[0, 0], [0, 0], [block.reach, block.reach], [0, 0]]
            found, from_above = block.above(tf.pad(window, sides), pad=False)  # (B, 1, W, .)
            to_row.append(from_above)
            kept.append(window[:, 1:])
        return to_row, kept

    def horizontal_stack(pixels, from_above):
        """The same for a pixel: logits (B, L), and the pixels but for the oldest."""
        kept, found = [], None
        for block, before, addition in zip(blocks, pixels, from_above, strict=True):
            window = before if found is None else tf.concat([before, found], axis=2)
            found = block.left(window, addition, pad=False)  # (B, 1, 1, .)
            kept.append(window[:, :, 1:])
        return tf.reshape(last(hidden(tf.nn.relu(found))), [-1, levels]), kept

    def sample(uniform):
        count = tf.shape(uniform)[0]

        def nothing(*shape):
            return tf.zeros([count, *shape])

        def draw_pixel(x, row, pixels, to_row, numbers):
            here = [tf.slice(each, [0, 0, x, 0], [-1, 1, 1, each.shape[-1]]) for each in to_row]
            logits, kept = horizontal_stack(pixels, here)
            level = choose(logits, tf.squeeze(tf.slice(numbers, [0, x], [-1, 1]), axis=1))  # (B,)
            kept[0] = tf.concat([kept[0], tf.one_hot(level, levels)[:, None, None]], axis=2)
            return x + 1, tf.concat([row[:, 1:], level[:, None]], axis=1), kept, to_row, numbers

        def draw_row(y, picture, rows):
            to_row, kept = vertical_stack(rows)
            numbers = tf.slice(uniform, [0, y * width], [-1, width])
            pixels = [nothing(1, block.reach, channels) for block, channels in zip(blocks, seen, strict=True)]
            row = tf.cast(nothing(width), tf.int32)
            _, row, *_ = tf.while_loop(
                lambda x, *_: x < width, draw_pixel, [tf.constant(0), row, pixels, to_row, numbers]
            )
            kept[0] = tf.concat([kept[0], tf.one_hot(row, levels)[:, None]], axis=1)
            return y + 1, tf.concat([picture[:, 1:], row[:, None]], axis=1), kept

        rows = [nothing(block.reach, width, channels) for block, channels in zip(blocks, seen, strict=True)]
        picture = tf.cast(nothing(height, width), tf.int32)
        return tf.while_loop(lambda y, *_: y < height, draw_row, [tf.constant(0), picture, rows])[1]

    return sample


@keras.saving.register_keras_serializable("zoo")
class PixelCNN(training.TrainedModel):
    """Trains `network`; `network_average` is what one evaluates, samples and ships.

    Args:
        image_shape: height, width, channels; channels must be 1.
        levels: how many values a pixel has: 2 for black and white.
        width: channels of each stack.
        blocks: how many gated blocks.
        first_reach: pixels that the first block sees in each direction.
        reach: pixels that each later block sees.
        average_decay: decay of the moving average.
        seed: of the generator that nothing draws from: training is deterministic but for the data.

    Raises:
        ValueError: for coloured pictures and fewer than 2 levels.
    """

    def __init__(
        self,
        image_shape=(28, 28, 1),
        levels=2,
        width=32,
        blocks=7,
        first_reach=3,
        reach=1,
        average_decay=0.999,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if image_shape[-1] != 1:
            raise ValueError(f"pictures must be grey (1 channel), got {image_shape[-1]} channels")
        self.image_shape = tuple(image_shape)
        self.levels = levels
        self.width = width
        self.blocks = blocks
        self.first_reach = first_reach
        self.reach = reach
        self.average_decay = average_decay
        self.seed = seed

        def make():
            return make_pixelcnn(self.image_shape[:2], levels, width, blocks, first_reach, reach)

        self.network = make()
        self.network_average = training.averaged_copy(self.network, make)
        self.sampler = make_sampler(self.network_average)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.built = True

    @property
    def metrics(self):
        """The negative log-likelihood, in nats a picture."""
        return [self.loss_tracker]

    def to_levels(self, images):
        """Pictures (B, H, W, 1) in [-1, 1] -> the nearest levels, int32 (B, H, W)."""
        return tf.cast(tf.round((images[..., 0] + 1.0) * (0.5 * (self.levels - 1))), tf.int32)

    def to_images(self, levels):
        """Levels int32 (B, H, W) -> pictures float32 (B, H, W, 1) in [-1, 1]."""
        return tf.cast(levels, tf.float32)[..., None] * (2.0 / (self.levels - 1)) - 1.0

    def train_step(self, data):
        """One descent of the negative log-likelihood."""
        images, _ = data  # (B, H, W, 1), labels are not used
        levels = self.to_levels(images)
        with tf.GradientTape() as tape:
            logits = self.network(tf.one_hot(levels, self.levels), training=True)
            loss = -tf.reduce_mean(log_likelihood(levels, logits))
            objective = self.optimizer.scale_loss(loss / training.replicas())
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(objective, weights), weights)
        training.average_weights(self.network_average, self.network, self.optimizer.iterations, self.average_decay)
        self.loss_tracker.update_state(loss)
        return training.results(self.metrics)

    def test_step(self, data):
        """The negative log-likelihood of held-out pictures, by the averaged network."""
        images = data[0] if isinstance(data, (tuple, list)) else data
        self.loss_tracker.update_state(-self.log_prob(images))
        return training.results(self.metrics)

    def log_prob(self, images):
        """log p(x) of pictures (B, H, W, 1) in [-1, 1], rounded to their levels, in nats: (B,)."""
        levels = self.to_levels(images)
        return log_likelihood(levels, self.network_average(tf.one_hot(levels, self.levels), training=False))

    def call(self, inputs, training=False):
        """Pictures (B, H, W, 1) in [-1, 1] -> logits of each pixel given those before it, (B, H, W, L)."""
        return self.network_average(tf.one_hot(self.to_levels(inputs), self.levels), training=training)

    def generate(self, seeds):
        """The pictures of integer seeds (B,), float32 (B, H, W, 1) in [-1, 1]."""
        height, width, _ = self.image_shape
        return self.to_images(self.sampler(noise.uniform(tf.cast(seeds, tf.int32), height * width)))

    def get_config(self):
        """The arguments of `__init__`."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "levels": self.levels,
            "width": self.width,
            "blocks": self.blocks,
            "first_reach": self.first_reach,
            "reach": self.reach,
            "average_decay": self.average_decay,
            "seed": self.seed,
        }
