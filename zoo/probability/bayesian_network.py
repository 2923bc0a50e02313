"""Bayesian networks of discrete variables: exact inference, three ways of sampling, d-separation, learning by counting.

Pearl 1988, "Probabilistic Reasoning in Intelligent Systems". A graph without cycles says which variables a variable
depends on directly, its parents, and a table says how:

    p(x_1, ..., x_V) = prod_i p(x_i | parents(x_i))                                                     (1)
    p(q | e) = sum_h p(q, e, h) / sum_q,h p(q, e, h),    h: all variables but query q and evidence e    (2)

Enumeration adds up (2) over all of (1). Variable elimination pulls factors out of the sum that do not have the variable
that is summed over, so that no table of all variables is ever made (Zhang and Poole 1994). Ancestral sampling draws (1)
from the roots down and keeps what agrees with e; likelihood weighting sets e, draws the rest, and weighs a sample by
w = p(e | its parents) (Fung and Chang 1989); a Metropolis chain changes one variable at a time.

a and b are d-separated by c when every path between them is blocked; then a and b are independent given c, whatever the
tables say. It is so exactly when c cuts all paths in the moral graph of the ancestors of a, b and c (Lauritzen 1990).

A network is a dictionary from names to `Node`s, parents before children; `make_network` checks it. A question is the
name of a variable, the query, and evidence, a dictionary from names to states; `places` checks it, for every function
that is asked, and evidence of probability 0 is an error too.
"""

import itertools
import keyword
from typing import NamedTuple

import numpy as np

LARGEST_TABLE = 2**20  # entries of a joint distribution that is written out


class Node(NamedTuple):
    """A variable: names of its states (K,), names of its parents, and p(state | parents), float (K_1, ..., K)."""

    states: tuple
    parents: tuple
    table: np.ndarray


class Estimate(NamedTuple):
    """p(query | evidence) by sampling: means (K,), their standard errors (K,), samples that it rests on."""

    mean: np.ndarray
    error: np.ndarray
    samples: float


def make_network(nodes):
    """Check variables and put parents before children.

    Args:
        nodes: name -> `Node`, or a triple of the same.

    Returns:
        Dictionary name -> `Node`, tables in float64.

    Raises:
        ValueError: one sentence: a name that cannot be a keyword argument, states that are fewer than two or not
            different, an unknown parent, a cycle, a table of another shape, or a row that is no distribution.
    """
    nodes = {name: Node(tuple(node[0]), tuple(node[1]), node[2]) for name, node in nodes.items()}
    if not nodes:
        raise ValueError("a network needs a variable, got none")
    for name, node in nodes.items():
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"the name of a variable must be of letters, digits and _, got {name!r}")
        if len(node.states) < 2 or len(set(node.states)) < len(node.states):
            raise ValueError(f"{name} must have two or more different states, got {', '.join(node.states) or 'none'}")
        if len(set(node.parents)) < len(node.parents):
            raise ValueError(f"{name} must have each parent once, got {', '.join(node.parents)}")
        for parent in node.parents:
            if parent not in nodes:
                raise ValueError(f"{name} has the parent {parent!r}, but there are only {', '.join(nodes)}")
    ordered = {name: nodes[name] for name in _ancestors_first({name: node.parents for name, node in nodes.items()})}
    return {name: node._replace(table=_checked(name, node, nodes)) for name, node in ordered.items()}


def _ancestors_first(parents):
    """Names so ordered that parents come before their children; a cycle is an error that names it."""
    ordered = []
    while len(ordered) < len(parents):
        ready = [name for name in parents if name not in ordered and set(parents[name]) <= set(ordered)]
        if not ready:
            path = [next(name for name in parents if name not in ordered)]
            while path[-1] not in path[:-1]:  # upwards, through parents that are not ready either
                path.append(next(parent for parent in parents[path[-1]] if parent not in ordered))
            cycle = path[path.index(path[-1]) :]
            raise ValueError(f"the graph must have no cycle, got {' -> '.join(reversed(cycle))}")
        ordered += ready
    return ordered


def _checked(name, node, nodes):
    """The table of a node in float64."""
    shape = tuple(len(each.states) for each in (*(nodes[parent] for parent in node.parents), node))
    try:
        table = np.asarray(node.table, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"the table of {name} must be of numbers, {shape} of them") from error
    if table.shape != shape:
        raise ValueError(f"the table of {name} must have the shape {shape}, got {table.shape}")
    for place in np.ndindex(shape[:-1]):
        row = table[place]
        if not (row >= 0).all() or not abs(row.sum() - 1) < 1e-9:
            given = [f"{parent}={nodes[parent].states[k]}" for parent, k in zip(node.parents, place, strict=True)]
            where = f" for {', '.join(given)}" if given else ""
            raise ValueError(f"the row of {name}{where} must be 0 or more and sum to 1, got {row.tolist()}")
    return table


def joint_distribution(network):
    """Equation (1) as a `tfd.JointDistributionNamed`; its values are places in the lists of states, int32."""
    import inspect

    import tensorflow_probability as tfp

    def conditional(node):  # a function whose arguments have the names of the parents, for TFP reads them
        def distribution(**values):
            return _given(node, [values[parent] for parent in node.parents])

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        distribution.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in node.parents])
        return distribution

    return tfp.distributions.JointDistributionNamed({name: conditional(node) for name, node in network.items()})


def _given(node, values):
    """p(state | parents) as a TFP distribution, for the values of the parents, int32 (N,) each."""
    import tensorflow as tf
    import tensorflow_probability as tfp

    rows = tf.gather_nd(tf.constant(node.table), tf.stack(values, axis=-1)) if len(values) else tf.constant(node.table)
    return tfp.distributions.Categorical(probs=rows)


def places(network, query, evidence):
    """The evidence with places in the lists of states in the place of states.

    Raises:
        ValueError: a variable or a state is unknown, or the query is among the evidence.
    """
    for name in (query, *evidence):
        if name not in network:
            raise ValueError(f"there is no variable {name!r}: there are {', '.join(network)}")
    if query in evidence:
        raise ValueError(f"{query} cannot be asked for and be known: leave it out of the evidence")
    for name, state in evidence.items():
        if state not in network[name].states:
            raise ValueError(f"{name} must be one of {', '.join(network[name].states)}, got {state!r}")
    return {name: network[name].states.index(state) for name, state in evidence.items()}


# --- exact ------------------------------------------------------------------------------------


def joint_table(network):
    """All of (1) written out: float64 (K_1, ..., K_V), at most `LARGEST_TABLE` entries, or there is a `ValueError`."""
    import tensorflow as tf

    shape = tuple(len(node.states) for node in network.values())
    entries = np.prod(shape, dtype=float)
    if entries > LARGEST_TABLE:
        raise ValueError(f"a joint table may have {LARGEST_TABLE} entries, this network needs {entries:.3g}")
    values = np.indices(shape, np.int32).reshape(len(shape), -1)
    log_prob = joint_distribution(network).log_prob(dict(zip(network, map(tf.constant, values), strict=True)))
    return np.exp(log_prob.numpy()).reshape(shape)


def enumerate_posterior(network, query, evidence):
    """Equation (2), term by term: p(query | evidence) float64 (K,), and p(evidence)."""
    found = places(network, query, evidence)
    table = joint_table(network)[tuple(found.get(name, slice(None)) for name in network)]
    left = [name for name in network if name not in found]
    return _normalised(table.sum(axis=tuple(i for i, name in enumerate(left) if name != query)), evidence)


def eliminate(network, query, evidence):
    """Equation (2) by variable elimination, the variable that makes the smallest table first.

    Returns:
        p(query | evidence) float64 (K,), p(evidence), and the entries of the largest table on the way.
    """
    found = places(network, query, evidence)
    factors = []  # (names of the axes, table)
    for name, node in network.items():
        axes = (*node.parents, name)
        kept = tuple(each for each in axes if each not in found)
        factors.append((kept, node.table[tuple(found.get(each, slice(None)) for each in axes)]))
    largest = max(table.size for _, table in factors)
    hidden = [name for name in network if name != query and name not in found]
    while hidden:
        costs = {name: np.prod([len(network[each].states) for each in _scope(factors, name)]) for name in hidden}
        name = min(hidden, key=costs.get)
        largest = max(largest, int(costs[name]))
        hidden.remove(name)
        scope = _scope(factors, name)
        kept = tuple(each for each in scope if each != name)
        touched = [factor for factor in factors if name in factor[0]]
        factors = [factor for factor in factors if name not in factor[0]]
        factors.append((kept, _multiply(touched, kept)))
    return *_normalised(_multiply(factors, (query,)), evidence), largest


def _scope(factors, name):
    """The variables of all factors that have one, in the order in which they come."""
    return list(dict.fromkeys(each for axes, _ in factors if name in axes for each in axes))


def _multiply(factors, kept):
    """The product of factors, summed over all variables but those that are kept."""
    numbers = {name: i for i, name in enumerate(dict.fromkeys(each for axes, _ in factors for each in axes))}
    operands = [part for axes, table in factors for part in (table, [numbers[name] for name in axes])]
    return np.einsum(*operands, [numbers[name] for name in kept])


def _normalised(weights, evidence):
    """Weights divided by their sum, and the sum."""
    total = weights.sum()
    if not total > 0:
        raise ValueError(f"the evidence {' '.join(f'{k}={v}' for k, v in evidence.items())} has probability 0")
    return weights / total, float(total)


# --- by sampling ------------------------------------------------------------------------------


def reject(network, query, evidence, samples, seed):
    """p(query | evidence) from those of so many ancestral samples that agree with the evidence.

    Returns:
        `Estimate`; its errors are sqrt(p (1 - p) / n) for the n samples that were kept; none is a `ValueError`.
    """
    found = places(network, query, evidence)
    drawn = joint_distribution(network).sample(samples, seed=(seed, 0))
    kept = np.all([np.ones(samples, bool), *(drawn[name].numpy() == place for name, place in found.items())], axis=0)
    if not kept.any():
        raise ValueError(f"none of {samples} samples agrees with the evidence: draw more, or weigh them")
    mean = np.bincount(drawn[query].numpy()[kept], minlength=len(network[query].states)) / kept.sum()
    return Estimate(mean, np.sqrt(mean * (1 - mean) / kept.sum()), float(kept.sum()))


def weigh(network, query, evidence, samples, seed):
    """p(query | evidence) by likelihood weighting of so many samples: sum_n w_n [x_n = query] / sum_n w_n.

    Returns:
        `Estimate`; its samples are the effective ones, (sum w)^2 / sum w^2, its errors those of a ratio of means:
        sqrt(sum_n w_n^2 ([x_n = query] - p)^2) / sum_n w_n.
    """
    drawn, weights = weighted_samples(network, places(network, query, evidence), samples, seed)
    share = _normalised(weights, evidence)[0]
    hits = drawn[query][:, None] == np.arange(len(network[query].states))  # (N, K)
    mean = share @ hits
    return Estimate(mean, np.sqrt(share**2 @ (hits - mean) ** 2), float(1 / np.sum(share**2)))


def weighted_samples(network, found, samples, seed):
    """Samples of all variables, int32 (N,) each, those in `found` (name -> place) set; and their weights (N,)."""
    drawn = {}
    weights = np.ones(samples)
    for number, (name, node) in enumerate(network.items()):
        distribution = _given(node, [drawn[parent] for parent in node.parents])
        if name in found:
            drawn[name] = np.full(samples, found[name], np.int32)
            weights *= np.exp(distribution.log_prob(drawn[name]).numpy())
        else:
            drawn[name] = distribution.sample(() if node.parents else samples, seed=(seed, number)).numpy()
    return drawn, weights


def walk(network, query, evidence, chains, steps, seed):
    """p(query | evidence) by Metropolis chains that change one variable at a time (`tfp.mcmc`).

    The proposal takes one of the free variables and another of its states, each with the same probability, so it is
    symmetric. The chains (2 or more) start at likelihood-weighted samples; the first half of their steps is not used.
    Where a table has zeros, a chain can only reach what single changes lead to.

    Returns:
        `Estimate`; its errors are the standard errors of the means of the chains, its samples the independent ones
        that would have such errors, p (1 - p) / error^2, for the state that is worst known.
    """
    import tensorflow as tf
    import tensorflow_probability as tfp

    if chains < 2 or steps < 2:
        raise ValueError(f"there must be 2 chains and 2 steps or more, got {chains} and {steps}")
    found = places(network, query, evidence)
    free = [name for name in network if name not in found]
    drawn, weights = weighted_samples(network, found, 100 * chains, seed)
    start = np.random.default_rng(seed).choice(len(weights), chains, p=_normalised(weights, evidence)[0])
    fixed = {name: tf.fill((chains,), place) for name, place in found.items()}
    joint = joint_distribution(network)
    counts = tf.constant([len(network[name].states) for name in free])

    def propose(state, seed):
        which, value = tfp.random.split_seed(seed, n=2)
        chosen = tf.random.stateless_uniform((chains,), which, 0, len(free), tf.int32)
        step = tf.random.stateless_uniform((chains,), value, 0, 2**30, tf.int32) % (tf.gather(counts, chosen) - 1) + 1
        return [tf.where(chosen == i, (part + step) % counts[i], part) for i, part in enumerate(state)]

    kernel = tfp.mcmc.RandomWalkMetropolis(
        lambda *state: joint.log_prob({**fixed, **dict(zip(free, state, strict=True))}), new_state_fn=propose
    )
    begin = [tf.constant(drawn[name][start]) for name in free]
    options = {"kernel": kernel, "num_burnin_steps": steps // 2, "trace_fn": None, "seed": (seed, 1)}
    run = tf.function(lambda: tfp.mcmc.sample_chain(steps - steps // 2, begin, **options))
    visited = run()[free.index(query)].numpy()  # (steps / 2, chains)
    means = (visited[..., None] == np.arange(len(network[query].states))).mean(axis=0)  # (chains, K)
    mean = means.mean(axis=0)
    error = means.std(axis=0, ddof=1) / np.sqrt(chains)
    independent = [m * (1 - m) / e**2 for m, e in zip(mean, error, strict=True) if e > 0]
    return Estimate(mean, error, float(min(independent, default=visited.size)))


# --- the graph, and learning ------------------------------------------------------------------


def d_separated(network, one, other, given):
    """Whether two variables are independent given others, all by name, whatever the tables are: the graph decides."""
    if one == other or {one, other} & set(given):
        raise ValueError(f"d-separation is about different variables, got {one}, {other} given {', '.join(given)}")
    kept = set()
    waiting = [one, other, *given]
    while waiting:  # the ancestors
        name = waiting.pop()
        kept.add(name)
        waiting += network[name].parents
    joined = {name: set() for name in kept}
    for name in kept:
        for a, b in itertools.combinations((name, *network[name].parents), 2):  # parents of one child are married
            joined[a].add(b)
            joined[b].add(a)
    reached, waiting = set(given), [one]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting += joined[name] - reached
    return other not in reached


def conditional_information(network, table, one, other, given):
    """I(one; other | given) in nats from the joint table of a network: 0 exactly when they are independent given it."""
    names = [*given, one, other]
    table = np.einsum(table, [*range(len(network))], [list(network).index(name) for name in names])
    table = table.reshape(-1, *table.shape[-2:])  # (states of the given ones, K_one, K_other)
    both = table.sum(axis=(1, 2), keepdims=True) * table
    apart = table.sum(axis=2, keepdims=True) * table.sum(axis=1, keepdims=True)
    here = table > 0
    return float(np.sum(table[here] * np.log(both[here] / apart[here])))


def learn(graph, states, data, pseudo_count):
    """Tables by counting: (n(state, parents) + a) / (n(parents) + a K).

    Args:
        graph: name -> names of its parents.
        states: name -> names of its states (K,).
        data: name -> places of states, integers (N,).
        pseudo_count: a >= 0; with 0 every combination of parents must occur, or there is a `ValueError`.
    """
    if not pseudo_count >= 0:
        raise ValueError(f"the pseudo-count must be 0 or more, got {pseudo_count}")
    nodes = {}
    for name, parents in graph.items():
        axes = (*parents, name)
        counts = np.full([len(states[each]) for each in axes], float(pseudo_count))
        np.add.at(counts, tuple(np.asarray(data[each]) for each in axes), 1)
        totals = counts.sum(axis=-1, keepdims=True)
        if not totals.all():
            raise ValueError(f"a combination of the parents of {name} never occurs: the pseudo-count must be positive")
        nodes[name] = Node(states[name], tuple(parents), counts / totals)
    return make_network(nodes)


def learn_tree(states, data, root):
    """The tree that makes data most likely (Chow and Liu 1968): the spanning tree of largest mutual information.

    Takes what `learn` does, and the name of the variable without parent; returns the graph for it.
    """

    def information(one, other):
        counts = np.zeros([len(states[one]), len(states[other])])
        np.add.at(counts, (data[one], data[other]), 1 / len(data[one]))
        return conditional_information((one, other), counts, one, other, ())

    graph = {root: ()}
    while len(graph) < len(states):
        edges = [(parent, child) for parent in graph for child in states if child not in graph]
        parent, child = max(edges, key=lambda edge: information(*edge))
        graph[child] = (parent,)
    return graph


def divergence(p, q):
    """KL(p || q) = sum_x p(x) log(p(x) / q(x)) in nats, of two joint tables of the same variables."""
    return float(np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0])))


def parameters(network):
    """How many numbers the tables leave free."""
    return sum(node.table.size - node.table.size // len(node.states) for node in network.values())
