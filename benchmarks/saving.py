"""The cost of saving: the time that a training waits for a checkpoint, and the time that its thread takes to write it.

    python benchmarks/saving.py                        # two trainings of a minute each
    python benchmarks/saving.py --minutes 0.2 --text novel.txt

Both trainings write a checkpoint after every 10 % of the time, as by default, and one after each evaluation that is the
best so far. The README's figures are this script's output.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from machine import describe

import charrnn
from charrnn.training import session
from charrnn.training.events import Event
from charrnn.training.saver import CheckpointSaver

MODELS = {"LSTM 1 × 256 (the default)": {}, "LSTM 2 × 512": {"num_layers": 2, "hidden_size": 512}}


class Watched(CheckpointSaver):
    """A saver that measures its times."""

    held: list[float]
    written: list[float]

    def hear(self, event: Event) -> None:
        """Handles an event and measures the time, in which the training waits."""
        before, started = self._copied, time.perf_counter()
        super().hear(event)
        if self._copied != before:
            self.held.append(time.perf_counter() - started)

    def _write(self) -> None:
        if self._unsaved:
            started = time.perf_counter()
            super()._write()
            self.written.append(time.perf_counter() - started)


def main() -> None:
    """Trains both and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, help="of each training")
    parser.add_argument("--text", type=Path, help="instead of tiny-shakespeare")
    arguments = parser.parse_args()
    setattr(session, "CheckpointSaver", Watched)  # noqa: B010 (it is not exported)
    corpus = {"path": str(arguments.text)} if arguments.text else {"name": "tiny-shakespeare"}
    print(describe())
    for name, model in MODELS.items():
        Watched.held, Watched.written = [], []
        training = {"minutes": arguments.minutes}
        config = charrnn.Config.model_validate({"corpus": corpus, "model": model, "training": training})
        with tempfile.TemporaryDirectory() as folder:
            run = charrnn.train(config, out=Path(folder) / "run", quiet=True)
            seconds = run.checkpoints.summary("last").seconds
            megabytes = sum(file.stat().st_size for file in max(run.path.glob("checkpoints/step-*")).iterdir()) / 1e6
        held, written = Watched.held, Watched.written
        print(
            f"{name}: {len(written)} checkpoints of {megabytes:.1f} MB in {seconds:.0f} s; the training waited "
            f"{1000 * median(held):.1f} ms for each (the longest {1000 * max(held):.1f} ms), {sum(held) / seconds:.2%} "
            f"of its time; written beside it in {1000 * median(written):.0f} ms each, {sum(written) / seconds:.2%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
