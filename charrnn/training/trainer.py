"""The training loop, to be read from top to bottom.

A `Trainer` yields events; the progress bar, the log, the checkpoints and the samples are listeners. Nothing here writes
a file or prints. One step of learning is in `step.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch

from charrnn.config import TrainingConfig
from charrnn.memory import keep_freed
from charrnn.models import LanguageModel
from charrnn.text.batches import Batches
from charrnn.text.dataset import Part
from charrnn.training.attendance import WorkerLost
from charrnn.training.distributed import Workers
from charrnn.training.events import Event, diverged
from charrnn.training.mixing import ALONE, Alone
from charrnn.training.schedule import is_due, learning_rate
from charrnn.training.step import Learner
from charrnn.training.validation import Validation, metrics


class Trainer(Learner):
    """Trains a model on batches as the config says.

    Each of several workers has a trainer. All make the same steps and yield the same events. Only worker 0 has
    listeners; it decides the time and measures the validation loss for all.
    """

    def __init__(
        self,
        model: LanguageModel,
        batches: Batches,
        validation: Part,
        config: TrainingConfig,
        device: torch.device,
        clock: Callable[[], float] = time.perf_counter,
        workers: Workers | None = None,
        mixing: Alone = ALONE,
    ) -> None:
        super().__init__(model.to(device), batches, config, clock, workers or Workers())
        self.validation = Validation(validation, config.evaluate_characters)
        self.mixing, self.shared = mixing, mixing.shared
        self.recall: Callable[[Trainer], None] = no_checkpoint

    def events(self) -> Iterator[Event]:
        """Trains until the config's length is reached, the user stops it, or patience ends.

        During the events `evaluation`, `sample` and `checkpoint` the model has the averaged weights, if there are any.

        Raises Diverged if the loss or the gradient is no longer finite, before the weights can be saved, and WorkerLost
        if another worker is gone, after a checkpoint of the last whole step.
        """
        try:
            yield from self._events()
        except WorkerLost:
            self.agreement.set(self.agreement.own_seconds)  # the time of waiting counts
            yield self._checkpoint()
            raise

    def _events(self) -> Iterator[Event]:
        keep_freed()
        self.mixing.begin()
        self.agree()
        config, now = self.config, self.progress
        evaluated = -1  # the step of the last evaluation
        self.model.train()
        if not self.standing.step:
            yield self._checkpoint()
        while now.fraction < 1 and not self.agreement.stop and not self.out_of_patience:
            before = now
            rate = self.standing.rate_factor * learning_rate(config, before)
            self.learn(rate)
            now = self.progress
            self.average.update(now)
            if self.numbers.skipped >= config.explosion_steps:
                yield from self._go_back()
                now = self.progress
                continue
            evaluate = is_due(config.evaluate_every, before, now) and self.validation.characters > 0
            sample = is_due(config.sample_every, before, now)
            # The last checkpoint follows the last evaluation, so that a kill cannot leave a finished run without one.
            save = (is_due(config.checkpoint_every, before, now) or self.agreement.save) and now.fraction < 1
            self.agreement.save = False
            ends = now.fraction >= 1 or self.agreement.stop
            log = self.standing.step % config.log_every == 0 or evaluate or save or ends
            yield Event("step", now, self.numbers.means(learning_rate(config, before)) if log else {})
            if not (evaluate or sample or save):
                continue
            with self.average.shown():
                if evaluate:
                    evaluated = self.standing.step
                    yield self._evaluate()
                if sample:
                    self.mixing.wait()
                    yield Event("sample", now)
                if save:
                    yield self._checkpoint()
        if means := self.numbers.means(learning_rate(config, now)):
            yield Event("step", now, means)
        with self.average.shown():
            if self.standing.step not in (0, evaluated) and self.validation.characters and not self.agreement.stop:
                yield self._evaluate()
            yield self._checkpoint()

    def _evaluate(self) -> Event:
        """The event with the validation loss, and whether it is the best so far."""
        measured: dict[str, float] = {}
        if self.workers.rank == 0:
            parts = self.mixing.fit()
            measured = metrics(self.validation.measure(self.model, self.standing)) | parts
        measured = self.workers.numbers_from_first(measured)
        nats = measured["val_loss"]
        if not math.isfinite(nats):
            raise diverged(self.standing.step, self.config)
        is_best = self.standing.judge(nats)
        self.numbers.restart_clock()
        self.carried.gather()
        return Event("evaluation", self.progress, measured, is_best)

    def _checkpoint(self) -> Event:
        """The event that asks for a checkpoint, after the states of all workers have been collected."""
        self.carried.gather()
        return Event("checkpoint", self.progress)

    def _go_back(self) -> Iterator[Event]:
        """Goes back to the last checkpoint after an explosion, and on from there with half the learning rate."""
        explosions, factor = self.standing.explosions + 1, self.standing.rate_factor / 2
        if explosions > self.config.explosions:
            raise diverged(self.standing.step, self.config)
        yield Event("explosion", self.progress, {"explosion": float(explosions), "rate_factor": factor})
        seconds = self.agreement.own_seconds  # the time of the lost steps counts
        if self.workers.rank == 0:
            self.recall(self)
        self.agree()
        self.standing.explosions, self.standing.rate_factor = explosions, factor
        self.agreement.set(seconds)
        self.numbers.forget()


def no_checkpoint(trainer: Trainer) -> None:
    """Raises Diverged: the training has exploded, and nobody saves checkpoints to go back to."""
    raise diverged(trainer.standing.step, trainer.config)
