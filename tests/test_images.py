"""Pictures: the digits, TensorFlow Datasets, and batches whose order is a function of (seed, epoch)."""

import os
import pathlib
import socket
import time

import numpy as np
import pytest

from zoo.datasets import downloads, images


def numbered(count=23):
    """Pictures that show their own number, which is their label too."""
    numbers = np.arange(count)
    pixels = np.broadcast_to(numbers[:, None, None, None], (count, 2, 4, 1)).astype(np.uint8)
    return images.Split(pixels, numbers.astype(np.int64))


def refuse(match, name, **options):
    """`load` raises ValueError with one sentence, which is returned."""
    with pytest.raises(ValueError, match=match) as error:
        images.load(name, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# Ranges


def test_to_float_and_back():
    np.testing.assert_allclose(images.to_float(np.array([0, 51, 204, 255], np.uint8)), [-1, -0.6, 0.6, 1], atol=1e-7)
    assert images.to_float(np.array([7], np.uint8)).dtype == np.float32
    every = np.arange(256).astype(np.uint8)
    np.testing.assert_array_equal(images.to_uint8(images.to_float(every)), every)


def test_to_uint8_rounds_and_clips():
    pixels = images.to_uint8([-1.5, -1.0, -0.9962, -0.9959, 0.0, 0.9959, 1.0, 1.5])
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, [0, 0, 0, 1, 128, 254, 255, 255])


def test_binarize_is_white_as_often_as_the_pixel_is_bright():
    grey = np.repeat(np.array([0, 51, 128, 255], np.uint8), 20_000).reshape(20, 100, 40, 1)
    drawn = images.binarize(grey, seed=5)
    assert (drawn.dtype, set(np.unique(drawn))) == (np.uint8, {0, 255})
    shares = [np.mean(drawn[grey == value] == 255) for value in (0, 51, 128, 255)]
    assert (shares[0], shares[3]) == (0, 1)
    assert shares[1] == pytest.approx(0.2, abs=0.012)  # 4 standard deviations
    assert shares[2] == pytest.approx(128 / 255, abs=0.015)
    np.testing.assert_array_equal(images.binarize(grey, seed=5), drawn)
    assert np.any(images.binarize(grey, seed=6) != drawn)


# The digits


@pytest.fixture(scope="module")
def digits():
    return images.load("digits")


def test_digits(digits):
    from sklearn import datasets as sklearn_datasets

    splits = (digits.train, digits.validation, digits.test)
    assert [len(split.images) for split in splits] == [1257, 180, 360]
    assert digits.image_shape == (8, 8, 1)
    assert digits.class_names == tuple("0123456789")
    for split in splits:
        assert (split.images.dtype, split.images.min(), split.images.max()) == (np.uint8, 0, 255)
        assert (split.labels.dtype, set(split.labels)) == (np.int64, set(range(10)))

    # Every scan is in one split, once, with its label: the three together are scikit-learn's set in another order.
    scans = sklearn_datasets.load_digits()
    original = sorted((*np.rint(scan * 15.9375), label) for scan, label in zip(scans.data, scans.target, strict=True))
    ours = sorted(
        (*image.ravel().astype(float), label)
        for split in splits
        for image, label in zip(split.images, split.labels, strict=True)
    )
    assert ours == original
    assert len(set(original)) == 1797  # no two scans are equal, so no picture is in two splits


def test_digits_are_split_in_the_same_way_each_time(digits):
    np.random.seed(3)
    again = images.load("digits")
    for split in ("train", "validation", "test"):
        for one, other in zip(getattr(again, split), getattr(digits, split), strict=True):
            np.testing.assert_array_equal(one, other)


def test_digits_in_other_sizes_and_channels(digits):
    enlarged = images.load("digits", image_size=16, channels=3)
    assert enlarged.image_shape == (16, 16, 3)
    np.testing.assert_array_equal(enlarged.train.labels, digits.train.labels)  # the same scans in the same splits
    assert np.all(enlarged.train.images == enlarged.train.images[..., :1])  # grey as a colour
    blocks = enlarged.train.images[..., 0].reshape(-1, 8, 2, 8, 2).mean(axis=(2, 4))
    assert np.corrcoef(blocks.ravel(), digits.train.images.ravel())[0, 1] > 0.98
    halved = images.load("digits", image_size=4, channels=1)
    means = digits.validation.images.reshape(-1, 4, 2, 4, 2, 1).mean(axis=(2, 4))
    np.testing.assert_allclose(halved.validation.images, means, atol=1)  # Pillow rounds rows and columns in turn


def test_options_that_make_no_picture_are_refused():
    refuse("channels must be 1 .grey. or 3 .colour., got 2", "digits", channels=2)
    refuse("image size must be positive, got 0", "digits", image_size=0)


# Batches


def epochs(split, batch_size, seed, count, first_epoch=0):
    """The numbers of the pictures, epoch by epoch; each comes with its own label."""
    steps = images.steps_per_epoch(split, batch_size)
    batches = images.training_batches(split, batch_size, seed, first_epoch)
    found = []
    for pixels, labels in batches.take(count * steps).as_numpy_iterator():
        np.testing.assert_array_equal(pixels, images.to_float(split.images[labels]))
        found.extend(labels)
    return np.reshape(found, (count, -1))


def test_an_epoch_shows_every_picture_once():
    split = numbered(24)
    assert images.steps_per_epoch(split, 6) == 4
    for epoch in epochs(split, 6, seed=3, count=3):
        assert sorted(epoch) == list(range(24))


def test_what_fills_no_batch_is_left_out_and_is_another_rest_each_epoch():
    shown = epochs(numbered(23), 5, seed=3, count=8)
    assert shown.shape == (8, 20)
    assert all(len(set(epoch)) == 20 for epoch in shown)
    assert len({tuple(sorted(set(range(23)) - set(epoch))) for epoch in shown}) > 5


def test_the_order_is_a_function_of_seed_and_epoch():
    split = numbered()
    shown = epochs(split, 5, seed=3, count=4)
    assert len({tuple(epoch) for epoch in shown}) == 4
    np.testing.assert_array_equal(epochs(split, 5, seed=3, count=4), shown)
    np.testing.assert_array_equal(epochs(split, 5, seed=3, count=2, first_epoch=2), shown[2:])
    other_seed = epochs(split, 5, seed=2, count=4)
    assert not {tuple(epoch) for epoch in other_seed} & {tuple(epoch) for epoch in shown}


def test_batches_have_static_shapes():
    image_spec, label_spec = images.training_batches(numbered(), 5, seed=0).element_spec
    assert (tuple(image_spec.shape), image_spec.dtype.name) == ((5, 2, 4, 1), "float32")
    assert (tuple(label_spec.shape), label_spec.dtype.name) == ((5,), "int64")


def test_binarized_batches_are_drawn_anew():
    split = images.Split(np.full((6, 40, 50, 1), 51, np.uint8), np.arange(6))
    batches = list(images.training_batches(split, 3, seed=1, binarized=True).take(8).as_numpy_iterator())
    drawn = np.stack([pixels for pixels, _ in batches])  # (8, 3, 40, 50, 1): four epochs
    assert set(np.unique(drawn)) == {-1.0, 1.0}
    assert np.mean(drawn == 1) == pytest.approx(0.2, abs=4 * 0.4 / np.sqrt(drawn.size))
    agreement = [np.mean(drawn[a] == drawn[b]) for a in range(8) for b in range(a)]
    np.testing.assert_allclose(agreement, 0.2**2 + 0.8**2, atol=0.03)  # what independent draws have in common
    resumed = images.training_batches(split, 3, seed=1, first_epoch=3, binarized=True).take(1)
    np.testing.assert_array_equal(next(resumed.as_numpy_iterator())[0], drawn[6])


def test_a_batch_size_without_a_batch_is_refused():
    for batch_size in (0, 24):
        with pytest.raises(ValueError, match=f"batch size must be 1 to 23 .*got {batch_size}"):
            images.training_batches(numbered(), batch_size, seed=0)


# TensorFlow Datasets: sets written by its builders, here and now (what `tfds.testing.mock_data` makes is not prepared)


@pytest.fixture(scope="module")
def tfds():
    import tensorflow_datasets
    from tensorflow_datasets import core, features

    class Base(core.GeneratorBasedBuilder):
        VERSION = core.Version("1.0.0")
        pkg_dir_path = pathlib.Path("nowhere")
        SPLITS = ("train",)

        def _info(self):
            return core.DatasetInfo(builder=self, features=features.FeaturesDict(self.FEATURES))

        def _split_generators(self, _):
            return {split: self._generate_examples(split) for split in self.SPLITS}

    class TinyGrey(Base):
        FEATURES = {"image": features.Image(shape=(6, 6, 1)), "label": features.ClassLabel(names=["dark", "light"])}

        def _generate_examples(self, _):
            for value in range(40):
                yield value, {"image": np.full((6, 6, 1), 6 * value, np.uint8), "label": value // 20}

    class TinyPhotos(Base):
        FEATURES = {"image": features.Image(shape=(None, None, 3))}
        SPLITS = ("train", "validation", "test")

        def _generate_examples(self, split):
            for value in range(len(split)):
                picture = np.zeros((6, 10 + 2 * value, 3), np.uint8)
                picture[:, 2 + value : 8 + value] = (255, 0, 0)  # the central square is red
                yield value, {"image": picture}

    class TinyUntrained(TinyGrey):
        SPLITS = ("test",)

    class TinyManual(TinyGrey):
        def _split_generators(self, _):
            raise AssertionError("Put the pictures into the folder manual by hand.\nThen try again.")

    class TinyText(Base):
        FEATURES = {"text": features.Text()}

        def _generate_examples(self, _):
            yield 0, {"text": "no picture"}

    return tensorflow_datasets


@pytest.fixture
def data_folder(tfds, tmp_path, monkeypatch):
    """An empty data folder; the host of the downloads answers, and the builders above ask it for nothing."""
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))  # TFDS_DATA_DIR is read at its import
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(downloads, "TFDS_HOST", server.getsockname())
        yield tmp_path


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setattr(downloads, "TFDS_HOST", ("127.0.0.1", 9))


def test_tfds_set_with_one_split_is_divided(data_folder):
    data = images.load("tiny_grey")
    assert data.class_names == ("dark", "light")
    assert data.image_shape == (6, 6, 1)
    splits = (data.train, data.validation, data.test)
    assert [len(split.images) for split in splits] == [32, 4, 4]
    values = np.concatenate([split.images[:, 0, 0, 0] for split in splits])
    labels = np.concatenate([split.labels for split in splits])
    assert sorted(values) == list(range(0, 240, 6))
    np.testing.assert_array_equal(labels, values // 120)
    colour = images.load("tiny_grey", image_size=12, channels=3)
    assert colour.image_shape == (12, 12, 3)
    np.testing.assert_array_equal(colour.test.images[:, 5, 5, 2], data.test.images[:, 0, 0, 0])


def test_tfds_set_of_pictures_that_differ_in_size(data_folder):
    assert "--image-size" in refuse("tiny_photos differ in size", "tiny_photos")
    data = images.load("tiny_photos", image_size=6)
    assert [len(split.images) for split in (data.train, data.validation, data.test)] == [5, 10, 4]  # its own splits
    assert data.class_names == ("all",)
    assert np.all(data.validation.images == (255, 0, 0))
    grey = images.load("tiny_photos", image_size=3, channels=1)
    assert grey.image_shape == (3, 3, 1)
    assert np.all(grey.train.images == 76)


def test_tfds_sets_that_cannot_be_used(data_folder):
    refuse("tiny_text of TensorFlow Datasets is no set of pictures", "tiny_text")
    refuse("tiny_untrained has no split named train", "tiny_untrained")
    refuse("mnist:9.9.9", "mnist:9.9.9")


def test_tfds_set_that_is_prepared_needs_no_network(data_folder, no_network, tfds):
    refuse("tiny_grey is not prepared", "tiny_grey")
    tfds.builder("tiny_grey").download_and_prepare()
    assert images.load("tiny_grey").image_shape == (6, 6, 1)


def test_tfds_set_that_cannot_be_downloaded_or_read(data_folder, tfds):
    sentence = "^tiny_manual cannot be prepared: Put the pictures into the folder manual by hand.$"
    refuse(sentence, "tiny_manual")
    tfds.builder("tiny_grey").download_and_prepare()
    (records,) = data_folder.rglob("*.tfrecord*")
    records.write_bytes(records.read_bytes()[:-9])
    refuse("^tiny_grey cannot be read, prepare it again: .*truncated record", "tiny_grey")


def test_names_that_are_no_file_names(data_folder):
    """The name becomes part of the names of models and files, which have no slash, colon or two dots in a row."""
    assert images.load("tiny_grey:1.0.0").name == "tiny_grey_1_0_0"
    assert images.plain("emnist/letters") == "emnist_letters"
    assert images.plain("folder_My Pictures.. (2)") == "folder_My_Pictures_2_"
    assert images.plain("fashion_mnist") == "fashion_mnist"
    assert len(images.plain("x" * 300)) == 50


def test_tfds_set_out_of_reach_is_refused_within_seconds(data_folder, no_network):
    began = time.perf_counter()
    message = refuse("mnist is not prepared", "mnist")
    assert time.perf_counter() - began < 10  # TensorFlow Datasets itself tries for minutes
    for word in ("TFDS_DATA_DIR", "digits", "folder:"):
        assert word in message
    assert list(data_folder.iterdir()) == []


def test_unknown_names(data_folder, no_network):
    assert "fashion_mnist" in refuse("there is no data set 'fashion_mist'", "fashion_mist")
    refuse("^there is no data set 'qqqqqq': digits and folder:PATH always work$", "qqqqqq")


PREPARED = pathlib.Path(os.environ.get("TFDS_DATA_DIR", "nowhere")) / "fashion_mnist"


@pytest.mark.skipif(not PREPARED.is_dir(), reason="TFDS_DATA_DIR holds no prepared fashion_mnist")
def test_fashion_mnist():
    data = images.load("fashion_mnist")
    assert [len(split.images) for split in (data.train, data.validation, data.test)] == [55_000, 5_000, 10_000]
    assert data.image_shape == (28, 28, 1)
    assert data.class_names[:2] == ("T-shirt/top", "Trouser")
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
