"""Anomaly detection: measures against closed forms, the errors by hand, and the walk-through from data to device."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf
from command import only_run, run
from PIL import Image
from scipy import stats

from edge import runtime
from recipes import anomaly as recipe
from zoo import anomaly, tflite
from zoo.datasets import tabular


@pytest.fixture(scope="module", autouse=True)
def one_precision():
    """The fp32 file alone: the converter's other precisions are tested in test_export.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tflite, "TOGETHER", (("fp32",),))
        yield


# Measures


def test_measures_of_two_gaussians_are_the_closed_forms():
    random = np.random.default_rng(0)
    ordinary, anomalous = random.standard_normal(20_000), 1.5 + random.standard_normal(20_000)
    threshold = anomaly.threshold_of(random.standard_normal(20_000), 0.95)
    assert threshold == pytest.approx(stats.norm.ppf(0.95), abs=0.05)
    measures = anomaly.measure(ordinary, anomalous, threshold)
    assert measures["auroc"] == pytest.approx(stats.norm.cdf(1.5 / np.sqrt(2)), abs=0.01)
    assert measures["fpr95"] == pytest.approx(stats.norm.sf(1.5 + stats.norm.ppf(0.05)), abs=0.015)
    assert measures["found"] == pytest.approx(stats.norm.sf(threshold - 1.5), abs=0.015)
    assert measures["alarms"] == pytest.approx(0.05, abs=0.01)


def test_measures_by_hand():
    measures = anomaly.measure(np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.0, 5.0]), 3.0)
    assert measures == {"auroc": (2.5 + 4) / 8, "fpr95": 0.5, "found": 0.5, "alarms": 0.25}
    assert anomaly.threshold_of(np.arange(1, 101), 0.9) == 90.0
    for ordinary, anomalous in (([], [1.0]), ([1.0], []), ([1.0, np.nan], [1.0])):
        with pytest.raises(ValueError, match="finite scores of ordinary and of anomalous examples are needed"):
            anomaly.measure(np.array(ordinary), np.array(anomalous), 0.0)


def test_thresholds_come_from_validation_and_tables_from_the_test_split():
    random = np.random.default_rng(0)
    scored = {split: {"method": random.standard_normal(400)} for split in anomaly.SPLITS}
    ordinary = {split: np.arange(400) < 300 for split in anomaly.SPLITS}
    strange = {split: np.arange(400) >= 350 for split in anomaly.SPLITS}
    case = anomaly.make_case("kind", scored, ordinary, strange)
    judged = anomaly.judge(case, 0.8)["method"]
    assert judged["threshold"] == anomaly.threshold_of(scored["validation"]["method"][:300], 0.8)
    for split in anomaly.SPLITS:
        values = scored[split]["method"]
        assert judged[split] == anomaly.measure(values[:300], values[350:], judged["threshold"])
    other = {"method": {split: {**judged[split], "auroc": judged[split]["auroc"] + 0.2} for split in anomaly.SPLITS}}
    by_case, by_method = anomaly.tables({"kind": {"method": judged}, "other": other})
    auroc = judged["test"]["auroc"]
    assert by_case["mean"]["method"] == pytest.approx(auroc + 0.1, abs=1e-3)
    assert by_case["deviation"]["method"] == pytest.approx(0.1, abs=1e-3)
    assert by_method["method"]["AUROC"] == f"{auroc + 0.1:.3f} +- 0.100"


def test_detectors_find_what_lies_off_a_plane():
    random = np.random.default_rng(0)
    plane = random.standard_normal((2, 6))
    train, ordinary = (random.standard_normal((500, 2)) @ plane for _ in range(2))
    far = ordinary + 4 * random.standard_normal((500, 6))
    found = anomaly.detectors(train, components=2, seed=0)
    assert tuple(found) == anomaly.OTHERS
    for name, score in found.items():
        assert anomaly.measure(score(ordinary), score(far), 0.0)["auroc"] > 0.9, name
    np.testing.assert_allclose(found["PCA"](ordinary), 0, atol=1e-9)
    off = np.linalg.svd(plane)[2][-1]  # a unit vector that is orthogonal to the plane
    np.testing.assert_allclose(found["PCA"](train.mean(axis=0) + 3 * off[None]), 9 / 6, rtol=1e-6)


# Errors of pictures and rows


def test_errors_of_pictures_by_hand():
    black, grey = np.full((1, 2, 2, 1), -1.0, np.float32), np.zeros((1, 2, 2, 1), np.float32)
    pictures = tf.constant(np.concatenate([grey, grey, black]))
    made = tf.constant(np.concatenate([grey, black, grey]))
    np.testing.assert_allclose(anomaly.squared_error(pictures, made), [0, 0.25, 0.25])
    np.testing.assert_allclose(anomaly.relative_error(pictures, made), [0, 1, 0.25 / anomaly.DARK], rtol=1e-6)
    vectors = recipe.pixels(np.full((2, 2, 2, 1), 255, np.uint8) * np.uint8([[[[1]]], [[[0]]]]))
    np.testing.assert_allclose(anomaly.energy(vectors), [1, anomaly.DARK])


# The walk-through


@pytest.fixture(scope="module")
def pictures_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    code, out, err = run(folder, "anomaly", "--preset", "smoke")
    assert code == 0, err
    return only_run(folder), out


@pytest.fixture(scope="module")
def rows_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    code, out, err = run(folder, "anomaly", "--dataset", "flows", "--epochs", "2", "--batch-size", "256")
    assert code == 0, err
    return only_run(folder), out


def test_pictures_are_scored_drawn_and_exported(pictures_run):
    folder, out = pictures_run
    results = json.loads((folder / "anomaly.json").read_text())
    assert results.keys() == {"0", "4"}
    methods = {"squared error", "relative error", "ELBO", "IWAE", "PCA, relative", *anomaly.OTHERS}
    for judged in results.values():
        assert judged.keys() == methods
        for each in judged.values():
            assert 0 <= each["test"]["auroc"] <= 1 and each["test"] != each["validation"]
    for name in ("scores", "roc", "extremes", "export/samples"):
        assert np.asarray(Image.open(folder / f"{name}.png").convert("L")).std() > 5
    model = runtime.load(folder / "export")
    card = model.card
    assert card["name"] == "anomaly_digits" and card["anomalies"] == ["0"] and "0" not in card["ordinary"]
    assert card["score"] in ("squared error", "relative error")
    assert card["threshold"] == results["0"][card["score"]]["threshold"]
    quality = card["files"]["fp32"]["quality"]
    assert quality["n"] == 360 and quality["auroc"] == pytest.approx(
        results["0"][card["score"]]["test"]["auroc"], abs=2e-3
    )
    score = model.run("score", image=np.zeros((1, 8, 8, 1), np.float32))["score"]
    assert score.shape == (1,) and score[0] > 0
    assert f"the {card['score']} is exported" in out


def test_rows_are_scored_and_exported_with_all_preprocessing(rows_run):
    folder, _ = rows_run
    data = tabular.load("flows")
    results = json.loads((folder / "anomaly.json").read_text())
    assert tuple(results) == data.kinds
    assert results["scan"]["autoencoder"]["test"]["auroc"] > 0.9
    model = runtime.load(folder / "export")
    card = model.card
    assert card["columns"] == [column.describe() for column in data.columns]
    assert [column["kind"] for column in card["columns"]].count("category") == 3
    assert card["threshold"] == results["scan"]["autoencoder"]["threshold"]
    scores = np.concatenate([model.run("score", x=row[None])["score"] for row in data.test.rows[::100]])
    anomalous = data.test.kinds[::100] != 0
    assert np.mean(scores[anomalous] > card["threshold"]) > 0.4 > 0.15 > np.mean(scores[~anomalous] > card["threshold"])
    odd = data.test.rows[:1].copy()
    odd[0, 0], odd[0, -1] = -1e6, 99  # no time is negative, and there is no such flag
    assert np.isfinite(model.run("score", x=odd)["score"][0])
    assert model.run("score", x=odd)["score"][0] > scores[0]
    for name in ("scores", "roc", "export/samples"):
        assert np.asarray(Image.open(folder / f"{name}.png").convert("L")).std() > 5

    with open(folder / "held_out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 180 and list(rows[0]) == [*(column["name"] for column in card["columns"]), "kind"]
    assert rows[0]["kind"] == "normal" and rows[90]["kind"] == "scan" and rows[-1]["kind"] == "mining"
    back = [
        [
            column["values"].index(row[column["name"]]) if "values" in column else row[column["name"]]
            for column in card["columns"]
        ]
        for row in rows[:90]
    ]
    np.testing.assert_array_equal(np.array(back, np.float32), data.test.rows[:90])


def test_a_class_that_is_too_rare_to_be_tested_gets_a_sentence(tmp_path):
    for number, name in enumerate([*["often"] * 30, "once"]):
        (tmp_path / "own" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 8 * number, np.uint8)).save(tmp_path / "own" / name / f"{number}.png")
    code, _, err = run(tmp_path, "anomaly", "--dataset", "folder:own", "--leave-out", "once")
    assert code == 2 and "no 'once' among the validation or among the test pictures" in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--leave-out", "11"], "handwritten digits (8x8) has no class '11': there are 0, 1, 2"),
        (["--leave-out", "1", "2", "--ship", "3"], "--ship must be a class that is left out (1, 2), got '3'"),
        (["--leave-out", "1", "2", "1"], "--leave-out has '1' more than once"),
        (["--dataset", "flows", "--leave-out", "1"], "flows has anomalies of its own"),
        (
            ["--dataset", "flows", "--precision", "mixed_bfloat16"],
            "--precision must be float32 for rows, got mixed_bfloat16",
        ),
        (["--quantile", "1"], "--quantile between 0 and 1"),
        (["--seed", "4294967296"], "--seed 0 to 2147482648"),
        (["--batch-size", "5000"], "the batch size must be 1 to 1130 (the pictures there are), got 5000"),
        (["--width", "0"], "--width must be at least 1, got 0"),
        (["--resume", "old"], "anomaly cannot be resumed: start it again"),
    ],
)
def test_mistakes_get_a_sentence(words, sentence, tmp_path):
    code, _, err = run(tmp_path, "anomaly", *words)
    assert code == 2 and sentence in err and err.startswith("error: ") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
