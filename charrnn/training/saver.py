"""The checkpoints of a training, written beside it."""

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
from charrnn.terminal import say
from charrnn.training.events import Event, Training
from charrnn.training.restoring import restore


class CheckpointSaver:
    """Saves the best weights after their evaluation, the last ones now and then, and goes back to what it has saved.

    The training waits for the copy out of the model; a thread brings it to the disk, one at a time. What the disk
    refuses is tried again at the next save and at the end: a full disk may be emptied, a folder come back, and a
    training is dearer than one checkpoint.
    """

    def __init__(self, run: Run, training: Training) -> None:
        self._run, self._training = run, training
        self._copied = training.standing.step or -1  # the step that was copied last; a resumed one is on the disk
        self._exploded = False  # since then
        self._unsaved: list[Snapshot] = []
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        """Begins nothing: `__exit__` waits for what was begun in between."""

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
        training, step = self._training, self._training.standing.step
        if event.is_best or (event.kind == "checkpoint" and self._copied != step):
            self._wait()
            weights, tensors = copied(training.model.state_dict()), copied(training.state())
            snapshot = Snapshot(step, weights, tensors, training.standing.model_dump(), event.is_best)
            self._unsaved = [old for old in self._unsaved if old.best and not snapshot.best] + [snapshot]
            self._copied, self._exploded = step, False
            self._thread = threading.Thread(target=self._write, daemon=True)
            self._thread.start()

    def recall(self, training: Any) -> None:
        """Puts a training back where its last checkpoint left it, after an explosion."""
        self._wait()
        self._unsaved.clear()  # what follows now happens on another path
        checkpoints = self._run.checkpoints
        # Where it explodes again before anything new was saved, that checkpoint is no good itself.
        restore(training, checkpoints.before(self._copied) if self._exploded else checkpoints.find("last"))
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
                if (metrics := run.path / "metrics.jsonl").exists():
                    sync(metrics)  # what a checkpoint stands for is on the disk before it
                run.checkpoints.save(snapshot, keep)
            except OSError as error:
                where = error.filename or run.path
                say(f"{where}: step {snapshot.step:,} cannot be saved: {error.strerror}; trying again later")
                return
            except CharrnnError as error:
                say(f"step {snapshot.step:,} cannot be saved: {error}")
                return
            del self._unsaved[0]

    def _put_back(self) -> None:
        """Makes the run's folder again where it was deleted under the training."""
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
            say(f"{run.path}: was deleted under the training; it is made again, with what is known")
            run.write()

    def close(self) -> None:
        """Does nothing: no file is open."""
