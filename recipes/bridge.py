"""Learn one distribution of points four ways: mixture, flow, VAE and GAN, each asked to sample and for log p(x).

    python -m recipes bridge                            # two moons; table and figures
    python -m recipes bridge --noise 0.2 --query 0 0

By default the mixture comes to 0.01 nats a point below the true density, the flow to 0.06, the VAE's bound to 0.26. The
GAN has no density: the number of the kernels on its samples falls by 0.25 when they are made twice as wide. It takes
40 s on two cores of an older AMD EPYC, imports included.
"""

from dataclasses import dataclass

from recipes import lesson

KIND = "lesson"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the lesson."""

    points: int = 3000
    """Training points; as many are held out."""
    noise: float = 0.1
    """Standard deviation of the points around the moons, which have radius 1."""
    components: int = 12
    """Gaussians of the mixture."""
    couplings: int = 6
    """Steps of the flow from noise to data."""
    flow_steps: int = 600
    """Updates of the flow."""
    vae_steps: int = 1400
    """Updates of the VAE."""
    gan_steps: int = 600
    """Updates of the GAN's generator, and of its critic."""
    importance_samples: int = 50
    """Samples k of the importance-weighted bound."""
    query: tuple[float, float] = (0.5, 0.25)
    """A point of which every model is asked how likely it is; the default lies between the moons."""
    seed: int = 0
    """Of the points, the networks and the noise."""
    folder: str | None = None
    """Of the figures, new; None makes runs/<recipe>-<time>."""


PRESETS = {
    "lesson": Config(),
    "smoke": Config(
        points=300, components=3, couplings=2, flow_steps=5, vae_steps=5, gan_steps=3, importance_samples=5
    ),
}
SCALE = 0.55  # of the moons, so that a generator that ends in tanh can reach them
ANGLES = 1000  # of the integral over a moon
PLANE = 51  # points on each side of a picture of log p(x)
BATCH = 256
LATENT_DIM = 2
WARM_UP = 0.25  # share of the VAE's updates in which the weight of its KL rises to 1: its bound ends 0.4 nats higher
HELD_OUT_FOR_WIDTH = 250  # points that choose the width of the kernels


def run(config):
    """Data, four models, one table, two figures, three questions."""
    _check(config)

    import keras
    import numpy as np

    speaker = lesson.Lesson("bridge", config.folder)
    keras.utils.set_random_seed(config.seed)
    training, held_out = draw_moons(2 * config.points, config.noise, config.seed).reshape(2, -1, 2)

    speaker.section("From a mixture to a GAN: one question, four answers")
    speaker.say("""
        A generative model is a distribution p(x) learned from samples. Two things can be asked of it:
            sample()      draw a new x ~ p
            log_prob(x)   how likely is this x?
        Two moons are learned by four models. All can sample. They differ in how far they can answer the
        second question, and that decides how they can be trained and compared.
            mixture   p(x) = sum_k pi_k N(x; mu_k, S_k)                     exact, a formula
            flow      log p(x) = log N(f(x); 0, I) + log |det df/dx|        exact, f is an invertible network
            VAE       log p(x) >= E[log 1/k sum_i p(x, z_i) / q(z_i|x)]     a lower bound, rises with k
            GAN       x = G(z)                                              no density at all
        For the GAN a stand-in is measured: kernels of one width h on its n samples x_i,
            log p(x) ~ log 1/n sum_i N(x; x_i, h^2 I)
        It says as much about h as about the GAN. The moons are made by a known rule, so that the truth
        has a row too.
    """)

    models, widths = learn(config, training)
    truth = View(
        lambda count: draw_moons(count, config.noise, config.seed + 1),
        lambda points: moons_log_prob(points, config.noise),
        "exact",
    )
    views = {"truth": truth, **models}
    measured = {name: measure(view, held_out) for name, view in views.items()}
    best = measured["truth"]["log p(x)"]
    for row in measured.values():
        row["below truth"] = best - row["log p(x)"]
    speaker.table(f"{len(held_out)} held-out points; log p(x) in nats a point", measured)
    speaker.say("""
        "Below truth" estimates KL(p_data || p_model), since KL = E[log p_data(x) - log p_model(x)]; of
        a bound the KL is at most that large, of a stand-in it may be anything. Sliced W1 is the distance
        of samples from held-out points, precision the share of samples that lie among real points,
        coverage that of real points among the samples. These need samples only, so every model has
        them: this is how GANs are compared.
    """)
    draw_views(speaker, views, training)
    bounds = draw_bounds(speaker, models["VAE"], held_out, config.importance_samples)

    query = np.array([config.query], np.float32)
    at_query = {name: float(view.log_prob(query)[0]) for name, view in views.items()}
    closest = min((name for name in models if name != "GAN"), key=lambda name: abs(measured[name]["below truth"]))
    worst = max(measured, key=lambda name: measured[name]["sliced W1"])
    speaker.ask(
        "Which of the models with a density (or a bound) comes closest to the truth, and how far is it from it?",
        f"The {closest}: {measured[closest]['below truth']:.3f} nats a point. The samples farthest from the data, by "
        f"sliced W1, are those of the {worst} ({measured[worst]['sliced W1']:.4f}).",
    )
    speaker.ask(
        f"How much does the VAE's bound rise from k = 1 to k = {config.importance_samples}, with the same network? And "
        "how much does the GAN's number move when its kernels are made twice as wide?",
        f"The bound rises by {bounds[-1] - bounds[0]:.3f} nats a point. The GAN's number goes from "
        f"{widths['chosen']:.3f} to {widths['double']:.3f}, with the same samples.",
    )
    least = min((name for name in views if name != "truth"), key=lambda name: at_query[name])
    speaker.ask(
        f"How likely is the point {config.query} to each?",
        ", ".join(f"{name} {value:.2f}" for name, value in at_query.items()) + f" nats: the {least} expects it least.",
    )
    speaker.finish()


def _check(config):
    steps = dict.fromkeys(("flow_steps", "vae_steps", "gan_steps"), 1)
    lesson.check(config, points=(100, 50_000), components=1, couplings=2, **steps, importance_samples=(1, 10_000))
    if config.components > config.points:
        raise ValueError(f"--components must be at most the {config.points} points, got {config.components}")
    if not 0.02 <= config.noise <= 1:
        raise ValueError(f"--noise must be 0.02 to 1, got {config.noise}")
    if not all(abs(number) < 10 for number in config.query):
        raise ValueError(f"--query must be two numbers between -10 and 10, got {config.query}")


class View:
    """What the lesson sees of a model.

    Args:
        sample: function from a number to so many points (N, 2).
        log_prob: function from points (N, 2) to nats (N,).
        kind: "exact", "bound" or "stand-in".
    """

    def __init__(self, sample, log_prob, kind):
        self.sample = sample
        self.log_prob = log_prob
        self.kind = kind


def moon_centres(angles, lower):
    """Points on the middle line of a moon: angles (N,) in 0 to pi, and for each whether it is the lower moon."""
    import numpy as np

    upper_moon = np.stack([np.cos(angles) - 0.5, np.sin(angles) - 0.25], axis=-1)
    return SCALE * np.where(np.asarray(lower)[..., None], -upper_moon, upper_moon)  # the one turned by 180 degrees


def draw_moons(count, noise, seed):
    """Points of two moons, float32 (N, 2): any angle, either moon, normal noise of deviation SCALE times `noise`."""
    import numpy as np

    random = np.random.default_rng(seed)
    centres = moon_centres(random.uniform(0, np.pi, count), random.random(count) < 0.5)
    return (centres + SCALE * noise * random.standard_normal((count, 2))).astype(np.float32)


def moons_log_prob(points, noise):
    """log p(x) of the moons, in nats: the integral over moon and angle of N(x; centre, (SCALE noise)^2 I)."""
    import numpy as np
    from scipy import special

    angles = (np.arange(ANGLES) + 0.5) * np.pi / ANGLES
    centres = np.concatenate([moon_centres(angles, np.full(ANGLES, lower)) for lower in (False, True)])
    variance = (SCALE * noise) ** 2
    parts = [
        special.logsumexp(-np.sum((chunk[:, None] - centres) ** 2, axis=2) / (2 * variance), axis=1)
        for chunk in np.array_split(np.asarray(points, np.float64), max(1, len(points) // 500))
    ]
    return np.concatenate(parts) - np.log(2 * np.pi * variance * len(centres))


def learn(config, points):
    """Train the four.

    Returns:
        Name -> `View`, and of the GAN's kernels the mean log p at the chosen width and at twice that.
    """
    gan, widths = learn_gan(config, points)
    return {
        "mixture": learn_mixture(config, points),
        "flow": learn_flow(config, points),
        "VAE": learn_vae(config, points),
        "GAN": gan,
    }, widths


def learn_mixture(config, points):
    """A mixture of Gaussians by EM (scikit-learn)."""
    from sklearn import mixture

    model = mixture.GaussianMixture(config.components, random_state=config.seed).fit(points)
    return View(lambda count: model.sample(count)[0], model.score_samples, "exact")


def batches(points, steps, seed, size=BATCH):
    """`steps` batches of the points, drawn with replacement, as tensors (size, 2)."""
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(seed)
    for _ in range(steps):
        yield tf.constant(points[random.integers(0, len(points), size)])


def learn_flow(config, points):
    """RealNVP, by maximum likelihood."""
    import keras
    import tensorflow as tf

    from zoo.flows import real_nvp

    model = real_nvp.RealNVP((2,), config.couplings, width=64, levels=None, average_decay=0.99, seed=config.seed)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(6e-3, config.flow_steps, alpha=0.01)))
    model.optimizer.build(model.trainable_variables)  # or the first step makes its slots, and is traced twice
    step = tf.function(lambda batch: model.train_step((batch, None)), autograph=False)
    for batch in batches(points, config.flow_steps, config.seed):
        step(batch)
    return View(
        lambda count: model.generate(range(count)).numpy(),
        lambda x: model.log_prob(tf.constant(x, tf.float32)).numpy(),
        "exact",
    )


def learn_vae(config, points):
    """A VAE of dense layers, by the ELBO after warm-up; its view's `log_weights` draws log p(x, z) / q(z|x), (k, N)."""
    import keras
    import numpy as np
    import tensorflow as tf
    from scipy import special
    from tensorflow_probability import distributions as tfd

    from zoo.autoencoders import vae

    def network(outputs):
        hidden = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
        return keras.Sequential([keras.Input((2,)), *hidden, keras.layers.Dense(outputs)])

    encoder, decoder = network(2 * LATENT_DIM), network(2)
    log_scale = keras.Variable(-1.0, dtype="float32")
    weights = [*encoder.trainable_variables, *decoder.trainable_variables, log_scale]
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4e-3, config.vae_steps, alpha=0.01))
    optimizer.build(weights)

    def decoded(z):
        return tfd.Independent(tfd.Normal(decoder(z), tf.exp(log_scale.value)), 1)

    @tf.function
    def log_weight(x, kl_weight=1.0):
        q = vae.posterior(*tf.split(encoder(x), 2, axis=1))
        z = q.sample()
        return decoded(z).log_prob(x) + kl_weight * (vae.prior(LATENT_DIM).log_prob(z) - q.log_prob(z))

    @tf.function
    def step(x):
        kl_weight = vae.warm_up(optimizer.iterations, round(WARM_UP * config.vae_steps))
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(log_weight(x, kl_weight))
        optimizer.apply(tape.gradient(loss, weights), weights)

    for batch in batches(points, config.vae_steps, config.seed):
        step(batch)

    def log_weights(x, samples):
        return np.stack([log_weight(tf.constant(x, tf.float32)) for _ in range(samples)])

    def bound(x):
        return special.logsumexp(log_weights(x, config.importance_samples), axis=0) - np.log(config.importance_samples)

    view = View(lambda count: decoded(vae.prior(LATENT_DIM).sample(count)).sample().numpy(), bound, "bound")
    view.log_weights = log_weights
    return view


def learn_gan(config, points):
    """WGAN-GP with dense layers, and kernels on its samples: the width is the likeliest for training points.

    One update of the critic for one of the generator, at four times the rate: Heusel et al. 2017,
    https://arxiv.org/abs/1706.08500
    """
    import keras
    import numpy as np
    import tensorflow as tf
    from sklearn import neighbors

    from zoo.gans import wgan_gp

    model = wgan_gp.WGANGP(
        (1, 1, 2), 2, width=64, critic_width=64, penalty_weight=0.1, n_critic=1, dense=True, seed=config.seed
    )
    rates = [keras.optimizers.schedules.CosineDecay(rate, config.gan_steps, alpha=0.05) for rate in (1e-3, 4e-3)]
    model.compile(*[keras.optimizers.Adam(rate, 0.0, 0.9) for rate in rates])
    step = tf.function(lambda batch: model.train_step((batch, None)), autograph=False)
    for batch in batches(points, config.gan_steps, config.seed):
        step(tf.reshape(batch, [-1, 1, 1, 2]))

    def sample(count):
        return model.generate(range(count)).numpy()[:, 0, 0]

    samples = sample(config.points)
    chosen_by = points[:HELD_OUT_FOR_WIDTH]

    def kernels(width):
        return neighbors.KernelDensity(bandwidth=width).fit(samples)

    width = max(SCALE * np.geomspace(0.01, 1, 25), key=lambda width: kernels(width).score(chosen_by))
    widths = {
        "chosen": kernels(width).score(chosen_by) / len(chosen_by),
        "double": kernels(2 * width).score(chosen_by) / len(chosen_by),
    }
    return View(sample, kernels(width).score_samples, "stand-in"), widths


def measure(view, held_out):
    """The row of a model: log p(x) of held-out points, and how its samples compare with them."""
    import numpy as np

    from zoo import metrics

    samples = view.sample(len(held_out))
    precision, coverage = metrics.precision_recall(held_out, samples)
    return {
        "log p(x)": float(np.mean(view.log_prob(held_out))),
        "which is": view.kind,
        "sliced W1": sliced_wasserstein(samples, held_out),
        "precision": precision,
        "coverage": coverage,
    }


def sliced_wasserstein(one, other, directions=64):
    """The mean 1-Wasserstein distance of two sets of points (N, 2) over evenly spaced directions."""
    import numpy as np
    from scipy import stats

    angles = np.pi * (np.arange(directions) + 0.5) / directions
    lines = np.stack([np.cos(angles), np.sin(angles)])  # (2, directions)
    projected = zip((one @ lines).T, (other @ lines).T, strict=True)
    return float(np.mean([stats.wasserstein_distance(a, b) for a, b in projected]))


def draw_views(speaker, views, points):
    """Samples above, log p(x) on the plane below, a column a model, one scale of colours."""
    import numpy as np

    axis = np.linspace(-1, 1, PLANE)
    plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2).astype(np.float32)
    surfaces = {name: np.clip(view.log_prob(plane).reshape(PLANE, PLANE), -8, None) for name, view in views.items()}
    highest = max(surface.max() for surface in surfaces.values())
    with speaker.figure("views", 2, len(views), (2.6 * len(views) + 0.8, 5.4)) as axes:
        for (above, below), (name, view) in zip(axes.T, views.items(), strict=True):
            above.plot(*view.sample(min(1500, len(points))).T, ".", markersize=1.5)
            above.set(title=f"{name}\nsamples")
            shown = below.pcolormesh(axis, axis, surfaces[name], cmap="viridis", vmin=-8, vmax=highest, rasterized=True)
            below.set(title=f"log p(x): {view.kind}")
            for each in (above, below):
                each.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
                each.grid(visible=False)
        above.figure.supxlabel("x1")
        above.figure.supylabel("x2")
        above.figure.colorbar(shown, ax=axes[1, :].tolist(), label="nats; all below -8 alike", shrink=0.9)


def draw_bounds(speaker, view, points, most):
    """The VAE's bound against the number of samples; returns it at each number, from 1 to `most`."""
    import numpy as np
    from scipy import special

    log_weights = view.log_weights(points, most)  # (k, N)
    counts = np.unique(np.geomspace(1, most, 12).round().astype(int))
    bounds = [float(np.mean(special.logsumexp(log_weights[:k], axis=0) - np.log(k))) for k in counts]
    with speaker.figure("bounds", size=(5.0, 3.2)) as axes:
        axes[0, 0].plot(counts, bounds, "o-")
        axes[0, 0].set(
            xscale="log",
            xlabel="samples k (k = 1: the ELBO)",
            ylabel="nats a point",
            title="The VAE's bound on log p(x)",
        )
    return bounds
