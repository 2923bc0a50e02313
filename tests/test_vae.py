"""VAE: both terms of the ELBO and the importance-weighted bound against closed forms, integration and NumPy."""

import checks
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from zoo.autoencoders import vae

TINY = {
    "image_shape": (8, 8, 1),
    "latent_dim": 3,
    "width": 4,
    "encoder_width": 5,
    "likelihood": "gaussian",
    "importance_samples": 3,
    "warm_up_steps": 4,
    "average_decay": 0.9,
    "seed": 11,
}
LOG_2_PI = np.log(2 * np.pi)


def make(**changes):
    model = vae.VAE(**{**TINY, **changes})
    model.compile(keras.optimizers.Adam(3e-3))
    return model


def set_output(network, name, bias, scale=0.0):
    """Give a last layer a bias, and scale its kernel; 0 cuts it off from its input."""
    layer = network.get_layer(name)
    layer.kernel.assign(scale * layer.kernel)
    layer.bias.assign(tf.broadcast_to(tf.cast(bias, tf.float32), layer.bias.shape))


# Networks


@pytest.mark.parametrize("shape", [(8, 8, 3), (12, 12, 1), (28, 28, 1), (32, 32, 3), (8, 12, 1)])
def test_networks_make_and_take_pictures(shape):
    encoder = vae.make_encoder(shape, latent_dim=3, width=2)
    decoder = vae.make_decoder(shape, latent_dim=3, width=2)
    for count in (1, 3):
        for output in encoder(tf.random.uniform((count, *shape), -1.0, 1.0)):
            assert output.shape == (count, 3)
            assert output.dtype == tf.float32
        logits = decoder(tf.random.normal((count, 3)))
        assert logits.shape == (count, *shape)
        assert logits.dtype == tf.float32
    pictures = vae.make_image_decoder(decoder)(10 * tf.random.normal((8, 3))).numpy()
    assert np.abs(pictures).max() <= 1
    assert np.all(np.std(pictures, axis=0).max(axis=(0, 1)) > 0)  # other latents, other pictures, in every channel


@pytest.mark.parametrize("size", [4, 9, 30])
def test_sizes_that_cannot_be_made_are_refused(size):
    for shape in ((size, size, 1), (8, size, 1)):
        with pytest.raises(ValueError, match=f"a side of {size} pixels cannot be made") as error:
            vae.VAE(shape)
        assert "\n" not in str(error.value)


def test_unknown_likelihoods_are_refused():
    with pytest.raises(ValueError, match="must be bernoulli or gaussian, got 'poisson'"):
        vae.VAE((8, 8, 1), likelihood="poisson")


# The two terms


def test_kl_is_the_closed_form(batch):
    from tensorflow_probability import distributions as tfd

    random = np.random.default_rng(0)
    mean, log_variance = (random.standard_normal((4, 3)).astype(np.float32) for _ in range(2))
    q = vae.posterior(tf.constant(mean), tf.constant(log_variance))
    by_hand = 0.5 * np.sum(np.exp(log_variance) + mean**2 - 1 - log_variance, axis=1)
    np.testing.assert_allclose(q.kl_divergence(vae.prior(3)), by_hand, rtol=1e-5)
    np.testing.assert_allclose(tfd.kl_divergence(q, vae.prior(3)), by_hand, rtol=1e-5)

    model = make()
    mean, log_variance = (output.numpy() for output in model.encoder(batch[0]))
    by_hand = 0.5 * np.sum(np.exp(log_variance) + mean**2 - 1 - log_variance, axis=1)
    _, kl = model.terms(batch[0], model.encoder, model.decoder)
    np.testing.assert_allclose(kl, by_hand, rtol=1e-4)


def test_log_likelihoods_by_hand():
    random = np.random.default_rng(0)
    pictures = random.uniform(-1, 1, (4, 3, 5, 2)).astype(np.float32)
    logits = random.standard_normal((4, 3, 5, 2)).astype(np.float32)
    x, p = (pictures + 1) / 2, special.expit(logits)
    tensors = tf.constant(pictures), tf.constant(logits)
    bernoulli = np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=(1, 2, 3))
    for log_scale in (0.0, -2.0):  # of no effect
        np.testing.assert_allclose(vae.log_likelihood(*tensors, "bernoulli", log_scale), bernoulli, rtol=1e-5)
        gaussian = -0.5 * ((x - p) / np.exp(log_scale)) ** 2 - log_scale - 0.5 * LOG_2_PI
        gaussian = np.sum(gaussian, axis=(1, 2, 3))
        np.testing.assert_allclose(vae.log_likelihood(*tensors, "gaussian", log_scale), gaussian, rtol=1e-5)
    sure = vae.log_likelihood(tf.constant([[[[1.0], [-1.0]]]]), tf.constant([[[[300.0], [300.0]]]]), "bernoulli", 0.0)
    np.testing.assert_allclose(sure, [-300])  # no infinity


def test_latents_are_drawn_from_the_posterior(batch):
    mean, log_variance = np.array([0.5, -1.0, 2.0]), np.array([-1.0, 0.4, 1.0])
    model = make()
    set_output(model.encoder, "mean", mean)
    set_output(model.encoder, "log_variance", log_variance)
    seen = []

    def decoder(z, training):
        seen.append(z.numpy())
        return model.decoder(z, training=training)

    for _ in range(4):
        model.terms(tf.repeat(batch[0], 50, axis=0), model.encoder, decoder)
    z = np.concatenate(seen)
    assert z.shape == (3200, 3)
    np.testing.assert_allclose(z.mean(axis=0), mean, atol=4 * np.exp(0.5) / np.sqrt(3200))
    np.testing.assert_allclose(z.var(axis=0), np.exp(log_variance), rtol=4 * np.sqrt(2 / 3200))
    assert np.abs(np.corrcoef(z.T)[np.triu_indices(3, 1)]).max() < 4 / np.sqrt(3200)


def test_gradient_reaches_the_encoder_through_the_sample(batch):
    model = make()
    with tf.GradientTape() as tape:
        reconstruction, _ = model.terms(batch[0], model.encoder, model.decoder)
        loss = -tf.reduce_mean(reconstruction)  # the KL, which does not pass through z, is left out
    for weight, gradient in zip(
        model.encoder.trainable_weights, tape.gradient(loss, model.encoder.trainable_weights), strict=True
    ):
        assert gradient is not None, weight.path
        assert np.any(gradient.numpy() != 0), weight.path


# The bounds


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_bounds_are_exact_when_the_latents_explain_nothing(batch, likelihood):
    # p(x|z) does not depend on z and q(z|x) is the prior: log p(x) = log p(x|z), for one sample as for many.
    model = make(likelihood=likelihood)
    model.log_scale.assign(-0.7)
    for decoder in (model.decoder, model.decoder_average):
        set_output(decoder, "logits", 0.4)
    for encoder in (model.encoder, model.encoder_average):
        set_output(encoder, "mean", 0.0)
        set_output(encoder, "log_variance", 0.0)
    x, p = (batch[0].numpy() + 1) / 2, special.expit(0.4)
    if likelihood == "bernoulli":
        exact = x * np.log(p) + (1 - x) * np.log(1 - p)
    else:
        exact = -0.5 * ((x - p) / np.exp(-0.7)) ** 2 + 0.7 - 0.5 * LOG_2_PI
    exact = exact.sum(axis=(1, 2, 3))
    for networks in ((model.encoder, model.decoder), (model.encoder_average, model.decoder_average)):
        reconstruction, kl = model.terms(batch[0], *networks)
        np.testing.assert_allclose(reconstruction, exact, rtol=1e-4)
        np.testing.assert_allclose(kl, 0, atol=1e-5)
    for samples in (1, 2, 7):
        np.testing.assert_allclose(model.importance_weighted_bound(batch[0], samples), exact, rtol=1e-4)


def loose_model():
    """One latent that matters, and a posterior that is not quite the true one: the ELBO is not tight."""
    model = make(latent_dim=1, likelihood="bernoulli")
    set_output(model.decoder_average, "logits", -0.5, scale=2.0)
    set_output(model.encoder_average, "mean", 0.6)
    set_output(model.encoder_average, "log_variance", -0.3)
    return model


def test_bounds_rise_with_the_samples_to_the_true_likelihood(batch):
    model = loose_model()
    pictures = batch[0][:4]
    # The integral of N(z; 0, 1) p(x|z) over the one latent, by the trapezoidal rule.
    z = np.linspace(-8, 8, 801)
    log_likelihoods = [
        vae.log_likelihood(picture[None], model.decoder_average(z[:, None]), "bernoulli", 0.0).numpy()
        for picture in pictures
    ]
    exact = special.logsumexp(log_likelihoods - 0.5 * z**2 - 0.5 * LOG_2_PI, axis=1) + np.log(z[1] - z[0])

    @tf.function
    def draw(samples):
        many = tf.repeat(pictures, 250, axis=0)  # (1000, 8, 8, 1)
        reconstruction, kl = model.terms(many, model.encoder_average, model.decoder_average)
        return reconstruction - kl, *(model.importance_weighted_bound(many, k) for k in samples)

    draws = np.reshape(draw((1, 2, 5, 60)), (5, 4, 250)).astype(np.float64)
    means, errors = draws.mean(axis=2), draws.std(axis=2) / np.sqrt(250)
    elbo, one, two, five, sixty = means
    assert np.all(np.abs(elbo - one) < 4 * (errors[0] + errors[1]))  # with one sample it is the ELBO
    for lower, higher in ((one, two), (two, five), (five, sixty)):
        assert np.mean(higher - lower) > 0
    gap = exact - elbo
    assert np.all(gap > 4 * errors[0])
    assert np.all(exact - five < 0.8 * gap)
    np.testing.assert_allclose(sixty, exact, atol=0.1 * gap.max() + 4 * errors[4].max())
    assert np.all(sixty < exact + 4 * errors[4])


def test_importance_weighted_bound_by_hand(batch):
    model = make()
    model.log_scale.assign(-0.4)
    pictures = batch[0][:5]
    bound = model.importance_weighted_bound(pictures, 3)
    model.seed_generator.state.assign([11, 0])  # the same noise again
    mean, log_variance = (output.numpy() for output in model.encoder_average(pictures))
    log_weights = []
    for _ in range(3):
        noise = model.normal((5, 3)).numpy()
        z = mean + np.exp(0.5 * log_variance) * noise
        p = special.expit(model.decoder_average(z).numpy())
        likelihood = -0.5 * (((pictures + 1) / 2 - p) / np.exp(-0.4)) ** 2 + 0.4 - 0.5 * LOG_2_PI
        log_prior = -0.5 * np.sum(z**2 + LOG_2_PI, axis=1)
        log_posterior = -0.5 * np.sum(noise**2 + log_variance + LOG_2_PI, axis=1)
        log_weights.append(np.sum(likelihood, axis=(1, 2, 3)) + log_prior - log_posterior)
    assert np.ptp(log_weights, axis=0).min() > 0.01
    np.testing.assert_allclose(bound, special.logsumexp(log_weights, axis=0) - np.log(3), rtol=1e-5)


# The step


def test_step_is_a_descent_of_the_negative_elbo(batch):
    model = make(warm_up_steps=0)
    model.compile(keras.optimizers.SGD(1e-3))
    twin = make(warm_up_steps=0)
    twin.set_weights(model.get_weights())
    before = [weight.numpy() for weight in model.trainable_variables]
    logs = model.train_step(batch)
    with tf.GradientTape() as tape:
        reconstruction, kl = twin.terms(batch[0], twin.encoder, twin.decoder)
        loss = tf.reduce_mean(kl) - tf.reduce_mean(reconstruction)
    assert float(logs["loss"]) == pytest.approx(float(loss), rel=1e-5)
    assert float(logs["kl"] - logs["reconstruction"]) == pytest.approx(float(loss), rel=1e-5)
    gradients = tape.gradient(loss, twin.trainable_variables)
    for weight, then, gradient in zip(model.trainable_variables, before, gradients, strict=True):
        np.testing.assert_allclose(weight, then - 1e-3 * gradient, atol=1e-6)
        assert np.any(weight.numpy() != then), weight.path


def test_weight_of_the_kl_rises_from_0_to_1(batch):
    assert [float(vae.warm_up(step, 4)) for step in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert vae.warm_up(tf.constant(0), 0) == 1
    model = make()  # four steps of warm-up
    model.compile(keras.optimizers.SGD(1e-3))
    for weight in (0.0, 0.25):
        state = model.seed_generator.state.numpy()
        with tf.GradientTape() as tape:
            reconstruction, kl = model.terms(batch[0], model.encoder, model.decoder)
            objective = tf.reduce_mean(weight * kl - reconstruction)
        gradients = tape.gradient(objective, model.trainable_variables)
        model.seed_generator.state.assign(state)  # the same noise again
        before = [variable.numpy() for variable in model.trainable_variables]
        for tracker in model.metrics:
            tracker.reset_state()
        logs = model.train_step(batch)
        assert float(logs["loss"]) == pytest.approx(float(tf.reduce_mean(kl - reconstruction)), rel=1e-5)  # the bound
        for variable, then, gradient in zip(model.trainable_variables, before, gradients, strict=True):
            np.testing.assert_allclose(variable, then - 1e-3 * gradient, atol=1e-6)


def test_averages_follow_the_networks(batch):
    model = make()
    for _ in range(2):
        pairs = ((model.encoder_average, model.encoder), (model.decoder_average, model.decoder))
        starts = [average.get_weights() for average, _ in pairs]
        model.train_step(batch)
        step = int(model.optimizer.iterations)
        d = (1 + step) / (10 + step)  # the warm-up
        for (average, network), start in zip(pairs, starts, strict=True):
            for mean, old, new in zip(average.get_weights(), start, network.get_weights(), strict=True):
                np.testing.assert_allclose(mean, d * old + (1 - d) * new, atol=1e-6)


@pytest.mark.parametrize(("likelihood", "trained"), [("gaussian", True), ("bernoulli", False)])
def test_log_scale_is_trained_for_gaussian_pixels_only(batch, likelihood, trained):
    model = make(likelihood=likelihood)
    assert any(variable is model.log_scale for variable in model.trainable_variables) == trained
    model.train_step(batch)
    assert (float(model.log_scale) != -1.0) == trained


def test_loss_falls_on_one_batch(batch):
    model = make(likelihood="bernoulli", average_decay=0.5)
    start = model.generate(range(4)).numpy()
    pairs = tf.data.Dataset.from_tensors(batch).repeat()
    loss = model.fit(pairs, epochs=3, steps_per_epoch=25, verbose=0).history["loss"]
    assert loss[2] < loss[1] < loss[0]
    assert loss[2] < 64 * np.log(2) - 5  # better than grey

    # The picture decoder has the weights of the average, and shows the mean of p(x|z).
    z = tf.random.normal((4, 3))
    mean = special.expit(model.decoder_average(z).numpy())
    np.testing.assert_allclose(model.image_decoder(z), 2 * mean - 1, atol=1e-5)
    assert {id(w) for w in model.image_decoder.weights} == {id(w) for w in model.decoder_average.weights}
    np.testing.assert_allclose(model(batch[0]), model.image_decoder(model.encoder_average(batch[0])[0]), atol=1e-6)
    after = model.generate(range(4)).numpy()
    assert np.abs(after - start).max() > 0.05
    for network in (model.encoder, model.decoder):  # the networks in training have no part in samples
        network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    np.testing.assert_array_equal(model.generate(range(4)), after)


def test_evaluate_measures_the_averaged_networks(batch):
    model = make()

    def evaluate():
        model.seed_generator.state.assign([11, 0])
        return model.evaluate(batch[0], batch_size=8, return_dict=True, verbose=0)

    scores = evaluate()
    assert set(scores) == {"loss", "reconstruction", "kl", "elbo", "importance_weighted_bound"}
    assert scores["elbo"] == pytest.approx(-scores["loss"])
    assert scores["elbo"] == pytest.approx(scores["reconstruction"] - scores["kl"], rel=1e-5)
    assert scores["importance_weighted_bound"] == pytest.approx(scores["elbo"], abs=5)
    model.seed_generator.state.assign([11, 0])
    expected = []  # the same noise: the sample of the ELBO, then those of the bound, batch by batch
    for half in (batch[0][:8], batch[0][8:]):
        model.terms(half, model.encoder_average, model.decoder_average)
        expected.append(model.importance_weighted_bound(half, 3))
    assert scores["importance_weighted_bound"] == pytest.approx(np.mean(expected), rel=1e-5)

    for network in (model.encoder, model.decoder):
        network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    assert evaluate() == pytest.approx(scores, rel=1e-6)
    set_output(model.encoder_average, "mean", 1.5)
    assert evaluate()["kl"] > scores["kl"] + 1


def test_generate_gives_a_seed_the_same_picture_alone_and_in_a_batch():
    model = make()
    checks.check_pictures_of_seeds(model)


# Saving


def test_config():
    checks.check_config(vae.VAE, TINY)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_round_trip(batch, tmp_path, likelihood):
    checks.check_round_trip(make(likelihood=likelihood), batch[0], batch, tmp_path)


def test_resume(digits, tmp_path):
    checks.check_resume_on_digits(make, digits, tmp_path, binarized=True)


def test_half_precision(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = make()
    before = checks.values(model.encoder)
    logs = model.train_step(batch)
    assert np.all(np.isfinite([float(value) for value in logs.values()]))
    assert all(checks.moved(model.encoder, before))
    assert model.log_scale.dtype == "float32"
    for output in (*model.encoder(batch[0]), model.generate(range(2)), model(batch[0])):
        assert output.dtype == tf.float32
        assert np.all(np.isfinite(output))
    assert model.encoder.layers[1].compute_dtype == "bfloat16"
    for network in (model.encoder_average, model.decoder_average, model.image_decoder):  # what is exported
        assert {layer.compute_dtype for layer in network.layers} == {"float32"}
    assert np.all(np.isfinite(model.importance_weighted_bound(batch[0], 2)))
