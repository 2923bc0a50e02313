"""What the fields of a card may hold.

Cards come from elsewhere. All that `edge` reads of one is checked here, before anything else looks at it: the type, the
length, that numbers are finite and that text has no control characters, which a terminal would obey. Fields that `edge`
does not read may hold anything.
"""

import re
import reprlib

from edge import ladder

MAX_TEXT = 1000  # characters
MAX_NUMBER = 2**31
SHA256 = re.compile(r"[0-9a-f]{64}")


def is_text(value):
    """Printable text that is not empty."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()


def is_name(value):
    """Text that is also safe as the name of a file: no folders, not hidden."""
    return is_text(value) and len(value) <= 100 and not value.startswith(".") and not set(value) & set("/\\:")


def is_number(value):
    """A finite number."""
    return type(value) in (int, float) and abs(value) <= MAX_NUMBER  # false for NaN


def is_size(value):
    """A whole number of at least 1."""
    return type(value) is int and 0 < value <= MAX_NUMBER


def is_list(value, is_right, longest, shortest=1):
    """A list whose entries are all right."""
    return isinstance(value, list) and shortest <= len(value) <= longest and all(map(is_right, value))


def is_range(value):
    """Lowest and highest value."""
    return is_list(value, is_number, 2, 2) and value[0] <= value[1]


def is_attribute(value):
    """An attribute that pictures can be asked for."""
    return isinstance(value, dict) and is_text(value.get("name")) and is_range(value.get("range"))


def is_column(value):
    """A column of a table that a model judges: numbers, or categories with their values."""
    if not isinstance(value, dict) or not is_text(value.get("name")):
        return False
    if value.get("kind") == "category":
        return is_list(value.get("values"), lambda each: is_text(each) or is_number(each), 100_000)
    return value.get("kind") == "number"


def is_example(value):
    """A class, a text, or a list of attributes."""
    return is_text(value) or (type(value) is int and value >= 0) or is_list(value, is_number, 1000)


def is_tensor(value):
    """An input or output of a signature."""
    return isinstance(value, dict) and is_text(value.get("name")) and is_list(value.get("shape"), is_size, 8)


def is_signature(value):
    """Inputs and outputs of a function."""
    return isinstance(value, dict) and all(is_list(value.get(side), is_tensor, 64) for side in ("inputs", "outputs"))


def is_quality(value):
    """Scores of a file: numbers, or lists of them, which a figure that files are compared by is not."""
    return value is None or (
        isinstance(value, dict)
        and len(value) <= 100
        and all(is_text(name) and is_score(name, each) for name, each in value.items())
    )


def is_score(name, value):
    """A score of that name."""
    return is_number_or_none(value) or (name not in ladder.FIGURES and is_list(value, is_number, 10_000, 0))


def is_number_or_none(value):
    """A finite number, or that it was not measured."""
    return value is None or is_number(value)


CARD = {
    "name": (is_name, "a plain name of at most 100 characters"),
    "title": (is_text, "text"),
    "task": (is_text, "text"),
    "latent_dim": (lambda value: value is None or is_size(value), "a whole number, or null where there is no vector"),
    "labels": (lambda value: is_list(value, is_text, 100_000), "a list of names"),
    "vocabulary": (
        lambda value: is_list(value, lambda word: word == "" or is_text(word), 1_000_000),
        "a list of words",
    ),
    "attributes": (lambda value: is_list(value, is_attribute, 1000), "a list of objects with a name and a range"),
    "columns": (lambda value: is_list(value, is_column, 10_000), "a list of objects with a name and a kind"),
    "threshold": (is_number, "a number"),
    "typical": (is_range, "two numbers"),
    "examples": (lambda value: is_list(value, is_example, 1000), "a list of classes, texts or lists of numbers"),
}
FILE = {
    "file": (is_name, "a plain file name"),
    "sha256": (lambda value: isinstance(value, str) and SHA256.fullmatch(value), "64 hexadecimal digits"),
    "bytes": (is_size, "a whole number"),
    "latency_ms": (is_number_or_none, "a number"),
    "quality": (is_quality, "an object with numbers"),
    "not_shipped": (is_text, "text"),
}


def check(card, source):
    """Refuses a card with a field of the wrong type or size; fields that are not there are not missed.

    Args:
        card: Dictionary.
        source: Where it was read, for the error message.

    Raises:
        ValueError: Names the first such field.
    """
    _check_fields(card, CARD, source, "")
    for part, is_right in (("signatures", is_signature), ("files", lambda entry: isinstance(entry, dict))):
        entries = card.get(part, {})
        if not isinstance(entries, dict) or len(entries) > 64:
            raise ValueError(f"{source} is broken: {part!r} must be an object with at most 64 entries")
        for name, entry in entries.items():
            if not is_text(name) or not is_right(entry):
                raise ValueError(f"{source} is broken: {part}.{reprlib.repr(name)} is not as a card has it")
    for precision, entry in card.get("files", {}).items():
        _check_fields(entry, FILE, source, f"files.{precision}.")
    if "attributes" in card and not _are_attributes(card.get("examples"), len(card["attributes"])):
        raise ValueError(f"{source} is broken: 'examples' must be lists of as many numbers as there are attributes")
    if "vocabulary" in card and not _has_tokens(card):
        raise ValueError(f"{source} is broken: a vocabulary needs texts as 'examples' and an input 'tokens' (1, T)")


def _check_fields(values, rules, source, where):
    for field, (is_right, wanted) in rules.items():
        if field in values and not is_right(values[field]):
            given = reprlib.repr(values[field])
            raise ValueError(f"{source} is broken: '{where}{field}' must be {wanted}, got {given}")


def _are_attributes(examples, count):
    return bool(examples) and all(isinstance(each, list) and len(each) == count for each in examples)


def _has_tokens(card):
    inputs = card.get("signatures", {}).get("generate", {"inputs": []})["inputs"]
    shapes = [entry["shape"] for entry in inputs if entry["name"] == "tokens"]
    return len(shapes) == 1 and len(shapes[0]) == 2 and all(isinstance(each, str) for each in card.get("examples", [0]))
