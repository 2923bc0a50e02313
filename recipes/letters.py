"""Vowels and consonants out of plain text: a hidden Markov model that was told neither, and what it writes.

    python -m recipes letters                               # text: the descriptions of data sets in scikit-learn
    python -m recipes letters --preset tiny_shakespeare     # by TensorFlow Datasets
    python -m recipes letters --text file:book.txt --states 3

The mathematics is that of `python -m recipes hidden_markov_model`, which is the lesson to begin with.
"""

from dataclasses import dataclass

from recipes import lesson

KIND = "lesson"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the lesson."""

    text: str = "descriptions"
    """"descriptions" (inside scikit-learn), a text set of TensorFlow Datasets by its name, or "file:PATH"."""
    letters: int = 200_000
    """Of the training text at most."""
    states: int = 2
    """Hidden states of the model whose tables are shown."""
    more_states: tuple[int, ...] = (4, 8, 12)
    """Further numbers of states, for the perplexity."""
    starts: int = 2
    """Random first guesses for each number of states; the likeliest end is kept."""
    iterations: int = 150
    """Of Baum-Welch at most."""
    written: int = 300
    """Letters of each text that is sampled."""
    seed: int = 0
    """Of first guesses and samples."""
    folder: str | None = None
    """Of the figures, new; None makes runs/letters-<time>."""


PRESETS = {
    "lesson": Config(),
    "tiny_shakespeare": Config(text="tiny_shakespeare", iterations=100, starts=4),
    "smoke": Config(letters=2000, more_states=(3,), starts=1, iterations=5, written=70),
}
ALPHABET = " abcdefghijklmnopqrstuvwxyz"
VOWELS = "aeiou"
ROW = 64  # letters of a sequence: the text is cut into such
SMOOTHING = 1e-3  # share of equal probabilities in every fitted row, for letters that were not seen in training


def run(config):
    """Fit models of several sizes to text; states, perplexity, samples."""
    from zoo.datasets import text
    from zoo.probability import hidden_markov_model as hmm

    check(config)
    data = text.load(config.text)
    rows = {split: cut(text.letters(getattr(data, split))) for split in ("train", "validation", "test")}
    rows["train"] = rows["train"][: config.letters // ROW]
    speaker = lesson.Lesson("letters", config.folder)
    fits = fit_letters(speaker, config, data, rows["train"])
    kinds = tell_states(speaker, fits[config.states], rows["train"])
    models = {
        "unigram": hmm.unigram(rows["train"], len(ALPHABET)),
        **{f"{states} hidden states": hmm.smooth(fits[states], SMOOTHING) for states in fits},
        "bigram": hmm.bigram(rows["train"], len(ALPHABET)),
    }
    scores = tell_perplexity(speaker, models, rows)
    tell_samples(speaker, config, models)
    ask(speaker, fits[config.states], kinds, models, scores)
    speaker.finish()


def check(config):
    """Refuse settings out of range."""
    lesson.check(config, letters=ROW, states=(1, 100), starts=1, iterations=1, written=(2, 100_000))
    if not config.more_states or not all(1 <= states <= 100 for states in config.more_states):
        raise ValueError(f"--more-states must be numbers from 1 to 100, got {config.more_states}")


def cut(letters):
    """Text of a to z and spaces as rows of 64 numbers, int32 (B, 64); what does not fill the last row is left out.

    Raises:
        ValueError: when it does not fill one row.
    """
    from zoo.probability import hidden_markov_model as hmm

    symbols = hmm.encode(letters, ALPHABET)
    if len(symbols) < ROW:
        raise ValueError(f"each split of the text must have at least {ROW} letters and spaces, got {len(symbols)}")
    return symbols[: len(symbols) // ROW * ROW].reshape(-1, ROW)


def fit_letters(speaker, config, data, rows):
    """Number of states -> fitted model, the likeliest of all starts."""
    import numpy as np

    from zoo.probability import hidden_markov_model as hmm

    speaker.section("1. Symbols that nobody explains")
    speaker.say(f"""
        {rows.size:,} letters and spaces of real English ({data.title}), in rows of {ROW}.
        Every letter is emitted by a hidden state, and nobody says what the states shall mean:
            p(letters) = sum over all paths of pi(q_1) b(x_1 | q_1) a(q_2 | q_1) b(x_2 | q_2) ...
        Baum-Welch (EM) fits pi, a and b, from {config.starts} random starts for each number of states.""")
    fits, report = {}, {}
    for states in sorted({config.states, *config.more_states}):
        runs = [
            hmm.baum_welch(hmm.first_guess(states, len(ALPHABET), config.seed + start), rows, config.iterations)
            for start in range(config.starts)
        ]
        model, likelihoods = max(runs, key=lambda run: run[1][-1])
        fits[states] = model
        report[f"{states} states"] = {
            "steps": len(likelihoods) - 1,
            "ln p a letter, at first": f"{likelihoods[0] / rows.size:.4f}",
            "in the end": f"{likelihoods[-1] / rows.size:.4f}",
            "smallest change in a step": f"{min(np.diff(run[1]).min() for run in runs):.1e}",
        }
    speaker.table("Training: ln p never falls in a step, but for rounding", report)
    return fits


def tell_states(speaker, model, rows):
    """Which letters each state likes, and whether that separates vowels from consonants; returns the states' kinds."""
    import numpy as np

    speaker.section(f"2. What {model.states} states have become")
    shares, owners, kinds = separate(model, rows)
    counts = np.bincount(rows.ravel(), minlength=len(ALPHABET))
    seen = counts > 0
    table = {}
    for state in range(model.states):
        favourites = model.emissions[state].argsort()[::-1][:8]
        table[f"state {state + 1}"] = {
            "of the text": f"{shares[:, state].sum():.2f}",
            "emits most": " ".join(f"{show(letter)} {model.emissions[state, letter]:.2f}" for letter in favourites),
            "owns": "".join(show(letter) for letter in np.flatnonzero(seen & (owners == state))),
        }
    speaker.table("A state owns a letter that it emits more often than the other states do (_ is the space)", table)
    vowel = np.isin(list(ALPHABET), list(VOWELS))
    consonant = ~vowel & (np.arange(len(ALPHABET)) > 0)
    right = (kinds[owners] == vowel) & seen
    found = [f"{(right & each).sum()} of {(seen & each).sum()}" for each in (vowel, consonant)]
    share = (right * counts)[1:].sum() / counts[1:].sum()
    speaker.say("")
    speaker.say(f"""
        {found[0]} vowels are owned by a state of vowels, {found[1]} consonants by a state of consonants
        (y counts as one); counted in the text, {share:.1%} of the letters are on the right side. The model
        was never told that there are vowels. It only had to guess what comes next, and letters that
        take turns are best kept apart.""")
    moves = {
        f"from state {i + 1}": {f"to state {j + 1}": f"{model.transitions[i, j]:.2f}" for j in range(model.states)}
        for i in range(model.states)
    }
    speaker.table("Transitions", moves)
    colours = [lesson.BLACK] + [lesson.ORANGE if letter in VOWELS else lesson.BLUE for letter in ALPHABET[1:]]
    with speaker.figure("letters", model.states, 1, (9, 2.2 * model.states)) as axes:
        for state in range(model.states):
            kind = "vowels" if kinds[state] else "consonants"
            axes[state, 0].bar([show(letter) for letter in range(len(ALPHABET))], model.emissions[state], color=colours)
            axes[state, 0].set(title=f"state {state + 1}, of {kind}", ylabel="p(letter | state)")
        axes[0, 0].figure.suptitle("Emissions. Orange: a e i o u; blue: consonants; black: the space")
    return kinds


def separate(model, rows):
    """Who emits which letter.

    Args:
        model: of K states over the alphabet.
        rows: int (B, T), text.

    Returns:
        Shares of (letter, state) in the text, float (27, K); the state that owns each letter, int (27,); and for each
        state whether more of the letters that it emits are vowels than are consonants, bool (K,).
    """
    import numpy as np

    from zoo.probability import hidden_markov_model as hmm

    gamma = hmm.posterior(model, rows).reshape(-1, model.states)
    shares = np.stack([gamma[rows.ravel() == letter].sum(axis=0) for letter in range(len(ALPHABET))]) / rows.size
    vowel = np.isin(list(ALPHABET), list(VOWELS))
    return shares, shares.argmax(axis=1), shares[vowel].sum(axis=0) > shares[1:][~vowel[1:]].sum(axis=0)


def show(letter):
    """A letter for the eye: the space is an underscore."""
    return "_" if letter == 0 else ALPHABET[letter]


def tell_perplexity(speaker, models, rows):
    """Held-out text under every model; returns model -> perplexity of the test text."""
    from zoo.probability import hidden_markov_model as hmm

    speaker.section("3. How well does it guess? Perplexity of held-out text")
    speaker.say(f"""
        Perplexity is the number of equally likely letters among which one would be as unsure as the
        model is; whoever knows nothing has {len(ALPHABET)}.
            perplexity = exp(-ln p(text) / letters)
        Two models without hidden states for comparison, with the same program. The unigram has one
        state: letters know nothing of each other. The bigram has the letters themselves for states, so
        the next one depends on the last one alone.""")
    table, scores = {}, {}
    for name, model in models.items():
        emitting = 0 if name == "bigram" else model.states * (len(ALPHABET) - 1)
        free = model.states - 1 + model.states * (model.states - 1) + emitting
        found = {
            split: hmm.perplexity(hmm.forward(model, rows[split])[1].sum(), rows[split].size)
            for split in ("train", "validation", "test")
        }
        table[name] = {"free numbers": free, **{split: f"{value:.2f}" for split, value in found.items()}}
        scores[name] = found["test"]
    speaker.table(f"Perplexity of text ({rows['test'].size:,} letters of test)", table)
    hidden = {name: model for name, model in models.items() if "hidden" in name}
    with speaker.figure("perplexity", 1, 1, (5.5, 3.6)) as axes:
        panel = axes[0, 0]
        panel.plot([model.states for model in hidden.values()], [scores[name] for name in hidden], "o-", label="hidden")
        panel.axhline(scores["unigram"], color=lesson.ORANGE, linestyle="--", label="unigram")
        panel.axhline(scores["bigram"], color=lesson.GREEN, linestyle=":", label="bigram")
        panel.set(title="Test text: less is better", xlabel="hidden states", ylabel="perplexity, letters")
        panel.legend()
    return scores


def tell_samples(speaker, config, models):
    """Text written by every model."""
    from zoo.probability import hidden_markov_model as hmm

    speaker.section("4. What they write")
    for name, model in models.items():
        (drawn,) = hmm.sample(model, 1, config.written, config.seed)
        speaker.say(f"{name}: {''.join(ALPHABET[letter] for letter in drawn)}")
    speaker.say("")
    speaker.say("""
        Words of no language; but with more states their length and the turns of vowels and consonants
        become English. A state forgets all but one number from 1 to K: that is where larger models, whose
        state is a vector, go on.""")


def ask(speaker, model, kinds, models, scores):
    """Three questions, answered by computation."""
    import numpy as np

    from zoo.probability import hidden_markov_model as hmm

    shares = hmm.stationary(model)
    vowels = shares[kinds] / max(shares[kinds].sum(), 1e-300)
    turn = float(vowels @ model.transitions[kinds][:, ~kinds].sum(axis=1))
    speaker.ask(
        "After a state of vowels, how likely is a state of consonants next?",
        f"{turn:.2f}." if kinds.any() else "No state emits more vowels than consonants, for these settings.",
    )
    hidden = [name for name in scores if "hidden" in name]
    best = min(hidden, key=scores.get)
    speaker.ask(
        "How many bits a letter does the best hidden Markov model save against the unigram, in the test text?",
        f"log2({scores['unigram']:.2f} / {scores[best]:.2f}) = {np.log2(scores['unigram'] / scores[best]):.2f} bits, "
        f"with {best}.",
    )
    states = models[best].states
    speaker.ask(
        "How many paths of states are added up for one row of text, and in how many products by the recursion?",
        f"{states}^{ROW}, which is 10^{ROW * np.log10(states):.0f}, paths in {states}^2 x {ROW} = {states**2 * ROW:,}.",
    )
