"""`train` and `resume`: they join corpus, model, trainer and listeners, and give a run."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from charrnn.config import Config, TrainingConfig
from charrnn.device import find_device
from charrnn.errors import CharrnnError
from charrnn.loading import absolute, config_of, find_config, load_config, parse_config, parse_run_config
from charrnn.mistakes import check_values
from charrnn.run import Run
from charrnn.store.folder import check_folders, new_folder
from charrnn.store.lock import locked
from charrnn.terminal import advance, reading, say
from charrnn.text.corpora import resolve
from charrnn.text.dataset import Dataset, load_dataset
from charrnn.text.reader import find_files
from charrnn.training.aside import set_aside
from charrnn.training.assembly import new_trainer, new_training
from charrnn.training.attendance import WorkerLost
from charrnn.training.beginning import Beginning
from charrnn.training.closing import closing_line, next_command
from charrnn.training.distributed import Workers, joined, own_device
from charrnn.training.events import Event, Listener, Training, as_listeners
from charrnn.training.headline import headline, undivided
from charrnn.training.listeners import Bar, Log, Samples, encode_prompt
from charrnn.training.pace import Pace
from charrnn.training.recipe import find_recipe, is_text, namesake
from charrnn.training.restoring import find_background, restore
from charrnn.training.saver import CheckpointSaver
from charrnn.training.schedule import Progress, first_to_end
from charrnn.training.settling import fitted, settled
from charrnn.training.signals import heeded
from charrnn.training.trackers import check_trackers, trackers
from charrnn.training.trainer import Trainer
from charrnn.training.waiting import considerate

TEXTS = "corpus.path=", "corpus.validation="
"""How a user names the texts of a run again. A file that only the run's own config names is never read."""


class Interrupted(KeyboardInterrupt):
    """A signal ended a training, after its checkpoint was saved in `run`."""

    def __init__(self, run: Run, number: signal.Signals) -> None:
        super().__init__(str(run.path))
        self.run, self.number = run, number


def train(
    config: Config | dict[str, Any] | str | Path | Sequence[str | Path],
    *,
    overrides: Sequence[str] = (),
    minutes: float | None = None,
    steps: int | None = None,
    seed: int | None = None,
    listeners: Sequence[Listener | Callable[[Event], object]] = (),
    out: str | Path | None = None,
    overwrite: bool = False,
    init_from: str | Path | None = None,
    freeze: Sequence[str] | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> Run:
    """Trains a model and returns its run.

    `config` is a `Config`, a dict of its sections, a YAML file, the name of a ready-made config, or a text: a file, a
    folder or several of them, for which `training/recipe.py` chooses a config. `overrides` are texts "key.path=value".
    `minutes` or `steps` replaces the config's length, and `seed` its `training.seed`. `out` is the run's folder
    (default: runs/NAME, with a number if that is taken). `listeners` hear what happens in the training: functions of an
    `Event`, or objects as `Listener` describes them. `quiet` prints nothing on standard error. Ctrl-C saves and raises
    `Interrupted`.

    `init_from` is a run whose best weights are the first ones here; its architecture replaces the config's.
    `freeze` replaces `training.freeze`: beginnings of the names of weights that do not learn.

    Raises CharrnnError for mistakes in the config, the text or the folder, and where that run does not fit.
    """
    hearing = as_listeners(listeners)
    length = _length(minutes, steps)
    _check_lists(overrides=overrides, freeze=freeze)
    if seed is not None:
        check_values(TrainingConfig, seed=seed)
        overrides = [*overrides, f"training.seed={seed}"]
    if freeze is not None:
        overrides = [*overrides, f"training.freeze={json.dumps(list(freeze))}"]
    name, chosen, needed = _chosen(config, minutes, overrides, length, device, quiet)
    beginning = None
    if init_from is not None:
        beginning = Beginning.of(Run.open(init_from, "cpu"))
        chosen = beginning.config(chosen, overrides)
        needed.append(beginning.run.path)
    chosen, recognised = settled(chosen)
    where = own_device(find_device(device))
    return _train(chosen, name, needed, beginning, out, overwrite, where, hearing, quiet, recognised)


def _train(
    config: Config,
    name: str,
    needed: list[Path],
    beginning: Beginning | None,
    out: str | Path | None,
    overwrite: bool,
    where: torch.device,
    listeners: Sequence[Listener],
    quiet: bool,
    recognised: str,
) -> Run:
    """Trains with a config in a new folder, which may not replace the files that are `needed`."""
    check_trackers(config.training)
    with joined(where, config.training.worker_timeout) as workers:
        dataset = workers.one_first(lambda: _read_corpus(config, quiet or workers.rank > 0))
        _check_divided(config, dataset)
        config, changed = fitted(config, dataset, workers.count)
        training = new_training(config, dataset, where, workers, beginning)
        encode_prompt(
            config, dataset.vocabulary.in_encoding(config.corpus.encoding)
        )  # an unknown character is told now, not after an hour
        if workers.rank:
            path = Path(os.fsdecode(workers.from_first(b"")))
            return _follow(Run.open(path, str(where)), training)
        if overwrite and config.corpus.path is not None:
            needed += find_files(config.corpus.path)
        path = new_folder(out, name, overwrite, needed)
        with locked(path):
            begun = "" if beginning is None else beginning.run.facts.id
            run = Run.create(path, config, dataset, training.model.size, where, begun, recognised)
            workers.from_first(os.fsencode(path.absolute()))
            if not quiet:
                say(headline(run, dataset, training.model))
                if changed:
                    say(changed)
                if beginning is not None:
                    say(beginning.told(config, dataset.vocabulary))
            return _drive(run, training, listeners, quiet)


def resume(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    minutes: float | None = None,
    steps: int | None = None,
    listeners: Sequence[Listener | Callable[[Event], object]] = (),
    device: str = "auto",
    quiet: bool = False,
) -> Run:
    """Goes on with a run from its last checkpoint and returns it.

    `minutes` or `steps` is the new length of the whole training, with what was trained before. `listeners` and `quiet`
    are those of `train`. `overrides` may change the sections training and sampling, for example to make a finished
    training longer. They may also name the text again (corpus.path), if it is no longer in the cache.

    Raises CharrnnError where the folder is not a run, its corpus is gone, or it has finished.
    """
    hearing = as_listeners(listeners)
    _check_lists(overrides=overrides)
    overrides = [*overrides, *_length(minutes, steps)]
    run = Run.open(path, device)
    for override in overrides:
        if not override.strip().startswith(("training.", "sampling.", *TEXTS)):
            raise CharrnnError(
                f"‹overrides={override}›: a run goes on with the corpus, vocabulary and model that it has; "
                "train a new one"
            )
    if run.facts.cell_has_changed:
        raise CharrnnError(
            f"{run.path}: {run.facts.plugin} has changed since, and a run goes on with the cell that it has; bring the "
            f"file back, or begin a new training from it: ‹init_from={run.path}›"
        )
    where = own_device(run.device)
    with joined(where, run.config.training.worker_timeout) as workers:
        run = replace(run, where=str(where))
        if workers.rank:
            return _follow(*_restored(run, overrides, workers))
        check_folders(run.path)
        with locked(run.path):
            return _drive(*_restored(run, overrides, workers), hearing, quiet)


def _check_lists(**given: Sequence[str] | None) -> None:
    """Raises CharrnnError where one text was given instead of a list of texts: it would be read letter by letter."""
    for name, value in given.items():
        if isinstance(value, str):
            raise CharrnnError(f"‹{name}={value}›: a list of texts was expected: [{value!r}]")


def _restored(run: Run, overrides: Sequence[str], workers: Workers) -> tuple[Run, Trainer]:
    """The run with its new config, and its trainer. Worker 0 restores the last checkpoint and gives it to all."""
    config = parse_run_config(run.path / "config.yaml", overrides)
    if config.model.cell == "ngram":
        raise CharrnnError(f"{run.path}: an n-gram counts once and is done; there is nothing to go on with")
    texts = TEXTS if run.config.corpus.validation is not None else TEXTS[:1]
    named = all(any(override.strip().startswith(text) for override in overrides) for text in texts)
    config = absolute(config)
    if config.training.freeze != run.config.training.freeze:
        raise CharrnnError(
            f"{run.path}: a training goes on with the weights frozen that were (training.freeze: "
            f"{json.dumps(run.config.training.freeze)}); to freeze others, begin a new one from it: "
            f"‹init_from={run.path}›"
        )
    dataset = workers.one_first(lambda: run.dataset(config.corpus if named else None))
    config, changed = fitted(config, dataset, workers.count)
    last = None if workers.rank or run.checkpoints.none_yet else run.checkpoints.find("last").folder
    background = None if last is None else find_background(last, config.model, dataset.vocabulary)
    trainer = new_trainer(config, dataset, run.device, workers, background=background)
    if workers.rank:
        return run, trainer
    if changed:
        say(changed)
    if last is None:
        if run.facts.init_from:
            raise CharrnnError(
                f"{run.path}: holds no checkpoint yet, and so not the weights that it was to begin with; train it "
                "again (‹init_from›, ‹overwrite=True›)"
            )
        say(f"{run.path}: holds no checkpoint yet; from the start")
    else:
        was, now = run.config.training.batch_size, config.training.batch_size
        if was != now:
            say(f"training.batch_size was {was} and is {now} now: the text is read from its beginning again")
        restore(trainer, last, anew=was != now)
    if trainer.progress.fraction >= 1:
        raise CharrnnError(f"{run.path}: {_finished(config.training, trainer.progress)}")
    if trainer.out_of_patience:
        patience = config.training.patience
        raise CharrnnError(
            f"{run.path}: this training has finished (no better evaluation among the last {patience}); to go on, be "
            f"more patient: ‹overrides=training.patience={2 * (patience or 1)}›"
        )
    encode_prompt(config, run.vocabulary)
    return run.with_config(config), trainer


def _finished(training: TrainingConfig, progress: Progress) -> str:
    """What is said of a training that has its whole length, or more, and how it goes on."""
    key, trained, value = first_to_end(training, progress.steps, progress.minutes, progress.epochs)
    longer = float(f"{2 * max(value, trained):.2g}")  # more than both, also rounded
    how = "minutes=" if key == "minutes" else f"overrides=training.{key}="
    return (
        f"this training has finished: it has trained {trained:.3g} {key}, and {value:g} is its whole length; to go on, "
        f"give a greater whole length: ‹{how}{longer:.10g}›"
    )


def _length(minutes: float | None, steps: int | None) -> list[str]:
    """The override for the length of a training, none if no length is given. Raises CharrnnError for two lengths."""
    given = {key: value for key, value in (("minutes", minutes), ("steps", steps)) if value is not None}
    if len(given) > 1:
        raise CharrnnError(f"‹minutes={minutes}› and ‹steps={steps}›: a training has one length; give one of them")
    check_values(TrainingConfig, **given)
    return [f"training.{key}={value}" for key, value in given.items()]


def _chosen(
    given: Config | dict[str, Any] | str | Path | Sequence[str | Path],
    minutes: float | None,
    overrides: Sequence[str],
    length: Sequence[str],
    device: str,
    quiet: bool,
) -> tuple[str, Config, list[Path]]:
    """The name of a new run, its config, and the config's own file. `length` is an override too."""
    if isinstance(given, Config | dict):
        return "run", config_of(dict(given), [*overrides, *length]), []
    if not quiet and isinstance(given, str | Path) and (both := namesake(given)):
        say(both)
    if not isinstance(given, str | Path) or is_text(given):
        paths = [given] if isinstance(given, str | Path) else given
        values = {key.strip(): value.strip() for key, _, value in (one.partition("=") for one in overrides)}
        encoding = values.get("corpus.encoding", "auto").strip("'\"")
        recipe = find_recipe(paths, minutes, quiet, encoding, device=device)
        if "corpus.separator" in values and not {"corpus.mode", "corpus.field"} & values.keys():
            overrides, values = [*overrides, "corpus.mode=documents"], values | {"corpus.mode": "documents"}
        if {"corpus.mode", "corpus.field"} & values.keys():  # the user says whether it is a stream
            recipe = recipe.without("corpus.mode", "training.forget")
        if minutes is None:  # the recipe knows of minutes: it may read a small text fewer times
            overrides = [*overrides, *length]
        return recipe.name, parse_config(str(recipe), "the recipe", overrides), []
    file = find_config(given)
    return file.stem, load_config(file, [*overrides, *length]), [file]


def _read_corpus(config: Config, quiet: bool) -> Dataset:
    files, corpus = resolve(config.corpus)
    passes = 1 if config.vocab.kind == "byte" else 2
    size = passes * sum(file.stat().st_size for file in files)  # of another text, which is short, nothing is shown
    with reading("encode", size, quiet) as bar:
        return load_dataset(files, corpus, config.vocab, lambda count: advance(bar, count))


def _check_divided(config: Config, dataset: Dataset) -> None:
    """Raises CharrnnError where nothing is learnt from, because the separator is not in the text."""
    corpus = config.corpus
    if dataset.starts is None or corpus.path is None:
        return
    part = dataset.part("train", corpus)
    if config.model.ngram:
        part, _ = set_aside(part, corpus)
    if not part.characters and (told := undivided(find_files(corpus.path), corpus, len(dataset.starts) - 1)):
        raise CharrnnError(f"{told}; as one long text it can be learnt from: ‹overrides=corpus.mode=stream›")


def _follow(run: Run, training: Training) -> Run:
    """Runs the training of a worker other than 0, without listeners."""
    with heeded(training), considerate():
        for _ in training.events():
            pass
    return run


def _drive(run: Run, training: Training, own: Sequence[Listener], quiet: bool) -> Run:
    """Runs a training with all its listeners, the user's `own` too."""
    step = training.standing.step
    if step and not quiet:
        say(f"going on with {run.path} from step {step:,}")
    listeners: list[Listener] = [Log(run, step), Samples(run, training, quiet)]
    listeners += trackers(run, training.model)
    # The saver comes last, so that all before a checkpoint has been logged when it is written.
    saver = CheckpointSaver(run, training)
    training.recall = saver.recall
    listeners += [*own, saver] if quiet else [Bar(run, training), Pace(run, training), *own, saver]
    with ExitStack() as closing:  # each listener is closed, whatever happens to another
        for listener in reversed(listeners):
            closing.callback(listener.close)
        try:
            with heeded(training) as received, saver, considerate():
                for event in training.events():
                    for listener in listeners:
                        listener.hear(event)
        except WorkerLost as lost:
            standing = training.standing
            how = "" if standing.finished else f", go on with: charrnn train --resume {run.path}"
            raise WorkerLost(f"{run.path}: {lost}; step {standing.step:,} is saved{how}") from None
    run = run.with_size(training.model.size)
    if received.number is not None:
        raise Interrupted(run, received.number)
    if not quiet:
        say(f"{run.path}: {closing_line(run, training.standing)}\n{next_command(run)}")
    return run
