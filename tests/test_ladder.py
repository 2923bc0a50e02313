"""The ladder of precisions: what the cards say of each rung, and that no rung is missing without a reason."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from edge import benchmark, cards, ladder, ladder_plot, runtime
from zoo import export

EXPORTED = Path(__file__).resolve().parent.parent / "exported"
NAMES = sorted(path.parent.name for path in EXPORTED.glob("*/card.json"))

CARD = {
    "name": "tiny",
    "files": {
        "fp32": {"bytes": 2_000_000, "latency_ms": 0.5, "quality": {"n": 7, "fid": 2.0, "psnr": 9.0}},
        "fp16": {"bytes": 1_000_000, "latency_ms": 0.25, "quality": {"fid": 1.9}},
        "dynamic": {"bytes": 500_000, "latency_ms": None, "quality": None},
        "int8": {"not_shipped": "it is worse", "quality": {"fid": 2.5}},
    },
}

PSNR = {"quality": {"psnr": 20.0}}


def scored(**scores):
    """A card of two files, fp32 and dynamic, with these figures: a pair each."""
    files = {
        precision: {"bytes": 1000, "quality": {name: pair[place] for name, pair in scores.items()}}
        for place, precision in enumerate(("fp32", "dynamic"))
    }
    return {"name": "tiny", "title": "Tiny", "files": files}


def test_rungs_by_hand():
    fp32, fp16, dynamic, int8 = ladder.rungs(CARD)
    assert fp32 == ("tiny", "fp32", "fid", 2.0, 0.0, 2.0, 0.5, None)
    assert fp16.loss == pytest.approx(-0.5)  # 5 % better, where 10 % may be lost
    assert (dynamic.quality, dynamic.loss, dynamic.megabytes, dynamic.milliseconds) == (None, None, 0.5, None)
    assert int8.loss == pytest.approx(2.5) and int8.reason == "it is worse" and int8.megabytes is None


def test_a_figure_that_fp32_lacks_is_not_compared():
    card = scored(fid=(None, 12.0))
    assert [(rung.figure, rung.quality, rung.loss) for rung in ladder.rungs(card)] == [(None, None, None)] * 2
    assert "| tiny | - | 0.00 MB |  | 0.00 MB |  |" in ladder.table([card])
    assert ladder_plot.plot(card) is None
    card = scored(fid=(None, 12.0), psnr=(20.0, 19.85))
    assert [(rung.figure, rung.loss) for rung in ladder.rungs(card)] == [("psnr", 0.0), ("psnr", pytest.approx(0.5))]
    fp32, dynamic = ladder.rungs(scored(fid=(2.0, None)))
    assert (fp32.loss, dynamic.quality, dynamic.loss) == (0.0, None, None)


def test_loss_where_more_is_better():
    assert ladder.loss("psnr", 19.85, 20.0) == pytest.approx(0.5)
    assert ladder.loss("accuracy", 0.98, 0.95) == pytest.approx(-3.0)
    assert ladder.loss("nll", 91.0, 90.0) == pytest.approx(1.0)
    assert ladder.loss("fid", 0.0, 0.0) == 0.0


def test_the_figures_are_those_that_files_are_shipped_by():
    assert ladder.FIGURES == export.FIGURES
    assert list(ladder.FIGURES) == list(export.FIGURES)  # the first one counts


def test_table_by_hand():
    header, line, row, empty, reason = ladder.table([CARD]).splitlines()
    assert header == "| model | figure | fp32 | fp16 | dynamic | int8 |"
    assert line == "| --- | --- | --- | --- | --- | --- |"
    cells = "2.000, 2.00 MB, 0.50 ms | 1.900, 1.00 MB, 0.25 ms | 0.50 MB | not shipped (2.500)"
    assert row == f"| tiny | FID | {cells} |"
    assert (empty, reason) == ("", "- tiny int8: it is worse")


@pytest.mark.parametrize("name", NAMES)
def test_every_rung_is_good_or_has_a_reason(name):
    card = json.loads((EXPORTED / name / "card.json").read_text())
    found = ladder.rungs(card)
    assert [rung.precision for rung in found] == list(ladder.PRECISIONS)
    for rung in found:
        if rung.reason is None:
            assert rung.megabytes > 0 and rung.milliseconds > 0, rung
            assert rung.loss is None or rung.loss <= 1.0, rung
        else:
            assert rung.precision in ("dynamic", "int8") and len(rung.reason) > 20, rung
            assert rung.loss is None or rung.loss > 1.0, rung


def test_the_readme_has_the_numbers_of_the_cards():
    cards_of = [card for _, card in runtime.list_models()]
    right = ladder.table(cards_of).splitlines()
    shown = (EXPORTED.parent / "README.md").read_text().partition("--ladder</code>")[2].partition("</details>")[0]
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(rows) > 2 and set(rows) <= set(right)


def numbers(pattern, picture):
    return [tuple(map(float, found)) for found in re.findall(pattern, picture)]


def test_plot_by_hand():
    picture = ladder_plot.plot(CARD)
    ElementTree.fromstring(picture)  # it is XML
    circles = numbers(r'<circle class="rung" cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"', picture)
    (x_fp16, y_fp16, r_fp16), (x_fp32, y_fp32, r_fp32) = circles  # by size; the others have no quality or no file
    assert (x_fp16, x_fp32) == (96, 306)
    limit = float(re.search(r'<path class="limit" d="M50 ([\d.]+)H', picture)[1])
    assert y_fp16 < y_fp32 < limit  # up is better
    assert (y_fp32 - y_fp16) / (limit - y_fp32) == pytest.approx(0.5, abs=0.01)  # 5 % better, 10 % may be lost
    assert r_fp16 / r_fp32 == pytest.approx(0.5**0.5, abs=0.01)  # half the time, half the area
    texts = [element.text for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0].startswith("FID (less is better)")
    assert {"2", "2.2", "1.00 MB, 0.25 ms", "not shipped: int8 (2.5)"} <= set(texts)
    assert "more is better" in ladder_plot.plot({"name": "x", "files": {"fp32": CARD["files"]["fp32"] | PSNR}})
    assert ladder_plot.plot({"name": "x", "files": {"dynamic": CARD["files"]["dynamic"]}}) is None


@pytest.mark.parametrize("name", NAMES)
def test_every_plot_is_that_of_its_card(name):
    folder = EXPORTED / name
    assert (folder / ladder_plot.FILE).read_text() == ladder_plot.plot(json.loads((folder / "card.json").read_text()))


def test_the_least_quality():
    assert ladder.least("fid", 2.0) == pytest.approx(2.2)
    assert ladder.least("psnr", 20.0) == pytest.approx(19.7)


def test_command(artifact_folder, capsys):
    assert benchmark.main([str(artifact_folder), "--ladder"]) == 0
    assert "| tiny | FID | 2.000," in capsys.readouterr().out
    assert not (artifact_folder / "ladder.svg").exists()
    lone = artifact_folder / "fp32.tflite"
    lone.write_bytes(b"never opened")
    assert benchmark.main([str(lone), "--ladder"]) == 0
    assert "| tiny | FID | 2.000," in capsys.readouterr().out
    assert benchmark.main([str(artifact_folder), "--ladder", "--plot"]) == 0
    assert "<svg" in (artifact_folder / "ladder.svg").read_text()
    capsys.readouterr()
    assert benchmark.main(["--ladder"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 2 + len(runtime.list_models())
    assert benchmark.main([]) == 2
    assert "a model is needed" in capsys.readouterr().err
    assert benchmark.main(["--plot"]) == 2
    assert "give --ladder too" in capsys.readouterr().err
    (artifact_folder / "card.json").unlink()
    assert benchmark.main([str(lone), "--ladder"]) == 2
    assert "No such file or directory" in capsys.readouterr().err


@pytest.fixture
def artifact_folder(tmp_path):
    files = {key: dict(entry) for key, entry in CARD["files"].items()}
    for key, entry in files.items():
        if "not_shipped" not in entry:
            entry |= {"file": f"{key}.tflite", "sha256": "0" * 64}
    card = CARD | {"schema": cards.SCHEMA, "title": "Tiny", "signatures": {}, "files": files}
    (tmp_path / "card.json").write_text(json.dumps(card))
    return tmp_path
