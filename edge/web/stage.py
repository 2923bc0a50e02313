"""Puts the web page together: a folder of static files, ready for any host.

    index.html, studio.html, probability.html, worker.js ...   the page, as it stands here
    shell.js, offered.json                                     written here: what a browser keeps, and what there is
    operations.js                                              written here: what a graph may be made of
    lib/                                                       LiteRT.js and two builds of its WebAssembly, from npm
    exported/                                                  index, cards, pictures and the `.tflite` files on disk

The version is a hash of all that the service worker keeps, so a browser notices every change and no more.
"""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from edge import operations

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXPORTED = ROOT / "exported"
PAGE = ("*.html", "*.css", "*.webmanifest", "app/*.js", "icons/*")
WORKER = "worker.js"
LITERT = HERE / "node_modules" / "@litertjs"
BUILDS = ("litert_wasm_internal", "litert_wasm_compat_internal")  # relaxed SIMD, and browsers without it
BARE_IMPORT = '"@litertjs/wasm-utils"'  # a browser resolves it only with an import map
KEPT_OF_EXPORTS = ("exported/index.json", "exported/*/card.json")
PICTURES = ("samples.png", "ladder.svg")  # of a model; kept once they were seen


def stage(folder, exported=EXPORTED):
    """Makes the site.

    Args:
        folder: Of the site; what is there is replaced, all at once, when the new site is whole.
        exported: Folder with `index.json` and a folder for each model.

    Returns:
        Bytes of the site.

    Raises:
        ValueError: LiteRT.js is not installed, there is no index, or `folder` holds something that is no site.
    """
    folder, exported = Path(folder).resolve(), Path(exported)
    if folder.exists() and any(folder.iterdir()) and not (folder / "shell.js").is_file():
        raise ValueError(f"{folder} holds something that is no site: give another folder")
    if not (exported / "index.json").is_file():
        raise ValueError(f"{exported} has no index.json: there is no model to show")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        site = Path(scratch) / "new"
        copy_page(site)
        write_operations(site)
        copy_litert(site / "lib")
        copy_models(exported, site / "exported")
        write_shell(site)
        exchange(site, folder, Path(scratch) / "old")
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def exchange(site, folder, old):
    """Puts the new site into its place and what is there to `old`; whatever stops that, Ctrl-C too, one is there."""
    try:
        if folder.exists():
            folder.replace(old)
        site.replace(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.replace(folder)
        raise


def copy(source, target):
    """Copies a file and makes the folder it comes to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def copy_page(site):
    """Copies the page's own files."""
    for pattern in (*PAGE, WORKER):
        for path in HERE.glob(pattern):
            copy(path, site / path.relative_to(HERE))


def write_operations(site):
    """Writes `operations.js`, a module with the list and the limits of `edge/operations.py`."""
    limits = {name: value for name, value in vars(operations).items() if name.startswith("MAX_")}
    exports = {"NUMBERS": operations.NUMBERS, **limits}
    lines = [f"export const {name} = {json.dumps(value)};\n" for name, value in exports.items()]
    (site / "operations.js").write_text("".join(lines), encoding="utf-8")


def copy_litert(folder):
    """Copies LiteRT.js, its licence and where it comes from; the import of its second package becomes relative."""
    if not (LITERT / "core").is_dir():
        raise ValueError(f"LiteRT.js is not installed: run `npm ci --prefix {HERE.relative_to(ROOT)}`")
    program = (LITERT / "core" / "dist" / "index.js").read_text(encoding="utf-8")
    if program.count(BARE_IMPORT) != 1:
        raise ValueError(f"{LITERT / 'core'} is another version than the one in package-lock.json: run `npm ci` again")
    folder.mkdir(parents=True)
    (folder / "litert.js").write_text(program.replace(BARE_IMPORT, '"./wasm-utils.js"'), encoding="utf-8")
    copy(LITERT / "wasm-utils" / "dist" / "index.js", folder / "wasm-utils.js")
    for build in BUILDS:
        for suffix in (".js", ".wasm"):
            copy(LITERT / "core" / "wasm" / f"{build}{suffix}", folder / "wasm" / f"{build}{suffix}")
    copy(HERE / "PROVENANCE.md", folder / "PROVENANCE.md")
    copy(ROOT / "LICENSE", folder / "LICENSE")


def copy_models(exported, folder):
    """Copies index, cards, samples, ladders and those `.tflite` files of the cards that are on disk."""
    copy(exported / "index.json", folder / "index.json")
    for path in sorted(exported.glob("*/card.json")):
        for name in ("card.json", *PICTURES, *model_files(path)):
            if (path.parent / name).is_file():
                copy(path.parent / name, folder / path.parent.name / name)


def model_files(path):
    """Names of the `.tflite` files of a card; a card with other names is refused before anything is copied for it."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["files"].values()
        names = [entry["file"] for entry in entries if "file" in entry]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no card that lists its files: {error!r}") from error
    for name in names:
        if Path(str(name)).name != name:
            raise ValueError(f"{path} is broken: {name!r} is not a plain file name")
    return names


def hash_of(site, paths):
    """Returns a short hash of files of the site, of their paths and bytes."""
    found = hashlib.sha256()
    for path in paths:
        found.update(path.relative_to(site).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]


def write_shell(site):
    """Writes the list of model files and `shell.js`: what a service worker keeps from the start, and its version."""
    offered = sorted(path.relative_to(site).as_posix() for path in site.glob("exported/*/*.tflite"))
    (site / "offered.json").write_text(json.dumps(offered, indent=1) + "\n", encoding="utf-8")
    kept = sorted(path for pattern in (*PAGE, *KEPT_OF_EXPORTS) for path in site.glob(pattern))
    kept += [site / name for name in ("offered.json", "operations.js", "lib/litert.js", "lib/wasm-utils.js")]
    pictures = sorted(path for name in PICTURES for path in site.glob(f"exported/*/{name}"))
    shell = {
        "version": hash_of(site, [*kept, *pictures, site / WORKER]),
        "runtime": hash_of(site, sorted(path for path in site.glob("lib/**/*") if path.is_file())),
        "files": ["./", *(path.relative_to(site).as_posix() for path in kept)],
    }
    (site / "shell.js").write_text(f"self.SHELL = {json.dumps(shell, indent=1)};\n", encoding="utf-8")
