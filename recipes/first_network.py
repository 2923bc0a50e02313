"""The first neural network: 10 inputs, 5 hidden units, 1 output, trained step by step, in Keras and by hand.

    python -m recipes first_network
    python -m recipes first_network --learning-rate 1 --epochs 200

The classic exercise: ten rows of random numbers with random labels, ReLU, sigmoid, mean squared error, gradient descent
with rate 0.01. The loss of epochs 0 to 49 is printed, from `keras.Model.fit` and from a loop with a gradient tape.
8 s of one core of an AMD EPYC; the largest difference between the two was 6e-8.
"""

from dataclasses import dataclass

from recipes import lesson

KIND = "lesson"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the lesson."""

    inputs: int = 10
    """Numbers in a row of the data, at least 1."""
    hidden: int = 5
    """Units of the hidden layer, at least 1."""
    batch_size: int = 10
    """Rows of the data, all of them in each step, at least 2."""
    learning_rate: float = 0.01
    """Length of a step, in gradients; above 0 and at most a million."""
    epochs: int = 50
    """Steps, at least 2: an epoch is one batch."""
    seed: int = 0
    """Of the data and of the first weights."""
    folder: str | None = None
    """Of the figure, new; None makes runs/<recipe>-<time>."""


PRESETS = {"lesson": Config(), "smoke": Config(epochs=4)}
LARGEST_RATE = 1e6  # sums of larger weights pass what float32 can hold
FASTER = 100  # times the learning rate: what else the network could learn
SMALL = 1e-4  # change of a weight, for the slope by differences


def run(config):
    """Data, network, one step by hand, all steps by Keras and by a tape, figure and questions."""
    lesson.check(config, inputs=(1, 10_000), hidden=(1, 10_000), batch_size=(2, 10_000), epochs=(2, 100_000))
    if not 0 < config.learning_rate <= LARGEST_RATE:
        raise ValueError(f"--learning-rate must be above 0 and at most {LARGEST_RATE:g}, got {config.learning_rate}")

    import keras
    import numpy as np

    keras.utils.set_random_seed(config.seed)
    x, y = make_data(config)
    network = make_network(config)
    start = network.get_weights()

    speak = lesson.Lesson("first_network", config.folder)
    tell_data(speak, config, x, y)
    tell_network(speak, config, network, x)
    slope, first_fall = tell_step(speak, config, start, x, y)

    speak.section("Part 5: All steps, twice")
    speak.say("""
        keras.Model.fit repeats the step, and so does a loop of our own, from the same first weights.
        The loss of an epoch is measured before its step:
    """)
    by_keras = train_by_keras(network, x, y, config)
    weights, by_tape = train_by_tape(start, x, y, config.learning_rate, config.epochs)
    for epoch, (one, two) in enumerate(zip(by_keras, by_tape, strict=True)):
        print(f"    epoch {epoch:3d}   Keras {one:.7f}   tape {two:.7f}")
    apart = max(abs(one - two) for one, two in zip(by_keras, by_tape, strict=True))
    speak.say(f"The largest difference between the two is {apart:.1e}; float32 has seven digits.")

    faster, by_faster = train_by_tape(start, x, y, FASTER * config.learning_rate, config.epochs)
    answers = {
        "first weights": predict(start, x),
        f"after {config.epochs} epochs": predict(weights, x),
        f"rate x {FASTER}": predict(faster, x),
    }
    draw(speak, {"Keras": by_keras, "gradient tape": by_tape, f"rate x {FASTER}": by_faster}, answers, y)

    speak.ask(
        "How many numbers does the network learn?",
        f"({config.inputs} + 1) x {config.hidden} + ({config.hidden} + 1) x 1 = {network.count_params()}: each unit "
        "has a weight for each of its inputs, and a bias.",
    )
    promised = config.learning_rate * slope
    close = abs(first_fall - promised) <= 0.05 * promised
    speak.ask(
        "The slope promises that the first step lowers the loss by rate x |gradient|^2. Does it?",
        f"Promised {promised:.3e}, measured {first_fall:.3e}: "
        + ("a line is right about a short step." if close else "the step is too long for a line."),
    )
    right = {name: int(((p > 0.5) == (y > 0.5)).sum()) for name, p in answers.items()}
    constant = float(np.mean((y - y.mean()) ** 2))
    speak.ask(
        f"Has the network learned anything after {config.epochs} epochs, and would a rate of "
        f"{FASTER * config.learning_rate:g} have been better?",
        f"The loss fell from {by_tape[0]:.4f} to {by_tape[-1]:.4f}, with {right[f'after {config.epochs} epochs']} of "
        f"{len(y)} rows right; always saying the share of ones has {constant:.4f}. With the other rate it is "
        f"{by_faster[-1]:.4f}, with {right[f'rate x {FASTER}']} right.",
    )
    speak.finish()


def make_data(config):
    """Rows x, float32 (B, I), standard normal, and labels y, float32 (B, 1), 0 or 1."""
    import numpy as np

    random = np.random.default_rng(config.seed)
    x = random.standard_normal((config.batch_size, config.inputs)).astype(np.float32)
    return x, random.integers(0, 2, (config.batch_size, 1)).astype(np.float32)


def make_network(config):
    """The network as Keras has it: (B, I) -> (B, 1)."""
    import keras

    return keras.Sequential(
        [
            keras.Input((config.inputs,)),
            keras.layers.Dense(config.hidden, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def predict(weights, x):
    """The network as its equations have it: W1, b1, W2, b2 and rows (B, I) -> p (B, 1), in NumPy."""
    import numpy as np

    w1, b1, w2, b2 = weights
    hidden = np.maximum(x @ w1 + b1, 0)
    return (1 + np.tanh((hidden @ w2 + b2) / 2)) / 2  # sigmoid, without an overflow of e^(-a)


def train_by_keras(network, x, y, config):
    """The losses of the epochs, each before its step; changes the network."""
    import keras

    network.compile(optimizer=keras.optimizers.SGD(config.learning_rate), loss="mean_squared_error")
    history = network.fit(x, y, batch_size=config.batch_size, epochs=config.epochs, shuffle=False, verbose=0)
    return history.history["loss"]


def train_by_tape(start, x, y, rate, epochs):
    """The same without Keras: the last weights, and the losses of the epochs, each before its step."""
    import tensorflow as tf

    weights = [tf.Variable(weight) for weight in start]
    w1, b1, w2, b2 = weights
    losses = []
    for _ in range(epochs):
        with tf.GradientTape() as tape:
            hidden = tf.nn.relu(x @ w1 + b1)  # (B, H)
            p = tf.sigmoid(hidden @ w2 + b2)  # (B, 1)
            loss = tf.reduce_mean((y - p) ** 2)
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign_sub(rate * gradient)
        losses.append(float(loss))
    return [weight.numpy() for weight in weights], losses


def gradients(weights, x, y):
    """Back-propagation by hand: the gradients of the loss with respect to W1, b1, W2 and b2, in NumPy.

    With a the sums before an activation, backwards through p = sigmoid(a2), a2 = h W2 + b2, h = ReLU(a1):

        dL/da2 = 2 (p - y) / B * p (1 - p)        dL/dW2 = h^T dL/da2       dL/db2 = sum over rows
        dL/da1 = dL/da2 W2^T where a1 > 0         dL/dW1 = x^T dL/da1       dL/db1 = sum over rows
    """
    import numpy as np

    w1, b1, w2, _ = weights
    hidden = np.maximum(x @ w1 + b1, 0)
    p = predict(weights, x)
    slope_2 = 2 * (p - y) / len(x) * p * (1 - p)  # (B, 1)
    slope_1 = slope_2 @ w2.T * (hidden > 0)  # (B, H)
    return [x.T @ slope_1, slope_1.sum(axis=0), hidden.T @ slope_2, slope_2.sum(axis=0)]


def tell_data(speak, config, x, y):
    """Say what the data are."""
    speak.section("Part 1: Data")
    speak.say(f"""
        One batch of {config.batch_size} rows x, each of {config.inputs} standard normal numbers, with a label y,
        0 or 1 by the flip of a coin. There is no rule in them: they can only be learned by heart.
    """)
    for row, label in list(zip(x, y, strict=True))[:10]:
        more = " ..." if config.inputs > 10 else ""
        print(f"    y = {int(label[0])}   x = {' '.join(f'{number:5.2f}' for number in row[:10])}{more}")


def tell_network(speak, config, network, x):
    """Say what the network is, and push the first row through it."""
    import numpy as np

    speak.section("Part 2: Network")
    inputs, units = config.inputs, config.hidden
    speak.say(f"""
        {inputs} inputs, {units} hidden units, 1 output: {network.count_params()} numbers to learn. For B rows:
            h = ReLU(x W1 + b1),   ReLU(a) = max(a, 0)                x (B, {inputs}), W1 ({inputs}, {units})
            p = sigmoid(h W2 + b2),   sigmoid(a) = 1 / (1 + e^(-a))   W2 ({units}, 1), p (B, 1)
        The first row, by the equations in NumPy, and by Keras:
    """)
    weights = network.get_weights()
    hidden = np.maximum(x[:1] @ weights[0] + weights[1], 0)[0]
    print(f"    h = {' '.join(f'{unit:.4f}' for unit in hidden[:10])}{' ...' if config.hidden > 10 else ''}")
    by_keras = network(x[:1]).numpy().item()
    print(f"    p = {predict(weights, x[:1]).item():.6f} by the equations, {by_keras:.6f} by Keras")


def tell_step(speak, config, start, x, y):
    """Say what loss, slope and step are; returns |gradient|^2, and by how much the first step lowers the loss."""
    import numpy as np

    exact = [weight.astype(np.float64) for weight in start]

    def loss(weights):
        return float(np.mean((y - predict(weights, x)) ** 2))

    speak.section("Part 3: Loss and slope")
    here = loss(exact)
    found = gradients(exact, x, y)
    higher, lower = ([*exact[:2], exact[2] + side * SMALL * np.eye(len(exact[2]), 1), exact[3]] for side in (1, -1))
    by_difference = (loss(higher) - loss(lower)) / (2 * SMALL)
    speak.say(f"""
        Mean squared error of the batch, and its slope along one weight, W2[0], by two ways:
            L = 1/B sum_i (y_i - p_i)^2 = {here:.7f}
            (L(W2[0] + {SMALL:g}) - L(W2[0] - {SMALL:g})) / {2 * SMALL:g} = {by_difference:.7f}
            back-propagation: dL/dW2 = h^T (2 (p - y) / B * p (1 - p)), first number = {found[2][0, 0]:.7f}
    """)
    speak.section("Part 4: One step")
    stepped = [weight - config.learning_rate * gradient for weight, gradient in zip(exact, found, strict=True)]
    speak.say(f"""
        Every weight goes a little against its slope (SGD, rate {config.learning_rate:g}):
            w <- w - rate dL/dw
            W2[0]: {exact[2][0, 0]:.6f} -> {stepped[2][0, 0]:.6f},   L: {here:.7f} -> {loss(stepped):.7f}
    """)
    return sum(float((gradient**2).sum()) for gradient in found), here - loss(stepped)


def draw(speak, losses, answers, y):
    """Losses over epochs, and what the network says of each row."""
    import numpy as np

    with speak.figure("first_network", 1, 2, (11, 3.8)) as axes:
        curves, rows = axes[0]
        for (name, values), style in zip(losses.items(), ("-", "--", ":"), strict=True):
            curves.plot(values, style, linewidth=2, label=name)
        curves.set(title="The loss, epoch by epoch", xlabel="epoch", ylabel="mean squared error", ylim=(0, None))
        curves.legend()
        places = np.arange(1, len(y) + 1)
        rows.bar(places, y[:, 0], color="0.85", label="label y")
        for (name, p), marker, colour in zip(
            answers.items(), ("x", "o", "^"), (lesson.ORANGE, lesson.BLUE, lesson.GREEN), strict=True
        ):
            rows.plot(places, p[:, 0], marker, color=colour, markersize=5, label=name)
        rows.axhline(0.5, color="0.4", linewidth=1)
        rows.set(title="What the network says of each row", xlabel="row", ylabel="p", ylim=(-0.05, 1.45))
        rows.legend(loc="upper center", ncols=4, columnspacing=1, handletextpad=0.3)
