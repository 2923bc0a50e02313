"""Bayesian networks: against sums by hand, all assignments, the definition of d-separation, and their own errors."""

import itertools
import json

import numpy as np
import pytest
from command import only_run, run

from recipes import bayesian_network as recipe
from zoo.probability import bayesian_network as networks

EVIDENCE = {"wet_grass": "yes"}
AB = ("n", "y")


@pytest.fixture(scope="module")
def sprinkler():
    return networks.make_network({name: tuple(node.values()) for name, node in recipe.SPRINKLER.items()})


@pytest.fixture(scope="module")
def grown():
    """Seven variables of two to four states with random tables: a -> b -> d <- c <- a, d -> e, f alone, d, f -> g."""
    random = np.random.default_rng(7)
    graph = {"g": "df", "d": "bc", "e": "d", "b": "a", "c": "a", "a": "", "f": ""}  # not in order
    sizes = dict(zip("abcdefg", (2, 3, 2, 4, 2, 3, 2), strict=True))

    def node(name):
        rows = random.dirichlet(np.ones(sizes[name]), [sizes[parent] for parent in graph[name]])
        return networks.Node([f"{name}{k}" for k in range(sizes[name])], tuple(graph[name]), rows)

    return networks.make_network({name: node(name) for name in graph})


# --- exact ------------------------------------------------------------------------------------


def test_the_sprinkler_by_hand(sprinkler):
    """p(r, w) and p(w), added up on paper over clouds and sprinkler."""
    rain_wet = 0.5 * (0.2 * (0.5 * 0.9 + 0.5 * 0.99)) + 0.5 * (0.8 * (0.9 * 0.9 + 0.1 * 0.99))
    dry_wet = 0.5 * (0.8 * 0.5 * 0.9) + 0.5 * (0.2 * 0.1 * 0.9)
    by_hand = np.array([dry_wet, rain_wet]) / (dry_wet + rain_wet)
    for posterior, chance, *_ in (
        networks.enumerate_posterior(sprinkler, "rain", EVIDENCE),
        networks.eliminate(sprinkler, "rain", EVIDENCE),
    ):
        np.testing.assert_allclose(posterior, by_hand, atol=1e-12)
        assert chance == pytest.approx(dry_wet + rain_wet, abs=1e-12)
    assert networks.eliminate(sprinkler, "rain", EVIDENCE)[2] == 8  # clouds, sprinkler and rain, when one goes


def test_the_joint_table_is_the_product_of_the_tables(grown):
    table = networks.joint_table(grown)
    names = list(grown)
    assert names.index("a") < names.index("b") < names.index("d") < names.index("g")
    for values in ((0, 0, 0, 0, 0, 0, 0), (1, 2, 1, 3, 1, 2, 1), (0, 1, 1, 2, 0, 2, 1)):
        place = dict(zip("abcdefg", values, strict=True))
        product = np.prod(
            [grown[name].table[tuple(place[each] for each in (*grown[name].parents, name))] for name in grown]
        )
        assert table[tuple(place[name] for name in names)] == pytest.approx(product, rel=1e-12)
    assert table.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("given", [(), ("e",), ("g",), ("e", "g"), ("f", "g", "c"), ("a", "e")])
def test_elimination_is_enumeration(grown, given):
    evidence = {name: grown[name].states[-1] for name in given}
    for query in set(grown) - set(given):
        one, chance_one = networks.enumerate_posterior(grown, query, evidence)
        other, chance_other, largest = networks.eliminate(grown, query, evidence)
        np.testing.assert_allclose(one, other, atol=1e-12)
        assert chance_one == pytest.approx(chance_other, abs=1e-12) and one.sum() == pytest.approx(1)
        assert largest < networks.joint_table(grown).size / 4


def test_elimination_of_a_chain_makes_no_large_table():
    """Sixty variables have 2^60 assignments; a chain is eliminated by tables of four."""
    turn = np.array([[0.9, 0.1], [0.2, 0.8]])
    nodes = {"x0": networks.Node(("a", "b"), (), [1.0, 0.0])}
    nodes |= {f"x{i}": networks.Node(("a", "b"), (f"x{i - 1}",), turn) for i in range(1, 60)}
    chain = networks.make_network(nodes)
    posterior, _, largest = networks.eliminate(chain, "x59", {})
    np.testing.assert_allclose(posterior, np.linalg.matrix_power(turn, 59)[0], atol=1e-12)
    assert largest == 4
    with pytest.raises(ValueError, match="may have 1048576 entries, this network needs"):
        networks.enumerate_posterior(chain, "x59", {})


# --- by sampling ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["reject", "weigh", "walk"])
@pytest.mark.parametrize("query", ["rain", "cloudy"])
def test_sampling_is_right_within_its_error(sprinkler, method, query):
    exact, _ = networks.enumerate_posterior(sprinkler, query, EVIDENCE)
    size = {"reject": (20_000,), "weigh": (20_000,), "walk": (50, 1500)}[method]
    estimate = getattr(networks, method)(sprinkler, query, EVIDENCE, *size, seed=3)
    assert estimate.mean.sum() == pytest.approx(1)
    assert 0.0005 < estimate.error.max() < 0.02
    assert np.abs(estimate.mean - exact).max() < 4 * estimate.error.max()


def test_chains_visit_variables_of_many_states(grown):
    evidence = {"g": "g1", "b": "b2"}
    exact, _ = networks.enumerate_posterior(grown, "d", evidence)
    estimate = networks.walk(grown, "d", evidence, 50, 1500, seed=4)
    assert len(exact) == 4 and estimate.error.max() < 0.03
    assert np.abs(estimate.mean - exact).max() < 4 * estimate.error.max()


@pytest.mark.parametrize("method", ["reject", "weigh", "walk"])
def test_the_errors_that_are_claimed_are_those_that_are_made(sprinkler, method):
    exact, _ = networks.enumerate_posterior(sprinkler, "rain", EVIDENCE)
    size, repeats = {"reject": ((500,), 40), "weigh": ((500,), 40), "walk": ((20, 200), 8)}[method]
    many = [getattr(networks, method)(sprinkler, "rain", EVIDENCE, *size, seed) for seed in range(repeats)]
    made = np.sqrt(np.mean([(each.mean[1] - exact[1]) ** 2 for each in many]))
    claimed = np.sqrt(np.mean([each.error[1] ** 2 for each in many]))
    assert 0.5 < made / claimed < 1.7


def test_weights_are_the_probabilities_of_the_evidence(sprinkler):
    drawn, weights = networks.weighted_samples(sprinkler, {"wet_grass": 1, "cloudy": 0}, 400, seed=1)
    assert set(drawn["wet_grass"]) == {1} and set(drawn["cloudy"]) == {0} and len(set(drawn["rain"])) == 2
    wet = sprinkler["wet_grass"].table[drawn["sprinkler"], drawn["rain"], 1]
    np.testing.assert_allclose(weights, 0.5 * wet, rtol=1e-6)


def test_what_samples_are_worth(sprinkler):
    _, weights = networks.weighted_samples(sprinkler, {"wet_grass": 1}, 3000, seed=6)
    weighed = networks.weigh(sprinkler, "rain", EVIDENCE, 3000, seed=6)
    assert weighed.samples == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert 1500 < weighed.samples < 2900
    walked = networks.walk(sprinkler, "rain", EVIDENCE, 20, 100, seed=6)
    assert walked.samples == pytest.approx(np.min(walked.mean * (1 - walked.mean) / walked.error**2))


def test_chains_that_cannot_move_stand_where_the_evidence_puts_them():
    """b copies a, so that no single change is possible: the starts alone are what the estimate has."""
    alarm = networks.Node(AB, ("b",), [[0.9, 0.1], [0.1, 0.9]])
    copy = networks.Node(AB, ("a",), np.eye(2))
    network = networks.make_network({"a": (AB, (), [0.5, 0.5]), "b": copy, "c": alarm})
    estimate = networks.walk(network, "a", {"c": "y"}, 400, 2, seed=1)
    assert estimate.error[1] == pytest.approx(np.sqrt(0.09 / 400), rel=0.3)
    assert abs(estimate.mean[1] - 0.9) < 4 * estimate.error[1]


def test_kept_samples_are_as_many_as_the_evidence_is_probable(sprinkler):
    _, chance = networks.enumerate_posterior(sprinkler, "rain", {"sprinkler": "yes", "cloudy": "yes"})
    assert chance == pytest.approx(0.05)
    kept = networks.reject(sprinkler, "rain", {"sprinkler": "yes", "cloudy": "yes"}, 20_000, 0).samples
    assert abs(kept - 1000) < 5 * np.sqrt(20_000 * 0.05 * 0.95)


# --- the graph --------------------------------------------------------------------------------


def blocked(network, path, given):
    """The definition: by a given chain or fork, or by a collider of which nothing below is given."""
    children = {name: [each for each in network if name in network[each].parents] for name in network}

    def below(name):
        return {name}.union(*(below(child) for child in children[name]))

    for before, name, after in zip(path, path[1:], path[2:], strict=False):
        if {before, after} <= set(network[name].parents):
            if not below(name) & set(given):
                return True
        elif name in given:
            return True
    return False


def paths(network, one, other, path=()):
    """Every way from one to the other along edges in either direction, no variable twice."""
    path = (*path, one)
    if one == other:
        yield path
        return
    for name in network:
        if name not in path and (name in network[one].parents or one in network[name].parents):
            yield from paths(network, name, other, path)


def test_d_separation_is_its_definition_and_means_independence(grown):
    """All pairs of seven variables given all sets of others: paths, and numbers."""
    separated = 0
    for one, other in itertools.combinations(grown, 2):
        rest = [name for name in grown if name not in (one, other)]
        for size in range(4):
            for given in itertools.combinations(rest, size):
                told = networks.d_separated(grown, one, other, given)
                assert told == networks.d_separated(grown, other, one, given)
                all_paths = list(paths(grown, one, other))
                open_paths = [path for path in all_paths if not blocked(grown, path, given)]
                assert told == (not open_paths), (one, other, given)
                separated += told
    assert separated > 50


@pytest.mark.parametrize(
    ("one", "other", "given"),
    [
        ("b", "c", ()),
        ("b", "c", ("a",)),
        ("b", "c", ("a", "e")),
        ("d", "f", ()),
        ("d", "f", ("g",)),
        ("a", "e", ("d",)),
    ],
)
def test_information_is_zero_exactly_where_the_graph_separates(grown, one, other, given):
    information = networks.conditional_information(grown, networks.joint_table(grown), one, other, given)
    assert (abs(information) < 1e-12) == networks.d_separated(grown, one, other, given)


def test_information_by_hand(sprinkler):
    """I(rain; cloudy) = H(rain) - H(rain | cloudy)."""
    by_hand = np.log(2) + 0.8 * np.log(0.8) + 0.2 * np.log(0.2)
    for pair in (("rain", "cloudy"), ("cloudy", "rain")):
        information = networks.conditional_information(sprinkler, networks.joint_table(sprinkler), *pair, ())
        assert information == pytest.approx(by_hand, abs=1e-12)


# --- learning ---------------------------------------------------------------------------------


def test_counts_by_hand():
    states = {"a": ("n", "y"), "b": ("u", "v", "w")}
    data = {"a": [0, 0, 1, 0], "b": [2, 1, 0, 2]}
    learnt = networks.learn({"b": ("a",), "a": ()}, states, data, 0.5)
    np.testing.assert_allclose(learnt["a"].table, [3.5 / 5, 1.5 / 5])
    np.testing.assert_allclose(
        learnt["b"].table, [[0.5 / 4.5, 1.5 / 4.5, 2.5 / 4.5], [1.5 / 2.5, 0.5 / 2.5, 0.5 / 2.5]]
    )
    with pytest.raises(ValueError, match="a combination of the parents of b never occurs"):
        networks.learn({"b": ("a",), "a": ()}, states, {"a": [0, 0], "b": [0, 1]}, 0)


def test_divergence_falls_as_the_number_of_parameters_over_twice_the_samples(sprinkler):
    """2 n KL has the mean of a chi-square with as many degrees of freedom as there are free parameters that matter."""
    truth = networks.joint_table(sprinkler)
    assert networks.divergence(np.array([0.5, 0.5, 0]), np.array([0.25, 0.5, 0.25])) == pytest.approx(0.5 * np.log(2))
    assert networks.parameters(sprinkler) == 1 + 2 + 2 + 4
    graph = {name: node.parents for name, node in sprinkler.items()}
    states = {name: node.states for name, node in sprinkler.items()}
    joint = networks.joint_distribution(sprinkler)
    found = []
    drawn = {name: values.numpy() for name, values in joint.sample(30 * 4000, seed=(0, 9)).items()}
    for data in ({name: values[i::30] for name, values in drawn.items()} for i in range(30)):
        learnt = networks.learn(graph, states, data, 1e-3)
        found.append(2 * 4000 * networks.divergence(truth, networks.joint_table(learnt)))
    assert 6 < np.mean(found) < 13  # 9 parameters, one of them 0 in the sprinkler's own table; rare rows cost more


def test_the_tree_is_found_again():
    """A tree of strong links: the mutual information of neighbours is the largest."""
    turn = [[0.9, 0.1], [0.15, 0.85]]
    edges = {"a": (), "b": ("a",), "c": ("a",), "d": ("c",), "e": ("c",)}
    two = ("n", "y")
    tree = networks.make_network({n: networks.Node(two, p, turn if p else [0.4, 0.6]) for n, p in edges.items()})
    data = {name: v.numpy() for name, v in networks.joint_distribution(tree).sample(3000, seed=(1, 2)).items()}
    assert networks.learn_tree(dict.fromkeys("dabec", two), data, "a") == edges
    upwards = networks.learn_tree(dict.fromkeys("abcde", two), data, "d")  # the same edges from another root
    assert {frozenset((n, *p)) for n, p in upwards.items() if p} == {frozenset((n, *p)) for n, p in edges.items() if p}


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ({}, "a network needs a variable"),
        (
            {"a": (AB, ("c",), [[1, 0]] * 2), "b": (AB, ("a",), [[1, 0]] * 2), "c": (AB, ("b",), [[1, 0]] * 2)},
            "no cycle",
        ),
        ({"a": (AB, ("a",), [[1, 0]] * 2)}, "the graph must have no cycle, got a -> a"),
        ({"a": (AB, (), [0.5, 0.6])}, r"the row of a must be 0 or more and sum to 1, got \[0.5, 0.6\]"),
        ({"a": (AB, (), [0.5, 0.5]), "b": (AB, ("a",), [[1, 0], [1.5, -0.5]])}, "the row of b for a=y must be"),
        ({"a": (AB, (), [np.nan, 1])}, "the row of a must be"),
        ({"a": (AB, (), [[1, 0]])}, r"the table of a must have the shape \(2,\), got \(1, 2\)"),
        ({"a": (AB, (), ["x", "y"])}, "the table of a must be of numbers"),
        ({"a": (AB, (), [10**400, 0])}, "the table of a must be of numbers"),
        ({"a": (AB, ("z",), [[1, 0]] * 2)}, "a has the parent 'z', but there are only a"),
        ({"a": (("y",), (), [1])}, "a must have two or more different states, got y"),
        ({"a": (("y", "y"), (), [1, 0])}, "two or more different states"),
        ({"a": (AB, (), [1, 0]), "b": (AB, ("a", "a"), [[1, 0]] * 2)}, "b must have each parent once, got a, a"),
        ({"a b": (AB, (), [1, 0])}, "must be of letters, digits and _, got 'a b'"),
    ],
)
def test_a_bad_network_is_one_sentence(nodes, sentence):
    with pytest.raises(ValueError, match=sentence):
        networks.make_network(nodes)


def test_the_cycle_is_named():
    nodes = {name: (AB, (parent,), [[1, 0]] * 2) for name, parent in zip("abcx", "cabc", strict=True)}
    with pytest.raises(ValueError, match=r"got (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)$"):
        networks.make_network(nodes)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--query", "snow"), "there is no variable 'snow': there are cloudy, sprinkler, rain, wet_grass"),
        (("--evidence", "snow=yes"), "there is no variable 'snow'"),
        (("--evidence", "wet_grass=damp"), "wet_grass must be one of no, yes, got 'damp'"),
        (("--evidence", "wet_grass"), "evidence is given as NAME=STATE, got 'wet_grass'"),
        (("--evidence", "rain=yes"), "rain cannot be asked for and be known"),
        (("--evidence", "sprinkler=no", "cloudy=no", "wet_grass=yes", "--samples", "10"), "--samples must be from 100"),
        (("--evidence", "sprinkler=no", "rain=no", "wet_grass=yes", "--query", "cloudy"), "has probability 0"),
        (("--pseudo-count", "0"), "--pseudo-count must be positive, got 0"),
        (("--network", "absent.json"), "absent.json"),
        (("--network", "cycle.json", "--query", "a"), "the graph must have no cycle, got a -> b -> a"),
        (("--network", "broken.json"), "broken.json is no network: "),
        (("--network", "list.json"), "list.json is no network: "),
        (("--network", "deep.json"), "deep.json is no network: "),
        (("--network", "one.json", "--query", "a"), "one.json is no network: it must be an object with two variables"),
        (("--evidence", "sprinkler=no", "sprinkler=yes"), "evidence must name each variable once, got sprinkler=no"),
        (("--samples", "1000000000"), "--samples must be from 100 to 1000000, got 1000000000"),
        (("--network", "half.json"), "half.json is no network: a needs states, parents and table"),
    ],
)
def test_bad_settings_are_one_sentence(tmp_path, words, sentence):
    node = {"states": AB, "table": [[1, 0], [0, 1]]}
    (tmp_path / "cycle.json").write_text(json.dumps({"a": {**node, "parents": ["b"]}, "b": {**node, "parents": ["a"]}}))
    (tmp_path / "broken.json").write_text('{"a": ')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "half.json").write_text(json.dumps({"a": node, "b": node}))
    (tmp_path / "one.json").write_text(json.dumps({"a": {"states": AB, "table": [1, 0], "parents": []}}))
    code, out, err = run(tmp_path, "bayesian_network", *words)
    assert code == 2 and out == "" and err.count("\n") == 1 and sentence in err
    assert not (tmp_path / "runs").exists()


# --- the lesson -------------------------------------------------------------------------------


def answers(out):
    return out.split("Answers, for these settings")[1]


def test_when_all_is_known_no_further_observation_is_named(tmp_path):
    known = ("--evidence", "wet_grass=yes", "rain=yes", "cloudy=yes", "--query", "sprinkler")
    code, out, err = run(tmp_path, "bayesian_network", "--preset", "smoke", *known)
    assert code == 0, err
    assert "1. None is left." in answers(out)


@pytest.mark.slow
def test_other_evidence_has_other_answers(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    smoke = ("bayesian_network", "--preset", "smoke")
    _, one, _ = run(tmp_path / "one", *smoke)
    code, two, err = run(tmp_path / "two", *smoke, "--evidence", "wet_grass=no", "--query", "cloudy")
    assert code == 0, err
    first, second = ([line for line in answers(each).splitlines() if line[:2] in ("1.", "2.")] for each in (one, two))
    assert all(a != b for a, b in zip(first, second, strict=True))
    assert "0.7079" in one  # p(rain | wet grass)


def test_ones_own_network(tmp_path):
    own = {
        "fault": {"states": ["none", "pump", "valve"], "parents": [], "table": [0.9, 0.06, 0.04]},
        "alarm": {"states": ["off", "on"], "parents": ["fault"], "table": [[0.99, 0.01], [0.2, 0.8], [0.4, 0.6]]},
    }
    (tmp_path / "plant.json").write_text(json.dumps(own))
    words = ("--preset", "smoke", "--network", "plant.json", "--query", "fault", "--evidence", "alarm=on")
    code, out, err = run(tmp_path, "bayesian_network", *words)
    assert code == 0, err
    assert f"{0.06 * 0.8 / (0.009 + 0.06 * 0.8 + 0.04 * 0.6):.4g}" in out
    assert (only_run(tmp_path) / "graph.png").exists()


def test_arrows_point_downwards_and_boxes_do_not_overlap(grown):
    spots = recipe.layout(grown)
    assert spots.keys() == grown.keys()
    for name, node in grown.items():
        assert all(spots[parent][1] > spots[name][1] for parent in node.parents)
    for one, other in itertools.combinations(spots.values(), 2):
        assert abs(one[0] - other[0]) >= 0.99 or abs(one[1] - other[1]) >= 0.99
