"""Fixtures of the tests of `edge/`: a tiny real generator, exported once.

Test files name this module in `pytest_plugins`, so that they share one conversion. They do not
import it, since pytest could not explain its assertions then.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from edge import runtime

NAME = "tiny_digits"
LATENT_DIM = 5
SIGNATURES = ["generate", "generate_from_seed", "generate_batch", "latents"]


class Artifact(NamedTuple):
    """What the exporter leaves on disk, and TensorFlow's own answers."""

    exported: Path
    folder: Path
    decoder_only: Path  # a .tflite file with the signature "generate" alone
    latents: np.ndarray  # float32 (50, D), seeds 0 .. 49
    pictures: np.ndarray  # float32 (50, 8, 8, 1)


def convert(saved_model, signatures, quantise):
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=signatures)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantise:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def make_card(files):
    picture = {"name": "image", "shape": [1, 8, 8, 1], "dtype": "float32", "range": [-1, 1]}
    seed = {"name": "seed", "shape": [1], "dtype": "int32", "range": [-(2**31), 2**31 - 1]}
    entries = {
        "fp32": {"file": f"{NAME}.tflite", "latency_ms": 0.25, "quality": {"fid": 12.5}},
        "fp16": {"file": f"{NAME}_fp16.tflite", "sha256": "0" * 64, "tracked": False},
        "dynamic": {"file": f"{NAME}_dynamic.tflite", "latency_ms": 0.5},
        "int8": {"not_shipped": "Its FID is 3 times that of fp32."},
    }
    for precision, data in files.items():
        entries[precision]["sha256"] = hashlib.sha256(data).hexdigest()
        entries[precision]["bytes"] = len(data)
    return {
        "schema": 1,
        "name": NAME,
        "title": "Tiny generator, digits",
        "latent_dim": LATENT_DIM,
        "signatures": {"generate_from_seed": {"inputs": [seed], "outputs": [picture]}},
        "files": entries,
    }


@pytest.fixture(scope="session")
def artifact(tmp_path_factory):
    """Builds and converts a generator 5 -> 8x8x1 whose latents are sines of the seed."""
    import keras
    import tensorflow as tf
    from keras import layers

    keras.utils.set_random_seed(11)
    generator = keras.Sequential(
        [
            keras.Input((LATENT_DIM,)),
            layers.Dense(4 * 4 * 16, activation="relu"),
            layers.Reshape((4, 4, 16)),
            layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(1, 3, padding="same", activation="tanh", kernel_initializer="normal"),
        ]
    )
    generator.layers[-1].kernel.assign(generator.layers[-1].kernel * 40.0)
    speeds = tf.constant([0.37, 0.71, 1.13, 1.57, 2.03])
    phases = tf.constant([0.1, 0.9, 1.7, 2.5, 3.3])

    def latents(seed):
        return 1.4 * tf.sin(tf.cast(seed, tf.float32)[:, None] * speeds + phases)  # (B, 5)

    seed = [tf.TensorSpec([1], tf.int32, name="seed")]
    z = [tf.TensorSpec([1, LATENT_DIM], tf.float32, name="z")]
    functions = {
        "generate": (lambda z: {"image": generator(z)}, z),
        "generate_from_seed": (lambda seed: {"image": generator(latents(seed))}, seed),
        "generate_batch": (lambda seed: {"image": generator(latents(seed + tf.range(16)))}, seed),
        "latents": (lambda seed: {"z": latents(seed)}, seed),
    }
    archive = keras.export.ExportArchive()
    archive.track(generator)
    for name, (function, signature) in functions.items():
        archive.add_endpoint(name, tf.function(function, input_signature=signature))
    root = tmp_path_factory.mktemp("edge")
    archive.write_out(str(root / "saved_model"), verbose=False)

    folder = root / "exported" / NAME
    folder.mkdir(parents=True)
    files = {
        "fp32": convert(root / "saved_model", SIGNATURES, quantise=False),
        "dynamic": convert(root / "saved_model", SIGNATURES, quantise=True),
    }
    card = make_card(files)
    for precision, data in files.items():
        (folder / card["files"][precision]["file"]).write_bytes(data)
    (folder / "card.json").write_text(json.dumps(card))
    decoder_only = root / "decoder_only.tflite"
    decoder_only.write_bytes(convert(root / "saved_model", ["generate"], quantise=False))
    z = latents(tf.range(50))
    return Artifact(folder.parent, folder, decoder_only, z.numpy(), generator(z).numpy())


@pytest.fixture(scope="session")
def model(artifact):
    return runtime.load(artifact.folder)


@pytest.fixture
def folder(artifact, tmp_path):
    """A copy of the artifact to break."""
    return Path(shutil.copytree(artifact.folder, tmp_path / NAME))


@pytest.fixture
def embed_card():
    """A function that puts a card into a .tflite file, as the exporter does."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    def embed(path, card):
        model = flatbuffer_utils.read_model(str(path))
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(json.dumps(card).encode(), np.uint8)
        model.buffers.append(buffer)
        entry = schema.MetadataT()
        entry.name = b"model_card.json"
        entry.buffer = len(model.buffers) - 1
        model.metadata = [*(model.metadata or []), entry]
        flatbuffer_utils.write_model(model, str(path))

    return embed
