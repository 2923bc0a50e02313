"""The plumbing of training: averages, random generators, checkpoints, logs, replicas, loss scales."""

import csv
import json
import math
import os
import pathlib
import subprocess
import sys
import time

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from zoo import training
from zoo.gans import dcgan

ROOT = pathlib.Path(__file__).resolve().parent.parent
INPUTS = np.linspace(-1, 1, 24, dtype=np.float32).reshape(12, 2)


@keras.saving.register_keras_serializable("tests")
class Line(training.TrainedModel):
    """A small model with all that must be saved: a network, a weight of its own, an optimizer, noise."""

    disk_is_full = False

    def __init__(self, seed=5, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.network = keras.Sequential([keras.Input((2,)), layers.Dense(1, use_bias=False)])
        self.offset = self.add_weight(shape=(), initializer="zeros", name="offset")
        self.first = keras.metrics.Mean(name="first_loss")
        self.second = keras.metrics.Mean(name="second_loss")
        self.built = True

    @property
    def metrics(self):
        return [self.first, self.second]

    def call(self, inputs):
        return self.network(inputs) + self.offset

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self(data) + self.normal((tf.shape(data)[0], 1)) - 3.0))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        self.first.update_state(1.0)
        self.second.update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}

    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self.disk_is_full:
            raise OSError("no space left on device")


def line():
    model = Line()
    model.compile(keras.optimizers.Adam(0.05), run_eagerly=True)
    return model


def fit(model, callbacks, epochs=1, inputs=INPUTS, **options):
    model.fit(inputs, batch_size=4, epochs=epochs, callbacks=callbacks, shuffle=False, verbose=0, **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Averages of weights


class Counter(layers.Layer):
    """Passes its input on and counts the calls, an integer that no average may touch."""

    def build(self, _):
        self.count = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="count")

    def call(self, inputs):
        return inputs


def small_network():
    return keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.BatchNormalization(), Counter()])


@pytest.mark.parametrize(("step", "share"), [(0, 0.1), (1, 2 / 11), (80, 0.9), (10_000, 0.95)])
def test_average_weights_warms_up(step, share):
    # Ones move towards zeros: what is left of them is the decay, (1 + step) / (10 + step) at first and 0.95 in the end.
    network, average = small_network(), small_network()
    average.set_weights([np.ones_like(weight) for weight in average.get_weights()])
    network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    training.average_weights(average, network, tf.Variable(step, dtype=tf.int64), decay=0.95)
    *floats, count = average.get_weights()
    assert len(floats) == 6  # kernel, bias, and batch norm's scale, shift and both statistics
    for weight in floats:
        np.testing.assert_allclose(weight, share, rtol=1e-6)
    assert count == 1


# Random generators


def test_seeds_are_drawn_anew_and_follow_from_the_seed():
    first, second, other = Line(seed=5), Line(seed=5), Line(seed=6)
    drawn = [tuple(first.next_seed().numpy()) for _ in range(5)]
    assert len(set(drawn)) == 5
    assert [tuple(second.next_seed().numpy()) for _ in range(5)] == drawn
    assert tuple(other.next_seed().numpy()) not in drawn
    assert first.next_seed().dtype == tf.int32


def test_noise_is_standard_normal_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = Line()
    noise = np.concatenate([model.normal((100, 50)) for _ in range(4)])
    assert noise.dtype == np.float32
    assert noise.mean() == pytest.approx(0, abs=0.03)
    assert noise.std() == pytest.approx(1, abs=0.03)
    assert len(np.unique(noise.round(6))) > 19_500


def test_a_model_is_saved_whole(tmp_path):
    checks.check_round_trip(line(), INPUTS, INPUTS, tmp_path)


# Checkpoints


def test_checkpoints_keep_the_newest_two(tmp_path):
    folder = tmp_path / "new" / "folder"
    fit(line(), [training.Checkpoints(folder)], epochs=4)
    assert names(folder) == ["epoch_00003.weights.h5", "epoch_00004.weights.h5"]
    newest, older = training.checkpoints(folder)
    assert (newest.name[:11], older.name[:11]) == ("epoch_00004", "epoch_00003")


def test_the_last_epoch_always_has_a_checkpoint(tmp_path):
    fit(line(), [training.Checkpoints(tmp_path / "five", every=3)], epochs=5)
    assert names(tmp_path / "five") == ["epoch_00003.weights.h5", "epoch_00005.weights.h5"]
    log = training.EpochLog(tmp_path / "log.csv", limit=0.0)
    fit(line(), [log, training.Checkpoints(tmp_path / "stopped", every=3)], epochs=5)
    assert names(tmp_path / "stopped") == ["epoch_00001.weights.h5"]


def test_a_write_that_fails_leaves_the_checkpoints_as_they_were(tmp_path):
    model = line()
    checkpoints = training.Checkpoints(tmp_path)
    fit(model, [checkpoints])
    before = (tmp_path / "epoch_00001.weights.h5").read_bytes()
    model.disk_is_full = True
    with pytest.raises(OSError, match="no space left"):
        checkpoints.save(2)
    model.disk_is_full = False
    assert names(tmp_path) == ["epoch_00001.weights.h5"]
    assert (tmp_path / "epoch_00001.weights.h5").read_bytes() == before
    assert training.restore(line(), tmp_path) == 1
    checkpoints.save(2)
    assert names(tmp_path) == ["epoch_00001.weights.h5", "epoch_00002.weights.h5"]


def test_restore_without_checkpoints(tmp_path):
    (tmp_path / "unfinished.weights.h5").write_text("half")
    (tmp_path / "epoch_1.weights.h5").write_text("of another program")
    assert training.restore(line(), tmp_path) == 0
    assert training.restore(line(), tmp_path / "nowhere") == 0


def test_restore_brings_everything_back(tmp_path):
    model = line()
    fit(model, [training.Checkpoints(tmp_path)], epochs=3)
    restored = line()
    assert training.restore(restored, tmp_path) == 3
    checks.assert_same(checks.state(restored), checks.state(model))


def replace(path, content):
    path.unlink()  # HDF5 would take a file of the same inode for the one that it has open
    path.write_bytes(content)


def cut_in_half(path):
    content = path.read_bytes()
    replace(path, content[: len(content) // 2])


def emptied(path):
    replace(path, b"")


def zeroed(path):
    content = path.read_bytes()
    replace(path, content[:600] + bytes(len(content) - 600))  # what a power failure leaves of blocks not yet written


@pytest.mark.parametrize("damage", [cut_in_half, emptied, zeroed])
def test_restore_falls_back_to_the_checkpoint_before_a_damaged_one(tmp_path, capsys, damage):
    model = line()
    checkpoints = training.Checkpoints(tmp_path)
    fit(model, [checkpoints])
    whole = checks.state(model)
    fit(model, [])
    checkpoints.save(2)
    damage(tmp_path / "epoch_00002.weights.h5")
    restored = line()
    assert training.restore(restored, tmp_path) == 1
    checks.assert_same(checks.state(restored), whole)
    assert "epoch_00002.weights.h5 is damaged" in capsys.readouterr().out

    damage(tmp_path / "epoch_00001.weights.h5")
    before = restored.get_weights()
    with pytest.raises(ValueError, match=f"no checkpoint in {tmp_path} can be read"):
        training.restore(restored, tmp_path)
    for one, other in zip(restored.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


# Logs, and losses that are not finite


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_log_has_a_row_an_epoch(tmp_path):
    began = time.perf_counter()
    log = training.EpochLog(tmp_path / "log.csv")
    pause = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: time.sleep(0.4))
    history = keras.callbacks.History()
    fit(line(), [log, pause, history], epochs=3)
    total = time.perf_counter() - began
    found = rows(tmp_path / "log.csv")
    assert found == training.read_log(tmp_path / "log.csv")
    assert [list(row) for row in found] == [["epoch", "seconds", "first_loss", "second_loss"]] * 3
    assert [row["epoch"] for row in found] == ["1", "2", "3"]
    assert [float(row["second_loss"]) for row in found] == pytest.approx(history.history["second_loss"])
    seconds = [float(row["seconds"]) for row in found]
    assert 0 < seconds[0] <= seconds[1] <= seconds[2]
    assert log.seconds == pytest.approx(seconds[2], abs=0.005)
    assert log.seconds < total - 1.2  # three pauses are not training
    assert names(tmp_path) == ["log.csv"]


def test_log_of_a_resumed_run(tmp_path):
    path = tmp_path / "log.csv"
    header = "epoch,seconds,first_loss,second_loss"
    path.write_text("\n".join([header, "1,10.0,1,9", "2,200.5,1,8", "3,3000.0,1,7", "4,4000.0,1,6"]) + "\n")
    log = training.EpochLog(path, finished=2)  # epochs 3 and 4 had no checkpoint
    assert log.seconds == 200.5
    assert [row["epoch"] for row in rows(path)] == ["1", "2"]
    fit(line(), [log], epochs=3, initial_epoch=2)
    assert [row["epoch"] for row in rows(path)] == ["1", "2", "3"]
    assert 200.5 < float(rows(path)[2]["seconds"]) < 3000
    with pytest.raises(ValueError, match=r"log\.csv lacks some of the 4 finished epochs: start again without"):
        training.EpochLog(path, finished=4)
    new = training.EpochLog(path)
    assert new.seconds == 0
    assert rows(path) == []
    assert training.read_log(tmp_path / "nowhere.csv") == []


@pytest.mark.parametrize(("limit", "epochs"), [(None, 4), (1000.0, 4), (0.0, 1)])
def test_log_stops_training_when_the_time_is_over(tmp_path, limit, epochs):
    fit(line(), [training.EpochLog(tmp_path / "log.csv", limit=limit)], epochs=4)
    assert len(rows(tmp_path / "log.csv")) == epochs


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_stop_on_nan_names_the_loss_and_stops_at_once(value):
    model = line()
    poisoned = INPUTS.copy()
    poisoned[5, 0] = value  # in the second of three batches
    with pytest.raises(FloatingPointError, match=r"^second_loss is not finite after step 2: "):
        fit(model, [training.StopOnNaN()], epochs=3, inputs=poisoned)
    assert model.optimizer.iterations == 2
    fit(line(), [training.StopOnNaN()])  # finite losses pass


# Replicas: two logical CPUs, which must be made before TensorFlow starts, so in a process of their own

REPLICAS = """
import json
import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from zoo import training
from zoo.autoencoders import vae
from zoo.gans import dcgan

images = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1)).astype(np.float32)


def constant(network):
    # A last layer without input: what the network makes does not depend on its noise any more.
    kernel, bias = network.layers[-2 if network.name == "generator" else -1].weights
    kernel.assign(tf.zeros_like(kernel))
    bias.assign([0.3])


def make_gan():
    keras.utils.set_random_seed(1)
    model = dcgan.DCGAN((8, 8, 1), latent_dim=3, width=4, discriminator_width=5, r1_gamma=0.7, seed=2)
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.1))
    constant(model.generator)
    return model, model.discriminator


def make_vae():
    keras.utils.set_random_seed(1)
    model = vae.VAE((8, 8, 1), latent_dim=3, width=4, encoder_width=5, seed=2)
    model.compile(keras.optimizers.SGD(0.01))
    model.optimizer.build(model.trainable_variables)
    constant(model.decoder)
    return model, model.encoder


def difference(strategy, make):
    alone, network = make()
    before = [w.numpy() for w in network.trainable_weights]
    alone.train_step((tf.constant(images), tf.zeros(8)))
    alone = [w.numpy() for w in network.trainable_weights]
    with strategy.scope():
        model, network = make()
        halves = tf.data.Dataset.from_tensor_slices((images, np.zeros(8, np.float32))).batch(8)
        for batch in strategy.experimental_distribute_dataset(halves):
            strategy.run(tf.function(model.train_step), (batch,))
    together = [w.numpy() for w in network.trainable_weights]
    moved = max(np.abs(a - b).max() for a, b in zip(alone, before))
    return float(max(np.abs(a - b).max() for a, b in zip(alone, together)) / moved)


strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = training.TrainedModel(seed=4)
seeds = [[seed.numpy().tolist() for seed in strategy.run(model.next_seed).values] for _ in range(3)]
answer = {
    "seeds": seeds,
    "replicas": [training.replicas(), strategy.run(lambda: tf.constant(training.replicas())).values[1].numpy().item()],
    "gan": difference(strategy, make_gan),
    "vae": difference(strategy, make_vae),
}
print("ANSWER", json.dumps(answer))
"""


@pytest.fixture(scope="module")
def two_replicas():
    run = subprocess.run(
        [sys.executable, "-c", REPLICAS], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert run.returncode == 0, run.stderr.decode()[-2000:]
    return json.loads(run.stdout.decode().split("ANSWER", 1)[1])


def test_replicas_draw_different_noise(two_replicas):
    assert two_replicas["replicas"] == [1, 2]
    assert len(two_replicas["seeds"]) == 3
    for step, (one, other) in enumerate(two_replicas["seeds"]):
        assert one[1] == other[1] == step and one[0] != other[0]  # nor will any later draw repeat another replica's


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_two_replicas_take_the_step_of_one(two_replicas, model):
    # Half of the batch each: the same gradient, since the loss is a mean. Its noise has no effect here.
    assert two_replicas[model] < 1e-3


# Precision


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float32"])
def test_full_precision_lasts_as_long_as_its_block(policy):
    keras.config.set_dtype_policy(policy)
    with pytest.raises(RuntimeError), training.full_precision():
        assert layers.Dense(2).compute_dtype == "float32"
        raise RuntimeError
    assert keras.config.dtype_policy().name == policy


def test_float16_gives_both_players_a_loss_scale():
    keras.config.set_dtype_policy("mixed_float16")
    model = dcgan.DCGAN((8, 8, 1), latent_dim=3, width=4, discriminator_width=5, seed=2)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3), initial_scale=256.0)
    model.compile(keras.optimizers.Adam(1e-3), scaled)
    assert isinstance(model.generator_optimizer, keras.optimizers.LossScaleOptimizer)
    assert model.discriminator_optimizer is scaled  # one scale is enough
    assert isinstance(scaled.inner_optimizer, keras.optimizers.Adam)
    logs = model.train_step((tf.random.uniform((4, 8, 8, 1), -1.0, 1.0), tf.zeros(4)))
    assert all(math.isfinite(value) for value in logs.values())
    assert model.generator_optimizer.iterations == 1  # the step was taken, not skipped for an overflow
    assert all(np.all(np.isfinite(weight)) for weight in model.get_weights())
