"""Markov random field: a magnet that melts, checked against exact solutions, and pictures freed of noise.

    python -m recipes markov_random_field
    python -m recipes markov_random_field --size 24 --sweeps 2000
    python -m recipes markov_random_field --preset mnist            # pictures by TensorFlow Datasets

The default takes about 35 s of one core of an AMD EPYC, imports included.
"""

from dataclasses import dataclass

from recipes import lesson

KIND = "lesson"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the lesson."""

    size: int = 16
    """Side of the torus of the phase transition, even."""
    temperatures: tuple[float, ...] = (1.4, 1.7, 2.0, 2.15, 2.27, 2.4, 2.55, 2.8, 3.2)
    """Of the phase transition, in units of the coupling J."""
    chains: int = 16
    """At each temperature; their scatter makes the error bars."""
    sweeps: int = 400
    """Of each chain; the first quarter is left out."""
    dataset: str = "digits"
    """Pictures to be freed of noise: digits, an image set of TensorFlow Datasets, or folder:PATH."""
    image_size: int | None = 32
    """Side to which the pictures are scaled; None keeps their own."""
    noise: float = 0.1
    """Probability that a pixel is flipped."""
    pictures: int = 40
    """Test pictures that are freed of noise."""
    seed: int = 0
    """Of everything that is drawn."""
    folder: str | None = None
    """Of the figures, new; None makes runs/markov_random_field-<time>."""


PRESETS = {
    "digits": Config(),
    "mnist": Config(dataset="mnist", image_size=None),
    "fashion_mnist": Config(dataset="fashion_mnist", image_size=None),
    "smoke": Config(size=4, temperatures=(2.0, 3.0), chains=2, sweeps=8, image_size=8, pictures=5),
}
SNAPSHOT = 64  # side of the drawn grids
TRAINED_ON = 200  # pictures, for coupling and field
POSTERIOR_SWEEPS = 60
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # of the coupling, times the fitted one


def run(config):
    """Enumerate, sample, melt, draw, and free pictures of noise."""
    from zoo.datasets import images

    check(config)
    data = images.load(config.dataset, config.image_size, channels=1)
    if min(data.image_shape[:2]) < 2:
        raise ValueError(
            f"the pictures of --dataset {config.dataset} must have sides of at least 2, got {data.image_shape}"
        )
    if not 0 < white(data.train.images[:TRAINED_ON]).mean() < 1:
        raise ValueError(f"--dataset {config.dataset} must have black and white pixels: brighter than 127, and not")
    speaker = lesson.Lesson("markov_random_field", config.folder)
    tell_model(speaker)
    tell_small(speaker, config)
    energies = tell_transition(speaker, config)
    tell_snapshots(speaker, config)
    repaired, spoiled = tell_noise(speaker, config, data)
    ask(speaker, config, energies, repaired, spoiled)
    speaker.finish()


def check(config):
    """Refuse settings out of range."""
    if config.size % 2:
        raise ValueError(f"--size must be even (a checkerboard on a torus), got {config.size}")
    if not config.temperatures or not all(0.1 <= temperature <= 1000 for temperature in config.temperatures):
        raise ValueError(f"--temperatures must be from 0.1 to 1000, got {config.temperatures}")
    lesson.check(config, size=(2, 512), chains=(2, 1000), sweeps=(4, 1_000_000), pictures=1)
    if not 0 < config.noise < 0.5:
        raise ValueError(f"--noise must be a probability above 0 and below 0.5, got {config.noise}")


def white(images):
    """Grey pictures (N, R, C, 1), 0 to 255, as labels: 1 where they are bright, int32 (N, R, C)."""
    return (images[..., 0] > 127).astype("int32")


def measure(grid, temperatures, config, sampler):
    """Energy and order of a site at each temperature, float (temperatures,), with standard errors.

    The chains begin in order, with all labels alike, and know nothing of each other, so that the scatter of their means
    is an honest error, however slowly a chain moves.

    Returns:
        (energy, its error), (order, its error).
    """
    import numpy as np

    from zoo.probability import markov_random_field as mrf

    rows, columns = grid.unary.shape[-3:-1]
    betas = 1 / np.repeat(temperatures, config.chains)
    labels = np.ones((len(betas), rows, columns), np.int32)
    chains = mrf.sample(grid, labels, betas, config.sweeps, config.seed, sampler)
    found = []
    for values in (chains.energies / (rows * columns), chains.orders):
        means = values[config.sweeps // 4 :].mean(axis=0).reshape(-1, config.chains)
        found.append((means.mean(axis=1), means.std(axis=1, ddof=1) / np.sqrt(config.chains)))
    return found


def tell_model(speaker):
    """The energy, and what detailed balance is, on a grid of 3 x 3 sites."""
    import numpy as np

    from zoo.probability import markov_random_field as mrf

    speaker.section("1. Neighbours that like to agree")
    speaker.say("""
        The Ising model: every site of a grid has a spin of +1 or -1. Neighbours that agree save energy,
        and low energies are likely, the more so the lower the temperature T:
            E(s) = -J sum over neighbours s_i s_j,     p(s) = exp(-E(s) / T) / Z,     here J = 1
        Z adds up exp(-E / T) over all states. Of 3 x 3 sites there are 512, and that can be done:""")
    grid = mrf.ising(3, 3, periodic=False)
    energies = mrf.energy(grid, mrf.every_state(grid)).numpy()
    levels = np.unique(energies)
    rows = {
        f"E = {level:.0f}": {
            "states": int((energies == level).sum()),
            **{f"T = {t}": f"{mrf.exact(grid, 1 / t)[0][energies == level].sum():.4f}" for t in (1.0, 2.27, 5.0)},
        }
        for level in levels
    }
    speaker.table("Probability of each energy of 3 x 3 sites with free edges", rows)
    speaker.say("")
    speaker.say("""
        With 16 x 16 sites there are 10^77 states, so one samples. Given its four neighbours, a site has
        two possible spins and no Z is needed. Gibbs draws the spin from that distribution:
            p(s_i = +1 | others) = 1 / (1 + exp(-2 J (sum of its neighbours) / T))
        Metropolis proposes a spin and accepts it with probability min(1, exp(-(E_new - E_old) / T)).
        On a checkerboard all neighbours of a white square are black, so all white squares are drawn at
        once, then all black ones. Each half keeps p, for it is in detailed balance:
            p(a) P(a -> b) = p(b) P(b -> a)   for all states a and b""")
    p = mrf.exact(grid, 1 / 2.27)[0]
    rows = {}
    for sampler in mrf.SAMPLERS:
        flows = [p[:, None] * mrf.transitions(grid, 1 / 2.27, sampler, white) for white in (True, False)]
        rows[sampler] = {
            f"{colour} squares": f"{abs(flow - flow.T).max():.1e}"
            for colour, flow in zip(("white", "black"), flows, strict=True)
        }
    speaker.table("Largest |p(a) P(a -> b) - p(b) P(b -> a)| over all 512 x 512 pairs, 3 x 3 sites, T = 2.27", rows)


def tell_small(speaker, config):
    """Both samplers against enumeration."""
    from zoo.probability import markov_random_field as mrf

    speaker.section("2. Both samplers against enumeration")
    speaker.say(f"""
        On small grids the mean energy is known exactly. Edges matter: on a torus opposite edges are
        neighbours, with free edges they are not. The Potts model has q labels in the place of two spins:
            E(s) = -J sum over neighbours [s_i = s_j]
        {config.chains} chains of {config.sweeps} sweeps each; the error is the standard error of their means.""")
    cases = {
        "Ising, 4 x 4 torus, T = 2.5": (mrf.ising(4, 4), 2.5),
        "Ising, 4 x 4 free, T = 2.5": (mrf.ising(4, 4, periodic=False), 2.5),
        "Potts q = 3, 3 x 3 free, T = 1": (mrf.potts(3, 3, 3, periodic=False), 1.0),
    }
    rows = {}
    for name, (grid, temperature) in cases.items():
        sites = grid.unary.shape[0] * grid.unary.shape[1]
        rows[name] = {"exact": f"{mrf.exact(grid, 1 / temperature)[1] / sites:.4f}"}
        for sampler in mrf.SAMPLERS:
            (mean, error), _ = measure(grid, [temperature], config, sampler)
            rows[name][sampler] = f"{mean[0]:.4f} +- {error[0]:.4f}"
    speaker.table("Mean energy of a site", rows)


def tell_transition(speaker, config):
    """The phase transition; returns the exact energies of the torus and of the infinite grid."""
    import numpy as np

    from zoo.probability import markov_random_field as mrf

    speaker.section("3. The magnet melts")
    critical = mrf.critical_temperature(2, 2.0)
    speaker.say(f"""
        On an infinite grid something sharp happens at T_c = 2 J / ln(1 + sqrt 2) = {critical:.4f}. Below, the
        spins have a common direction; above, they have none. Yang (1952) for the magnetisation a site:
            |m| = (1 - sinh(2 J / T)^-4)^(1/8) below T_c, and 0 above
        The energy of the infinite grid is Onsager's (1944), that of a torus of any size Kaufman's (1949).
        So samplers can be checked on {config.size} x {config.size} sites, of which nobody can list all states.""")
    temperatures = np.array(config.temperatures)
    grid = mrf.ising(config.size, config.size)
    torus = mrf.torus_energy(config.size, config.size, 1 / temperatures)
    found = {sampler: measure(grid, temperatures, config, sampler) for sampler in mrf.SAMPLERS}
    infinite = mrf.onsager_energy(1 / temperatures), mrf.yang_magnetisation(1 / temperatures)
    rows = {
        f"T = {temperature:g}": {
            "torus, exact": f"{torus[i]:.4f}",
            **{name: f"{each[0][0][i]:.4f} +- {each[0][1][i]:.4f}" for name, each in found.items()},
            "infinite": f"{infinite[0][i]:.4f}",
            "|m|, gibbs": f"{found['gibbs'][1][0][i]:.3f}",
            "|m|, infinite": f"{infinite[1][i]:.3f}",
        }
        for i, temperature in enumerate(temperatures)
    }
    speaker.table("Energy of a site, and magnetisation", rows)
    tiny = 1e-12  # an error of 0 is one that could not be estimated
    (gibbs, gibbs_error), (metropolis, metropolis_error) = found["gibbs"][0], found["metropolis"][0]
    apart = np.abs(gibbs - metropolis) / np.maximum(np.hypot(gibbs_error, metropolis_error), tiny)
    off = np.abs(np.stack([gibbs, metropolis]) - torus) / np.maximum([gibbs_error, metropolis_error], tiny)
    widest = np.maximum(gibbs_error, metropolis_error).argmax()
    text = [f"{np.median(each):.1f} (median; largest {each.max():.1f})" for each in (apart, off)]
    speaker.say("")
    speaker.say(f"""
        In units of their standard errors the samplers are {text[0]} apart,
        and {text[1]} from the exact energy of the torus. Near T_c a finite grid
        rounds the sharp bend off, and chains forget slowly. The widest error bar is at T = {temperatures[widest]:g},
        {abs(temperatures[widest] - critical):.2f} from T_c.""")
    fine = np.linspace(min(temperatures), max(temperatures), 300)
    with speaker.figure("transition", 1, 2, (10, 3.8)) as axes:
        axes[0, 0].plot(fine, mrf.yang_magnetisation(1 / fine), color=lesson.BLACK, label="infinite (Yang)")
        axes[0, 1].plot(fine, mrf.onsager_energy(1 / fine), color=lesson.BLACK, label="infinite (Onsager)")
        torus_fine = mrf.torus_energy(config.size, config.size, 1 / fine)
        axes[0, 1].plot(
            fine, torus_fine, "--", color=lesson.GREEN, label=f"{config.size} x {config.size} torus (Kaufman)"
        )
        for (name, ((energy, error), (order, order_error))), marker in zip(found.items(), "os", strict=True):
            style = {"fmt": marker, "markersize": 4, "capsize": 3, "label": name}
            axes[0, 0].errorbar(temperatures, order, order_error, **style)
            axes[0, 1].errorbar(temperatures, energy, error, **style)
        axes[0, 0].set(title="Magnetisation", xlabel="temperature T / J", ylabel="|m| a site")
        axes[0, 1].set(title="Energy", xlabel="temperature T / J", ylabel="E / J a site")
        for panel in axes[0]:
            panel.axvline(critical, color=lesson.PINK, linestyle=":", label="T_c")
            panel.legend()
    return torus, infinite[0]


def tell_snapshots(speaker, config):
    """What states look like, below, at and above the critical temperature."""
    import matplotlib.colors
    import numpy as np

    from zoo.probability import markov_random_field as mrf

    speaker.section("4. What it looks like")
    speaker.say(f"""
        The Potts model melts at T_c = J / ln(1 + sqrt q), for q = 3 {mrf.critical_temperature(3):.4f} J. In the
        figure are states of {SNAPSHOT} x {SNAPSHOT} sites, {config.sweeps // 2} sweeps after a random start. Above T_c
        there is noise, below one label eats the others, at T_c there are islands of all sizes.""")
    colours = matplotlib.colors.ListedColormap([lesson.BLUE, lesson.YELLOW, lesson.RED])
    models = {"Ising": mrf.ising(SNAPSHOT, SNAPSHOT), "Potts, q = 3": mrf.potts(SNAPSHOT, SNAPSHOT, 3)}
    with speaker.figure("snapshots", 2, 3, (8, 5.8)) as axes:
        for row, (name, grid) in zip(axes, models.items(), strict=True):
            critical = mrf.critical_temperature(grid.states, grid.coupling)
            random = np.random.default_rng(config.seed)
            labels = random.integers(0, grid.states, (3, SNAPSHOT, SNAPSHOT))
            ratios = np.array([0.7, 1.0, 1.5])
            chains = mrf.sample(grid, labels, 1 / (ratios * critical), config.sweeps // 2, config.seed)
            for panel, picture, ratio in zip(row, chains.labels, ratios, strict=True):
                panel.imshow(picture, cmap=colours, vmin=0, vmax=2, interpolation="nearest")
                panel.set(title=f"{name}, T = {ratio:g} T_c", xticks=[], yticks=[])
                panel.grid(visible=False)


def tell_noise(speaker, config, data):
    """Pictures with flipped pixels; returns how many wrong pixels were repaired, and how many right ones spoiled."""
    import numpy as np
    from scipy import ndimage

    from zoo.probability import markov_random_field as mrf

    speaker.section("5. Pictures freed of noise")
    clean, truth = white(data.train.images[:TRAINED_ON]), white(data.test.images[: config.pictures])  # (N, R, C)
    random = np.random.default_rng(config.seed)
    noisy = np.where(random.random(truth.shape) < config.noise, 1 - truth, truth)
    coupling, field = mrf.fit_ising(clean)
    trust = np.log((1 - config.noise) / config.noise) / 2
    kind = f"{data.title}, {truth.shape[1]} x {truth.shape[2]}"
    speaker.say(f"""
        Black and white pictures ({kind}) are such fields: neighbours agree.
        Of each pixel y_i is seen, which is the true s_i, flipped with probability {config.noise:g}. By Bayes' rule
        the state given the picture is again an Ising model, whose field points to what was seen:
            p(s | y) proportional to exp(J sum s_i s_j + sum_i (h + e y_i) s_i),   e = ln((1 - p) / p) / 2 = {trust:.3f}
        J and h come from {len(clean)} clean training pictures, by the likelihood of each pixel given its neighbours
        (Besag's pseudo-likelihood, a logistic regression): J = {coupling:.3f}, h = {field:.3f}.
        ICM takes the likeliest spin of one site after another and ends in a local maximum. Gibbs draws
        {POSTERIOR_SWEEPS} sweeps, and each pixel takes the spin that it had more often.""")

    def posterior(strength):
        return mrf.ising(*truth.shape[1:], strength * coupling, field + trust * (2 * noisy - 1), periodic=False)

    greedy = mrf.icm(posterior(1.0), noisy)
    chains = mrf.sample(posterior(1.0), greedy, np.ones(len(noisy)), POSTERIOR_SWEEPS, config.seed)
    probable = chains.shares[..., 1]
    results = {
        "noisy": noisy,
        "median of 3 x 3": ndimage.median_filter(noisy, (1, 3, 3)),
        "ICM": greedy,
        "Gibbs": (probable > 0.5).astype(np.int32),
    }
    wrong = {name: float((result != truth).mean()) for name, result in results.items()}
    speaker.table(
        f"Wrong pixels in {len(truth)} test pictures",
        {name: {"%": f"{100 * share:.2f}"} for name, share in wrong.items()},
    )
    speaker.say("")
    speaker.say("""
        Which is better depends on J. A strong coupling smooths fine strokes away; Gibbs, which sees all
        states, follows it there, while ICM begins at the noisy picture and stops at the first maximum.""")
    errors = [(mrf.icm(posterior(strength), noisy) != truth).mean() for strength in STRENGTHS]
    shown = [("truth", truth), *results.items(), ("p(white), Gibbs", probable)]
    count = min(6, len(truth))
    with speaker.figure("noise", len(shown), count, (1.5 * count + 0.6, 1.55 * len(shown))) as axes:
        for row, (name, pictures) in zip(axes, shown, strict=True):
            row[0].set_ylabel(name, fontsize=8)
            for panel, picture in zip(row, pictures[:count], strict=True):
                panel.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
                panel.set(xticks=[], yticks=[])
                panel.grid(visible=False)
    with speaker.figure("coupling", 1, 1, (5.5, 3.6)) as axes:
        axes[0, 0].plot(coupling * np.array(STRENGTHS), 100 * np.array(errors), "o-", label="ICM")
        axes[0, 0].axvline(coupling, color=lesson.PINK, linestyle=":", label="J of the pseudo-likelihood")
        axes[0, 0].axhline(100 * wrong["Gibbs"], color=lesson.GREEN, linestyle="--", label="Gibbs, at that J")
        axes[0, 0].set(title="How much neighbours should count", xlabel="coupling J", ylabel="wrong pixels, %")
        axes[0, 0].legend()
    fixed = results["Gibbs"] == truth
    return float(fixed[noisy != truth].mean()), float((~fixed[noisy == truth]).mean())


def ask(speaker, config, energies, repaired, spoiled):
    """Three questions, answered by computation."""
    import numpy as np

    from zoo.probability import markov_random_field as mrf

    sites = config.size**2
    speaker.ask(
        "How many states does the grid of section 3 have, and how many of them have the lowest energy?",
        f"2^{sites}, about 10^{sites * np.log10(2):.0f}; 2 of them, all up and all down, with E = {-2 * sites} J.",
    )
    gap = np.abs(energies[0] - energies[1])
    worst = int(gap.argmax())
    near = abs(config.temperatures[worst] - mrf.critical_temperature(2, 2.0))
    speaker.ask(
        "At which temperature does the finite torus differ most from the infinite grid, and how far is that from T_c?",
        f"At T = {config.temperatures[worst]:g}, by {gap[worst]:.4f} J a site; {near:.3f} from T_c.",
    )
    speaker.ask(
        "What share of the flipped pixels did Gibbs repair, and what share of the others did it spoil?",
        f"It repaired {100 * repaired:.1f} % of them and spoiled {100 * spoiled:.2f} % of the others.",
    )
