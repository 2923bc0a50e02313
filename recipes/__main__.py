"""The command line of the recipes: `python -m recipes [NAME [--preset P] [--resume FOLDER] [--setting value ...]]`."""

import ast
import dataclasses
import difflib
import importlib
import inspect
import json
import os
import pathlib
import sys
import traceback

from edge import command
from recipes import lesson, runner

HERE = pathlib.Path(__file__).parent
PROJECT = HERE.parent
PLUMBING = ("__init__", "__main__", "runner", "lesson")
TITLES = {None: "Models", "walkthrough": "Walk-throughs", "lesson": "Probability lessons"}  # by the KIND of a recipe


def main(argv):
    """Run a recipe from its command-line words; returns the exit code: 0, or 2 after one sentence on stderr."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's notices about CPU features and absent GPUs
    try:
        try:
            return _main(argv)
        finally:
            sys.stdout.flush()
    except runner.NotFirstHost as end:
        print(end)
        return 0
    except BrokenPipeError:  # the reader has seen enough, as with `| head`
        command.stop_printing()
        return 0
    except KeyboardInterrupt as interrupt:
        return _fail(str(interrupt) or "stopped")
    except (ValueError, FloatingPointError) as error:
        if not _is_ours(error):
            raise
        return _fail(str(error))
    except OSError as error:  # a full disk, a folder that may not be written
        code = _fail(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
        command.flush_or_stop()
        return code


def _main(argv):
    if not argv or argv[0] in ("-h", "--help"):
        print(_list())
        return 0
    name, *words = argv
    if name not in names():
        raise ValueError(f"there is no recipe {name!r}: {_nearest(name, names())}")
    recipe = importlib.import_module(f"recipes.{name}")

    import tyro

    preset, words = _take(words, "--preset")
    folder, words = _take(words, "--resume")
    if folder is not None and "resume" not in inspect.signature(recipe.run).parameters:
        raise ValueError(f"{name} cannot be resumed: start it again")
    if folder is not None:
        default = _resumed_config(recipe, name, pathlib.Path(folder), preset)
    else:
        preset = preset or next(iter(recipe.PRESETS))
        if preset not in recipe.PRESETS:
            raise ValueError(f"{name} has no preset {preset!r}: {_nearest(preset, recipe.PRESETS)}")
        default = recipe.PRESETS[preset]
    config = tyro.cli(
        recipe.Config,
        args=words,
        default=default,
        prog=f"python -m recipes {name}",
        description=_description(recipe, preset),
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    for seed in getattr(config, "seeds", ()):
        if not 0 <= seed <= lesson.LARGEST_SEED:
            raise ValueError(f"--seeds must be 0 to {lesson.LARGEST_SEED}, got {seed}")
    if getattr(recipe, "KIND", None) == "lesson":
        lesson.import_quietly()
    if folder is not None:
        recipe.run(config, resume=pathlib.Path(folder))
    else:
        recipe.run(config)
    return 0


def names():
    """The recipes there are: the files of this folder that have a Config."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in PLUMBING)


def _list():
    lines = ["Recipes (python -m recipes NAME --help shows the settings):"]
    sources = {name: ast.parse((HERE / f"{name}.py").read_text()) for name in names()}
    width = max(map(len, sources))
    for kind, title in TITLES.items():
        lines += ["", f"{title}:"]
        for name, source in sources.items():
            if _kind(source) == kind:
                lines.append(f"  {name:<{width}} {(ast.get_docstring(source) or '').partition(chr(10))[0]}")
    return "\n".join(lines)


def _kind(source):
    """What a recipe declares as its KIND, or None for a model, without importing it."""
    for node in source.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "KIND":
            return ast.literal_eval(node.value)
    return None


def _description(recipe, preset):
    differences = []
    standard = recipe.Config()
    for name, config in recipe.PRESETS.items():
        changed = [
            f"{field.name}={getattr(config, field.name)}"
            for field in dataclasses.fields(config)
            if getattr(config, field.name) != getattr(standard, field.name)
        ]
        differences.append(f"  {name}: {', '.join(changed) or 'the defaults'}")
    return "\n".join(
        [
            recipe.__doc__,
            f"--preset NAME begins with other defaults (those below are of {preset or 'the resumed run'}):",
            *differences,
            "",
            "--resume FOLDER goes on with a run, by its own settings and those given here.",
        ]
    )


def _resumed_config(recipe, name, folder, preset):
    if preset is not None:
        raise ValueError("--resume takes the settings of its run: leave --preset out")
    try:
        settings = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} is no run folder: it has no readable config.json") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{folder} is no run folder: its config.json holds no settings")
    if settings.pop("recipe", None) != name:
        raise ValueError(f"{folder} is a run of another recipe than {name}")
    for option in ("folder", "publish", "force"):  # of that command, not of the run
        settings.pop(option, None)
    known = {field.name for field in dataclasses.fields(recipe.Config)}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ValueError(f"{folder}/config.json has settings that {name} does not know: {', '.join(unknown)}")
    return recipe.Config(**{key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()})


def _take(words, flag):
    """Take `flag VALUE` or `flag=VALUE` out of the words."""
    for index, word in enumerate(words):
        if word.startswith(flag + "="):
            return word.removeprefix(flag + "="), words[:index] + words[index + 1 :]
        if word == flag:
            if index + 1 == len(words):
                raise ValueError(f"{flag} needs a value")
            return words[index + 1], words[:index] + words[index + 2 :]
    return None, words


def _nearest(word, known):
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.4)
    return (
        f"the nearest {'is' if len(close) == 1 else 'are'} {', '.join(close)}"
        if close
        else f"there are {', '.join(known)}"
    )


def _is_ours(error):
    """Whether the project raised the error on purpose; any other is a defect and keeps its traceback."""
    last = pathlib.Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return last.is_relative_to(PROJECT) and "site-packages" not in last.parts


def _fail(sentence):
    print(f"error: {sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
