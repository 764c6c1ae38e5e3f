"""Several processes that train one model: what they divide, add up and agree on.

Each of N workers reads every N-th column of a batch. Their gradients are added up in one flat vector before they are
used, so that all workers make the same step: the step of a single process with the whole batch. Only worker 0
evaluates, samples, saves and prints. PyTorch's collectives carry the numbers (gloo between CPUs, NCCL between GPUs).
Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Thread
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from safetensors.torch import load, save
from torch import Tensor

from charrnn.device import copied
from charrnn.errors import CharrnnError
from charrnn.models import State
from charrnn.training.attendance import Attendance, WorkerLost
from charrnn.training.launch import RENDEZVOUS

T = TypeVar("T")
STARTED = "torchrun and ‹workers=N› start several workers and set this; without several, unset WORLD_SIZE"


class Workers:
    """The workers of a training, as worker `rank` of `count` sees them. A single worker communicates nothing."""

    def __init__(
        self,
        rank: int = 0,
        count: int = 1,
        local_rank: int = 0,
        device: torch.device | None = None,
        attendance: Attendance | None = None,
    ) -> None:
        self.rank, self.count = rank, count
        self._local_rank = local_rank
        self._device = device or torch.device("cpu")
        self._attendance = attendance
        self._lost = False
        self.is_time_up: Callable[[], bool] = lambda: False
        """Whether worker 0 need not wait for a silent worker any longer."""

    @property
    def share(self) -> slice:
        """The columns of every batch that this worker reads."""
        return slice(self.rank, None, self.count)

    def sum_gradients(self, gradients: list[Tensor], numbers: Tensor) -> Tensor:
        """Replaces gradients (vectors) by their sums over all workers, and gives the sum of the `numbers` `[n]`."""
        if self.count == 1:
            return numbers
        flat = torch.cat([*gradients, numbers])
        with self._noticing():
            # Waiting with a limit makes a GPU's queue wait too, so that there it is left to `worker_timeout`.
            if self._attendance is not None and self.rank == 0 and self._device.type == "cpu":
                self._attendance.await_until(dist.all_reduce(flat, async_op=True), self.is_time_up)
            else:
                dist.all_reduce(flat)
        *sums, numbers = torch.split(flat, [*(len(gradient) for gradient in gradients), len(numbers)])
        for gradient, total in zip(gradients, sums, strict=True):
            gradient.copy_(total)
        return numbers

    def whole(self, state: State, initial: State) -> State:
        """The state of all columns, from each worker's share. A lost worker's columns are those of `initial`."""
        if self.count == 1:
            return state
        result = []
        for own, start in zip(state, initial, strict=True):
            if self._lost:
                tensor = start.clone()
                tensor[self.share] = own
            else:
                tensor = torch.zeros_like(start)
                tensor[self.share] = own
                with self._noticing():
                    dist.all_reduce(tensor)  # everyone else has zeros in these columns
            result.append(tensor)
        return tuple(result)

    def from_first(self, data: bytes) -> bytes:
        """The `data` of worker 0, at every worker."""
        if self.count == 1:
            return data
        with self._noticing():
            size = torch.tensor(len(data), device=self._device)
            dist.broadcast(size, 0)
            payload = torch.empty(int(size), dtype=torch.uint8, device=self._device)
            if self.rank == 0 and data:
                payload.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
            dist.broadcast(payload, 0)
        return payload.cpu().numpy().tobytes()

    def numbers_from_first(self, numbers: dict[str, float]) -> dict[str, float]:
        """The `numbers` of worker 0, at every worker."""
        found: dict[str, float] = json.loads(self.from_first(json.dumps(numbers).encode()))
        return found

    def state_from_first(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> tuple[dict[str, Tensor], Any]:
        """The tensors (on the CPU) and the facts of worker 0, sent in the formats of a checkpoint."""
        return load(self.from_first(save(copied(tensors)))), json.loads(self.from_first(json.dumps(facts).encode()))

    def one_first(self, make: Callable[[], T]) -> T:
        """`make()` at every worker. One worker of each machine goes first, so that the others find the cache filled."""
        if self._local_rank:
            self.from_first(b"")
            return make()
        made = make()
        self.from_first(b"")
        return made

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """Raises WorkerLost instead of PyTorch's error where another worker does not answer."""
        if self._lost:
            raise WorkerLost("another worker is gone")
        if self._attendance is not None:
            self._attendance.begin()
        try:
            yield
        except WorkerLost:
            self._lost = True
            raise
        except RuntimeError as error:
            self._lost = True
            raise WorkerLost(f"a worker of the {self.count} no longer answers ({str(error).splitlines()[0]})") from None
        finally:
            if self._attendance is not None:
                self._attendance.end()


class Agreement:
    """What the workers agree on: to stop or to save, which one asks for and all do at the same step; and the time.

    The time is that of worker 0. A single worker agrees with itself at once.
    """

    def __init__(self, workers: Workers, clock: Callable[[], float]) -> None:
        self._alone, self._first = workers.count == 1, workers.rank == 0
        self._clock = clock
        self._asked_to_stop, self._asked_to_save = False, False
        self.stop, self.save = False, False
        self.set(0.0)

    def set(self, seconds: float) -> None:
        """Sets the seconds of training until now."""
        self._before, self._started = seconds, self._clock()
        self._agreed = seconds

    @property
    def own_seconds(self) -> float:
        """The seconds of training by this worker's clock, over all resumptions."""
        return self._before + self._clock() - self._started

    @property
    def seconds(self) -> float:
        """The seconds of training on which all workers agree, for every decision."""
        return self.own_seconds if self._alone else self._agreed

    def ask_to_stop(self) -> None:
        """Asks for the end of the training."""
        self._asked_to_stop = True
        self.stop = self.stop or self._alone

    def ask_to_save(self) -> None:
        """Asks for a checkpoint."""
        self._asked_to_save = True
        self.save = self.save or self._alone

    def message(self) -> npt.NDArray[np.float32]:
        """The three numbers `[3]` that this worker sends with its gradients, to be added to those of the others."""
        message = self._asked_to_stop, self._asked_to_save, self.own_seconds if self._first else 0.0
        self._asked_to_stop, self._asked_to_save = False, False
        return np.array(message, np.float32)

    def receive(self, stop: float, save: float, seconds: float) -> None:
        """Takes the sums of the messages of all workers."""
        self.stop = self.stop or stop > 0
        self.save = self.save or save > 0
        self._agreed = seconds


@contextmanager
def joined(device: torch.device, timeout: float) -> Iterator[Workers]:
    """The workers that torchrun or `charrnn train --workers N` started with this process, or this process alone.

    A worker that does not answer is lost after `timeout` seconds, a dead one at once. Raises CharrnnError where PyTorch
    was built without torch.distributed, and for variables that torchrun would not set.
    """
    count = _variable("WORLD_SIZE", 1, range(1, 2**16))
    if count == 1:
        yield Workers()
        return
    if not dist.is_available():
        raise CharrnnError("several workers: this PyTorch was built without torch.distributed; train with one")
    # PyTorch would import this module later. Defaults of its functions would then hold the group for ever, and a thread
    # of the group that drops a tensor while the interpreter ends would abort the process.
    import torch.distributed.nn  # noqa: F401
    from torch.distributed.rendezvous import rendezvous

    rank = _variable("RANK", None, range(count))
    local_rank = _variable("LOCAL_RANK", rank, range(count))
    place = f"file://{os.environ[RENDEZVOUS]}" if RENDEZVOUS in os.environ else "env://"
    if RENDEZVOUS in os.environ:
        Thread(target=_end_with_launcher, daemon=True).start()
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        store, rank, count = next(rendezvous(place, rank, count))
    except ValueError as error:  # such as no MASTER_ADDR
        raise CharrnnError(f"the workers cannot meet: {error}; {STARTED}") from None
    dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=timedelta(seconds=timeout))
    attendance = Attendance(store, rank, count, one_machine=RENDEZVOUS in os.environ)
    Thread(target=attendance.watch, daemon=True).start()
    try:
        yield Workers(rank, count, local_rank, device, attendance)
        with suppress(RuntimeError):
            dist.barrier()  # no worker leaves while another still reads what it sent
    finally:
        dist.destroy_process_group()


def _end_with_launcher() -> None:
    """Stops and saves when the process that started the workers is gone, which closes this one's standard input."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _variable(name: str, default: int | None, allowed: range) -> int:
    """A number in the environment. Raises CharrnnError for another one, and where it is missing without a default."""
    given = os.environ.get(name, "" if default is None else str(default))
    if not (given.isdecimal() and len(given) < 9 and int(given) in allowed):
        raise CharrnnError(f"{name}={given}: a number from {allowed[0]} to {allowed[-1]} was expected; {STARTED}")
    return int(given)


def is_first() -> bool:
    """Whether this process is worker 0, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def own_device(device: torch.device) -> torch.device:
    """The GPU of this worker, if `device` is CUDA without a number; otherwise `device`."""
    if device.type == "cuda" and device.index is None and "LOCAL_RANK" in os.environ:
        device = torch.device("cuda", _variable("LOCAL_RANK", None, range(2**16)))
        torch.cuda.set_device(device)
    return device
