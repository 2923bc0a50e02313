"""Latent spaces: collapse by hand, paths and planes by their geometry, attribute vectors that find what was put in."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats
from tensorflow_probability import distributions as tfd

from zoo.autoencoders import latent_space

RANDOM = np.random.default_rng(0)


def test_kl_per_dimension_adds_up_to_the_kl():
    mean, log_variance = RANDOM.standard_normal((2, 50, 4))
    kl = latent_space.kl_per_dimension(mean, log_variance)
    q = tfd.Normal(mean, np.exp(0.5 * log_variance))
    np.testing.assert_allclose(
        kl, np.mean(q.kl_divergence(tfd.Normal(np.float64(0), np.float64(1))), axis=0), rtol=1e-9
    )
    np.testing.assert_allclose(latent_space.kl_per_dimension(np.zeros((3, 2)), np.zeros((3, 2))), 0)  # the prior itself


def test_active_units_are_those_whose_mean_moves():
    mean = np.zeros((1000, 3))
    mean[:, 0] = 5.0  # far from the prior, but the same for every picture
    mean[:, 1] = 0.09 * np.resize([1, -1], 1000)
    mean[:, 2] = 0.11 * np.resize([1, -1], 1000)
    np.testing.assert_allclose(latent_space.mean_variances(mean), np.array([0, 0.0081, 0.0121]) * 1000 / 999)
    assert latent_space.active_units(mean).tolist() == [False, False, True]
    assert latent_space.active_units(mean, threshold=0.005).tolist() == [False, True, True]


def test_paths():
    start, end = np.array([3.0, 0.0]), np.array([0.0, 3.0])
    straight, round_ = (latent_space.path(start, end, 5, spherical) for spherical in (False, True))
    for way in (straight, round_):
        np.testing.assert_allclose(way[[0, -1]], [start, end], atol=1e-6)
    np.testing.assert_allclose(straight[2], [1.5, 1.5])
    np.testing.assert_allclose(np.linalg.norm(round_, axis=1), 3.0, rtol=1e-6)
    angles = np.degrees(np.arctan2(round_[:, 1], round_[:, 0]))
    np.testing.assert_allclose(angles, [0, 22.5, 45, 67.5, 90], atol=1e-4)
    with pytest.raises(ValueError, match="at least 2 steps, got 1"):
        latent_space.path(start, end, 1)


def test_attribute_vectors_by_hand():
    latents = np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 1.0], [0.0, 9.0]])
    vector = latent_space.attribute_vector(latents, [True, True, False, False])
    np.testing.assert_allclose(vector, [1 - 2, 0 - 5])
    vector = latent_space.attribute_vector(latents, [True, True, False, False], [False, False, True, False])
    np.testing.assert_allclose(vector, [1 - 4, 0 - 1])
    for has, lacks in (([False] * 4, None), ([True] * 4, None), ([True] * 4, [False] * 4)):
        with pytest.raises(ValueError, match="needs pictures with the attribute and pictures without"):
            latent_space.attribute_vector(latents, has, lacks)


def test_attributes_of_pictures_are_found_again():
    """Latents are made of attributes: sleeves move the first, brightness the second, shoes the third and the first."""
    brightness = RANDOM.random(3000)
    kind = RANDOM.integers(0, 3, 3000)  # plain, with sleeves, a shoe
    sleeves, shoe = kind == 1, kind == 2
    latents = 0.1 * RANDOM.standard_normal((3000, 3))
    latents += np.stack([2.0 * sleeves + 7.0 * shoe, brightness, 4.0 * shoe], axis=1)
    values = np.stack([brightness, sleeves, shoe], axis=1).astype(np.float32)
    names = ["brightness", "sleeves", "footwear"]
    vectors = latent_space.attribute_vectors(latents, values, names)
    np.testing.assert_allclose(vectors["sleeves"], [2, 0, 0], atol=0.05)  # shoes, which have none, are not in it
    np.testing.assert_allclose(vectors["footwear"], [7, 0, 4], atol=0.05)
    np.testing.assert_allclose(vectors["brightness"], [0, 2 / 3, 0], atol=0.25)  # upper third minus lower third
    assert vectors["brightness"][1] == pytest.approx(2 / 3, abs=0.03)
    nobody = latent_space.attribute_vectors(latents, values * [1, 0, 1], names)
    assert nobody.keys() == {"brightness", "footwear"}
    white = latent_space.attribute_vectors(latents, np.stack([0 * brightness + 1, sleeves, shoe], axis=1), names)
    assert white.keys() == {"sleeves", "footwear"}  # as bright as can be, which is no trait
    np.testing.assert_allclose(white["sleeves"], vectors["sleeves"])


def test_plane_follows_the_variance():
    rotation, _ = np.linalg.qr(RANDOM.standard_normal((4, 4)))
    latents = RANDOM.standard_normal((20_000, 4)) * [5.0, 2.0, 0.3, 0.1] @ rotation + 3.0
    mean, axes = latent_space.principal_axes(latents)
    np.testing.assert_allclose(mean, latents.mean(axis=0))
    np.testing.assert_allclose(np.linalg.norm(axes, axis=1), [5, 2], rtol=0.03)
    assert abs(axes[0] @ rotation[0]) / 5 > 0.99
    grid = latent_space.plane(latents, 5).reshape(5, 5, 4)
    edge = stats.norm.ppf(0.97)
    np.testing.assert_allclose(grid[2, 2], mean, atol=1e-4)  # the middle
    np.testing.assert_allclose(grid[2, 4], mean + edge * axes[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(grid[0, 2], mean + edge * axes[1], rtol=1e-4, atol=1e-4)  # up is more
    np.testing.assert_allclose(grid[2, 3], mean + stats.norm.ppf(0.735) * axes[0], rtol=1e-4, atol=1e-4)
    two = latents[:, :2]
    np.testing.assert_allclose(latent_space.principal_axes(two)[1], np.diag(two.std(axis=0, ddof=1)))


def decode(z):
    """Pictures that show the first latent as brightness on the left, the second on the right."""
    left, right = (np.asarray(z)[:, place, None, None, None] * np.ones((6, 3, 1)) / 10 for place in (0, 1))
    return np.clip(np.concatenate([left, right], axis=2), -1, 1)


def shown(z):
    """What a figure has of such pictures, black 0 and white 1."""
    return (decode(z)[..., 0] + 1) / 2


@pytest.fixture
def figures(monkeypatch):
    """Every figure that is written."""
    written = []
    savefig = Figure.savefig

    def watched(figure, *arguments, **options):
        written.append(figure)
        savefig(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", watched)
    return written


def rows_of(figure, columns):
    """Labels of the rows, heads of the columns, and the pictures (rows, columns, H, W) of `draw_rows`."""
    pictures = np.array([np.asarray(axes.images[0].get_array()) for axes in figure.axes])
    labels = [axes.get_ylabel() for axes in figure.axes[::columns]]
    heads = [axes.get_title() for axes in figure.axes[:columns]]
    return labels, heads, pictures.reshape(-1, columns, *pictures.shape[1:])


LATENTS = RANDOM.standard_normal((60, 3)).astype(np.float32) + 3


def test_figure_of_paths(figures, tmp_path):
    latent_space.draw_paths(tmp_path / "paths.png", decode, LATENTS, [(0, 1), (2, 3)], steps=4)
    labels, heads, pictures = rows_of(figures[0], 4)
    assert labels == ["1, straight", "1, sphere", "2, straight", "2, sphere"] and heads == ["0.0", "0.3", "0.7", "1.0"]
    expected = [latent_space.path(*LATENTS[pair], 4, round_) for pair in ([0, 1], [2, 3]) for round_ in (False, True)]
    np.testing.assert_allclose(pictures, [shown(z) for z in expected], atol=1e-6)


def test_figure_of_attributes(figures, tmp_path):
    start, vectors = {"sleeves": LATENTS[:2], "loop": LATENTS[2:3]}, {"sleeves": LATENTS[5], "loop": LATENTS[6]}
    latent_space.draw_attributes(tmp_path / "attributes.png", decode, start, vectors)
    labels, heads, pictures = rows_of(figures[0], 6)
    assert labels == ["sleeves", "sleeves", "loop"] and heads == ["-1", "-0.5", "0", "+0.5", "+1", "+1.5"]
    for row, z, vector in zip(pictures, LATENTS[:3], LATENTS[[5, 5, 6]], strict=True):
        np.testing.assert_allclose(row, shown(z + np.array([[-1], [-0.5], [0], [0.5], [1], [1.5]]) * vector), atol=1e-6)


def test_figure_of_the_plane(figures, tmp_path):
    latent_space.draw_plane(tmp_path / "plane.png", decode, LATENTS[:, :2], side=3)
    sheet = np.asarray(figures[0].axes[0].images[0].get_array())
    grid = shown(latent_space.plane(LATENTS[:, :2], 3))
    np.testing.assert_allclose(sheet, np.block([list(grid[first : first + 3]) for first in (0, 3, 6)]), atol=1e-6)
    assert figures[0].axes[0].get_xlabel() == "first latent"


@pytest.mark.parametrize("size", [2, 3])
def test_figure_of_a_scatter_plot(size, figures, tmp_path):
    labels = np.resize([0, 1, 2, 2], 60)
    latent_space.draw_scatter(tmp_path / "scatter.png", LATENTS[:, :size], labels, ("a", "b", "c", "none"))
    axes = figures[0].axes[0]
    assert [line.get_label() for line in axes.lines] == ["a", "b", "c", "none"]
    assert {text.get_text() for text in axes.texts} == {"a", "b", "c"}  # a name at its points
    for label, line in enumerate(axes.lines):
        points, latents = line.get_xydata(), LATENTS[labels == label][:, :size]
        if size == 2:
            np.testing.assert_allclose(points, latents)  # the axes are the latents
        else:
            unit = latent_space.principal_axes(LATENTS)[1]
            unit /= np.linalg.norm(unit, axis=1, keepdims=True)
            np.testing.assert_allclose(points, (latents - LATENTS.mean(axis=0)) @ unit.T, atol=1e-5)


def test_figure_of_the_use_of_latents(figures, tmp_path):
    mean = LATENTS * [0.05, 2.0, 0.5] - [0.0, 6.0, 1.5]
    latent_space.draw_usage(tmp_path / "usage.png", mean, np.zeros_like(mean))
    upper, lower = figures[0].axes
    kl = latent_space.kl_per_dimension(mean, np.zeros_like(mean))
    np.testing.assert_allclose([bar.get_height() for bar in upper.patches], kl[[1, 2, 0]])
    np.testing.assert_allclose(lower.lines[0].get_ydata(), latent_space.mean_variances(mean)[[1, 2, 0]])
    assert [tick.get_text() for tick in lower.get_xticklabels()] == ["1", "2", "0"]
    assert upper.get_title() == f"2 of 3 latents are active; KL {kl.sum():.1f} nats a picture"
    assert np.asarray(Image.open(tmp_path / "usage.png").convert("L")).std() > 5
    assert [path.name for path in tmp_path.iterdir()] == ["usage.png"]  # nothing half-written beside it
