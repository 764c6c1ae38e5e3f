"""The training loop, to be read from top to bottom.

A `Trainer` yields events; the progress bar, the log, the checkpoints and the samples are listeners, each in
`listeners.py`. Nothing here writes a file or prints.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from charrnn.config import TrainingConfig
from charrnn.device import in_bfloat16
from charrnn.errors import Diverged
from charrnn.evaluation.likelihood import Likelihood, first_characters, likelihood, surprisal
from charrnn.models import LanguageModel, State, set_dropout_generator
from charrnn.text.batches import Batch, Batches, Position
from charrnn.text.dataset import Part
from charrnn.training.averaging import Average
from charrnn.training.optimizer import build_optimizer, load_optimizer_tensors, optimizer_tensors
from charrnn.training.penalty import ActivationPenalty
from charrnn.training.schedule import Progress, is_due, learning_rate, progress_of


@dataclass(frozen=True)
class Event:
    """Something that happened in a training.

    `step`: a step was made; `metrics` is filled every `log_every` steps, and before evaluations and checkpoints.
    `evaluation`: the validation loss is in `metrics`.
    `sample`: it is time to write one.
    `checkpoint`: it is time to save; the first and the last event are always one.
    `explosion`: several steps in a row had no finite gradient and were not applied: it is time to `load_state` of the
    last checkpoint.
    """

    kind: Literal["step", "evaluation", "sample", "checkpoint", "explosion"]
    progress: Progress
    metrics: dict[str, float] = field(default_factory=dict)
    is_best: bool = False


class Trainer:
    """Trains a model on batches, as the config says, and remembers all that is needed to go on later."""

    def __init__(
        self,
        model: LanguageModel,
        batches: Batches,
        validation: Part,
        boundary: int,
        config: TrainingConfig,
        device: torch.device,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.model, self.batches, self.config, self.device = model.to(device), batches, config, device
        self.optimizer = build_optimizer(model, config)
        self.average = Average(model, config)
        self.penalty = ActivationPenalty(model, config)
        self.validation = first_characters(validation, config.evaluate_characters)
        self.boundary = boundary
        self.step, self.best, self.evaluations_since_best = 0, math.inf, 0
        self.carried: State = ()
        self._masks = torch.Generator(device)
        set_dropout_generator(model, self._masks)
        self._clock, self._seconds_before, self._started = clock, 0.0, clock()
        self._losses: list[Tensor] = []
        self._norms: list[Tensor] = []
        self._characters, self._since = 0, self._started
        self._stop, self._save = False, False
        self.rate_factor, self.explosions, self._skipped = 1.0, 0, 0

    def stop(self) -> None:
        """Ends the training after the current step, with a checkpoint."""
        self._stop = True

    def save_soon(self) -> None:
        """Has a checkpoint written after the current step."""
        self._save = True

    @property
    def seconds(self) -> float:
        """Time spent in training, over all resumptions."""
        return self._seconds_before + self._clock() - self._started

    @property
    def progress(self) -> Progress:
        """Where the training stands."""
        return progress_of(self.config, self.step, self.seconds / 60, self.batches.epochs)

    def events(self) -> Iterator[Event]:
        """Trains until the config's length is reached, `stop` is called, or patience ends.

        Whoever hears of an evaluation, a sample or a checkpoint finds the averaged weights in the model, if there are.

        Raises Diverged where the loss or the gradient is no longer finite, before anyone can save what came of it.
        """
        config, now, evaluated = self.config, self.progress, -1
        self.model.train()
        if not self.step:
            yield Event("checkpoint", now)
        while now.fraction < 1 and not self._stop and not self.out_of_patience:
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
            save = (is_due(config.checkpoint_every, before, now) or self._save) and now.fraction < 1
            self._save = False
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
                    yield Event("checkpoint", now)
        if self._losses:
            yield Event("step", now, self._metrics(now))
        with self.average.shown():
            if self.validation.characters and evaluated != self.step and not self._stop and self.step:
                yield self._evaluate()
            yield Event("checkpoint", now)

    def _learn(self, batch: Batch, rate: float) -> None:
        """One step: forward, backward through the window, clip, update."""
        self._masks.manual_seed((self.config.seed * 1_000_003 + self.step) % 2**63)
        if batch.fresh:
            self.carried = self.model.initial_state(batch.inputs.shape[1])
        elif self.config.forget:
            self.carried = self._forgotten(self.carried)
        with self._autocast():
            nats, state = surprisal(self.model, batch, self.carried, self.device)
        loss = nats.sum() / batch.characters
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss + self.penalty.take())
        norm = self._clip()
        self.step += 1
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            self._skipped += 1  # the step is not applied, and the state that led to it is forgotten
            self.carried = self.model.initial_state(batch.inputs.shape[1])
            return
        self._skipped = 0
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        # The state goes on into the next window; the gradient stops here: truncated backpropagation through time.
        self.carried = tuple(tensor.detach() for tensor in state)
        self._losses.append(loss.detach())
        self._norms.append(norm)
        self._characters += batch.characters

    def _forgotten(self, state: State) -> State:
        """The state with some streams' part, drawn anew at each step, as it was before anything was read."""
        batch = len(state[0])
        forgotten = torch.rand(batch, generator=self._masks, device=self.device) < self.config.forget
        initial = self.model.initial_state(batch)
        return tuple(
            torch.where(forgotten.view(-1, *[1] * (now.ndim - 1)), then, now)
            for now, then in zip(state, initial, strict=True)
        )

    def _rate(self, at: Progress, window: int) -> float:
        """The learning rate of a step: smaller after an explosion, and for a window that was made shorter."""
        rate = self.rate_factor * learning_rate(self.config, at)
        return rate * window / self.config.window if self.config.window_deviation else rate

    def _recover(self, now: Progress) -> Iterator[Event]:
        """Has the last checkpoint loaded and goes on from it with half the learning rate."""
        self.explosions += 1
        explosions, factor, seconds = self.explosions, self.rate_factor / 2, self.seconds
        if explosions > self.config.explosions:
            raise Diverged(_explosion(self.step, self.config))
        yield Event("explosion", now, {"explosion": float(explosions), "rate_factor": factor})
        self.explosions, self.rate_factor, self._skipped = explosions, factor, 0
        self._seconds_before, self._started = seconds, self._clock()  # the time is spent all the same
        self._losses, self._norms, self._characters = [], [], 0

    def _clip(self) -> Tensor:
        """Shortens the gradient as the config says; its norm before that."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.config.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), self.config.clip_norm, norm)
        if self.config.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self.model.parameters(), self.config.clip_value)
        return norm

    def _metrics(self, at: Progress) -> dict[str, float]:
        """Means since the last call."""
        if not self._losses:  # only steps that were not applied
            return {}
        loss = torch.stack(self._losses).mean().item()
        norms = torch.stack(self._norms)
        seconds = self._clock() - self._since
        metrics = {
            "loss": loss,
            "bits_per_char": loss / math.log(2),
            "gradient_norm": norms.mean().item(),
            "learning_rate": learning_rate(self.config, at),
            "characters_per_second": self._characters / max(seconds, 1e-9),
        }
        self._losses, self._norms, self._characters, self._since = [], [], 0, self._clock()
        return metrics

    def _evaluate(self) -> Event:
        """The validation loss, and whether it is the best so far."""
        result: Likelihood = likelihood(self.model, self.validation, self.boundary, self.device)
        if not math.isfinite(result.nats):
            raise Diverged(_explosion(self.step, self.config))
        is_best = result.nats_per_char < self.best
        self.best = min(self.best, result.nats_per_char)
        self.evaluations_since_best = 0 if is_best else self.evaluations_since_best + 1
        self._since = self._clock()
        metrics = {"val_loss": result.nats_per_char, "val_bits_per_char": result.bits_per_char}
        return Event("evaluation", self.progress, metrics, is_best)

    @property
    def out_of_patience(self) -> bool:
        """Whether too many evaluations have passed without a better one."""
        return self.config.patience is not None and self.evaluations_since_best >= self.config.patience

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=in_bfloat16(self.config.precision, self.device))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that training needs to go on, apart from the weights: tensors, and facts for JSON."""
        tensors = {f"optimizer.{key}": value for key, value in optimizer_tensors(self.optimizer).items()}
        tensors |= {f"carried.{i}": value for i, value in enumerate(self.carried)}
        tensors |= {f"average.{name}": value for name, value in self.average.tensors().items()}
        facts = {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best if math.isfinite(self.best) else None,
            "evaluations_since_best": self.evaluations_since_best,
            "position": asdict(self.batches.position),
            "rate_factor": self.rate_factor,
            "explosions": self.explosions,
            "average": self.average.facts(),
            "finished": self.progress.fraction >= 1 or self.out_of_patience,
        }
        return tensors, facts

    def load_state(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Puts back what `state` gave; the weights are loaded into the model by the caller."""
        load_optimizer_tensors(self.optimizer, _inside(tensors, "optimizer."))
        self.average.load(_inside(tensors, "average."), facts.get("average"))
        count = sum(key.startswith("carried.") for key in tensors)
        self.carried = tuple(tensors[f"carried.{i}"].to(self.device) for i in range(count))
        self.step, self._seconds_before = facts["step"], facts["seconds"]
        self.best = math.inf if facts["best"] is None else facts["best"]
        self.evaluations_since_best = facts["evaluations_since_best"]
        self.rate_factor, self.explosions = facts["rate_factor"], facts["explosions"]
        self.batches.position = Position(**facts["position"])
        self._started = self._since = self._clock()


def _inside(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}


def _explosion(step: int, config: TrainingConfig) -> str:
    advice = [f"a lower training.learning_rate (it is {config.learning_rate:g})"]
    if config.clip_norm is None and config.clip_value is None:
        advice.insert(0, "training.clip_norm: 1.0 (clipping is off)")
    else:
        advice.append("a smaller training.clip_norm")
    if config.warmup is None:
        advice.append('a warm-up (training.warmup: "5%")')
    return (
        f"step {step}: the loss or its gradient is no longer finite, and going back to the last checkpoint with half "
        f"the learning rate was tried {config.explosions} times. The last checkpoint is intact. "
        f"Try {', or '.join(advice)}"
    )
