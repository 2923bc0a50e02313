"""The C program of `edge/c` against Python: the same bytes from the same file and seed."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge import conditions, drawing, runtime

pytest_plugins = ["edge_artifact"]

ROOT = Path(__file__).resolve().parent.parent
EXPORTED = ROOT / "exported"

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or shutil.which("make") is None or not sys.platform.startswith("linux"),
    reason="needs gcc, make and Linux",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program, built without a warning."""
    built = tmp_path_factory.mktemp("c") / "generate"
    flags = "-O2 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
    words = ["make", "-C", "edge/c", f"PYTHON={sys.executable}", "CC=gcc", f"CFLAGS={flags}", f"OUT={built}"]
    made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return built


def run(program, *words):
    return subprocess.run([str(program), *map(str, words)], capture_output=True, text=True, timeout=60)


def made_by(program, path, folder, seed, *words):
    """The picture (H, W, C) as bytes and as floats."""
    out, raw = folder / "c.pnm", folder / "c.raw"
    finished = run(program, path, "--seed", seed, "--out", out, "--raw", raw, *words)
    assert finished.returncode == 0, finished.stderr
    pixels = np.asarray(Image.open(out))
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return pixels, np.fromfile(raw, np.float32).reshape(pixels.shape)


@pytest.fixture(scope="module")
def int8(artifact, tmp_path_factory):
    """The artifact's generator in integers, with float inputs and outputs."""
    import tensorflow as tf

    saved = artifact.exported.parent / "saved_model"
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=["generate_from_seed"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    seeds = [{"seed": np.array([seed], np.int32)} for seed in range(20)]
    converter.representative_dataset = lambda: (("generate_from_seed", inputs) for inputs in seeds)
    path = tmp_path_factory.mktemp("int8") / "tiny_int8.tflite"
    path.write_bytes(converter.convert())
    return path


@pytest.mark.parametrize("precision", ["fp32", "dynamic"])
@pytest.mark.parametrize("seed", [0, 7, -3])
def test_pictures_equal_those_of_python(program, artifact, tmp_path, precision, seed):
    model = runtime.load(artifact.folder, precision)
    (wanted,) = model.pictures(seed, 1)
    pixels, raw = made_by(program, model.path, tmp_path, seed)
    np.testing.assert_allclose(raw, wanted, atol=1e-5)
    assert np.abs(pixels.astype(int) - drawing.to_uint8(wanted)).max() <= 1
    assert np.ptp(pixels) > 30  # there is something on it


def test_a_picture_of_integers_is_the_same_to_the_byte(program, int8, tmp_path):
    model = runtime.Model(int8, {"name": "int8"}, "int8", runtime.open_interpreter(int8, threads=1))
    for seed in range(5):
        (wanted,) = model.pictures(seed, 1)
        made_by(program, int8, tmp_path, seed)
        header = f"P5\n{wanted.shape[1]} {wanted.shape[0]}\n255\n".encode()
        assert (tmp_path / "c.pnm").read_bytes() == header + drawing.to_uint8(wanted).tobytes()


@pytest.mark.parametrize("name", ["cgan_mnist", "cgan_attributes_fashion_mnist", "cgan_text_fashion_mnist"])
def test_conditions(program, tmp_path, name):
    model = runtime.load(EXPORTED / name, "dynamic")
    row = conditions.examples(model.card, 3)[2:]
    words = ["--condition", ",".join(map(str, row.reshape(-1).tolist()))]
    _, raw = made_by(program, model.path, tmp_path, 5, *words)
    np.testing.assert_allclose(raw, model.pictures(5, 1, row)[0], atol=1e-5)
    other = model.pictures(5, 1, conditions.examples(model.card, 1))[0]
    assert np.abs(raw - other).max() > 0.1  # what is asked for matters


def make_file(folder, picture, dtype):
    """A file whose picture is a constant and the seed, which has the type `dtype`."""
    import tensorflow as tf

    module = tf.Module()
    module.call = tf.function(
        lambda seed: {"image": tf.constant(picture) + tf.cast(seed, tf.float32)[:, None, None, None]},
        input_signature=[tf.TensorSpec([1], dtype, name="seed")],
    )
    tf.saved_model.save(module, str(folder / "saved"), signatures={"generate_from_seed": module.call})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"), signature_keys=["generate_from_seed"])
    path = folder / "made.tflite"
    path.write_bytes(converter.convert())
    return path


def test_a_seed_of_another_type(program, tmp_path):
    path = make_file(tmp_path, np.zeros((1, 2, 3, 1), np.float32), "float32")
    finished = run(program, path, "--out", tmp_path / "x.pgm")
    assert finished.returncode == 2
    assert f"error: the input seed of {path} is not one int32 (type 1, 1 numbers)\n" in finished.stderr


def test_a_crash_of_litert_is_a_sentence(program, tmp_path):
    cut = tmp_path / "cut.tflite"
    cut.write_bytes((EXPORTED / "dcgan_mnist" / "dcgan_mnist.tflite").read_bytes()[:9000])
    finished = run(program, cut, "--out", tmp_path / "x.pgm")
    assert finished.returncode == 2
    assert f"error: LiteRT crashed on {cut} (signal 11): it is damaged\n" in finished.stderr


@pytest.fixture
def colour(tmp_path):
    """A file that makes one 2 x 3 picture in colour, beyond white and black at places."""
    values = np.array([[-1.5, -1, 0], [1, 1.5, 0.25], [-0.5, 0.5, 0], [1 / 255, 0.1, 0.2]], np.float32)
    picture = np.vstack([values, -values[:2]]).reshape(1, 2, 3, 3)
    return make_file(tmp_path, picture, "int32"), picture[0]


def test_colours_rounding_and_clipping(program, colour, tmp_path):
    path, wanted = colour
    pixels, raw = made_by(program, path, tmp_path, 0)
    np.testing.assert_array_equal(raw, wanted)
    np.testing.assert_array_equal(pixels, drawing.to_uint8(wanted))
    assert pixels[0, 0].tolist() == [0, 0, 128] and pixels[0, 1].tolist() == [255, 255, 159]
    assert (tmp_path / "c.pnm").read_bytes().startswith(b"P6\n3 2\n255\n")


def edited(path, target, edit):
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    edit(model)
    flatbuffer_utils.write_model(model, str(target))
    return target


def rename(old):
    """Makes another function of the file pass for the one that the program runs."""

    def edit(model):
        for signature in model.signatureDefs:
            if signature.signatureKey == b"generate_from_seed":
                signature.signatureKey = b"unused"
            if signature.signatureKey == old:
                signature.signatureKey = b"generate_from_seed"
                signature.inputs[0].name = b"seed"

    return edit


def test_mistakes_are_one_sentence(program, artifact, tmp_path):
    model = artifact.folder / "tiny_digits.tflite"
    conditional = EXPORTED / "cgan_mnist" / "cgan_mnist_dynamic.tflite"
    no_seed = edited(model, tmp_path / "no_seed.tflite", rename(b"nothing"))
    float_seed = edited(model, tmp_path / "float_seed.tflite", rename(b"generate"))
    no_picture = edited(model, tmp_path / "no_picture.tflite", rename(b"latents"))
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(model.read_bytes()[:9000])
    text = tmp_path / "text.tflite"
    text.write_text("no model")
    out = ["--out", tmp_path / "x.pgm"]
    before = sorted(tmp_path.iterdir())
    for words, sentence in [
        ([], "a model and --out are needed"),
        ([model], "a model and --out are needed"),
        ([model, "--out"], "--out needs a value"),
        ([model, *out, "--colour", "red"], "there is no option --colour"),
        ([model, model, *out], "there is one model at a time"),
        ([model, *out, "--seed", "1.5"], "--seed must be a 32-bit whole number, got '1.5'"),
        ([model, *out, "--seed", "2147483648"], "--seed must be a 32-bit whole number"),
        ([tmp_path / "absent.tflite", *out], "absent.tflite: No such file or directory"),
        ([model, "--out", tmp_path / "absent" / "x.pgm"], "x.pgm: No such file or directory"),
        ([text, *out], "LiteRT cannot open"),
        ([cut, *out], "cut.tflite"),
        ([no_seed, *out], "has no signature generate_from_seed"),
        ([float_seed, *out], "is not one int32 (type 1, 5 numbers)"),
        ([no_picture, *out], "is not one picture: float32 (1, height, width, 1 or 3)"),
        ([artifact.decoder_only, *out], "has no signature generate_from_seed"),
        ([model, *out, "--condition", "1"], "takes no --condition"),
        ([conditional, *out], "must be told what to draw by --condition: numbers for its input label, 1"),
        ([conditional, *out, "--condition", "1,2"], "--condition needs numbers for the input label: 1, got 2"),
        ([conditional, *out, "--condition", "seven"], "--condition must be a 32-bit whole number, got 'seven'"),
        ([conditional, *out, "--condition", "-1"], "--condition must be 0 or more for the input label, got -1"),
        ([conditional, *out, "--condition", "99"], "does its card know --condition 99?"),
    ]:
        finished = run(program, *words)
        # LiteRT itself writes lines that begin with INFO or ERROR.
        said = [line for line in finished.stderr.splitlines() if line.startswith("error: ")]
        assert finished.returncode == 2 and len(said) == 1, (words, finished)
        assert sentence in said[0]
        assert finished.stdout == ""
    assert sorted(tmp_path.iterdir()) == before


def test_usage(program):
    finished = run(program, "--help")
    assert finished.returncode == 0 and finished.stdout.startswith("usage: generate MODEL.tflite --out PICTURE")


def test_without_litert_the_makefile_says_what_to_do(tmp_path):
    made = subprocess.run(
        ["make", "-C", "edge/c", f"LITERT={tmp_path}", f"OUT={tmp_path / 'generate'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 2
    assert f"error: {tmp_path}/libLiteRt.so is missing" in made.stderr
