"""The gradient of an expectation by sampling, in two ways: the score function, and the reparameterisation trick.

Diederik Kingma, Max Welling: "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114, section 2.4
Shakir Mohamed, Mihaela Rosca, Michael Figurnov, Andriy Mnih: "Monte Carlo Gradient Estimation in Machine Learning",
2019, https://arxiv.org/abs/1906.10652, sections 4 and 5

Wanted is the slope of E_q[f(z)] in the parameters of q = N(mu, sigma^2), which are what the samples are drawn by.

    score function       grad E_q[f(z)] = E_q[ f(z) grad log q(z) ]            needs values of f, nothing else
    with a baseline      grad E_q[f(z)] = E_q[ (f(z) - b) grad log q(z) ]      any b, since E_q[grad log q] = 0
    reparameterised      grad E_q[f(z)] = E_eps[ grad f(mu + sigma eps) ]      needs the slope of f

Both are right on average. For f(z) = sum_j (z_j - a_j)^2 everything is known: with d = mu - a and e_i = z_i's noise,

    grad_mu_i = 2 d_i,   grad_sigma_i = 2 sigma_i
    Var[reparameterised, mu_i] = 4 sigma_i^2
    Var[score function, mu_i]  = (E[(A + R)^2 e^2]) / sigma_i^2 - 4 d_i^2,   A = (d_i + sigma_i e)^2,
                                 R = sum of the other terms - b, independent of e

so the first does not notice how many other terms there are, and the second carries the noise of all of them.
"""

import numpy as np

ESTIMATORS = ("reparameterised", "score function")


def quadratic(target):
    """f(z) = sum_j (z_j - a_j)^2, as a function from (..., D) to (...)."""
    import tensorflow as tf

    return lambda z: tf.reduce_sum(tf.square(z - target), axis=-1)


def estimates(estimator, f, mean, scale, count, seed, baseline=0.0):
    """Gradients of E_q[f(z)], one estimate from each of `count` samples.

    Args:
        estimator: one of `ESTIMATORS`.
        f: function from tensors float64 (count, D) to (count,).
        mean: mu, (D,).
        scale: sigma, (D,).
        count: samples.
        seed: integer.
        baseline: b, of the score function.

    Returns:
        Two float64 (count, D): for mu and for sigma.

    Raises:
        ValueError: for another estimator.
    """
    import tensorflow as tf
    from tensorflow_probability import distributions as tfd

    if estimator not in ESTIMATORS:
        raise ValueError(f"the estimator must be one of {', '.join(ESTIMATORS)}, got {estimator!r}")
    # Each sample has parameters of its own, so that the gradient of the sum is that of each.
    means, scales = (tf.tile(tf.constant(each, tf.float64)[None], (count, 1)) for each in (mean, scale))
    with tf.GradientTape() as tape:
        tape.watch([means, scales])
        q = tfd.Independent(tfd.Normal(means, scales), reinterpreted_batch_ndims=1)
        z = q.sample(seed=tf.constant([seed, 0], tf.int32))  # (count, D): mu + sigma eps
        if estimator == "reparameterised":
            values = f(z)
        else:
            z = tf.stop_gradient(z)
            values = (f(z) - baseline) * q.log_prob(z)
    return [gradient.numpy() for gradient in tape.gradient(values, [means, scales])]


def exact_gradients(mean, scale, target):
    """Of the quadratic: for mu and for sigma, float64 (D,) each."""
    mean, scale, target = (np.asarray(each, np.float64) for each in (mean, scale, target))
    return 2.0 * (mean - target), 2.0 * scale


def reparameterised_variance(scale):
    """Var of the reparameterised estimate for mu, of the quadratic: (D,)."""
    return 4.0 * np.square(np.asarray(scale, np.float64))


def score_function_variance(mean, scale, target, baseline=0.0):
    """Var of the score-function estimate for mu, of the quadratic: float64 (D,); arguments as in `estimates`."""
    d = np.asarray(mean, np.float64) - np.asarray(target, np.float64)
    scale = np.asarray(scale, np.float64)
    terms = d**2 + scale**2  # E[(z_j - a_j)^2]
    variances = 4.0 * d**2 * scale**2 + 2.0 * scale**4
    rest = terms.sum() - terms - baseline  # E[R]
    rest_squared = variances.sum() - variances + rest**2  # E[R^2]
    a_squared = d**4 + 18.0 * d**2 * scale**2 + 15.0 * scale**4  # E[A^2 e^2], by the moments 1, 3, 15 of e
    a = d**2 + 3.0 * scale**2  # E[A e^2]
    return (a_squared + 2.0 * a * rest + rest_squared) / scale**2 - 4.0 * d**2


def best_baseline(mean, scale, target):
    """The constant b of least variance for each mu_i, of the quadratic: E[f e_i^2] / E[e_i^2], float64 (D,)."""
    d = np.asarray(mean, np.float64) - np.asarray(target, np.float64)
    scale = np.asarray(scale, np.float64)
    return np.sum(d**2 + scale**2) + 2.0 * scale**2


def coin_gradient(probability, tails, heads):
    """The slope of E[f(x)] in p for a coin x ~ Bernoulli(p), which cannot be reparameterised.

    Args:
        probability: p of heads, strictly between 0 and 1.
        tails, heads: f(0) and f(1).

    Returns:
        The exact slope, and the variance of its score-function estimate f(x) (x / p - (1 - x) / (1 - p)).
    """
    slope = heads - tails
    return slope, heads**2 / probability + tails**2 / (1.0 - probability) - slope**2


def fit(estimator, target_mean, target_scale, steps, samples, learning_rate, seed):
    """Move q = N(0, 1) to p = N(m, s^2) down KL(q || p) = E_q[-log p(z)] - H(q), by estimated gradients.

    As in a VAE what has a closed form, the entropy H, is not sampled.

    Args:
        estimator: one of `ESTIMATORS`.
        target_mean, target_scale: m and s.
        steps: of gradient descent, in mu and log sigma.
        samples: for each step.
        learning_rate: of every step.
        seed: integer.

    Returns:
        float64 (steps + 1,): the exact KL before the first step and after each.
    """
    import tensorflow as tf
    from tensorflow_probability import distributions as tfd

    p = tfd.Normal(tf.constant(target_mean, tf.float64), tf.constant(target_scale, tf.float64))
    parameters = tf.Variable([0.0, 0.0], dtype=tf.float64)  # mu, log sigma

    @tf.function
    def step(number):
        with tf.GradientTape() as tape:
            q = tfd.Normal(parameters[0], tf.exp(parameters[1]))
            z = q.sample(samples, seed=tf.stack([seed, number]))
            if estimator == "reparameterised":
                expectation = tf.reduce_mean(-p.log_prob(z))
            else:
                z = tf.stop_gradient(z)
                expectation = tf.reduce_mean(-p.log_prob(z) * q.log_prob(z))
            objective = expectation - q.entropy()
        parameters.assign_sub(learning_rate * tape.gradient(objective, parameters))
        return tfd.Normal(parameters[0], tf.exp(parameters[1])).kl_divergence(p)

    start = tfd.Normal(tf.constant(0.0, tf.float64), tf.constant(1.0, tf.float64)).kl_divergence(p)
    return np.array([float(start), *(float(step(tf.constant(number))) for number in range(steps))])
