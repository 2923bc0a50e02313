"""Models that judge: classes of a picture by probability, and anomaly scores of pictures and rows of a table."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from edge import __main__ as command_line
from edge import cards, judging, runtime

COLUMNS = [
    {"name": "duration", "kind": "number"},
    {"name": "protocol", "kind": "category", "values": ["icmp", "tcp", "udp"]},
    {"name": "bytes", "kind": "number"},
]
LABELS = ["dark", "light", "half"]
WEIGHTS = np.array([[-2.0, 3.0, 0.5], [-1.0, 1.0, 0.0], [-1.5, 0.5, 0.25], [-0.5, 2.0, -0.5]], np.float32)
BIASES = np.array([1.0, -0.5, 0.25], np.float32)


def publish(folder, name, data, **card):
    """A folder with a card, as the exporter leaves it."""
    (folder / name).mkdir(parents=True)
    (folder / name / f"{name}.tflite").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    quality = {"accuracy": 0.875} if "labels" in card else {"auroc": 0.96}
    files = {"fp32": {"file": f"{name}.tflite", "sha256": digest, "latency_ms": 0.01, "quality": quality}}
    card = {"schema": 1, "name": name, "title": f"Judge, {name}", "signatures": {}, "files": files, **card}
    (folder / name / "card.json").write_text(json.dumps(card))
    return folder / name


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Judges with answers that can be worked out by hand."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("judges") / "exported"

    def named(signature, name, shape, dtype, function):
        specification = tf.TensorSpec(shape, dtype, name=name)
        return tf.function(lambda value: {signature: function(value)}, input_signature=[specification])

    def save(**functions):
        """The bytes of a .tflite file of signatures: name -> (name, shape, type of the input, function)."""
        module = tf.Module()
        module.calls = {signature: named(signature, *parts) for signature, parts in functions.items()}
        saved = str(tmp_path_factory.mktemp("saved"))
        tf.saved_model.save(module, saved, signatures=dict(module.calls))
        return tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=list(functions)).convert()

    def linear(image):
        return tf.reshape(image, (1, 4)) @ WEIGHTS + BIASES

    def brightness(image):
        return tf.reduce_mean(image, axis=(1, 2, 3))

    def weighted(x):
        return tf.reduce_sum(x * [[1.0, 10.0, 0.5]], axis=1)

    shades = save(log_prob=("image", [1, 2, 2, 1], tf.float32, linear))
    bright = save(score=("image", [1, 2, 2, 1], tf.float32, brightness))
    rows = save(score=("x", [1, 3], tf.float32, weighted))
    drawn = save(
        generate_from_seed=("seed", [1], tf.int32, lambda seed: tf.zeros((1, 2, 2, 1)) + tf.cast(seed, tf.float32)),
        log_prob=("image", [1, 2, 2, 1], tf.float32, brightness),
    )
    translated = save(
        translate=("image", [1, 2, 2, 1], tf.float32, lambda image: -image),
        log_prob=("image", [1, 2, 2, 1], tf.float32, brightness),
    )
    publish(folder, "translates_and_judges", translated)
    publish(folder, "judge_shades", shades, labels=LABELS, typical=[-5.0, 5.0])
    publish(folder, "judge_bright", bright, threshold=0.25)
    publish(folder, "judge_rows", rows, threshold=15, columns=COLUMNS)
    publish(folder, "draws_and_judges", drawn)
    return folder


@pytest.fixture
def place(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "EXPORTED", exported)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(values, path="x.png"):
    Image.fromarray(np.array(values, np.uint8).reshape(2, 2)).save(path)
    return path


def table(text, path="x.csv"):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def mistake(capsys, *words):
    """The one sentence that a command line is answered by."""
    assert command_line.main(list(words)) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ") and captured.err.count("\n") == 1
    return captured.err


# --- what they say ----------------------------------------------------------------------------


def test_classes_by_posterior_probability(place, capsys):
    path = picture([255, 0, 0, 255])
    assert command_line.main(["judge_shades", "--image", path]) == 0
    joint = np.array([1, -1, -1, 1]) @ WEIGHTS.astype(float) + BIASES
    evidence = np.log(np.exp(joint).sum())
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == f"x.png: log-likelihood {evidence:.1f} nats, as usual (-5 to 5)"
    posterior = np.exp(joint) / np.exp(joint).sum()
    expected = [(LABELS[k], f"{posterior[k]:.4f}") for k in np.argsort(-posterior)]
    assert [tuple(line.split()) for line in rest] == expected
    assert rest[0].split()[0] == "light"


def test_a_model_that_draws_judges_when_it_is_shown_a_picture(place, capsys):
    assert command_line.main(["draws_and_judges", "--image", picture([255, 255, 255, 0])]) == 0
    assert capsys.readouterr().out == "x.png: log-likelihood 0.5 nats\n"
    assert "makes pictures: it takes no --rows" in mistake(capsys, "draws_and_judges", "--rows", "x.csv")
    assert "x.png: log" not in mistake(capsys, "draws_and_judges", "--count", "0")  # without one it draws


def test_a_model_from_picture_to_picture_makes_pictures(place):
    path = picture([255] * 4)
    assert judging.signature_of(runtime.load("translates_and_judges"), image=path) is None
    assert judging.signature_of(runtime.load("draws_and_judges"), image=path) == "log_prob"
    assert judging.signature_of(runtime.load("draws_and_judges")) is None
    assert judging.signature_of(runtime.load("judge_rows")) == "score"


def test_probabilities_far_from_zero_do_not_overflow():
    first, *rest = judging.classes({"labels": ["a", "b"]}, "x", np.array([-5000.0, -5000.0 + np.log(3)]))
    assert first == f"x: log-likelihood {-5000 + np.log(4):.1f} nats"
    assert [line.split() for line in rest] == [["b", "0.7500"], ["a", "0.2500"]]


@pytest.mark.parametrize(("evidence", "words"), [(-6.0, "less than 99"), (6.0, "more than 99"), (0.0, "as usual")])
def test_how_usual_a_picture_is(evidence, words):
    (line,) = judging.classes({"typical": [-5.0, 5.0]}, "x", np.array([evidence]))  # a model without classes
    assert words in line and f"{evidence:.1f} nats" in line


@pytest.mark.parametrize(
    ("values", "score", "word"), [([255, 255, 255, 0], "0.5", "anomaly"), ([0] * 4, "-1", "normal")]
)
def test_score_of_a_picture(place, capsys, values, score, word):
    assert command_line.main(["judge_bright", "--image", picture(values)]) == 0
    verdict, summary = capsys.readouterr().out.splitlines()
    assert verdict.split() == ["x.png", score, word]
    assert summary == f"{int(word == 'anomaly')} of 1 above the threshold 0.25"


def test_scores_of_rows_in_the_order_of_the_card(place, capsys):
    """1 duration + 10 place of protocol + 0.5 bytes; columns come in any order, among others, with blanks around."""
    rows = "bytes,note,protocol,duration\n2,a,udp,3.5\n\n4, b , icmp ,1e1\n8,c,tcp,1\n9,d,tcp,1\n"
    assert command_line.main(["judge_rows", "--rows", table("\ufeff" + rows)]) == 0
    *verdicts, summary = [line.split() for line in capsys.readouterr().out.splitlines()]
    scores = [("1", "24.5", "anomaly"), ("2", "12", "normal"), ("3", "15", "normal"), ("4", "15.5", "anomaly")]
    assert verdicts == [["row", *each] for each in scores]
    assert " ".join(summary) == "2 of 4 above the threshold 15"


def test_the_list_shows_the_figure_of_each_card(place, capsys):
    assert command_line.main([]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.startswith("judge")}
    assert " accuracy 0.88 " in lines["judge_shades"] and " AUROC 0.96 " in lines["judge_rows"]
    assert command_line.quality({"psnr": 23.25, "ssim": 0.9}) == "PSNR 23.25"
    assert command_line.quality({"ssim": 0.9}) == "-"


# --- mistakes ---------------------------------------------------------------------------------

HEADER = "duration,protocol,bytes\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "x.csv is empty: its first line must name the columns"),
        (HEADER, "x.csv has no rows below its header"),
        ("duration,bytes\n1,2\n", "x.csv must have one column 'protocol', it has 0: there are duration, bytes"),
        ("bytes," + HEADER + "1,1,tcp,2\n", "x.csv must have one column 'bytes', it has 2"),
        (HEADER + "1,tcp,2\n1,gre,2\n", "row 2 of x.csv: protocol must be one of icmp, tcp, udp, got 'gre'"),
        (HEADER + "1,tcp,2\nfast,tcp,2\n", "row 2 of x.csv: duration must be a number, got 'fast'"),
        (HEADER + "1,tcp,\n", "row 1 of x.csv: bytes must be a number, got ''"),
        (HEADER + "nan,tcp,1\n", "row 1 of x.csv: duration must be a number, got 'nan'"),
        (HEADER + "1,tcp,1e39\n", "row 1 of x.csv: bytes must be a number, got '1e39'"),
        (HEADER + "1,tcp\n", "row 1 of x.csv has 2 values, its header names 3 columns"),
    ],
)
def test_a_table_with_a_mistake(place, capsys, text, sentence):
    assert sentence in mistake(capsys, "judge_rows", "--rows", table(text))


def test_files_that_are_no_input(place, capsys):
    (place / "x.csv").write_bytes(b"duration\xff\xfe\n1\n")
    assert "x.csv is no CSV file in UTF-8" in mistake(capsys, "judge_rows", "--rows", "x.csv")
    assert "absent.csv" in mistake(capsys, "judge_rows", "--rows", "absent.csv")
    assert "absent.png" in mistake(capsys, "judge_shades", "--image", "absent.png")
    assert "x.csv" in mistake(capsys, "judge_shades", "--image", "x.csv")


def test_the_wrong_kind_of_input(place, capsys):
    path, rows = picture([0] * 4), table(HEADER + "1,tcp,2\n")
    assert "judges a picture: give it one by --image" in mistake(capsys, "judge_shades")
    assert "judges a picture: give it one by --image" in mistake(capsys, "judge_bright", "--rows", rows)
    assert "judges the rows of a CSV file: give it one by --rows" in mistake(capsys, "judge_rows", "--image", path)
    words = ["judge_shades", "--image", path, "--out", "y.png"]
    assert "judges here, it makes no pictures: leave --out out" in mistake(capsys, *words)
    assert not (place / "y.png").exists()
    words = ["judge_shades", "--image", path, "--vary", "0.5"]
    assert "judges here, it makes no pictures: leave --vary out" in mistake(capsys, *words)


def test_cards_that_lack_what_judging_needs(place, capsys, exported):
    model = runtime.load("judge_rows")
    rows = table(HEADER + "1,tcp,2\n")
    for key, sentence in (("threshold", "has no threshold"), ("columns", "does not say which columns")):
        complete = model.card
        model.card = {name: value for name, value in complete.items() if name != key}
        with pytest.raises(ValueError, match=sentence):
            judging.verdicts(model, "score", rows=rows)
        model.card = complete
