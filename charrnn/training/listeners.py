"""Who listens to a training: the bar, the log, the samples, the checkpoints, TensorBoard."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor
from tqdm import tqdm

from charrnn.errors import CharrnnError
from charrnn.files import read_json
from charrnn.folder import is_run
from charrnn.generation.filters import Filters
from charrnn.generation.sampler import Sampler
from charrnn.generation.torch_stepper import TorchStepper
from charrnn.run import Run
from charrnn.terminal import printable, say
from charrnn.training.checkpoint import copied, replace_text, sync
from charrnn.training.counting import Counter
from charrnn.training.events import Event
from charrnn.training.lock import held, take
from charrnn.training.schedule import Progress
from charrnn.training.trainer import Trainer


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
        self._run, self._file = run, run.path / "metrics.jsonl"
        self._unwritten, self._failed = b"", False
        if self._file.exists():  # a resumed run: what came after its checkpoint will be measured again
            kept = [line for line in run.history() if line["step"] <= from_step]
            try:
                replace_text(self._file, "".join(json.dumps(line) + "\n" for line in kept))
            except OSError as error:
                raise CharrnnError(f"{self._file}: cannot be written: {error.strerror}") from None

    def hear(self, event: Event) -> None:
        """Writes a line where something was measured."""
        if event.metrics:
            at = event.progress
            line = {"step": at.steps, "minutes": round(at.minutes, 4), "epochs": round(at.epochs, 4)}
            line |= {key: float(f"{value:.6g}") for key, value in event.metrics.items()}
            self._unwritten += json.dumps(line).encode() + b"\n"
            self._write()

    def _write(self) -> None:
        """What the disk refuses is kept and written with the next line. Opened each time: the folder may have gone."""
        try:
            if held(self._run.path):
                with self._file.open("ab", buffering=0) as file:
                    self._unwritten = self._unwritten[file.write(self._unwritten) or 0 :]
            self._failed = False
        except OSError as error:
            if not self._failed:
                say(f"{self._file}: cannot be written: {error.strerror}; its lines are kept until it can")
            self._failed = True

    def close(self) -> None:
        """Writes what is left."""
        if self._unwritten:
            self._write()


@dataclass(frozen=True)
class Copy:
    """What a checkpoint is made of, out of the model's reach."""

    step: int
    weights: dict[str, Tensor]
    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    best: bool


class Saver:
    """Checkpoints: the best after its evaluation, the last now and then.

    The training waits for the copy out of the model; a thread brings it to the disk, one at a time. What the disk
    refuses is tried again at the next save and at the end: a full disk may be emptied, a folder come back, and a
    training is dearer than one checkpoint.
    """

    def __init__(self, run: Run, trainer: Trainer | Counter) -> None:
        self._run, self._trainer = run, trainer
        self._copied = trainer.step or -1  # the step that was copied last; a resumed one is on the disk
        self._exploded = False  # since then
        self._unsaved: list[Copy] = []
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        """Only leaving it matters."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Waits until all is on the disk. Raises CharrnnError where the end of a training cannot be saved."""
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            return  # a second Ctrl-C leaves at once; the checkpoint before is whole
        self._wait()
        self._write()
        if self._unsaved and kind is None:
            step = self._unsaved[-1].step
            raise CharrnnError(
                f"{self._run.path}: step {step:,} could not be saved, and the training is over; make room for it and "
                f"go on from the checkpoint before it: charrnn train --resume {self._run.path}"
            )

    def hear(self, event: Event) -> None:
        """Saves if it is time to."""
        trainer = self._trainer
        if event.kind == "explosion" and isinstance(trainer, Trainer):
            self._wait()
            self._unsaved.clear()  # what follows now happens on another path
            # Where it explodes again before anything new was saved, that checkpoint is no good itself.
            self._run.checkpoints.restore(trainer, before=self._copied if self._exploded else None)
            self._copied, self._exploded = trainer.step, True
        elif event.is_best or (event.kind == "checkpoint" and self._copied != trainer.step):
            self._wait()
            tensors, facts = trainer.state()
            copy = Copy(trainer.step, copied(trainer.model.state_dict()), copied(tensors), facts, event.is_best)
            self._unsaved = [old for old in self._unsaved if old.best and not copy.best] + [copy]
            self._copied, self._exploded = trainer.step, False
            self._thread = threading.Thread(target=self._write, daemon=True)
            self._thread.start()

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _write(self) -> None:
        run, keep = self._run, self._run.config.training.keep
        while self._unsaved:
            copy = self._unsaved[0]
            try:
                self._put_back()
                if (metrics := run.path / "metrics.jsonl").exists():
                    sync(metrics)  # what a checkpoint stands for is on the disk before it
                run.checkpoints.save(copy.step, copy.weights, copy.tensors, copy.facts, copy.best, keep)
            except OSError as error:
                where = error.filename or run.path
                say(f"{where}: step {copy.step:,} cannot be saved: {error.strerror}; trying again later")
                return
            except CharrnnError as error:
                say(f"step {copy.step:,} cannot be saved: {error}")
                return
            del self._unsaved[0]

    def _put_back(self) -> None:
        """Makes the run's folder again where it was deleted under the training."""
        run = self._run
        there = is_run(run.path)
        if there and held(run.path):
            return
        if there and read_json(run.path / "run.json").get("id") != run.facts["id"]:
            raise CharrnnError(f"{run.path}: holds another run now, which is left alone")
        run.path.mkdir(parents=True, exist_ok=True)
        if not held(run.path):
            take(run.path)
        if not there:
            say(f"{run.path}: was deleted under the training; it is made again, with what is known")
            run.write()

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
        try:
            with (self._run.path / "samples.txt").open("a", encoding="utf-8") as file:
                file.write(f"=== step {step}\n{sample.text}\n\n")
        except OSError as error:
            say(f"{self._run.path}/samples.txt: cannot be written: {error.strerror}; going on without this sample")
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
