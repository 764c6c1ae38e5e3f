"""Sweeps: many trainings from one config file, which run one after the other and can be resumed."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, ValidationError, model_validator

from charrnn.config import Config, Section
from charrnn.errors import CharrnnError, Diverged
from charrnn.loading import apply_override, find_config, read_config, read_yaml, set_key, validate
from charrnn.models import build_model
from charrnn.run import Run
from charrnn.store.folder import is_run
from charrnn.terminal import say
from charrnn.text.corpora import resolve
from charrnn.text.dataset import load_dataset
from charrnn.training.session import resume, train

MAX_VARIANTS = 1000
"""The most variants of a sweep."""

Overrides = dict[str, Any]
"""Values by their `section.key`."""


class SweepSection(Section):
    """The section `sweep:` of a config, which says what is varied."""

    grid: dict[str, list[Any]] = {}
    """A list of values for each `section.key`; every combination is trained."""
    variants: dict[str, Overrides | None] = {}
    """The `section.key: value` pairs of each named variant."""
    parameters: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """If given, `model.hidden_size` of each variant is chosen so that it has about this many parameters."""

    @model_validator(mode="after")
    def _something(self) -> SweepSection:
        if bool(self.grid) == bool(self.variants):
            raise ValueError("either sweep.grid or sweep.variants, with at least one entry")
        return self


def load_sweep(config: str | Path, overrides: Sequence[str] = ()) -> dict[str, Config]:
    """The validated configs of the variants of a sweep, by their names.

    Raises CharrnnError with the file, the variant, the key and what was expected.
    """
    path = find_config(config)
    data, marks = read_yaml(read_config(path), str(path))
    if "sweep" not in data:
        raise CharrnnError(f"{path}: no `sweep:` section; train a single config with: charrnn train {config}")
    section = data.pop("sweep")
    try:
        sweep = SweepSection.model_validate(section)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["sweep", *map(str, first["loc"])])
        raise CharrnnError(f"{path}, {marks.get(('sweep',), '')}: {where}: {first['msg']}") from None
    for override in overrides:
        apply_override(data, marks, override)
    configs = {}
    for name, changes in _variants(sweep).items():
        own = copy.deepcopy(data)
        if not name.isprintable() or not name or "/" in name or name.startswith("."):
            raise CharrnnError(f"{path}: sweep.variants: {name!r}: a name that can be a folder was expected")
        for key, value in changes.items():
            parts = tuple(key.split("."))
            if len(parts) != 2:
                raise CharrnnError(f"{path}: sweep: {key}: a section and a key were expected, such as model.cell")
            set_key(own, parts, value)
        configs[name] = validate(own, f"{path}, variant {name}")
    if sweep.parameters is not None:
        configs = {name: _sized(one, sweep.parameters, name) for name, one in configs.items()}
    return configs


def sweep(
    config: str | Path, *, overrides: Sequence[str] = (), out: str | Path | None = None, device: str = "auto"
) -> list[Run]:
    """Trains every variant of a sweep into `out`/NAME (default: runs/CONFIG) and returns the runs.

    A sweep can be started again at any time: finished runs stay as they are, and interrupted ones go on. A training
    that explodes is reported, and the next one begins. Raises CharrnnError before the first training if any variant is
    wrong.
    """
    configs = load_sweep(config, overrides)
    folder = Path(out) if out is not None else Path("runs") / find_config(config).stem
    runs = []
    for i, (name, one) in enumerate(configs.items(), 1):
        path = folder / name
        say(f"=== {i} of {len(configs)}: {name}")
        try:
            if not is_run(path):
                train(one, out=path, device=device)
            elif _finished(Run.open(path, device)):
                say(f"{path}: finished before")
            else:
                resume(path, device=device)
        except Diverged as explosion:  # the other variants can still be compared
            say(f"{path}: {explosion}")
        runs.append(Run.open(path, device))
    return runs


def _variants(sweep: SweepSection) -> dict[str, Overrides]:
    if sweep.variants:
        return {name: changes or {} for name, changes in sweep.variants.items()}
    if (count := math.prod(map(len, sweep.grid.values()))) > MAX_VARIANTS:
        raise CharrnnError(f"sweep.grid: {count:,} variants; at most {MAX_VARIANTS:,} were expected")
    named: dict[str, Overrides] = {}
    for values in itertools.product(*sweep.grid.values()):
        changes = dict(zip(sweep.grid, values, strict=True))
        name = ",".join(f"{key.split('.')[-1]}={str(value).replace('/', '_')}" for key, value in changes.items())
        if name in named:
            raise CharrnnError(f"sweep.grid: two variants are called {name}; give them names in sweep.variants")
        named[name] = changes
    return named


def _finished(run: Run) -> bool:
    try:
        return run.checkpoints.summary("last").finished
    except CharrnnError:
        return False


def _sized(config: Config, parameters: int, name: str) -> Config:
    """The config with the `hidden_size` that comes closest to so many parameters. Counting them takes no memory."""
    if config.model.cell == "ngram":
        return config  # its size depends on the text
    files, corpus = resolve(config.corpus)
    vocab_size = len(load_dataset(files, corpus, config.vocab).vocabulary)

    def with_size(size: int) -> Config:
        changes = {"hidden_size": size} | ({"embedding_size": size} if config.model.tie_embedding else {})
        return config.model_copy(update={"model": config.model.model_copy(update=changes)})

    def count(size: int) -> int:
        with torch.device("meta"):
            return build_model(with_size(size).model, vocab_size).size

    low, high = 1, 16384
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) <= parameters else (low, middle)
    best = min((low, high), key=lambda size: abs(count(size) - parameters))
    if abs(count(best) - parameters) > 0.2 * parameters:
        raise CharrnnError(f"sweep.parameters: {parameters:,}: {name} comes no closer than {count(best):,}")
    return with_size(best)
