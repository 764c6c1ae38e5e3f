"""The training loop, to be read from top to bottom.

A `Trainer` yields events; the progress bar, the log, the checkpoints and the samples are listeners, each in
`listeners.py`. Nothing here writes a file or prints.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from charrnn.config import TrainingConfig
from charrnn.evaluation.likelihood import likelihood, some_characters, to_device
from charrnn.memory import keep_freed
from charrnn.models import LanguageModel, set_dropout_generator
from charrnn.text.batches import Batch, Batches, Position
from charrnn.text.dataset import Part
from charrnn.training.averaging import Average
from charrnn.training.carried import Carried
from charrnn.training.distributed import Agreement, WorkerLost, Workers
from charrnn.training.events import Event, diverged
from charrnn.training.loss import backward
from charrnn.training.numbers import Means, Numbers
from charrnn.training.optimizer import (
    apply_step,
    build_optimizers,
    clip,
    load_optimizer_tensors,
    optimizer_tensors,
)
from charrnn.training.penalty import ActivationPenalty
from charrnn.training.schedule import Progress, is_due, learning_rate, progress_of


class Trainer:
    """Trains a model on batches, as the config says, and remembers all that is needed to go on later.

    Of several workers each has a trainer. All make the same steps and the same events; worker 0's has listeners, and
    what only one can decide (the time, signals, the validation loss) is its word.

    An evaluation reads all of `validation`, or as much of it as there is time for where the config leaves that open.
    """

    def __init__(
        self,
        model: LanguageModel,
        batches: Batches,
        validation: Part,
        boundary: int,
        config: TrainingConfig,
        device: torch.device,
        clock: Callable[[], float] = time.perf_counter,
        workers: Workers | None = None,
    ) -> None:
        self.workers = workers or Workers()
        self.model, self.batches, self.config, self.device = model.to(device), batches, config, device
        self.weights, self.optimizers = build_optimizers(model, config)
        self.average = Average(model, config)
        self.penalty = ActivationPenalty(model, config)
        self.validation, self.boundary = validation, boundary
        self.learnt = 0  # characters, over all passes
        self.evaluated = 0  # validation characters at each evaluation; 0 until the first one
        self.step, self.best, self.evaluations_since_best = 0, math.inf, 0
        self.carried = Carried(model, self.workers)
        self._position = Position()
        self._masks = torch.Generator(device)
        set_dropout_generator(model, self._masks)
        self._clock, self._seconds_before, self._started = clock, 0.0, clock()
        self.agreed = Agreement(self.workers)
        self._numbers = Numbers(device)
        self._means = Means(clock)
        self.rate_factor, self.explosions, self._skipped = 1.0, 0, 0

    def stop(self) -> None:
        """Ends the training after the current step, with a checkpoint."""
        self.agreed.ask_to_stop()

    def save_soon(self) -> None:
        """Has a checkpoint written after the current step."""
        self.agreed.ask_to_save()

    @property
    def seconds(self) -> float:
        """Time spent in training, over all resumptions."""
        return self._seconds_before + self._clock() - self._started

    @property
    def progress(self) -> Progress:
        """Where the training stands."""
        return progress_of(self.config, self.step, self.agreed.seconds(self.seconds) / 60, self.batches.epochs)

    def events(self) -> Iterator[Event]:
        """Trains until the config's length is reached, `stop` is called, or patience ends.

        Whoever hears of an evaluation, a sample or a checkpoint finds the averaged weights in the model, if there are.

        Raises Diverged where the loss or the gradient is no longer finite, before anyone can save what came of it, and
        WorkerLost where another worker is gone, after a checkpoint of the last whole step.
        """
        try:
            yield from self._events()
        except WorkerLost:
            yield self._checkpoint(self.progress)
            raise

    def _events(self) -> Iterator[Event]:
        keep_freed()
        self._take_over()
        config, now, evaluated = self.config, self.progress, -1
        self.model.train()
        if not self.step:
            yield self._checkpoint(now)
        while now.fraction < 1 and not self.agreed.stop and not self.out_of_patience:
            before = now
            batch = self.batches.next()
            self._learn(batch, self._rate(before, len(batch.inputs)))
            now = self.progress
            self.average.update(now)
            if self._skipped >= config.explosion_steps:
                yield from self._recover(now)
                now = self.progress
                continue
            logged = self.step % config.log_every == 0
            evaluate = is_due(config.evaluate_every, before, now) and self.validation.characters > 0
            # Not at the end: what is saved there must have been evaluated, or a kill in between would leave that out.
            save = (is_due(config.checkpoint_every, before, now) or self.agreed.save) and now.fraction < 1
            self.agreed.save = False
            # Means are taken and forgotten here: before a checkpoint too, so that a resumed run takes the same ones.
            metrics = self._metrics(before) if logged or evaluate or save else {}
            yield Event("step", now, metrics)
            if evaluate:
                evaluated = self.step
                with self.average.shown():
                    yield self._evaluate()
            if is_due(config.sample_every, before, now):
                with self.average.shown():
                    yield Event("sample", now)
            if save:
                with self.average.shown():
                    yield self._checkpoint(now)
        if metrics := self._metrics(now):
            yield Event("step", now, metrics)
        with self.average.shown():
            if self.validation.characters and evaluated != self.step and not self.agreed.stop and self.step:
                yield self._evaluate()
            yield self._checkpoint(now)

    def _learn(self, batch: Batch, rate: float) -> None:
        """One step: forward, backward through the window, add up what the workers found, clip, update."""
        seed = self.config.seed * 1_000_003 + self.step
        self._masks.manual_seed(seed % 2**63)
        state = self.carried.begin(batch, self.config.forget, self._masks)
        if self.workers.rank:  # dropout masks of its own; those of worker 0 are those of a single one
            self._masks.manual_seed((seed + self.workers.rank * 0x9E3779B97F4A7C15) % 2**63)
        gradients, nats = self.weights.clear(), torch.zeros((), device=self.device)
        if batch.inputs.shape[1]:  # a short group of documents may leave nothing for this worker
            nats, state = backward(self.model, batch, state, self.device, self.penalty, self.config.precision)
        said = to_device(np.array(self.agreed.said(self.seconds), np.float32), self.device)
        nats, *sums = self.workers.sum_gradients(gradients, torch.cat([nats[None], said])).unbind()
        loss, norm = nats / batch.characters, clip(gradients, self.config)
        finite = torch.isfinite(loss) & torch.isfinite(norm)
        apply_step(self.optimizers, rate, finite)
        self.carried.end(state, finite)
        self.step += 1
        self.learnt += batch.characters
        self._position = replace(self.batches.position)
        self._numbers.send(batch.characters, torch.stack([loss, norm, *sums]))
        self._look()

    def _look(self, everything: bool = False) -> None:
        """Takes notice of the numbers of past steps, which all workers see alike."""
        for characters, (loss, norm, *said) in self._numbers.arrived(everything):
            self.agreed.heard(*said)
            if math.isfinite(loss) and math.isfinite(norm):
                self._skipped = 0
                self._means.add(loss, norm, characters)
            else:
                self._skipped += 1

    def _rate(self, at: Progress, window: int) -> float:
        """The learning rate of a step: smaller after an explosion, and for a window that was made shorter."""
        rate = self.rate_factor * learning_rate(self.config, at)
        return rate * window / self.config.window if self.config.window_deviation else rate

    def _recover(self, now: Progress) -> Iterator[Event]:
        """Has the last checkpoint loaded and goes on from it with half the learning rate."""
        self.explosions += 1
        explosions, factor, seconds = self.explosions, self.rate_factor / 2, self.seconds
        if explosions > self.config.explosions:
            raise diverged(self.step, self.config)
        yield Event("explosion", now, {"explosion": float(explosions), "rate_factor": factor})
        self._take_over()
        self.explosions, self.rate_factor, self._skipped = explosions, factor, 0
        self._seconds_before, self._started = seconds, self._clock()  # the time is spent all the same
        self._means.forget()
        self._numbers.forget()

    def _metrics(self, at: Progress) -> dict[str, float]:
        """Means since the last call; nothing where no step was applied."""
        self._look(everything=True)
        return self._means.take(learning_rate(self.config, at))

    def _evaluate(self) -> Event:
        """The validation loss, and whether it is the best so far."""
        self.evaluated = self.evaluated or max(5_000, self.learnt // 60)
        part, stream, nats = self.validation, None, 0.0
        if self.config.evaluate_characters == "auto":
            # What is read quickly is read as more and shorter streams, whose beginnings raise the loss by a little.
            stream = 1_000
            part = some_characters(part, self.evaluated, stream)
        if self.workers.rank == 0:
            nats = likelihood(self.model, part, self.boundary, self.device, stream=stream).nats_per_char
        nats = self.workers.number_from_first(nats)
        if not math.isfinite(nats):
            raise diverged(self.step, self.config)
        is_best = nats < self.best
        self.best = min(self.best, nats)
        self.evaluations_since_best = 0 if is_best else self.evaluations_since_best + 1
        self._means.restart()
        self.carried.gather()
        metrics = {"val_loss": nats, "val_bits_per_char": nats / math.log(2)}
        return Event("evaluation", self.progress, metrics, is_best)

    @property
    def out_of_patience(self) -> bool:
        """Whether too many evaluations have passed without a better one."""
        return self.config.patience is not None and self.evaluations_since_best >= self.config.patience

    def _checkpoint(self, now: Progress) -> Event:
        """It is time to save, and what is saved has been brought together."""
        self.carried.gather()
        return Event("checkpoint", now)

    def _take_over(self) -> None:
        """Gives all workers what worker 0 has: fresh weights, or those of a checkpoint."""
        if self.workers.count == 1:
            return
        tensors, facts = self.state()
        weights = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors, facts = self.workers.state_from_first(tensors | weights, facts)
        self.model.load_state_dict(_inside(tensors, "model."))
        self.load_state(tensors, facts)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that training needs to go on, apart from the weights: tensors, and facts for JSON."""
        tensors = {f"optimizer.{key}": value for key, value in optimizer_tensors(self.optimizers).items()}
        tensors |= {f"carried.{i}": value for i, value in enumerate(self.carried.tensors)}
        tensors |= {f"average.{name}": value for name, value in self.average.tensors().items()}
        facts = {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best if math.isfinite(self.best) else None,
            "evaluations_since_best": self.evaluations_since_best,
            "position": asdict(self._position),
            "rate_factor": self.rate_factor,
            "explosions": self.explosions,
            "learnt": self.learnt,
            "evaluated": self.evaluated,
            "average": self.average.facts(),
            "finished": self.progress.fraction >= 1 or self.out_of_patience,
        }
        return tensors, facts

    def load_state(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Puts back what `state` gave; the weights are loaded into the model by the caller."""
        load_optimizer_tensors(self.optimizers, _inside(tensors, "optimizer."))
        self.average.load(_inside(tensors, "average."), facts.get("average"))
        count = sum(key.startswith("carried.") for key in tensors)
        self.carried.load(tuple(tensors[f"carried.{i}"].to(self.device) for i in range(count)))
        self.step, self._seconds_before = facts["step"], facts["seconds"]
        self.best = math.inf if facts["best"] is None else facts["best"]
        self.evaluations_since_best = facts["evaluations_since_best"]
        self.rate_factor, self.explosions = facts["rate_factor"], facts["explosions"]
        self.learnt, self.evaluated = facts.get("learnt", 0), facts.get("evaluated", 0)
        self.agreed.heard(0, 0, facts["seconds"])
        self._position = Position(**facts["position"])
        self.batches.position = replace(self._position)
        self._started = self._clock()
        self._means.restart()


def _inside(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
