"""Denoising: what each kind of damage does, pairs of the pipeline, and the walk-through from end to end."""

import json

import numpy as np
import pytest
import tensorflow as tf
from command import only_run, run
from PIL import Image
from skimage import filters

from edge import cards, runtime
from recipes import denoising
from zoo.datasets import corruptions, images, pairs

GREY = np.full((40, 20, 20, 1), 0.2, np.float32)


def test_gaussian_noise_has_the_stated_deviation():
    noise = corruptions.gaussian(np.zeros((40, 20, 20, 1), np.float32), (1, 2), 0.5).numpy() / 2  # black to white is 1
    assert noise.std() == pytest.approx(0.5 * corruptions.DEVIATION, rel=0.03)
    assert abs(noise.mean()) < 0.003
    strong = corruptions.gaussian(GREY, (1, 2), 20.0).numpy()
    assert strong.min() == -1 and strong.max() == 1


def test_salt_and_pepper_replaces_a_share_of_the_pixels_in_all_channels():
    made = corruptions.salt_and_pepper(np.repeat(GREY, 3, axis=3), (1, 2)).numpy()
    assert set(np.unique(made)) == {-1.0, np.float32(0.2), 1.0}
    for value in (-1.0, 1.0):
        assert np.mean(made == value) == pytest.approx(corruptions.REPLACED / 2, rel=0.08)
    assert np.ptp(made, axis=3).max() == 0


def test_occlusion_is_one_square_of_one_grey_within_the_picture():
    made = corruptions.occlusion(GREY, (1, 2)).numpy()[..., 0]
    side = round(corruptions.SIDE * 20)
    places, greys = set(), set()
    for picture in made:
        rows, columns = np.nonzero(picture != np.float32(0.2))
        assert len(rows) == side**2 and np.ptp(rows) == np.ptp(columns) == side - 1
        assert np.ptp(picture[rows, columns]) == 0
        places.add((rows.min(), columns.min()))
        greys.add(float(picture[rows[0], columns[0]]))
    assert len(places) > 20 and len(greys) == 40 and min(greys) < -0.7 and max(greys) > 0.7
    assert {0, 20 - side} <= {row for row, _ in places} | {column for _, column in places}  # up to the rim


def test_speckle_leaves_black_black_and_grows_with_brightness():
    bright = np.where(np.arange(20)[None, None, :, None] < 10, -1.0, np.float32(-0.2)) * np.ones((40, 20, 1, 1))
    made = corruptions.speckle(bright.astype(np.float32), (1, 2), 0.5).numpy()
    np.testing.assert_array_equal(made[:, :, :10], -1)
    pixels = (made[:, :, 10:] + 1) / 2
    assert pixels.std() == pytest.approx(0.4 * 0.5 * corruptions.SPECKLE, rel=0.05)


@pytest.mark.parametrize("kind", corruptions.KINDS)
def test_a_seed_repeats_the_damage_and_another_does_not(kind):
    damage = corruptions.KINDS[kind]
    once, again, other = (damage(GREY, seed).numpy() for seed in ((3, 4), (3, 4), (3, 5)))
    np.testing.assert_array_equal(once, again)
    assert np.any(once != other)
    assert np.abs(once - GREY).max() > 0 and np.abs(once).max() <= 1
    np.testing.assert_allclose(damage(GREY, (3, 4), 0.0), GREY, atol=1e-6)  # no strength, no damage


def test_kinds_take_turns_and_speckle_is_not_among_them():
    made = corruptions.mixed(GREY, (3, 4)).numpy()
    for number, kind in enumerate(corruptions.TRAINED):
        alone = corruptions.KINDS[kind](GREY, (3, 4 + number)).numpy()
        np.testing.assert_array_equal(made[number::3], alone[number::3])
    assert not set(corruptions.UNSEEN) & set(corruptions.TRAINED)
    assert set(corruptions.KINDS) == {*corruptions.TRAINED, *corruptions.UNSEEN}


def test_pipeline_damages_anew_each_time_and_repeats_itself_when_resumed(digits):
    few = images.Split(digits.images[:16], digits.labels[:16])

    def batches(first_epoch, seed=5):
        clean = images.training_batches(few, 8, 4, first_epoch)
        return list(corruptions.training_batches(clean, seed, 2 * first_epoch).take(4).as_numpy_iterator())

    first, resumed, other = batches(0), batches(1), batches(0, seed=6)
    for (damaged, clean), (again, same) in zip(first[2:], resumed[:2], strict=True):
        np.testing.assert_array_equal(damaged, again)
        np.testing.assert_array_equal(clean, same)
    assert np.any(first[0][0] != other[0][0])
    changed = [damaged - clean for damaged, clean in first]
    assert np.abs(changed[0]).max() > 0.1 and np.any(changed[0] != changed[1])
    assert {damaged.shape for damaged, _ in first} == {(8, 8, 8, 1)}
    originals = {picture.tobytes() for picture in images.to_float(few.images)}
    assert {picture.tobytes() for _, clean in first for picture in clean} <= originals
    spec = corruptions.training_batches(images.training_batches(few, 8, 4), 5).element_spec
    assert spec[0] == tf.TensorSpec((8, 8, 8, 1), tf.float32)


def test_strength_is_drawn_for_each_picture_from_half_to_one_and_a_half():
    grey = images.Split(np.full((64, 20, 20, 1), 128, np.uint8), np.zeros(64, np.int64))
    batches = corruptions.training_batches(images.training_batches(grey, 63, 0), 5).take(12).as_numpy_iterator()
    occluded = np.concatenate([damaged[2::3] != clean[2::3] for damaged, clean in batches])  # kinds take turns
    sides = {round(np.sqrt(covered)) for covered in occluded.sum(axis=(1, 2, 3))}
    assert sides == set(range(4, 12))  # 0.36 of 20 pixels, half to one and a half times


def test_filters_are_chosen_on_validation_pictures():
    random = np.random.default_rng(0)
    clean = np.full((4, 16, 16, 1), 60, np.uint8)
    clean[:, 4:12, 4:12] = 200

    def damage(share):
        salt = random.random(clean.shape)
        return pairs.Pairs(np.where(salt < share, np.where(salt < share / 2, 0, 255), clean).astype(np.uint8), clean)

    weak, strong = damage(0.02), damage(0.4)
    medians = {
        side: np.stack([filters.median(source[..., 0], np.ones((side, side))) for source in strong.sources])[..., None]
        for side in (3, 5)
    }
    errors = {side: np.mean(np.square(made - clean.astype(float))) for side, made in medians.items()}
    assert errors[5] < errors[3]  # what suits the pictures is not what suits those that the choice is made on
    made = denoising._filter(weak, strong)
    assert made.keys() == {"median", "non-local means"}
    np.testing.assert_array_equal(images.to_uint8(made["median"]), medians[3])
    made = denoising._filter(strong, strong)
    np.testing.assert_array_equal(images.to_uint8(made["median"]), medians[5])
    assert all(pictures.dtype == np.float32 and np.abs(pictures).max() <= 1 for pictures in made.values())


def test_test_pictures_are_damaged_in_every_way_and_otherwise_than_validation_pictures(digits):
    test, validation = (denoising._damaged(digits.images[:6], seed) for seed in (2, 3))
    assert test.keys() == corruptions.KINDS.keys()
    for kind, damaged in test.items():
        np.testing.assert_array_equal(damaged.targets, digits.images[:6])
        assert damaged.sources.dtype == np.uint8 and np.any(damaged.sources != validation[kind].sources)
        assert np.any(damaged.sources != damaged.targets), kind


@pytest.mark.slow
def test_the_walk_through(tmp_path, no_int8):
    code, _, err = run(tmp_path, "denoising", "--preset", "smoke", "--epochs", "12", "--width", "8")
    assert code == 0, err
    folder = only_run(tmp_path)
    card = cards.read_card(folder / "export")
    assert card["name"] == "denoising_digits" and card["damage"]["unseen"] == ["speckle"]
    assert card["trivial"].keys() == {"damaged", "median", "non-local means"}
    assert card["comparison"].keys() == {"damaged", "median", "non-local means", "autoencoder"}
    for row in card["comparison"].values():
        assert row.keys() == {f"{kind}, {unit}" for kind in corruptions.KINDS for unit in ("dB", "SSIM")}
    known = [card["comparison"]["damaged"][f"{kind}, dB"] for kind in corruptions.TRAINED]
    together = 10 * np.log10(3 / np.sum(10 ** (-np.array(known) / 10)))
    assert card["trivial"]["damaged"]["psnr"] == pytest.approx(together, abs=1e-6)  # of the same pictures
    assert card["files"]["fp32"]["quality"]["n"] == 180
    assert card["files"]["fp32"]["quality"]["psnr"] > card["trivial"]["damaged"]["psnr"]  # it has learned something
    for picture in ("denoising.png", "export/samples.png", "samples/epoch_00012.png"):
        assert np.asarray(Image.open(folder / picture).convert("L")).std() > 5
    model = runtime.load(folder / "export")
    assert model.main == "translate" and list(model.signatures) == ["translate"]
    assert json.loads((folder / "config.json").read_text())["recipe"] == "denoising"
