"""`charrnn train --workers N`: starts the workers on this machine, passes signals on, and reports how they ended.

Only the workers import PyTorch.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from charrnn.device import cores
from charrnn.errors import CharrnnError
from charrnn.terminal import warn

RENDEZVOUS = "CHARRNN_RENDEZVOUS"
"""The variable with the file by which the workers of `--workers N` find each other. torchrun has its own way."""
PATIENCE = 60
"""Seconds in which worker 0 must have saved after another worker has died."""
AFTER_FIRST = 5
"""Seconds in which the other workers must end after worker 0; they have nothing to save."""


def count_workers(workers: str) -> int:
    """The number of workers of `--workers`. `auto` is one for each GPU, and one on a CPU, where threads are as fast.

    Raises CharrnnError for anything else.
    """
    if workers == "auto":
        import torch

        return max(1, torch.cuda.device_count())
    if not workers.isdecimal() or not 1 <= int(workers) <= 1024:
        raise CharrnnError(f"‹workers={workers}›: a number of processes, 1 to 1024, or auto was expected")
    return int(workers)


def is_worker() -> bool:
    """Whether `launch` started this process."""
    return RENDEZVOUS in os.environ


def launch(arguments: Sequence[str], count: int) -> int:
    """Runs `charrnn ARGUMENTS` as `count` workers of one training, and gives the exit code.

    Signals go to worker 0, and the workers agree on them at the next step. When one worker ends, all end.
    """
    # Not -m, which imports from the current folder first: a stranger's file there would be run.
    program = f"import sys; sys.path[:] = {sys.path!r}; from charrnn.cli import main; main()"
    environment = os.environ | {"WORLD_SIZE": str(count)}
    environment.setdefault("OMP_NUM_THREADS", str(max(1, cores() // count)))
    if sys.platform == "linux":  # the workers listen to this machine only
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="charrnn-workers-")))
        except OSError as error:
            raise CharrnnError(f"{tempfile.gettempdir()}: no temporary folder can be made: {error.strerror}") from None
        environment[RENDEZVOUS] = str(folder / "rendezvous")
        workers: list[subprocess.Popen[bytes]] = []
        handlers = {}
        try:
            for rank in range(count):
                with (folder / f"{rank}").open("wb") as errors:
                    worker = subprocess.Popen(
                        [sys.executable, "-c", program, *arguments],
                        env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
                        stdin=subprocess.PIPE,  # when it is closed, a worker knows that this process is gone
                        stdout=subprocess.DEVNULL if rank else None,
                        stderr=errors if rank else None,  # the workers would all print the same
                        start_new_session=True,  # so that Ctrl-C comes only through this process, once
                    )
                workers.append(worker)
            for signal_name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP"):
                number = getattr(signal, signal_name, None)
                ignored = signal_name == "SIGHUP" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup
                if number and not ignored:
                    handlers[number] = signal.signal(number, lambda number, _: workers[0].send_signal(number))
            _wait(workers)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for worker in workers:
                if worker.poll() is None:
                    worker.kill()
                worker.wait()
        return _verdict(workers, folder)


def _wait(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """Waits until all workers have ended, or until those that remain have had their time to end."""
    deadline = math.inf
    while any(worker.poll() is None for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
        if workers[0].returncode is not None:
            deadline = min(deadline, time.monotonic() + AFTER_FIRST)
        elif any(worker.returncode for worker in workers):
            deadline = min(deadline, time.monotonic() + PATIENCE)


def _verdict(workers: Sequence[subprocess.Popen[bytes]], folder: Path) -> int:
    """The exit code of the training. Prints which workers were killed, and the errors that worker 0 did not print."""
    first = workers[0].returncode
    for rank, worker in enumerate(workers):
        if worker.returncode < 0:
            warn(
                f"charrnn: worker {rank} (process {worker.pid}) was ended by {signal.Signals(-worker.returncode).name}"
            )
        if worker.returncode and rank and (worker.returncode < 0 or first in (0, 1)):  # otherwise worker 0 printed it
            for line in (folder / f"{rank}").read_text(encoding="utf-8", errors="replace").splitlines():
                warn(f"worker {rank}: {line}")
    return next((code if code > 0 else 1 for code in (worker.returncode for worker in workers) if code), 0)
