"""Networks become files: a tiny DCGAN generator and a tiny VAE are exported once and then looked at from every side."""

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from PIL import Image

from edge import __main__ as edge_command
from edge import cards, drawing, runtime
from zoo import export, signatures, tables, tflite
from zoo.autoencoders import priors, vae
from zoo.gans import dcgan

ROOT = Path(__file__).resolve().parent.parent
SHAPE = (8, 8, 1)
GAN_LATENT = 6
VAE_LATENT = 5
FIDS = {"fp32": 5.0, "fp16": 5.25, "dynamic": 10.0, "int8": 5.5}  # dynamic is twice as bad, int8 just good enough
TOLERANCES = {"fp32": 1e-4, "fp16": 1e-2, "dynamic": 0.1, "int8": 0.1}


class Exported(NamedTuple):
    """An export and the Keras networks that it was made of."""

    folder: Path
    card: dict
    given: dict
    decoder: keras.Model
    encoder: keras.Model | None = None

    def open(self, precision="fp32"):
        return runtime.load(self.folder, precision)

    @property
    def shipped(self):
        return {precision: entry for precision, entry in self.card["files"].items() if "file" in entry}


def lively(network, seed):
    """Weights under which pictures differ from seed to seed and use the whole range, as after training."""
    random = np.random.default_rng(seed)
    for weight in network.weights:
        if weight.path.endswith("moving_variance"):
            weight.assign(random.uniform(0.5, 2.0, weight.shape))
        else:
            weight.assign(2.0 * weight + random.normal(0.0, 0.1, weight.shape))
    return network


def facts(name, latent_dim, network):
    """The part of a card that a recipe gives."""
    return {
        "name": name,
        "title": f"Title of {name}",
        "config": {"epochs": 3, "learning_rate": 1e-3, "seconds": None},
        "dataset": {"name": "digits", "title": "Digits", "licence": "CC BY 4.0", "classes": ["0", "ß"]},
        "latent_dim": latent_dim,
        "directions": signatures.sefa_directions(network),
        "evaluator": None,
    }


def score_by_precision(model):
    """Numbers that the test chooses, and one that proves which file was looked at."""
    return {"fid": FIDS[model.precision], "brightness": float(model.pictures(40, 3).mean()), "n": 3}


@contextlib.contextmanager
def dying_converters(folder, *precisions):
    """The converter's processes that make these precisions are killed, as the system does when memory is short."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        f"if sys.orig_argv[1:3] == ['-m', 'zoo.tflite'] and set(sys.orig_argv) & set({precisions!r}):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def gan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan") / "tiny_gan"
    network = lively(dcgan.make_generator(SHAPE, GAN_LATENT, width=8), seed=1)
    given = facts("tiny_gan", GAN_LATENT, network)
    endpoints = signatures.generator_endpoints(network, SHAPE, GAN_LATENT)
    card = export.export(folder, given, endpoints, [network], score_by_precision)
    return Exported(folder, card, given, network)


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    """Unscored, with a prior that is not N(0, I), and with an int8 converter that dies."""
    folder = tmp_path_factory.mktemp("vae") / "tiny_vae"
    random = np.random.default_rng(2)
    encoder = lively(vae.make_encoder(SHAPE, VAE_LATENT, width=4), seed=3)
    logits = lively(vae.make_decoder(SHAPE, VAE_LATENT, width=8), seed=4)
    decoder = vae.make_image_decoder(logits)
    mixture = priors.MixturePrior(
        weights=np.array([0.4, 0.6], np.float32),
        means=random.normal(0, 2, (2, VAE_LATENT)).astype(np.float32),
        factors=np.tril(random.normal(0, 1, (2, VAE_LATENT, VAE_LATENT))).astype(np.float32),
    )

    def encode(image):
        mean, log_variance = encoder(image, training=False)
        return {"z": mean, "log_variance": log_variance}

    def reconstruct(image):
        return {"reconstruction": decoder(encoder(image, training=False)[0], training=False)}

    image = signatures.image_value("image", SHAPE)
    z = signatures.latent_value("z", VAE_LATENT, "mean of the posterior")
    log_variance = signatures.latent_value("log_variance", VAE_LATENT, "its log variance")
    generator = signatures.generator_endpoints(decoder, SHAPE, VAE_LATENT, mixture.sample)
    endpoints = generator | {
        "encode": signatures.Endpoint(encode, (image,), (z, log_variance)),
        "decode": signatures.Endpoint(generator["generate"].function, (z,), (image,)),
        "reconstruct": signatures.Endpoint(reconstruct, (image,), (signatures.image_value("reconstruction", SHAPE),)),
    }
    given = facts("tiny_vae", VAE_LATENT, logits)
    with dying_converters(tmp_path_factory.mktemp("site"), "int8"):
        card = export.export(folder, given, endpoints, [encoder, decoder], None)
    return Exported(folder, card, given, decoder, encoder)


@pytest.fixture(params=["gan", "autoencoder"])
def exported(request):
    return request.getfixturevalue(request.param)


def contents(folder):
    """Every file under a folder with its bytes, hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def some_pictures(count):
    """Float pictures (count, 1, 8, 8, 1) in [-1, 1]."""
    return np.tanh(np.random.default_rng(9).normal(0, 1, (count, 1, *SHAPE))).astype(np.float32)


# --- what stands in the folder ----------------------------------------------------------------


def test_the_folder_holds_what_the_card_lists(gan, autoencoder):
    for each, last, plots in ((gan, "int8", {"ladder.svg"}), (autoencoder, "dynamic", set())):  # nothing scores it
        name = each.card["name"]
        files = {f"{name}.tflite", f"{name}_fp16.tflite", f"{name}_{last}.tflite"} | plots
        assert {file.name for file in each.folder.iterdir()} == files | {"card.json", "samples.png", "saved_model"}
        assert [path.name for path in each.folder.parent.iterdir()] == [each.folder.name]  # no scratch left


def test_the_card_is_what_was_given_and_what_was_found(exported):
    card = json.loads((exported.folder / "card.json").read_text())
    assert card == exported.card
    assert {name: card[name] for name in exported.given} == exported.given
    assert card.keys() - exported.given.keys() == {"schema", "commit", "dirty", "versions", "signatures", "files"}
    assert card["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert all(card["versions"][name] == metadata.version(name) for name in ("tensorflow", "keras", "numpy"))
    assert card["schema"] == 1 and cards.read_card(exported.folder) == card  # as the device reads it
    assert list(card["files"]) == ["fp32", "fp16", "dynamic", "int8"]


def test_every_file_has_its_bytes_hash_and_latency(exported):
    for precision, entry in exported.shipped.items():
        content = (exported.folder / entry["file"]).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert 0 < entry["latency_ms"] < 1000
        assert entry["tracked"] == (precision in ("fp32", "dynamic"))


def test_quality_is_measured_on_each_file_itself(gan):
    brightness = {}
    for precision in ("fp32", "fp16", "int8"):
        brightness[precision] = float(gan.open(precision).pictures(40, 3).mean())
        expected = {"fid": FIDS[precision], "brightness": pytest.approx(brightness[precision], abs=1e-6), "n": 3}
        assert gan.card["files"][precision]["quality"] == expected
    assert len(set(brightness.values())) == 3  # they are three different files


def test_a_rung_whose_samples_are_clearly_worse_is_not_shipped(gan):
    entry = gan.card["files"]["dynamic"]
    assert entry.keys() == {"not_shipped", "quality"} and entry["quality"]["fid"] == 10.0
    assert entry["not_shipped"] == "its FID is 10.000, more than 10 % worse than the 5.000 of fp32"
    with pytest.raises(ValueError, match=r"not shipped as dynamic \(its FID is 10\.000, .*: choose one of fp32"):
        gan.open("dynamic")


def test_a_dying_converter_costs_one_file_only(autoencoder):
    assert autoencoder.card["files"]["int8"].keys() == {"not_shipped"}
    assert "converter" in autoencoder.card["files"]["int8"]["not_shipped"]
    with pytest.raises(ValueError, match="not shipped as int8"):
        autoencoder.open("int8")
    for precision in ("fp32", "fp16", "dynamic"):
        assert autoencoder.open(precision).pictures(0, 2).shape == (2, *SHAPE)


def test_without_an_fp32_file_what_stands_there_stays(gan, tmp_path):
    folder = Path(shutil.copytree(gan.folder, tmp_path / "exports" / "tiny_gan"))
    before = contents(folder.parent)
    endpoints = signatures.generator_endpoints(gan.decoder, SHAPE, GAN_LATENT)
    with dying_converters(tmp_path / "site", "fp32", "int8"), pytest.raises(ValueError, match="converter"):
        export.export(folder, gan.given, endpoints, [gan.decoder], score_by_precision)
    assert contents(folder.parent) == before


def test_an_export_without_scores_can_be_listed_and_printed(autoencoder, monkeypatch, capsys):
    assert [entry.get("quality") for entry in autoencoder.card["files"].values()] == [None] * 4
    tables.print_card(autoencoder.card)
    printed = capsys.readouterr().out
    assert "Title of tiny_vae" in printed and "int8 is not shipped" in printed
    monkeypatch.setattr(cards, "EXPORTED", autoencoder.folder.parent)
    assert edge_command.main([]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in listed[1:4]] == [["tiny_vae", p] for p in ("fp32", "fp16", "dynamic")]


def test_samples_are_the_pictures_of_the_first_hundred_seeds(exported):
    samples = np.asarray(Image.open(exported.folder / "samples.png"))
    expected = drawing.grid(exported.open().pictures(0, 100), columns=10, scale=7)
    np.testing.assert_array_equal(samples, expected)
    assert samples.std() > 30  # not a blank sheet


def test_the_card_inside_each_file_is_the_card_without_its_files(exported):
    lasting = {name: value for name, value in exported.card.items() if name != "files"}
    for precision, entry in exported.shipped.items():
        assert cards.embedded_card(exported.folder / entry["file"]) == {**lasting, "precision": precision}


# --- the files compute what Keras computes ----------------------------------------------------


def test_card_and_files_have_the_same_static_signatures(exported):
    image = {"name": "image", "shape": [1, 8, 8, 1], "dtype": "float32", "range": [-1, 1]}
    seed = {"name": "seed", "shape": [1], "dtype": "int32", "range": [-(2**31), 2**31 - 1]}
    described = exported.card["signatures"]
    assert described["generate_from_seed"]["inputs"] == [seed | {"meaning": "one seed is one picture, on every device"}]
    assert described["generate_from_seed"]["outputs"] == [image | {"meaning": "picture, -1 black to 1 white"}]
    assert described["generate_batch"]["outputs"][0]["shape"] == [16, 8, 8, 1]
    assert [value["shape"] for value in described["latents"]["outputs"]] == [[1, exported.card["latent_dim"]]]
    for precision in exported.shipped:
        model = exported.open(precision)
        assert model.signatures.keys() == described.keys()
        for name, signature in model.signatures.items():
            for side in ("inputs", "outputs"):
                card_side = {value["name"]: (value["shape"], value["dtype"]) for value in described[name][side]}
                file_side = {key: (list(it.shape), it.dtype.name) for key, it in getattr(signature, side).items()}
                assert file_side == card_side
                for shape, dtype in file_side.values():
                    assert len(shape) >= 1 and min(shape) >= 1 and dtype in ("float32", "int32")


def test_files_have_builtin_operations_only(exported):
    for entry in exported.shipped.values():
        model = schema.Model.GetRootAs((exported.folder / entry["file"]).read_bytes(), 0)
        codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
        assert len(codes) > 10
        assert all(code.BuiltinCode() != schema.BuiltinOperator.CUSTOM and not code.CustomCode() for code in codes)


@pytest.mark.parametrize(("precision", "tolerance"), TOLERANCES.items())
def test_files_equal_keras(exported, precision, tolerance):
    if precision not in exported.shipped:
        assert (exported.card["name"], precision) in {("tiny_gan", "dynamic"), ("tiny_vae", "int8")}
        return
    model = exported.open(precision)
    z = np.random.default_rng(6).standard_normal((20, exported.card["latent_dim"])).astype(np.float32)
    expected = exported.decoder(z, training=False).numpy()
    difference = np.abs(model.generate(z) - expected)
    assert np.ptp(expected, axis=0).max() > 1.0  # they are 20 different pictures
    root_mean_square = np.sqrt(np.mean(np.square(difference)))
    assert (difference.max() if precision == "fp32" else root_mean_square) <= tolerance
    if exported.encoder is not None:
        for picture in some_pictures(3):
            mean, log_variance = (tensor.numpy() for tensor in exported.encoder(picture, training=False))
            given = model.run("encode", image=picture)
            np.testing.assert_allclose(given["z"], mean, rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(given["log_variance"], log_variance, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_one_seed_is_one_picture(exported, precision):
    model = exported.open(precision)
    pictures = []
    for seed in (0, 7, -3, 2**31 - 16, -(2**31)):
        picture = model.run("generate_from_seed", seed=np.int32([seed]))["image"]
        z = model.run("latents", seed=np.int32([seed]))["z"]
        np.testing.assert_allclose(model.run("generate", z=z)["image"], picture, atol=1e-5)
        batch = model.run("generate_batch", seed=np.int32([seed]))["image"]
        one_by_one = [model.run("generate_from_seed", seed=np.int32([seed + index]))["image"][0] for index in range(16)]
        np.testing.assert_allclose(batch, one_by_one, atol=1e-5)
        pictures.append(picture)
    assert min(np.abs(one - other).max() for one, other in itertools.pairwise(pictures)) > 0.1


def test_a_prior_replaces_the_standard_normal(gan, autoencoder):
    normal = gan.open().latents(range(400))
    assert np.abs(normal.mean(axis=0)).max() < 0.2 and np.abs(normal.std(axis=0) - 1).max() < 0.2
    mixture = autoencoder.open().latents(range(400))
    assert np.abs(mixture.mean(axis=0)).max() > 0.5
    meanings = [each.card["signatures"]["generate"]["inputs"][0]["meaning"] for each in (gan, autoencoder)]
    assert "standard normal" in meanings[0] and "standard normal" not in meanings[1]


def test_encode_decode_and_reconstruct_belong_together(autoencoder):
    for precision, tolerance in (("fp32", 1e-4), ("fp16", 1e-4), ("dynamic", 0.05)):
        model = autoencoder.open(precision)
        for picture in some_pictures(3):
            z = model.run("encode", image=picture)["z"]
            reconstruction = model.run("reconstruct", image=picture)["reconstruction"]
            np.testing.assert_allclose(model.run("decode", z=z)["image"], reconstruction, atol=tolerance)
            np.testing.assert_array_equal(model.run("generate", z=z)["image"], model.run("decode", z=z)["image"])


def test_saved_models_need_neither_keras_nor_the_zoo(gan, autoencoder, tmp_path):
    program = """
import sys
sys.modules["keras"] = sys.modules["zoo"] = None  # importing them fails
import numpy as np
import tensorflow as tf

gan, vae = (tf.saved_model.load(folder).signatures for folder in sys.argv[1:3])
seeds = tf.constant([5, 6, -7], tf.int32)
z, log_variance = (vae["encode"](image=np.load(sys.argv[3]))[name] for name in ("z", "log_variance"))
np.savez(
    sys.argv[4],
    pictures=gan["generate_from_seed"](seed=seeds)["image"],
    generated=gan["generate"](z=gan["latents"](seed=seeds)["z"])["image"],
    batch=gan["generate_batch"](seed=seeds[:1])["image"],
    z=z,
    log_variance=log_variance,
)
"""
    pictures = some_pictures(3)[:, 0]
    np.save(tmp_path / "pictures.npy", pictures)
    folders = [str(each.folder / "saved_model") for each in (gan, autoencoder)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-c", program, *folders, "pictures.npy", "outputs.npz"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
    )
    outputs = np.load(tmp_path / "outputs.npz")
    expected = np.concatenate([gan.open().pictures(seed, 1) for seed in (5, 6, -7)])
    np.testing.assert_allclose(outputs["pictures"], expected, atol=1e-4)  # a batch of 3: the batch is dynamic
    np.testing.assert_allclose(outputs["generated"], expected, atol=1e-4)
    np.testing.assert_allclose(outputs["batch"], gan.open().pictures(5, 16), atol=1e-4)
    mean, log_variance = autoencoder.encoder(pictures, training=False)
    np.testing.assert_allclose(outputs["z"], mean, atol=1e-4)
    np.testing.assert_allclose(outputs["log_variance"], log_variance, atol=1e-4)


def test_rows_of_dense_layers_have_scales_where_these_are_small():
    # 12 bytes a row and signature, 1 byte a weight: (100 + 784) rows of 2 signatures are 21 KB of 88 KB, or of 884 KB.
    assert not tflite.rows_may_have_scales([(99, 100), (100,), (100, 784), (784,)], 2)
    # 884 rows of 4 signatures are 42 KB of 898 KB; filters of convolutions do not count, they have scales anyway.
    assert tflite.rows_may_have_scales([(1000, 100), (100, 784), (3, 3, 80, 1000)], 4)
    assert not tflite.rows_may_have_scales([(1000, 100), (100, 784), (3, 3, 80, 1000)], 10)
