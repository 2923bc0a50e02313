"""Signs of mode collapse: twins, counts of classes, the warning, and that healthy samples give none."""

import numpy as np
import pytest

from recipes import runner
from zoo import collapse, metrics, training
from zoo.datasets import images


def test_a_sample_with_twins():
    random = np.random.default_rng(0)
    real = random.normal(0, 1, (800, 6))
    fresh = random.normal(0, 1, (400, 6))
    assert collapse.duplicates(fresh, real) < 0.04
    twice = np.concatenate([fresh[:200], fresh[:200] + 1e-6])
    assert collapse.duplicates(twice, real) == 1.0
    some = np.concatenate([fresh[:360], fresh[:40] + 1e-6])
    assert collapse.duplicates(some, real) == pytest.approx(0.2, abs=0.04)


def test_chi_square_by_hand():
    # 30 and 10 of one class, 20 and 40 of the other, one in neither: expected are 20 and 20, 30 and 30.
    statistic, p_value = collapse.chi_square([30, 20, 0], [10, 40, 0])
    assert statistic == pytest.approx(2 * 100 / 20 + 2 * 100 / 30)
    assert p_value == pytest.approx(4.456e-5, rel=1e-3)  # of one degree of freedom


def test_signs_of_real_and_of_collapsed_pictures():
    data = images.load("digits")
    evaluator = metrics.Evaluator.load("digits")
    real = evaluator.features(data.validation.images)
    healthy = collapse.signs(*evaluator.features(data.train.images[:500]), *real)
    assert healthy["classes"] == 10 and healthy["recall"] > 0.7 and healthy["p_value"] > 0.001
    assert collapse.verdict(healthy, 10) is None
    ones = data.train.images[data.train.labels == 1]
    few = collapse.signs(*evaluator.features(ones), *real)
    assert few["classes"] <= 2 and few["p_value"] < 1e-6 and few["recall"] < 0.4
    assert collapse.verdict(few, 10) == f"{few['classes']} of 10 classes are drawn"
    again = collapse.signs(*evaluator.features(np.repeat(data.train.images[:60], 8, axis=0)), *real)
    assert again["classes"] == 10 and collapse.verdict(again, 10) == "100% of the pictures have a twin"


def test_the_warning_comes_once_and_not_at_the_first_sign(tmp_path, capsys):
    data = images.load("digits")
    evaluator = metrics.Evaluator.load("digits")
    ones = images.to_float(data.train.images[data.train.labels == 1][:60])
    fine = images.to_float(data.train.images[:200])
    plan = [fine, ones, ones, fine, ones, ones, ones, ones, ones]
    drawn = iter(plan)
    watch = collapse.Watch(tmp_path / "scores.csv", lambda: next(drawn), data, evaluator)
    printed = []
    for epoch in range(len(plan)):
        watch.on_epoch_end(epoch)
        printed.append(capsys.readouterr().out)
    assert [bool(text) for text in printed] == [False] * 6 + [True] + [False] * 2
    assert printed[6].startswith("\nmode collapse after epoch 7: ") and "try wgan_gp" in printed[6]
    rows = training.read_log(tmp_path / "scores.csv")
    assert [int(row["epoch"]) for row in rows] == list(range(1, 10))
    assert float(rows[0]["fid"]) < float(rows[1]["fid"])
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]
    assert watch.alarm == 7


def test_a_resumed_run_goes_on_counting_and_does_not_warn_again(tmp_path, capsys):
    data = images.load("digits")
    evaluator = metrics.Evaluator.load("digits")
    ones = images.to_float(data.train.images[data.train.labels == 1][:60])
    fine = images.to_float(data.train.images[:200])
    drawn = iter([ones, fine, ones, ones, ones, ones, ones, ones])
    alarms = []
    for epochs in ([0, 1, 2], [3, 4], [5, 6, 7]):  # three runs, the second and third resumed
        watch = collapse.Watch(tmp_path / "scores.csv", lambda: next(drawn), data, evaluator)
        for epoch in epochs:
            watch.on_epoch_end(epoch)
            alarms.append(watch.alarm)
    assert alarms == [None] * 4 + [5] * 4
    assert capsys.readouterr().out.count("mode collapse after epoch") == 1


def test_no_warning_before_the_model_can_have_learned_to_draw(tmp_path, capsys):
    data = images.load("digits")
    evaluator = metrics.Evaluator.load("digits")
    ones = images.to_float(data.train.images[data.train.labels == 1][:60])
    fine = images.to_float(data.train.images[:200])
    drawn = iter([ones] * 7 + [fine] + [ones] * 3)
    watch = collapse.Watch(tmp_path / "scores.csv", lambda: next(drawn), data, evaluator, warm_up=4)
    alarms = []
    for epoch in range(11):
        watch.on_epoch_end(epoch)
        alarms.append(watch.alarm)
    assert alarms == [None] * 6 + [7] * 5  # epochs 5, 6 and 7 look collapsed, and once is enough
    assert capsys.readouterr().out.count("mode collapse after epoch") == 1


def test_a_recipe_keeps_quiet_for_a_thousand_steps(tmp_path):
    data = images.load("digits")
    run = runner.Run("dcgan", tmp_path, runner.TrainingOptions(watch=60), None)
    for steps, warm_up in ((300, 4), (500, 2), (2000, 1)):
        (watch,) = runner.watch(run, lambda count: images.to_float(data.train.images[:count]), data, steps)
        assert watch.warm_up == warm_up and watch.path == tmp_path / "scores.csv"
        assert len(watch.draw()) == 60
    silent = runner.Run("dcgan", tmp_path, runner.TrainingOptions(watch=0), None)
    assert runner.watch(silent, None, data, 300) == []


def test_a_resumed_run_repeats_no_row(tmp_path):
    data = images.load("digits")
    evaluator = metrics.Evaluator.load("digits")

    def watch():
        fine = images.to_float(data.train.images[:100])
        return collapse.Watch(tmp_path / "scores.csv", lambda: fine, data, evaluator)

    first = watch()
    for epoch in range(3):
        first.on_epoch_end(epoch)
    whole = (tmp_path / "scores.csv").read_text()
    second = watch()
    for epoch in (1, 2):
        second.on_epoch_end(epoch)
    assert (tmp_path / "scores.csv").read_text() == whole
