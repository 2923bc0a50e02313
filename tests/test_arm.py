"""The comparison with ARM64: its own arithmetic here, and one model emulated where that can be done."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge import drawing, runtime
from edge.arm import __main__ as arm
from edge.arm import outputs

pytest_plugins = ["edge_artifact"]

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "arm"


def test_outputs_are_the_pictures_of_the_seeds(artifact, model):
    made = outputs.outputs(model, 3)
    np.testing.assert_array_equal(made, model.pictures(0, 3))


def test_outputs_of_a_model_that_needs_pictures_repeat():
    model = runtime.load(ROOT / "exported" / "pix2pix_edges_fashion_mnist", "dynamic")
    made = outputs.outputs(model, 2)
    assert made.shape == (2, 1, 28, 28, 1)
    np.testing.assert_array_equal(made, outputs.outputs(model, 2))
    assert np.abs(made[0] - made[1]).max() > 0.1


def test_large_numbers_differ_by_a_share():
    assert arm.largest_difference(np.array([-0.5, 0.25]), np.array([-0.5, 0.5])) == 0.25
    assert arm.largest_difference(np.array([-200.0, 3.0]), np.array([-199.0, 3.0])) == pytest.approx(0.005)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_as_a_file(channels, tmp_path):
    picture = np.random.default_rng(0).uniform(-1, 1, (4, 6, channels)).astype(np.float32)
    (tmp_path / "x.pnm").write_bytes(arm.as_pnm(picture))
    read = np.asarray(Image.open(tmp_path / "x.pnm"))
    np.testing.assert_array_equal(read.reshape(4, 6, channels), drawing.to_uint8(picture))


def test_mistakes(tmp_path, capsys):
    assert arm.main([str(tmp_path)]) == 2
    assert "has no ARM64 Python: edge/arm/install.sh" in capsys.readouterr().err
    assert arm.main([str(tmp_path), "--seeds", "0"]) == 2
    assert "count must be at least 1" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-aarch64-static", "apt-get", "dpkg"))),
    reason="needs qemu-user-static on Debian",
)
def test_one_model_emulated(capsys):
    """Needs the package indexes of Debian and Python, unless `make arm` has run."""
    installed = subprocess.run(
        ["edge/arm/install.sh", "build/arm"],
        cwd=ROOT,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin", "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert installed.returncode == 0, installed.stderr
    assert arm.main([str(FOLDER), "cgan_mnist", "--seeds", "2"]) == 0
    out = capsys.readouterr().out
    assert "cgan_mnist fp32" in out and "cgan_mnist dynamic" in out and "largest of all: fp32 " in out
