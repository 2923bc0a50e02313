"""Finds exported models, reads their cards and checks their files.

A model is a folder `exported/<name>/` with `card.json` and one `.tflite` file for each precision.
The card says what the model is, where it comes from, what its functions take and return, how good
and how large each file is, and each file's hash, so that a damaged or foreign file is noticed
before it runs. `edge/fields.py` says what the fields of a card may hold.
"""

import difflib
import hashlib
import json
import re
import reprlib
from pathlib import Path

from edge import fields, graph

EXPORTED = Path(__file__).resolve().parent.parent / "exported"
SCHEMA = 1
MAX_CARD = 8_000_000  # bytes; those of the zoo have about 10,000
CARD_KEYS = ("schema", "name", "title", "signatures", "files")


def parse_card(data, source, keys):
    """Reads the bytes of a card and checks its form.

    Args:
        data: JSON as bytes.
        source: Where it was read, for the error message.
        keys: Names that must be there.

    Returns:
        The card as a dictionary.

    Raises:
        ValueError: It is too long or not JSON, has another schema number, lacks a key, or has a field of another type
            or size than a card has.
    """
    if len(data) > MAX_CARD:
        raise ValueError(f"{source} has {len(data):,} bytes, at most {MAX_CARD:,} are read")
    try:
        card = json.loads(data)
    except ValueError as error:
        raise ValueError(f"{source} is not valid JSON: {error}") from error
    except RecursionError:
        raise ValueError(f"{source} is not a card: it is nested too deeply") from None
    kind = type(card).__name__
    if kind != "dict":
        raise ValueError(f"{source} is not a card: it holds a {kind}, not an object")
    if card.get("schema", SCHEMA) != SCHEMA:
        raise ValueError(
            f"{source} has schema {reprlib.repr(card['schema'])}, but this program reads schema {SCHEMA}: "
            "use the edge/ folder of the commit that exported it"
        )
    missing = [key for key in keys if key not in card]
    if missing:
        raise ValueError(f"{source} lacks {', '.join(missing)}: export the model again")
    fields.check(card, source)
    return card


def read_card(folder):
    """Reads `card.json` of a model's folder.

    Raises:
        OSError: There is no such file.
        ValueError: The card is broken, or an entry of `files` has neither a file with its hash nor
            a reason why it is not shipped.
    """
    path = Path(folder) / "card.json"
    check_inside(path, path.parent)
    with path.open("rb") as file:
        card = parse_card(file.read(MAX_CARD + 1), path, CARD_KEYS)
    for precision, entry in card["files"].items():
        if "not_shipped" in entry:
            continue
        if not {"file", "sha256"} <= entry.keys():
            raise ValueError(f"{path} is broken: files.{precision} needs file and sha256")
    return card


def check_inside(path, folder):
    """Refuses a path that a symbolic link leads out of its folder."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path} is refused: it leads out of its folder, to {path.resolve()}")


def embedded_card(path):
    """Reads the copy of the card inside a `.tflite` file (metadata entry `model_card.json`).

    The copy has no hashes, since a file cannot contain its own.

    Raises:
        ValueError: The file is damaged, has no such entry, or the card in it is broken.
    """
    data = graph.metadata(path, b"model_card.json")
    if data is None:
        raise ValueError(f"{path} has no card, neither inside nor in a card.json beside it")
    return parse_card(data, f"the card inside {path}", keys=("schema", "name"))


def card_of(name_or_path):
    """Returns the card of a model: that of a folder, or the one inside a `.tflite` file."""
    path = find(name_or_path)
    return read_card(path) if path.is_dir() else embedded_card(path)


def as_text(card):
    """Returns a card as JSON that people read: lists of numbers on one line."""
    numbers = re.compile(r"\[[-+\d.eE,\s]*\]")
    return numbers.sub(lambda found: " ".join(found.group().split()), json.dumps(card, indent=1))


def precisions_on_disk(folder, card):
    """Returns the precisions of a card whose file is there, in the card's order."""
    files = {precision: entry.get("file") for precision, entry in card["files"].items()}
    return [name for name, file in files.items() if file and (folder / file).is_file()]


def find(name_or_path):
    """Finds a model by its name in `exported/`, else by path.

    Returns:
        The path of a folder with a `card.json`, or of a `.tflite` file.

    Raises:
        ValueError: There is no such model; the message has the nearest names.
    """
    text = str(name_or_path)
    named = EXPORTED / text
    if Path(text).name == text and (named / "card.json").is_file():
        check_inside(named, EXPORTED)
        return named
    path = Path(text)
    if path.is_dir() and not (path / "card.json").is_file():
        raise ValueError(f"the folder {path} has no card.json, so it is not an exported model")
    if path.exists() and not path.is_dir() and path.suffix != ".tflite":
        raise ValueError(f"{path} is not a model: give a name, its folder or a .tflite file")
    if path.exists():
        return path
    names = [card.parent.name for card in EXPORTED.glob("*/card.json")]
    nearest = difflib.get_close_matches(text, names, cutoff=0.4)
    hint = f"the nearest names are {', '.join(nearest)}, and " if nearest else ""
    raise ValueError(f"no model is called {text!r} and no such path exists: {hint}`python -m edge` lists them")


def remake_hint(folder):
    """Returns the command that makes a model's files again, for error messages."""
    shown = f"exported/{folder.name}" if folder.parent == EXPORTED else folder
    return f"`python -m zoo.export remake {shown}`"


def file_of(folder, card, precision):
    """Returns the path of the file of one precision.

    Raises:
        ValueError: The card has no such precision, it was not shipped, or it is not on disk.
    """
    shipped = ", ".join(name for name, it in card["files"].items() if "not_shipped" not in it)
    entry = card["files"].get(precision)
    if entry is None:
        raise ValueError(f"{card['name']} has no precision {precision!r}: choose one of {shipped}")
    if "not_shipped" in entry:
        reason = str(entry["not_shipped"]).rstrip(".")
        raise ValueError(f"{card['name']} is not shipped as {precision} ({reason}): choose one of {shipped}")
    path = folder / entry["file"]
    if not path.is_file():
        raise ValueError(f"{path} is not on disk: {remake_hint(folder)} makes it")
    check_inside(path, folder)
    return path


def check_hash(path, sha256):
    """Refuses a file that is not the one its card was written for."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} does not match the sha256 in its card, so it is damaged or of another export: "
            f"{remake_hint(path.parent)} makes it again"
        )
