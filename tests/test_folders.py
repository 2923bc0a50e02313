"""Folders of one's own pictures, as they come: classes, sizes, grey and colour, transparent, damaged, large."""

import struct
import tracemalloc

import fuzzing
import numpy as np
import pytest
from PIL import Image

from zoo.datasets import images


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
    return path


def refuse(match, folder, **options):
    """`load` raises ValueError with one sentence, which is returned."""
    with pytest.raises(ValueError, match=match) as error:
        images.load(f"folder:{folder}", **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_folder_classes_are_its_sub_folders(tmp_path):
    for number in range(8):
        save(tmp_path / "cats" / f"{number}.png", np.full((5, 4), number))
        save(tmp_path / "dogs" / "small" / f"{number}.PNG", np.full((5, 4), 100 + number))
    for number in range(14):
        save(tmp_path / f"{number}.bmp", np.full((5, 4), 200 + number))
    (tmp_path / "cats" / "notes.txt").write_text("no picture")
    data = images.load(f"folder:{tmp_path}")
    assert data.image_shape == (5, 4, 1)
    assert data.class_names == tuple(sorted(["cats", "dogs", tmp_path.name]))
    splits = (data.train, data.validation, data.test)
    assert [len(split.images) for split in splits] == [24, 3, 3]
    values = [int(image[0, 0, 0]) for split in splits for image in split.images]
    owners = [data.class_names[label] for split in splits for label in split.labels]
    assert sorted(values) == [*range(8), *range(100, 108), *range(200, 214)]
    assert owners == [("cats", "dogs", tmp_path.name)[value // 100] for value in values]


def test_folder_channels(tmp_path):
    for number in range(9):
        save(tmp_path / f"{number}.png", np.full((6, 6), 40))
    save(tmp_path / "red.png", np.full((6, 6, 3), (255, 0, 0)))
    colour = images.load(f"folder:{tmp_path}")
    assert colour.image_shape == (6, 6, 3)  # one colour picture makes the set a colour set
    grey = images.load(f"folder:{tmp_path}", channels=1)
    assert grey.image_shape == (6, 6, 1)
    everything = np.concatenate([grey.train.images, grey.validation.images, grey.test.images])
    assert sorted(everything[:, 0, 0, 0]) == [40] * 9 + [76]  # 0.299 of 255
    save(tmp_path / "red.png", np.full((6, 6), 40))
    assert images.load(f"folder:{tmp_path}").image_shape == (6, 6, 1)
    assert images.load(f"folder:{tmp_path}", channels=3).image_shape == (6, 6, 3)


def test_folder_of_mixed_sizes(tmp_path):
    wide = np.zeros((6, 10), np.uint8)
    wide[:, 2:8] = 255  # the central square is white
    for number in range(9):
        save(tmp_path / f"a{number}.png", wide)
    save(tmp_path / "b.png", np.full((12, 6), 255))
    message = refuse("b.png is 12x6", tmp_path)
    assert f"{tmp_path / 'a0.png'} is 6x10" in message
    assert "--image-size" in message
    for size in (3, 6, 9):
        data = images.load(f"folder:{tmp_path}", image_size=size)
        assert data.image_shape == (size, size, 1)
        assert data.train.images.min() == 255


def test_folder_of_sixteen_bit_scans(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    for number in range(10):
        Image.fromarray(ramp).save(tmp_path / f"{number}.png")
    data = images.load(f"folder:{tmp_path}")
    np.testing.assert_allclose(data.train.images[0].ravel(), np.arange(256), atol=1)


def test_folder_of_photographs_taken_upright(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # EXIF orientation: show it turned by 90 degrees
    for number in range(10):
        Image.fromarray(np.zeros((6, 10, 3), np.uint8)).save(tmp_path / f"{number}.jpg", exif=turned)
    assert images.load(f"folder:{tmp_path}").image_shape == (10, 6, 3)


def test_folder_with_too_few_pictures(tmp_path):
    refuse("there is no folder .*nowhere", tmp_path / "nowhere")
    for number in range(9):
        save(tmp_path / f"{number}.png", np.zeros((4, 4)))
    refuse("holds 9 pictures; at least 10", tmp_path)
    save(tmp_path / "9.png", np.zeros((4, 4)))
    data = images.load(f"folder:{tmp_path}")
    assert [len(split.images) for split in (data.train, data.validation, data.test)] == [8, 1, 1]


def truncated(path):
    path.write_bytes(save(path, np.random.default_rng(0).integers(0, 256, (16, 16, 3))).read_bytes()[:-200])


def absurd_size(path):
    header = bytearray(save(path.with_suffix(".bmp"), np.zeros((4, 4))).read_bytes())
    header[18:26] = (60_000).to_bytes(4, "little") * 2  # width and height in the header of a BMP file
    path.with_suffix(".bmp").write_bytes(header)


@pytest.mark.parametrize("damage", [truncated, absurd_size])
def test_folder_with_a_damaged_picture(tmp_path, damage):
    for number in range(10):
        save(tmp_path / f"{number}.png", np.zeros((16, 16)))
    damage(tmp_path / "broken.png")
    refuse("broken.* is not a readable picture", tmp_path)


def test_names_of_folders(tmp_path, monkeypatch):
    own = tmp_path / "My Pictures, 2..3"
    for number in range(10):
        save(own / f"{number}.png", np.zeros((4, 4)))
    data = images.load(f"folder:{own}")
    assert (data.name, data.title) == ("folder_My_Pictures_2_3", "Pictures in My Pictures, 2..3")
    monkeypatch.chdir(own)
    here = images.load("folder:.")
    assert (here.name, here.class_names) == ("folder_My_Pictures_2_3", ("My Pictures, 2..3",))
    save(own / "a\nb" / "10.png", np.zeros((4, 4)))
    refuse(r"the folder 'a\\nb' has a name that cannot be printed", own)


def test_hidden_files_are_no_pictures(tmp_path):
    for number in range(10):
        save(tmp_path / "cats" / f"{number}.png", np.zeros((4, 4)))
    (tmp_path / "cats" / "._0.png").write_bytes(b"what macOS keeps beside a file")
    save(tmp_path / ".ipynb_checkpoints" / "0-checkpoint.png", np.zeros((4, 4)))
    data = images.load(f"folder:{tmp_path}")
    assert data.class_names == ("cats",)
    assert sum(len(split.images) for split in (data.train, data.validation, data.test)) == 10


def test_photographs_are_scaled_one_by_one(tmp_path):
    """Twelve pictures of 3 MB each: not all of them are in the memory at the same time."""
    for number in range(12):
        save(tmp_path / f"{number}.png", np.full((1000, 1000, 3), 20 * number))
    tracemalloc.start()
    try:
        data = images.load(f"folder:{tmp_path}", image_size=8)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert data.image_shape == (8, 8, 3)
    assert 3e6 < peak < 20e6


def test_what_is_transparent_is_white(tmp_path):
    """A black drawing on nothing, with a soft edge: in colours, in grey, with a palette."""
    alpha = np.tile([255, 255, 102, 0], (4, 1)).astype(np.uint8)
    drawing = Image.new("RGBA", (4, 4))  # black where it is transparent, too
    drawing.putalpha(Image.fromarray(alpha))
    for number in range(10):
        drawing.convert("LA").save(tmp_path / f"{number}.png")
    data = images.load(f"folder:{tmp_path}")
    assert data.image_shape == (4, 4, 1)
    np.testing.assert_array_equal(data.train.images[0, :, :, 0], np.tile([0, 0, 153, 255], (4, 1)))
    for number in range(10):
        drawing.save(tmp_path / f"{number}.png")
    data = images.load(f"folder:{tmp_path}")
    np.testing.assert_array_equal(data.train.images[0], np.tile([[0], [0], [153], [255]], (4, 1, 3)))
    palette = Image.new("P", (4, 4))
    palette.putpalette([0, 0, 0, 0, 0, 0])
    palette.putdata([0, 0, 1, 1] * 4)
    for number in range(10):
        palette.save(tmp_path / f"{number}.png", transparency=1)
    data = images.load(f"folder:{tmp_path}")
    np.testing.assert_array_equal(data.train.images[0, :, :, 0], np.tile([0, 0, 255, 255], (4, 1)))


def test_grey_pictures_of_every_kind_make_a_grey_set(tmp_path):
    grey = Image.fromarray(np.full((6, 6), 40, np.uint8))
    for number in range(9):
        grey.save(tmp_path / f"{number}.png")
    grey.convert("LA").save(tmp_path / "with_alpha.png")
    palette = Image.new("P", (6, 6))
    palette.putpalette([40, 40, 40, 255, 0, 0])  # red is not used
    palette.save(tmp_path / "with_palette.png")
    data = images.load(f"folder:{tmp_path}")
    assert data.image_shape == (6, 6, 1)
    assert np.all(data.train.images == 40)
    palette.putpixel((2, 3), 1)
    palette.save(tmp_path / "with_palette.png")
    assert images.load(f"folder:{tmp_path}").image_shape == (6, 6, 3)


@pytest.mark.filterwarnings("ignore")  # of what is odd in a file
@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif", "webp"])
def test_damaged_pictures_get_a_sentence(suffix, tmp_path):
    random = np.random.default_rng(7)
    whole = save(tmp_path / f"whole.{suffix}", random.integers(0, 256, (20, 30, 3))).read_bytes()
    path = tmp_path / f"damaged.{suffix}"
    refused = 0
    for _ in range(100):
        path.write_bytes(fuzzing.damaged(whole, random))
        try:
            images._read_picture(path, None)
        except ValueError as error:
            assert str(error) == f"{path} is not a readable picture"
            refused += 1
    assert refused > 10


def test_a_picture_that_its_decoder_stumbles_over(tmp_path):
    """A photograph that is to be turned, with a word in its EXIF data where there has to be a number."""
    entries = struct.pack(">IHHHIIHHIHHI", 8, 2, 0x0107, 2, 6, 38, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\0\0MM\0*" + entries + b"maker\0"
    Image.new("RGB", (8, 8)).save(tmp_path / "phone.jpg", exif=exif)
    with pytest.raises(ValueError, match=r"phone\.jpg is not a readable picture"):
        images._read_picture(tmp_path / "phone.jpg", None)
