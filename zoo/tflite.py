"""A SavedModel becomes TFLite files: builtin operations, static shapes, and the card embedded.

Facts behind this file: a dynamic batch keeps transposed convolutions off the fast kernels (up to 100 times slower when
quantised), so each signature is converted with the static shape of the card; the exporter of Keras allows Flex
operations, which a phone does not have, so the converter is called here with builtin operations only; and its int8
calibrator can crash the process, which a finished training must survive, so it runs in a child.
"""

import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

SUFFIXES = {"fp32": "", "fp16": "_fp16", "dynamic": "_dynamic", "int8": "_int8"}
TOGETHER = (("fp32", "fp16", "dynamic"), ("int8",))  # a process each; int8, whose calibrator can crash, on its own
CALIBRATION_RUNS = 100
ROW_BYTES = 12  # of the scale of a row, in each signature that uses the layer
ROW_SHARE = 0.1  # of a quantised file that such scales may take


def convert(draft, card):
    """Make every TFLite file in child processes, with the card's lasting part embedded.

    Args:
        draft: folder with saved_model/; the files come beside it.
        card: with name and signatures.

    Returns:
        Dictionary from the precision of each file that could not be made to the converter's reason.

    Raises:
        ValueError: with the converter's reason, when there is no fp32 file.
    """
    asked_for = [precision for precisions in TOGETHER for precision in precisions]
    reasons = {precision: "it was not asked for" for precision in SUFFIXES if precision not in asked_for}
    if "generate_from_seed" not in card["signatures"]:
        reasons["int8"] = "its ranges would have to be measured on real data, which git does not hold"
    lasting = {key: value for key, value in card.items() if key != "files"}
    (draft / "convert.json").write_text(json.dumps(lasting))
    for precisions in TOGETHER:
        precisions = [precision for precision in precisions if precision not in reasons]
        if not precisions:
            continue
        child = subprocess.run(
            [sys.executable, "-m", "zoo.tflite", str(draft.resolve()), *precisions],
            capture_output=True,
            text=True,
            cwd=pathlib.Path(__file__).resolve().parent.parent,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
        )
        missing = [each for each in precisions if not (draft / f"{card['name']}{SUFFIXES[each]}.tflite").exists()]
        if "fp32" in missing:
            raise ValueError(f"the TFLite converter failed: {_reason(child)}")
        reasons.update({each: f"the converter could not make it: {_reason(child)}" for each in missing})
    (draft / "convert.json").unlink()
    return reasons


def _reason(child):
    """The line of the converter's output that says what is wrong, without control characters: it goes into the card."""
    if child.returncode < 0:
        return f"it crashed with signal {-child.returncode}"
    lines = child.stderr.strip().splitlines() or [f"exit code {child.returncode}"]
    errors = [line.split("error:", 1)[1].strip() for line in lines if "error:" in line]
    return "".join(each if each.isprintable() else " " for each in (errors or lines[-1:])[0][:300])


def _convert_here(folder, precisions):
    """In the child process: folder/saved_model becomes TFLite files beside it."""
    import tensorflow as tf

    card = json.loads((folder / "convert.json").read_text())
    loaded = tf.saved_model.load(folder / "saved_model")
    with tempfile.TemporaryDirectory() as scratch:
        # The shipped SavedModel has a dynamic batch, which keeps transposed convolutions off the fast kernels.
        module = tf.Module()
        module.loaded = loaded
        static = {name: _static(loaded.signatures[name], signature) for name, signature in card["signatures"].items()}
        tf.saved_model.save(module, scratch, signatures=static)
        variables = {v.ref(): v for name in static for v in loaded.signatures[name].variables}.values()
        for precision in precisions:
            converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=list(static))
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            if precision != "fp32":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                one_scale = not rows_may_have_scales([v.shape for v in variables], len(static))
                converter._experimental_disable_per_channel_quantization_for_dense_layers = one_scale
            if precision == "fp16":
                converter.target_spec.supported_types = [tf.float16]
            if precision == "int8":
                converter.representative_dataset = lambda: _calibration(loaded, card["signatures"])
            path = folder / f"{card['name']}{SUFFIXES[precision]}.tflite"
            unfinished = path.with_suffix(".unfinished")
            unfinished.write_bytes(converter.convert())
            _embed(unfinished, {**card, "precision": precision})
            os.replace(unfinished, path)


def rows_may_have_scales(shapes, signatures):
    """Whether each row of the dense layers gets a scale of its own when it is quantised, or a layer has one.

    Rows are the more exact. But where a dense layer makes thousands of numbers of a short vector, as the first one of a
    convolutional generator does, their scales would be a third of the file.

    Args:
        shapes: of all the weights.
        signatures: how many use them.
    """
    weights = sum(math.prod(shape) for shape in shapes)
    rows = sum(shape[-1] for shape in shapes if len(shape) == 2)
    return ROW_BYTES * signatures * rows <= ROW_SHARE * weights


def _static(signature, described):
    import tensorflow as tf

    specs = {
        value["name"]: tf.TensorSpec(value["shape"], value["dtype"], name=value["name"])
        for value in described["inputs"]
    }
    outputs = {value["name"]: value["shape"] for value in described["outputs"]}

    def call(**inputs):
        return {name: tf.ensure_shape(tensor, outputs[name]) for name, tensor in signature(**inputs).items()}

    return tf.function(call, autograph=False).get_concrete_function(**specs)


def _calibration(loaded, signatures):
    """What the full-integer converter measures ranges on: seeds, latent vectors, and pictures of the model's own."""
    import tensorflow as tf

    for run in range(CALIBRATION_RUNS):
        first = example_inputs(signatures["generate_from_seed"]["inputs"], run) | {"seed": np.array([run], np.int32)}
        picture = loaded.signatures["generate_from_seed"](**{key: tf.constant(first[key]) for key in first})["image"]
        for name, signature in signatures.items():
            arrays = example_inputs(signature["inputs"], run)
            pictures = {key: picture.numpy() for key, array in arrays.items() if array.shape == picture.shape}
            yield name, {**arrays, **pictures}


def _embed(path, card):
    """Write the card into the file as metadata `model_card.json`; runtimes ignore it, tools can read it."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(json.dumps(card, separators=(",", ":")).encode(), np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = b"model_card.json"
    entry.buffer = len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    flatbuffer_utils.write_model(model, str(path))


def check_operations(path):
    """Refuse a TFLite file that a plain mobile runtime cannot run.

    Raises:
        ValueError: naming Flex or custom operations, or tensors of dynamic shape.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    operations = {details["op_name"] for details in interpreter._get_ops_details()}
    foreign = sorted(name for name in operations if name.startswith("Flex") or name == "CUSTOM")
    if foreign:
        raise ValueError(f"{path.name} has operations that a device may not have: {', '.join(foreign)}")
    for signature in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(signature)
        for name, details in {**runner.get_input_details(), **runner.get_output_details()}.items():
            if -1 in details["shape_signature"] or len(details["shape"]) == 0:
                raise ValueError(
                    f"{path.name}: {name} of {signature} has the shape {list(details['shape_signature'])}; "
                    "shapes must be static and of rank 1 or more"
                )


def example_inputs(inputs, run):
    """Inputs as a client could send them, others for each `run`: seeds, classes, normal latent vectors, noise."""
    random = np.random.default_rng(run)
    arrays = {}
    for value in inputs:
        if value["dtype"] == "int32":
            end = min(1000, value["range"][1] + 1)
            arrays[value["name"]] = random.integers(0, end, value["shape"]).astype(np.int32)
        elif value["range"] is None:
            arrays[value["name"]] = random.standard_normal(value["shape"]).astype(np.float32)
        else:
            arrays[value["name"]] = np.clip(random.standard_normal(value["shape"]), *value["range"]).astype(np.float32)
    return arrays


if __name__ == "__main__":
    _convert_here(pathlib.Path(sys.argv[1]), sys.argv[2:])
