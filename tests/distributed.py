"""A training that test_distribution.py starts in processes of its own: on one device, on two, and on two hosts.

    python tests/distributed.py MODEL STRATEGY FOLDER EPOCHS

MODEL is autoencoder, scalars (the same one, whose train step returns scalars), dcgan, or noise, which only draws. What
it leaves: FOLDER as a run leaves it, and `FOLDER.<index of the host>.npz` with every number that this process had after
the last step.
"""

import contextlib
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import checks
import keras
import numpy as np
import tensorflow as tf

from recipes import runner
from zoo import layers, training
from zoo.datasets import images
from zoo.gans import dcgan

BATCH = 64


@keras.saving.register_keras_serializable("tests")
class Autoencoder(training.TrainedModel):
    """Deterministic, and with batch norm of the whole batch: the number of devices must not matter."""

    def __init__(self, rank_one=True, **kwargs):
        super().__init__(seed=1, **kwargs)
        self.rank_one = rank_one
        self.network = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                layers.BatchNormalization(),
                keras.layers.Flatten(),
                keras.layers.Dense(12, "tanh", kernel_initializer=keras.initializers.GlorotUniform(seed=2)),
                keras.layers.Dense(64, kernel_initializer=keras.initializers.GlorotUniform(seed=3)),
                keras.layers.Reshape((8, 8, 1)),
            ]
        )
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.built = True

    @property
    def metrics(self):
        """The loss."""
        return [self.loss_tracker]

    def train_step(self, data):
        """One step of descent of the squared error."""
        pictures, _ = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self.network(pictures, training=True) - pictures))
            objective = loss / training.replicas()
        weights = self.network.trainable_variables
        self.optimizer.apply(tape.gradient(objective, weights), weights)
        self.loss_tracker.update_state(loss)
        if not self.rank_one:
            return {"loss": self.loss_tracker.result()}
        return training.results(self.metrics)


def make(name):
    """The model of a name, compiled."""
    if name in ("autoencoder", "scalars"):
        model = Autoencoder(rank_one=name == "autoencoder")
        model.compile(optimizer=keras.optimizers.SGD(0.5))
        return model
    model = dcgan.DCGAN((8, 8, 1), latent_dim=6, width=4, discriminator_width=4, average_decay=0.9, seed=5)
    model.compile(keras.optimizers.Adam(1e-3, beta_1=0.5), keras.optimizers.Adam(1e-3, beta_1=0.5))
    return model


def main(name, strategy, folder, epochs):
    """Train and write the result."""
    if strategy == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    several_hosts = strategy == "multi_worker"
    config = runner.TrainingOptions(strategy=strategy, folder=folder, epochs=int(epochs), seed=4)
    run = runner.start("distributed", config)
    digits = images.load("digits").train

    def batches(first_epoch, context):
        return images.training_batches(digits, BATCH, 4, first_epoch, context)

    with run.scope():
        model = make(name)
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"] if several_hosts else 0
    if name == "noise":
        drawn = run.strategy.run(tf.function(lambda: model.normal((5,))))
        np.savez(f"{folder}.{index}.npz", *run.strategy.experimental_local_results(drawn))
        return

    with contextlib.suppress(runner.NotFirstHost):
        runner.fit(run, model, batches, images.steps_per_epoch(digits, BATCH))
    write(model, f"{folder}.{index}.npz")


def write(model, path):
    """Every number that training goes on from, in order."""
    numbers = [array for part in checks.state(model).values() for array in part]
    np.savez(path, *numbers)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ValueError as error:
        sys.exit(f"error: {error}")
