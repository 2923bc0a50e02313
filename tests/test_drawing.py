"""Pictures that models from picture to picture take, read from files."""

import numpy as np
import pytest
from PIL import Image

from edge import drawing


def save(path, values, mode=None):
    Image.fromarray(np.asarray(values, np.uint8), mode).save(path)
    return path


def test_a_picture_of_the_right_size_is_taken_as_it_is(tmp_path):
    grey = np.arange(12).reshape(3, 4) * 20
    read = drawing.read_source(save(tmp_path / "grey.png", grey), (3, 4, 1), "edges")
    assert read.dtype == np.float32
    np.testing.assert_allclose(read[0, :, :, 0], grey / 127.5 - 1, atol=1e-6)
    colour = np.stack([grey, 255 - grey, grey // 2], axis=2)
    read = drawing.read_source(save(tmp_path / "colour.png", colour), (3, 4, 3), "super_resolution")
    np.testing.assert_allclose(read[0], colour / 127.5 - 1, atol=1e-6)


def test_other_sizes_and_colours_are_converted(tmp_path):
    colour = np.full((10, 20, 3), (100, 100, 100))
    read = drawing.read_source(save(tmp_path / "large.jpg", colour), (4, 6, 1), "edges")
    np.testing.assert_allclose(read, np.full((1, 4, 6, 1), 100 / 127.5 - 1), atol=0.02)


def test_what_is_transparent_is_the_hole(tmp_path):
    pixels = np.full((4, 4, 4), 200)
    pixels[1:3, 2:, 3] = 0
    read = drawing.read_source(save(tmp_path / "hole.png", pixels, "RGBA"), (4, 4, 4), "inpainting")[0]
    hole = pixels[..., 3] == 0
    np.testing.assert_array_equal(read[..., 3], np.where(hole, 1, -1))
    np.testing.assert_allclose(read[..., 0], np.where(hole, -1, 200 / 127.5 - 1), atol=1e-6)
    grey = drawing.read_source(tmp_path / "hole.png", (4, 4, 2), "inpainting")[0]
    np.testing.assert_array_equal(grey[..., 1], np.where(hole, 1, -1))
    with pytest.raises(ValueError, match=r"whole\.png has no hole: make transparent"):
        drawing.read_source(save(tmp_path / "whole.png", pixels[..., :3]), (4, 4, 4), "inpainting")


def test_grey_values_are_the_numbers_of_classes(tmp_path):
    path = save(tmp_path / "classes.png", [[0, 1], [3, 2]])
    read = drawing.read_source(path, (2, 2, 3), "segmentation")[0]
    np.testing.assert_array_equal(read, [[[-1, -1, -1], [1, -1, -1]], [[-1, -1, 1], [-1, 1, -1]]])
    with pytest.raises(ValueError, match=r"classes\.png has the grey value 3, but there are 2 classes"):
        drawing.read_source(path, (2, 2, 2), "segmentation")


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    for name in ("text.png", "nothing.png"):
        with pytest.raises(OSError, match=name):
            drawing.read_source(tmp_path / name, (2, 2, 1), "edges")
