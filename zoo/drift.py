"""Does a file compute what it was made of? Outputs of SavedModels and TFLite files against those of Keras."""

import numpy as np

from zoo import signatures, tflite

LARGEST_ERROR = 1e-4  # of any number from the fp32 file and the SavedModel, against Keras
RMS_ERROR = 1e-2  # of the fp16 file's outputs: a trained generator's sharp edges amplify single roundings to 0.03
RUNS = 3  # of each signature, with other inputs each


class DriftError(ValueError):
    """A file computes something else than Keras does."""


def check_saved_model(folder, endpoints):
    """Compare the signatures of a SavedModel with the functions that they were made of.

    Args:
        folder: of the SavedModel.
        endpoints: dictionary of `zoo.signatures.Endpoint`.

    Raises:
        ValueError: when an output has another shape or is not finite; `DriftError` when it is another.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    for name, endpoint in endpoints.items():
        inputs = tflite.example_inputs(signatures.described(endpoint.inputs), run=0)
        wanted = _keras_outputs(endpoint, inputs)
        given = loaded.signatures[name](**{key: tf.constant(array) for key, array in inputs.items()})
        for output in endpoint.outputs:
            what = f"saved_model: {output.name} of {name}"
            _compare(what, given[output.name].numpy(), wanted[output.name], "fp32")


def check_file(model, endpoints):
    """Compare a TFLite file with the functions that it was made of; `model` is an open `edge.runtime.Model`.

    Raises:
        ValueError: when an output has another shape or is not finite; `DriftError` when it is further from that of
            Keras than its precision explains.
    """
    for name, endpoint in endpoints.items():
        for run in range(RUNS):
            inputs = tflite.example_inputs(signatures.described(endpoint.inputs), run)
            wanted = _keras_outputs(endpoint, inputs)
            given = model.run(name, **inputs)
            for output in endpoint.outputs:
                what = f"{model.path.name}: {output.name} of {name}"
                _compare(what, given[output.name], wanted[output.name], model.precision)


def is_rounding(made, published):
    """Whether two fp32 files of one card, each an open `edge.runtime.Model`, differ by no more than rounding."""
    try:
        for name, signature in published.card["signatures"].items():
            for run in range(RUNS):
                inputs = tflite.example_inputs(signature["inputs"], run)
                wanted = published.run(name, **inputs)
                given = made.run(name, **inputs)
                for output in signature["outputs"]:
                    what = f"{made.path.name}: {output['name']} of {name}"
                    _compare(what, given[output["name"]], wanted[output["name"]], "fp32")
    except DriftError:
        return False
    return True


def _compare(what, given, wanted, precision):
    if given.shape != wanted.shape:
        raise ValueError(f"{what} has the shape {given.shape}, Keras {wanted.shape}")
    if not np.all(np.isfinite(given)):
        raise ValueError(f"{what} is not finite")
    error = np.abs(given - wanted) / np.maximum(1.0, np.abs(wanted))
    if precision == "fp32" and np.max(error) > LARGEST_ERROR:
        raise DriftError(f"{what} is up to {np.max(error):.2g} away from Keras; at most {LARGEST_ERROR:g} is accepted")
    rms = np.sqrt(np.mean(np.square(error)))
    if precision == "fp16" and rms > RMS_ERROR:
        raise DriftError(f"{what} is {rms:.2g} away from Keras (root mean square); at most {RMS_ERROR:g} is accepted")


def _keras_outputs(endpoint, inputs):
    import tensorflow as tf

    outputs = endpoint.function(*[tf.constant(inputs[value.name]) for value in endpoint.inputs])
    return {name: tensor.numpy() for name, tensor in outputs.items()}
