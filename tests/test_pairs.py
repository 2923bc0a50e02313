"""Pairs of pictures: what each task makes of a picture, what takes no training, and the scores."""

import numpy as np
import pytest

from zoo.datasets import images, pairs


@pytest.fixture(scope="module")
def drawn():
    """Two black pictures of 8x8 with a grey box in the upper left corner."""
    pictures = np.zeros((2, 8, 8, 1), np.uint8)
    pictures[0, :4, :4] = 200
    pictures[1, :2, :6] = 100
    return pictures


def test_edges_are_where_the_grey_values_are_steep(drawn):
    sources, targets = pairs.edges(drawn)
    assert targets is drawn and set(np.unique(sources)) == {0, 255}
    assert sources[0, 1, 3:5, 0].tolist() == [255, 255] and sources[0, 1, [0, 1, 6], 0].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(sources[0], sources[0].transpose(1, 0, 2))  # the box is a square


def test_luma_by_hand():
    colours = np.array([[[[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30]]]], np.uint8)
    sources, _ = pairs.colorize(colours)
    assert sources[0, 0, :, 0].tolist() == [76, 150, 29, 18]  # 0.299 R + 0.587 G + 0.114 B, rounded


def test_super_resolution_starts_from_block_means(drawn):
    sources, targets = pairs.super_resolution(drawn, 4)
    assert sources.shape == targets.shape
    flat = np.full((1, 8, 8, 3), 77, np.uint8)
    np.testing.assert_array_equal(pairs.super_resolution(flat, 2).sources, flat)
    checker = 255 * (np.indices((8, 8)).sum(axis=0) % 2).astype(np.uint8)[None, :, :, None]
    np.testing.assert_array_equal(pairs.super_resolution(checker, 2).sources, np.full((1, 8, 8, 1), 128))
    small = np.zeros((1, 2, 2, 1), np.uint8)
    small[0, 0, 0] = 200
    assert np.abs(pairs.super_resolution(drawn[:1], 4).sources.astype(int) - pairs.bicubic(small, 4)).max() == 0


def test_a_hole_is_black_and_its_mask_white(drawn):
    targets = np.full((300, 12, 16, 3), 90, np.uint8)
    sources, _ = pairs.inpainting(targets, seed=3)
    assert sources.shape == (300, 12, 16, 4)
    hole = sources[..., 3] == 255
    np.testing.assert_array_equal(sources[..., :3], np.where(hole[..., None], 0, targets))
    tall, wide = hole.any(axis=2).sum(axis=1), hole.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(tall * wide, hole.sum(axis=(1, 2)))  # a rectangle
    assert set(tall) == {3, 4, 5, 6} and set(wide) == {4, 5, 6, 7, 8}
    assert hole.any(axis=0).all()  # anywhere
    np.testing.assert_array_equal(pairs.inpainting(targets, seed=3).sources, sources)
    assert np.any(pairs.inpainting(targets, seed=4).sources != sources)


def test_scenes_have_a_map_for_each_class():
    pictures = np.zeros((6, 8, 8, 1), np.uint8)
    pictures[:, 2:6, 2:6] = 200
    labels = np.array([0, 1, 2, 0, 1, 2])
    sources, targets = pairs.segmentation(images.Split(pictures, labels), classes=3, seed=0)
    assert sources.shape == (6, 8, 8, 3) and targets.shape == (6, 8, 8, 1)
    np.testing.assert_array_equal((sources == 255).sum(axis=3), targets[..., 0] > pairs.INK)  # one class a pixel
    quarters = targets.reshape(6, 2, 4, 2, 4).max(axis=(2, 4))
    assert np.all(quarters == 200)  # a thing in each quarter
    classes = [sources[:, top : top + 4, left : left + 4].any(axis=(1, 2)) for top in (0, 4) for left in (0, 4)]
    for quarter in classes:  # each thing once in each place
        np.testing.assert_array_equal(quarter.sum(axis=0), [2, 2, 2])
    assert any(np.any(one != other) for one in classes for other in classes)  # things meet others


def test_patches_of_the_photographs_share_no_pixel_between_splits(monkeypatch):
    from sklearn import datasets

    class Photographs:
        """Each pixel has its column in its value."""

        images = [np.tile(np.arange(640, dtype=np.float32)[None, :, None], (427, 1, 3))] * 2

    monkeypatch.setattr(datasets, "load_sample_images", lambda: Photographs)
    data = pairs.photographs()
    columns = {name: set(np.unique(getattr(data, name).images)) for name in ("train", "validation", "test")}
    assert columns["train"] & columns["validation"] == columns["train"] & columns["test"] == set()
    assert columns["validation"] & columns["test"] == set()
    assert data.image_shape == (32, 32, 3) and len(data.train.images) == 1350 and len(data.test.images) > 50


def test_batches_keep_pairs_together(drawn):
    targets = np.repeat(np.arange(50, dtype=np.uint8)[:, None, None, None], 64, axis=1).reshape(50, 8, 8, 1)
    made = pairs.Pairs(255 - targets, targets)
    seen = []
    for sources, pictures in pairs.training_batches(made, 10, seed=0).take(5):
        assert sources.shape == pictures.shape == (10, 8, 8, 1)
        np.testing.assert_allclose(sources, -pictures, atol=1e-6)
        seen += np.rint((pictures[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()
    assert sorted(seen) == list(range(50))


def test_every_task_can_be_loaded_and_scored():
    for task in ("edges", "super_resolution", "inpainting", "segmentation"):
        data = pairs.load(task, "digits")
        test = pairs.Pairs(data.test.sources[:20], data.test.targets[:20])
        perfect = pairs.score(test, images.to_float(test.targets))
        assert perfect["psnr"] > 100 and perfect["ssim"] == pytest.approx(1.0) and perfect["error"] < 1e-6
        for name, made in pairs.trivial(data, test).items():
            assert made.shape == test.targets.shape and 3 < pairs.score(test, made)["psnr"] < 40, name
        assert pairs.visible(images.to_float(test.sources), data).shape == test.targets.shape
        assert len(data.channels) == data.source_shape[2]
    data = pairs.load("colorize", "photographs")
    test = pairs.Pairs(data.test.sources[:20], data.test.targets[:20])
    (grey,) = pairs.trivial(data, test).values()
    assert 10 < pairs.score(test, grey)["psnr"] < 40
    np.testing.assert_allclose(grey[..., 0], grey[..., 2])


def test_scores_by_hand():
    targets = np.zeros((2, 8, 8, 1), np.uint8)
    made = np.full((2, 8, 8, 1), -1.0)
    made[0, 0, 0] = 1.0  # one pixel of 128 is white
    sources = np.zeros((2, 8, 8, 2), np.uint8)
    sources[:, :2, :2, 1] = 255
    scores = pairs.score(pairs.Pairs(sources, targets), made)
    assert scores["psnr"] == pytest.approx(10 * np.log10(128))
    assert scores["error"] == pytest.approx(1 / 128)
    assert scores["masked_error"] == pytest.approx(1 / 8)
    assert scores["n"] == 2


def test_holes_are_filled_by_what_is_around_them():
    source = np.full((1, 8, 8, 2), 100, np.uint8)
    source[..., 1] = 0
    source[0, 2:5, 3:6] = [0, 255]
    data = pairs.load("inpainting", "digits")
    for made in pairs.trivial(data, pairs.Pairs(source, source[..., :1])).values():
        np.testing.assert_allclose(made, images.to_float(np.full((1, 8, 8, 1), 100, np.uint8)), atol=0.01)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("edge", "digits"), "there is no task 'edge': there are edges, colorize, super_resolution"),
        (("colorize", "digits"), "the pictures of digits have no colour: use --dataset photographs"),
        (("super_resolution", "digits", 3), "the factor must be 2 or more and divide 8 and 8, got 3"),
        (("super_resolution", "digits", 1), "the factor must be 2 or more"),
        (("edges", "nowhere"), "there is no data set 'nowhere'"),
    ],
)
def test_what_cannot_be_made_is_refused(words, sentence):
    with pytest.raises(ValueError, match=sentence):
        pairs.load(*words)
