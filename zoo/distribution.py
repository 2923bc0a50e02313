"""Training on several devices of one machine, or on several machines, by `tf.distribute`.

    strategy("mirrored")        every GPU of this machine (or every logical CPU) has a copy of the model
    strategy("multi_worker")    so has every machine that TF_CONFIG lists; whatever starts them sets it

A batch is the global one: each replica takes its share of it and draws noise of its own, gradients are averaged, batch
norm sees the whole batch. What a model does for that is in `zoo.training` and in its train step; how a batch is shared
out is in `zoo.datasets.images.training_batches`.
"""

import json
import os
import re

import tensorflow as tf

STRATEGIES = ("none", "mirrored", "multi_worker")


def strategy(name, precision="float32"):
    """Make the strategy of a name, before anything else is done with TensorFlow.

    Args:
        name: "none", "mirrored" or "multi_worker".
        precision: that the model will be trained in. Not float16 where there are replicas: before it scales a loss
            down, Keras looks for overflows in the gradients of the first replica only, and not in their sum.

    Returns:
        A `tf.distribute.Strategy`, or None for "none".

    Raises:
        ValueError: for mixed_float16, and for multi_worker without a TF_CONFIG that names this machine.
    """
    if name == "none":
        return None
    if precision == "mixed_float16":
        raise ValueError(
            f"--strategy {name} cannot tell an overflow of mixed_float16: use --precision mixed_bfloat16 or float32"
        )
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name != "multi_worker":
        raise ValueError(f"the strategy must be one of {', '.join(STRATEGIES)}, got {name!r}")
    check_tf_config(os.environ.get("TF_CONFIG"))
    return tf.distribute.MultiWorkerMirroredStrategy()


def check_tf_config(text):
    """Refuse a TF_CONFIG that TensorFlow would misread or wait on for ever.

    Args:
        text: the environment variable, or None where there is none.

    Raises:
        ValueError: one sentence with an example.
    """
    example = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
    if not text:
        raise ValueError(f"--strategy multi_worker needs the environment variable TF_CONFIG, such as {example}")
    try:
        config = json.loads(text)
        jobs = list(config["cluster"])
        workers = list(config["cluster"]["worker"])
        kind = config["task"]["type"]
        index = int(str(config["task"]["index"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"TF_CONFIG cannot be read: it should look like {example}") from error
    if jobs != ["worker"]:
        raise ValueError(f"TF_CONFIG has the jobs {', '.join(jobs)}, but all hosts are workers: such as {example}")
    if not all(_is_address(worker) for worker in workers) or len(set(workers)) < len(workers):
        raise ValueError(f"TF_CONFIG needs another host:port for each worker: it should look like {example}")
    if kind != "worker" or not 0 <= index < len(workers):
        raise ValueError(
            f"TF_CONFIG has no worker of this task's index among {len(workers)}: it should look like {example}"
        )


def _is_address(worker):
    host, _, port = worker.rpartition(":") if isinstance(worker, str) else ("", "", "")
    return re.fullmatch(r"[^\s/]+", host) and re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536


def check_batch(strategy, size):
    """Refuse a batch of so many pictures when the replicas of a strategy, or of None, cannot have equal shares of it.

    Raises:
        ValueError: one sentence.
    """
    replicas = 1 if strategy is None else strategy.num_replicas_in_sync
    if size % replicas:
        raise ValueError(f"the batch size must be a multiple of the {replicas} replicas, got {size}")


def is_chief(strategy):
    """Whether this process writes files: the only one there is, or worker 0."""
    return strategy is None or not _several_hosts(strategy) or strategy.cluster_resolver.task_id == 0


def same_everywhere(strategy, number):
    """Whether every worker passes the same whole number. All workers have to call it."""
    if strategy is None or not _several_hosts(strategy):
        return True

    @tf.function
    def gather():
        return strategy.gather(strategy.run(lambda: tf.constant([number])), axis=0)

    return len(set(gather().numpy().tolist())) == 1


def _several_hosts(strategy):
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
