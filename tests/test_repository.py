"""The rules that keep the repository one thing: who imports whom, what belongs together, what is exported."""

import ast
import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from edge import cards, runtime

ROOT = Path(__file__).resolve().parent.parent
NOT_FAMILIES = ("datasets", "evaluators")
NO_MODELS = ("zoo/gans/adversarial.py", "zoo/autoencoders/priors.py")  # in a family's folder, but no model
BASES = {"TrainedModel", "AdversarialModel"}  # what models may subclass; they have neither network nor train step
MAX_LINES = 400
MODEL_BYTES = 6_000_000
LARGE_MODELS = {"gan": 14_000_000}  # recipe -> bytes: only the dense GAN has 1.5 M weights
ALL_BYTES = 100_000_000
TRACKED = ("fp32", "dynamic")

MODEL_LIBRARIES = {"numpy", "tensorflow", "keras", "tensorflow_probability"}
MODEL_TOOLS = {"zoo.training", "zoo.layers", "zoo.noise", "zoo.gans.adversarial"}
EDGE_LIBRARIES = {"numpy", "ai_edge_litert", "PIL", "edge"}
SEE_WHAT_A_DEVICE_RUNS = {"zoo/callbacks.py", "zoo/export.py"}  # they draw and score as a device does


# --- reading the source -----------------------------------------------------------------------


def relative(path):
    return path.relative_to(ROOT).as_posix()


def python_files(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


MODELS = [
    path
    for path in python_files("zoo")
    if len(path.relative_to(ROOT).parts) == 3
    and path.parent.name not in NOT_FAMILIES
    and path.name != "__init__.py"
    and relative(path) not in NO_MODELS
]
MODEL_MODULES = {relative(path).removesuffix(".py").replace("/", ".") for path in MODELS}
TOOLS = [path for path in python_files("zoo") if path not in MODELS and path.name != "__init__.py"]
RECIPES = [path for path in python_files("recipes") if path.stem not in ("__init__", "__main__", "runner")]


def is_module(name):
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports(path):
    """Everything that a file imports, anywhere in it: (module, name or None), submodules spelled out."""
    found = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found |= {(alias.name, None) for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)} line {node.lineno}: write imports in full"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                ours = node.module.split(".")[0] in ("zoo", "recipes", "edge")
                found.add((submodule, None) if ours and is_module(submodule) else (node.module, alias.name))
    return found


def top(module):
    return module.split(".")[0]


def is_standard(module):
    return top(module) in sys.stdlib_module_names


def classes(path):
    return [node for node in ast.walk(parse(path)) if isinstance(node, ast.ClassDef)]


def base_names(node):
    return {ast.unparse(base).split(".")[-1] for base in node.bases}


def keras_classes():
    """(path, class) of every class in zoo/ that is a Keras model or layer, by its bases or those of its bases."""
    everything = [(path, node) for path in python_files("zoo") for node in classes(path)]
    known = {"Model", "Layer"}
    while True:
        more = {node.name for _, node in everything if base_names(node) & known} - known
        if not more:
            return [(path, node) for path, node in everything if base_names(node) & known]
        known |= more


def ids(paths):
    return [relative(path) for path in paths]


# --- who may import whom ----------------------------------------------------------------------


@pytest.mark.parametrize("path", MODELS, ids=ids(MODELS))
def test_a_model_imports_libraries_plumbing_and_network_functions(path):
    for module, name in imports(path):
        if is_standard(module) or top(module) in MODEL_LIBRARIES or module in MODEL_TOOLS:
            continue
        network_function = name is not None and (name.startswith("make_") or name == "start_size")
        assert module in MODEL_MODULES and network_function, f"{relative(path)} must not import {module} ({name})"


@pytest.mark.parametrize("path", TOOLS, ids=ids(TOOLS))
def test_a_tool_imports_no_model(path):
    for module, name in imports(path):
        assert module not in MODEL_MODULES, f"{relative(path)} imports the model {module}"
        assert top(module) != "recipes", f"{relative(path)} imports {module}"
        if top(module) == "edge":
            allowed = module in ("edge.runtime", "edge.drawing") and relative(path) in SEE_WHAT_A_DEVICE_RUNS
            assert allowed, f"{relative(path)} imports {module} ({name})"


@pytest.mark.parametrize("path", RECIPES, ids=ids(RECIPES))
def test_a_recipe_imports_no_other_recipe(path):
    for module, _ in imports(path):
        assert top(module) != "edge", f"{relative(path)} imports {module}"
        if top(module) == "recipes":
            assert module == "recipes.runner", f"{relative(path)} imports {module}"


@pytest.mark.parametrize("path", python_files("edge"), ids=ids(python_files("edge")))
def test_edge_stands_alone(path):
    for module, _ in imports(path):
        assert is_standard(module) or top(module) in EDGE_LIBRARIES, f"{relative(path)} imports {module}"


@pytest.mark.parametrize("path", sorted((ROOT / "zoo").rglob("__init__.py")), ids=relative)
def test_packages_of_the_zoo_import_nothing(path):
    assert imports(path) == set()
    assert [type(node) for node in parse(path).body] == [ast.Expr]  # its docstring


def test_the_rules_see_every_kind_of_import(tmp_path, monkeypatch):
    """The reader of imports itself: nested ones, aliases, submodules, names."""
    source = tmp_path / "sample.py"
    source.write_text(
        "import os.path\n"
        "from zoo import noise as n, training\n"
        "from zoo.gans.dcgan import DCGAN\n"
        "def late():\n"
        "    from recipes import vae\n"
        "    import tensorflow as tf\n"
    )
    assert imports(source) == {
        ("os.path", None),
        ("zoo.noise", None),
        ("zoo.training", None),
        ("zoo.gans.dcgan", "DCGAN"),
        ("recipes.vae", None),
        ("tensorflow", None),
    }
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    source.write_text("from . import sibling\n")
    with pytest.raises(AssertionError, match="write imports in full"):
        imports(source)


# --- what belongs together --------------------------------------------------------------------


def test_there_are_models():
    assert {"zoo.gans.dcgan", "zoo.autoencoders.vae"} <= MODEL_MODULES
    assert {"dcgan", "vae", "classifier"} <= {path.stem for path in RECIPES}


@pytest.mark.parametrize("path", MODELS, ids=ids(MODELS))
def test_a_model_has_a_recipe_a_test_and_a_row(path):
    assert (ROOT / "recipes" / path.name).is_file(), f"recipes/{path.name} is missing"
    assert (ROOT / "tests" / f"test_{path.name}").is_file(), f"tests/test_{path.name} is missing"
    rows = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert any(relative(path) in row for row in rows), f"README.md has no table row with {relative(path)}"


@pytest.mark.parametrize("path", RECIPES, ids=ids(RECIPES))
def test_a_recipe_has_a_model_or_says_that_it_is_a_walkthrough(path):
    kinds = [
        ast.literal_eval(node.value)
        for node in parse(path).body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["KIND"]
    ]
    assert kinds in ([], ["walkthrough"])
    has_model = path.stem in {model.stem for model in MODELS}
    assert has_model != (kinds == ["walkthrough"]), f"{relative(path)}: a model of its name, or KIND = 'walkthrough'"


def test_registered_names_are_unique():
    names = [
        node.name
        for path in python_files("zoo", "recipes")
        for node in classes(path)
        if any("register_keras_serializable" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]
    assert "DCGAN" in names
    assert len(names) == len(set(names)), sorted(names)


def test_keras_classes_can_be_saved_and_are_final():
    found = keras_classes()
    assert {"DCGAN", "VAE"} | BASES <= {node.name for _, node in found}
    concrete = {node.name for _, node in found} - BASES
    for path, node in found:
        inherited = base_names(node) & concrete
        assert not inherited, f"{relative(path)}: {node.name} subclasses the model {inherited}"
        if node.name in BASES:
            continue
        where = f"{relative(path)}: {node.name}"
        decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
        assert "register_keras_serializable('zoo')" in decorators, f"{where} is not registered"
        methods = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
        if "__init__" not in methods:
            continue  # nothing that could be lost
        assert "get_config" in methods, f"{where} has no get_config"
        arguments = methods["__init__"].args
        wanted = {argument.arg for argument in arguments.args + arguments.kwonlyargs} - {"self"}
        saved = {item.value for item in ast.walk(methods["get_config"]) if isinstance(item, ast.Constant)}
        assert wanted <= saved, f"{where}.get_config lacks {wanted - saved}"


def test_training_logic_stands_in_models_only():
    for path, node in keras_classes():
        if node.name in BASES:
            methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            assert "train_step" not in methods, f"{relative(path)}: {node.name} has a train_step"


# --- style that no linter knows ---------------------------------------------------------------


@pytest.mark.parametrize("path", python_files("zoo", "recipes", "edge", "benchmarks", "tests"), ids=relative)
def test_a_file_holds_one_idea(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{relative(path)} has {lines} lines"
    assert path.stem != "utils"
    assert ast.get_docstring(parse(path)), f"{relative(path)} does not say what it is"


@pytest.mark.parametrize("path", python_files("zoo", "recipes", "edge", "benchmarks"), ids=relative)
def test_public_names_are_documented(path):
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

    def check(nodes, owner):
        for node in nodes:
            if isinstance(node, definitions) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{relative(path)}: {owner}{node.name} has no docstring"
                if isinstance(node, ast.ClassDef):
                    check(node.body, f"{node.name}.")

    check(parse(path).body, "")


def test_there_is_no_yaml_but_hidden_files():
    found = [
        path
        for suffix in ("yaml", "yml")
        for folder in ("zoo", "recipes", "edge", "tests", "exported", "benchmarks", "course")
        for path in (ROOT / folder).rglob(f"*.{suffix}")
    ]
    found += [path for path in ROOT.iterdir() if path.suffix in (".yaml", ".yml") and not path.name.startswith(".")]
    assert found == []


# --- what is exported -------------------------------------------------------------------------

EXPORTS = sorted((ROOT / "exported").glob("*/card.json"))


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def size(path):
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )


def bytes_in_git(folder):
    """Size of what git holds of an export: card, pictures, SavedModel and the tracked precisions."""
    files = read_json(folder / "card.json")["files"].values()
    names = [entry["file"] for entry in files if entry.get("tracked")]
    return sum(size(folder / name) for name in ("card.json", "samples.png", "saved_model", *names))


def test_index_lists_every_export():
    folders = sorted(path.name for path in (ROOT / "exported").glob("*") if path.is_dir())
    assert folders == [path.parent.name for path in EXPORTS]  # no folder without a card
    index = ROOT / "exported" / "index.json"
    if not EXPORTS and not index.exists():
        return  # nothing has been published yet
    assert read_json(index) == {
        "schema": 1,
        "models": [
            {"name": card["name"], "title": card["title"], "card": f"{card['name']}/card.json"}
            for card in (read_json(path) for path in EXPORTS)
        ],
    }


@pytest.mark.parametrize("path", EXPORTS, ids=[path.parent.name for path in EXPORTS])
def test_an_export_is_what_its_card_says(path):
    folder = path.parent
    card = cards.read_card(folder)
    assert card["name"] == folder.name
    assert not card["name"].endswith("_digits")
    assert (ROOT / "recipes" / f"{card['recipe']}.py").is_file()
    assert (folder / "samples.png").is_file() and (folder / "saved_model" / "saved_model.pb").is_file()
    named = {entry["file"] for entry in card["files"].values() if "file" in entry}
    assert {file.name for file in folder.glob("*.tflite")} <= named  # nothing that the card does not know
    for precision, entry in card["files"].items():
        if "file" not in entry:
            assert entry["not_shipped"] and precision != "fp32"
            continue
        assert entry["tracked"] == (precision in TRACKED)
        file = folder / entry["file"]
        assert file.exists() or not entry["tracked"], f"{file} is missing"
        if file.exists():
            assert (file.stat().st_size, sha256(file)) == (entry["bytes"], entry["sha256"])
        quality, whole = entry["quality"], card["files"]["fp32"]["quality"]
        if "psnr" in quality:  # of a model from picture to picture
            assert quality["psnr"] >= whole["psnr"] - 0.3
            if "trivial" in card:
                assert quality["psnr"] > max(other["psnr"] for other in card["trivial"].values()) + 0.6
        else:
            assert quality["fid"] <= 1.10 * whole["fid"]  # false for NaN
    if card["evaluator"]:
        evaluator = ROOT / "zoo" / "evaluators" / f"{card['evaluator']['dataset']}.keras"
        assert card["evaluator"]["sha256"] == sha256(evaluator), "it was scored with another evaluator"
    else:
        assert card["dataset"]["name"] == "photographs", "there is an evaluator for every data set with labels"
    assert bytes_in_git(folder) <= LARGE_MODELS.get(card["recipe"], MODEL_BYTES)


@pytest.mark.parametrize("path", EXPORTS, ids=[path.parent.name for path in EXPORTS])
@pytest.mark.parametrize("precision", TRACKED)
def test_an_export_runs(path, precision):
    card = read_json(path)
    if "not_shipped" in card["files"][precision]:
        with pytest.raises(ValueError, match="is not shipped as"):
            runtime.load(path.parent, precision)
        return
    model = runtime.load(path.parent, precision)
    if model.main == "translate":
        source = model.signature("translate").inputs["image"].shape
        black, white = (np.full((9, *source[1:]), value, np.float32) for value in (-1, 1))
        pictures = model.translate(np.concatenate([black, white]))
    else:
        pictures = model.pictures(first_seed=3, count=18)
    (shape,) = [value["shape"] for value in card["signatures"][model.main]["outputs"]]
    assert pictures.shape == (18, *shape[1:])
    assert np.isfinite(pictures).all() and np.abs(pictures).max() <= 1.0
    assert np.ptp(pictures, axis=0).max() > 0.5  # the seeds, or the sources, differ


def test_exports_are_small():
    assert sum(bytes_in_git(path.parent) for path in EXPORTS) <= ALL_BYTES


EVALUATORS = sorted((ROOT / "zoo" / "evaluators").glob("*.keras"))


def test_evaluators_and_cards_go_together():
    assert "digits" in {path.stem for path in EVALUATORS}
    assert {path.stem for path in EVALUATORS} == {path.stem for path in (ROOT / "zoo" / "evaluators").glob("*.json")}


@pytest.mark.parametrize("path", EVALUATORS, ids=[path.stem for path in EVALUATORS])
def test_an_evaluator_is_what_its_card_says(path):
    card = read_json(path.with_suffix(".json"))
    assert card["dataset"] == path.stem
    assert (path.stat().st_size, sha256(path)) == (card["bytes"], card["sha256"])
    assert path.stat().st_size < 2_000_000
    assert card["test_accuracy"] > 0.85
    assert re.fullmatch(r"[0-9a-f]{64}", card["sha256"]) and card["floor"]["fid"] > 0
