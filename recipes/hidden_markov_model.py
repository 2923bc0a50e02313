"""Hidden Markov model: the weather of days long past, from a diary of ice creams.

    python -m recipes hidden_markov_model
    python -m recipes hidden_markov_model --ice-creams 1 1 3 1 1 --stay 0.9
    python -m recipes letters                                               # the same model on English text

The default takes 10 s of one core of an AMD EPYC, imports included.
"""

from dataclasses import dataclass

from recipes import lesson

KIND = "lesson"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the lesson."""

    ice_creams: tuple[int, ...] = (1, 3, 1, 2, 3, 1, 1, 3, 2, 1, 2, 3)
    """Eaten on each day, 1 to 3: a diary of 2 to 16 days."""
    stay: float = 0.8
    """Probability that the weather of a day is also that of the next one."""
    diaries: int = 40
    """Of 100 days each, from which Baum-Welch learns the weather again."""
    starts: int = 3
    """Random first guesses for Baum-Welch; the likeliest end is kept."""
    iterations: int = 200
    """Of Baum-Welch at most."""
    seed: int = 0
    """Of the diaries."""
    folder: str | None = None
    """Of the figures, new; None makes runs/hidden_markov_model-<time>."""


PRESETS = {
    "lesson": Config(),
    "smoke": Config(ice_creams=(1, 3, 2), diaries=3, starts=1, iterations=5),
}
WEATHER = ("cold", "hot")
EATEN = (1, 2, 3)  # ice creams a day
DAYS = 100  # of a diary for Baum-Welch


def run(config):
    """Forward, posterior and Viterbi on one diary, Baum-Welch on many."""
    from zoo.probability import hidden_markov_model as hmm

    check(config)
    model = hmm.HiddenMarkovModel(
        (0.5, 0.5),
        ((config.stay, 1 - config.stay), (1 - config.stay, config.stay)),
        ((0.7, 0.2, 0.1), (0.1, 0.3, 0.6)),
    )
    eaten = hmm.encode(config.ice_creams, EATEN)
    speaker = lesson.Lesson("hidden_markov_model", config.folder)
    tell_diary(speaker, config, model)
    tell_forward(speaker, model, eaten)
    gamma = tell_posterior(speaker, config, model, eaten)
    tell_baum_welch(speaker, config, model)
    ask(speaker, model, eaten, gamma)
    speaker.finish()


def check(config):
    """Refuse settings out of range."""
    lesson.check(config, diaries=(1, 10_000), starts=1, iterations=1)
    if not 2 <= len(config.ice_creams) <= 16:
        raise ValueError(f"--ice-creams must have 2 to 16 days, got {len(config.ice_creams)}")
    if not set(config.ice_creams) <= set(EATEN):
        raise ValueError(f"--ice-creams must be from 1 to 3 on every day, got {config.ice_creams}")
    if not 0 <= config.stay <= 1:
        raise ValueError(f"--stay must be a probability from 0 to 1, got {config.stay}")


def tell_diary(speaker, config, model):
    """The three tables."""
    speaker.section("1. A diary of ice creams")
    speaker.say("""
        Jason Eisner's story (2002): somebody noted every day how many ice creams he ate. The weather of
        those days, hot or cold, is not recorded, but it moved slowly, and it made him eat more or less:
            p(path, diary) = pi(w_1) b(x_1 | w_1) a(w_2 | w_1) b(x_2 | w_2) a(w_3 | w_2) ...""")
    tables = {
        name: {
            "first day (pi)": f"{model.initial[i]:.2f}",
            **{f"then {other} (a)": f"{model.transitions[i, j]:.2f}" for j, other in enumerate(WEATHER)},
            **{f"eats {count} (b)": f"{model.emissions[i, k]:.2f}" for k, count in enumerate(EATEN)},
        }
        for i, name in enumerate(WEATHER)
    }
    speaker.table("The model", tables)
    speaker.say(f"\nThe diary: {' '.join(map(str, config.ice_creams))}.")


def tell_forward(speaker, model, eaten):
    """The likelihood, by the forward recursion, by all paths and by TFP."""
    import numpy as np

    from zoo.probability import hidden_markov_model as hmm

    speaker.section("2. How likely is the diary? The forward recursion")
    log_alpha, evidence = hmm.forward(model, eaten[None])
    every = f"{model.states}^{len(eaten)} = {model.states ** len(eaten)}"
    speaker.say(f"""
        One could add up p(path, diary) over all {every} paths of the weather. But what comes after
        day t depends on the weather of day t alone, so it is enough to carry one number per weather:
            alpha_1(j)   = pi_j b_j(x_1)
            alpha_t+1(j) = [alpha_t(cold) a_cold,j + alpha_t(hot) a_hot,j] b_j(x_t+1)
            p(diary)     = alpha_T(cold) + alpha_T(hot)""")
    rows = {
        f"day {day + 1}": {
            "ate": EATEN[eaten[day]],
            **{f"alpha({name})": f"{np.exp(log_alpha[0, day, i]):.3e}" for i, name in enumerate(WEATHER)},
        }
        for day in range(len(eaten))
    }
    days = np.log(np.finfo(float).smallest_subnormal) / (evidence[0] / len(eaten))
    title = f"Computed as logarithms, for after {days:.0f} days like these the numbers are too small for a computer"
    speaker.table(title, rows)
    paths = hmm.every_path(model, eaten)[1]
    tfp = float(hmm.distribution(model, len(eaten)).log_prob(eaten))
    speaker.say("")
    speaker.say(f"""
        ln p(diary), three times:
            forward recursion          {evidence[0]:.12f}
            sum over all {len(paths):5} paths   {np.log(np.exp(paths).sum()):.12f}
            tfd.HiddenMarkovModel      {tfp:.12f}""")


def tell_posterior(speaker, config, model, eaten):
    """The weather of each day, and of all days together; returns gamma (T, K)."""
    import numpy as np

    from zoo.probability import hidden_markov_model as hmm

    speaker.section("3. What was the weather?")
    gamma = hmm.posterior(model, eaten[None])[0]
    paths, log_path = hmm.viterbi(model, eaten[None])
    log_evidence = hmm.forward(model, eaten[None])[1][0]
    speaker.say("""
        Two questions, two answers. Day by day: a second recursion runs backwards from the last day, and
        the product of both is the probability of the weather of a day, given the whole diary:
            gamma_t(i) = alpha_t(i) beta_t(i) / p(diary),   beta_t(i) = sum_j a_ij b_j(x_t+1) beta_t+1(j)
        All days at once: Viterbi puts a maximum where the forward recursion has its sum, remembers where
        each maximum came from, and walks back along the likeliest path.""")
    rows = {
        f"day {day + 1}": {
            "ate": EATEN[eaten[day]],
            "p(hot), whole diary": f"{gamma[day, 1]:.3f}",
            "likelier": WEATHER[gamma[day].argmax()],
            "Viterbi": WEATHER[paths[0, day]],
        }
        for day in range(len(eaten))
    }
    speaker.table("Weather, given the diary", rows)
    marginals = hmm.distribution(model, len(eaten)).posterior_marginals(eaten).probs_parameter().numpy()
    differ = [str(day + 1) for day in range(len(eaten)) if gamma[day].argmax() != paths[0, day]]
    best = np.exp(log_path[0] - log_evidence)
    speaker.say("")
    speaker.say(f"""
        The Viterbi path has probability {best:.3f} given the diary. Days on which the two answers differ:
        {", ".join(differ) or "none"}. Largest difference of p(hot) from TFP's: {abs(marginals - gamma).max():.1e}.""")
    days = np.arange(1, len(eaten) + 1)
    with speaker.figure("weather", 2, 1, (7, 4.6)) as axes:
        axes[0, 0].bar(days, config.ice_creams, color=lesson.ORANGE)
        axes[0, 0].set(title="What the diary says", ylabel="ice creams", yticks=EATEN, xticks=days)
        axes[1, 0].plot(days, gamma[:, 1], "o-", label="p(hot | whole diary)")
        axes[1, 0].step(days, paths[0], where="mid", color=lesson.BLACK, linestyle="--", label="Viterbi path")
        axes[1, 0].set(title="What the weather was", xlabel="day", ylabel="cold = 0, hot = 1", xticks=days)
        axes[1, 0].legend()
    return gamma


def tell_baum_welch(speaker, config, model):
    """Learn the tables from diaries alone."""
    import numpy as np

    from zoo.probability import hidden_markov_model as hmm

    speaker.section("4. Learning the tables from diaries alone: Baum-Welch")
    days = config.diaries * DAYS
    speaker.say(f"""
        Now the tables are thrown away, and {config.diaries} diaries of {DAYS} days are left that they have made. If
        the weather were known one would count. It is not, so one counts what is to be expected under a
        guess (the E step of EM), divides by the sums (the M step), and begins again:
            a_ij = expected moves from i to j / expected days in i
            b_j(x) = expected days in j with x ice creams / expected days in j""")
    diaries = hmm.sample(model, config.diaries, DAYS, config.seed)
    runs = [
        hmm.baum_welch(hmm.first_guess(model.states, len(EATEN), seed), diaries, config.iterations)
        for seed in range(config.starts)
    ]
    learned, likelihoods = max(runs, key=lambda run: run[1][-1])
    order = (learned.emissions @ EATEN).argsort()  # the cold state is that in which less is eaten
    rows = {}
    for i, name in enumerate(WEATHER):
        for kind, each, at in (("true", model, i), ("learned", learned, order[i])):
            moves = each.transitions[at] if each is model else each.transitions[at][order]
            rows[f"{name}, {kind}"] = {
                **{f"then {other}": f"{moves[j]:.2f}" for j, other in enumerate(WEATHER)},
                **{f"eats {count}": f"{each.emissions[at, k]:.2f}" for k, count in enumerate(EATEN)},
            }
    speaker.table(f"Tables, true and learned from {days} days without weather", rows)
    steps = np.concatenate([np.diff(run[1]) for run in runs])
    speaker.say("")
    ends = ", ".join(f"{run[1][-1]:.2f}" for run in runs)
    truth = hmm.forward(model, diaries)[1].sum()
    speaker.say(f"""
        The smallest change of ln p in {len(steps)} steps is {steps.min():.1e}: it never falls, but for
        rounding. Of the learned tables ln p is {likelihoods[-1]:.2f}, of the true ones {truth:.2f}. The starts end at
        {ends}. EM rests at any point from which no small step leads upwards; so one
        takes several starts.""")
    with speaker.figure("learning", 1, 1, (5.5, 3.4)) as axes:
        for number, (_, history) in enumerate(runs, 1):
            axes[0, 0].plot([value / days for value in history], label=f"start {number}")
        axes[0, 0].set(title="Baum-Welch on the diaries", xlabel="step", ylabel="ln p, nats a day")
        axes[0, 0].legend()


def ask(speaker, model, eaten, gamma):
    """Three questions, answered by computation."""
    import numpy as np

    from zoo.probability import hidden_markov_model as hmm

    tomorrow = gamma[-1] @ model.transitions
    speaker.ask(
        "How likely is it that the day after the diary is hot, and how many ice creams are to be expected on it?",
        f"gamma_T a = {tomorrow[1]:.3f}; expected are {tomorrow @ model.emissions @ EATEN:.2f} ice creams.",
    )
    last = hmm.forward(model, eaten[None])[0][0]
    today = np.exp(last - np.logaddexp.reduce(last, axis=1, keepdims=True))  # alpha_t as probabilities
    changed = int(np.abs(today[:, 1] - gamma[:, 1]).argmax())
    speaker.ask(
        "For which day did the later days of the diary change the judgement most?",
        f"Day {changed + 1}: p(hot) was {today[changed, 1]:.3f} until then and is {gamma[changed, 1]:.3f} with all.",
    )
    stay = model.transitions[1, 1]
    length = f"{1 / (1 - stay):.1f} days" if stay < 1 else "without end"
    share = hmm.stationary(model) @ model.emissions @ EATEN
    speaker.ask(
        "How long does a hot spell last on average, and how many ice creams a day are eaten in the long run?",
        f"1 / (1 - a_hot,hot) = {length}; {share:.2f} ice creams a day.",
    )
