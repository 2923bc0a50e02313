"""Runs exported generators with LiteRT: seeds and latent vectors in, pictures out.

A `.tflite` file has named functions, its *signatures*, each with named inputs and outputs of fixed
shape. Those used here:

    generate_from_seed   seed int32 (1,)    -> image float32 (1, H, W, C) in [-1, 1]
    generate_batch       seed int32 (1,)    -> image (16, H, W, C), pictures of seeds s .. s + 15
    latents              seed int32 (1,)    -> z float32 (1, D)
    generate             z float32 (1, D)   -> image (1, H, W, C)
    vary                 image, strength float32 (1,), seed int32 (1,) -> image (1, H, W, C)

The first, second and fourth take one more input where the model is conditional: `label` int32 (1,),
`attributes` float32 (1, A) or `tokens` int32 (1, T); `edge/conditions.py` makes them from words.

The noise is drawn inside the file, so one seed is one picture on every device, and
`pictures(3, 16)` are the pictures of seeds 3 to 18. Read `load`, then `Model.run`: these are the
few calls that a client in any language needs. Each mistake of a user raises `ValueError` or
`OSError` with one sentence.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from edge import cards, conditions, graph, probe

# What models are for: pictures from seeds, pictures from pictures, log-probabilities of classes, anomaly scores,
# pictures through a code and back.
MAIN = ("generate_from_seed", "translate", "log_prob", "score", "reconstruct")
MAX_THREADS = 256


class Tensor(NamedTuple):
    """Shape and type of an input or an output."""

    shape: tuple
    dtype: np.dtype

    def __str__(self):
        return f"{self.dtype.name} {self.shape}"


class Signature(NamedTuple):
    """Inputs and outputs of one function of a file, each a dictionary from name to `Tensor`."""

    inputs: dict
    outputs: dict


def tensors(details):
    """Turns the interpreter's description of inputs or outputs into `Tensor`s."""
    found = {}
    for name, entry in details.items():
        found[name] = Tensor(tuple(entry["shape"].tolist()), np.dtype(entry["dtype"]))
    return found


def first_line(error):
    """Returns the first line of an error's message without its full stop."""
    lines = str(error).splitlines() or ["no reason given"]
    return lines[0].rstrip(".")


def zeros(signature):
    """Inputs of a signature, all zero."""
    return {name: np.zeros(*tensor) for name, tensor in signature.inputs.items()}


def open_interpreter(path, threads):
    """Opens a `.tflite` file, after a look at its graphs; LiteRT checks the file's structure before using it."""
    graph.check(path)
    try:
        return Interpreter(model_path=str(path), num_threads=threads)
    except (ValueError, RuntimeError) as error:
        reason = first_line(error)
        raise ValueError(f"LiteRT cannot open {path}, it is damaged: {reason}") from error


def check_seeds(first_seed, count):
    """Refuses fewer than one seed, and seeds that are no 32-bit whole numbers."""
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    if int(first_seed) != first_seed:
        raise ValueError(f"a seed must be a whole number, got {first_seed}")
    last_seed = int(first_seed) + count - 1
    low = -(2**31)
    high = 2**31 - 1
    if first_seed < low or last_seed > high:
        raise ValueError(f"seeds must be in {low} .. {high}, got {first_seed} .. {last_seed}")


def check_threads(threads):
    """Refuses a number of threads that no device has."""
    if not 1 <= threads <= MAX_THREADS:
        raise ValueError(f"threads must be 1 to {MAX_THREADS}, got {threads}")


def slerp(start, end, fractions):
    """Interpolates spherically between two vectors (Shoemake 1985; White 2016, arXiv:1609.04468).

        z(t) = sin((1 - t) w) / sin(w) start + sin(t w) / sin(w) end,   w = angle between the two

    Normal vectors of many dimensions D lie close to the sphere of radius sqrt(D). The straight line
    between two of them cuts through its inside, where no generator was trained; this path does not.

    Args:
        start: (D,).
        end: (D,).
        fractions: (F,) values t in [0, 1].

    Returns:
        float32 (F, D). Parallel vectors have no unique path on a sphere and get the straight line.
    """
    start = np.asarray(start, np.float64)
    end = np.asarray(end, np.float64)
    t = np.asarray(fractions, np.float64)[:, np.newaxis]  # (F, 1)
    lengths = np.linalg.norm(start) * np.linalg.norm(end)
    cosine = np.dot(start, end) / lengths if lengths > 0 else 1.0
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(angle) < 1e-6:
        return ((1.0 - t) * start + t * end).astype(np.float32)  # (F, D)
    path = (np.sin((1.0 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)
    return path.astype(np.float32)  # (F, D)


class Model:
    """One opened `.tflite` file; `load` makes it.

    Attributes:
        path: The file.
        card: Its card as a dictionary.
        name: The model's name.
        precision: `"fp32"`, `"fp16"`, `"dynamic"`, `"int8"`, or `"unknown"` for a lone file.
        signatures: Dictionary from signature name to `Signature`, as the file itself has it.
    """

    def __init__(self, path, card, precision, interpreter):
        self.path = path
        self.card = card
        self.name = card["name"]
        self.precision = precision
        self.signatures = {}
        self._runners = {}
        for name in interpreter.get_signature_list():
            try:
                runner = interpreter.get_signature_runner(name)
            except RuntimeError as error:
                raise graph.damaged(path, first_line(error)) from error
            inputs = tensors(runner.get_input_details())
            outputs = tensors(runner.get_output_details())
            self.signatures[name] = Signature(inputs, outputs)
            self._runners[name] = runner

    def signature(self, name):
        """Returns a `Signature`; where there is none, the `ValueError` has the names there are."""
        if name not in self.signatures:
            names = ", ".join(self.signatures) or "none"
            raise ValueError(f"{self.name} has no signature {name!r}, its signatures are: {names}")
        return self.signatures[name]

    def run(self, signature, /, **inputs):
        """Runs one signature.

        Args:
            signature: Its name.
            **inputs: One array for each input, of exactly the shape and type the file declares.

        Returns:
            Dictionary from output name to array.

        Raises:
            ValueError: The signature does not exist, or an input is missing, unknown, or of another
                shape or type.
        """
        expected = self.signature(signature).inputs
        if inputs.keys() != expected.keys():
            given = ", ".join(inputs) or "nothing"
            wanted = ", ".join(expected)
            raise ValueError(f"{signature!r} of {self.name} takes {wanted}, got {given}")
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        for name, array in arrays.items():
            given = Tensor(array.shape, array.dtype)
            if given != expected[name]:
                raise ValueError(f"{name!r} of {signature!r} must be {expected[name]}, but {given} was given")
        try:
            return self._runners[signature](**arrays)
        except RuntimeError as error:
            reason = first_line(error)
            raise ValueError(f"LiteRT cannot run {signature!r} of {self.path}: {reason}") from error

    def tensor(self, signature, side, name):
        """Returns the `Tensor` of an input or output; `side` is `"inputs"` or `"outputs"`.

        Raises:
            ValueError: There is none of this name, or it has no axes.
        """
        found = getattr(self.signature(signature), side).get(name)
        if found is None or not found.shape or 0 in found.shape:
            has = "has none" if found is None else f"has {found}"
            raise ValueError(f"{signature!r} of {self.name} needs {name!r} among its {side}, but {has}")
        return found

    def output(self, signature, name, /, **inputs):
        """Runs one signature and returns one of its outputs."""
        self.tensor(signature, "outputs", name)
        return self.run(signature, **inputs)[name]

    @property
    def main(self):
        """Name of the signature that the model is for: the first of `MAIN` that it has."""
        return next((name for name in MAIN if name in self.signatures), MAIN[0])

    @property
    def of_pictures(self):
        """Name of the signature that makes a picture of a picture."""
        return "translate" if "translate" in self.signatures else "reconstruct"

    def zeros(self):
        """Inputs of the main signature, all zero: enough to measure how fast it is."""
        return zeros(self.signature(self.main))

    @property
    def condition(self):
        """Name of the input that says what to draw ("label", "attributes", "tokens"), or None."""
        names = [name for name in self.signature("generate_from_seed").inputs if name != "seed"]
        return names[0] if names else None

    def pictures(self, first_seed, count, condition=None):
        """Makes the pictures of seeds `first_seed .. first_seed + count - 1`.

        Full groups of 16 go through `generate_batch` where the file has it, the rest one by one.

        Args:
            first_seed, count: Whole numbers.
            condition: For a conditional model what to draw: one row for all or `count` rows, as
                `edge.conditions` makes them; None takes the examples of the card in turn.

        Returns:
            float32 (count, H, W, C) in [-1, 1].

        Raises:
            ValueError: `count` is below 1, a seed does not fit into int32, the model does not
                start from seeds alone, or the condition is not one of this model.
        """
        check_seeds(first_seed, count)
        rows = self._rows(condition, count)
        batch_size = count + 1
        if "generate_batch" in self.signatures and (rows is None or len(rows) == 1):
            batch_size = self.tensor("generate_batch", "outputs", "image").shape[0]
        pictures = []
        made = 0
        while made < count:
            full = count - made >= batch_size
            signature = "generate_batch" if full else "generate_from_seed"
            seed = np.array([first_seed + made], np.int32)
            pictures.append(self.output(signature, "image", seed=seed, **self._asked(rows, made)))  # (16 or 1, H, W, C)
            made += len(pictures[-1])
        return np.concatenate(pictures)  # (count, H, W, C)

    def _rows(self, condition, count):
        """The conditions of `count` pictures: None, one row for all, or one row each."""
        if self.condition is None:
            if condition is not None:
                raise ValueError(f"{self.name} draws what it likes: it takes neither label nor attributes nor text")
            return None
        rows = conditions.examples(self.card, count) if condition is None else np.asarray(condition)
        if len(rows) not in (1, count):
            raise ValueError(f"there must be 1 or {count} conditions, got {len(rows)}")
        if rows.dtype.kind == "i" and rows.min() < 0:  # LiteRT would draw something
            raise ValueError(f"{self.condition} is counted from 0, got {rows.min()}")
        return rows

    def _asked(self, rows, index):
        """The condition of one picture as keyword argument of `run`."""
        if rows is None:
            return {}
        index = index % len(rows)
        return {self.condition: rows[index : index + 1]}

    def latents(self, seeds):
        """Returns the latent vectors behind the pictures of N seeds: float32 (N, D)."""
        vectors = []
        for seed in seeds:
            check_seeds(seed, 1)
            vectors.append(self.output("latents", "z", seed=np.array([seed], np.int32)))  # (1, D)
        return np.concatenate(vectors)  # (N, D)

    def generate(self, z, condition=None):
        """Decodes latent vectors (N, D) to pictures (N, H, W, C), float32 in [-1, 1].

        `condition` is that of `pictures`.
        """
        size = self.tensor("generate", "inputs", "z").shape[1:]
        z = np.asarray(z, np.float32)
        if z.shape[1:] != size or len(z) == 0:
            wanted = ", ".join(map(str, size))
            raise ValueError(f"z must have shape (N, {wanted}) with N >= 1, got {z.shape}")
        rows = self._rows(condition, len(z)) if "generate_from_seed" in self.signatures else None
        pictures = [self.output("generate", "image", z=z[i : i + 1], **self._asked(rows, i)) for i in range(len(z))]
        return np.concatenate(pictures)  # (N, H, W, C)

    def translate(self, images, first_seed=0):
        """Turns source pictures (N, H, W, S) in [-1, 1] into pictures (N, H, W, C); noise of seeds first_seed ...

        An autoencoder has no `translate`: it gives its reconstructions.
        """
        signature = self.of_pictures
        output = "target" if signature == "translate" else "reconstruction"
        with_noise = "z" in self.signature(signature).inputs
        made = []
        for index, image in enumerate(np.asarray(images, np.float32)):
            noise = {"z": self.latents([first_seed + index])} if with_noise else {}
            made.append(self.output(signature, output, image=image[np.newaxis], **noise))  # (1, H, W, C)
        return np.concatenate(made)  # (N, H, W, C)

    def vary(self, image, strength, first_seed, count):
        """Makes variations of a picture.

        Args:
            image: (1, H, W, C) in [-1, 1].
            strength: 0, the picture as the model knows it, to 1, another one of its kind.
            first_seed, count: Whole numbers; one seed is one variation.

        Returns:
            float32 (count, H, W, C) in [-1, 1].

        Raises:
            ValueError: The strength or a seed is out of range, or the model makes no variations.
        """
        check_seeds(first_seed, count)
        if not 0 <= strength <= 1:
            raise ValueError(f"the strength of variations must be 0 to 1, got {strength}")
        amount = np.array([strength], np.float32)
        seeds = [np.array([first_seed + index], np.int32) for index in range(count)]
        made = [self.output("vary", "image", image=image, strength=amount, seed=seed) for seed in seeds]
        return np.concatenate(made)  # (count, H, W, C)

    def interpolate(self, seed_a, seed_b, frames, condition=None):
        """Walks through latent space from the picture of one seed to that of another.

        A conditional model draws `condition` throughout, None is the first example of its card.

        Returns:
            float32 (frames, H, W, C); the first is the picture of `seed_a`, the last of `seed_b`.
        """
        if frames < 2:
            raise ValueError(f"count must be at least 2 for an interpolation, got {frames}")
        start, end = self.latents([seed_a, seed_b])
        if condition is None and self.condition is not None:
            condition = conditions.examples(self.card, 1)
        return self.generate(slerp(start, end, np.linspace(0.0, 1.0, frames)), condition)


def load(name_or_path, precision=None, threads=1, verify=True):
    """Opens a model.

    Args:
        name_or_path: A name in `exported/`, a folder with a `card.json`, or a `.tflite` file. A
            file that no `card.json` beside it lists is opened with the card embedded in it; that
            has no hash to verify, so the file is tried in another process first (`edge/probe.py`).
        precision: One of the card's precisions; None is `"fp32"`, or what a given file is.
        threads: CPU threads; small models are fastest with one.
        verify: Whether to compare the file with the sha256 in the card.

    Returns:
        A `Model`.

    Raises:
        ValueError: The model, precision or file does not exist, the card or file is damaged, or the file is no plain
            computation (`edge/graph.py`).
    """
    check_threads(threads)
    path = cards.find(name_or_path)
    if path.is_dir():
        card = cards.read_card(path)
        precision = precision or "fp32"
        path = cards.file_of(path, card, precision)
    else:
        has_card = (path.parent / "card.json").is_file()
        card = cards.read_card(path.parent) if has_card else {"files": {}}
        listed = [key for key, entry in card["files"].items() if entry.get("file") == path.name]
        if precision is not None and precision not in listed:
            raise ValueError(f"{path} is one file: give its folder to choose a precision")
        precision = listed[0] if listed else "unknown"
    if precision == "unknown":
        card = cards.embedded_card(path)
        probe.check(path)
    elif verify:
        cards.check_hash(path, card["files"][precision]["sha256"])
    return Model(path, card, precision, open_interpreter(path, threads))


def list_models(folder=None):
    """Returns `(folder, card)` of each model in a folder (default: `exported/`), by name."""
    found = sorted(Path(folder or cards.EXPORTED).glob("*/card.json"))
    return [(path.parent, cards.read_card(path.parent)) for path in found]
