"""Files that git does not hold are made again: to the same bytes, or on another processor to the same pictures."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from edge import cards, runtime
from zoo import export, signatures
from zoo.gans import dcgan

SHAPE = (8, 8, 1)
LATENT = 6
FIDS = {"fp32": 5.0, "fp16": 5.25, "dynamic": 10.0, "int8": 5.5}  # dynamic is not shipped


def contents(folder):
    """Every file under a folder with its bytes, hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Folder of an export with batch norm, whose square roots the converter computes."""
    folder = tmp_path_factory.mktemp("published") / "tiny_gan"
    network = dcgan.make_generator(SHAPE, LATENT, width=8)
    random = np.random.default_rng(1)
    for weight in network.weights:
        low, high = (0.5, 2.0) if weight.path.endswith("moving_variance") else (-0.5, 0.5)
        weight.assign(random.uniform(low, high, weight.shape))
    card = {"name": "tiny_gan", "title": "Tiny", "latent_dim": LATENT, "evaluator": None}
    endpoints = signatures.generator_endpoints(network, SHAPE, LATENT)
    export.export(folder, card, endpoints, [network], lambda model: {"fid": FIDS[model.precision]})
    return folder


@pytest.fixture
def copy(published, tmp_path):
    """A copy of the export as git holds it: without fp16 and int8."""
    folder = Path(shutil.copytree(published, tmp_path / "tiny_gan"))
    for precision in ("fp16", "int8"):
        (folder / f"tiny_gan_{precision}.tflite").unlink()
    return folder


def publish_elsewhere(folder, share):
    """Change an export as if another processor had made it: each constant of the fp32 file is off by that share."""
    path = folder / "tiny_gan.tflite"
    model = flatbuffer_utils.read_model(str(path))
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if tensor.type == schema.TensorType.FLOAT32 and data is not None:
            off = (1.0 + share) * np.frombuffer(bytes(data), np.float32)
            model.buffers[tensor.buffer].data = np.frombuffer(off.astype(np.float32).tobytes(), np.uint8)
    flatbuffer_utils.write_model(model, str(path))
    card = json.loads((folder / "card.json").read_text())
    card["files"]["fp32"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    for precision in ("fp16", "int8"):
        card["files"][precision]["sha256"] = "0" * 64
    (folder / "card.json").write_text(json.dumps(card))


def test_remake_makes_the_same_bytes(published, copy, monkeypatch):
    with pytest.raises(ValueError, match=r"not on disk: `python -m zoo\.export remake .*tiny_gan` makes it"):
        runtime.load(copy, "int8")
    monkeypatch.chdir(copy.parent)
    assert export.remake("tiny_gan") == {
        "tiny_gan.tflite": "was there",
        "tiny_gan_fp16.tflite": "the bytes of the card",
        "tiny_gan_int8.tflite": "the bytes of the card",
    }
    assert contents(copy) == contents(published)  # without the dynamic file, which the card does not ship


def test_remake_replaces_what_is_damaged(published, copy):
    (copy / "tiny_gan.tflite").write_bytes(b"damaged")
    assert set(export.remake(copy).values()) == {"the bytes of the card"}
    assert contents(copy) == contents(published)


def test_remake_keeps_the_files_of_which_the_card_states_other_bytes(published, copy):
    facts = json.loads((published / "card.json").read_text())["files"]
    card = (copy / "card.json").read_text()
    (copy / "card.json").write_text(card.replace(facts["fp32"]["sha256"], "0" * 64))
    (copy / "tiny_gan.tflite").write_bytes(b"what was there")
    with pytest.raises(ValueError, match=r"^tiny_gan\.tflite did not come out as the card states.*tensorflow 2"):
        export.remake(copy)
    assert (copy / "tiny_gan.tflite").read_bytes() == b"what was there"
    assert (copy / "tiny_gan_int8.tflite").exists()  # the others landed


def test_remake_accepts_what_another_processor_rounds_otherwise(published, copy):
    publish_elsewhere(copy, 1e-7)
    fp32 = (copy / "tiny_gan.tflite").read_bytes()
    made = export.remake(copy)
    assert made["tiny_gan.tflite"] == "was there" and (copy / "tiny_gan.tflite").read_bytes() == fp32
    before, after = (cards.read_card(folder)["files"] for folder in (published, copy))
    for precision in ("fp16", "int8"):
        assert "rounded by this processor" in made[f"tiny_gan_{precision}.tflite"]
        assert after[precision]["sha256"] == before[precision]["sha256"]  # those of this processor
        assert after[precision]["published_sha256"] == "0" * 64
        assert after[precision]["quality"] == before[precision]["quality"]
        assert runtime.load(copy, precision).pictures(3, 2).shape == (2, *SHAPE)  # its hash is the card's
    assert set(export.remake(copy).values()) == {"was there"}


def test_remake_refuses_what_is_more_than_rounding(copy):
    publish_elsewhere(copy, 1e-2)
    before = contents(copy)
    with pytest.raises(ValueError, match=r"^tiny_gan_fp16\.tflite and tiny_gan_int8\.tflite did not come out"):
        export.remake(copy)
    assert contents(copy) == before
