"""A hidden Markov model: a chain of states that nobody sees, each of which emits a symbol that is seen.

Leonard Baum, Ted Petrie, George Soules, Norman Weiss: "A Maximization Technique Occurring in the Statistical Analysis
of Probabilistic Functions of Markov Chains", 1970, https://www.jstor.org/stable/2239727. Equations are numbered as in
Lawrence Rabiner: "A Tutorial on Hidden Markov Models and Selected Applications in Speech Recognition", 1989,
https://doi.org/10.1109/5.18626.

The likelihood of T symbols is a sum over all K^T paths of states, but what a path costs from t on depends on its state
at t alone. So one sum a step is enough: K^2 T operations. The same idea with a maximum in the place of the sum finds
the likeliest path, and the forward and backward sums together make EM possible.

    p(path, symbols) = pi_q1 b_q1(O_1) a_q1,q2 b_q2(O_2) ...                                     (16)
    forward    alpha_1(j)   = pi_j b_j(O_1)                                                      (19)
               alpha_t+1(j) = [sum_i alpha_t(i) a_ij] b_j(O_t+1)                                 (20)
               p(O)         = sum_i alpha_T(i)                                                   (21)
    backward   beta_T(i) = 1,  beta_t(i) = sum_j a_ij b_j(O_t+1) beta_t+1(j)                     (24, 25)
    posterior  gamma_t(i) = alpha_t(i) beta_t(i) / p(O)                                          (27)
    Viterbi    delta_t+1(j) = max_i [delta_t(i) a_ij] b_j(O_t+1)                                 (33)
    pairs      xi_t(i, j) = alpha_t(i) a_ij b_j(O_t+1) beta_t+1(j) / p(O)                        (37)
    Baum-Welch pi_i = gamma_1(i),  a_ij = sum_t xi_t(i, j) / sum_t gamma_t(i),
               b_j(k) = sum over t with O_t = k of gamma_t(j) / sum_t gamma_t(j)                 (40)

What differs from the paper: everything is a logarithm in float64, where the paper rescales each step. Several
sequences of one length are treated at once; Baum-Welch adds up their expected counts (the paper's equation 109).
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

MOST_PATHS = 1_000_000
ROUNDING = 1e-6  # by which a row of probabilities may miss the sum 1


@dataclass(frozen=True)
class HiddenMarkovModel:
    """K states and V symbols; rows are checked to be probabilities.

    Attributes:
        initial: pi, float64 (K,), of the first state.
        transitions: a, float64 (K, K), from state (row) to state (column).
        emissions: b, float64 (K, V), of the symbols (columns) in a state (row).
    """

    initial: np.ndarray
    transitions: np.ndarray
    emissions: np.ndarray

    def __post_init__(self):
        states = np.shape(self.initial)[-1] if np.ndim(self.initial) else 0
        shapes = {"initial": (states,), "transitions": (states, states), "emissions": (states, None)}
        for name, shape in shapes.items():
            table = np.array(getattr(self, name), np.float64)
            object.__setattr__(self, name, table)
            if table.ndim != len(shape) or any(
                wanted not in (None, given) for wanted, given in zip(shape, table.shape, strict=True)
            ):
                raise ValueError(f"{name} must have shape {shape} for {states} states, got {table.shape}")
            rows = np.atleast_2d(table)
            wrong = ~((rows >= 0).all(axis=1) & (np.abs(rows.sum(axis=1) - 1) <= ROUNDING))
            if wrong.any():
                row = int(np.argmax(wrong))
                raise ValueError(
                    f"row {row + 1} of {name} must have probabilities from 0 to 1 that sum to 1, got "
                    f"{np.array2string(rows[row], precision=4, threshold=8)} with sum {rows[row].sum():.6g}"
                )

    @property
    def states(self):
        """K."""
        return len(self.initial)


def encode(text, alphabet):
    """Symbols as numbers: their places in the alphabet, int32 (T,).

    Raises:
        ValueError: when there are none, or one is not in the alphabet.
    """
    if not len(text):
        raise ValueError("the text is empty: at least one symbol is needed")
    places = {symbol: place for place, symbol in enumerate(alphabet)}
    unknown = [symbol for symbol in text if symbol not in places]
    if unknown:
        raise ValueError(f"the text has the unknown symbol {unknown[0]!r}: known are {', '.join(map(str, alphabet))}")
    return np.array([places[symbol] for symbol in text], np.int32)


def distribution(model, steps):
    """The model as `tfd.HiddenMarkovModel` of so many steps."""
    import tensorflow_probability as tfp

    tfd = tfp.distributions
    return tfd.HiddenMarkovModel(
        tfd.Categorical(probs=tf.constant(model.initial)),
        tfd.Categorical(probs=tf.constant(model.transitions)),
        tfd.Categorical(probs=tf.constant(model.emissions)),
        num_steps=steps,
    )


def sample(model, count, steps, seed):
    """Draw sequences: a state, its symbol, the next state, and so on.

    Args:
        model: `HiddenMarkovModel`.
        count: B, of sequences.
        steps: T, of each.
        seed: integer.

    Returns:
        Symbols, int64 (B, T).
    """
    random = np.random.default_rng(seed)

    def draw(rows):  # inverse distribution function; the last bound is 1 whatever rounding says
        return (random.random((count, 1)) >= np.cumsum(rows, axis=1)[:, :-1]).sum(axis=1)

    states = draw(np.tile(model.initial, (count, 1)))
    symbols = [draw(model.emissions[states])]
    for _ in range(steps - 1):
        states = draw(model.transitions[states])
        symbols.append(draw(model.emissions[states]))
    return np.stack(symbols, axis=1)


def _logarithms(model):
    """ln pi, ln a, ln b as tensors; the logarithm of 0 is -inf."""
    return [tf.math.log(tf.constant(table)) for table in (model.initial, model.transitions, model.emissions)]


def _emitted(log_emissions, symbols):
    """ln b_j(O_t), time first: float64 (T, B, K)."""
    return tf.gather(tf.transpose(log_emissions), tf.transpose(symbols))


def _forward(log_initial, log_transitions, emitted):
    """ln alpha, equations 19 and 20: float64 (T, B, K)."""

    def step(alpha, emission):
        return tf.reduce_logsumexp(alpha[:, :, None] + log_transitions, axis=1) + emission

    first = log_initial + emitted[0]
    return tf.concat([first[None], tf.scan(step, emitted[1:], initializer=first)], axis=0)


def _backward(log_transitions, emitted):
    """ln beta, equations 24 and 25: float64 (T, B, K)."""

    def step(beta, emission):
        return tf.reduce_logsumexp(log_transitions + (emission + beta)[:, None], axis=2)

    last = tf.zeros_like(emitted[0])
    return tf.concat([tf.scan(step, emitted[1:], initializer=last, reverse=True), last[None]], axis=0)


def forward(model, symbols):
    """The forward recursion.

    Args:
        model: `HiddenMarkovModel`.
        symbols: O, int (B, T): B sequences of length T.

    Returns:
        ln alpha, float64 (B, T, K), and ln p(O), float64 (B,): equations 19 to 21.
    """
    log_initial, log_transitions, log_emissions = _logarithms(model)
    log_alpha = _forward(log_initial, log_transitions, _emitted(log_emissions, _checked(model, symbols)))
    return tf.transpose(log_alpha, (1, 0, 2)).numpy(), tf.reduce_logsumexp(log_alpha[-1], axis=1).numpy()


def every_path(model, symbols):
    """All K^T paths of one short sequence, and what each contributes to the likelihood: equation 16.

    Args:
        model: `HiddenMarkovModel`.
        symbols: O, int (T,).

    Returns:
        Paths, int (K^T, T), and ln p(path, O), float64 (K^T,).

    Raises:
        ValueError: when there are more than a million paths.
    """
    if model.states ** len(symbols) > MOST_PATHS:
        raise ValueError(f"{model.states} states in {len(symbols)} steps have more than {MOST_PATHS} paths")
    paths = np.stack(np.unravel_index(range(model.states ** len(symbols)), (model.states,) * len(symbols)), axis=1)
    log_initial, log_transitions, log_emissions = (table.numpy() for table in _logarithms(model))
    moves = log_transitions[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    return paths, log_initial[paths[:, 0]] + moves + log_emissions[paths, symbols].sum(axis=1)


def posterior(model, symbols):
    """How probable each state is at each time, given the whole sequence: gamma, equation 27.

    Args:
        model: `HiddenMarkovModel`.
        symbols: O, int (B, T), sequences that the model can emit.

    Returns:
        float64 (B, T, K), which sums to 1 over the states.
    """
    log_initial, log_transitions, log_emissions = _logarithms(model)
    emitted = _emitted(log_emissions, _checked(model, symbols))
    log_gamma = _forward(log_initial, log_transitions, emitted) + _backward(log_transitions, emitted)
    return tf.transpose(tf.nn.softmax(log_gamma), (1, 0, 2)).numpy()


def viterbi(model, symbols):
    """The likeliest path of states, equations 32 to 35.

    Args:
        model: `HiddenMarkovModel`.
        symbols: O, int (B, T).

    Returns:
        Path, int32 (B, T), and the logarithm of its probability together with the symbols, float64 (B,).
    """
    log_initial, log_transitions, log_emissions = _logarithms(model)
    emitted = _emitted(log_emissions, _checked(model, symbols))

    def step(carry, emission):
        arrived = carry[0][:, :, None] + log_transitions  # (B, from, to)
        return tf.reduce_max(arrived, axis=1) + emission, tf.argmax(arrived, axis=1, output_type=tf.int32)

    first = log_initial + emitted[0]
    nowhere = tf.zeros_like(first, tf.int32)
    deltas, origins = tf.scan(step, emitted[1:], initializer=(first, nowhere))
    delta = tf.concat([first[None], deltas], axis=0)[-1]
    last = tf.argmax(delta, axis=1, output_type=tf.int32)
    earlier = tf.scan(lambda state, origin: tf.gather(origin, state, batch_dims=1), origins, last, reverse=True)
    path = tf.concat([earlier, last[None]], axis=0)
    return tf.transpose(path).numpy(), tf.reduce_max(delta, axis=1).numpy()


def _checked(model, symbols):
    symbols = np.asarray(symbols)
    count = model.emissions.shape[1]
    if symbols.ndim != 2 or not symbols.size:
        raise ValueError(f"symbols must be a table (sequences, steps) of at least one step, got shape {symbols.shape}")
    if symbols.min() < 0 or symbols.max() >= count:
        raise ValueError(f"symbols must be 0 to {count - 1}, got {symbols.min()} to {symbols.max()}")
    return tf.constant(symbols, tf.int32)


@tf.function(jit_compile=True)
def _expected_counts(log_initial, log_transitions, log_emissions, symbols):
    """Sums over all sequences of gamma_1, xi, gamma by symbol, and ln p(O)."""
    emitted = _emitted(log_emissions, symbols)
    log_alpha = _forward(log_initial, log_transitions, emitted)
    log_beta = _backward(log_transitions, emitted)
    evidence = tf.reduce_logsumexp(log_alpha[-1], axis=1)  # (B,)
    gamma = tf.exp(log_alpha + log_beta - evidence[:, None])  # (T, B, K)
    arriving = (emitted + log_beta)[1:, :, None] - evidence[:, None, None]
    xi = tf.exp(log_alpha[:-1, :, :, None] + log_transitions + arriving)  # (T - 1, B, from, to)
    seen = tf.one_hot(tf.transpose(symbols), tf.shape(log_emissions)[1], dtype=tf.float64)  # (T, B, V)
    by_symbol = tf.einsum("tbk,tbv->kv", gamma, seen)
    return tf.reduce_sum(gamma[0], axis=0), tf.reduce_sum(xi, axis=(0, 1)), by_symbol, tf.reduce_sum(evidence)


def baum_welch_step(model, symbols):
    """One step of EM: expected counts become probabilities, equation 40.

    Args:
        model: `HiddenMarkovModel` that can emit the symbols.
        symbols: O, int (B, T).

    Returns:
        The next `HiddenMarkovModel`, and ln p(O) of the present one, over all sequences.
    """
    *counts, likelihood = _expected_counts(*_logarithms(model), _checked(model, symbols))
    if not np.isfinite(likelihood.numpy()):
        raise ValueError("the model gives the symbols probability 0: start from one that can emit them")
    return HiddenMarkovModel(*(_as_rows(count.numpy()) for count in counts)), float(likelihood)


def _as_rows(counts):
    """Counts over their sums; a state that was never visited gets equal shares."""
    sums = counts.sum(axis=-1, keepdims=True)
    return np.where(sums > 0, counts / np.where(sums > 0, sums, 1), 1 / counts.shape[-1])


def baum_welch(model, symbols, iterations=100, tolerance=1e-6):
    """Repeat steps of EM until ln p(O) grows by less than the tolerance a symbol.

    Args:
        model: `HiddenMarkovModel` to begin with.
        symbols: O, int (B, T).
        iterations: at most so many.
        tolerance: nats a symbol.

    Returns:
        The fitted `HiddenMarkovModel`, and the list of ln p(O) of all models, the first and the fitted one included.
    """
    likelihoods = []
    for _ in range(iterations):
        following, likelihood = baum_welch_step(model, symbols)
        likelihoods.append(likelihood)
        model = following
        if len(likelihoods) > 1 and likelihoods[-1] - likelihoods[-2] < tolerance * np.size(symbols):
            break
    return model, [*likelihoods, baum_welch_step(model, symbols)[1]]


def unigram(symbols, count):
    """Symbols that know nothing of each other: a model of one state, each symbol counted once more than it was seen."""
    counts = np.bincount(np.ravel(symbols), minlength=count) + 1.0
    return HiddenMarkovModel(np.ones(1), np.ones((1, 1)), counts[None] / counts.sum())


def bigram(symbols, count):
    """A Markov chain of symbols: a model whose states are the symbols themselves, pairs counted once more than seen.

    Args:
        symbols: int (B, T).
        count: V.
    """
    symbols = np.asarray(symbols)
    pairs = np.ones((count, count))
    np.add.at(pairs, (symbols[:, :-1].ravel(), symbols[:, 1:].ravel()), 1)
    return HiddenMarkovModel(unigram(symbols, count).emissions[0], pairs / pairs.sum(1, keepdims=True), np.eye(count))


def smooth(model, share):
    """Mix every row of transitions and emissions with equal probabilities, so that nothing unseen is impossible."""
    rows = [(1 - share) * table + share / table.shape[1] for table in (model.transitions, model.emissions)]
    return HiddenMarkovModel(model.initial, *rows)


def first_guess(states, symbols, seed):
    """Random tables to start Baum-Welch from.

    Where states follow each other as if by chance, nothing tells them apart, and EM stands still. So each state has a
    favourite successor: itself with seed 0, the next state with seed 1, and so on around. The rest of the rows is drawn
    from Dirichlet distributions.

    Args:
        states: K.
        symbols: V.
        seed: integer.
    """
    if states < 1 or symbols < 1:
        raise ValueError(f"states and symbols must be at least 1, got {states} and {symbols}")
    random = np.random.default_rng(seed)
    favourites = np.roll(np.eye(states), seed, axis=1)
    moves = (favourites + random.dirichlet(np.full(states, 2.0), states)) / 2
    return HiddenMarkovModel(np.full(states, 1 / states), moves, random.dirichlet(np.full(symbols, 10.0), states))


def stationary(model):
    """The shares of the states after many steps: the distribution that a step does not change, float64 (K,)."""
    equations = np.concatenate([model.transitions.T - np.eye(model.states), np.ones((1, model.states))])
    return np.linalg.lstsq(equations, np.append(np.zeros(model.states), 1.0), rcond=None)[0]


def perplexity(log_likelihood, count):
    """exp(-ln p / count): among how many equally likely symbols the model would be as unsure."""
    return float(np.exp(-log_likelihood / count))
