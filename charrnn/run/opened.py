"""A run that is opened: its model, its way of writing, and the prompts that it reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from charrnn.device import find_device, is_cpu
from charrnn.errors import CharrnnError, NoNumbers
from charrnn.generation.fast import stepper as fast_stepper
from charrnn.generation.filters import Filters
from charrnn.generation.sampler import Sampler
from charrnn.notebook import as_html
from charrnn.store.checkpoint import WEIGHTS
from charrnn.store.run_folder import RunFolder
from charrnn.store.weights import COUNTS, Misfit, fill, load_arrays
from charrnn.terminal import say
from charrnn.text.prompts import Prompt, Unknown, read_prompts

if TYPE_CHECKING:  # imported only where they are needed: writing on a CPU does without PyTorch, and begins at once
    import torch

    from charrnn.generation.stepper import Stepper
    from charrnn.models import LanguageModel


class Opened(RunFolder):
    """A run whose model can be used: what all that is done with it needs."""

    def __repr__(self) -> str:
        """What it is, in a line: `Run runs/x: lstm 1 × 256, 2.13 bits`, the bits per character of its best step."""
        bits = self.best_bits
        return f"Run {self.path}: {self.config.model.shape}" + ("" if bits is None else f", {bits:.2f} bits")

    def _repr_html_(self) -> str:
        """The same line for a notebook, with the curve of the training and its last sample."""
        return as_html(repr(self), self.curve(), self.last_sample())

    @cached_property
    def device(self) -> torch.device:
        """The device that the model lives on."""
        return find_device(self.where)

    @cached_property
    def model(self) -> LanguageModel:
        """The model with the weights of `checkpoint`, ready to predict. Raises CharrnnError where there are none."""
        from charrnn.models import model_shape

        # A stranger's config may ask for any size: the memory comes with the weights.
        model = model_shape(self.config.model, len(self.vocabulary))
        fill(model, self.checkpoint.folder / WEIGHTS)
        return model.to(self.device).eval().requires_grad_(False)

    def sampler(self, filters: Filters) -> Sampler:
        """A sampler that writes with this run's model. On the CPU it does without PyTorch if the model allows it."""
        self._check_writes()
        return Sampler(self._stepper, self.vocabulary, filters, documents=self.is_documents)

    def _check_writes(self) -> None:
        """Raises CharrnnError for a model that does not write from left to right."""
        if self.config.model.bidirectional:
            raise CharrnnError(
                f"{self.path}: a bidirectional model cannot write from left to right: it needs what comes after; "
                f'fill blanks with it: charrnn fill {self.path} "a text with a blank ＿"'
            )

    @cached_property
    def _stepper(self) -> Stepper:
        if is_cpu(self.where):
            file = self.checkpoint.folder / WEIGHTS
            try:
                arrays = load_arrays(file)
                if self.config.model.ngram is not None:
                    arrays |= load_arrays(file.with_name(COUNTS))
                fast = fast_stepper(self.config.model, len(self.vocabulary), arrays)
            except Misfit as error:
                raise CharrnnError(f"{file}: {error.message}") from None
            if fast is not None:
                return fast
            say(f"charrnn: {self.config.model.cell} has no way to write without PyTorch, whose start takes seconds")
        from charrnn.generation.torch_stepper import TorchStepper

        return TorchStepper(self.model)

    def read_prompt(
        self,
        text: str | bytes,
        unknown: Unknown = "error",
        strict: bool = False,
        remedy: str = "write the text without them",
    ) -> Prompt:
        """A prompt as `text.prompts.read_prompts` reads it. What is taken for what is named on standard error."""
        return self._read_prompts([text], unknown, strict, remedy)[0]

    def _read_prompts(self, given: Sequence[str | bytes], unknown: Unknown, strict: bool, remedy: str) -> list[Prompt]:
        prompts, note = read_prompts(given, self.vocabulary, self.config.corpus, unknown, strict, remedy)
        if note:
            say(note)
        return prompts


def check_finite(numbers: Iterable[float]) -> None:
    """Raises CharrnnError where what a model gave is not finite."""
    if not all(map(math.isfinite, numbers)):
        raise NoNumbers
