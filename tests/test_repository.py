"""The rules that keep the repository one thing: who imports whom, and what belongs together."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_FAMILIES = ("datasets", "evaluators")
# In a family's folder, but no model.
NO_MODELS = (
    "zoo/gans/adversarial.py",
    "zoo/autoencoders/priors.py",
    "zoo/probability/fitting.py",
    "zoo/probability/limits.py",
    "zoo/autoencoders/latent_space.py",
    "zoo/autoencoders/disentanglement.py",
)
BASES = {"TrainedModel", "AdversarialModel"}  # what models may subclass; they have neither network nor train step
PLUMBING = ("__init__", "__main__", "runner", "lesson")  # in recipes/, but no recipe
MAX_LINES = 400

MODEL_LIBRARIES = {"numpy", "tensorflow", "keras", "tensorflow_probability"}
MODEL_TOOLS = {"zoo.training", "zoo.layers", "zoo.noise", "zoo.gans.adversarial"}
EDGE_LIBRARIES = {"numpy", "ai_edge_litert", "PIL", "edge"}
SEE_WHAT_A_DEVICE_RUNS = {  # they draw, read pictures and cards, score and interpolate as a device does
    "zoo/callbacks.py",
    "zoo/export.py",
    "zoo/autoencoders/latent_space.py",
    "zoo/datasets/images.py",
}
OF_DEVICES = ("edge.runtime", "edge.drawing", "edge.ladder_plot", "edge.cards", "edge.fields", "edge.command")


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
RECIPES = [path for path in python_files("recipes") if path.stem not in PLUMBING]


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
        network_function = name is not None and name.startswith("make_")
        assert module in MODEL_MODULES and network_function, f"{relative(path)} must not import {module} ({name})"


@pytest.mark.parametrize("path", TOOLS, ids=ids(TOOLS))
def test_a_tool_imports_no_model(path):
    for module, name in imports(path):
        assert module not in MODEL_MODULES, f"{relative(path)} imports the model {module}"
        assert top(module) != "recipes", f"{relative(path)} imports {module}"
        if top(module) == "edge":
            allowed = module in OF_DEVICES and relative(path) in SEE_WHAT_A_DEVICE_RUNS
            assert allowed, f"{relative(path)} imports {module} ({name})"


@pytest.mark.parametrize("path", RECIPES, ids=ids(RECIPES))
def test_a_recipe_imports_no_other_recipe(path):
    for module, _ in imports(path):
        assert top(module) != "edge", f"{relative(path)} imports {module}"
        if top(module) == "recipes":
            assert module in ("recipes.runner", "recipes.lesson"), f"{relative(path)} imports {module}"


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
def test_a_recipe_has_a_model_or_says_of_what_kind_it_is(path):
    kinds = [
        ast.literal_eval(node.value)
        for node in parse(path).body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["KIND"]
    ]
    assert kinds in ([], ["walkthrough"], ["lesson"])
    families = {model.stem: model.parent.name for model in MODELS}
    if kinds == ["lesson"] or families.get(path.stem) == "probability":
        assert kinds == ["lesson"] and families.get(path.stem, "probability") == "probability"
    else:
        has_model = path.stem in families
        assert has_model != (kinds == ["walkthrough"]), f"{relative(path)}: a model of its name, or its KIND"


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
