"""The config of a training as its run keeps it: with what its text and its corpus decide."""

from __future__ import annotations

from contextlib import nullcontext, suppress

from charrnn.config import Config
from charrnn.errors import CharrnnError
from charrnn.loading import absolute
from charrnn.text import corpora
from charrnn.text.batches import fitting
from charrnn.text.dataset import Dataset
from charrnn.training.aside import set_aside


def settled(config: Config) -> tuple[Config, str]:
    """The config with what its corpus decides: files by their whole names, and the encoding that was recognised, which
    is also given in words.
    """
    corpus, recognised = corpora.settled(config.corpus), ""
    with suppress(CharrnnError) if config.vocab.kind == "byte" else nullcontext():  # bytes need not be text
        corpus, recognised = corpora.with_encoding(corpus)
    return absolute(config.model_copy(update={"corpus": corpus})), recognised


def fitted(config: Config, dataset: Dataset, workers: int = 1) -> tuple[Config, str]:
    """The config with batches that the text fills, and what that has changed, in words; nothing for most texts.

    Raises CharrnnError where the `workers` cannot divide a batch.
    """
    training = config.training
    if config.model.cell == "ngram":
        return config, ""
    if training.batch_size % workers:
        raise CharrnnError(
            f"training.batch_size: {training.batch_size}: a multiple of the {workers} workers was expected, "
            f"since each takes as many texts; try {-(-training.batch_size // workers) * workers}"
        )
    part = dataset.part("train", config.corpus)
    if config.model.ngram:
        part, _ = set_aside(part, config.corpus)
    wanted = training.batch_size, training.window
    fits = fitting(part, *wanted, workers)
    if fits == wanted:
        return config, ""
    count, what = (len(part.spans), "document") if part.documents is not None else (part.characters, "character")
    keys = "batch_size", "window"
    told = [
        f"training.{key} is {now} instead of {was}"
        for key, now, was in zip(keys, fits, wanted, strict=True)
        if now != was
    ]
    return (
        config.with_keys("training", **dict(zip(keys, fits, strict=True))),
        f"{' and '.join(told)}, with {count:,} {what}{'s' * (count != 1)} to learn from",
    )
