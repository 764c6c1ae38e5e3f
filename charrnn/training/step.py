"""One step of learning, of a model with its optimizers and the state that its texts carry along."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from charrnn.config import TrainingConfig
from charrnn.device import to_device
from charrnn.models import LanguageModel, set_dropout_generator, set_kernels
from charrnn.text.batches import Batches
from charrnn.training.averaging import Average
from charrnn.training.carried import Carried
from charrnn.training.distributed import Agreement, Workers
from charrnn.training.loss import backward
from charrnn.training.numbers import Numbers
from charrnn.training.optimizer import apply_step, build_optimizers, clip, load_optimizer_tensors, optimizer_tensors
from charrnn.training.penalty import ActivationPenalty
from charrnn.training.schedule import Progress, progress_of
from charrnn.training.standing import Standing

SEED_STRIDE = 1_000_003
"""Distance between the random seeds of neighbouring `training.seed`: a prime above most numbers of steps."""
WORKER_STRIDE = 0x9E3779B97F4A7C15
"""Distance between the dropout seeds of two workers: 2^64 divided by the golden ratio, as in SplitMix64."""


class Learner:
    """A model that learns from batches step by step, with all that it needs to go on later.

    Each of several workers has a Learner. They divide every batch among them and make the same steps.
    """

    def __init__(
        self,
        model: LanguageModel,
        batches: Batches,
        config: TrainingConfig,
        clock: Callable[[], float],
        workers: Workers,
    ) -> None:
        self.model, self.config = model, config
        self.network = model.learner
        self.batches, self.workers = batches, workers
        self.standing = Standing()
        self.agreement = Agreement(workers, clock)
        workers.is_time_up = self._is_time_up
        self.numbers = Numbers(model.device, clock, self.agreement)
        self.weights, self.optimizers = build_optimizers(self.network, config)
        self.average = Average(self.network, config)
        self.carried = Carried(self.network, workers)
        self.penalty = ActivationPenalty(self.network, config)
        self._draws = torch.Generator(model.device)
        set_dropout_generator(self.network, self._draws)
        set_kernels(self.network, config.kernels)

    def learn(self, rate: float) -> None:
        """One step with a learning rate: forward, backward through the window, sum over the workers, clip, update.

        A step whose loss or gradient is not finite changes no weight.
        """
        standing, batch = self.standing, self.batches.next()
        if self.config.window_deviation:  # a shorter window takes a smaller step
            rate = rate * len(batch.inputs) / self.config.window
        seed = self.config.seed * SEED_STRIDE + standing.step
        self._draws.manual_seed(seed % 2**63)
        state = self.carried.begin(batch, self.config.forget, self._draws)
        if self.workers.rank:  # dropout masks of its own; worker 0 has those of a single worker
            self._draws.manual_seed((seed + self.workers.rank * WORKER_STRIDE) % 2**63)
        gradients, nats = self.weights.clear(), torch.zeros((), device=self.network.device)
        if batch.inputs.shape[1]:  # a short group of documents may leave nothing for this worker
            nats, state = backward(self.network, batch, state, self.penalty, self.config.precision)
        message = to_device(self.agreement.message(), self.network.device)
        nats, *messages = self.workers.sum_gradients(gradients, torch.cat([nats[None], message])).unbind()
        loss, norm = nats / batch.characters, clip(gradients, self.config)
        finite = torch.isfinite(loss) & torch.isfinite(norm)
        apply_step(self.optimizers, rate, finite)
        self.carried.end(state, finite)
        standing.step += 1
        standing.learnt += batch.characters
        standing.position = self.batches.position.model_copy()
        self.numbers.add(batch.characters, torch.stack([loss, norm, *messages]))

    @property
    def progress(self) -> Progress:
        """How far the training is."""
        return progress_of(self.config, self.standing.step, self.agreement.seconds / 60, self.batches.epochs)

    def _is_time_up(self) -> bool:
        """Whether the time of the config is over, even in the middle of a step."""
        return progress_of(self.config, 0, self.agreement.own_seconds / 60, self.batches.epochs).fraction >= 1

    @property
    def out_of_patience(self) -> bool:
        """Whether too many evaluations have passed without a better one."""
        return self.config.patience is not None and self.standing.evaluations_since_best >= self.config.patience

    def stop(self) -> None:
        """Ends the training after the current step, with a checkpoint."""
        self.agreement.ask_to_stop()

    def save_soon(self) -> None:
        """Asks for a checkpoint after the current step."""
        self.agreement.ask_to_save()

    def state(self) -> dict[str, Tensor]:
        """The tensors that it needs to go on, beside the weights. Also brings `standing` up to date."""
        self.standing.seconds = self.agreement.own_seconds
        self.standing.finished = self.progress.fraction >= 1 or self.out_of_patience
        self.standing.average = self.average.standing()
        tensors = {f"optimizer.{name}": value for name, value in optimizer_tensors(self.optimizers).items()}
        tensors |= {f"carried.{i}": value for i, value in enumerate(self.carried.tensors)}
        return tensors | {f"average.{name}": value for name, value in self.average.tensors().items()}

    def load_state(self, tensors: dict[str, Tensor], standing: Standing) -> None:
        """Restores what `state` gave, and `standing`. The model must have the weights that it had then."""
        load_optimizer_tensors(self.optimizers, inside(tensors, "optimizer."))
        self.average.load(inside(tensors, "average."), standing.average)
        count = sum(name.startswith("carried.") for name in tensors)
        self.carried.load(tuple(tensors[f"carried.{i}"].to(self.network.device) for i in range(count)))
        self.standing = standing
        self.batches.position = standing.position.model_copy()
        self.agreement.set(standing.seconds)
        self.numbers.restart_clock()

    def agree(self) -> None:
        """Gives all workers the weights and the state of worker 0: fresh ones, or those of a checkpoint."""
        if self.workers.count == 1:
            return
        weights = {f"model.{name}": value for name, value in self.network.state_dict().items()}
        tensors, facts = self.workers.state_from_first(self.state() | weights, self.standing.model_dump())
        self.network.load_state_dict(inside(tensors, "model."))
        self.load_state(tensors, Standing.model_validate(facts))


def inside(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, by their names without it."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
