"""Every probability lesson: its smoke preset speaks, draws, asks three questions and answers them."""

import dataclasses
import importlib

import numpy as np
import pytest
from command import only_run, run
from PIL import Image

from recipes import __main__ as command_line
from recipes import lesson

RECIPES = {name: importlib.import_module(f"recipes.{name}") for name in command_line.names()}
LESSONS = [name for name, recipe in RECIPES.items() if getattr(recipe, "KIND", None) == "lesson"]


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_draws_asks_and_answers(name, tmp_path):
    assert "folder" in {field.name for field in dataclasses.fields(RECIPES[name].Config)}
    code, out, err = run(tmp_path, name, "--preset", "smoke")
    assert code == 0, err
    _, end = out.split("\nThree questions\n")
    questions, answers = end.split("\nAnswers, for these settings\n")
    for number in ("1. ", "2. ", "3. "):
        for part in (questions, answers):
            assert sum(line.startswith(number) for line in part.splitlines()) == 1
    assert "nan" not in out.lower().split()
    figures = sorted(only_run(tmp_path).glob("*.png"))
    assert figures, "no figure"
    for path in figures:
        assert np.asarray(Image.open(path).convert("L")).std() > 5, f"{path.name} is blank"


@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.parametrize("seed", ["-1", "5000000000"])
def test_a_seed_that_no_library_takes_is_one_sentence(name, seed, tmp_path):
    code, _, err = run(tmp_path, name, "--preset", "smoke", "--seed", seed)
    assert code == 2 and err.startswith("error: --seed must be from 0 to ") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["distributions", "naive_bayes"])
def test_the_largest_seed_is_taken_by_lessons_that_count_on_from_it(name, tmp_path):
    code, _, err = run(tmp_path, name, "--preset", "smoke", "--seed", str(lesson.LARGEST_SEED))
    assert code == 0, err


def test_tensorflow_does_not_warn_of_a_lesson_s_many_shapes(caplog):
    lesson.import_quietly()

    import tensorflow as tf

    double = tf.function(lambda x: 2 * x)
    for length in range(12):
        double(np.zeros(length))
    assert "retracing" not in caplog.text


def test_a_lesson_has_three_questions_and_a_new_folder(tmp_path, capsys):
    first = lesson.Lesson("sums", tmp_path / "new")
    with pytest.raises(ValueError, match="exists"):
        lesson.Lesson("sums", tmp_path / "new")
    first.ask("1 + 1?", "2")
    with pytest.raises(RuntimeError, match="3 questions, this one has 1"):
        first.finish()
    first.ask("1 + 2?", "3")
    first.ask("2 + 2?", "4")
    capsys.readouterr()
    first.finish()
    lines = [line for line in capsys.readouterr().out.splitlines() if line[:2] in ("1.", "2.", "3.")]
    assert lines == ["1. 1 + 1?", "2. 1 + 2?", "3. 2 + 2?", "1. 2", "2. 3", "3. 4"]


def test_formulas_are_not_wrapped(tmp_path, capsys):
    speaker = lesson.Lesson("sums", tmp_path / "new")
    speaker.say("word " * 40 + "\n    p(x) = " + "a + " * 40 + "b")
    *words, formula = capsys.readouterr().out.splitlines()
    assert len(words) == 2 and max(map(len, words)) <= lesson.WIDTH
    assert formula == "    p(x) = " + "a + " * 40 + "b"


def test_a_paragraph_may_be_written_on_several_lines(tmp_path, capsys):
    speaker = lesson.Lesson("sums", tmp_path / "new")
    speaker.say("""
        one
        two
            x = 1
        three

        four""")
    assert capsys.readouterr().out == "one two\n    x = 1\nthree\n\nfour\n"
