"""The listeners of a training: progress bar, log, samples. (`saver.py` writes the checkpoints, and
`trackers.py` shows a training elsewhere.)"""

from __future__ import annotations

import json
import math
from typing import Any

from charrnn.config import Config
from charrnn.errors import CharrnnError
from charrnn.files import open_to_append
from charrnn.generation.fast import stepper as fast_stepper
from charrnn.generation.filters import Filters
from charrnn.generation.sampler import Sampler
from charrnn.generation.stepper import Stepper
from charrnn.generation.torch_stepper import TorchStepper
from charrnn.run import Run
from charrnn.store.history import cut_history, read_history
from charrnn.store.lock import held
from charrnn.terminal import bar, say, warn
from charrnn.text.prompts import read_prompts
from charrnn.text.vocab import Vocabulary
from charrnn.training.events import Event, Training
from charrnn.training.schedule import Progress
from charrnn.training.wording import Words


class Bar:
    """The progress bar, and a line for every evaluation. There is no bar if standard error is not a terminal."""

    def __init__(self, run: Run, training: Training) -> None:
        self._words = Words(read_history(run.metrics))
        form = "{percentage:3.0f}% {bar} {elapsed} < {remaining}{postfix}"
        self._bar = bar(
            total=100.0,
            initial=self._percent(training.progress),
            bar_format=form,
            dynamic_ncols=True,
        )
        self._train = math.nan

    @staticmethod
    def _percent(progress: Progress) -> float:
        return 100 * progress.fraction

    def hear(self, event: Event) -> None:
        """Moves the bar at a step, and prints a line at an evaluation or an explosion."""
        words = self._words.add({"step": event.progress.steps, "epochs": event.progress.epochs} | event.metrics)
        if event.kind == "step":
            self._bar.update(max(0.0, self._percent(event.progress) - self._bar.n))
            m = event.metrics
            if "ngrams" in m:
                say(f"counted {m['ngrams']:,} n-grams in {m['seconds']:.1f} s, {m['megabytes']:.1f} MB of tables")
            elif m:
                self._train = m["loss"]
                loss = f"loss {m['loss']:.3f} nats = {m['bits_per_char']:.3f} bits/char"
                self._bar.set_postfix_str(f"{loss}, {m['characters_per_second']:,.0f} chars/s", refresh=False)
        elif event.kind == "evaluation":
            at, m = event.progress, event.metrics
            said = "; ".join(filter(None, ("best so far" if event.is_best else "", words)))
            error = f" ± {m['val_error']:.4f}" if "val_error" in m else ""
            train = "" if math.isnan(self._train) else f"train {self._train:.4f}  "
            say(
                f"step {at.steps:>7,}  {at.minutes:6.1f} min  {at.epochs:6.2f} epochs  {train}"
                f"val {m['val_loss']:.4f}{error} nats = {m['val_bits_per_char']:.4f} bits/char"
                + (f"  {said}" if said else "")
            )
        elif event.kind == "explosion":
            at, m = event.progress, event.metrics
            say(
                f"step {at.steps:>7,}  the gradient is no longer finite (explosion {m['explosion']:.0f}): "
                f"back to the last checkpoint, with {m['rate_factor']:g} of the learning rate"
            )

    def close(self) -> None:
        """Closes the bar where it is."""
        self._bar.close()


class Log:
    """The file metrics.jsonl, with one JSON object in each line: metrics of training steps and of evaluations."""

    def __init__(self, run: Run, from_step: int) -> None:
        self._run, self._file = run, run.metrics
        self._unwritten, self._failed = b"", False
        if self._file.exists():  # what came after the checkpoint will be measured again
            cut_history(self._file, from_step)

    def hear(self, event: Event) -> None:
        """Writes a line if the event has metrics."""
        if event.metrics:
            at = event.progress
            line: dict[str, Any] = {"kind": event.kind}
            line |= {"step": at.steps, "minutes": round(at.minutes, 4), "epochs": round(at.epochs, 4)}
            line |= {key: float(f"{value:.6g}") for key, value in event.metrics.items()}
            self._unwritten += json.dumps(line).encode() + b"\n"
            self._write()

    def _write(self) -> None:
        """Writes the waiting lines. If that fails they wait for the next line. The folder may be deleted meanwhile."""
        try:
            if held(self._run.path):
                with open_to_append(self._file) as file:
                    self._unwritten = self._unwritten[file.write(self._unwritten) or 0 :]
            self._failed = False
        except OSError as error:
            if not self._failed:
                warn(f"{self._file}: cannot be written: {error.strerror}; its lines are kept until it can")
            self._failed = True

    def close(self) -> None:
        """Writes the lines that still wait."""
        if self._unwritten:
            self._write()


class Samples:
    """The samples of a training, in samples.txt and on standard error."""

    def __init__(self, run: Run, training: Training, quiet: bool) -> None:
        self._run, self._quiet = run, quiet
        self._model = training.model
        self._prompt = encode_prompt(run.config, run.vocabulary)

    def hear(self, event: Event) -> None:
        """Writes a sample at a `sample` event, if the model can write."""
        if event.kind != "sample" or not self._model.causal:
            return
        run, step = self._run, event.progress.steps
        self._model.eval()
        sampler = Sampler(self._stepper(), run.vocabulary, Filters.of(run.config.sampling), run.is_documents)
        sample = sampler.sample(self._prompt, run.config.sampling.length, step)[0]
        self._model.train()
        try:
            with open_to_append(self._run.path / "samples.txt") as file:
                file.write(f"=== step {step}\n{sample.text}\n\n".encode())
        except OSError as error:
            warn(f"{self._run.path}/samples.txt: cannot be written: {error.strerror}; going on without this sample")
        if not self._quiet:
            say(f"--- sample at step {step:,}\n{sample.text}\n---")

    def _stepper(self) -> Stepper:
        """The fastest one, with the weights of now, also on a GPU: a training of a minute has no time for seconds."""
        weights = {name: tensor.cpu().numpy() for name, tensor in self._model.state_dict().items()}
        return fast_stepper(self._run.config.model, len(self._run.vocabulary), weights) or TorchStepper(self._model)

    def close(self) -> None:
        """Does nothing: no file is open."""


def encode_prompt(config: Config, vocabulary: Vocabulary) -> list[int]:
    """The ids of `sampling.prompt`. Raises CharrnnError for unknown characters."""
    remedy = "give another prompt: ‹overrides=sampling.prompt=TEXT›"
    try:
        return read_prompts([config.sampling.prompt], vocabulary, config.corpus, remedy=remedy)[0][0].ids
    except CharrnnError as error:
        raise CharrnnError(f"sampling.prompt: {error.message}") from None
