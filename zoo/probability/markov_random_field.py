"""Markov random fields on a grid: Ising and Potts models, sampled by Gibbs and by Metropolis, with exact answers.

Stuart and Donald Geman: "Stochastic Relaxation, Gibbs Distributions, and the Bayesian Restoration of Images", 1984,
https://doi.org/10.1109/TPAMI.1984.4767596. Julian Besag: "On the Statistical Analysis of Dirty Pictures", 1986,
https://www.jstor.org/stable/2345426.

Every site of a grid has one of q labels and likes to agree with its four neighbours. A site that knows them needs to
know nothing else, which is what makes the field Markov. So labels can be drawn anew one by one; and as the neighbours
of a white square of a checkerboard are all black, all white ones at once, then all black ones.

    E(s) = c - J sum over neighbours i, j of [s_i = s_j] - sum_i u_i(s_i),      p(s) = exp(-beta E(s)) / Z
    Ising: sigma = +1 or -1, and sigma_i sigma_j = 2 [s_i = s_j] - 1, so that
           E = -J sum sigma_i sigma_j - sum_i h_i sigma_i   is the field of 2 labels with coupling 2 J
    Gibbs:       p(s_i = k | all others) is proportional to exp(beta (J n_i(k) + u_i(k))),   n_i(k) neighbours have k
    Metropolis:  propose any label; accept with probability min(1, p(proposed | others) / p(present | others))

What is exact: everything on grids small enough to be enumerated; Kaufman's partition function of the Ising model on a
torus (1949, https://doi.org/10.1103/PhysRev.76.1232); energy (Onsager 1944) and magnetisation (Yang 1952,
https://doi.org/10.1103/PhysRev.85.808) of the infinite one.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

MOST_STATES = 1_000_000  # of a grid that is enumerated
WORTH_COMPILING = 50  # sweeps; XLA takes a second or two to compile
SAMPLERS = ("gibbs", "metropolis")


@dataclass(frozen=True)
class Grid:
    """A field of R x C sites with q labels.

    Attributes:
        coupling: J, energy that two neighbours save by agreeing.
        unary: u, float64 (R, C, q), energy that a site saves by a label; (B, R, C, q) for fields that differ in it.
        periodic: whether the last row is a neighbour of the first, and the last column of the first: a torus.
        constant: c, added to the energy.
    """

    coupling: float
    unary: np.ndarray
    periodic: bool
    constant: float = 0.0

    @property
    def states(self):
        """q."""
        return self.unary.shape[-1]


def potts(rows, columns, states, coupling=1.0, periodic=True):
    """The Potts model without field: `Grid` of q equivalent labels."""
    if min(rows, columns) < 2 or states < 2:
        raise ValueError(f"rows, columns and states must be at least 2, got {rows}, {columns} and {states}")
    return Grid(coupling, np.zeros((rows, columns, states)), periodic)


def ising(rows, columns, coupling=1.0, field=0.0, periodic=True):
    """The Ising model: `Grid` of 2 labels, 0 for sigma = -1 and 1 for sigma = +1.

    Args:
        rows, columns: of the grid.
        coupling: J of sigma_i sigma_j.
        field: h, a number, or float (..., R, C), one for each site.
        periodic: whether opposite edges touch.
    """
    free = potts(rows, columns, 2, 2 * coupling, periodic)
    bonds = 2 * rows * columns - (0 if periodic else rows + columns)
    sites = np.zeros((rows, columns)) + field
    return Grid(free.coupling, np.stack([-sites, sites], axis=-1), periodic, coupling * bonds)


def _shifted(values, axis, periodic):
    """Values of the next site along the axis; beyond a free edge there is nothing."""
    moved = tf.roll(values, -1, axis)
    if periodic:
        return moved
    count = values.shape[axis]
    inside = tf.cast(tf.range(count) < count - 1, values.dtype)
    return moved * tf.reshape(inside, [count] + [1] * (-axis - 1))


def energy(grid, labels):
    """E(s).

    Args:
        grid: `Grid`.
        labels: s, int (..., R, C).

    Returns:
        float64 (...).
    """
    chosen = tf.one_hot(labels, grid.states, dtype=tf.float64)  # (..., R, C, q)
    agreeing = sum(tf.reduce_sum(chosen * _shifted(chosen, axis, grid.periodic), (-3, -2, -1)) for axis in (-3, -2))
    return grid.constant - grid.coupling * agreeing - tf.reduce_sum(chosen * grid.unary, (-3, -2, -1))


def order(labels, states):
    """How much one label prevails: (q * its share - 1) / (q - 1), 0 to 1; of the Ising model |magnetisation| a site.

    Args:
        labels: int (..., R, C).
        states: q.

    Returns:
        float64 (...).
    """
    shares = tf.reduce_mean(tf.one_hot(labels, states, dtype=tf.float64), axis=(-3, -2))
    return (states * tf.reduce_max(shares, axis=-1) - 1) / (states - 1)


def conditional_logits(grid, labels, beta):
    """beta (J n_i(k) + u_i(k)): the logarithm of p(s_i = k | all others), but for a constant.

    Args:
        grid: `Grid`.
        labels: int (..., R, C).
        beta: 1 / temperature, float tensor that broadcasts with (..., 1, 1, 1); its type is that of the result.

    Returns:
        (..., R, C, q).
    """
    chosen = tf.one_hot(labels, grid.states, dtype=beta.dtype)
    around = 0.0
    for axis in (-3, -2):
        after = _shifted(chosen, axis, grid.periodic)
        before = tf.reverse(_shifted(tf.reverse(chosen, [axis]), axis, grid.periodic), [axis])
        around += after + before
    return beta * (grid.coupling * around + tf.cast(grid.unary, beta.dtype))


def checkerboard(grid):
    """The white squares: bool (R, C), whose neighbours are all black.

    Raises:
        ValueError: when a torus has an odd side: there two neighbours would have one colour.
    """
    rows, columns = grid.unary.shape[-3:-1]
    if grid.periodic and (rows % 2 or columns % 2):
        raise ValueError(f"a checkerboard on a torus needs even sides, got {rows} x {columns}")
    return (np.arange(rows)[:, None] + np.arange(columns)) % 2 == 0


def _draw_gibbs(logits, labels, seed):
    """Labels drawn from their conditional distributions, by its inverse distribution function."""
    bounds = tf.cumsum(tf.nn.softmax(logits), axis=-1)[..., :-1]
    uniform = tf.random.stateless_uniform(tf.shape(labels), seed, dtype=logits.dtype)
    return tf.reduce_sum(tf.cast(uniform[..., None] >= bounds, labels.dtype), axis=-1)


def _draw_metropolis(logits, labels, seed):
    """One Metropolis step of `tfp.mcmc` for every site: given the other colour, sites are independent chains."""
    import tensorflow_probability as tfp

    states = logits.shape[-1]

    def propose(parts, seed):
        return [tf.random.stateless_uniform(tf.shape(part), seed, 0, states, part.dtype) for part in parts]

    kernel = tfp.mcmc.RandomWalkMetropolis(
        lambda proposed: tf.reduce_sum(logits * tf.one_hot(proposed, states, dtype=logits.dtype), axis=-1), propose
    )
    return kernel.one_step(labels, kernel.bootstrap_results(labels), seed=seed)[0]


def sweep(grid, labels, beta, seed, sampler="gibbs"):
    """Draw the labels of all white sites anew, then those of all black ones.

    Args:
        grid: `Grid`.
        labels: int32 (..., R, C).
        beta: as of `conditional_logits`.
        seed: int32 (2,).
        sampler: "gibbs" or "metropolis".

    Returns:
        int32 (..., R, C).
    """
    draw = _draw_gibbs if sampler == "gibbs" else _draw_metropolis
    white = checkerboard(grid)
    for colour, colour_seed in zip((white, ~white), tf.unstack(tf.random.split(seed, 2)), strict=True):
        labels = tf.where(colour, draw(conditional_logits(grid, labels, beta), labels, colour_seed), labels)
    return labels


class Chains(NamedTuple):
    """What sampling leaves of B chains: last labels, energy and order after each sweep, shares of the labels."""

    labels: np.ndarray  # int32 (B, R, C)
    energies: np.ndarray  # (sweeps, B)
    orders: np.ndarray  # (sweeps, B)
    shares: np.ndarray  # (B, R, C, q), mean over all sweeps


def sample(grid, labels, betas, sweeps, seed, sampler="gibbs"):
    """Run chains, in one loop without Python.

    Args:
        grid: `Grid`.
        labels: to start from, int (B, R, C).
        betas: 1 / temperature, float (B,), one for each chain.
        sweeps: how many.
        seed: integer.
        sampler: "gibbs" or "metropolis".

    Returns:
        `Chains`.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {sampler!r}")
    if sweeps < 1:
        raise ValueError(f"sweeps must be at least 1, got {sweeps}")
    checkerboard(grid)

    def run(labels, beta, seed):
        energies = tf.TensorArray(tf.float64, sweeps, element_shape=beta.shape[:1])
        orders = tf.TensorArray(tf.float64, sweeps, element_shape=beta.shape[:1])
        shares = tf.zeros([*labels.shape, grid.states])
        for number in tf.range(sweeps):
            labels = sweep(grid, labels, beta, tf.random.fold_in(seed, number), sampler)
            energies = energies.write(number, energy(grid, labels))
            orders = orders.write(number, order(labels, grid.states))
            shares += tf.one_hot(labels, grid.states)
        return labels, energies.stack(), orders.stack(), shares / sweeps

    beta = tf.reshape(tf.constant(betas, tf.float32), (-1, 1, 1, 1))
    start = tf.constant(labels, tf.int32), beta, tf.constant([seed, 0], tf.int32)
    results = tf.function(run, jit_compile=sweeps >= WORTH_COMPILING).get_concrete_function(*start)(*start)
    return Chains(*(each.numpy() for each in results))


def icm(grid, labels, most=100):
    """Iterated conditional modes (Besag 1986): each site takes its likeliest label, until nothing changes.

    Args:
        grid: `Grid`.
        labels: to start from, int (..., R, C).
        most: sweeps at most.

    Returns:
        int32 (..., R, C): a local maximum of the probability.
    """
    white = checkerboard(grid)
    labels = tf.constant(labels, tf.int32)
    for _ in range(most):
        before = labels
        for colour in (white, ~white):
            logits = conditional_logits(grid, labels, tf.constant(1.0, tf.float64))  # the mode is that of any beta
            labels = tf.where(colour, tf.argmax(logits, axis=-1, output_type=tf.int32), labels)
        if tf.reduce_all(labels == before):
            break
    return labels.numpy()


def fit_ising(pictures, steps=20):
    """Coupling and field that make pictures likeliest site by site: Besag's pseudo-likelihood, which needs no Z.

        ln PL = sum_i ln p(sigma_i | neighbours) = sum_i ln sigmoid(2 sigma_i (J sum of sigma_j around i + h))

    It is concave; Newton's method climbs it.

    Args:
        pictures: labels 0 and 1, int (N, R, C), with free edges.
        steps: of Newton's method.

    Returns:
        J and h, at beta = 1.
    """
    sigma = tf.constant(2.0 * np.asarray(pictures, np.float64) - 1)
    grid = ising(*sigma.shape[1:], 1.0, periodic=False)
    logits = conditional_logits(grid, tf.constant(pictures, tf.int32), tf.constant(1.0, tf.float64))
    around = (logits[..., 1] - logits[..., 0]) / 2  # sum of sigma_j
    features = tf.reshape(tf.stack([around, tf.ones_like(around)], axis=-1), (-1, 2))
    sigma = tf.reshape(sigma, (-1,))
    parameters = tf.zeros(2, tf.float64)
    for _ in range(steps):
        wrong = tf.sigmoid(-2 * sigma * tf.linalg.matvec(features, parameters))
        gradient = tf.linalg.matvec(features, 2 * sigma * wrong, transpose_a=True)
        curvature = tf.matmul(features, features * (4 * wrong * (1 - wrong))[:, None], transpose_a=True)
        parameters += tf.linalg.solve(curvature, gradient[:, None])[:, 0]
    return tuple(float(value) for value in parameters)


# --- exact answers ----------------------------------------------------------------------------


def every_state(grid):
    """All q^(R C) labellings of a small grid, int32 (q^(R C), R, C).

    Raises:
        ValueError: when there are more than a million.
    """
    shape = grid.unary.shape[:2]
    count = grid.states ** (shape[0] * shape[1])
    if count > MOST_STATES:
        raise ValueError(
            f"a grid of {shape[0]} x {shape[1]} with {grid.states} labels has more than {MOST_STATES} states"
        )
    digits = np.unravel_index(np.arange(count), (grid.states,) * (shape[0] * shape[1]))
    return np.stack(digits, axis=1).reshape(-1, *shape).astype(np.int32)


def exact(grid, beta):
    """By enumeration: probability of every state, float64 (states,), mean energy and mean order."""
    labels = every_state(grid)
    energies = energy(grid, labels).numpy()
    probabilities = tf.nn.softmax(-beta * energies).numpy()
    return probabilities, float(probabilities @ energies), float(probabilities @ order(labels, grid.states).numpy())


def transitions(grid, beta, sampler, white):
    """p(to | from) of one half of a sweep, between all states of a small grid: float64 (from, to)."""
    labels = every_state(grid)
    logits = conditional_logits(grid, labels, tf.constant(beta, tf.float64)).numpy()  # (S, R, C, q)
    present = np.eye(grid.states)[labels]
    if sampler == "gibbs":
        moves = tf.nn.softmax(logits).numpy()
    else:
        gain = logits - (logits * present).sum(axis=-1, keepdims=True)
        moves = np.minimum(1, np.exp(gain)) / grid.states * (1 - present)
        moves += present * (1 - moves.sum(axis=-1, keepdims=True))
    moves = np.where((checkerboard(grid) == white)[..., None], moves, present)
    result = np.ones((len(labels), len(labels)))
    for row, column in np.ndindex(labels.shape[1:]):
        result *= moves[:, row, column][:, labels[:, row, column]]
    return result


def torus_log_partition(rows, columns, beta, coupling=1.0):
    """ln Z of the Ising model without field on a torus: Kaufman 1949.

        Z = (2 sinh 2K)^(R C / 2) / 2 * (prod 2 cosh(R g_odd / 2) + prod 2 sinh(R g_odd / 2)
                                         + prod 2 cosh(R g_even / 2) + prod 2 sinh(R g_even / 2)),  K = beta J
        cosh g_l = cosh 2K coth 2K - cos(pi l / C),   g_0 = 2K + ln tanh K,   l = 0 .. 2C - 1

    Args:
        rows, columns: R and C.
        beta: 1 / temperature, float64 tensor (...), positive.
        coupling: J of sigma_i sigma_j, positive.

    Returns:
        float64 (...).
    """
    double = 2 * coupling * tf.convert_to_tensor(beta, tf.float64)[..., None]  # 2 K
    angles = np.pi * np.arange(1, 2 * columns) / columns
    gammas = tf.acosh(tf.cosh(double) / tf.tanh(double) - tf.constant(np.cos(angles)))
    gammas = (
        rows / 2 * tf.concat([double + tf.math.log(tf.tanh(double / 2)), gammas], axis=-1)
    )  # (..., 2C), l = 0 first
    log_cosh = tf.math.softplus(-2 * tf.abs(gammas)) + tf.abs(gammas)  # ln 2 cosh
    products = [tf.reduce_sum(log_cosh[..., start::2], axis=-1) for start in (1, 0)]
    with_sinh = [1 + tf.reduce_prod(tf.tanh(gammas[..., start::2]), axis=-1) for start in (1, 0)]
    largest = tf.maximum(*products)
    total = sum(tf.exp(product - largest) * factor for product, factor in zip(products, with_sinh, strict=True))
    prefactor = rows * columns / 2 * tf.math.log(2 * tf.sinh(double[..., 0])) - np.log(2.0)
    return prefactor + largest + tf.math.log(total)


def torus_energy(rows, columns, beta, coupling=1.0):
    """Mean energy a site of the Ising model on a torus, float64 (...): -d ln Z / d beta, over R C."""
    beta = tf.convert_to_tensor(beta, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(beta)
        log_partition = torus_log_partition(rows, columns, beta, coupling)
    return -tape.gradient(log_partition, beta).numpy() / (rows * columns)


def onsager_energy(beta, coupling=1.0):
    """Mean energy a site of the infinite Ising model (Onsager 1944), float64 (...).

    u = -J coth 2K [1 + 2/pi (2 tanh^2 2K - 1) F(k)] with k = 2 sinh 2K / cosh^2 2K and F(k), the complete elliptic
    integral, by the arithmetic-geometric mean.
    """
    double = 2 * coupling * np.asarray(beta, np.float64)
    modulus = 2 * np.sinh(double) / np.cosh(double) ** 2
    one, other = np.ones_like(double), np.sqrt(np.maximum(1 - modulus**2, 1e-300))
    for _ in range(60):
        one, other = (one + other) / 2, np.sqrt(one * other)
    elliptic = np.pi / (2 * one)
    return -coupling / np.tanh(double) * (1 + 2 / np.pi * (2 * np.tanh(double) ** 2 - 1) * elliptic)


def yang_magnetisation(beta, coupling=1.0):
    """|Magnetisation| a site of the infinite Ising model (Yang 1952): (1 - sinh(2K)^-4)^(1/8), or 0 above T_c."""
    return np.maximum(1 - np.sinh(2 * coupling * np.asarray(beta, np.float64)) ** -4, 0) ** 0.125


def critical_temperature(states, coupling=1.0):
    """Of the infinite Potts model on the square grid: J / ln(1 + sqrt q); for Ising give q = 2 and twice its J."""
    return coupling / np.log(1 + np.sqrt(states))
