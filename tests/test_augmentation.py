"""Augmentation: the few pictures, the batches, the table, and the walk-through from end to end."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from command import only_run, run
from PIL import Image

from recipes import augmentation
from zoo.datasets import images
from zoo.gans import cgan

TINY = augmentation.PRESETS["smoke"]


def test_few_pictures_are_as_many_of_each_class_and_others_for_each_seed(digits):
    few, again, others = (augmentation.choose(digits, 10, 7, seed) for seed in (0, 0, 1))
    assert np.bincount(few.labels).tolist() == [7] * 10
    np.testing.assert_array_equal(few.images, again.images)
    assert np.any(few.images != others.images)
    known = {image.tobytes(): label for image, label in zip(digits.images, digits.labels, strict=True)}
    assert all(known[image.tobytes()] == label for image, label in zip(few.images, few.labels, strict=True))
    assert len({image.tobytes() for image in few.images}) == 70


def test_classifier_learns_from_all_parts(monkeypatch):
    """Two classes told apart by brightness: one is in the first part only, the other in the second only."""
    shapes = []
    fit = keras.Model.fit

    def watched(model, batches, **options):
        shapes.append(tuple(batches.element_spec[0].shape)[1:] + tuple(next(iter(batches))[1].shape))
        return fit(model, batches, **options)

    monkeypatch.setattr(keras.Model, "fit", watched)
    dark, bright = (np.full((8, 8, 8, 1), value, np.float32) for value in (-0.9, 0.9))
    parts = [(dark, np.zeros(8, np.int64)), (bright, np.ones(8, np.int64))]
    config = augmentation.Config(classifier_steps=60, classifier_width=4, batch_size=8)
    for moved in (False, True):
        model = augmentation.train_classifier(parts, 2, config, seed=0, moved=moved)
        logits = model(tf.constant(np.concatenate([dark, bright])), training=False).numpy()
        assert np.all(logits.argmax(axis=1) == np.repeat([0, 1], 8))
        assert any("translation" in layer.name for layer in model.layers) == moved
    augmentation.train_classifier(parts[:1], 2, config, seed=0, moved=False)
    assert shapes == [(8, 8, 1, 8)] * 3  # a step has as many pictures, whatever they are


def test_generator_is_trained_on_the_few_pictures_alone(digits, monkeypatch):
    few = augmentation.choose(digits, 10, 4, 0)
    seen = []
    training_batches = images.training_batches

    def watched(split, *arguments):
        seen.append(split)
        return training_batches(split, *arguments)

    monkeypatch.setattr(images, "training_batches", watched)
    made = []
    monkeypatch.setattr(cgan, "CGAN", lambda CGAN=cgan.CGAN, **settings: made.append(CGAN(**settings)) or made[0])
    config = augmentation.Config(per_class=4, generator_steps=2, generator_width=4, batch_size=32)
    draw = augmentation.train_generator(few, 10, config, 0)
    assert len(seen) == 1 and seen[0] is few
    seeds, labels = np.arange(520), np.tile(np.arange(10), 52)
    pictures = draw(seeds, labels)
    assert pictures.shape == (520, 8, 8, 1) and np.abs(pictures).max() <= 1
    z = np.random.default_rng(0).standard_normal((520, 32)).astype(np.float32)
    np.testing.assert_allclose(pictures, made[0].generator_average([z, labels]), atol=1e-5)


def test_summary_by_hand():
    row = augmentation.summary([0.5, 0.7], [0.6, 0.6])
    assert row == {
        "accuracy": "0.600 +- 0.100",
        "lowest": "0.500",
        "highest": "0.700",
        "gain": "+0.000 +- 0.100",
        "better in": "1 of 2",
    }


@pytest.mark.slow
def test_the_walk_through(tmp_path):
    code, out, err = run(tmp_path, "augmentation", "--preset", "smoke")
    assert code == 0, err
    folder = only_run(tmp_path)
    accuracies = json.loads((folder / "augmentation.json").read_text())
    assert list(accuracies) == ["real", "shifted", "generated"]  # no generator of the digits is exported
    for name, each in accuracies.items():
        assert len(each) == len(TINY.seeds) and all(0 <= accuracy <= 1 for accuracy in each)
        assert f"{np.mean(each):.3f} +- {np.std(each):.3f}" in out and name in out
    for name in ("accuracies", "pictures"):
        assert np.asarray(Image.open(folder / f"{name}.png").convert("L")).std() > 5


def test_the_exported_generator_draws_what_it_is_asked_for():
    folder = augmentation.runner.EXPORTED / "cgan_mnist" / "saved_model"
    draw = augmentation.load_generator(folder)
    pictures = draw(np.arange(4), np.array([1, 1, 0, 0]))
    ink = (pictures > 0).mean(axis=(1, 2, 3))
    assert pictures.shape == (4, 28, 28, 1)
    assert ink[:2].max() < ink[2:].min()  # a one has less ink than a zero
    assert np.abs(pictures[0] - pictures[1]).max() > 0.1  # another seed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--per-class", "0"], "error: pictures, steps, widths and seeds: at least 1 of each, and a batch size of 2\n"),
        (
            ["--per-class", "500"],
            "error: handwritten digits (8x8) lacks 500 training pictures in each of two classes or more\n",
        ),
        (["--r1-gamma", "-1"], "error: --r1-gamma must be 0 or more, got -1.0\n"),
        (["--seeds", "0", "4294967296"], "error: --seeds must be 0 to 2147482648, got 4294967296\n"),
        (["--resume", "old"], "error: augmentation cannot be resumed: start it again\n"),
    ],
)
def test_mistakes_get_a_sentence(words, sentence, tmp_path):
    code, _, err = run(tmp_path, "augmentation", *words)
    assert (code, err) == (2, sentence)
    assert list(tmp_path.iterdir()) == []
