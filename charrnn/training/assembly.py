"""What a training is put together from: a model and its first weights, batches, an n-gram, and the trainer of all."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from charrnn.config import Config
from charrnn.errors import CharrnnError
from charrnn.models import Mixture, NGramModel, build_model
from charrnn.text.batches import training_batches
from charrnn.text.dataset import Dataset
from charrnn.training.aside import set_aside
from charrnn.training.beginning import Beginning, keep_frozen
from charrnn.training.distributed import Workers
from charrnn.training.events import Training
from charrnn.training.mixing import ALONE, Mixing
from charrnn.training.ngram_trainer import NGramTrainer
from charrnn.training.trainer import Trainer


def new_training(
    config: Config, dataset: Dataset, device: torch.device, workers: Workers, beginning: Beginning | None
) -> Training:
    """A new training of the config. Raises CharrnnError where the config and the text do not fit together."""
    if config.model.cell != "ngram":
        return new_trainer(config, dataset, device, workers, beginning)
    if workers.count > 1:
        raise CharrnnError(f"{workers.count} workers: an n-gram counts in one process; leave ‹workers› away")
    part, validation = (dataset.part(name, config.corpus) for name in ("train", "val"))
    model = NGramModel(len(dataset.vocabulary), config.model.order)
    keep_frozen(model, config.training.freeze)
    return NGramTrainer(model, part, validation, config.training, device)


def new_trainer(
    config: Config,
    dataset: Dataset,
    device: torch.device,
    workers: Workers,
    beginning: Beginning | None = None,
    background: NGramModel | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Trainer:
    """A new trainer of a network, which begins with the weights of `beginning`, if there is one.

    With an n-gram beside the network, the counts of `beginning` or a `background` stand behind its own. Raises
    CharrnnError as `new_training`.
    """
    training, vocabulary = config.training, dataset.vocabulary
    part, validation = (dataset.part(name, config.corpus) for name in ("train", "val"))
    if training.patience is not None and not validation.characters:
        raise CharrnnError(
            f"training.patience: {training.patience}: null was expected, because corpus.split holds out nothing to "
            "evaluate on"
        )
    for key in ("forget", "window_deviation"):
        if part.documents is not None and getattr(training, key):
            raise CharrnnError(
                f"training.{key}: 0 was expected, because corpus.mode is documents, and each of them is read on its "
                "own; it belongs to streams"
            )
    model = build_model(config.model, len(vocabulary), training.seed)
    if beginning is not None:
        beginning.give(model, vocabulary)
    keep_frozen(model.learner, training.freeze)
    mixing = ALONE
    if config.model.ngram is not None:
        assert isinstance(model, Mixture)
        whole, (part, aside) = part, set_aside(part, config.corpus)
        if workers.rank == 0:
            if beginning is not None:
                background = beginning.counts(config.model, vocabulary)
            mixing = Mixing(model, whole, part, aside, background, config.model.ngram.keep)
    batches = training_batches(
        part,
        training.batch_size,
        training.window,
        vocabulary.boundary,
        training.seed,
        training.window_deviation,
        workers.share,
    )
    return Trainer(model, batches, validation, training, device, clock, workers, mixing)
