"""The first network: two implementations and back-propagation by hand agree, and the lesson says so."""

import numpy as np
import pytest
from command import only_run, run

from recipes import first_network

TINY = first_network.Config(inputs=3, hidden=4, batch_size=6, epochs=7, learning_rate=0.3, seed=2)


def test_both_trainings_agree_number_by_number():
    x, y = first_network.make_data(TINY)
    network = first_network.make_network(TINY)
    start = network.get_weights()
    by_keras = first_network.train_by_keras(network, x, y, TINY)
    weights, by_tape = first_network.train_by_tape(start, x, y, TINY.learning_rate, TINY.epochs)
    np.testing.assert_allclose(by_keras, by_tape, rtol=1e-6)
    for one, two in zip(network.get_weights(), weights, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    assert len(by_tape) == 7 and by_tape[-1] < by_tape[0]
    assert by_tape[0] == pytest.approx(np.mean((y - first_network.predict(start, x)) ** 2), rel=1e-6)  # before a step


def test_one_step_is_back_propagation_by_hand():
    x, y = first_network.make_data(TINY)
    start = first_network.make_network(TINY).get_weights()
    stepped, _ = first_network.train_by_tape(start, x, y, 0.3, 1)
    for before, after, slope in zip(start, stepped, first_network.gradients(start, x, y), strict=True):
        assert slope.shape == before.shape and np.abs(slope).max() > 0
        np.testing.assert_allclose(after, before - 0.3 * slope, atol=1e-6)


def test_a_network_by_hand():
    weights = [np.array([[1.0, -1.0]]), np.array([0.0, 1.0]), np.array([[2.0], [3.0]]), np.array([-1.0])]
    p = first_network.predict(weights, np.array([[2.0], [0.5]]))
    # x = 2: h = (2, 0), 2 * 2 - 1 = 3;   x = 0.5: h = (0.5, 0.5), 1 + 1.5 - 1 = 1.5
    np.testing.assert_allclose(p[:, 0], 1 / (1 + np.exp([-3.0, -1.5])))


def test_the_classic_sizes():
    config = first_network.Config()
    network = first_network.make_network(config)
    assert network.count_params() == 61
    assert [layer.activation.__name__ for layer in network.layers] == ["relu", "sigmoid"]
    x, y = first_network.make_data(config)
    assert x.shape == (10, 10) and y.shape == (10, 1) and set(np.unique(y)) <= {0.0, 1.0}
    assert (config.epochs, config.learning_rate, config.batch_size) == (50, 0.01, 10)


def answers(out):
    lines = out[out.index("Answers, for these settings") :].splitlines()[2:]
    return " ".join(lines).partition(" figures:")[0]


def test_the_lesson_prints_every_loss_twice(tmp_path):
    code, out, err = run(tmp_path, "first_network")
    assert code == 0, err
    losses = [line.split() for line in out.splitlines() if line.startswith("    epoch ")]
    assert [int(line[1]) for line in losses] == list(range(50))
    for line in losses:
        assert abs(float(line[3]) - float(line[5])) <= 3e-7
    assert float(losses[-1][3]) < float(losses[0][3])
    assert [path.name for path in only_run(tmp_path).iterdir()] == ["first_network.png"]
    assert "(10 + 1) x 5 + (5 + 1) x 1 = 61" in answers(out)
    words = ["--preset", "smoke", "--hidden", "8", "--learning-rate", "0.5", "--seed", "4", "--folder", "other"]
    code, other, err = run(tmp_path, "first_network", *words)
    assert code == 0, err
    assert "(10 + 1) x 8 + (8 + 1) x 1 = 97" in answers(other)
    for number in ("Promised", "The loss fell from"):
        first, second = (text[text.index(number) :][:60] for text in (answers(out), answers(other)))
        assert first != second


def test_a_step_that_is_too_long_breaks_the_promise(tmp_path):
    code, out, err = run(tmp_path, "first_network", "--learning-rate", "1e6", "--epochs", "2")
    assert code == 0, err
    assert "the step is too long for a line" in answers(out) and "nan" not in out.lower().split()
    code, out, _ = run(tmp_path, "first_network", "--preset", "smoke", "--folder", "short")
    assert code == 0 and "a line is right about a short step" in answers(out)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--inputs", "100000000000"], "--inputs must be from 1 to 10000, got 100000000000"),
        (["--hidden", "0"], "--hidden must be from 1 to 10000, got 0"),
        (["--epochs", "1"], "--epochs must be from 2 to 100000, got 1"),
        (["--batch-size", "-3"], "--batch-size must be from 2 to 10000, got -3"),
        (["--learning-rate", "0"], "--learning-rate must be above 0 and at most 1e+06, got 0.0"),
        (["--learning-rate", "1e7"], "--learning-rate must be above 0 and at most 1e+06, got 10000000.0"),
        (["--learning-rate", "nan"], "--learning-rate must be above 0 and at most 1e+06, got nan"),
    ],
)
def test_mistakes_get_a_sentence(words, sentence, tmp_path):
    code, _, err = run(tmp_path, "first_network", *words)
    assert (code, err) == (2, f"error: {sentence}\n")
    assert list(tmp_path.iterdir()) == []
