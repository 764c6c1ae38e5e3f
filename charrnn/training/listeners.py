"""Who listens to a training: the bar, the log, the samples, the checkpoints, TensorBoard."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from charrnn.errors import CharrnnError
from charrnn.generation.filters import Filters
from charrnn.generation.sampler import Sampler
from charrnn.generation.torch_stepper import TorchStepper
from charrnn.run import Run
from charrnn.terminal import printable, say
from charrnn.training.checkpoint import replace_text
from charrnn.training.counting import Counter
from charrnn.training.schedule import Progress
from charrnn.training.trainer import Event, Trainer


class Listener(Protocol):
    """Is told every event, and at last that there are no more."""

    def hear(self, event: Event) -> None:
        """Takes notice of an event; the trainer waits."""
        ...

    def close(self) -> None:
        """The training has ended, well or not."""
        ...


class Bar:
    """The progress bar, and a line for every evaluation; no bar where standard error is no terminal."""

    def __init__(self, trainer: Trainer | Counter) -> None:
        self._trainer = trainer
        form = "{percentage:3.0f}% {bar} {elapsed} < {remaining}{postfix}"
        self._bar = tqdm(
            total=100.0,
            initial=self._percent(trainer.progress),
            bar_format=form,
            dynamic_ncols=True,
            disable=None,
        )
        self._train = math.nan

    @staticmethod
    def _percent(progress: Progress) -> float:
        return 100 * progress.fraction

    def hear(self, event: Event) -> None:
        """Moves on."""
        if event.kind == "step":
            self._bar.update(max(0.0, self._percent(event.progress) - self._bar.n))
            m = event.metrics
            if "ngrams" in m:
                say(f"counted {m['ngrams']:,} n-grams in {m['seconds']:.1f} s, {m['megabytes']:.1f} MB of tables")
            elif m:
                self._train = m["loss"]
                loss, rate = (
                    f"loss {m['loss']:.3f} nats = {m['bits_per_char']:.3f} bits/char",
                    m["characters_per_second"],
                )
                self._bar.set_postfix_str(f"{loss}, {rate:,.0f} chars/s", refresh=False)
        elif event.kind == "evaluation":
            at, m = event.progress, event.metrics
            best = "  best so far" if event.is_best else ""
            train = "" if math.isnan(self._train) else f"train {self._train:.4f}  "
            say(
                f"step {at.steps:>7,}  {at.minutes:6.1f} min  {at.epochs:6.2f} epochs  {train}"
                f"val {m['val_loss']:.4f} nats = {m['val_bits_per_char']:.4f} bits/char{best}"
            )

        elif event.kind == "explosion":
            at, m = event.progress, event.metrics
            say(
                f"step {at.steps:>7,}  the gradient is no longer finite (explosion {m['explosion']:.0f}): "
                f"back to the last checkpoint, with {m['rate_factor']:g} of the learning rate"
            )

    def close(self) -> None:
        """Leaves the finished bar."""
        self._bar.close()


class Log:
    """metrics.jsonl: a JSON object a line, first what was measured in training, then at evaluations."""

    def __init__(self, run: Run, from_step: int) -> None:
        file = run.path / "metrics.jsonl"
        if file.exists():  # a resumed run: what came after its checkpoint will be measured again
            kept = [line for line in run.history() if line["step"] <= from_step]
            replace_text(file, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = file.open("a", encoding="utf-8")

    def hear(self, event: Event) -> None:
        """Writes a line where something was measured."""
        if event.metrics:
            at = event.progress
            line = {"step": at.steps, "minutes": round(at.minutes, 4), "epochs": round(at.epochs, 4)}
            line |= {key: float(f"{value:.6g}") for key, value in event.metrics.items()}
            try:
                self._file.write(json.dumps(line) + "\n")
                self._file.flush()
            except OSError as error:
                say(f"metrics.jsonl: cannot be written: {error.strerror}; going on without this line")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class Saver:
    """Checkpoints: the best after its evaluation, the last now and then."""

    def __init__(self, run: Run, trainer: Trainer | Counter) -> None:
        self._run, self._trainer = run, trainer
        self._saved = -1

    def hear(self, event: Event) -> None:
        """Saves if it is time to."""
        if event.kind == "explosion" and isinstance(self._trainer, Trainer):
            self._run.checkpoints.restore(self._trainer)
            self._saved = self._trainer.step
        elif event.kind == "checkpoint" and self._saved != self._trainer.step:
            self._save(best=False)
        elif event.is_best:
            self._save(best=True)

    def _save(self, best: bool) -> None:
        trainer = self._trainer
        tensors, facts = trainer.state()
        keep = self._run.config.training.keep
        try:
            self._run.checkpoints.save(trainer.step, trainer.model.state_dict(), tensors, facts, best, keep)
        except OSError as error:
            # A full disk may be emptied, a folder be made writable: training is dearer than one checkpoint.
            where = error.filename or self._run.path
            say(f"{where}: step {trainer.step:,} cannot be saved: {error.strerror}; trying again later")
            return
        self._saved = trainer.step

    def close(self) -> None:
        """Nothing is open."""


class Writer:
    """Samples: into samples.txt, and for people on standard error."""

    def __init__(self, run: Run, trainer: Trainer | Counter, quiet: bool) -> None:
        self._run, self._trainer, self._quiet = run, trainer, quiet
        documents = run.facts["mode"] == "documents"
        filters = Filters.of(run.config.sampling)
        self._sampler = Sampler(TorchStepper(trainer.model, trainer.device), run.vocabulary, filters, documents)
        self._prompt = run.encode_prompt(run.config.sampling.prompt)

    def hear(self, event: Event) -> None:
        """Writes a sample if it is time to."""
        if event.kind != "sample" or not self._trainer.model.causal:
            return
        model, step = self._trainer.model, event.progress.steps
        model.eval()
        sample = self._sampler.sample(self._prompt, self._run.config.sampling.length, [step])[0]
        model.train()
        with (self._run.path / "samples.txt").open("a", encoding="utf-8") as file:
            file.write(f"=== step {step}\n{sample.text}\n\n")
        if not self._quiet:
            say(f"--- sample at step {step:,}\n{printable(sample.text)}\n---")

    def close(self) -> None:
        """Nothing is open."""


class TensorBoard:
    """TensorBoard files in the run's folder, for `tensorboard --logdir runs`."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise CharrnnError("training.tensorboard: needs TensorBoard: pip install 'charrnn[tensorboard]'") from None
        writer: Callable[..., Any] = SummaryWriter
        self._writer = writer(str(folder))

    def hear(self, event: Event) -> None:
        """Passes the metrics on."""
        for name, value in event.metrics.items():
            self._writer.add_scalar(name, value, event.progress.steps)

    def close(self) -> None:
        """Closes the files."""
        self._writer.close()
