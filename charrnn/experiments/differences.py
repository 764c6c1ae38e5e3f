"""What differs between configs, key by key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from charrnn.config import Config, SamplingConfig

SEED = "training.seed"


def flat(config: Config) -> dict[str, Any]:
    """Every value of a config by its `section.key`."""
    return {f"{section}.{key}": value for section, keys in config.model_dump().items() for key, value in keys.items()}


def varied(configs: Iterable[Config]) -> list[str]:
    """The keys in which some configs differ, in the order of the schema."""
    values = [flat(config) for config in configs]
    return [key for key in (values[0] if values else ()) if any(one[key] != values[0][key] for one in values[1:])]


def essence(config: Config) -> Config:
    """The config without what changes no weight: how samples are written, and where the files of the text lie."""
    return config.with_keys("corpus", path=None).model_copy(update={"sampling": SamplingConfig()})
