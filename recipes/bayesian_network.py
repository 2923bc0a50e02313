"""Bayesian networks: exact answers and sampled ones, explaining away, independence read off a graph, tables from data.

    python -m recipes bayesian_network
    python -m recipes bayesian_network --query sprinkler --evidence wet_grass=yes rain=yes
    python -m recipes bayesian_network --network FILE.json --query NAME --evidence NAME=STATE

A network file has, for each variable, its states, its parents, and a row of probabilities of the states for each
combination of the parents' states, the last parent changing first:

    {"fault": {"states": ["no", "yes"], "parents": [], "table": [0.9, 0.1]},
     "alarm": {"states": ["off", "on"], "parents": ["fault"], "table": [[0.99, 0.01], [0.2, 0.8]]}}
"""

from dataclasses import dataclass

from recipes import lesson

KIND = "lesson"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the lesson."""

    network: str | None = None
    """JSON file of a network; None is the textbook's: clouds, sprinkler, rain, wet grass."""
    query: str = "rain"
    """Variable that is asked for."""
    evidence: tuple[str, ...] = ("wet_grass=yes",)
    """What is known of others: NAME=STATE."""
    samples: int = 20_000
    """The most that are drawn to answer by sampling, and to learn from."""
    chains: int = 20
    """Metropolis chains that share these samples."""
    pseudo_count: float = 0.5
    """Times that each combination counts as seen before any data."""
    seed: int = 0
    """Of all that is drawn."""
    folder: str | None = None
    """Of the figures, new; None makes runs/bayesian_network-<time>."""


PRESETS = {"lesson": Config(), "smoke": Config(samples=1000, chains=4)}
NO_YES = ("no", "yes")
SPRINKLER = {
    "cloudy": {"states": NO_YES, "parents": (), "table": [0.5, 0.5]},
    "sprinkler": {"states": NO_YES, "parents": ("cloudy",), "table": [[0.5, 0.5], [0.9, 0.1]]},
    "rain": {"states": NO_YES, "parents": ("cloudy",), "table": [[0.8, 0.2], [0.2, 0.8]]},
    "wet_grass": {
        "states": NO_YES,
        "parents": ("sprinkler", "rain"),
        "table": [[[1.0, 0.0], [0.1, 0.9]], [[0.1, 0.9], [0.01, 0.99]]],
    },
}
METHODS = {  # of sampling
    "rejection": {"color": lesson.BLUE, "marker": "o"},
    "likelihood weighting": {"color": lesson.ORANGE, "marker": "s"},
    "Metropolis chains": {"color": lesson.GREEN, "marker": "^"},
}
LARGEST_DRAWN_TABLE = 4  # rows that fit beside a variable
MOST_VARIABLES = 8  # whose pairs are all tried for independence
FOLDS, ERROR = 5, 0.001  # parts of the irises; what is asked for at the end, of a probability or in nats


def run(config):
    """The lesson, from a graph with tables to tables from data."""
    lesson.check(config, samples=(100, 1_000_000), chains=2)
    if config.chains > config.samples // 20:
        raise ValueError(f"--chains must be at most a twentieth of the samples, got {config.chains}")
    if not 0 < config.pseudo_count < float("inf"):
        raise ValueError(f"--pseudo-count must be positive, got {config.pseudo_count:g}")
    for word in (word for word in config.evidence if "=" not in word):
        raise ValueError(f"evidence is given as NAME=STATE, got {word!r}")
    known = dict(word.split("=", 1) for word in config.evidence)
    if len(known) < len(config.evidence):
        raise ValueError(f"evidence must name each variable once, got {' '.join(config.evidence)}")

    from zoo.probability import bayesian_network as networks

    network = read(config.network)
    exact, chance = networks.enumerate_posterior(network, config.query, known)
    teacher = lesson.Lesson("bayesian_network", config.folder)
    teach_the_graph(teacher, network)
    teach_exact_answers(teacher, network, config.query, known)
    teach_sampling(teacher, config, network, known, exact, chance)
    teach_independence(teacher, network)
    teach_counting(teacher, config, network)
    teach_a_real_table(teacher, config)
    teacher.finish()


def read(path):
    """The network of a JSON file, or the sprinkler's for None."""
    import json

    from zoo.probability import bayesian_network as networks

    content = SPRINKLER
    if path is not None:
        with open(path, encoding="utf-8") as file:
            try:
                content = json.load(file)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path} is no network: {error}") from error
    if not isinstance(content, dict) or len(content) < 2:
        raise ValueError(f"{path} is no network: it must be an object with two variables or more, each by its name")
    nodes = {}
    for name, entry in content.items():
        parts = [isinstance(entry, dict) and isinstance(entry.get(key), list | tuple) for key in SPRINKLER["rain"]]
        if not all(parts):
            raise ValueError(f"{path} is no network: {name} needs states, parents and table, each a list")
        nodes[name] = networks.Node(tuple(map(str, entry["states"])), tuple(map(str, entry["parents"])), entry["table"])
    return networks.make_network(nodes)


def asked(query, known):
    """The question in symbols, as p(rain | wet_grass=yes)."""
    given = ", ".join(f"{name}={state}" for name, state in known.items())
    return f"p({query} | {given})" if given else f"p({query})"


def layout(network):
    """Where the variables are drawn: name -> (x, y), one apart at least, parents above their children."""
    depth = {}
    for name, node in network.items():
        depth[name] = 1 + max((depth[parent] for parent in node.parents), default=-1)
    spots = {}
    for level in range(max(depth.values()) + 1):
        names = [name for name in network if depth[name] == level]
        wishes = {n: [spots[parent][0] for parent in network[n].parents] for n in names}
        names.sort(key=lambda n: sum(wishes[n]) / len(wishes[n]) if wishes[n] else 0.0)
        for place, name in enumerate(names):
            spots[name] = (place - (len(names) - 1) / 2, -float(level))
    return spots


def draw_graph(axes, network, title):
    """Boxes with the tables of variables that have few rows, and arrows from parents to children."""
    import itertools

    from matplotlib import patches

    spots = layout(network)
    boxes = {}
    for name, node in network.items():
        words = [name.replace("_", " ")]
        causes = [[(parent, state) for state in network[parent].states] for parent in node.parents]
        rows = list(itertools.product(*causes))
        if len(rows) <= LARGEST_DRAWN_TABLE:
            given = [", ".join(f"{parent} {state}" for parent, state in row).replace("_", " ") for row in rows]
            chances = [f"{node.states[-1]} {row[-1]:.2g}" for row in node.table.reshape(len(rows), -1)]
            words += [f"{g}: {c}" if g else c for g, c in zip(given, chances, strict=True)]
        style = {"boxstyle": "round", "facecolor": "white", "edgecolor": lesson.BLUE}
        text = axes.text(*spots[name], "\n".join(words), ha="center", va="center", fontsize=7, bbox=style, zorder=3)
        boxes[name] = text.get_bbox_patch()
        for parent in node.parents:
            skips = spots[parent][1] - spots[name][1] > 1.5  # a straight arrow might run through what is between
            curve = f"arc3,rad={0.5 if skips else 0.0}"
            ends = {"posA": spots[parent], "posB": spots[name], "patchA": boxes[parent], "patchB": boxes[name]}
            style = {"arrowstyle": "-|>", "connectionstyle": curve, "mutation_scale": 12, "zorder": 4}
            arrow = patches.FancyArrowPatch(**ends, **style)
            axes.add_patch(arrow).set_color("black")
    xs, ys = zip(*spots.values(), strict=True)
    axes.set(xlim=(min(xs) - 0.6, max(xs) + 0.6), ylim=(min(ys) - 0.4, max(ys) + 0.4), title=title)
    axes.set_axis_off()


# --- the sections -----------------------------------------------------------------------------


def teach_the_graph(teacher, network):
    """The joint distribution as a product over the graph."""
    import numpy as np

    from zoo.probability import bayesian_network as networks

    factors = " ".join(
        f"p({name} | {', '.join(node.parents)})" if node.parents else f"p({name})" for name, node in network.items()
    )
    everything = np.prod([float(len(node.states)) for node in network.values()])
    teacher.section("A graph, and a table for each variable")
    teacher.say(f"""
        An arrow goes from what a variable depends on directly to the variable. Then the joint distribution is a
        product of one small table each:
            p(x_1, ..., x_V) = prod_i p(x_i | parents of x_i)
            {f"p({', '.join(network)}) = {factors}" if len(network) <= 6 else f"{len(network)} factors"}
        The tables have {networks.parameters(network)} free numbers, a table of all {everything:.0f} combinations would
        have {everything - 1:.0f}.""")
    width, height = 1 + 2 * max(x for x, _ in layout(network).values()), 1 - min(y for _, y in layout(network).values())
    with teacher.figure("graph", size=(max(5, 2.2 * width), 1.25 * height + 0.5)) as axes:
        draw_graph(axes[0, 0], network, "what depends on what directly")


def teach_exact_answers(teacher, network, query, known):
    """Enumeration, elimination, and how one more observation changes the answer."""
    import contextlib

    import numpy as np

    from zoo.probability import bayesian_network as networks

    states = network[query].states
    exact, chance = networks.enumerate_posterior(network, query, known)
    eliminated, _, largest = networks.eliminate(network, query, known)
    size = networks.joint_table(network).size
    teacher.section(f"What is {asked(query, known)}?")
    teacher.say(f"""
        By the definition of a conditional probability: add up all combinations that agree with what is known (h are the
        other variables), here of {size} combinations those with the evidence:
            p(q | e) = sum_h p(q, e, h) / sum_q,h p(q, e, h)
        Variable elimination moves factors out of a sum that do not have the variable summed over, as in
        a b + a c = a (b + c). The largest table on its way has {largest} entries; the answers differ by
        {np.abs(exact - eliminated).max():.0e}. p(evidence) is {chance:.4g}.""")
    rows = {}
    more = [{name: state} for name in network if name != query and name not in known for state in network[name].states]
    for everything in ({}, known, *({**known, **each} for each in more)):
        with contextlib.suppress(ValueError):  # it is impossible
            answer = networks.eliminate(network, query, everything)[0]
            rows[asked(query, everything)] = dict(zip(states, map(float, answer), strict=True))
    teacher.table("And if one more thing were known", rows)
    teacher.say("""
        Two causes of one effect become dependent when the effect is seen: if one of them is found, the other is needed
        less. That is called explaining away.""")
    state, now = states[exact.argmax()], exact.max()
    present = asked(query, {}), asked(query, known)
    further = {question: row[state] for question, row in rows.items() if question not in present}
    strongest = max(further, key=lambda question: abs(further[question] - now), default=None)
    teacher.ask(
        f"Which further observation would change {asked(query, known)} most?",
        f"{strongest} = {further[strongest]:.4f} for {query}={state}, not {now:.4f}." if further else "None is left.",
    )


def teach_sampling(teacher, config, network, known, exact, chance):
    """Three ways of sampling against the exact answer, with error bars."""
    import contextlib

    import numpy as np

    from zoo.probability import bayesian_network as networks

    state = len(exact) - 1
    sizes = sorted({int(size) for size in np.geomspace(max(100, 20 * config.chains), config.samples, 4)})
    found = {name: [] for name in METHODS}
    for size in sizes:
        question = network, config.query, known
        with contextlib.suppress(ValueError):  # no sample agrees with the evidence
            found["rejection"].append((size, networks.reject(*question, size, config.seed)))
        with contextlib.suppress(ValueError):  # all weights are 0
            found["likelihood weighting"].append((size, networks.weigh(*question, size, config.seed)))
            walked = networks.walk(*question, config.chains, size // config.chains, config.seed)
            found["Metropolis chains"].append((size, walked))
    teacher.section("The same answer by drawing samples")
    teacher.say(f"""
        Draw causes first, then effects, and keep what agrees with the evidence: a share of about {chance:.3g}
        (rejection). Or set the evidence, draw the rest, and weigh each sample by how probable it makes the evidence:
            w = prod_e p(e | its parents),    p(q | e) = sum_n w_n [x_n = q] / sum_n w_n
        Or walk: change one variable at random, accept with probability min(1, p(new) / p(old)); here {config.chains}
        chains, whose means say by their spread how well the answer is known.""")
    what = f"{config.query}={network[config.query].states[state]}"
    rows = {
        "exact": {"estimate": float(exact[state]), "error": None, "off by, in errors": None, "worth, samples": None}
    }
    for name, estimates in found.items():
        for size, each in estimates[-1:]:
            mean, error = float(each.mean[state]), float(each.error[state])
            values = (mean, error, abs(mean - float(exact[state])) / error if error else None, round(each.samples))
            rows[f"{name}, {size}"] = dict(zip(rows["exact"], values, strict=True))
    teacher.table(f"{asked(config.query, known)}, {what}", rows)
    with teacher.figure("sampling", size=(6.4, 4)) as axes:
        panel = axes[0, 0]
        panel.axhline(exact[state], color="0.4", label="exact")
        for shift, (name, style) in zip((0.94, 1.0, 1.06), METHODS.items(), strict=True):
            places = [shift * size for size, _ in found[name]]
            means, errors = (np.array([getattr(e, part)[state] for _, e in found[name]]) for part in ("mean", "error"))
            panel.errorbar(places, means, 2 * errors, linestyle="", capsize=3, label=name, **style)
        panel.set(xscale="log", xlabel="samples drawn", ylabel=f"probability of {what}")
        panel.set_title(f"{asked(config.query, known)}: estimates, two standard errors")
        panel.set_xticks(sizes, sizes)
        panel.minorticks_off()
        panel.legend()
    kept = exact[state] * (1 - exact[state]) / ERROR**2
    teacher.ask(
        f"How many samples must rejection draw until {asked(config.query, known)} has a standard error of {ERROR}?",
        f"p (1 - p) / error^2 = {kept:,.0f} that agree with the evidence, whose share is {chance:.4g}: "
        f"{kept / chance:,.0f} in all.",
    )


def teach_independence(teacher, network):
    """What the graph says of independence, and what the numbers say."""
    import itertools

    from zoo.probability import bayesian_network as networks

    teacher.section("Who is independent of whom")
    if len(network) > MOST_VARIABLES:
        teacher.say(f"More than {MOST_VARIABLES} variables: too many pairs to try them all.")
        return
    table = networks.joint_table(network)
    rows = {}
    for one, other in itertools.combinations(network, 2):
        rest = [name for name in network if name not in (one, other)]
        for given in (given for size in range(3) for given in itertools.combinations(rest, size)):
            information = abs(networks.conditional_information(network, table, one, other, given))
            separated = networks.d_separated(network, one, other, given)
            what = f"{one}, {other} given {', '.join(given)}" if given else f"{one}, {other}"
            rows[what] = {"d-separated": "yes" if separated else "no", "I in nats": float(f"{information:.3g}")}
    apart = {what: row for what, row in rows.items() if row["d-separated"] == "yes"}
    teacher.say(f"""
        The graph alone says who is independent of whom, whatever the numbers are. A path is blocked by what is known on
        it, but where two arrows meet it is blocked as long as nothing is known of the meeting point or below it. Two
        variables are d-separated when all paths are blocked; the numbers must then agree:
            I(a; b | c) = sum p(a, b, c) log( p(a, b | c) / (p(a | c) p(b | c)) ) = 0
        Of {len(rows)} statements about pairs, given at most two others, {len(apart)} hold by the graph. Their largest
        information is {max((row["I in nats"] for row in apart.values()), default=0.0):.1e} nats.""")
    teacher.table("The first twelve", dict(list((apart | rows).items())[:12]))


def teach_counting(teacher, config, network):
    """Tables from samples: how far they are from the true ones."""
    import numpy as np

    from zoo.probability import bayesian_network as networks

    graph = {name: node.parents for name, node in network.items()}
    states = {name: node.states for name, node in network.items()}
    free, draws = networks.parameters(network), 5
    truth = networks.joint_table(network)
    rows = {}
    for size in sorted({int(size) for size in np.geomspace(100, config.samples, 4)}):
        drawn = networks.joint_distribution(network).sample(draws * size, seed=(config.seed, size))
        distances = []
        for start in range(draws):
            data = {name: each.numpy()[start::draws] for name, each in drawn.items()}
            learnt = networks.learn(graph, states, data, config.pseudo_count)
            distances.append(networks.divergence(truth, networks.joint_table(learnt)))
        rows[f"{size} samples"] = {"KL in nats": float(np.mean(distances)), "d / (2 n)": free / (2 * size)}
    teacher.section("Tables from data")
    teacher.say(f"""
        When the graph is known, a table is learned by counting: the share of each state among the samples with these
        parents, with {config.pseudo_count:g} added to each count. With d free numbers and n samples the
        learned network ends up about this far from the true one, for large n:
            KL(true || learned) = sum_x p(x) log( p(x) / q(x) )  ->  d / (2 n),    d = {free}
        A number that is 0 or 1 in truth costs nothing to learn, and rows that seldom occur are learned late.""")
    teacher.table(f"Mean of {draws} draws", rows)
    teacher.ask(
        f"How many samples bring the learned network to {ERROR} nats from the true one?",
        f"About d / (2 KL) = {free / (2 * ERROR):,.0f}, for d = {free} free numbers; with {config.samples} it was "
        f"{list(rows.values())[-1]['KL in nats']:.2g} nats.",
    )


def teach_a_real_table(teacher, config):
    """Fisher's irises: the graph is learned too."""
    import numpy as np
    from sklearn import datasets

    from zoo.probability import bayesian_network as networks

    irises = datasets.load_iris()
    names = [name.removesuffix(" (cm)").replace(" ", "_") for name in irises.feature_names]
    data = {"species": irises.target}
    for name, column in zip(names, irises.data.T, strict=True):
        data[name] = np.digitize(column, np.quantile(column, (1 / 3, 2 / 3)))
    states = dict.fromkeys(data, ("low", "middle", "high")) | {"species": tuple(map(str, irises.target_names))}
    graphs = {
        "no arrows": lambda _: {name: () for name in data},
        "naive Bayes": lambda _: {name: () if name == "species" else ("species",) for name in data},
        "tree of Chow and Liu": lambda rows: networks.learn_tree(states, rows, "species"),
    }
    folds = np.random.default_rng(config.seed).permutation(len(irises.target)) % FOLDS
    table = {}
    for title, graph in graphs.items():
        found = {"species right": [], "from the sepals alone": [], "log p of a flower": []}
        for fold in range(FOLDS):
            rows = {name: values[folds != fold] for name, values in data.items()}
            network = networks.learn(graph(rows), states, rows, config.pseudo_count)
            for flower in np.flatnonzero(folds == fold):
                seen = {name: states[name][data[name][flower]] for name in names}
                posterior, chance, _ = networks.eliminate(network, "species", seen)
                sepals = {name: seen[name] for name in names if name.startswith("sepal")}
                guess = networks.eliminate(network, "species", sepals)[0].argmax()
                truth = irises.target[flower]
                values = (posterior.argmax() == truth, guess == truth, np.log(posterior[truth] * chance))
                for name, value in zip(found, values, strict=True):
                    found[name].append(float(value))
        means = {name: float(np.mean(values)) for name, values in found.items()}
        table[title] = {"free numbers": networks.parameters(network), **means}
    teacher.section("Graph and tables from data: Fisher's irises")
    teacher.say(f"""
        {len(irises.target)} flowers of three species, each measure called low, middle or high by thirds. Of all trees
        the one that makes the data most likely has the largest sum of information along its edges (Chow and Liu):
            tree = argmax sum_edges I(a; b)
        A measure that is missing is summed over, like all that is not known. Each flower is judged by a network that
        was learned from the other {FOLDS - 1} of {FOLDS} parts.""")
    teacher.table("Held-out flowers", table)
    network = networks.learn(networks.learn_tree(states, data, "species"), states, data, config.pseudo_count)
    with teacher.figure("irises", size=(6.5, 5)) as axes:
        draw_graph(axes[0, 0], network, "the tree of Chow and Liu, learned from 150 irises")
