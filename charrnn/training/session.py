"""`train`: from a config to a run, everything in between put together."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from charrnn.config import Config
from charrnn.device import find_device
from charrnn.errors import CharrnnError
from charrnn.loading import find_config, load_config, parse_config
from charrnn.models import NGramModel, build_model
from charrnn.run import Run, absolute, new_folder
from charrnn.terminal import advance, say
from charrnn.text.batches import training_batches
from charrnn.text.corpora import resolve
from charrnn.text.dataset import Dataset, load_dataset
from charrnn.training.counting import Counter
from charrnn.training.listeners import Bar, Listener, Log, Saver, TensorBoard, Writer
from charrnn.training.lock import locked
from charrnn.training.signals import listening
from charrnn.training.trainer import Trainer


class Interrupted(KeyboardInterrupt):
    """A signal ended a training, after its checkpoint was saved in `run`."""

    def __init__(self, run: Run, number: signal.Signals) -> None:
        super().__init__(str(run.path))
        self.run, self.number = run, number


def train(
    config: Config | str | Path,
    *,
    overrides: Sequence[str] = (),
    minutes: float | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    device: str = "auto",
    quiet: bool = False,
) -> Run:
    """Trains a model and returns its run.

    `config` is a `Config`, a YAML file, or the name of a ready-made config; `overrides` are "key.path=value" for the
    latter two. `minutes` takes the place of the config's length. `out` is the run's folder (default: runs/NAME, with
    a number where that is taken). `quiet` says nothing on standard error. Ctrl-C saves and raises `Interrupted`.

    Raises CharrnnError for mistakes in the config, the text or the folder.
    """
    if minutes is not None:
        overrides = [*overrides, f"training.minutes={minutes}"]
    if isinstance(config, Config):
        name = "run"
        config = parse_config(config.model_dump_json(), "config", overrides)
    else:
        name = find_config(config).stem
        config = load_config(config, overrides)
    where = find_device(device)
    config = absolute(config)
    dataset = _read_corpus(config, quiet)
    trainer = _trainer(config, dataset, where)
    dataset.vocabulary.encode(config.sampling.prompt)  # better now than after an hour
    path = new_folder(out, name, overwrite)
    with locked(path):
        run = Run.create(path, config, dataset, trainer.model.size, where)
        if not quiet:
            say(_headline(run))
        return _drive(run, trainer, quiet)


def resume(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    minutes: float | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> Run:
    """Goes on with a run from its last checkpoint and returns it.

    `overrides` may change the sections training and sampling, so that a finished training can be made longer, and name
    the text again (corpus.path) where it is no longer in the cache.
    Raises CharrnnError where the folder is no run, its corpus is gone, or it has finished.
    """
    run = Run.open(path, device)
    if minutes is not None:
        overrides = [*overrides, f"training.minutes={minutes}"]
    for override in overrides:
        if not override.strip().startswith(("training.", "sampling.", "corpus.path=")):
            raise CharrnnError(
                f"--set {override}: a run goes on with the corpus, vocabulary and model that it has; train a new one"
            )
    with locked(run.path):
        return _drive(*_restored(run, overrides), quiet)


def _restored(run: Run, overrides: Sequence[str]) -> tuple[Run, Trainer]:
    """The run with its new config, and its trainer as the last checkpoint left it."""
    file = run.path / "config.yaml"
    config = parse_config(file.read_text(encoding="utf-8"), str(file), overrides)
    named = any(override.strip().startswith("corpus.path=") for override in overrides)
    config = absolute(config)
    trainer = _trainer(config, run.dataset(config.corpus if named else None), run.device)
    if isinstance(trainer, Counter):
        raise CharrnnError(f"{run.path}: an n-gram counts once and is done; there is nothing to go on with")
    if run.checkpoints.none_yet:
        say(f"{run.path}: holds no checkpoint yet; from the start")
    else:
        run.checkpoints.restore(trainer)
    if trainer.progress.fraction >= 1:
        length = config.training.model_dump(include={"minutes", "steps", "epochs"}, exclude_none=True)
        key, value = next(iter(length.items()))
        raise CharrnnError(
            f"{run.path}: this training has finished ({value:g} {key}); to go on, make it longer: "
            f"--set training.{key}={2 * value:g}"
        )
    if trainer.out_of_patience:
        patience = config.training.patience
        raise CharrnnError(
            f"{run.path}: this training has finished (no better evaluation among the last {patience}); to go on, be "
            f"more patient: --set training.patience={2 * (patience or 1)}"
        )
    return run.with_config(config), trainer


def _read_corpus(config: Config, quiet: bool) -> Dataset:
    files, corpus = resolve(config.corpus)
    passes = 1 if config.vocab.kind == "byte" else 2
    size = passes * sum(file.stat().st_size for file in files)
    with tqdm(
        total=size,
        desc="encode",
        unit="B",
        unit_scale=True,
        leave=False,
        delay=1,
        disable=True if quiet else None,
    ) as bar:
        return load_dataset(files, corpus, config.vocab, lambda count: advance(bar, count))


def _trainer(config: Config, dataset: Dataset, device: torch.device) -> Trainer | Counter:
    training, vocabulary = config.training, dataset.vocabulary
    part = dataset.part("train", config.corpus.split)
    if config.model.cell == "ngram":
        counted = NGramModel(len(vocabulary), config.model.order)
        return Counter(counted, part, dataset.part("val", config.corpus.split), vocabulary.boundary, device)
    for key in ("forget", "window_deviation"):
        if part.documents is not None and getattr(training, key):
            raise CharrnnError(
                f"training.{key}: 0 was expected, because corpus.mode is documents, and each of them is read on its "
                "own; it belongs to streams"
            )
    batches = training_batches(
        part, training.batch_size, training.window, vocabulary.boundary, training.seed, training.window_deviation
    )
    model = build_model(config.model, len(vocabulary), training.seed)
    validation = dataset.part("val", config.corpus.split)
    return Trainer(model, batches, validation, vocabulary.boundary, training, device)


def _headline(run: Run) -> str:
    facts = run.facts
    documents = f" in {facts['documents']:,} documents" if facts["documents"] else ""
    return (
        f"{run.path}: {run.config.model.cell}, {facts['parameters']:,} parameters, {facts['characters']['train']:,} "
        f"characters to learn from{documents}, an alphabet of {facts['vocabulary']:,}, on {run.device}"
    )


def _drive(run: Run, trainer: Trainer | Counter, quiet: bool) -> Run:
    """Runs the trainer with everyone listening."""
    if trainer.step and not quiet:
        say(f"going on with {run.path} from step {trainer.step:,}")
    listeners: list[Listener] = [Log(run, trainer.step), Writer(run, trainer, quiet)]
    if run.config.training.tensorboard:
        listeners.append(TensorBoard(run.path / "tensorboard"))
    # The saver comes last: what a checkpoint stands for has been logged when it is written.
    saver = Saver(run, trainer)
    listeners += [saver] if quiet else [Bar(trainer), saver]
    try:
        with listening(trainer) as received, saver:
            for event in trainer.events():
                for listener in listeners:
                    listener.hear(event)
    finally:
        for listener in listeners:
            listener.close()
    run = run.with_size(trainer.model.size)
    if received.number is not None:
        raise Interrupted(run, received.number)
    return run
