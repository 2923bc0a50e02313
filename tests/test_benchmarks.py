"""The benchmarks: what is compared is equal, what is counted is right, and a wrong setting is one sentence."""

import dataclasses
import importlib.util
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

from benchmarks import (
    data,
    examples,
    inference,
    levers,
    operations,
    plain_keras,
    quality_per_second,
    report,
    training_speed,
)
from zoo import hardware
from zoo.autoencoders import vae
from zoo.gans import dcgan, wgan, wgan_gp

ROOT = Path(__file__).resolve().parent.parent
SHAPE = (28, 28, 1)
LATENT = 6
WIDTH = 3


def count(*networks):
    return [sum(np.prod(weight.shape) for weight in network.trainable_weights) for network in networks]


def pair(model):
    """How many weights both networks of a model have, those of the zoo and the plain ones."""
    if model == "vae":
        zoo = vae.VAE(SHAPE, LATENT, WIDTH, WIDTH)
        plain = plain_keras.PlainVAE(LATENT, WIDTH)
        return count(zoo.encoder, zoo.decoder), count(plain.encoder, plain.decoder)
    make = {"dcgan": dcgan.DCGAN, "wgan": wgan.WGAN, "wgan_gp": wgan_gp.WGANGP}[model]
    zoo = make(SHAPE, LATENT, WIDTH, WIDTH)
    if model == "dcgan":
        plain = plain_keras.PlainGAN(LATENT, WIDTH)
        return count(zoo.generator, zoo.discriminator), count(plain.generator, plain.discriminator)
    plain = plain_keras.PlainWGAN(LATENT, WIDTH, penalty=model == "wgan_gp")
    return count(zoo.generator, zoo.discriminator), count(plain.generator, plain.critic)


@pytest.mark.parametrize("model", list(training_speed.LATENT))
def test_equal_networks_are_compared(model):
    zoo, plain = pair(model)
    assert zoo == plain


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
def test_the_networks_in_pytorch_have_as_many_weights():
    from torch import nn

    from benchmarks import torch_models

    def weights(network):
        return sum(weight.numel() for weight in network.parameters())

    for norm, model in ((True, "dcgan"), (False, "vae")):
        generator = torch_models._generator(WIDTH, LATENT, norm, nn.ReLU)
        encoder = torch_models._encoder(WIDTH, 1 if norm else 2 * LATENT, 0.2)
        assert sorted([weights(generator), weights(encoder)]) == sorted(pair(model)[1])


COUNTED = ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "MatMul")


@pytest.mark.parametrize("model", list(training_speed.LATENT))
def test_flops_are_those_that_tensorflow_counts(model):
    batch = 10
    latent = training_speed.LATENT[model]
    if model == "vae":
        plain = plain_keras.PlainVAE(latent, training_speed.WIDTH)
    elif model == "dcgan":
        plain = plain_keras.PlainGAN(latent, training_speed.WIDTH)
    else:
        plain = plain_keras.PlainWGAN(latent, training_speed.WIDTH, penalty=model == "wgan_gp")
    step = tf.function(lambda pictures: plain.train_step((pictures, None)))
    graph = step.get_concrete_function(tf.TensorSpec((batch, *SHAPE))).graph
    results = [tensor.op.name for tensor in graph.outputs] + [operation.name for operation in graph.control_outputs]
    executed = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(add_shapes=True), results)
    nodes = [node for node in executed.node if node.op in COUNTED]
    counted = sum(ops.get_stats_for_node_def(graph, node, "flops").value for node in nodes)
    expected = pytest.approx(counted, rel=0.08)  # the first layer's gradient for real pictures is counted, never made
    assert training_speed.flops(model, batch) == expected


def test_cases_take_turns_and_the_first_round_does_not_count():
    calls = []
    cases = {name: lambda name=name: calls.append(name) for name in "ab"}
    times = report.interleaved(cases, rounds=3, repeats=2)
    assert "".join(calls) == "aabb" * 4
    assert {name: len(each["seconds"]) for name, each in times.items()} == {"a": 3, "b": 3}
    assert len(times["a"]["cpu_seconds"]) == 3


def test_spread_is_half_the_distance_between_the_quartiles():
    assert report.median_and_spread([7, 1, 2, 6, 3, 5, 4]) == (4, 2.0)


def test_the_table_has_the_median_of_the_trainings():
    runs = [[{"seconds": 201.0, "fid": fid, "steps": 1}] for fid in (5.0, 1.0, 2.0)]
    longer = [*runs[0], {"seconds": 398.0, "fid": 0.5, "steps": 2}]
    table = quality_per_second.table_of({"a": [longer, *runs[1:]], "b": []})
    assert table == {"a": {"200 s": 2.0, "400 s": 0.5, "trainings": 3}, "b": {"trainings": 0}}


def test_trainings_of_two_machines_are_not_put_together(tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "machine", lambda: "ENIAC")
    report.save("quality_per_second_mnist", {"curves": {}}, lambda figure: None, tmp_path)
    assert quality_per_second.earlier(tmp_path / "quality_per_second_mnist.json")["machine"] == "ENIAC"
    monkeypatch.setattr(hardware, "machine", lambda: "abacus")
    settings = quality_per_second.Config(dataset="mnist", add=True, folder=tmp_path)
    with pytest.raises(ValueError, match="is of ENIAC, this is abacus: take another --folder"):
        quality_per_second.main(settings)
    with pytest.raises(ValueError, match=r"^--add: there is no .*nowhere"):
        quality_per_second.main(dataclasses.replace(settings, folder=tmp_path / "nowhere"))


@pytest.mark.parametrize("name", list(examples.EXAMPLES))
def test_examples_train_both_networks(name):
    example = examples.EXAMPLES[name]()
    example.batch_size = 4
    networks = (example.generator, example.discriminator)
    before = [[weight.numpy() for weight in network.trainable_weights] for network in networks]
    example.step(tf.random.uniform((4, *SHAPE), -1.0, 1.0), tf.constant([0, 1, 2, 3]))
    for network, weights in zip(networks, before, strict=True):
        same = [np.all(new == old) for new, old in zip(network.trainable_weights, weights, strict=True)]
        assert not any(same[:-1])  # the last bias of a WGAN's critic cancels in the difference
    pictures = example.sample(3)
    assert pictures.shape == (3, *SHAPE) and np.abs(pictures).max() <= 1


def kernels(network):
    return [tuple(w.shape) for w in network.trainable_weights if w.path.endswith("/kernel")]


def test_examples_have_the_published_sizes():
    conditional, wasserstein, torch_gan = (make() for make in examples.EXAMPLES.values())
    assert kernels(conditional.generator) == [(138, 7 * 7 * 138), (4, 4, 128, 138), (4, 4, 128, 128), (7, 7, 128, 1)]
    assert kernels(conditional.discriminator) == [(3, 3, 11, 64), (3, 3, 64, 128), (128, 1)]
    assert any(isinstance(layer, keras.layers.GlobalMaxPooling2D) for layer in conditional.discriminator.layers)
    assert [shape[-1] for shape in kernels(wasserstein.discriminator)] == [64, 128, 256, 512, 1]
    assert all(shape[:2] == (5, 5) for shape in kernels(wasserstein.discriminator)[:-1])
    assert [shape[-1] for shape in kernels(torch_gan.generator)] == [8 * 8 * 128, 128, 64, 1]
    rates = [float(example.g_optimizer.learning_rate) for example in (conditional, wasserstein, torch_gan)]
    assert rates == pytest.approx([3e-4, 2e-4, 2e-4])
    assert [example.batch_size for example in (conditional, wasserstein, torch_gan)] == [64, 512, 64]


@pytest.mark.parametrize(
    ("module", "settings", "sentence"),
    [
        (training_speed, {"rounds": 1}, "--rounds must be at least 2, got 1"),
        (training_speed, {"batch_size": 4}, "--batch-size must be at least 5, got 4"),
        (data, {"batches": 0}, "--batches must be at least 1, got 0"),
        (data, {"datasets": ("digit",)}, "there is no data set 'digit'"),
        (operations, {"steps": 0}, "--steps must be at least 1, got 0"),
        (levers, {"rounds": 1}, "--rounds must be at least 2, got 1"),
        (inference, {"cold_starts": 1}, "--cold-starts must be at least 2, got 1"),
        (inference, {"name": "cgan_mnist"}, "cgan_mnist does not make pictures of a seed alone"),
        (quality_per_second, {"contenders": ("zoo",)}, "unknown contender 'zoo': known are zoo DCGAN"),
    ],
)
def test_a_wrong_setting_is_refused(module, settings, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        module.main(module.Config(**settings))


def test_a_mistake_ends_with_code_2():
    words = [sys.executable, "-m", "benchmarks.inference", "--name", "nothing"]
    child = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert child.returncode == 2 and "Traceback" not in child.stderr
    assert child.stderr.splitlines()[-1].startswith("error: ")  # after what TensorFlow says of itself
