"""What the test of every trained model asserts in the same way."""

import inspect

import keras
import numpy as np
import tensorflow as tf

from zoo import training
from zoo.datasets import images


def values(network):
    """The trainable weights of a network, copied."""
    return [weight.numpy() for weight in network.trainable_weights]


def moved(network, before):
    """For each trainable weight, whether it differs from what `values` returned before."""
    return [np.any(now != then) for now, then in zip(values(network), before, strict=True)]


def state(model):
    """Every number that training goes on from: weights, moving averages, optimizers, random generators."""
    optimizers = [value for value in vars(model).values() if isinstance(value, keras.optimizers.Optimizer)]
    assert optimizers, "the model is not compiled"
    return {
        "weights": [weight.numpy() for weight in model.weights],
        "random generator": [model.seed_generator.state.numpy()],
        "optimizers": [variable.numpy() for optimizer in optimizers for variable in optimizer.variables],
    }


def assert_same(actual, expected):
    """Two states are equal to the bit."""
    for part, arrays in expected.items():
        assert len(actual[part]) == len(arrays), part
        for index, (one, other) in enumerate(zip(actual[part], arrays, strict=True)):
            np.testing.assert_array_equal(one, other, err_msg=f"{part} {index}")


def check_config(model_class, config):
    """`get_config` returns every argument of `__init__`; no value of `config` may equal its default."""
    parameters = inspect.signature(model_class.__init__).parameters
    defaults = {name: p.default for name, p in parameters.items() if name not in ("self", "kwargs")}
    assert config.keys() == defaults.keys()
    for name, default in defaults.items():
        assert config[name] != default, f"{name} is the default"
    returned = model_class(**config).get_config()
    assert {name: returned[name] for name in config} == config
    rebuilt = model_class.from_config(returned)
    assert rebuilt.get_config() == returned
    assert {name: getattr(rebuilt, name) for name in config} == config


def check_round_trip(model, inputs, batch, tmp_path, draws=True):
    """A `.keras` file holds all there is: the loaded model computes, and trains on, as if nothing had happened.

    Args:
        model: compiled; it is trained three steps here, so that no state is that of the start.
        inputs: what `model(inputs)` takes.
        batch: what `train_step` takes.
        tmp_path: folder for the file.
        draws: whether its training draws random numbers.
    """
    fresh = state(model)
    for _ in range(3):
        model.train_step(batch)
    trained = state(model)
    for part, arrays in trained.items():
        assert (part == "random generator" and not draws) or any(
            np.any(one != other) for one, other in zip(arrays, fresh[part], strict=False)
        ), f"{part} stood still"

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert loaded.get_config() == model.get_config()
    assert loaded.get_compile_config() == model.get_compile_config()
    assert_same(state(loaded), trained)
    outputs = zip(tf.nest.flatten(loaded(inputs)), tf.nest.flatten(model(inputs)), strict=True)
    for one, other in outputs:
        np.testing.assert_array_equal(one, other)

    model.train_step(batch)
    loaded.train_step(batch)
    assert_same(state(loaded), state(model))


def check_resume(make_model, batches, steps, tmp_path):
    """A run that is killed after two of its four epochs and resumed ends in the same bits as one that is not.

    Args:
        make_model: function without arguments that returns a compiled model, its noise seeded.
        batches: function of `first_epoch` that returns the endless training batches from there on.
        steps: steps an epoch, those of the batches.
        tmp_path: folder for the checkpoints.
    """

    def fit(model, finished):
        model.fit(
            batches(finished),
            epochs=4,
            initial_epoch=finished,
            steps_per_epoch=steps,
            callbacks=[training.Checkpoints(tmp_path, every=2)],
            shuffle=False,
            verbose=0,
        )

    uninterrupted = make_model()
    fit(uninterrupted, 0)
    (tmp_path / "epoch_00004.weights.h5").unlink()  # as if the run had been killed before it was written

    keras.utils.set_random_seed(99)  # other initial weights: all there is must come from the checkpoint
    resumed = make_model()
    assert training.restore(resumed, tmp_path) == 2
    fit(resumed, 2)
    assert_same(state(resumed), state(uninterrupted))


def check_resume_on_digits(make_model, digits, tmp_path, **options):
    """`check_resume` with 43 digits in batches of 8: an epoch does not end where a batch does.

    Args:
        make_model, tmp_path: of `check_resume`.
        digits: `zoo.datasets.images.Split`.
        **options: of `zoo.datasets.images.training_batches`.
    """
    few = images.Split(digits.images[:43], digits.labels[:43])

    def batches(first_epoch):
        return images.training_batches(few, 8, seed=4, first_epoch=first_epoch, **options)

    check_resume(make_model, batches, images.steps_per_epoch(few, 8), tmp_path)


def check_pictures_of_seeds(model):
    """`generate`: a seed gives the same picture alone and among others, in range, and another than the next seed."""
    seeds = [5, -3, 2**31 - 1]
    together = model.generate(seeds).numpy()
    assert together.shape == (3, *model.image_shape)
    assert together.dtype == np.float32
    assert np.abs(together).max() <= 1
    for seed, picture in zip(seeds, together, strict=True):
        np.testing.assert_allclose(model.generate([seed])[0], picture, atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-4


def check_players(make_model, batch):
    """A train step moves every weight of a player that has a rate, and none of one that stands still.

    Args:
        make_model: function of `generator_optimizer` and `discriminator_optimizer` (None: its own choice) that returns
            a compiled GAN.
        batch: what `train_step` takes.
    """
    for still in ("generator", "discriminator"):
        model = make_model(**{f"{still}_optimizer": keras.optimizers.SGD(0.0)})
        before = {name: values(getattr(model, name)) for name in ("generator", "discriminator")}
        model.train_step(batch)
        for name, weights in before.items():
            changed = moved(getattr(model, name), weights)
            assert not any(changed) if name == still else all(changed), f"{name}, with the {still} standing still"
        assert not model.generator_average.trainable_weights


def check_average(model, batch, decay):
    """The averaged generator starts as the generator and follows it by the decay of the warm-up's first step."""
    start = model.generator_average.get_weights()
    for one, other in zip(start, model.generator.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    model.train_step(batch)
    d = min(decay, 2 / 11)
    new_weights = model.generator.get_weights()
    for average, old, new in zip(model.generator_average.get_weights(), start, new_weights, strict=True):
        np.testing.assert_allclose(average, d * old + (1 - d) * new, atol=1e-6)


def check_bfloat16(model, batch):
    """Under mixed_bfloat16 (set before the model was made) a GAN trains in it, and samples in float32."""
    before = values(model.generator)
    logs = model.train_step(batch)
    assert np.all(np.isfinite([float(value) for value in logs.values()]))
    assert all(moved(model.generator, before))
    dtypes = {
        name: {layer.compute_dtype for layer in getattr(model, name)._flatten_layers(include_self=False)}
        for name in ("generator", "discriminator", "generator_average")
    }
    assert "bfloat16" in dtypes["generator"] and "bfloat16" in dtypes["discriminator"]
    assert dtypes["generator_average"] == {"float32"}  # what is exported
    assert {output.dtype for output in (*model.generator.outputs, *model.discriminator.outputs)} == {"float32"}


def check_float16(make_model, batch, discriminator_steps=1):
    """Under mixed_float16 the scale of either player's loss grows while gradients are finite, and halves when not.

    Args:
        make_model: function of both optimizers that returns a compiled GAN.
        batch: what `train_step` takes.
        discriminator_steps: of one train step.
    """
    scaled = [
        keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3), initial_scale=8.0, dynamic_growth_steps=2)
        for _ in range(2)
    ]
    model = make_model(*scaled)
    for _ in range(4):
        logs = model.train_step(batch)
        assert np.all(np.isfinite([float(value) for value in logs.values()]))
    doubled = [4 // 2, 4 * discriminator_steps // 2]
    assert [float(optimizer.dynamic_scale) for optimizer in scaled] == [8.0 * 2**times for times in doubled]
    before = [values(model.generator), values(model.discriminator)]
    for optimizer in scaled:
        optimizer.dynamic_scale.assign(2.0**100)  # no float16 holds such gradients
    model.train_step(batch)
    halved = [2.0**99, 2.0 ** (100 - discriminator_steps)]
    assert [float(optimizer.dynamic_scale) for optimizer in scaled] == halved
    assert not any(moved(model.generator, before[0]) + moved(model.discriminator, before[1]))
