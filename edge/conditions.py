"""What a conditional generator is asked for: a class, attributes, or a sentence.

The card says which of them a model takes, in one of these entries, and has `examples` of it:

    labels       names of the classes: input `label`, int32 (1,), the place of a name in the list
    attributes   objects with name, range and meaning: input `attributes`, float32 (1, A), in the order of the list
    vocabulary   words: input `tokens`, int32 (1, T); a word is its place in the list, and 0 fills up

Each mistake of a user raises `ValueError` with one sentence that has what is known.
"""

import difflib

import numpy as np


def examples(card, count):
    """Conditions to show a model with: the examples of its card, in turn.

    Returns:
        `count` rows: int32 (count,), float32 (count, A) or int32 (count, T).
    """
    if not card.get("examples"):
        raise ValueError(f"{card['name']} must be told what to draw: its card has no examples")
    chosen = [card["examples"][index % len(card["examples"])] for index in range(count)]
    if "labels" in card:
        return labels(card, chosen)
    if "attributes" in card:
        return np.array(chosen, np.float32)  # (count, A)
    return tokens(card, chosen)


def labels(card, names):
    """Classes by their names or numbers: int32 (N,)."""
    known = card.get("labels")
    if not known:
        raise ValueError(f"{card['name']} takes no label")
    found = []
    for name in names:
        text = str(name)
        if text.lower() in (each.lower() for each in known):
            found.append([each.lower() for each in known].index(text.lower()))
        elif text.isdigit() and int(text) < len(known):
            found.append(int(text))
        else:
            raise ValueError(f"{card['name']} has no label {text!r}: {_known(text, known)}")
    return np.array(found, np.int32)


def attributes(card, settings):
    """A vector of attributes: those of the first example, but for the ones that are set.

    Args:
        card: Of the model.
        settings: Dictionary from name to number.

    Returns:
        float32 (1, A).
    """
    known = card.get("attributes")
    if not known:
        raise ValueError(f"{card['name']} takes no attributes")
    names = [each["name"] for each in known]
    vector = np.array(card["examples"][:1], np.float32)
    for name, value in settings.items():
        if name not in names:
            raise ValueError(f"{card['name']} has no attribute {name!r}: {_known(name, names)}")
        low, high = known[names.index(name)]["range"]
        if not low <= value <= high:
            raise ValueError(f"the attribute {name} must be in {low:g} .. {high:g}, got {value:g}")
        vector[0, names.index(name)] = value
    return vector


def tokens(card, sentences):
    """Sentences as numbers of words: int32 (N, T)."""
    known = card.get("vocabulary")
    if not known:
        raise ValueError(f"{card['name']} takes no text")
    (length,) = [entry["shape"][1] for entry in card["signatures"]["generate"]["inputs"] if entry["name"] == "tokens"]
    rows = np.zeros((len(sentences), length), np.int32)
    for row, sentence in zip(rows, sentences, strict=True):
        words = sentence.lower().split()
        if not words:
            raise ValueError(f"the text is empty: {card['name']} was trained on texts like {card['examples'][0]!r}")
        if len(words) > length:
            raise ValueError(f"the text {sentence!r} has {len(words)} words, {card['name']} takes {length}")
        for place, word in enumerate(words):
            if word not in known[1:]:
                raise ValueError(f"{card['name']} does not know the word {word!r}: {_known(word, known[1:])}")
            row[place] = known.index(word)
    return rows


def _known(word, names):
    nearest = difflib.get_close_matches(word, names, n=1) if len(names) > 12 else None
    return f"the nearest is {nearest[0]}" if nearest else f"there are {', '.join(names)}"
