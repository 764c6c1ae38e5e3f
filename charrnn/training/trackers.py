"""Listeners that show a training elsewhere: TensorBoard, wandb, trackio. None of them can end the training."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

from charrnn.config import TrainingConfig
from charrnn.errors import CharrnnError
from charrnn.loading import without_folders
from charrnn.models import LanguageModel
from charrnn.run import Run
from charrnn.terminal import warn
from charrnn.text.vocab import Vocabulary
from charrnn.training.events import Event, Listener

PROJECT = "charrnn"
"""The project that runs are shown in, unless the environment says WANDB_PROJECT or TRACKIO_PROJECT."""


def check_trackers(training: TrainingConfig) -> None:
    """Raises CharrnnError where a package is missing that shows a training: before the training begins."""
    if training.track is not None:
        _module(training.track)
    if training.tensorboard:
        _summary_writer()


def trackers(run: Run, model: LanguageModel) -> list[Listener]:
    """The listeners that `training.track` and `training.tensorboard` ask for."""
    training, found = run.config.training, list[Listener]()
    if training.tensorboard:
        found.append(Guarded("training.tensorboard", lambda: TensorBoard(run, model)))
    if (name := training.track) is not None:
        found.append(Guarded(f"training.track: {name}", lambda: Tracker(run, name)))
    return found


class Guarded:
    """A listener that is left alone after its first mistake. The training goes on: its own log lacks nothing."""

    def __init__(self, what: str, make: Callable[[], Listener]) -> None:
        self._what = what
        self._listener: Listener | None = None
        self._listener = self._try(make)

    def hear(self, event: Event) -> None:
        """Passes an event on."""
        if (listener := self._listener) is not None:
            self._try(lambda: listener.hear(event))

    def close(self) -> None:
        """Closes the listener, if it has made no mistake."""
        if (listener := self._listener) is not None:
            self._try(listener.close)

    def _try(self, do: Callable[[], Any]) -> Any:
        try:
            return do()
        except CharrnnError:
            raise
        except Exception as error:  # a network, a disk, or whatever else a package may stumble over
            self._listener = None
            detail = (str(error).strip().splitlines() or [""])[0][:200].rstrip(".")
            warn(
                f"{self._what}: {type(error).__name__}{': ' * bool(detail)}{detail}; the training goes on, and is not "
                "shown there any more"
            )
            return None


class Tracker:
    """Speaks to a package as wandb does: `init`, `log`, `finish`. It sends numbers and the config, and no text."""

    def __init__(self, run: Run, name: str) -> None:
        self._module = _module(name)
        project = os.environ.get(f"{name.upper()}_PROJECT") or PROJECT
        # A training that goes on is the same run there. wandb knows it by its id, trackio by its name.
        known = {"id": run.facts.id} if name == "wandb" else {}
        shown = f"{run.path.absolute().name}-{run.facts.id[:6]}"
        with redirect_stdout(sys.stderr):  # trackio prints, and standard output is for the path of the run
            self._module.init(project=project, name=shown, config=_config(run), resume="allow", **known)

    def hear(self, event: Event) -> None:
        """Logs the metrics of an event."""
        if event.metrics:
            self._module.log(dict(event.metrics), step=event.progress.steps)

    def close(self) -> None:
        """Says that the training has ended."""
        with redirect_stdout(sys.stderr):
            self._module.finish()


def _config(run: Run) -> dict[str, Any]:
    """The config and what is known of the text, without the folders of the user's."""
    facts = run.facts.model_dump(include={"parameters", "characters", "documents", "vocabulary", "mode"})
    return without_folders(run.config).model_dump() | {"run": facts}


class TensorBoard:
    """TensorBoard files in the run's folder, for `tensorboard --logdir runs`: the metrics, the samples as text, and at
    the end the embedding of the characters for the projector.
    """

    def __init__(self, run: Run, model: LanguageModel) -> None:
        self._run, self._model, self._step = run, model, 0
        self._writer = _summary_writer()(str(run.path / "tensorboard"))

    def hear(self, event: Event) -> None:
        """Adds the metrics of an event, and the sample that was written for it."""
        self._step = event.progress.steps
        for name, value in event.metrics.items():
            self._writer.add_scalar(name, value, self._step)
        if event.kind == "sample" and self._model.causal and (text := self._run.last_sample()):
            code = "\n".join(f"    {line}" for line in text.split("\n"))  # Markdown, in which this is as it stands
            self._writer.add_text("sample", code, self._step)

    def close(self) -> None:
        """Adds the embedding, and closes the files."""
        weights = dict(self._model.learner.named_parameters())
        if (embedding := weights.get("embedding.weight")) is not None:
            labels = _labels(self._run.vocabulary)
            self._writer.add_embedding(embedding.detach().float().cpu(), labels, None, self._step, "embedding")
        self._writer.close()


def _labels(vocabulary: Vocabulary) -> list[str]:
    """What each id is called. A character that one does not see, such as a line end, is called by its code point."""
    if vocabulary.kind == "byte":
        characters = [f"{byte:02x}" for byte in range(256)]
    else:
        seen = (c.isprintable() and not c.isspace() for c in vocabulary.characters)
        named = zip(vocabulary.characters, seen, strict=True)
        characters = [c if visible else f"U+{ord(c):04X}" for c, visible in named]
    return [*characters, "<unk>", "<boundary>"]


def _module(name: str) -> Any:
    """The package. Raises CharrnnError where there is none: a folder of that name is none, such as wandb's own."""
    try:
        module = import_module(name)
    except ImportError:
        module = None
    if not hasattr(module, "init"):
        raise CharrnnError(f"training.track: {name}: needs the package {name}: pip install {name}")
    return module


def _summary_writer() -> Callable[[str], Any]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise CharrnnError("training.tensorboard: needs TensorBoard: pip install 'charrnn[tensorboard]'") from None
    return SummaryWriter
