"""Latent spaces: collapse by hand, paths and planes by their geometry, attribute vectors that find what was put in."""

import numpy as np
import pytest
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
    vectors = latent_space.attribute_vectors(latents, values, ["brightness", "sleeves", "footwear"])
    np.testing.assert_allclose(vectors["sleeves"], [2, 0, 0], atol=0.05)  # shoes, which have none, are not in it
    np.testing.assert_allclose(vectors["footwear"], [7, 0, 4], atol=0.05)
    np.testing.assert_allclose(vectors["brightness"], [0, 2 / 3, 0], atol=0.25)  # upper third minus lower third
    nobody = latent_space.attribute_vectors(latents, values * [1, 0, 1], ["brightness", "sleeves", "footwear"])
    assert nobody.keys() == {"brightness", "footwear"}


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
    two = latents[:, :2]
    np.testing.assert_allclose(latent_space.principal_axes(two)[1], np.diag(two.std(axis=0, ddof=1)))


def decode(z):
    """Pictures that show the first latent as brightness."""
    return np.clip(np.ones((len(z), 6, 6, 1)) * np.asarray(z)[:, :1, None, None] / 3, -1, 1)


def test_figures_are_drawn(tmp_path):
    latents = RANDOM.standard_normal((60, 3)).astype(np.float32)
    labels = np.resize([0, 1, 2], 60)
    latent_space.draw_paths(tmp_path / "paths.png", decode, latents, [(0, 1), (2, 3)], steps=4)
    start = {"sleeves": latents[:2]}
    latent_space.draw_attributes(tmp_path / "attributes.png", decode, start, {"sleeves": latents[5]})
    latent_space.draw_plane(tmp_path / "plane.png", decode, latents, side=5)
    latent_space.draw_scatter(tmp_path / "scatter.png", latents, labels, ("a", "b", "c"))
    latent_space.draw_usage(tmp_path / "usage.png", latents, np.zeros_like(latents))
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert drawn == ["attributes.png", "paths.png", "plane.png", "scatter.png", "usage.png"]
    for name in drawn:
        assert np.asarray(Image.open(tmp_path / name).convert("L")).std() > 5, name
