"""Training on two devices and on two hosts, in real processes on this machine."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from zoo import distribution, training
from zoo.datasets import images

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(__file__).with_name("distributed.py")


def train(model, strategy, folder, epochs=2):
    """One process, from start to end; what it had after the last step."""
    words = [sys.executable, PROGRAM, model, strategy, folder, str(epochs)]
    child = subprocess.run(words, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    return numbers(folder)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_hosts(model, folder, epochs=2, other_folder=None):
    """Two processes that train together; the second one may be given a folder of its own, which is wrong."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    hosts = []
    for index in range(2):
        config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        hosts.append(
            subprocess.Popen(
                [sys.executable, PROGRAM, model, "multi_worker", (folder, other_folder or folder)[index], str(epochs)],
                env=os.environ | {"TF_CONFIG": json.dumps(config)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return hosts


def finish(hosts):
    """Wait for the processes: their exit codes, and what they wrote to stderr."""
    try:
        errors = [host.communicate()[1] for host in hosts]
    finally:
        for host in hosts:
            host.kill()
    return [host.returncode for host in hosts], errors


def train_on_two_hosts(model, folder, epochs=2):
    codes, errors = finish(start_hosts(model, folder, epochs))
    assert codes == [0, 0], errors
    return numbers(folder), numbers(folder, 1)


def numbers(folder, index=0):
    with np.load(f"{folder}.{index}.npz") as file:
        return [file[name] for name in file.files]


def largest_difference(one, other):
    assert [array.shape for array in one] == [array.shape for array in other]
    return max(np.abs(a.astype(np.float64) - b.astype(np.float64)).max() for a, b in zip(one, other, strict=True))


def losses(folder):
    return [float(row["loss"]) for row in training.read_log(folder / "log.csv")]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The autoencoder on one device: its folder and its numbers."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    return folder, train("autoencoder", "none", folder)


def test_two_devices_compute_what_one_does(alone, tmp_path):
    folder, expected = alone
    mirrored = train("autoencoder", "mirrored", tmp_path / "run")
    assert largest_difference(mirrored, expected) < 1e-5  # gradients averaged, batch norm of the whole batch
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(folder), rtol=1e-5)  # of all devices
    assert losses(folder)[1] < losses(folder)[0]


def test_two_hosts_compute_what_one_does(alone, tmp_path):
    folder, expected = alone
    first, second = train_on_two_hosts("autoencoder", tmp_path / "run")
    assert largest_difference(first, second) == 0
    assert largest_difference(first, expected) < 1e-5
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(folder), rtol=1e-5)


@pytest.mark.parametrize("strategy", ["mirrored", "multi_worker"])
def test_replicas_draw_different_noise(strategy, tmp_path):
    if strategy == "mirrored":
        drawn = train("noise", strategy, tmp_path / "run")
    else:
        drawn = [array for host in train_on_two_hosts("noise", tmp_path / "run") for array in host]
    assert len(drawn) == 2
    assert np.abs(drawn[0] - drawn[1]).min() > 0


def test_a_killed_host_costs_an_epoch_and_changes_nothing(tmp_path):
    expected, _ = train_on_two_hosts("dcgan", tmp_path / "whole", epochs=8)
    hosts = start_hosts("dcgan", tmp_path / "run", epochs=8)
    while not training.checkpoints(tmp_path / "run" / "checkpoints") and hosts[0].poll() is None:
        time.sleep(0.01)
    hosts[1].send_signal(signal.SIGKILL)
    codes, errors = finish(hosts)
    assert codes == [1, -signal.SIGKILL]
    assert errors[0].endswith(
        "error: another host is gone: start the command again on every host, and training goes on\n"
    )
    assert len(training.read_log(tmp_path / "run" / "log.csv")) < 8
    first, second = train_on_two_hosts("dcgan", tmp_path / "run", epochs=8)
    assert largest_difference(first, expected) == 0 and largest_difference(second, expected) == 0
    rows = [
        [row | {"seconds": None} for row in training.read_log(tmp_path / name / "log.csv")] for name in ("run", "whole")
    ]
    assert rows[0] == rows[1] and len(rows[0]) == 8


def test_hosts_that_do_not_share_their_folder_are_refused(tmp_path):
    train("autoencoder", "none", tmp_path / "first", epochs=1)
    codes, errors = finish(start_hosts("autoencoder", tmp_path / "first", 2, tmp_path / "second"))
    assert codes == [1, 1]
    for error in errors:
        assert "the hosts find different checkpoints in" in error and error.endswith("one folder that all share\n")
    assert len(training.read_log(tmp_path / "first" / "log.csv")) == 1
    assert not (tmp_path / "second").exists()


def test_scalars_still_need_rank_one_with_several_hosts(tmp_path):
    """Once this fails, Keras has mended the defect that `zoo.training.results` works around: make it return scalars."""
    codes, errors = finish(start_hosts("scalars", tmp_path / "run", epochs=1))
    assert codes != [0, 0]
    assert any("reduction dimension" in error for error in errors)


@pytest.mark.parametrize(("hosts", "devices"), [(1, 1), (1, 4), (2, 1), (3, 1), (2, 2), (6, 2)])
@pytest.mark.parametrize("binarized", [False, True])
def test_shares_of_the_batches_make_up_the_batches(hosts, devices, binarized, digits):
    batch = 24
    steps = images.steps_per_epoch(digits, batch)
    whole = list(images.training_batches(digits, batch, 3, 1, None, binarized).take(steps).as_numpy_iterator())
    shares = []
    for index in range(hosts):
        context = tf.distribute.InputContext(hosts, index, hosts * devices)
        dataset = images.training_batches(digits, batch, 3, 1, context, binarized).take(steps * devices)
        arrays = list(dataset.as_numpy_iterator())
        shares.append([np.concatenate([x for x, _ in arrays[i : i + devices]]) for i in range(0, len(arrays), devices)])
    for step, (pictures, _) in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([share[step] for share in shares]), pictures)


def test_a_batch_that_cannot_be_shared_out_is_refused(digits):
    with pytest.raises(ValueError, match="must be a multiple of the 3 replicas, got 64"):
        images.training_batches(digits, 64, 0, 0, tf.distribute.InputContext(3, 0, 3))


TWO_DEVICES = """
import sys
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from recipes.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("name", ["wgan", "wgan_gp"])
def test_every_step_of_the_critic_has_to_be_shared_out(name, tmp_path):
    """The batch of the data, two steps of the critic, would be even."""
    words = [name, "--preset", "smoke", "--n-critic", "2", "--batch-size", "33", "--strategy", "mirrored"]
    child = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert child.returncode == 2
    assert child.stderr.endswith("error: the batch size must be a multiple of the 2 replicas, got 33\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mirrored", "multi_worker"])
def test_float16_is_for_one_device(name):
    """Keras' `LossScaleOptimizer` would apply the infinities of any replica but the first."""
    with pytest.raises(ValueError, match=f"--strategy {name} cannot tell an overflow of mixed_float16"):
        distribution.strategy(name, "mixed_float16")
    assert distribution.strategy("none", "mixed_float16") is None


EXAMPLE = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "needs the environment variable TF_CONFIG"),
        ("{", "TF_CONFIG cannot be read"),
        ("[]", "TF_CONFIG cannot be read"),
        (json.dumps({"cluster": EXAMPLE["cluster"]}), "TF_CONFIG cannot be read"),
        (json.dumps(EXAMPLE | {"task": {"type": "worker", "index": 0.5}}), "TF_CONFIG cannot be read"),
        (json.dumps(EXAMPLE | {"cluster": {"worker": 2}}), "TF_CONFIG cannot be read"),
        (json.dumps(EXAMPLE | {"cluster": {"chief": ["c:1"], "worker": ["a:1"]}}), "has the jobs chief, worker"),
        (json.dumps(EXAMPLE | {"task": {"type": "worker", "index": -1}}), "no worker of this task's index among 2"),
        (json.dumps(EXAMPLE | {"task": {"type": "worker", "index": 2}}), "no worker of this task's index among 2"),
        (json.dumps(EXAMPLE | {"task": {"type": "evaluator", "index": 0}}), "no worker of this task's index"),
    ],
)
def test_a_wrong_tf_config_is_refused(text, sentence):
    distribution.check_tf_config(json.dumps(EXAMPLE))
    distribution.check_tf_config(json.dumps(EXAMPLE | {"cluster": {"worker": ["10.0.0.1:65535", "[::1]:2222"]}}))
    with pytest.raises(ValueError, match=sentence) as caught:
        distribution.check_tf_config(text)
    assert '"worker": ["host0:2222", "host1:2222"]' in str(caught.value)


@pytest.mark.parametrize(
    "workers", ["host0:2222", ["a:1", "a:1"], ["a:1", "b"], ["a:1", "b:65536"], ["a:1", "http://b:1"], ["a:1", None]]
)
def test_every_worker_needs_an_address_of_its_own(workers):
    with pytest.raises(ValueError, match=r"^TF_CONFIG needs another host:port for each worker"):
        distribution.check_tf_config(json.dumps(EXAMPLE | {"cluster": {"worker": workers}}))


def test_an_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="must be one of none, mirrored, multi_worker, got 'tpu'"):
        distribution.strategy("tpu")
    assert distribution.strategy("none") is None and distribution.is_chief(None)
