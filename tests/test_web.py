"""The web page in a real browser: the pictures are Python's, and it works offline, on a phone and by keyboard."""

import json
from pathlib import Path
from urllib.parse import parse_qs, quote, urlparse

import numpy as np
import pytest
from PIL import Image

from edge import cards, conditions, drawing, runtime

pytest_plugins = ["web_browser"]

MODELS = [folder.name for folder, _ in runtime.list_models()]
CARDS = {name: cards.read_card(cards.EXPORTED / name) for name in MODELS}
FROM_SEEDS = [name for name in MODELS if "generate_from_seed" in CARDS[name]["signatures"]]
FROM_PICTURES = [name for name in MODELS if "translate" in CARDS[name]["signatures"]]


def makes_pictures(card):
    return any(len(value["shape"]) == 4 for each in card["signatures"].values() for value in each["outputs"])


def python_grid(pictures):
    """What the page must show: bytes of pictures, row by row, and where they are (the gaps are transparent)."""
    height, width = pictures.shape[1:3]
    canvas = drawing.grid(pictures)
    inside = drawing.grid(np.full_like(pictures[..., :1], -1.0)) == 0
    colours = canvas if canvas.ndim == 3 else np.repeat(canvas[..., None], 3, axis=2)
    assert canvas.shape[0] % (height + 1) == height and canvas.shape[1] % (width + 1) == width
    return colours.astype(int), inside


def assert_same_pictures(shown, pictures):
    wanted, inside = python_grid(pictures)
    assert shown.shape == wanted.shape
    difference = np.abs(shown.astype(int) - wanted)[inside]
    assert difference.max() <= 1  # a float that is off by 1e-6 may round to the next byte
    assert (difference > 0).mean() < 0.001


# --- the gallery -------------------------------------------------------------------------------


def test_the_gallery_lists_every_model_with_the_numbers_of_its_card(visit):
    visitor = visit()
    page = visitor.open()
    page.wait_for_selector(".tile")
    changed = [name for name in MODELS if name not in FROM_SEEDS and makes_pictures(CARDS[name])]
    judged = [name for name in MODELS if not makes_pictures(CARDS[name])]
    in_order = [CARDS[name]["title"] for name in FROM_SEEDS + changed + judged]
    assert page.locator(".tile h2").all_inner_texts() == in_order
    assert page.locator(".broken").count() == 0
    name = "dcgan_fashion_mnist"
    rows = page.locator(".tile", has_text=CARDS[name]["title"]).first.locator("tbody tr").all_inner_texts()
    fp32 = CARDS[name]["files"]["fp32"]
    wanted = ["fp32", f"{fp32['bytes'] / 1e6:.1f} MB", f"{fp32['latency_ms']:.3g}", f"{fp32['quality']['fid']:.3g}"]
    assert rows[0].split("\t") == wanted
    assert CARDS[name]["files"]["int8"]["not_shipped"] in rows[3]
    ladder = page.locator(".tile", has_text=CARDS[name]["title"]).first.locator("img.ladder")
    ladder.scroll_into_view_if_needed()
    visitor.poll("(picture) => picture.naturalWidth > 0", ladder.element_handle())
    page.fill("#search", "wgan mnist gp")
    assert page.locator(".tile:visible").count() == sum("wgan_gp" in name for name in MODELS)
    assert visitor.errors == []


def test_a_tile_opens_the_studio(visit):
    visitor = visit()
    page = visitor.open()
    page.click(f".tile >> text={CARDS['dcgan_mnist']['title']}")
    visitor.wait()
    assert page.inner_text("h1") == CARDS["dcgan_mnist"]["title"]
    assert_same_pictures(visitor.pixels(), runtime.load("dcgan_mnist", "dynamic").pictures(0, 16))


# --- the same pictures as Python's -------------------------------------------------------------


@pytest.mark.parametrize("name", FROM_SEEDS)
def test_every_generator_shows_the_pictures_that_python_makes(name, lasting):
    lasting.studio(name, precision="fp32", seed=3, count=9)
    assert lasting.error == ""
    assert_same_pictures(lasting.pixels(), runtime.load(name, "fp32").pictures(3, 9))


@pytest.mark.parametrize("name", FROM_PICTURES)
def test_every_translator_makes_of_a_file_what_python_makes(name, lasting, tmp_path):
    card = CARDS[name]
    height, width, channels = card["signatures"]["translate"]["inputs"][0]["shape"][1:]
    random = np.random.default_rng(5)
    if card["task"] == "segmentation":
        picture = Image.fromarray(random.integers(0, channels + 1, (height, width), np.uint8))
    else:
        pixels = random.integers(0, 256, (height, width, 4), np.uint8)
        pixels[..., 3] = 255
        if card["task"] == "inpainting":
            pixels[8:15, 5:20, 3] = 0
        picture = Image.fromarray(pixels)
    path = tmp_path / "source.png"
    picture.save(path)
    page = lasting.studio(name, precision="fp32", seed=4)
    lasting.after(page.set_input_files, "#upload", path)
    source = drawing.read_source(path, (height, width, channels), card["task"])
    assert_same_pictures(lasting.pixels(), runtime.load(name, "fp32").translate(source, 4))


NUMBERS = """async (name, precision, seed) => {
    const [{ loadCard, loadModelFile }, { openModel }, { picturesOf, walk }] = await Promise.all(
        ["library", "litert", "generator"].map((part) => import(new URL(`app/${part}.js`, location.href))));
    const card = await loadCard(name);
    const model = await openModel(card, precision, await loadModelFile(card, precision));
    const { pictures } = await picturesOf(model, seed, 18, null);
    const way = await walk(model, seed, 8, 5, null);
    model.close();
    return [pictures, way].map((list) => list.map((each) => Array.from(each)));
}"""


@pytest.mark.parametrize("name", ["dcgan_fashion_mnist", "stylegan_fashion_mnist"])
def test_numbers_of_pictures_and_interpolations_are_pythons(name, lasting):
    lasting.open()
    pictures, way = lasting.run(NUMBERS, name, "fp32", -7)
    model = runtime.load(name)
    np.testing.assert_allclose(pictures, model.pictures(-7, 18).reshape(18, -1), rtol=0, atol=1e-4)
    np.testing.assert_allclose(way, model.interpolate(-7, 8, 5).reshape(5, -1), rtol=0, atol=1e-4)


def test_numbers_of_a_quantised_file_are_pythons_but_for_single_roundings(lasting):
    lasting.open()
    pictures, _ = lasting.run(NUMBERS, "vae_mnist", "dynamic", -7)
    gap = np.abs(np.array(pictures) - runtime.load("vae_mnist", "dynamic").pictures(-7, 18).reshape(18, -1))
    assert np.quantile(gap, 0.99) < 1e-4  # a last bit decides into which of 256 steps a number falls
    assert gap.max() < 0.05


def test_a_condition_is_what_python_makes_of_the_same_words(lasting):
    label = runtime.load("cgan_fashion_mnist")
    lasting.studio("cgan_fashion_mnist", precision="fp32", condition="Bag", seed=5, count=16)
    assert_same_pictures(lasting.pixels(), label.pictures(5, 16, conditions.labels(label.card, ["bag"])))
    text = runtime.load("cgan_text_fashion_mnist")
    page = lasting.studio("cgan_text_fashion_mnist", precision="fp32", count=1)
    lasting.after(page.fill, "#text", "A bright wide DRESS")
    assert_same_pictures(lasting.pixels(), text.pictures(0, 1, conditions.tokens(text.card, ["a bright wide dress"])))
    attributes = runtime.load("cgan_attributes_fashion_mnist")
    row = conditions.attributes(attributes.card, {"brightness": 0.4, "sleeves": 0})
    asked = ",".join(
        f"{each['name']}={value:.6f}" for each, value in zip(attributes.card["attributes"], row[0], strict=True)
    )
    page = lasting.studio("cgan_attributes_fashion_mnist", precision="fp32", condition=quote(asked), count=1)
    shown = [float(page.input_value(f"#attribute-{place}")) for place in range(row.shape[1])]
    assert_same_pictures(lasting.pixels(), attributes.pictures(0, 1, np.array([shown], np.float32)))


def test_directions_move_the_latent_vector_of_the_seed(lasting):
    name = "dcgan_mnist"
    page = lasting.studio(name, mode="directions", seed=2, precision="fp32", amounts="1.5,0,-2")
    model = runtime.load(name)
    z = model.latents([2]) + np.array([[1.5, 0, -2]], np.float32) @ np.array(CARDS[name]["directions"][:3], np.float32)
    assert_same_pictures(lasting.pixels(), model.generate(z))
    lasting.after(page.click, "text=Back to the seed")
    assert_same_pictures(lasting.pixels(), model.pictures(2, 1))


def test_the_way_to_another_seed_plays(lasting):
    page = lasting.studio("vae_mnist", mode="walk", seed=1, to=8, precision="fp32")
    frames = runtime.load("vae_mnist").interpolate(1, 8, 25)
    assert_same_pictures(lasting.pixels(), frames[:1])
    page.focus("#frame")
    page.keyboard.press("End")
    assert_same_pictures(lasting.pixels(), frames[-1:])
    page.click("text=Play")
    page.wait_for_selector("text=Pause")
    lasting.poll("() => document.getElementById('frame').value < 20")
    page.click("text=Pause")
    assert_same_pictures(lasting.pixels(), frames[[int(page.input_value("#frame"))]])


def test_the_difference_to_fp32_is_measured(lasting):
    name = "dcgan_mnist"
    page = lasting.studio(name, precision="dynamic", count=4, compare=1)
    one, other = (runtime.load(name, precision).pictures(0, 4) for precision in ("dynamic", "fp32"))
    gap = np.abs(one - other)
    said = page.inner_text("#gap-caption")
    assert f"largest {float(f'{gap.max():.2g}'):g}"[:11] in said and "mean" in said
    wanted, inside = python_grid(2 * gap / gap.max() - 1)
    assert np.abs(lasting.pixels("#gap").astype(int) - wanted)[inside].max() <= 2


# --- links, files, mistakes --------------------------------------------------------------------


def test_the_address_holds_everything_and_makes_the_same_picture_again(visit):
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.studio("cgan_mnist")
    page.fill("#seed", "77")
    visitor.after(page.press, "#seed", "Enter")
    visitor.after(page.select_option, "#label", "7")
    visitor.after(page.select_option, "#precision", "fp32")
    visitor.after(page.select_option, "#count", "4")
    query = "model=cgan_mnist&mode=grid&seed=77&count=4&condition=7&precision=fp32"
    before = visitor.pixels()
    page.click("#share")
    page.wait_for_selector("#status:has-text('opens this very picture')")
    assert parse_qs(urlparse(page.url).query) == parse_qs(query)
    link = page.evaluate("navigator.clipboard.readText()")
    page.goto(link)
    visitor.wait()
    assert np.array_equal(visitor.pixels(), before)


def test_the_picture_is_saved_as_it_is_shown(lasting, tmp_path):
    page = lasting.studio("dcgan_mnist", seed=6, count=1)
    with page.expect_download() as waiting:
        page.click("#save")
    waiting.value.save_as(tmp_path / "saved.png")
    assert waiting.value.suggested_filename == "dcgan_mnist_grid_6.png"
    with Image.open(tmp_path / "saved.png") as image:
        saved = np.asarray(image.convert("RGB"))
    assert np.array_equal(saved, drawing.enlarge(lasting.pixels(), 32))


def test_a_chosen_picture_of_the_grid_becomes_the_seed(lasting):
    page = lasting.studio("dcgan_mnist", seed=10, count=16)
    box = page.locator("#picture").bounding_box()
    lasting.after(page.mouse.click, box["x"] + 0.9 * box["width"], box["y"] + 0.4 * box["height"])
    assert (page.input_value("#seed"), page.input_value("#count")) == ("17", "1")  # second row, fourth column


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"model": "nothing_there"}, "exported/nothing_there/card.json is not there (404)."),
        ({"model": quote("../../secrets")}, "../../secrets is not the name of a model."),
        (
            {"model": "cgan_text_fashion_mnist", "condition": "a%20green%20boot"},
            "does not know the word “green”: it knows",
        ),
        ({"model": "dcgan_mnist", "seed": 2**31 - 3}, "A seed must be a whole number from -2147483648 to 2147483647."),
    ],
)
def test_a_mistake_gets_a_sentence(query, sentence, lasting):
    lasting.studio(**query)
    assert sentence in lasting.error


def test_inpainting_wants_a_hole(lasting):
    page = lasting.studio("pix2pix_inpainting_fashion_mnist")
    lasting.after(page.click, "#panel-function >> text=Clear")
    assert lasting.error == "The picture has no hole: paint one, it is what the model fills."


# --- what is not as its card says --------------------------------------------------------------


def flipped(data):
    return data[:1000] + bytes([data[1000] ^ 1]) + data[1001:]


@pytest.mark.parametrize(
    "damage", [flipped, lambda data: data[:-1], lambda data: data + b"0"], ids=["flip", "cut", "longer"]
)
def test_a_model_file_that_is_not_the_cards_is_refused(damage, visit):
    visitor = visit(service_workers="block")
    path = cards.EXPORTED / "dcgan_mnist" / "dcgan_mnist_dynamic.tflite"
    visitor.context.route("**/*.tflite", lambda route: route.fulfill(body=damage(path.read_bytes())))
    visitor.studio("dcgan_mnist", precision="dynamic")
    assert "dcgan_mnist_dynamic.tflite does not match the sha256 in its card" in visitor.error
    assert visitor.page.get_attribute("#picture", "aria-label") == "No picture yet"
    assert visitor.run("async () => (await (await caches.open('models')).keys()).length") == 0


def test_a_damaged_copy_in_the_browsers_cache_is_fetched_again(visit):
    visitor = visit()
    visitor.studio("dcgan_mnist", precision="dynamic")
    spoil = """async () => {
        const cache = await caches.open("models");
        const keys = await cache.keys();
        await cache.put(keys[0], new Response(new Uint8Array(8)));
        return keys.map(({ url }) => url);
    }"""
    assert visitor.run(spoil) == [f"{visitor.url}models/{CARDS['dcgan_mnist']['files']['dynamic']['sha256']}"]
    visitor.requests.clear()
    visitor.studio("dcgan_mnist", precision="dynamic")
    assert visitor.error == ""
    assert sum(url.endswith(".tflite") for url in visitor.requests) == 1


def test_a_card_that_lacks_a_field_spoils_only_its_own_tile(visit):
    visitor = visit(service_workers="block")
    card = {key: value for key, value in CARDS["dcgan_mnist"].items() if key != "signatures"}
    visitor.context.route("**/dcgan_mnist/card.json", lambda route: route.fulfill(body=json.dumps(card)))
    page = visitor.open()
    page.wait_for_selector(".tile")
    assert page.locator(".tile").count() == len(MODELS)
    sentence = "The card of dcgan_mnist cannot be used: it lacks signatures."
    assert page.locator(".broken p").all_inner_texts() == [sentence]
    visitor.studio("dcgan_mnist")
    assert visitor.error == sentence


def test_a_file_with_other_signatures_than_its_card_is_refused(visit):
    visitor = visit(service_workers="block")
    card = json.loads(json.dumps(CARDS["dcgan_mnist"]))
    card["signatures"]["latents"]["outputs"][0]["shape"] = [1, 65]
    visitor.context.route("**/dcgan_mnist/card.json", lambda route: route.fulfill(body=json.dumps(card)))
    visitor.studio("dcgan_mnist")
    assert "latents has outputs z float32 1x64, but the card says z float32 1x65" in visitor.error


# --- offline, on other browsers, from nowhere else ---------------------------------------------


def test_the_page_works_when_its_server_is_gone(visit, serve):
    served = serve()
    visitor = visit(served.url)
    visitor.studio("dcgan_mnist", seed=5, count=4)
    visitor.wait_for_cache("litert_wasm_internal.wasm")
    visitor.wait_for_cache("studio.html")
    before = visitor.pixels()
    served.close()
    visitor.context.set_offline(True)
    page = visitor.studio("dcgan_mnist", seed=5, count=4)
    assert visitor.error == ""
    assert np.array_equal(visitor.pixels(), before)
    visitor.after(page.select_option, "#count", "9")
    assert_same_pictures(visitor.pixels(), runtime.load("dcgan_mnist", "dynamic").pictures(5, 9))
    visitor.studio("gan_mnist")
    assert visitor.error == "gan_mnist_dynamic.tflite was never opened here, and there is no connection now."
    visitor.open("probability.html?name=beta").wait_for_selector("#parameter-alpha")
    visitor.open().wait_for_selector(".tile")
    assert page.locator(".tile").count() == len(MODELS)


def test_the_page_can_be_installed(visit):
    visitor = visit()
    visitor.open().wait_for_selector(".tile")
    visitor.wait_for_cache("index.html")
    session = visitor.context.new_cdp_session(visitor.page)
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    data = json.loads(manifest["data"])
    assert data["display"] == "standalone"
    for icon in data["icons"]:
        with Image.open(Path(__file__).parents[1] / "edge" / "web" / icon["src"]) as image:
            assert f"{image.width}x{image.height}" == icon["sizes"]
    found = [error["errorId"] for error in session.send("Page.getInstallabilityErrors")["installabilityErrors"]]
    assert set(found) <= {"in-incognito"}  # every context of a test is one


def test_only_what_is_needed_is_requested_and_from_nowhere_else(visit):
    visitor = visit()
    visitor.open().wait_for_selector(".tile")
    assert not [url for url in visitor.requests if url.endswith((".wasm", ".tflite"))]
    visitor.studio("dcgan_mnist", precision="dynamic")
    visitor.open("probability.html").wait_for_selector("#parameter-mu")
    assert {url for url in visitor.requests if not url.startswith(visitor.url)} == set()
    heavy = {url.rpartition("/")[2] for url in visitor.requests if url.endswith((".wasm", ".tflite"))}
    assert heavy == {"litert_wasm_internal.wasm", "dcgan_mnist_dynamic.tflite"}
    assert visitor.errors == []


NO_RELAXED_SIMD = """() => {
    const { instantiate } = WebAssembly;
    WebAssembly.instantiate = (source, imports) => {
        if (source.byteLength < 100) return Promise.reject(new WebAssembly.CompileError("relaxed SIMD is unknown"));
        return instantiate(source, imports);
    };
}"""


def test_a_browser_without_relaxed_simd_gets_the_compatible_build(visit):
    visitor = visit()
    visitor.context.add_init_script(f"({NO_RELAXED_SIMD})()")
    visitor.studio("dcgan_mnist", precision="fp32", count=4)
    assert_same_pictures(visitor.pixels(), runtime.load("dcgan_mnist").pictures(0, 4))
    assert {url.rpartition("/")[2] for url in visitor.requests if url.endswith(".wasm")} == {
        "litert_wasm_compat_internal.wasm"
    }


def test_a_browser_that_cannot_hash_runs_nothing(visit):
    visitor = visit()
    visitor.context.add_init_script("delete Crypto.prototype.subtle")
    visitor.studio("dcgan_mnist")
    assert "neither https nor localhost" in visitor.error
