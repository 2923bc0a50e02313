"""Parts of the web page: cards of every kind, memory, distributions against SciPy, the site put together."""

import copy
import hashlib
import json
import shutil

import numpy as np
import pytest
from scipy import stats

from edge import cards, runtime
from edge.web import __main__ as command_line
from edge.web import stage

pytest_plugins = ["web_browser"]

# --- cards of every kind -----------------------------------------------------------------------


def tensor(name, shape, dtype="float32", limits=None):
    return {"name": name, "shape": shape, "dtype": dtype, "range": limits, "meaning": name}


def card_of(**signatures):
    functions = {
        name: {"inputs": list(inputs), "outputs": list(outputs)} for name, (inputs, outputs) in signatures.items()
    }
    entry = {"file": "odd.tflite", "sha256": "0" * 64, "bytes": 10}
    return {"schema": 1, "name": "odd", "title": "Odd", "signatures": functions, "files": {"fp32": entry}}


SEED = tensor("seed", [1], "int32")
IMAGE = tensor("image", [1, 8, 8, 1])
KINDS = {
    "likelihood": (
        card_of(log_prob=([IMAGE], [tensor("log_prob", [1])])),
        "Takes a picture and gives numbers.",
        ["log_prob"],
    ),
    "table": (
        card_of(score=([tensor("x", [1, 6])], [tensor("score", [1])])),
        "Takes numbers and gives results.",
        ["score"],
    ),
    "vary": (
        card_of(vary=([IMAGE, tensor("strength", [1], limits=[0, 1]), SEED], [IMAGE])),
        "Makes a picture out of a picture.",
        ["vary"],
    ),
    "volume": (card_of(generate_from_seed=([SEED], [tensor("image", [1, 8, 8, 8, 1])])), "This page cannot run it", []),
    "long": (card_of(score=([tensor("x", [1, 5000])], [tensor("score", [1])])), "This page cannot run it", []),
    "both": (
        card_of(generate_from_seed=([SEED], [IMAGE]), score=([IMAGE], [tensor("score", [1])])),
        "Draws pictures from seeds and takes a picture and gives numbers.",
        ["score"],
    ),
}


def test_the_page_says_plainly_what_it_can_do_with_a_card(lasting):
    lasting.open()
    code = """async card => {
        const { summaryOf, runnable } = await import(new URL("app/functions.js", location.href));
        return [summaryOf(card), runnable(card)];
    }"""
    for card, sentence, functions in KINDS.values():
        said, found = lasting.run(code, card)
        assert said.startswith(sentence)
        assert found == functions


def test_a_card_that_the_page_cannot_run_is_shown_all_the_same(visit):
    visitor = visit(service_workers="block")
    visitor.context.route("**/odd/card.json", lambda route: route.fulfill(body=json.dumps(KINDS["volume"][0])))
    page = visitor.open("studio.html?model=odd")
    page.wait_for_selector("#about:visible")
    assert "cannot run it: only its card is shown" in page.inner_text("#paper")
    assert page.inner_text(".facts").startswith("generate_from_seed\nseed int32 [1] → image float32 [1, 8, 8, 8, 1]")
    assert not page.is_visible("#studio")
    assert visitor.error == ""
    index = {"schema": 1, "models": [{"name": "odd", "title": "Odd", "card": "odd/card.json"}]}
    visitor.context.route("**/index.json", lambda route: route.fulfill(body=json.dumps(index)))
    visitor.open().wait_for_selector(".tile")
    visitor.poll("() => document.querySelectorAll('.tile img').length === 0")  # it has no samples
    assert page.inner_text(".tile h2") == "Odd"


FAULTS = {
    "it lacks files": lambda card: card.pop("files"),
    "it is the card of ../odd": lambda card: card.update(name="../odd"),
    "it has schema 2": lambda card: card.update(schema=2),
    "its title is no text": lambda card: card.update(title=["Odd"]),
    "its signatures are no object": lambda card: card.update(signatures=[]),
    "seed of generate_from_seed has no shape": lambda card: card["signatures"]["generate_from_seed"]["inputs"][
        0
    ].update(shape=[0]),
    "seed of generate_from_seed has the type int8": lambda card: card["signatures"]["generate_from_seed"]["inputs"][
        0
    ].update(dtype="int8"),
    "image of generate_from_seed is too large: 1x4096x4096x3": lambda card: card["signatures"]["generate_from_seed"][
        "outputs"
    ][0].update(shape=[1, 4096, 4096, 3]),
    "its file fp32 is not the plain name": lambda card: card["files"]["fp32"].update(file="../../secret.tflite"),
    "its file fp32 has no sha256": lambda card: card["files"]["fp32"].update(sha256="0" * 63 + "Z"),
    "its file fp32 must have 1 to 64000000 bytes": lambda card: card["files"]["fp32"].update(bytes=10**12),
    "its labels are no list of texts": lambda card: card.update(labels="cat"),
    "its paper is not at an https address": lambda card: card.update(paper={"url": "javascript:alert(1)"}),
    "its dataset has entries that are no text": lambda card: card.update(dataset={"title": 7}),
    "its directions are no lists of numbers": lambda card: card.update(directions=[["1"]]),
    "its attributes lack name or range": lambda card: card.update(attributes=[{"name": "a", "range": [1, 0]}]),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_a_broken_card_is_refused_with_the_reason(sentence, lasting):
    lasting.open()
    card = copy.deepcopy(KINDS["both"][0])
    FAULTS[sentence](card)
    code = """async card => {
        const { readCard } = await import(new URL("app/card.js", location.href));
        try { readCard(card, "odd"); } catch (error) { return error.message; }
    }"""
    assert lasting.run(code, card).startswith(f"The card of odd cannot be used: {sentence}")


@pytest.mark.parametrize(
    "path", ["https://example.org/card.json", "../card.json", "/etc/card.json", "odd/../card.json"]
)
def test_an_index_that_leads_out_of_its_folder_is_refused(path, visit):
    visitor = visit(service_workers="block")
    index = {"schema": 1, "models": [{"name": "odd", "title": "Odd", "card": path}]}
    visitor.context.route("**/index.json", lambda route: route.fulfill(body=json.dumps(index)))
    page = visitor.open()
    page.wait_for_selector("#error:not(:empty)")
    assert visitor.error == f"the index sends odd out of its folder, to {path}"


def test_functions_of_pictures_and_of_numbers_run(visit, tmp_path):
    from ai_edge_litert.tools import flatbuffer_utils

    source = cards.EXPORTED / "vae_mnist"
    model = flatbuffer_utils.read_model(str(source / "vae_mnist.tflite"))
    names = {b"encode": b"log_prob", b"decode": b"score"}
    model.signatureDefs = [each for each in model.signatureDefs if each.signatureKey in names]
    for signature in model.signatureDefs:
        signature.signatureKey = names[signature.signatureKey]
        if signature.signatureKey == b"score":
            signature.inputs[0].name = b"x"
    flatbuffer_utils.write_model(model, str(tmp_path / "odd.tflite"))
    data = (tmp_path / "odd.tflite").read_bytes()
    wanted = json.loads((source / "card.json").read_text())["signatures"]
    card = card_of(
        log_prob=(wanted["encode"]["inputs"], wanted["encode"]["outputs"]),
        score=([tensor("x", [1, 16])], wanted["decode"]["outputs"]),
    )
    card["files"]["fp32"].update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    card["labels"] = [f"class {place}" for place in range(16)]
    visitor = visit(service_workers="block")
    visitor.context.route("**/odd/card.json", lambda route: route.fulfill(body=json.dumps(card)))
    visitor.context.route("**/offered.json", lambda route: route.fulfill(body='["exported/odd/odd.tflite"]'))
    visitor.context.route("**/odd.tflite", lambda route: route.fulfill(body=data))
    page = visitor.studio("odd")
    assert visitor.error == ""
    assert not page.is_visible("#picture")
    lone = runtime.load("vae_mnist")
    black = lone.run("encode", image=np.full((1, 28, 28, 1), -1, np.float32))
    shown = page.locator("#numbers dd:nth-of-type(2n)").all_inner_texts()
    np.testing.assert_allclose(np.array(shown[:16], float), black["z"][0], rtol=0.01, atol=0.01)
    assert page.locator("#numbers dt").first.inner_text() == "class 0"
    visitor.after(page.check, "#mode-list input[value=score]")
    numbers = np.linspace(-1, 1, 16).round(3)
    visitor.after(page.fill, "#input-x", ", ".join(map(str, numbers)))
    picture = lone.run("decode", z=numbers[None].astype(np.float32))["image"]
    assert np.abs(visitor.pixels()[..., :1] - np.clip((picture[0] + 1) * 127.5, 0, 255)).max() <= 1.1
    visitor.after(page.fill, "#input-x", "1, 2, apple")
    assert visitor.error == "x takes 16 numbers, 2 were given."


def test_a_model_gets_pixels_and_marks_as_its_card_says(lasting):
    lasting.open()
    code = """async (card, shape, values, marks) => {
        const { formOf, toInput } = await import(new URL("app/source.js", location.href));
        const form = formOf(card, shape);
        return form && Array.from(toInput(form, Uint8ClampedArray.from(values), Uint8Array.from(marks)));
    }"""
    pixels = [255, 51]
    hole = lasting.run(code, {"task": "inpainting"}, [1, 1, 2, 2], pixels, [1, 0])
    np.testing.assert_allclose(hole, [-1, 1, -0.6, -1], atol=1e-6)  # nothing of the picture is seen through the mask
    classes = lasting.run(code, {"task": "segmentation"}, [1, 1, 2, 3], pixels, [3, 0])
    assert classes == [-1, -1, 1, -1, -1, -1]
    colour = lasting.run(code, {}, [1, 1, 1, 3], [0, 255, 51], [0])
    np.testing.assert_allclose(colour, [-1, 1, -0.6], atol=1e-6)
    assert lasting.run(code, {}, [1, 1, 2, 7], pixels, [0, 0]) is None  # seven channels are no picture


# --- memory ------------------------------------------------------------------------------------


def test_running_and_switching_leaves_no_memory_behind(lasting):
    lasting.open()
    code = """async name => {
        const parts = ["app/library.js", "app/litert.js", "lib/litert.js"];
        const [library, litert, { getGlobalLiteRt }] = await Promise.all(
            parts.map((part) => import(new URL(part, location.href))));
        const card = await library.loadCard(name);
        const bytes = await library.loadModelFile(card, "dynamic");
        const sizes = [];
        for (let round = 0; round < 6; round += 1) {
            const model = await litert.openModel(card, "dynamic", bytes);
            for (let run = 0; run < 100; run += 1) await model.run("generate_batch", { seed: Int32Array.of(run) });
            model.close();
            sizes.push(getGlobalLiteRt().liteRtWasm.HEAPU8.length);
        }
        return sizes;
    }"""
    sizes = lasting.run(code, "gan_mnist")
    assert sizes[-1] == sizes[1]  # 400 runs of 50 kB and four files of 0.6 MB would show


# --- distributions -----------------------------------------------------------------------------

LAWS = {
    "bernoulli": ({"p": 0.3}, stats.bernoulli(0.3)),
    "binomial": ({"n": 20, "p": 0.85}, stats.binom(20, 0.85)),
    "poisson": ({"lambda": 12.5}, stats.poisson(12.5)),
    "geometric": ({"p": 0.2}, stats.geom(0.2)),
    "hypergeometric": ({"N": 50, "K": 15, "n": 40}, stats.hypergeom(50, 15, 40)),
    "uniform": ({"a": -1.5, "b": 4}, stats.uniform(-1.5, 5.5)),
    "normal": ({"mu": 1.2, "sigma": 0.7}, stats.norm(1.2, 0.7)),
    "exponential": ({"lambda": 2.5}, stats.expon(scale=0.4)),
    "log_normal": ({"mu": 0.4, "sigma": 0.6}, stats.lognorm(0.6, scale=np.exp(0.4))),
    "beta": ({"alpha": 0.7, "beta": 3.2}, stats.beta(0.7, 3.2)),
}
SAMPLES = 4000


@pytest.mark.parametrize("name", LAWS)
def test_a_distribution_is_scipys(name, lasting):
    lasting.open()
    values, law = LAWS[name]
    discrete = hasattr(law.dist, "pmf")
    points = np.arange(-2, 45).tolist() if discrete else np.linspace(-3, 6, 62).tolist()
    code = """async (name, values, points, count) => {
        const { DISTRIBUTIONS } = await import(new URL("app/distributions.js", location.href));
        let state = 20251;
        const random = () => {  // Park and Miller 1988
            state = (state * 48271) % 2147483647;
            return (state - 1) / 2147483646;
        };
        const law = DISTRIBUTIONS[name];
        return {
            density: points.map((x) => law.density(x, values)),
            moments: [law.mean(values), law.variance(values)],
            range: law.range(values),
            samples: Array.from({ length: count }, () => law.sample(values, random)),
        };
    }"""
    found = lasting.run(code, name, values, points, SAMPLES)
    exact = (law.pmf if discrete else law.pdf)(np.array(points))
    np.testing.assert_allclose(found["density"], exact, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found["moments"], law.stats("mv"), rtol=1e-12)
    low, high = found["range"]
    assert law.cdf(high) - law.cdf(low - (1e-9 if discrete else 0)) > 0.98
    samples = np.array(found["samples"])
    if not discrete:
        assert stats.kstest(samples, law.cdf).pvalue > 1e-3
        return
    edges = [value for value in range(int(low), int(high) + 1) if SAMPLES * law.pmf(value) >= 5]
    wanted = np.array([law.pmf(value) for value in edges])
    counts = np.array([(samples == value).sum() for value in edges])
    wanted, counts = np.append(wanted, 1 - wanted.sum()), np.append(counts, SAMPLES - counts.sum())
    kept = wanted > 1e-12
    assert counts[~kept].sum() == 0
    assert stats.chisquare(counts[kept], SAMPLES * wanted[kept] / wanted[kept].sum()).pvalue > 1e-3


# --- putting the site together -----------------------------------------------------------------


def test_a_new_version_of_the_page_keeps_the_runtime(visit, site_folder, serve, tmp_path):
    folder = shutil.copytree(site_folder, tmp_path / "site")
    served = serve(folder)
    visitor = visit(served.url)
    visitor.studio("dcgan_mnist", count=1)
    visitor.wait_for_cache("litert_wasm_internal.wasm")
    page = folder / "index.html"
    page.write_text(page.read_text().replace("Generative models that fit on a phone", "Models of tomorrow"))
    stage.write_shell(folder)
    visitor.open().wait_for_selector("h1:has-text('Models of tomorrow')")  # it was loaded again by itself
    version = json.loads((folder / "shell.js").read_text().partition("= ")[2].rstrip(";\n"))["version"]
    code = "async name => (await caches.keys()).includes(name) && (await caches.keys()).length === 3"
    visitor.poll(code, f"site-{version}")
    served.close()
    visitor.context.set_offline(True)
    assert visitor.open().inner_text("h1") == "Models of tomorrow"
    visitor.studio("dcgan_mnist", count=1)
    assert visitor.error == ""


def test_the_site_is_put_together_whole_or_not_at_all(site_folder, tmp_path, capsys):
    offered = json.loads((site_folder / "offered.json").read_text())
    on_disk = [path.relative_to(cards.EXPORTED.parent).as_posix() for path in cards.EXPORTED.glob("*/*.tflite")]
    assert offered == sorted(on_disk)
    assert (site_folder / "lib" / "LICENSE").read_bytes() == (stage.ROOT / "LICENSE").read_bytes()
    assert not (site_folder / "node_modules").exists()
    before = (site_folder / "shell.js").read_bytes()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert command_line.main(["--folder", str(tmp_path / "mine"), "--no-serve"]) == 2
    assert "holds something that is no site" in capsys.readouterr().err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert command_line.main(["--folder", str(tmp_path / "new"), "--exported", str(tmp_path), "--no-serve"]) == 2
    assert "has no index.json" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]
    broken = tmp_path / "broken"
    (broken / "odd").mkdir(parents=True)
    (broken / "index.json").write_text("{}")
    for card, sentence in (
        ({"files": {"fp32": {"file": "../../mine/thesis.txt"}}}, "is not a plain file name"),
        ({"files": 3}, "is no card that lists its files"),
    ):
        (broken / "odd" / "card.json").write_text(json.dumps(card))
        assert command_line.main(["--folder", str(tmp_path / "new"), "--exported", str(broken), "--no-serve"]) == 2
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "new").exists()
    stage.stage(tmp_path / "again")
    assert (tmp_path / "again" / "shell.js").read_bytes() == before  # nothing changed, so no browser fetches anything
