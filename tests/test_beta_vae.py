"""beta-VAE: both terms by hand, beta in the step and nowhere else; sprites, and the score of disentanglement."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from zoo.autoencoders import beta_vae, disentanglement
from zoo.datasets import sprites

TINY = {
    "image_shape": (8, 8, 1),
    "latent_dim": 3,
    "beta": 2.5,
    "width": 5,
    "average_decay": 0.9,
    "seed": 11,
}


def make(**changes):
    model = beta_vae.BetaVAE(**{**TINY, **changes})
    model.compile(keras.optimizers.Adam(3e-3))
    return model


def test_terms_by_hand(batch):
    model = make()
    reconstruction, kl = model.terms(batch[0], model.encoder, model.decoder)
    mean, log_variance = (output.numpy() for output in model.encoder(batch[0]))
    model.seed_generator.state.assign([11, 0])  # the same noise again
    z = mean + np.exp(0.5 * log_variance) * model.normal((16, 3)).numpy()
    x, p = (batch[0].numpy() + 1) / 2, special.expit(model.decoder(z).numpy())
    by_hand = np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=(1, 2, 3))
    np.testing.assert_allclose(reconstruction, by_hand, rtol=1e-4)
    by_hand = 0.5 * np.sum(np.exp(log_variance) + mean**2 - 1 - log_variance, axis=1)
    np.testing.assert_allclose(kl, by_hand, rtol=1e-4)


@pytest.mark.parametrize("beta", [0.0, 1.0, 7.0])
def test_step_is_a_descent_with_the_kl_counted_beta_times(batch, beta):
    model, twin = make(beta=beta), make(beta=beta)
    model.compile(keras.optimizers.SGD(1e-3))
    twin.set_weights(model.get_weights())
    before = [weight.numpy() for weight in model.trainable_variables]
    logs = model.train_step(batch)
    with tf.GradientTape() as tape:
        reconstruction, kl = twin.terms(batch[0], twin.encoder, twin.decoder)
        loss = beta * tf.reduce_mean(kl) - tf.reduce_mean(reconstruction)
    assert float(logs["loss"]) == pytest.approx(float(loss), rel=1e-5)
    assert float(logs["kl"]) == pytest.approx(float(tf.reduce_mean(kl)), rel=1e-5)  # without beta
    for weight, then, gradient in zip(
        model.trainable_variables, before, tape.gradient(loss, twin.trainable_variables), strict=True
    ):
        np.testing.assert_allclose(weight, then - 1e-3 * gradient, atol=1e-6)
        assert np.any(weight.numpy() != then), weight.path


def test_a_large_beta_empties_the_latents(batch):
    kls = []
    for beta in (0.1, 100.0):
        model = make(beta=beta)
        step = tf.function(model.train_step)
        for _ in range(80):
            step(batch)
        _, kl = model.terms(batch[0], model.encoder, model.decoder)
        kls.append(float(tf.reduce_mean(kl)))
    assert kls[0] > 1 and kls[1] < 0.05


def test_samples_are_of_the_average(batch):
    model = make()
    model.train_step(batch)
    made = model.generate([5, -3]).numpy()
    np.testing.assert_allclose(model.generate([-3])[0], made[1], atol=1e-6)
    np.testing.assert_allclose(model(batch[0]), model.image_decoder(model.encoder_average(batch[0])[0]), atol=1e-6)
    average = [model.encoder_average.get_weights(), model.decoder_average.get_weights()]
    for network in (model.encoder, model.decoder):
        network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    np.testing.assert_array_equal(model.generate([5, -3]), made)
    model.train_step(batch)
    d = 3 / 12  # the warm-up's second step
    for mean, old, new in zip(
        model.decoder_average.get_weights(), average[1], model.decoder.get_weights(), strict=True
    ):
        np.testing.assert_allclose(mean, d * old + (1 - d) * new, atol=1e-6)


def test_a_negative_beta_is_refused():
    with pytest.raises(ValueError, match="beta must be 0 or more, got -1"):
        make(beta=-1)


def test_config():
    checks.check_config(beta_vae.BetaVAE, TINY)


def test_round_trip(batch, tmp_path):
    checks.check_round_trip(make(), batch[0], batch, tmp_path)


def test_resume(digits, tmp_path):
    checks.check_resume_on_digits(make, digits, tmp_path)


def test_half_precision(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = make()
    assert np.all(np.isfinite([float(value) for value in model.train_step(batch).values()]))
    assert model.encoder.layers[1].compute_dtype == "bfloat16"
    for network in (model.encoder_average, model.decoder_average, model.image_decoder):  # what is exported
        assert {layer.compute_dtype for layer in network.layers} == {"float32"}


# Sprites, and the score


def test_sprites_have_their_factors():
    def of(**values):
        return np.array(
            [[{"form": 0, "size": 1, "across": 3, "down": 3, "grey": 0, **values}[f] for f in sprites.FACTORS]]
        )

    base = sprites.draw(of())[0, ..., 0].astype(int)
    np.testing.assert_array_equal(sprites.draw(of(across=5))[0, ..., 0], np.roll(base, 2, axis=1))
    np.testing.assert_array_equal(sprites.draw(of(down=1))[0, ..., 0], np.roll(base, -2, axis=0))
    assert sprites.draw(of(size=2)).sum() > base.sum()
    assert sprites.draw(of(grey=1)).max() == 185 and base.max() == 255
    by_hand = {0: [0, 0, 128, 255, 255, 255, 128, 0, 0], 3: [153, 255, 255, 255, 255, 255, 255, 255, 153]}
    for size, row in by_hand.items():  # radius 2 and 4.1 around (7, 7), half a pixel wide at the rim
        np.testing.assert_array_equal(sprites.draw(of(size=size))[0, 7, 3:12, 0], row)
    square = sprites.draw(of(form=1))[0, ..., 0]
    assert square.sum() > base.sum() and np.ptp(square[5:10, 5:10]) == 0  # 2.7 pixels around (7, 7)


def test_sprites_are_all_there_once():
    data = sprites.load()
    splits = (data.train, data.validation, data.test)
    numbers = np.concatenate([split.labels for split in splits])
    np.testing.assert_array_equal(np.sort(numbers), np.arange(1536))
    for split in splits:
        np.testing.assert_array_equal(split.images, sprites.draw(sprites.factors(split.labels)))
        for factor, count in enumerate(sprites.FACTORS.values()):  # mixed: each split has every value
            assert set(sprites.factors(split.labels)[:, factor]) == set(range(count))
    assert len({picture.tobytes() for split in splits for picture in split.images}) == 1536
    assert data.image_shape == (16, 16, 1)


def plain(values):
    return values


def test_score_is_one_for_a_latent_a_factor_and_chance_for_noise():
    factors = (4, 8, 8, 5)
    random = np.random.default_rng(0)

    def separate(values):  # scaled and permuted: the score must not care
        return values[:, [2, 0, 3, 1]] * np.array([3.0, -0.2, 1.0, 10.0])

    def noise(values):
        return random.standard_normal((len(values), 4))

    def blind(values):
        return separate(values)[:, 1:]

    def collapsed(values):
        return 0.001 * separate(values)

    assert disentanglement.score(separate, plain, factors) == 1
    assert disentanglement.score(noise, plain, factors) < 0.4
    assert disentanglement.score(collapsed, plain, factors) == 0.25
    assert 0.65 < disentanglement.score(blind, plain, factors) < 0.95  # one factor is missing


def test_score_does_not_care_how_wide_a_latent_is():
    random = np.random.default_rng(0)

    def encode(values):  # noisy: what is fixed is not without variance, and the third has least of it
        return (values + 0.3 * random.standard_normal(values.shape)) * [1.0, 20.0, 0.1]

    assert disentanglement.score(encode, plain, (6, 6, 6)) == 1


def test_each_vote_fixes_one_factor_at_a_value_that_is_drawn():
    drawn = []

    def draw(values):
        drawn.append(values)
        return values

    disentanglement.score(plain, draw, (6, 6, 6), samples=8, votes=30)
    votes = drawn[0].reshape(60, 8, 3)
    for factor in range(3):
        fixed = votes[factor::3, :, factor]  # the factors take turns
        assert np.ptp(fixed, axis=1).max() == 0 and set(fixed[:, 0]) == set(range(6))
        assert np.ptp(np.delete(votes[factor::3], factor, axis=2), axis=1).min() > 0  # all others vary


def test_score_is_of_other_votes_than_the_latents_were_named_by():
    random = np.random.default_rng(0)

    def many(values):  # so many that nearly every vote is for another one
        return random.standard_normal((len(values), 500))

    assert disentanglement.score(many, plain, (4, 4, 4, 4), samples=8, votes=40) < 0.6


def test_score_falls_when_two_latents_share_two_factors():
    factors = (6, 6, 6)
    mixing = np.array([[1, 1, 0], [1, -1, 0], [0, 0, 1.5]])
    assert disentanglement.score(lambda values: values @ mixing, plain, factors) < 0.85
    assert disentanglement.score(lambda values: values @ np.diag([1, 2, 3]), plain, factors) == 1


def test_a_latent_more_than_there_are_factors_does_no_harm():
    idle = np.random.default_rng(0)

    def encode(values):
        return np.concatenate([values, 0.5 * idle.standard_normal((len(values), 2))], axis=1)

    assert disentanglement.score(encode, plain, (6, 6, 6)) == 1
