"""What every model needs to train, save and resume. No loss, no network and no train step stands here.

`TrainedModel` adds to `keras.Model` what Keras leaves out: the state of the random generators is saved, replicas of
`tf.distribute` draw different noise, and moving averages of networks warm up. The callbacks stop a run whose losses
are no longer finite and keep checkpoints that a killed run can go on from.
"""

import contextlib
import csv
import os
import pathlib
import re
import time

import keras
import numpy as np
import tensorflow as tf

KEPT_CHECKPOINTS = 2


class TrainedModel(keras.Model):
    """A Keras model with one random generator whose state is saved with the weights.

    Args:
        seed: integer, or None for one drawn by Keras.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.autocast = False  # what the averaged networks take is not rounded to the precision of training
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape=None):
        """Nothing is left to build: every network begins with `keras.Input`."""
        self.built = True

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nor does Keras have to draw a first batch to build by, which it cannot do when hosts share the batches."""

    def next_seed(self):
        """A fresh stateless seed, int32 (2,): the model's seed, another one on each replica, and the count of draws."""
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        context = tf.distribute.get_replica_context()
        replica = 0 if context is None else context.replica_id_in_sync_group
        return seed + tf.stack([1_000_003 * tf.cast(replica, tf.int32), 0])

    def normal(self, shape):
        """Standard normal noise in float32, whatever the precision policy."""
        return tf.random.stateless_normal(shape, self.next_seed())

    def save_own_variables(self, store):
        """Keras skips the state of SeedGenerators; without it no resumed run repeats the uninterrupted one."""
        super().save_own_variables(store)
        for index, state in enumerate(self._random_states()):
            store[f"random_state_{index}"] = state.numpy()

    def load_own_variables(self, store):
        """Restore what `save_own_variables` wrote."""
        for index, state in enumerate(self._random_states()):
            state.assign(store[f"random_state_{index}"][...])
        names = [name for name in store.keys() if not name.startswith("random_state_")]  # noqa: SIM118, no dictionary
        super().load_own_variables({name: store[name] for name in names})

    def _random_states(self):
        return [variable for variable in self.non_trainable_variables if "seed_generator_state" in variable.path]


def replicas():
    """Number of replicas in step. `tf.distribute` sums their gradients: divide a loss by this before its tape ends."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def results(metrics):
    """What a train or test step returns: the value of each metric by its name.

    With several hosts the values have rank 1: the `fit` of Keras reduces them over an axis that scalars do not have
    (https://github.com/keras-team/keras/issues/20585).
    """
    several_hosts = isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)
    shape = (1,) if several_hosts else ()
    return {metric.name: tf.reshape(metric.result(), shape) for metric in metrics}


@contextlib.contextmanager
def full_precision():
    """Networks made within compute in float32, whatever the precision policy: those that are sampled and exported."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def averaged_copy(network, make):
    """The copy of a network that will follow it: the same weights in float32, never trained.

    Args:
        network: to be followed.
        make: function without arguments that makes such a network.
    """
    with full_precision():
        average = make()
    average.set_weights(network.get_weights())
    average.trainable = False
    return average


def average_weights(average, network, step, decay):
    """Move the averaged copy of a network a step: average <- d average + (1 - d) network.

    The decay warms up, d = min(decay, (1 + step) / (10 + step)), so that the random weights of the start are
    forgotten within a few steps; batch-norm statistics are averaged too.

    Args:
        average: network of the same shape, written to.
        network: the network in training.
        step: how many updates the network has had.
        decay: the decay of later steps, just under 1.
    """
    step = tf.cast(step, tf.float32)
    d = tf.minimum(decay, (1.0 + step) / (10.0 + step))
    for mean, weight in zip(average.weights, network.weights, strict=True):
        if "float" in keras.backend.standardize_dtype(weight.dtype):
            mean.assign(d * mean + (1.0 - d) * tf.cast(weight, mean.dtype))


class StopOnNaN(keras.callbacks.Callback):
    """Raises FloatingPointError, naming the loss, after the first step with one that is not finite."""

    def on_train_batch_end(self, batch, logs=None):
        """Look at the losses."""
        broken = [name for name, value in (logs or {}).items() if not np.all(np.isfinite(value))]
        if broken:
            raise FloatingPointError(
                f"{' and '.join(broken)} {'is' if len(broken) == 1 else 'are'} not finite after step {batch + 1}: "
                "lower the learning rate or use --precision float32"
            )


class EpochLog(keras.callbacks.Callback):
    """Takes the wall seconds of training and appends a row an epoch to a CSV file. To be the first of the callbacks.

    The seconds leave out what other callbacks do at the end of an epoch (grids, scores, checkpoints) and go on from
    those of a resumed run.

    Args:
        path: of the CSV file.
        finished: epochs that are behind a resumed run; later rows are of epochs whose checkpoint was never written, and
            go.
        limit: stop after the epoch in which so many seconds are over; None sets no limit.

    Raises:
        ValueError: when the file has fewer rows than epochs are finished, or cannot be read.
    """

    def __init__(self, path, finished=0, limit=None):
        super().__init__()
        self.path = pathlib.Path(path)
        self.limit = limit
        try:
            rows = read_log(self.path)[:finished] if finished else []
            self.seconds = float(rows[-1]["seconds"]) if rows else 0.0
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            raise ValueError(f"{self.path} is damaged: start again without --resume") from error
        if len(rows) < finished:
            raise ValueError(f"{self.path} lacks some of the {finished} finished epochs: start again without --resume")
        self._write(rows)

    @property
    def is_over(self):
        """Whether the seconds of the limit are."""
        return self.limit is not None and self.seconds >= self.limit

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Stop the clock and write the row."""
        self.seconds += time.perf_counter() - self.began
        losses = {name: float(value) for name, value in (logs or {}).items()}
        self._write([*read_log(self.path), {"epoch": epoch + 1, "seconds": round(self.seconds, 2), **losses}])
        if self.is_over:
            self.model.stop_training = True

    def _write(self, rows):
        unfinished = self.path.with_name("log.unfinished")
        with open(unfinished, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys() if rows else [])
            writer.writeheader()
            writer.writerows(rows)
        os.replace(unfinished, self.path)


def read_log(path):
    """The rows of an `EpochLog`, each a dictionary of strings."""
    if not pathlib.Path(path).exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class Checkpoints(keras.callbacks.Callback):
    """Writes `epoch_00012.weights.h5` after each epoch and keeps the newest two.

    A file has its name only when it is whole, so a killed run leaves no broken checkpoint. Weights, both optimizers,
    moving averages and random generators are inside.

    Args:
        folder: where to write.
        every: epochs between two checkpoints; the last epoch always has one.
    """

    def __init__(self, folder, every=1):
        super().__init__()
        self.folder = pathlib.Path(folder)
        self.every = every

    def on_epoch_end(self, epoch, logs=None):
        """Write a checkpoint when one is due."""
        finished = epoch + 1
        if finished % self.every == 0 or finished == self.params["epochs"] or self.model.stop_training:
            self.save(finished)

    def save(self, finished):
        """Write the checkpoint of a number of finished epochs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / "unfinished.weights.h5"
        try:
            self.model.save_weights(unfinished, overwrite=True)
            os.replace(unfinished, self.folder / f"epoch_{finished:05d}.weights.h5")
        finally:
            unfinished.unlink(missing_ok=True)
        for old in checkpoints(self.folder)[KEPT_CHECKPOINTS:]:
            old.unlink()


def checkpoints(folder):
    """The checkpoints in a folder, newest first."""
    found = pathlib.Path(folder).glob("epoch_*.weights.h5")
    return sorted((path for path in found if re.fullmatch(r"epoch_\d{5}\.weights\.h5", path.name)), reverse=True)


def restore(model, folder):
    """Load the newest readable checkpoint into a compiled model.

    Args:
        model: built and compiled as it was when the checkpoint was written.
        folder: where `Checkpoints` wrote.

    Returns:
        Number of finished epochs; 0 when there is no checkpoint.

    Raises:
        ValueError: when there are checkpoints, but none can be read.
    """
    if model.optimizer is not None:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)  # or Keras skips its slots, with a mere warning
    found = checkpoints(folder)
    for path in found:
        before = model.get_weights()
        try:
            model.load_weights(path)
        except (OSError, KeyError, ValueError, RuntimeError) as error:  # h5py raises all four
            print(f"{path} is damaged or of another model ({type(error).__name__}): trying the one before")
            model.set_weights(before)
            continue
        return int(path.name[6:11])
    if found:
        raise ValueError(f"no checkpoint in {folder} can be read: start again without --resume")
    return 0


def copy_from_checkpoint(model, folder):
    """The same model on one device, with what the newest checkpoint holds; call it outside the strategy's scope."""
    copy = type(model).from_config(model.get_config())
    copy.compile_from_config(model.get_compile_config())
    restore(copy, folder)
    return copy
