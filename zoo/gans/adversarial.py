"""Plumbing for two players: two optimizers that compile, save, load and resume. No algorithm stands here."""

import keras

from zoo import training


class AdversarialModel(training.TrainedModel):
    """A model with the networks `generator`, `generator_average` and `discriminator` and an optimizer for each player.

    A subclass makes the three networks in `__init__` and writes its own `train_step`.
    """

    def compile(self, generator_optimizer, discriminator_optimizer, **kwargs):
        """Take an optimizer for each player.

        Args:
            generator_optimizer: Keras optimizer; under the policy mixed_float16 it is given a loss scale.
            discriminator_optimizer: likewise.
            **kwargs: `jit_compile`, `steps_per_execution`, ... of `keras.Model.compile`.
        """
        kwargs.pop("optimizer", None)
        super().compile(optimizer=None, **kwargs)  # without this, Keras adds an RMSprop that nobody uses
        self.generator_optimizer = _with_loss_scale(generator_optimizer)
        self.discriminator_optimizer = _with_loss_scale(discriminator_optimizer)
        # An optimizer that is not built yet would be skipped when a file is loaded.
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def get_compile_config(self):
        """What `load_model` needs to compile again, both optimizers included."""
        return {
            "generator_optimizer": keras.saving.serialize_keras_object(self.generator_optimizer),
            "discriminator_optimizer": keras.saving.serialize_keras_object(self.discriminator_optimizer),
            "jit_compile": self.jit_compile,
            "steps_per_execution": self.steps_per_execution,
        }

    def compile_from_config(self, config):
        """The inverse of `get_compile_config`."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def call(self, inputs, training=False):
        """Pictures from latent vectors, by the averaged generator."""
        return self.generator_average(inputs, training=training)

    def test_step(self, data):
        """A GAN has no likelihood to evaluate."""
        raise ValueError("a GAN has no loss that measures quality: score its samples with zoo.metrics")


def _with_loss_scale(optimizer):
    optimizer = keras.optimizers.get(optimizer)
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if keras.config.dtype_policy().name == "mixed_float16" and not scaled:
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
