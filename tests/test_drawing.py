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


@pytest.mark.parametrize("task", [None, "edges"])
def test_what_is_transparent_is_white(task, tmp_path):
    """A black drawing on nothing, with a soft edge that keeps its grey."""
    pixels = np.zeros((2, 4, 4), np.uint8)
    pixels[..., 3] = [255, 255, 102, 0]
    path = save(tmp_path / "sketch.png", pixels, "RGBA")
    wanted = np.array([0, 0, 153, 255]) / 127.5 - 1
    for channels in (1, 3):
        read = drawing.read_source(path, (2, 4, channels), task)
        np.testing.assert_allclose(read, np.broadcast_to(wanted[:, None], (1, 2, 4, channels)), atol=1e-6)


def test_a_photograph_taken_upright(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # EXIF orientation: show it turned by 90 degrees, clockwise
    picture = np.zeros((8, 16), np.uint8)
    picture[:, :8] = 255
    Image.fromarray(picture).save(tmp_path / "phone.png", exif=turned)
    read = drawing.read_source(tmp_path / "phone.png", (16, 8, 1), "edges")[0, :, :, 0]
    np.testing.assert_array_equal(read, np.repeat([1.0, -1.0], 8)[:, None] * np.ones(8))


def test_sixteen_bits_are_scaled(tmp_path):
    ramp = np.linspace(0, 65535, 16).astype(np.uint16).reshape(4, 4)
    Image.fromarray(ramp).save(tmp_path / "scan.png")
    read = drawing.read_source(tmp_path / "scan.png", (4, 4, 1), "edges")
    np.testing.assert_allclose(read.ravel(), np.linspace(-1, 1, 16), atol=1 / 127)
    numbers = np.array([[0, 1], [3, 2]], np.uint16)  # but numbers of classes are what they are
    Image.fromarray(numbers).save(tmp_path / "classes.png")
    read = drawing.read_source(tmp_path / "classes.png", (2, 2, 3), "segmentation")[0]
    np.testing.assert_array_equal(np.argmax(read, axis=2), [[0, 0], [2, 1]])


def test_a_grid_that_would_fill_the_memory_is_refused():
    pictures = np.zeros((4, 8, 8, 1), np.float32)
    assert drawing.grid(pictures, scale=500).shape == (8500, 8500)
    with pytest.raises(ValueError, match="at most 100,000,000 pixels, this one 114,688,000: lower scale or count"):
        drawing.grid(pictures, columns=4, scale=640)


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
