"""What the exported signatures are made of."""

import keras
import numpy as np

from zoo import signatures
from zoo.gans import dcgan


def test_directions_by_hand():
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, use_bias=False)])
    network.layers[0].kernel.assign([[1.0, 0.0, 0.0], [0.0, 0.0, -3.0], [0.0, 2.0, 0.0]])
    assert signatures.sefa_directions(network) == [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    assert signatures.sefa_directions(network, count=1) == [[0.0, 1.0, 0.0]]


def test_directions_are_the_singular_vectors_of_the_first_kernel():
    network = dcgan.make_generator((8, 8, 1), latent_dim=6, width=4)
    directions = np.array(signatures.sefa_directions(network))  # (D, D)
    kernel = network.weights[0].numpy().astype(np.float64)  # (D, units)
    left, strengths, _ = np.linalg.svd(kernel, full_matrices=False)
    assert directions.shape == (6, 6)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0, atol=1e-4)
    np.testing.assert_allclose(np.abs(np.sum(directions * left.T, axis=1)), 1.0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(directions @ kernel, axis=1), strengths, rtol=1e-4)  # strongest first
    assert (directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)] > 0).all()


def test_a_generator_without_latent_vector_has_a_batch_of_one():
    endpoint = signatures.seed_endpoint(lambda seed: seed[:, None, None, None], (2, 3, 1))
    assert [value.shape for value in endpoint.inputs] == [(1,)]
    assert [value.shape for value in endpoint.outputs] == [(1, 2, 3, 1)]
    np.testing.assert_array_equal(endpoint.function(np.array([7]))["image"], [[[[7]]]])
