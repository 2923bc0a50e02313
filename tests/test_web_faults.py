"""The web page when things go wrong: odd entries, no room to keep files, new versions of the site."""

import functools
import hashlib
import http.server
import json
import shutil
from pathlib import Path

import pytest

from edge import cards, runtime
from edge.web import stage

pytest_plugins = ["web_browser"]

MODELS = [folder.name for folder, _ in runtime.list_models()]


@pytest.fixture
def own_site(site_folder, tmp_path):
    """A copy of the site that a test may change."""
    return shutil.copytree(site_folder, tmp_path / "site")


def read_shell(folder):
    return json.loads((folder / "shell.js").read_text().partition("= ")[2].rstrip(";\n"))


def test_a_bad_entry_of_the_index_spoils_no_other(visit):
    visitor = visit(service_workers="block")
    index = json.loads((cards.EXPORTED / "index.json").read_text())
    index["models"][1:1] = [{"name": "My Pictures", "title": "Mine", "card": "My Pictures/card.json"}, 3]
    visitor.context.route("**/index.json", lambda route: route.fulfill(body=json.dumps(index)))
    page = visitor.open()
    page.wait_for_selector(".tile")
    assert page.locator(".tile").count() == len(MODELS)
    assert page.inner_text("#status") == f"{len(MODELS)} models"
    sentence = "the index has an entry without a plain name and a title"
    assert visitor.error == f"{sentence}: My Pictures; {sentence}: undefined"


def test_a_name_that_every_object_has_is_no_distribution(visit):
    visitor = visit()
    page = visitor.open("probability.html?name=constructor")
    page.wait_for_selector("#parameter-mu")
    assert page.input_value("#distribution") == "normal"
    assert visitor.errors == []


# --- no room to keep files ---------------------------------------------------------------------

NO_ROOM = 'Cache.prototype.put = () => Promise.reject(new DOMException("full", "QuotaExceededError"));'
NO_CACHES = 'CacheStorage.prototype.open = () => Promise.reject(new DOMException("forbidden", "SecurityError"));'


@pytest.mark.parametrize("fault", [NO_ROOM, NO_CACHES], ids=["full", "forbidden"])
def test_a_model_runs_in_a_browser_that_cannot_keep_it(fault, visit):
    visitor = visit(service_workers="block")
    visitor.context.add_init_script(fault)
    visitor.studio("gan_mnist", seed=3, count=1)
    assert visitor.error == ""
    visitor.assert_picture(runtime.load("gan_mnist", "dynamic").pictures(3, 1)[0])


def test_a_worker_without_room_answers_all_the_same(visit, own_site, serve):
    shell = own_site / "shell.js"
    shell.write_text(f"{shell.read_text()}{NO_ROOM}\n{NO_ROOM.replace('.put', '.add')}\n")
    visitor = visit(serve(own_site).url)
    visitor.studio("gan_mnist", seed=3, count=1)
    visitor.wait_for_worker()
    visitor.studio("gan_mnist", seed=4, count=1)
    assert visitor.error == ""
    visitor.assert_picture(runtime.load("gan_mnist", "dynamic").pictures(4, 1)[0])
    kept = "async () => Promise.all((await caches.keys()).map(async (name) => (await caches.open(name)).keys()))"
    assert visitor.run(f"async () => (await ({kept})()).flat().every(({{ url }}) => !url.endsWith('.wasm'))")


def test_a_missing_picture_keeps_no_other_from_being_kept(visit, own_site, serve):
    first = [name for name in MODELS if "generate_from_seed" in cards.read_card(cards.EXPORTED / name)["signatures"]]
    missing = f"exported/{first[0]}/samples.png"
    (own_site / missing).unlink()
    stage.write_shell(own_site)
    visitor = visit(serve(own_site).url)
    visitor.open().wait_for_selector(".tile")
    visitor.wait_for_cache(f"exported/{first[1]}/samples.png")
    visitor.wait_for_cache(f"exported/{first[2]}/samples.png")


# --- a new version of the site -----------------------------------------------------------------


def test_every_file_that_a_browser_keeps_is_in_the_version(own_site):
    def version():
        stage.write_shell(own_site)
        return read_shell(own_site)["version"]

    folder = own_site / "exported" / "dcgan_mnist"
    found = [version()]
    for path in (folder / "samples.png", folder / "ladder.svg", folder / "card.json", own_site / "worker.js"):
        path.write_bytes(path.read_bytes() + b" ")
        found.append(version())
    (folder / "dcgan_mnist_dynamic.tflite").unlink()  # offered.json lists it
    found.append(version())
    assert len(set(found)) == 6
    assert version() == found[-1]


class Host(http.server.SimpleHTTPRequestHandler):
    """Serves as many static hosts do: for ten minutes browsers need not ask again."""

    def end_headers(self):
        self.send_header("Cache-Control", "max-age=600")
        super().end_headers()

    def log_message(self, format, *arguments):
        pass


def test_a_new_version_of_a_model_takes_the_place_of_the_old_one(visit, own_site, serve):
    served = serve(own_site)
    served.server.RequestHandlerClass = functools.partial(Host, directory=str(own_site))
    visitor = visit(served.url)
    visitor.studio("gan_mnist", precision="dynamic", count=1)
    page = visitor.studio("dcgan_mnist", precision="dynamic", count=1)
    visitor.wait_for_worker()
    folder = own_site / "exported" / "dcgan_mnist"
    size = "async path => (await (await fetch(path)).arrayBuffer()).byteLength"
    before = visitor.run(size, "exported/dcgan_mnist/samples.png")
    data = (folder / "dcgan_mnist_dynamic.tflite").read_bytes() + bytes(16)
    (folder / "dcgan_mnist_dynamic.tflite").write_bytes(data)
    (folder / "samples.png").write_bytes((folder / "samples.png").read_bytes() + b" ")
    card = json.loads((folder / "card.json").read_text())
    card["title"] = "DCGAN of tomorrow"
    card["files"]["dynamic"].update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    (folder / "card.json").write_text(json.dumps(card))
    stage.write_shell(own_site)
    visitor.studio("dcgan_mnist", precision="dynamic", count=1)
    page.wait_for_selector("h1:has-text('DCGAN of tomorrow')")
    visitor.wait()
    assert visitor.error == ""
    other = cards.read_card(cards.EXPORTED / "gan_mnist")["files"]["dynamic"]["sha256"]
    same = """async wanted => {
        const keys = await (await caches.open("models")).keys();
        return keys.map(({ url }) => url.split("/").at(-1)).sort().join() === wanted;
    }"""
    visitor.poll(same, ",".join(sorted([other, card["files"]["dynamic"]["sha256"]])))
    assert visitor.run(size, "exported/dcgan_mnist/samples.png") == before + 1


def test_a_page_in_use_is_not_loaded_again(visit, own_site, serve):
    visitor = visit(serve(own_site).url)
    visitor.open()
    visitor.wait_for_worker()
    page = visitor.studio("gan_mnist", count=1)
    page.click("h1")
    visitor.run("async () => { window.same = true; }")
    page_file = own_site / "studio.html"
    page_file.write_text(page_file.read_text().replace("Generative zoo", "Zoo"))
    stage.write_shell(own_site)
    visitor.run("async () => { await (await navigator.serviceWorker.ready).update(); }")
    page.wait_for_selector("#status:has-text('new version: reload the page')")
    assert page.evaluate("window.same")


@pytest.mark.parametrize("moved", [False, True], ids=["before", "after"])
def test_an_interrupted_exchange_leaves_the_old_site(moved, tmp_path, monkeypatch):
    new, folder, old = (tmp_path / name for name in ("new", "site", "old"))
    for each in (new, folder):
        each.mkdir()
        (each / "shell.js").write_text(each.name)
    replace = Path.replace

    def interrupted(path, target):
        if path != new:
            replace(path, target)
        if path == (folder if moved else new):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stage.exchange(new, folder, old)
    assert (folder / "shell.js").read_text() == "site"
