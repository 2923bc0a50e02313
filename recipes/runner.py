"""What every recipe shares: its options, its run folder, and a `fit` that can be interrupted and resumed.

Nothing heavy is imported at the top, so that `python -m recipes NAME --help` answers at once.
"""

import contextlib
import dataclasses
import datetime
import functools
import importlib.util
import math
import os
import pathlib
import sys
from dataclasses import dataclass
from typing import Literal

RUNS = pathlib.Path("runs")
EXPORTED = pathlib.Path(__file__).resolve().parent.parent / "exported"


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options of every recipe that trains."""

    epochs: int = 10
    """Passes over the training pictures."""
    seconds: float | None = None
    """Stop after the epoch in which training has taken so many seconds."""
    seed: int = 0
    """Of weights, noise and the order of the data; the same seed repeats the run."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Of the layers' arithmetic; bfloat16 pays on CPUs and GPUs that have units for it."""
    strategy: Literal["none", "mirrored", "multi_worker"] = "none"
    """Train on one device, on all of this machine (mirrored), or on the machines that TF_CONFIG lists."""
    xla: bool | None = None
    """Compile the train step by XLA; None does so on a GPU (on a CPU it is slower)."""
    folder: str | None = None
    """Of the run, new; None makes runs/<recipe>-<time>. With several hosts: shared, and gone on with when it exists."""
    watch: int = 0
    """Pictures that are drawn after each epoch, for scores.csv and a warning of mode collapse; 0 for none."""
    tensorboard: bool = False
    """Also log for TensorBoard (pip install tensorboard), into the run's folder."""
    publish: bool = False
    """Copy the export to exported/ when it scores better than what is there."""
    force: bool = False
    """With --publish: copy it even when it does not score better."""


class NotFirstHost(Exception):
    """This host has trained with the others and has nothing left to do; no error."""


@dataclass(frozen=True)
class Run:
    """One run of a recipe: `runs/<recipe>-<time>/`, a new folder but where the run `goes_on`."""

    recipe: str
    folder: pathlib.Path
    config: TrainingOptions
    strategy: object
    goes_on: bool = False

    def scope(self):
        """The context in which the model is made and compiled: that of the strategy."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    @property
    def jit_compile(self):
        """For `compile`: whether XLA is used; "auto" leaves it to Keras, which uses it on a GPU."""
        return "auto" if self.config.xla is None else self.config.xla

    @property
    def checkpoints(self):
        """Where the checkpoints are."""
        return self.folder / "checkpoints"

    @property
    def log(self):
        """One line an epoch: losses, and the seconds of training until then."""
        return self.folder / "log.csv"


def start(recipe, config, folder=None):
    """Set seeds, precision and GPU memory growth, and choose the run's folder; `fit` makes it.

    Args:
        recipe: name of the recipe.
        config: its Config.
        folder: of a run to resume, or None for a new one.

    Returns:
        `Run`.
    """
    _check_numbers(config)
    resumed = folder is not None
    if resumed and config.folder is not None:
        raise ValueError(f"a resumed run stays in its folder {folder}: leave --folder out")
    if config.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ValueError("--tensorboard needs TensorBoard: pip install tensorboard")
    several_hosts = config.strategy == "multi_worker"
    if several_hosts and not resumed and config.folder is None:
        raise ValueError("--strategy multi_worker needs --folder: one that every host sees")
    with quiet():
        import keras
        import tensorflow as tf

        from zoo import distribution, hardware

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    on_a_cpu = not tf.config.list_physical_devices("GPU")
    if config.precision == "mixed_bfloat16" and on_a_cpu and not hardware.has_bfloat16(hardware.cpu_info()):
        print("this CPU has no known units for bfloat16: --precision float32 may be faster")
    if not resumed:
        folder = pathlib.Path(config.folder) if several_hosts else new_folder(recipe, config.folder)
    strategy = distribution.strategy(config.strategy, config.precision)
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    return Run(recipe, folder, config, strategy, goes_on=resumed or several_hosts)


def _check_numbers(config):
    """Refuse numbers out of range, before anything is loaded or written."""
    from recipes import lesson

    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        flag = f"--{field.name.replace('_', '-')}"
        least = 0 if field.name in ("seed", "prior_components", "watch", "warm_up_epochs") else 1
        for number in value if isinstance(value, tuple | list) else [value]:
            if type(number) is int and number < least:
                raise ValueError(f"{flag} must be at least {least}, got {number}")
            if type(number) is float and not math.isfinite(number):
                raise ValueError(f"{flag} must be a finite number, got {number}")
        if field.name == "seed" and value > lesson.LARGEST_SEED:
            raise ValueError(f"{flag} must be at most {lesson.LARGEST_SEED}, got {value}")
        if field.name == "seconds" and value is not None and config.strategy == "multi_worker":
            raise ValueError("--seconds stops by one host's clock: with several hosts use --epochs")
        if field.name.endswith("learning_rate") and not value > 0:
            raise ValueError(f"{flag} must be positive, got {value}")
        if field.name in ("beta_1", "beta_2", "average_decay") and not 0 <= value < 1:
            raise ValueError(f"{flag} must be 0 or more and less than 1, got {value}")
        if field.name in ("r1_gamma", "beta", "seconds") and value is not None and not value >= 0:
            raise ValueError(f"{flag} must be 0 or more, got {value}")


def fit(run, model, batches, steps, callbacks=()):
    """Train to `config.epochs`, from the newest checkpoint when there is one.

    Args:
        run: from `start`.
        model: compiled, in the scope of the run.
        batches: function of the first epoch and of a `tf.distribute.InputContext` (or None) to an endless dataset that
            begins with that epoch.
        steps: steps an epoch.
        callbacks: further Keras callbacks, called after the epoch's seconds have been taken.

    Returns:
        The trained model, on one device, and the wall seconds of training until now, resumed ones included, without
        the callbacks' own. Of several hosts only the first returns.
    """
    from zoo import distribution, export, training

    chief = distribution.is_chief(run.strategy)
    if chief:
        run.folder.mkdir(parents=True, exist_ok=run.goes_on)  # another run may have made it meanwhile
        print(f"run folder: {run.folder}")
    finished = training.restore(model, run.checkpoints)
    if not distribution.same_everywhere(run.strategy, finished):
        raise ValueError(
            f"the hosts find different checkpoints in {run.folder}: it has to be one folder that all share"
        )
    trained = finished >= run.config.epochs
    everything = [training.StopOnNaN()]
    if chief:
        log = training.EpochLog(run.log, finished, run.config.seconds)
        export.write_json(run.folder / "config.json", {"recipe": run.recipe, **dataclasses.asdict(run.config)})
        trained = trained or (finished > 0 and log.is_over)
        everything = [log, *everything, *_tensorboard(run), *callbacks, training.Checkpoints(run.checkpoints)]
    if finished:
        print(f"resumed after epoch {finished} of {run.config.epochs}")
    if trained and chief:
        for callback in callbacks:
            callback.on_train_end()  # which a run that was killed after its last checkpoint has not come to
    if not trained:
        with _hint_at_resume(run):
            model.fit(
                _shared_out(run.strategy, batches, finished),
                epochs=run.config.epochs,
                initial_epoch=finished,
                steps_per_epoch=steps,
                callbacks=everything,
                shuffle=False,  # the batches are shuffled already
                verbose=("auto" if os.isatty(1) else 2) if chief else 0,
            )
    if not chief:
        raise NotFirstHost("trained; the first host measures and exports")
    if run.strategy is not None:
        model = training.copy_from_checkpoint(model, run.checkpoints)
    return model, log.seconds


def _shared_out(strategy, batches, first_epoch):
    if strategy is None:
        return batches(first_epoch, None)
    return strategy.distribute_datasets_from_function(lambda context: batches(first_epoch, context))


def _tensorboard(run):
    if not run.config.tensorboard:
        return []
    import keras

    return [keras.callbacks.TensorBoard(run.folder / "tensorboard")]


@contextlib.contextmanager
def _hint_at_resume(run):
    """Answer Ctrl-C, and the loss of another host, by what makes training go on."""
    import tensorflow as tf

    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; go on with: {_resume_command(run)}") from None
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.InternalError,
        tf.errors.CancelledError,
    ) as error:
        if run.config.strategy != "multi_worker":
            raise
        raise ValueError("another host is gone: start the command again on every host, and training goes on") from error


def _resume_command(run):
    return f"python -m recipes {run.recipe} --resume {run.folder}{' --publish' * run.config.publish}"


def export(run, card, data, seconds, endpoints, networks, score=None, draw=None):
    """Export to the run's folder, score every file that a device would run, and publish when asked to.

    Args:
        run: from `start`.
        card: what only the recipe knows: name, title, paper, latent_dim, directions.
        data: `ImageData` that the model was trained on.
        seconds: of training, from `fit`.
        endpoints: signatures of the files.
        networks: Keras models that the endpoints call.
        score: function from an open `edge.runtime.Model` and the evaluator, which may be None, to scores; None scores
            `config.samples` pictures from seeds.
        draw: function from such a model to the pictures of samples.png; None draws those of the first 100 seeds.

    Returns:
        The export's folder.
    """
    from zoo import callbacks, export, tables

    evaluator = find_evaluator(data)
    settings = {
        key: value
        for key, value in dataclasses.asdict(run.config).items()
        if key not in ("folder", "publish", "force", "tensorboard")
    }
    card = {
        **card,
        "recipe": run.recipe,
        "config": settings,
        "dataset": {"name": data.name, "title": data.title, "licence": data.licence, "classes": list(data.class_names)},
        "training": training_facts(run, seconds),
        "evaluator": evaluator and {"dataset": data.name, "sha256": evaluator.sha256, "floor": evaluator.card["floor"]},
    }
    folder = run.folder / "export"
    callbacks.plot_curves(run.log, run.folder / "curves.png")
    with _hint_at_resume(run):
        if score is None and evaluator is not None:
            score = functools.partial(score_seeds, samples=run.config.samples, data=data)
        scorer = score and (lambda model: score(model, evaluator))
        card = export.export(folder, card, endpoints, networks, scorer, draw)
    tables.print_card(card)
    print(f"samples: {folder / 'samples.png'}")
    print(f"export: {folder}")
    if run.config.publish:
        try:
            folder = export.publish(folder, EXPORTED, run.config.force)
        except ValueError as error:
            raise ValueError(f"{error}: {_resume_command(run)} --force") from error
        print(f"published: {folder}")
    return folder


def find_evaluator(data):
    """The pinned evaluator of the data, or None and a printed reason where there is none of its name and size."""
    from zoo import metrics

    try:
        evaluator = metrics.Evaluator.load(data.name)
    except ValueError as error:
        print(f"samples are not scored: {error}")
        return None
    if tuple(evaluator.card["image_shape"]) != tuple(data.image_shape):
        print(
            f"samples are not scored: the evaluator of {data.name} takes pictures of "
            f"{evaluator.card['image_shape']}, not of {list(data.image_shape)}"
        )
        return None
    return evaluator


def score_seeds(model, evaluator, samples, data, conditions=None, judge=None):
    """Scores of the pictures of the seeds 0 to samples - 1, against the test split.

    Args:
        model: open `edge.runtime.Model`.
        evaluator: of the data.
        samples: how many pictures.
        data: `zoo.datasets.images.ImageData`.
        conditions: of a conditional model, a row for each picture.
        judge: function from the pictures and the evaluator's probabilities for them to further scores: how well they
            fit their conditions.
    """
    from zoo import metrics

    pictures = model.pictures(0, samples, conditions)
    further = judge(pictures, evaluator.features(pictures)[1]) if judge else {}
    return {**metrics.score(pictures, data, evaluator), **further}


def watch(run, draw, data, steps):
    """The callback that looks out for mode collapse, in a list, or an empty one where --watch is 0.

    Args:
        run: from `start`.
        draw: function from a number to so many pictures.
        data: that the model is trained on.
        steps: of the generator in an epoch.
    """
    from zoo import collapse

    evaluator = find_evaluator(data) if run.config.watch else None
    if evaluator is None:
        return []
    warm_up = -(-collapse.WARM_UP // steps)
    return [collapse.Watch(run.folder / "scores.csv", lambda: draw(run.config.watch), data, evaluator, warm_up)]


def training_facts(run, seconds):
    """What a card says of the training: seconds, epochs, precision and machine."""
    from zoo import hardware, training

    return {
        "seconds": round(seconds, 1),
        "epochs": len(training.read_log(run.log)),
        "precision": run.config.precision,
        "machine": hardware.machine(),
    }


@contextlib.contextmanager
def quiet():
    """Keep TensorFlow's start-up notices, which no setting turns off, out of stderr; errors are exceptions and stay."""
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def new_folder(recipe, wanted):
    """The folder of a new run: the wanted one, which must not exist yet, or runs/<recipe>-<time>."""
    if wanted is not None:
        folder = pathlib.Path(wanted)
        if folder.exists():
            raise ValueError(f"{folder} exists: choose another --folder, or go on with that run by --resume {folder}")
        return folder
    return RUNS / f"{recipe}-{datetime.datetime.now():%Y%m%d-%H%M%S-%f}"
