"""Fixtures of the tests of the web page: the site put together and served, and Debian's Chromium.

Test files name this module in `pytest_plugins`. Without a browser, playwright or LiteRT.js they are skipped and say
what is missing. The fixtures live as long as a module, since playwright keeps an event loop running.
"""

import os
import shutil
import threading

import numpy as np
import pytest

from edge import drawing
from edge.web import __main__ as web
from edge.web import stage

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage "
    "--disable-background-networking --disable-component-update --disable-sync"
)
READY = '#status:has-text("Done"), #error:not(:empty)'
MILLISECONDS = 30_000


class Site:
    """A served folder. `close` ends the server."""

    def __init__(self, folder):
        self.folder = folder
        self.server = web.make_server(folder)
        self.url = f"http://localhost:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()  # twice does no harm


@pytest.fixture(scope="module")
def site_folder(tmp_path_factory):
    """The site with every exported model; a test that changes it works on a copy."""
    if not (stage.LITERT / "core").is_dir():
        pytest.skip("LiteRT.js is not installed: `npm ci --prefix edge/web`")
    folder = tmp_path_factory.mktemp("web") / "site"
    stage.stage(folder)
    return folder


@pytest.fixture(scope="module")
def site(site_folder):
    served = Site(site_folder)
    yield served
    served.close()


@pytest.fixture
def serve(site_folder):
    """A function that serves the site, or a changed copy, once more, for a test that ends the server."""
    servers = []

    def start(folder=site_folder):
        servers.append(Site(folder))
        return servers[-1]

    yield start
    for each in servers:
        each.close()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: requirements-dev.txt")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: `apt-get install chromium`")
    os.environ.setdefault("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield opened
        opened.close()


class Visitor:
    """A person at a browser: opens pages of the site and remembers what was requested and what went wrong."""

    def __init__(self, context, url):
        self.context = context
        self.url = url
        self.requests = []
        self.errors = []
        context.set_default_timeout(MILLISECONDS)
        context.on("request", lambda request: self.requests.append(request.url))
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path=""):
        self.page.goto(self.url + path)
        return self.page

    def studio(self, model, **query):
        """Opens the studio and waits for a result or an error; returns the page."""
        words = "&".join(f"{name}={value}" for name, value in {"model": model, **query}.items())
        self.open(f"studio.html?{words}")
        self.page.wait_for_selector(READY)
        return self.page

    def wait(self):
        """Waits for the first result or error of a studio."""
        self.page.wait_for_selector(READY)

    def after(self, action, *words, **options):
        """Does something that asks the studio for something, and waits for the answer."""
        answers = 'performance.getEntriesByName("answer").length'
        before = self.page.evaluate(answers)
        action(*words, **options)
        self.poll(f"words => {answers} > words && !document.querySelector('[aria-busy]')", before)

    def poll(self, condition, word=None):
        """Waits until a JavaScript function of one word is true; playwright's own way needs `eval`."""
        code = f"""async word => {{
            for (const end = performance.now() + {MILLISECONDS}; performance.now() < end;) {{
                if (await ({condition})(word)) return true;
                await new Promise((resolve) => setTimeout(resolve, 20));
            }}
            return false;
        }}"""
        assert self.page.evaluate(code, word), f"waited in vain for {condition}"

    @property
    def error(self):
        return self.page.inner_text("#error")

    def pixels(self, selector="#picture"):
        """Red, green, blue of a canvas: uint8 (height, width, 3)."""
        code = """canvas => {
            const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return { values: Array.from(data), width, height };
        }"""
        found = self.page.eval_on_selector(selector, code)
        return np.array(found["values"], np.uint8).reshape(found["height"], found["width"], 4)[..., :3]

    def assert_picture(self, picture):
        """Compares a result of one picture with Python's: float (H, W, 1 or 3) in [-1, 1]."""
        assert np.abs(self.pixels().astype(int) - drawing.to_uint8(picture)).max() <= 1

    def hold(self, pattern):
        """Holds back requests for a path; the function that is returned waits for one and lets it through."""
        held = []

        def keep(route):  # playwright takes no built-in function
            held.append(route)

        def release():
            for _ in range(MILLISECONDS // 20):
                if held:
                    break
                self.page.wait_for_timeout(20)
            held.pop(0).continue_()

        self.context.route(pattern, keep)
        return release

    def wait_for_worker(self):
        """Waits until a service worker answers for the site."""
        self.poll("() => navigator.serviceWorker.controller?.state === 'activated'")

    def run(self, code, *words):
        """Runs an asynchronous JavaScript function, whose words are these, in the page."""
        return self.page.evaluate(f"words => ({code})(...words)", list(words))

    def wait_for_cache(self, part):
        """Waits until the browser keeps a file whose path has this part."""
        condition = """async part => {
            const keysOf = async (name) => (await caches.open(name)).keys();
            return (await Promise.all((await caches.keys()).map(keysOf))).flat().some(({ url }) => url.includes(part));
        }"""
        self.poll(condition, part)


@pytest.fixture
def visit(browser, site):
    """A function that makes visitors; keyword arguments are those of a browser's context."""
    contexts = []

    def make(url=None, **options):
        contexts.append(browser.new_context(**options))
        return Visitor(contexts[-1], url or site.url)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def lasting(browser, site):
    """One visitor for many quick tests: the WebAssembly is fetched once."""
    context = browser.new_context()
    yield Visitor(context, site.url)
    context.close()
