"""Graphs that the web page refuses before LiteRT.js sees them: by Python's list, and damaged files as well."""

import base64
import hashlib
import json

import fuzzing
import numpy as np
import pytest
from ai_edge_litert.tools import flatbuffer_utils

from edge import cards, graph, operations

pytest_plugins = ["web_browser"]

SMALL = cards.EXPORTED / "naive_bayes_mnist" / "naive_bayes_mnist_dynamic.tflite"
CHECK = """async files => {
    const { checkGraph } = await import(new URL("app/graph.js", location.href));
    return files.map((text) => {
        try {
            checkGraph(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)), "odd.tflite");
            return "";
        } catch (error) {
            return error.constructor === Error ? error.message : `uncaught ${error}`;
        }
    });
}"""


def said_of(visitor, files):
    """What the page says of each file: a sentence, or nothing."""
    visitor.open()
    return visitor.run(CHECK, [base64.b64encode(data).decode() for data in files])


def python_refuses(path, data):
    path.write_bytes(data)
    try:
        graph.check(path)
    except ValueError:
        return True
    return False


def edited(path, edit):
    model = flatbuffer_utils.read_model(str(SMALL))
    edit(model)
    flatbuffer_utils.write_model(model, str(path))
    return path.read_bytes()


def use_operation(number, deprecated=127):
    def edit(model):
        model.operatorCodes[-1].builtinCode = number
        model.operatorCodes[-1].deprecatedBuiltinCode = deprecated

    return edit


def use_custom(model):
    use_operation(32, 32)(model)
    model.operatorCodes[-1].customCode = b"FlexSomething"


def use_shape(*shape):
    def edit(model):
        model.subgraphs[-1].tensors[-1].shape = np.array(shape, np.int32)

    return edit


def use_distant_weights(model):
    model.buffers[1].offset = 2**40
    model.buffers[1].size = 8


def use_many_graphs(model):
    model.subgraphs += model.subgraphs[:1] * operations.MAX_GRAPHS


FOREIGN = "it has operations that no model of this zoo is made of:"
GRAPHS = {
    "variables": (use_operation(142), f"{FOREIGN} number 142."),
    "old number": (use_operation(0, 16), f"{FOREIGN} number 16."),
    "custom": (use_custom, f"{FOREIGN} CUSTOM."),
    "huge": (use_shape(2**14, 2**14), "a tensor has 268,435,456 numbers, all up to there "),
    "deep": (use_shape(*[1] * 9), "a tensor has 9 axes, there may be 8."),
    "dynamic": (use_shape(-1, 4), "a tensor has -1 entries along an axis."),
    "distant": (use_distant_weights, "its weights are not in the file itself."),
    "many": (use_many_graphs, f" graphs, there may be 1 to {operations.MAX_GRAPHS}."),
}


def test_numbers_are_those_of_the_schema():
    assert {graph.NAMES[number]: number for number in operations.NUMBERS.values()} == operations.NUMBERS


def test_every_exported_file_passes(lasting):
    lasting.open()
    code = """async () => {
        const { checkGraph } = await import(new URL("app/graph.js", location.href));
        const paths = await (await fetch("offered.json")).json();
        for (const path of paths) checkGraph(new Uint8Array(await (await fetch(path)).arrayBuffer()), path);
        return paths.length;
    }"""
    assert lasting.run(code) == len(list(cards.EXPORTED.glob("*/*.tflite"))) > 0


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_that_are_no_plain_computation(name, lasting, tmp_path):
    edit, reason = GRAPHS[name]
    data = edited(tmp_path / "odd.tflite", edit)
    (said,) = said_of(lasting, [data])
    assert said.startswith("odd.tflite is refused: ") and reason in said
    assert python_refuses(tmp_path / "odd.tflite", data)


def test_limits_are_reached_not_passed(lasting, tmp_path):
    for shape in ((operations.MAX_TENSOR,), (1,) * operations.MAX_RANK):
        data = edited(tmp_path / "odd.tflite", use_shape(*shape))
        assert said_of(lasting, [data]) == [""]
        assert not python_refuses(tmp_path / "odd.tflite", data)


def test_files_that_are_cut_off(lasting):
    data = SMALL.read_bytes()
    lengths = [*range(0, 64), *range(64, len(data), 97)]
    sentences = said_of(lasting, [data[:length] for length in lengths])
    for length, said in zip(lengths, sentences, strict=True):
        reason = "it is no TFLite file" if length < 8 else "its tables lead nowhere"
        assert said == f"LiteRT cannot open odd.tflite, it is damaged: {reason}.", length


def test_weights_that_reach_beyond_the_file(lasting):
    data = SMALL.read_bytes()
    buffers = flatbuffer_utils.read_model(str(SMALL)).buffers
    weights = max((bytes(buffer.data) for buffer in buffers if buffer.data is not None), key=len)
    start = data.index(weights) - 4  # their length
    longer = data[:start] + len(data).to_bytes(4, "little") + data[start + 4 :]
    assert said_of(lasting, [longer]) == ["LiteRT cannot open odd.tflite, it is damaged: its tables lead nowhere."]


def flipped(data, random):
    data = bytearray(data)
    data[random.integers(len(data))] ^= 1 << int(random.integers(8))
    return bytes(data)


@pytest.mark.parametrize(("damage", "count"), [(flipped, 50), (fuzzing.damaged, 300)], ids=["flipped", "damaged"])
def test_damaged_files_get_a_sentence_wherever_python_has_one(damage, count, lasting, tmp_path):
    random = np.random.default_rng(count)
    files = [damage(SMALL.read_bytes(), random) for _ in range(count)]
    sentences = said_of(lasting, files)
    for data, said in zip(files, sentences, strict=True):
        assert said == "" or said.startswith(("LiteRT cannot open odd.tflite, ", "odd.tflite is refused: ")), said
        assert said or not python_refuses(tmp_path / "odd.tflite", data)
    assert 0.1 * count < sum(said == "" for said in sentences)


NO_LITERT = """
    export const loadLiteRt = async () => {};
    export const loadAndCompile = async () => { throw new Error("it was given the file"); };
    export class Tensor {}
"""


def test_the_studio_shows_the_sentence_and_litert_never_gets_the_file(visit, tmp_path):
    data = edited(tmp_path / "odd.tflite", use_custom)
    card = json.loads((SMALL.parent / "card.json").read_text())
    card["files"] = {"fp32": {"file": "odd.tflite", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}}
    visitor = visit(service_workers="block")
    visitor.context.route("**/naive_bayes_mnist/card.json", lambda route: route.fulfill(body=json.dumps(card)))
    listed = '["exported/naive_bayes_mnist/odd.tflite"]'
    visitor.context.route("**/offered.json", lambda route: route.fulfill(body=listed))
    visitor.context.route("**/odd.tflite", lambda route: route.fulfill(body=data))
    library = {"body": NO_LITERT, "content_type": "text/javascript"}
    visitor.context.route("**/lib/litert.js", lambda route: route.fulfill(**library))
    visitor.studio("naive_bayes_mnist")
    assert visitor.error == f"odd.tflite is refused: {FOREIGN} CUSTOM."
    data = edited(tmp_path / "odd.tflite", lambda model: None)
    card["files"]["fp32"].update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    visitor.studio("naive_bayes_mnist")
    assert visitor.error == "LiteRT cannot open odd.tflite: it was given the file."
    assert visitor.errors == []
