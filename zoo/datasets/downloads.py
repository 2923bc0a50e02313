"""Data sets that come from elsewhere: whether they are at hand or within reach, and one sentence where they are not."""

import contextlib
import socket
import threading

TFDS_HOST = ("storage.googleapis.com", 443)
SKLEARN_HOST = ("ndownloader.figshare.com", 443)  # of scikit-learn's larger data sets


def reachable(address, seconds=4.0):
    """Whether (host, port) answers within the time; name look-ups without network can take far longer than that."""
    answer = []

    def probe():
        try:
            socket.create_connection(address, timeout=seconds).close()
            answer.append(True)
        except OSError:
            answer.append(False)

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answer and answer[0])


def prepare(builder, name, instead):
    """Download and prepare a set of TensorFlow Datasets, unless that was done.

    Args:
        builder: of the set.
        name: of the set, for the sentence.
        instead: what to use in its place, in words.

    Raises:
        ValueError: one sentence, within seconds where there is no network.
    """
    if builder.is_prepared():
        return
    if not reachable(TFDS_HOST):
        raise ValueError(
            f"{name} is not prepared in {builder.data_dir} and cannot be downloaded without network: "
            f"set TFDS_DATA_DIR to a folder that has it, or use {instead}"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # each set has code of its own, with errors of its own
        raise ValueError(f"{name} cannot be prepared: {_first_line(error)}") from error


@contextlib.contextmanager
def reading(name):
    """Answer damaged records of a set of TensorFlow Datasets by a sentence, a ValueError."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        raise ValueError(f"{name} cannot be read, prepare it again: {_first_line(error)}") from error


def _first_line(error):
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
