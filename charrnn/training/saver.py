"""Writes the checkpoints of a training while the training goes on."""

from __future__ import annotations

import threading
from typing import Any

from charrnn.device import copied
from charrnn.errors import CharrnnError
from charrnn.files import read_json, sync
from charrnn.run import Run
from charrnn.store.checkpoint import Snapshot
from charrnn.store.folder import is_run
from charrnn.store.lock import held, take
from charrnn.terminal import warn
from charrnn.training.events import Event, Training
from charrnn.training.restoring import restore


class CheckpointSaver:
    """Saves the best weights after their evaluation and the last weights at intervals, and restores checkpoints.

    The training waits only for a copy of the tensors; a thread writes it to the disk, one checkpoint at a time. A
    checkpoint that cannot be written is tried again at the next save and at the end, because a full disk may be
    emptied and a folder may come back. The training goes on meanwhile.
    """

    def __init__(self, run: Run, training: Training) -> None:
        self._run, self._training = run, training
        self._copied = training.standing.step or -1  # the last copied step; that of a resumed run is on the disk
        self._exploded = False  # whether the training has exploded since that step
        self._unsaved: list[Snapshot] = []
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        """Does nothing: `__exit__` waits for the checkpoints that are still being written."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Waits until all checkpoints are on the disk. Raises CharrnnError where the last one cannot be saved."""
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            return  # a second Ctrl-C ends at once; the checkpoint before is whole
        self._wait()
        self._write()
        if self._unsaved and kind is None:
            step = self._unsaved[-1].step
            raise CharrnnError(
                f"{self._run.path}: step {step:,} could not be saved, and the training is over; make room for it and "
                f"go on from the checkpoint before it: charrnn train --resume {self._run.path}"
            )

    def hear(self, event: Event) -> None:
        """Saves a checkpoint at a best evaluation, and at a checkpoint event if this step is not yet saved."""
        training, step = self._training, self._training.standing.step
        if event.is_best or (event.kind == "checkpoint" and self._copied != step):
            self._wait()
            counted = set(training.model.counted)
            own = {name: tensor for name, tensor in training.model.state_dict().items() if name not in counted}
            weights, tensors = copied(own), copied(training.state())
            facts = training.standing.model_dump()
            snapshot = Snapshot(step, weights, tensors, facts, event.is_best, training.shared)
            self._unsaved = [old for old in self._unsaved if old.best and not snapshot.best] + [snapshot]
            self._copied, self._exploded = step, False
            self._thread = threading.Thread(target=self._write, daemon=True)
            self._thread.start()

    def recall(self, training: Any) -> None:
        """Restores a training from its last checkpoint, after an explosion."""
        self._wait()
        self._unsaved.clear()  # the training now takes another path
        checkpoints = self._run.checkpoints
        # If it explodes again before a new checkpoint, the last checkpoint itself is bad.
        restore(training, checkpoints.before(self._copied) if self._exploded else checkpoints.find("last").folder)
        self._copied, self._exploded = training.standing.step, True

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _write(self) -> None:
        run, keep = self._run, self._run.config.training.keep
        while self._unsaved:
            snapshot = self._unsaved[0]
            try:
                self._put_back()
                if (metrics := run.metrics).exists():
                    sync(metrics)  # the metrics up to a checkpoint are on the disk before it
                run.checkpoints.save(snapshot, keep)
            except OSError as error:
                where = error.filename or run.path
                warn(f"{where}: step {snapshot.step:,} cannot be saved: {error.strerror}; trying again later")
                return
            except CharrnnError as error:
                warn(f"step {snapshot.step:,} cannot be saved: {error}")
                return
            del self._unsaved[0]

    def _put_back(self) -> None:
        """Makes the run's folder again if it was deleted during the training."""
        run = self._run
        there = is_run(run.path)
        if there and held(run.path):
            return
        if there and read_json(run.path / "run.json").get("id") != run.facts.id:
            raise CharrnnError(f"{run.path}: holds another run now, which is left alone")
        run.path.mkdir(parents=True, exist_ok=True)
        if not held(run.path):
            take(run.path)
        if not there:
            warn(f"{run.path}: was deleted under the training; it is made again, with what is known")
            run.write()

    def close(self) -> None:
        """Does nothing: no file is open."""
