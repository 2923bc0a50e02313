"""Networks become files that run without them: a SavedModel, TFLite files of four precisions, and a card.

    endpoints -> saved_model/      keras.export.ExportArchive, dynamic batch, loads without Keras and without the zoo
              -> <name>.tflite, <name>_fp16.tflite, <name>_dynamic.tflite, <name>_int8.tflite
                                   builtin operations only, static shapes, float32 and int32 inputs and outputs
              -> card.json         what the files are, how they were made, and how good each of them is

Each file is run by LiteRT, compared with Keras and scored before anything lands: the folder appears whole or not at
all, and a quantised file whose samples are clearly worse than those of the fp32 file is left out, with the reason in
the card.

    python -m zoo.export remake exported/NAME        makes the files again that git does not hold

TFLite files are always made from saved_model/, so that they can be made again from it: to the same bytes, but for the
last bit of constants that another kind of processor rounds in its own way.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

from zoo import drift, signatures, tflite

SCHEMA = 1
TRACKED = ("fp32", "dynamic")  # in git; the others are made again from saved_model/
LATENCY_SECONDS = 10.0  # at most so long is the latency measured
# Figure of quality -> whether more is better, the share and the amount that a quantised file may lose. Files are
# compared by the first figure that their scores have; nll is in nats, psnr in dB, auroc and accuracy are shares.
FIGURES = {
    "nll": (False, 0.0, 1.0),
    "fid": (False, 0.10, 0.0),
    "psnr": (True, 0.0, 0.3),
    "auroc": (True, 0.0, 0.01),
    "accuracy": (True, 0.0, 0.01),
}


def export(folder, card, endpoints, networks, score, draw=None):
    """Write, check and score everything; the folder appears when all is well, and replaces what was there.

    Args:
        folder: where the export shall stand.
        card: dictionary with name, title, paper, recipe, config, dataset, training, latent_dim, directions and
            evaluator, of a conditional model also what `edge.conditions` reads; the rest (schema, signatures, files,
            commit, versions) is added here.
        endpoints: dictionary of `zoo.signatures.Endpoint`.
        networks: Keras models that the endpoints call; their weights are saved once.
        score: function from an open `edge.runtime.Model` to a dictionary of numbers that has one of `FIGURES`; None,
            where there is no evaluator, leaves the files unscored.
        draw: function from an open `edge.runtime.Model` to the pictures of samples.png, ten in a row; None draws those
            of the seeds 0 to 99.

    Returns:
        The card, complete.

    Raises:
        ValueError: when a file is not what Keras computes, has operations or shapes that a device cannot run, or has
            outputs or scores that are not finite. What stood at `folder` stays.
    """
    from PIL import Image

    from edge import drawing, ladder_plot

    folder = pathlib.Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    card = {"schema": SCHEMA, **card, **_provenance(), "signatures": signatures.describe(endpoints), "files": {}}
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        draft = pathlib.Path(scratch) / folder.name
        draft.mkdir()
        _save_model(draft / "saved_model", endpoints, networks)
        drift.check_saved_model(draft / "saved_model", endpoints)
        unmade = tflite.convert(draft, card)
        for precision, suffix in tflite.SUFFIXES.items():
            path = draft / f"{card['name']}{suffix}.tflite"
            made = precision not in unmade
            facts = _judge(path, precision, card, endpoints, score) if made else {"not_shipped": unmade[precision]}
            if "not_shipped" in facts:
                path.unlink(missing_ok=True)
            card["files"][precision] = facts
        model = _open(draft / card["files"]["fp32"]["file"], card, "fp32")
        pictures = draw(model) if draw else model.pictures(0, 100)
        Image.fromarray(drawing.grid(pictures, columns=10, scale=max(1, 56 // pictures.shape[1]))).save(
            draft / "samples.png"
        )
        ladder = ladder_plot.plot(card)
        if ladder:
            (draft / ladder_plot.FILE).write_text(ladder, encoding="utf-8")
        write_json(draft / "card.json", card)
        _read_card(draft)  # or nobody else could
        _replace(draft, folder)
    return card


def remake(folder):
    """Make the TFLite files of a card that are missing or damaged again, from its saved_model/.

    The converter computes constants, and processors differ in the last bit of some (reciprocal square roots of batch
    norm). So on another processor a file can come out with other bytes than those that were scored. It lands all the
    same when the fp32 file that was made with it computes what the published one does; the card then states the new
    bytes, and in `published_sha256` those that its scores are of.

    Returns:
        Dictionary from the name of each file to what became of it, in words.

    Raises:
        ValueError: after the others have landed, when a file cannot be made or is not the card's.
    """
    folder = pathlib.Path(folder)
    card = _read_card(folder)
    shipped = {facts["file"]: facts for facts in card["files"].values() if "not_shipped" not in facts}
    done = {name: "was there" for name, facts in shipped.items() if _has_hash(folder / name, facts["sha256"])}
    if len(done) == len(shipped):
        return done
    rounded = False
    others = []
    with tempfile.TemporaryDirectory(prefix=".remake-", dir=folder) as scratch:
        draft = pathlib.Path(scratch)
        shutil.copytree(folder / "saved_model", draft / "saved_model")
        tflite.convert(draft, card)
        whole = card["files"].get("fp32", {}).get("file")
        same = whole in done and drift.is_rounding(*[_open(each / whole, card, "fp32") for each in (draft, folder)])
        for name, facts in shipped.items():
            if name in done:
                continue
            if _has_hash(draft / name, facts["sha256"]):
                done[name] = "the bytes of the card"
            elif same and (draft / name).exists():
                rounded = True
                facts.setdefault("published_sha256", facts["sha256"])
                facts |= {"bytes": (draft / name).stat().st_size, "sha256": _sha256(draft / name)}
                done[name] = "rounded by this processor in its own way; the card has its hash now"
            else:
                others.append(name)
                continue
            os.replace(draft / name, folder / name)
        if rounded:
            write_json(folder / "card.json", card)
    if others:
        versions = card.get("versions")
        versions = versions.items() if isinstance(versions, dict) else [("unknown", "versions")]
        raise ValueError(
            f"{' and '.join(others)} did not come out as the card states, and was left as it was: it was made with "
            + ", ".join(f"{name} {version}" for name, version in versions)
        )
    return done


def publish(export_folder, exported, force=False):
    """Copy an export into the folder of published ones when it scores better than what is there, and renew the index.

    Args:
        export_folder: from `export`.
        exported: folder of published exports.
        force: copy it anyway.

    Returns:
        The published folder.

    Raises:
        ValueError: when what is there scores at least as well, or by a figure that the export lacks.
    """
    export_folder = pathlib.Path(export_folder)
    card = _read_card(export_folder)
    target = pathlib.Path(exported) / card["name"]
    if (target / "card.json").exists() and not force:
        new, old = (each["files"].get("fp32", {}).get("quality") or {} for each in (card, _read_card(target)))
        name = _figure(old)
        comparable = new.get(name) is not None
        if name and not (comparable and _cost(new, name) < _cost(old, name)):
            has = f"{name.upper()} {new[name]:.3f}" if comparable else f"no {name.upper()}"
            raise ValueError(
                f"not published: {card['name']} has {has} and the published one {old[name]:.3f}; --force replaces it"
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{card['name']}-", dir=target.parent) as scratch:
        copy = pathlib.Path(scratch) / card["name"]
        shutil.copytree(export_folder, copy)
        _replace(copy, target)
    write_index(exported)
    return target


def write_json(path, content):
    """Write JSON that people read, lists of numbers on one line, to a temporary name, then rename."""
    try:
        text = json.dumps(content, indent=1, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{path.name} was not written: a number in it is not finite") from error
    text = re.sub(r"\[[^\[\]{}\"]*\]", lambda numbers: " ".join(numbers.group().split()), text)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text + "\n")
    os.replace(unfinished, path)


def write_index(exported):
    """Write index.json: name, title and card of every export in the folder, sorted."""
    exported = pathlib.Path(exported)
    models = []
    for path in sorted(exported.glob("*/card.json")):
        card = _read_card(path.parent)
        models.append({"name": card["name"], "title": card["title"], "card": f"{path.parent.name}/card.json"})
    write_json(exported / "index.json", {"schema": SCHEMA, "models": models})


def _open(path, card, precision):
    """The file as a device runs it; its card is not on disk yet."""
    from edge import runtime

    return runtime.Model(path, card, precision, runtime.open_interpreter(path, threads=1))


def _save_model(folder, endpoints, networks):
    import keras
    import tensorflow as tf

    # Tracking the networks themselves would store each weight twice: as Keras' variable and as TensorFlow's within it.
    weights = tf.Module()
    weights.values = [variable.value for network in networks for variable in network.variables]
    archive = keras.export.ExportArchive()
    archive.track(weights)
    for name, endpoint in endpoints.items():
        specs = [tf.TensorSpec(value.shape, value.dtype, name=value.name) for value in endpoint.inputs]
        archive.add_endpoint(name, endpoint.function, input_signature=specs)
    try:
        archive.write_out(folder, verbose=False)
    except tf.errors.OpError as error:  # TensorFlow's own words for a full disk
        raise OSError(f"cannot write {folder}: {error.message.splitlines()[0]}") from error


def _judge(path, precision, card, endpoints, score):
    """What the card says of one file: its facts, or why it is not shipped. The fp32 file is shipped, or nothing is."""
    tflite.check_operations(path)
    model = _open(path, card, precision)
    try:
        drift.check_file(model, endpoints)
    except drift.DriftError as error:
        if precision == "fp32":
            raise
        return {"not_shipped": str(error)}
    quality = score(model) if score else None
    broken = [name for name, value in (quality or {}).items() if value is not None and not np.all(np.isfinite(value))]
    if broken and precision == "fp32":
        raise ValueError(f"{path.name} was not exported: its {broken[0].upper()} is not finite")
    if broken:
        return {"not_shipped": f"its {broken[0].upper()} is not finite", "quality": quality | dict.fromkeys(broken)}
    if precision != "fp32" and quality is not None:
        reason = _worse(quality, card["files"]["fp32"]["quality"])
        if reason:
            return {"not_shipped": reason, "quality": quality}
    return {**_file_facts(path, precision), "latency_ms": _latency(model), "quality": quality}


def _figure(quality):
    """Name of the figure that two files are compared by, or None."""
    return next((name for name in FIGURES if quality.get(name) is not None), None)


def _cost(quality, name):
    """A figure with the sign by which less is better."""
    return -quality[name] if FIGURES[name][0] else quality[name]


def _worse(quality, best):
    """Why a quantised file is not as good as the fp32 file, or None."""
    name = _figure(best)
    _, factor, loss = FIGURES[name]
    if _cost(quality, name) <= _cost(best, name) + factor * abs(best[name]) + loss:  # false for NaN
        return None
    allowed = f"{100 * factor:.0f} %" if factor else f"{loss:g}"
    return f"its {name.upper()} is {quality[name]:.3f}, more than {allowed} worse than the {best[name]:.3f} of fp32"


def _latency(model):
    """Median milliseconds of the main signature in 300 runs, or in those of ten seconds, one thread."""
    inputs = model.zeros()
    seconds = []
    for _ in range(320):
        began = time.perf_counter()
        model.run(model.main, **inputs)
        seconds.append(time.perf_counter() - began)
        if sum(seconds) > LATENCY_SECONDS:
            break
    return round(1000 * float(np.median(seconds[len(seconds) // 16 :])), 3)


def _file_facts(path, precision):
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": _sha256(path), "tracked": precision in TRACKED}


def _provenance():
    from importlib import metadata

    packages = ("tensorflow", "keras", "tensorflow-probability", "ai-edge-litert", "numpy", "scikit-learn")
    return {
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "dirty": bool(_git("status", "--porcelain", "--", ".", ":!exported")),
        "versions": {"python": sys.version.split()[0], **{name: metadata.version(name) for name in packages}},
    }


def _git(*words):
    try:
        answer = subprocess.run(
            ["git", *words],
            capture_output=True,
            text=True,
            cwd=pathlib.Path(__file__).resolve().parent.parent,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):  # a copy without git
        return ""
    return answer.stdout.strip()


def _read_card(folder):
    """A card, looked at as a device does: its names lead out of no folder."""
    from edge import cards

    try:
        return cards.read_card(folder)
    except OSError as error:
        raise ValueError(f"{pathlib.Path(folder) / 'card.json'} is missing") from error


def _replace(new, target):
    """Put a finished folder in the place of another; the old one goes only when the new one stands."""
    old = new.with_name(new.name + ".old")
    try:
        if target.exists():
            os.rename(target, old)
        os.rename(new, target)
    except BaseException:  # Ctrl-C too
        if old.exists() and not target.exists():
            os.rename(old, target)
        raise


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _has_hash(path, sha256):
    return path.is_file() and _sha256(path) == sha256


def _main(words):
    usage = "usage: python -m zoo.export remake FOLDER"
    if words in (["-h"], ["--help"]):
        print(usage)
        return 0
    if len(words) != 2 or words[0] != "remake":
        print(usage, file=sys.stderr)
        return 2
    for name, outcome in remake(words[1]).items():
        print(f"{name}: {outcome}")
    return 0


if __name__ == "__main__":
    from edge import command

    sys.exit(command.run(_main, sys.argv[1:]))
