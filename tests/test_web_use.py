"""The web page by keyboard, on a phone, in dark and light, and samples that fall."""

import numpy as np
import pytest

from edge import runtime

pytest_plugins = ["web_browser"]

PAGES = (
    "",
    "studio.html?model=cgan_attributes_fashion_mnist&condition=sleeves=1&compare=1",
    "studio.html?model=pix2pix_inpainting_fashion_mnist",
    "studio.html?model=vae_mnist&mode=encode",
    "probability.html?name=hypergeometric",
)


def ready(visitor, path):
    page = visitor.open(path)
    if path.startswith("studio"):
        visitor.wait()
    page.wait_for_selector({"": ".tile", "p": "#parameters input"}.get(path[:1], "#picture"), state="attached")
    return page


# --- a phone, colours, names, keyboard ---------------------------------------------------------


def test_a_phone_needs_no_horizontal_scroll(visit):
    visitor = visit(viewport={"width": 360, "height": 740}, device_scale_factor=2, has_touch=True, is_mobile=True)
    for path in PAGES:
        page = ready(visitor, path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        outside = """() => [...document.querySelectorAll("main button, main select, main input, main canvas, nav a")]
            .filter((each) => !each.closest(".samples") && each.getBoundingClientRect().right > 360)
            .map((each) => each.outerHTML)"""
        assert page.evaluate(outside) == [], path


def test_every_control_has_a_name(lasting):
    unnamed = """() => [...document.querySelectorAll("button, input, select, textarea, canvas, img")]
        .filter((each) => !each.getAttribute("aria-label") && !each.alt && !each.labels?.length)
        .filter((each) => !each.textContent.trim() && !each.parentElement.closest("a[aria-label], button[aria-label]"))
        .map((each) => each.outerHTML)"""
    for path in PAGES:
        assert ready(lasting, path).evaluate(unnamed) == [], path


def luminance(colour):
    parts = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_readable_in_both_themes(theme, visit):
    page = visit(color_scheme=theme).open("probability.html")
    names = ["paper", "card", "well", "soft", "ink", "quiet", "accent", "alert", "field", "on-accent", "second"]
    code = 'names => names.map((name) => getComputedStyle(document.body).getPropertyValue("--" + name).trim())'
    colours = dict(zip(names, page.evaluate(code, names), strict=True))
    for text in ("ink", "quiet", "accent", "alert"):
        for ground in ("paper", "card"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)  # WCAG 2.2, 1.4.3
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert contrast(colours["quiet"], colours["well"]) >= 4.5
    for shape in ("field", "accent", "second"):
        assert contrast(colours[shape], colours["card"]) >= 3, shape  # 1.4.11
    assert (luminance(colours["paper"]) > 0.5) == (theme == "light")


def test_the_theme_can_be_chosen_and_is_remembered(visit):
    visitor = visit(color_scheme="light")
    page = visitor.open("probability.html")
    shown = 'getComputedStyle(document.body).getPropertyValue("--paper").trim()'
    light = page.evaluate(shown)
    page.click("#theme")
    page.click("#theme")
    assert page.inner_text("#theme") == "Dark"
    assert page.evaluate(shown) != light
    visitor.open("")
    assert page.inner_text("#theme") == "Dark"
    assert page.evaluate(shown) != light


def press_until(page, selector, most=60):
    """Presses Tab until an element has the focus, and checks on the way that every focus can be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        outlined = """() => {
            const focused = document.activeElement;
            const parts = [focused, focused.nextElementSibling, focused.closest(".tile")].filter(Boolean);
            return parts.some((each) => getComputedStyle(each).outlineStyle !== "none");
        }"""
        assert page.evaluate(outlined), page.evaluate("document.activeElement.outerHTML")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never reaches {selector}")


def test_everything_is_reached_by_keyboard_alone(visit):
    visitor = visit()
    page = visitor.open()
    page.wait_for_selector(".tile")
    press_until(page, "#search")
    page.keyboard.type("dcgan mnist fashion")
    press_until(page, ".tile a")
    page.keyboard.press("Enter")
    visitor.wait()
    assert page.inner_text("h1") == "DCGAN, Fashion-MNIST"
    before = visitor.pixels()
    press_until(page, "#mode-list input")
    visitor.after(page.keyboard.press, "ArrowRight")
    press_until(page, "#seed")
    page.keyboard.press("ArrowUp")
    press_until(page, "#direction-0")
    visitor.after(page.keyboard.press, "End")
    assert visitor.pixels().shape != before.shape
    model = runtime.load("dcgan_fashion_mnist", "dynamic")
    z = model.latents([1]) + 4 * np.array(model.card["directions"][:1], np.float32)
    shown = np.clip((model.generate(z)[0] + 1) * 127.5, 0, 255)
    assert np.abs(visitor.pixels()[..., :1] - shown).max() <= 1.1


def test_the_pad_is_drawn_on_by_keyboard_and_by_pointer(lasting):
    page = lasting.studio("vae_mnist", mode="reconstruct", precision="fp32")
    lasting.after(page.click, "#panel-function >> text=Clear")
    page.focus(".pad")
    for key in ("ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    lasting.after(page.keyboard.press, "Space")
    pad = lasting.pixels(".pad")[..., 0]
    assert set(map(tuple, np.argwhere(pad == 255))) >= {(15, 14)}
    assert (pad == 255).sum() <= 9
    box = page.locator(".pad").bounding_box()
    lasting.after(page.mouse.click, box["x"] + box["width"] * 4.5 / 28, box["y"] + box["height"] * 20.5 / 28)
    page.keyboard.press("Tab")
    pad = lasting.pixels(".pad")
    assert pad[20, 4, 0] == 255
    made = runtime.load("vae_mnist").run("reconstruct", image=(pad[None, ..., :1] / 127.5 - 1).astype(np.float32))
    wanted = np.clip(np.rint((made["reconstruction"][0] + 1) * 127.5), 0, 255)
    assert np.abs(lasting.pixels()[..., :1] - wanted).max() <= 1


def test_samples_fall_into_the_histogram(visit):
    visitor = visit(reduced_motion="reduce")
    page = visitor.open("probability.html?name=binomial&n=10&p=0.4")
    page.wait_for_selector("#parameters input")
    page.click("#one")
    page.wait_for_selector("#status:has-text('1 samples')")
    page.click("#run")
    page.wait_for_selector("#status:has-text('5,001 samples')")
    rows = [row.split("\t") for row in page.locator("#numbers tbody tr").all_inner_texts()]
    assert rows[0][1] == "4" and abs(float(rows[0][2]) - 4) < 0.15
    assert abs(float(rows[1][2]) - 2.4**0.5) < 0.1
    page.select_option("#distribution", "poisson")
    page.wait_for_url("**name=poisson**")
    assert page.inner_text("#status") == "No samples yet."
