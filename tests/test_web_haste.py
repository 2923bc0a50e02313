"""The web page on a slow network, with people who do not wait, in Safari, and with pictures of one's own."""

import numpy as np
import pytest
from PIL import Image

from edge import runtime

pytest_plugins = ["web_browser"]

# --- a slow network ----------------------------------------------------------------------------


def test_another_mode_may_be_chosen_while_a_file_is_fetched(visit):
    visitor = visit(service_workers="block")
    send_file, send_samples = visitor.hold("**/*.tflite"), visitor.hold("**/samples.png")
    page = visitor.open("studio.html?model=vae_fashion_mnist&precision=fp32")
    page.check("#mode-list input[value=reconstruct]")
    send_file()
    visitor.poll("() => performance.getEntriesByName('answer').length > 0")
    assert visitor.error == ""
    assert page.get_attribute("#picture", "aria-label") == "No picture yet"
    send_samples()
    visitor.wait()
    assert visitor.error == ""
    pad = visitor.pixels(".pad")[None, ..., :1]
    made = runtime.load("vae_fashion_mnist").run("reconstruct", image=(pad / 127.5 - 1).astype(np.float32))
    visitor.assert_picture(made["reconstruction"][0])


def test_what_is_compared_has_the_same_seeds(visit):
    visitor = visit(service_workers="block")
    send_file = visitor.hold("**/gan_mnist.tflite")
    page = visitor.open("studio.html?model=gan_mnist&precision=dynamic&compare=1&count=4")
    page.wait_for_selector("#studio[aria-busy]")
    visitor.run("""async () => {
        window.captions = [];
        const watch = () => captions.push(document.getElementById("gap-caption").textContent);
        new MutationObserver(watch).observe(document.getElementById("gap-caption"), { childList: true });
    }""")
    page.fill("#seed", "50")
    page.press("#seed", "Enter")
    page.select_option("#count", "1")
    send_file()
    page.wait_for_selector("#status:has-text('Done: Seed 50')")
    wanted = []
    for seed, count in ((0, 4), (50, 1)):
        one, other = (runtime.load("gan_mnist", precision).pictures(seed, count) for precision in ("dynamic", "fp32"))
        wanted.append(float(np.abs(one - other).max()))
    said = [float(text.split("largest ")[1].split(",")[0]) for text in page.evaluate("captions")]
    np.testing.assert_allclose(said, wanted, rtol=0.02)
    assert visitor.errors == []


def test_nothing_moves_before_the_first_picture(visit):
    visitor = visit(service_workers="block")
    visitor.hold("**/*.tflite")
    page = visitor.open("studio.html?model=gan_mnist&mode=walk")
    page.click("text=Play")
    visitor.poll("() => document.getElementById('frame').value !== '0'")
    page.check("#mode-list input[value=grid]")
    page.click("#picture")
    assert visitor.errors == []


def test_pictures_of_a_grid_are_no_frames(visit):
    visitor = visit(service_workers="block")
    visitor.hold("**/gan_mnist.tflite")
    page = visitor.studio("gan_mnist", precision="dynamic", count=4)
    before = visitor.pixels()
    page.select_option("#precision", "fp32")
    page.check("#mode-list input[value=walk]")
    page.click("text=Play")
    visitor.poll("() => document.getElementById('frame').value !== '0'")
    assert np.array_equal(visitor.pixels(), before)
    assert visitor.errors == []


# --- hasty people ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "field", "text"),
    [
        ("cgan_text_fashion_mnist", "#text", "a bright wide dress"),
        ("anomaly_flows", "textarea", "1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13"),
    ],
)
def test_nobody_is_interrupted_while_typing(model, field, text, visit):
    visitor = visit()
    page = visitor.studio(model, precision="fp32")
    page.focus(field)
    page.keyboard.press("Control+A")
    visitor.run("""async () => {
        window.said = [];
        const watch = () => said.push(document.getElementById("error").textContent);
        new MutationObserver(watch).observe(document.getElementById("error"), { childList: true });
        performance.clearMarks();
    }""")
    visitor.after(page.keyboard.type, text)
    assert page.evaluate("said.join('')") == ""
    assert page.evaluate("performance.getEntriesByName('answer').length") == 1
    assert page.input_value(field) == text


SAFARI = """() => {
    const replace = history.replaceState.bind(history);
    window.changes = 0;
    history.replaceState = (...words) => {
        window.changes += 1;
        if (window.changes > 100) throw new DOMException("100 times per 30 seconds", "SecurityError");
        replace(...words);
    };
    delete PointerEvent.prototype.getCoalescedEvents;
}"""


def test_a_slider_may_be_dragged_in_safari(visit):
    visitor = visit()
    visitor.context.add_init_script(f"({SAFARI})()")
    page = visitor.open("probability.html?name=normal")
    drag = """async id => {
        const slider = document.getElementById(id);
        for (let step = 0; step < 120; step += 1) {
            slider.value = step % 2 ? 3 : 2;
            slider.dispatchEvent(new Event("input"));
        }
    }"""
    visitor.run(drag, "parameter-mu")
    page.wait_for_url("**mu=3**")
    page = visitor.studio("dcgan_mnist", mode="directions", precision="dynamic")
    visitor.after(visitor.run, drag, "direction-0")
    page.wait_for_url("**amounts=3**")
    assert page.evaluate("changes") <= 3
    assert visitor.error == ""
    assert visitor.errors == []


def test_a_stroke_is_drawn_in_safari(visit):
    visitor = visit()
    visitor.context.add_init_script(f"({SAFARI})()")
    page = visitor.studio("vae_mnist", mode="reconstruct")
    visitor.after(page.click, "#panel-function >> text=Clear")
    box = page.locator(".pad").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 4.5 / 28, box["y"] + box["height"] * 20.5 / 28)
    page.mouse.down()
    visitor.after(page.mouse.move, box["x"] + box["width"] * 16.5 / 28, box["y"] + box["height"] * 20.5 / 28, steps=12)
    page.mouse.up()
    assert (visitor.pixels(".pad")[20, 4:17, 0] == 255).all()
    assert visitor.errors == []


def test_seeds_of_functions_are_checked(lasting):
    page = lasting.studio("vae_mnist", mode="vary")
    sentence = "A seed must be a whole number from -2147483648 to 2147483647."
    for seed in ("", str(2**32 + 7)):
        page.fill("#seed", seed)
        lasting.after(page.press, "#seed", "Tab")
        assert lasting.error == sentence
        page.fill("#seed", "7")
        lasting.after(page.press, "#seed", "Tab")
        assert lasting.error == ""


def test_a_link_does_not_promise_what_was_drawn(visit):
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.studio("vae_mnist", mode="reconstruct")
    page.click("#share")
    page.wait_for_selector("#status:has-text('The link is copied: it opens this model.')")


# --- pictures of one's own ---------------------------------------------------------------------


def test_what_is_transparent_in_a_picture_is_white(lasting, tmp_path):
    pixels = np.zeros((28, 28, 4), np.uint8)
    pixels[4:20, 8:12, 3] = 255
    pixels[4:20, 12:14, 3] = 128
    Image.fromarray(pixels).save(tmp_path / "black.png")
    page = lasting.studio("vae_mnist", mode="reconstruct")
    lasting.after(page.set_input_files, "#upload", tmp_path / "black.png")
    wanted = 255 - pixels[..., 3:].astype(int)
    assert np.abs(lasting.pixels(".pad") - wanted).max() <= 1


SLOW = """() => {
    const decode = createImageBitmap.bind(window);
    window.createImageBitmap = async (source, ...options) => {
        const bitmap = await decode(source, ...options);
        if (source.name === "slow.png") await new Promise((resolve) => { window.release = resolve; });
        return bitmap;
    };
}"""


def test_the_newest_picture_wins_and_may_be_chosen_again(visit, tmp_path):
    for name, grey in (("slow.png", 40), ("quick.png", 200)):
        Image.fromarray(np.full((28, 28), grey, np.uint8)).save(tmp_path / name)
    visitor = visit()
    visitor.context.add_init_script(f"({SLOW})()")
    page = visitor.studio("vae_mnist", mode="reconstruct")
    page.set_input_files("#upload", tmp_path / "slow.png")
    visitor.poll("() => Boolean(window.release)")
    visitor.after(page.set_input_files, "#upload", tmp_path / "quick.png")
    visitor.run("async () => { release(); await new Promise(requestAnimationFrame); }")
    assert (visitor.pixels(".pad") == 200).all()
    with page.expect_file_chooser():
        page.click("#upload")
    assert page.input_value("#upload") == ""
