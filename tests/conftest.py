"""Settings of every test: quiet TensorFlow, no GPU, one thread, the same random numbers, float32."""

import os
import pathlib
import sys

import pytest

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ[threads] = "1"  # pytest's workers fill the cores

# `python -m pytest` puts the root on the path, `pytest` alone does not.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
pytest.register_assert_rewrite("checks")


@pytest.fixture(autouse=True)
def same_start():
    """Seeds before a test and the default precision after it; a test without Keras does not pay for its import."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(1)
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def digits():
    """The training split of the embedded digits."""
    from zoo.datasets import images

    return images.load("digits").train


@pytest.fixture(scope="module")
def batch(digits):
    """What a train step takes: sixteen pictures and their labels."""
    import tensorflow as tf

    from zoo.datasets import images

    return tf.constant(images.to_float(digits.images[:16])), tf.constant(digits.labels[:16])


@pytest.fixture(scope="module")
def no_int8(tmp_path_factory):
    """The slowest of the converter's processes ends at once: test_export.py has all precisions."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if sys.orig_argv[1:3] == ['-m', 'zoo.tflite'] and set(sys.orig_argv) & set(os.environ['DYING'].split()):\n"
        "    os._exit(3)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        patch.setenv("DYING", "int8")
        yield


@pytest.fixture
def no_converter(no_int8, monkeypatch):
    """No file can be converted: the run trains, and fails where it exports."""
    monkeypatch.setenv("DYING", "fp32 int8")
