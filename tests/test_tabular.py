"""Tables: the simulated log is what it says, encodings agree with scikit-learn, KDD Cup 1999 is read or asked for."""

import joblib
import numpy as np
import pytest
import tensorflow as tf
from scipy import special
from sklearn import compose, pipeline, preprocessing

from zoo.datasets import downloads, flows, tabular

COLUMNS = (
    tabular.Column("bytes", logarithmic=True),
    tabular.Column("colour", ("red", "green", "blue")),
    tabular.Column("hour"),
    tabular.Column("answer", ("no", "yes")),
)


@pytest.fixture(scope="module")
def log():
    return tabular.load("flows")


def table(count=200):
    random = np.random.default_rng(0)
    columns = [np.exp(4 * random.random(count)), random.integers(0, 3, count), 24 * random.random(count)]
    return np.stack([*columns, random.integers(0, 2, count)], axis=1).astype(np.float32)


# The simulated log


def test_the_log_repeats_and_its_splits_differ(log):
    again = tabular.load("flows")
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(log, split).rows, getattr(again, split).rows)
    assert not np.any(log.train.kinds)  # ordinary rows alone
    assert set(log.test.kinds) == set(log.validation.kinds) == set(range(10))
    assert log.train.rows.dtype == np.float32 and np.all(np.isfinite(log.train.rows)) and log.train.rows.min() >= 0
    seen = {row.tobytes() for row in log.train.rows}
    assert np.mean([row.tobytes() in seen for row in log.test.rows]) < 0.01


def test_columns_are_what_they_say(log):
    names = [column.name for column in log.columns]
    column = dict(zip(names, log.test.rows.T, strict=True))
    assert column["hour"].max() < 24 and column["port"].max() <= 65535
    assert np.all(column["recent_ports"] <= column["recent_flows"])
    for each in log.columns:
        if each.values:
            assert set(np.unique(column[each.name])) <= set(range(len(each.values)))
    no_answer = column["flag"] == flows.FLAGS.index("no_answer")
    assert no_answer.sum() > 100
    assert np.all(column["bytes_received"][no_answer] == 0) and np.all(column["packets_received"][no_answer] == 0)
    answered = column["flag"] == flows.FLAGS.index("complete")
    assert np.all(column["packets_sent"][answered] * flows.PACKET >= column["bytes_sent"][answered])
    assert sum(habit.share for habit in flows.NORMAL) == pytest.approx(1)


def test_habits_have_the_medians_that_they_state():
    habit = flows.Habit(1, "udp", "dns", (53,), 900.0, 4_000.0, 0.5, 2.0, flags=(1, 0, 0, 0), hours=flows.NIGHT)
    rows = flows.draw(habit, 20_000, np.random.default_rng(0))
    column = dict(zip([name for name, _ in flows.NUMBERS], rows.T, strict=False))
    for name, value in (("bytes_sent", 900), ("bytes_received", 4_000), ("seconds", 2)):
        assert np.median(column[name]) == pytest.approx(value, rel=0.03)
    assert np.log(column["bytes_sent"]).std() == pytest.approx(0.5, rel=0.03)  # 0.8^2 + 0.6^2 = 1
    assert np.mean(column["recent_flows"]) == pytest.approx(1 + habit.recent, rel=0.05)
    share = (column["recent_ports"].sum() - len(rows)) / (column["recent_flows"].sum() - len(rows))
    assert share == pytest.approx(habit.other_ports, abs=0.01)
    assert np.corrcoef(np.log(column["bytes_sent"]), np.log(column["seconds"]))[0, 1] > 0.2


# Encoding


def test_encoding_agrees_with_scikit_learn():
    rows, others = table(), table()[::-1][:20] * np.float32([3, 1, 1, 1])
    encoding = tabular.Encoding.fit(rows, COLUMNS)
    logarithm = pipeline.make_pipeline(preprocessing.FunctionTransformer(np.log1p), preprocessing.StandardScaler())
    theirs = compose.ColumnTransformer(
        [("log", logarithm, [0]), ("scale", preprocessing.StandardScaler(), [2])]
        + [(f"hot{place}", preprocessing.OneHotEncoder(sparse_output=False), [place]) for place in (1, 3)]
    ).fit(rows.astype(np.float64))
    wanted = np.insert(np.insert(theirs.transform(others.astype(np.float64)), 5, 0, axis=1), 8, 0, axis=1)
    assert encoding.sizes == (4, 3) and encoding.count == 2
    np.testing.assert_allclose(encoding(others), wanted, atol=1e-5)  # and nothing is "none of them"


def test_encoding_of_what_was_never_seen():
    rows = table()
    rows[:, 2] = 7.0  # a column that never varies
    encoding = tabular.Encoding.fit(rows, COLUMNS)
    encoded = encoding(np.float32([[-50, -1, 9, 2.0], [0, 3, 7, 0.9]])).numpy()
    assert np.all(np.isfinite(encoded))
    assert encoded[0, 0] == encoded[1, 0]  # less than nothing is nothing
    np.testing.assert_allclose(encoded[:, 1], [2, 0], atol=1e-6)
    np.testing.assert_array_equal(encoded[:, 2:6], [[0, 0, 0, 1]] * 2)
    np.testing.assert_array_equal(encoded[:, 6:], [[0, 0, 1], [0, 1, 0]])


def test_error_by_hand():
    encoding = tabular.Encoding.fit(table(), COLUMNS)
    random = np.random.default_rng(1)
    encoded = encoding(table()[:5]).numpy()
    decoded = random.standard_normal(encoded.shape).astype(np.float32)
    wanted = 0.5 * np.sum((encoded[:, :2] - decoded[:, :2]) ** 2, axis=1)
    for part in (slice(2, 6), slice(6, 9)):
        wanted -= np.sum(encoded[:, part] * special.log_softmax(decoded[:, part], axis=1), axis=1)
    np.testing.assert_allclose(encoding.error(tf.constant(encoded), tf.constant(decoded)), wanted, rtol=1e-5)


# KDD Cup 1999


def test_kddcup99_is_read_from_the_folder_of_scikit_learn(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    random = np.random.default_rng(0)
    samples = np.zeros((400, 41), object)
    samples[:, 0] = random.integers(0, 1000, 400)
    samples[:, 1] = random.choice([b"tcp", b"udp"], 400)
    samples[:, 2] = random.choice([b"http", b"smtp"], 400)
    samples[:, 3] = b"SF"
    samples[:, 4] = np.arange(400)
    targets = np.full(400, b"normal.", object)
    targets[300:340], targets[340:380], targets[380:390], targets[390:] = b"smurf.", b"nmap.", b"imap.", b"perl."
    samples[300:340, 2] = b"ecr_i"  # a service that no ordinary row has
    samples[10:20] = samples[9]  # the real data are full of repetitions
    (tmp_path / "kddcup99_10-py3").mkdir()
    joblib.dump(samples, tmp_path / "kddcup99_10-py3" / "samples")
    joblib.dump(targets, tmp_path / "kddcup99_10-py3" / "targets")
    data = tabular.load("kddcup99")
    assert data.kinds == ("dos", "probe", "r2l", "u2r")
    assert [column.name for column in data.columns if column.values] == ["protocol_type", "service", "flag"]
    assert data.columns[2].values == ("http", "smtp") and data.columns[0].logarithmic
    sizes = [np.bincount(split.kinds, minlength=5).tolist() for split in (data.train, data.validation, data.test)]
    assert sizes[0] == [174, 0, 0, 0, 0] and sizes[1][0] == sizes[2][0] == 58
    assert np.add(sizes[1], sizes[2]).tolist()[1:] == [40, 40, 10, 10] and min(sizes[2][1:]) > 0
    every = np.concatenate([data.train.rows, data.validation.rows, data.test.rows])
    assert len(np.unique(every[:, 4])) == len(every) == 390
    assert np.all(data.test.rows[data.test.kinds == 1, 2] == -1)
    assert tabular.Encoding.fit(data.train.rows, data.columns)(data.test.rows).shape == (len(data.test.rows), 38 + 8)


def test_kddcup99_that_cannot_be_had_gets_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    monkeypatch.setattr(downloads, "reachable", lambda address: False)
    with pytest.raises(ValueError, match=r"kddcup99 is not in .* and cannot be downloaded without network") as error:
        tabular.load("kddcup99")
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="there is no table 'kdd': there are flows, kddcup99"):
        tabular.load("kdd")
