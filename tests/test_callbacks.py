"""What one watches while a model trains: grids of samples and curves of the log."""

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from zoo import callbacks, training


def test_sample_grid_writes_a_picture_an_epoch(tmp_path):
    brightness = iter([-1.0, 1.0])
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    grid = callbacks.SampleGrid(tmp_path / "samples", lambda: np.full((5, 8, 8, 1), next(brightness)), columns=3)
    model.fit(np.zeros((4, 2)), np.zeros(4), epochs=2, verbose=0, callbacks=[grid])
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["epoch_00001.png", "epoch_00002.png"]
    for name, value in (("epoch_00001.png", 0), ("epoch_00002.png", 255)):
        canvas = np.asarray(Image.open(tmp_path / "samples" / name))
        # Two rows of three pictures, one pixel apart, seven times enlarged: 8 pixels become 56.
        assert canvas.shape == (7 * 17, 7 * 26)
        assert np.all(canvas[:56, :56] == value)


def test_side_by_side_takes_turns():
    pictures = np.arange(12.0).reshape(3, 2, 2, 1)
    both = callbacks.side_by_side(pictures, -pictures)
    assert both.shape == (6, 2, 2, 1)
    np.testing.assert_array_equal(both[0::2], pictures)
    np.testing.assert_array_equal(both[1::2], -pictures)


def test_all_grids_become_an_animation(tmp_path, monkeypatch):
    monkeypatch.setattr(callbacks, "MOST_FRAMES", 3)
    values = iter(np.linspace(-1, 1, 5))
    grid = callbacks.SampleGrid(tmp_path / "samples", lambda: np.full((1, 8, 8, 1), next(values)))
    for epoch in range(5):
        grid.on_epoch_end(epoch)
    grid.on_train_end()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["samples", "samples.gif"]
    animation = Image.open(tmp_path / "samples.gif")
    shown = []
    for frame in range(animation.n_frames):
        animation.seek(frame)
        shown.append(int(np.asarray(animation.convert("L"))[0, 0]))
    np.testing.assert_allclose(shown, [0, 128, 255], atol=2)


def test_a_grid_keeps_the_order_of_the_pictures(tmp_path):
    values = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    pictures = np.broadcast_to(values[:, None, None, None], (5, 64, 60, 3))
    callbacks.save_grid(tmp_path / "new folder" / "grid.png", pictures, columns=2)
    canvas = np.asarray(Image.open(tmp_path / "new folder" / "grid.png"))
    assert canvas.shape == (3 * 65 - 1, 2 * 61 - 1, 3)  # 64 pixels are large enough as they are
    corners = [canvas[65 * (index // 2), 61 * (index % 2), 0] for index in range(6)]
    np.testing.assert_allclose(corners, [0, 64, 128, 191, 255, 255], atol=1)  # the sixth place is left white


@pytest.mark.parametrize("columns", [1, 3])
def test_curves_have_a_panel_for_each_loss(tmp_path, columns):
    log = training.EpochLog(tmp_path / "log.csv")
    for epoch in range(3):
        log.on_epoch_begin(epoch)
        log.on_epoch_end(epoch, logs={f"loss_{index}": 1.0 / (epoch + 1) for index in range(columns)})
    callbacks.plot_curves(tmp_path / "log.csv", tmp_path / "curves.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "log.csv"]
    canvas = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB")).astype(int)
    assert canvas.shape == (286, 352 * columns, 3)  # 2.6 by 3.2 inches a panel, 110 dots an inch
    blue = (canvas[..., 2] - canvas[..., 0] > 80).any(axis=0)  # the columns that Matplotlib's first colour reaches
    for panel in np.split(blue, columns):
        assert panel.sum() > 150
