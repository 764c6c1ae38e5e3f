"""The section `sweep:` of a config, and the configs of its variants."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from charrnn.config import Config, Section
from charrnn.errors import CharrnnError
from charrnn.loading import apply_override, find_config, read_layers, set_key, validate
from charrnn.models import model_shape
from charrnn.text.corpora import resolve
from charrnn.text.dataset import load_dataset

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
    seeds: Annotated[int, Field(ge=1, le=MAX_VARIANTS)] = 1
    """The number of trainings of each variant. They differ in `training.seed`, which goes up from the config's."""

    @model_validator(mode="after")
    def _something(self) -> SweepSection:
        if bool(self.grid) == bool(self.variants):
            raise ValueError("either sweep.grid or sweep.variants, with at least one entry")
        return self


def load_sweep(config: str | Path, overrides: Sequence[str] = (), seeds: int | None = None) -> dict[str, Config]:
    """The validated configs of the trainings of a sweep, by their names. `seeds` replaces `sweep.seeds`.

    Raises CharrnnError with the file, the variant, the key and what was expected.
    """
    path = find_config(config)
    data, marks = read_layers(path)
    if "sweep" not in data:
        raise CharrnnError(f"{path}: no `sweep:` section; train a single config with: charrnn train {config}")
    section = data.pop("sweep")
    try:
        sweep = SweepSection.model_validate(section)
        sweep = SweepSection.model_validate(sweep.model_dump() | ({} if seeds is None else {"seeds": seeds}))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["sweep", *map(str, first["loc"])])
        raise CharrnnError(f"{marks.get(('sweep',), path)}: {where}: {first['msg']}") from None
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
    configs = _seeded(configs, sweep.seeds)
    _check_different(configs, path)
    return configs


def _seeded(configs: dict[str, Config], seeds: int) -> dict[str, Config]:
    """Every config with as many seeds, one after the other, so that each variant is known before the next begins."""
    if len(configs) * seeds > MAX_VARIANTS:
        raise CharrnnError(f"sweep: {len(configs) * seeds:,} trainings; at most {MAX_VARIANTS:,} were expected")
    if seeds == 1:
        return configs
    return {
        f"{name},seed={config.training.seed + i}": config.with_keys("training", seed=config.training.seed + i)
        for name, config in configs.items()
        for i in range(seeds if config.model.cell != "ngram" else 1)  # it counts, and draws nothing
    }


def _check_different(configs: dict[str, Config], path: Path) -> None:
    """Raises CharrnnError where two variants are one and the same training."""
    known: dict[str, str] = {}
    for name, config in configs.items():
        other = known.setdefault(config.model_dump_json(), name)
        if other != name:
            raise CharrnnError(f"{path}: sweep: {other} and {name} are the same training; leave one of them out")


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


def _sized(config: Config, parameters: int, name: str) -> Config:
    """The config with the `hidden_size` that comes closest to so many parameters. Counting them takes no memory."""
    if config.model.cell == "ngram":
        return config  # its size depends on the text
    files, corpus = resolve(config.corpus)
    vocab_size = len(load_dataset(files, corpus, config.vocab).vocabulary)

    def with_size(size: int) -> Config:
        changes = {"hidden_size": size} | ({"embedding_size": size} if config.model.tie_embedding else {})
        return config.with_keys("model", **changes)

    def count(size: int) -> int:
        return model_shape(with_size(size).model, vocab_size).size

    low, high = 1, 16384
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) <= parameters else (low, middle)
    best = min((low, high), key=lambda size: abs(count(size) - parameters))
    if abs(count(best) - parameters) > 0.2 * parameters:
        raise CharrnnError(f"sweep.parameters: {parameters:,}: {name} comes no closer than {count(best):,}")
    return with_size(best)
