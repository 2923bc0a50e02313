"""What must not be exported: broken networks, scores that no card can hold, full disks. What stood there stays."""

import json
import resource

import pytest

from zoo import export, signatures, tflite
from zoo.gans import dcgan

SHAPE = (8, 8, 1)
LATENT = 6
CARD = {"name": "tiny", "title": "Tiny", "evaluator": None}


def contents(folder):
    """Every file under a folder with its bytes, hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def network():
    return dcgan.make_generator(SHAPE, LATENT, width=8)


@pytest.fixture
def endpoints(network):
    return signatures.generator_endpoints(network, SHAPE, LATENT)


@pytest.fixture
def refused_because(tmp_path, network):
    """A function: exporting to a place where an export stands fails, and that export stays as it is."""
    standing = tmp_path / "exports" / "tiny"
    (standing / "saved_model").mkdir(parents=True)
    (standing / "card.json").write_text("{}")
    (standing / "saved_model" / "saved_model.pb").write_bytes(b"weights")

    def score(model):
        raise AssertionError("a broken file was scored")

    def check(endpoints, error, sentence, score=score):
        before = contents(tmp_path)
        with pytest.raises(error, match=sentence) as caught:
            export.export(standing, CARD, endpoints, [network], score)
        assert "\n" not in str(caught.value)
        assert contents(tmp_path) == before

    return check


def replace_generate(endpoints, function):
    old = endpoints["generate"]
    return endpoints | {"generate": signatures.Endpoint(function, old.inputs, old.outputs)}


def test_a_network_that_is_not_finite(network, endpoints, refused_because):
    network.layers[-2].bias.assign([float("nan")])
    refused_because(endpoints, ValueError, "image of generate.* is not finite")


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        ({"fid": 1.0, "shares": [0.5, float("inf")]}, r"tiny\.tflite was not exported: its SHARES is not finite"),
        ({"fid": 1.0, "perplexity": 1e12}, r"'files\.fp32\.quality' must be an object with numbers"),
    ],
)
def test_scores_that_no_card_can_hold(endpoints, refused_because, monkeypatch, scores, sentence):
    monkeypatch.setattr(tflite, "TOGETHER", (("fp32",),))
    refused_because(endpoints, ValueError, sentence, lambda model: scores)


def test_a_quantised_file_whose_score_is_not_finite_is_not_shipped(network, endpoints, tmp_path, monkeypatch):
    monkeypatch.setattr(tflite, "TOGETHER", (("fp32", "dynamic"),))
    folder = tmp_path / "tiny"
    broken = {"fp32": 0.5, "dynamic": float("nan")}
    export.export(folder, CARD, endpoints, [network], lambda model: {"fid": 1.0, "kid": broken[model.precision]})
    files = json.loads((folder / "card.json").read_text())["files"]
    assert files["fp32"]["quality"] == {"fid": 1.0, "kid": 0.5}
    assert files["dynamic"] == {"not_shipped": "its KID is not finite", "quality": {"fid": 1.0, "kid": None}}
    assert not (folder / "tiny_dynamic.tflite").exists()


def test_a_network_that_draws_its_own_noise(network, endpoints, refused_because):
    import tensorflow as tf

    def noisy(z):
        return {"image": network(z) + tf.random.normal((1, *SHAPE))}

    noisy_endpoints = replace_generate(endpoints, noisy)
    refused_because(noisy_endpoints, ValueError, r"image of generate is .* away from Keras; at most 0\.0001")


def test_an_operation_that_devices_lack_is_named(network, endpoints, refused_because):
    import tensorflow as tf

    def decompose(z):
        square = tf.eye(8)[None] + 0.0 * network(z)[..., 0]  # (1, 8, 8)
        return {"image": tf.linalg.cholesky(square)[..., None]}

    refused_because(replace_generate(endpoints, decompose), ValueError, "Cholesky")


def test_a_full_disk(endpoints, refused_because):
    """No file may grow beyond 20 kB: the system's answer to a write is an error, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        refused_because(endpoints, OSError, "saved_model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_file_in_the_place_of_a_folder(network, endpoints, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        export.export(tmp_path / "file" / "tiny", CARD, endpoints, [network], None)
    assert contents(tmp_path) == {"file": b"in the way"}
