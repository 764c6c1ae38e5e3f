"""A training that begins with the weights of a trained model, and weights that do not learn.

Texts have alphabets of their own. A weight with a row for each character takes its rows by character; every other
weight is taken as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from charrnn.config import Config, ModelConfig
from charrnn.errors import CharrnnError
from charrnn.loading import validate
from charrnn.models import LanguageModel, Mixture, NGramModel, model_shape
from charrnn.models.background import in_alphabet
from charrnn.models.ngram import Ints
from charrnn.run import Run
from charrnn.text.vocab import Vocabulary

FREE = [key for key in ModelConfig.model_fields if "dropout" in key or key == "ngram"]
"""The keys of `model` that a config may set as it likes, because no weight of the network depends on them."""
ALSO = "vocab.also"
"""The characters that the alphabet has besides those of the text."""


@dataclass(frozen=True)
class Beginning:
    """The trained model with which another training begins."""

    run: Run
    network: LanguageModel
    """Its network, without the n-gram that may stand beside it."""

    @classmethod
    def of(cls, run: Run) -> Beginning:
        """The model of a run's best checkpoint. Raises CharrnnError where there is none, and for an n-gram."""
        if run.config.model.cell == "ngram":
            raise CharrnnError(f"{run.path}: an n-gram only counts, and has no weights to begin with; take a network")
        return cls(run, run.model.learner)

    def config(self, config: Config, overrides: Sequence[str] = ()) -> Config:
        """The config with this model's architecture and its characters too, unless an override says which. Of its own
        `model`, only the keys that are FREE stay.

        Raises CharrnnError where an override asks for another architecture.
        """
        trained = self.run.config.model
        for override in overrides:
            section, _, key = override.partition("=")[0].partition(".")
            section, key = section.strip(), key.strip()
            if section == "model" and key not in FREE and getattr(config.model, key) != getattr(trained, key):
                raise CharrnnError(
                    f"‹overrides={override}›: the model of {self.run.path} has {key} {getattr(trained, key)}, and its "
                    f"weights fit no other; only {', '.join(FREE)} may differ"
                )
        own = config.model.model_dump(include=set(FREE))
        if trained.bidirectional:  # no n-gram stands beside it, whatever a recipe chooses
            own["ngram"] = None
        data = config.model_dump() | {"model": trained.model_dump() | own}
        if self.run.vocabulary.kind == "char" and not any(one.partition("=")[0].strip() == ALSO for one in overrides):
            data["vocab"]["also"] += "".join(self.run.vocabulary.characters)
        return validate(data, f"the config with the model of {self.run.path}")

    def counts(self, config: ModelConfig, vocabulary: Vocabulary) -> NGramModel | None:
        """What the n-gram beside its network has counted, in the alphabet `vocabulary`, for the model of a config.

        None where one of them has no n-gram, or nothing is to be kept.
        """
        if not self._keeps(config):
            return None
        assert isinstance(self.run.model, Mixture)
        assert config.ngram is not None
        ids, size = ids_in(vocabulary, self.run.vocabulary), len(vocabulary)
        return in_alphabet(self.run.model.ngram, ids, size, config.ngram.order_for(size))

    def _keeps(self, config: ModelConfig) -> bool:
        return self.run.config.model.ngram is not None and config.ngram is not None and config.ngram.keep != 0

    def give(self, model: LanguageModel, vocabulary: Vocabulary) -> None:
        """Gives the weights to the network of a new model with the alphabet `vocabulary`.

        A new character begins at the mean of the known ones, bias included: in every context its logit is the mean of
        theirs, and its probability is near their geometric mean, which is small. It takes little from what the model
        knows. Raises CharrnnError where one of them reads bytes and the other characters.
        """
        old = self.run.vocabulary
        if old.kind != vocabulary.kind:
            raise CharrnnError(
                f"{self.run.path}: its model reads {old.kind}s, and this config says vocab.kind {vocabulary.kind}; set "
                f"‹overrides=vocab.kind={old.kind}›"
            )
        rows = torch.from_numpy(ids_in(old, vocabulary))
        trained, by_character = self.network.state_dict(), self._by_character()
        for name, weight in model.learner.state_dict().items():
            value = trained[name]
            if name in by_character:
                mean = value[: len(old.characters)].mean(0, keepdim=True)
                value = torch.cat([value, mean])[rows]  # row -1 is the mean
            weight.copy_(value)

    def _by_character(self) -> set[str]:
        """The names of the weights with a row for each character: those that are larger in a larger alphabet."""
        larger = model_shape(self.run.config.model, len(self.run.vocabulary) + 1).learner.state_dict()
        return {name for name, weight in self.network.state_dict().items() if weight.shape != larger[name].shape}

    def told(self, config: Config, vocabulary: Vocabulary) -> str:
        """In words: the model, and what becomes of its alphabet and its counts."""
        known = sum(character in vocabulary for character in self.run.vocabulary.characters)
        new, left = len(vocabulary.characters) - known, len(self.run.vocabulary.characters) - known
        kind = {"char": "characters", "byte": "bytes"}[vocabulary.kind]
        counts = "the counts of its n-gram are kept behind those of this text"
        if not self._keeps(config.model):
            counts = "the n-gram beside it counts this text alone"
        beside = f"\n{counts}" if config.model.ngram else ""
        if left:
            beside = f", {left:,} are left out{beside}"
        return (
            f"the weights and the model are those of {self.run.path}, step {self.run.checkpoint.step:,}: "
            f"{config.model.describe()}\n"
            f"{known:,} {kind} are known, {new:,} are new and begin at the mean of all that were known{beside}"
        )


def ids_in(vocabulary: Vocabulary, other: Vocabulary) -> Ints:
    """The ids in an alphabet of the ids of another one of the same kind, `[len(other)]`; -1 for a missing character."""
    ids = {character: i for i, character in enumerate(vocabulary.characters)}
    return np.array([*(ids.get(one, -1) for one in other.characters), vocabulary.unknown, vocabulary.boundary])


def keep_frozen(network: LanguageModel, beginnings: Sequence[str]) -> None:
    """Keeps the weights from learning whose names begin with one of `beginnings`.

    Raises CharrnnError where no name begins so, and where nothing is left that learns.
    """
    names: dict[str, Tensor] = dict(network.named_parameters(remove_duplicate=False))  # a tied weight has two names
    for beginning in beginnings:
        frozen = [weight for name, weight in names.items() if name.startswith(beginning)]
        if not frozen:
            raise CharrnnError(
                f"training.freeze: {beginning!r}: no weight's name begins so; there are {', '.join(names) or 'none'}"
            )
        for weight in frozen:
            weight.requires_grad_(False)
    if beginnings and not any(weight.requires_grad for weight in names.values()):
        raise CharrnnError(f"training.freeze: {', '.join(beginnings)}: these are all weights, and nothing would learn")
