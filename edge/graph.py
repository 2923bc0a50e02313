"""What is inside a `.tflite` file, read in Python before LiteRT's native code sees it.

A `.tflite` file is a FlatBuffer: tables that point to tables. The accessors of its schema read single fields and leave
the weights alone, so all of this takes a few milliseconds. What a file says is bounded before it is followed, since a
damaged or hostile one may say anything: how many graphs, tensors and operations there are, how large a tensor is, which
operations are used, and that all weights are in the file itself.
"""

import struct

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge.operations import MAX_CODES, MAX_GRAPHS, MAX_PARTS, MAX_RANK, MAX_TENSOR, MAX_TOTAL, NUMBERS

OPERATIONS = frozenset(NUMBERS)
NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}

MAX_FILE = 2**30  # bytes

# What the accessors raise where a damaged file leads them beyond its end.
MISREADINGS = (struct.error, IndexError, TypeError, ValueError, OverflowError)


def damaged(path, reason):
    """The error for a file that is no whole model."""
    return ValueError(f"LiteRT cannot open {path}, it is damaged: {reason}")


def read(path):
    """Reads the bytes of a file.

    Returns:
        The root table `schema.Model`; its accessors raise one of `MISREADINGS` where the file is damaged.

    Raises:
        OSError: It cannot be read.
        ValueError: It is larger than `MAX_FILE`, or no TFLite file.
    """
    if path.stat().st_size > MAX_FILE:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes, at most {MAX_FILE:,} are read")
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise damaged(path, "it is no TFLite file")
    try:
        return schema.Model.GetRootAs(data, 0)
    except MISREADINGS as error:
        raise damaged(path, "it is cut off") from error


def metadata(path, name):
    """Returns the bytes of a named entry that a file carries beside its graphs, or None."""
    model = read(path)
    try:
        for index in range(min(model.MetadataLength(), MAX_GRAPHS)):
            entry = model.Metadata(index)
            if entry.Name() == name and entry.Buffer() < model.BuffersLength():
                return np.asarray(model.Buffers(entry.Buffer()).DataAsNumpy(), np.uint8).tobytes()
    except MISREADINGS as error:
        raise damaged(path, "its metadata leads nowhere") from error
    return None


def check(path):
    """Refuses a file whose graphs are no plain, bounded computation.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, has operations outside `OPERATIONS`, weights in other files, or more or larger parts
            than the bounds of `operations.py`.
    """
    model = read(path)
    try:
        operations = _operations(model)
        too_large = _too_large(model)
        outside = model.ExternalBufferGroupsLength() + model.ExternalBuffersLength() > 0 or _has_distant_buffers(model)
    except MISREADINGS as error:
        raise damaged(path, "its tables lead nowhere") from error
    foreign = sorted(operations - OPERATIONS)
    if foreign:
        shown = ", ".join(foreign[:5])
        raise ValueError(f"{path} is refused: it has operations that no model of this zoo is made of: {shown}")
    if too_large:
        raise ValueError(f"{path} is refused: {too_large}")
    if outside:
        raise ValueError(f"{path} is refused: its weights are not in the file itself")


def _operations(model):
    """Names of the operations that the graphs may use."""
    found = set()
    for index in range(_bounded(model.OperatorCodesLength(), MAX_CODES)):
        code = model.OperatorCodes(index)
        # Numbers up to 126 stand in the field of old files, where newer ones have a placeholder.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        found.add(NAMES.get(number, f"number {number}"))
    return found


def _too_large(model):
    """What is beyond the bounds, as the end of a sentence, or None."""
    graphs = model.SubgraphsLength()
    if not 0 < graphs <= MAX_GRAPHS:
        return f"it has {graphs} graphs, there may be 1 to {MAX_GRAPHS}"
    parts = total = 0
    for index in range(graphs):
        graph = model.Subgraphs(index)
        parts += graph.TensorsLength() + graph.OperatorsLength()
        if parts > MAX_PARTS:
            return f"it has more than {MAX_PARTS:,} tensors and operations"
        for place in range(graph.TensorsLength()):
            tensor = graph.Tensors(place)
            rank = tensor.ShapeLength()
            if rank > MAX_RANK:
                return f"a tensor has {rank} axes, there may be {MAX_RANK}"
            numbers = 1
            for axis in range(rank):
                length = tensor.Shape(axis)
                if length < 0:
                    return f"a tensor has {length} entries along an axis"
                numbers *= length
            total += numbers
            if numbers > MAX_TENSOR or total > MAX_TOTAL:
                return f"a tensor has {numbers:,} numbers, all up to there {total:,}: too many"
    return None


def _has_distant_buffers(model):
    """Whether a buffer lies behind the FlatBuffer, as those of files beyond 2 GB do."""
    buffers = (model.Buffers(index) for index in range(_bounded(model.BuffersLength(), MAX_PARTS)))
    return any(buffer.Offset() > 1 for buffer in buffers)


def _bounded(length, most):
    """A length of a list in the file, or IndexError: no real file has so many."""
    if not 0 <= length <= most:
        raise IndexError(f"{length} entries")
    return length
