"""`train`: from a config to a run, everything in between put together."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from tqdm import tqdm

from charrnn.config import Config
from charrnn.device import find_device
from charrnn.errors import CharrnnError
from charrnn.loading import find_config, load_config, parse_config
from charrnn.models import NGramModel, build_model
from charrnn.run import Run, absolute, new_folder
from charrnn.terminal import advance
from charrnn.text.batches import training_batches
from charrnn.text.corpora import resolve
from charrnn.text.dataset import Dataset, load_dataset
from charrnn.training.counting import Counter
from charrnn.training.listeners import Bar, Listener, Log, Saver, TensorBoard, Writer, say
from charrnn.training.trainer import Trainer


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a training, after its checkpoint was saved in `run`."""

    def __init__(self, run: Run) -> None:
        super().__init__(str(run.path))
        self.run = run


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

    `overrides` may change the sections training and sampling, so that a finished training can be made longer.
    Raises CharrnnError where the folder is no run, its corpus is gone, or it has finished.
    """
    run = Run.open(path, device)
    if minutes is not None:
        overrides = [*overrides, f"training.minutes={minutes}"]
    for override in overrides:
        if not override.strip().startswith(("training.", "sampling.")):
            raise CharrnnError(
                f"--set {override}: a run goes on with the corpus, vocabulary and model that it has; train a new one"
            )
    file = run.path / "config.yaml"
    config = parse_config(file.read_text(encoding="utf-8"), str(file), overrides)
    dataset = run.dataset()
    trainer = _trainer(config, dataset, run.device)
    run.checkpoints.load_weights(trainer.model, "last")
    if isinstance(trainer, Counter):
        raise CharrnnError(f"{path}: an n-gram counts once and is done; there is nothing to go on with")
    trainer.load_state(*run.checkpoints.load_training())
    if trainer.progress.fraction >= 1:
        length = {
            "minutes": config.training.minutes,
            "steps": config.training.steps,
            "epochs": config.training.epochs,
        }
        key, value = next((key, value) for key, value in length.items() if value is not None)
        raise CharrnnError(
            f"{path}: this training has finished ({value:g} {key}); to go on, make it longer: "
            f"--set training.{key}={2 * value:g}"
        )
    run = Run.create(run.path, config, dataset, run.facts["parameters"], run.device)
    if not quiet:
        say(f"going on with {run.path} from step {trainer.step:,}")
    return _drive(run, trainer, quiet)


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
    batches = training_batches(part, training.batch_size, training.window, vocabulary.boundary, training.seed)
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
    listeners: list[Listener] = [Log(run, trainer.step), Writer(run, trainer, quiet)]
    if run.config.training.tensorboard:
        listeners.append(TensorBoard(run.path / "tensorboard"))
    # The saver comes last: what a checkpoint stands for has been logged when it is written.
    listeners += [Saver(run, trainer)] if quiet else [Bar(trainer), Saver(run, trainer)]
    try:
        with _stopping(trainer) as interrupted:
            for event in trainer.events():
                for listener in listeners:
                    listener.hear(event)
    finally:
        for listener in listeners:
            listener.close()
    run = run.with_size(trainer.model.size)
    if interrupted.is_set():
        raise Interrupted(run)
    return run


@contextmanager
def _stopping(trainer: Trainer | Counter) -> Iterator[threading.Event]:
    """Ctrl-C ends the training after the current step; a second one at once. Only the main thread can have signals."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def stop(*_: object) -> None:
        interrupted.set()
        trainer.stop()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
