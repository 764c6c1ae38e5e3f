"""Sweeps: all trainings of a config's section `sweep:`, in one process or in several. What is done is not done again,
and only what is asked for counts as done.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from charrnn.cells import CELLS
from charrnn.config import Config
from charrnn.device import cores
from charrnn.errors import CharrnnError, Diverged
from charrnn.experiments.differences import essence, flat, varied
from charrnn.experiments.variants import load_sweep
from charrnn.loading import dump_value, find_config
from charrnn.plugins import load_plugin, loaded_plugins
from charrnn.run import Run
from charrnn.store.facts import RESULTS
from charrnn.store.folder import is_run, new_folder
from charrnn.store.lock import Taken, locked
from charrnn.terminal import say
from charrnn.text.corpora import resolve
from charrnn.text.dataset import Dataset, load_dataset
from charrnn.training.session import Interrupted, resume, train
from charrnn.training.settling import fitted, settled

CLAIMS = ".claims"
"""The folder of the locks with which processes divide a sweep."""


class Stopped(KeyboardInterrupt):
    """A signal ended the processes of a sweep, after their checkpoints were saved."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Variant:
    """A training of a sweep, and by what its run is known."""

    name: str
    config: Config
    kept: Config
    """The config as the run keeps it."""
    fingerprint: str
    """That of the text."""

    @classmethod
    def of(cls, name: str, config: Config, known: dict[str, Dataset]) -> Variant:
        """The variant of a config. Most variants share a text, which is among the `known` ones once it was read."""
        kept, _ = settled(config)
        key = kept.model_dump_json(include={"corpus", "vocab"})
        if key not in known:
            files, corpus = resolve(kept.corpus)
            known[key] = load_dataset(files, corpus, kept.vocab)
        dataset = known[key]
        return cls(name, config, fitted(kept, dataset)[0], dataset.fingerprint)

    def other(self, run: Run) -> str:
        """What makes a run another training than this one, in words; nothing where it is this one."""
        facts = run.facts
        if facts.init_from:
            return "it began with the weights of another run"
        if facts.fingerprint != self.fingerprint:
            return "its text was another one"
        if facts.code != CELLS[self.config.model.cell].code:
            return f"{facts.plugin or 'the file of the cell'} has changed"
        if facts.results != RESULTS:
            return "an earlier charrnn trained it, in another way"
        was, now = essence(run.config), essence(self.kept)
        there, here = flat(was), flat(now)
        return ", ".join(
            f"{key} was {dump_value(there[key])} and is {dump_value(here[key])}" for key in varied([was, now])[:4]
        )


def sweep(
    config: str | Path,
    *,
    overrides: Sequence[str] = (),
    seeds: int | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    jobs: int = 1,
    replace: bool = False,
) -> list[Run]:
    """Trains every variant of a sweep into `out`/NAME (default: runs/CONFIG) and returns their runs.

    A run counts as a variant's only if its whole config, its text, the code of a cell of the user's own, and what
    decides results in charrnn (`RESULTS`) are those of now. Such a run stays as it is, or goes on if it was
    interrupted. Any other run of that name is kept, and the variant is trained beside it, in NAME-2; with `replace` it
    is removed, and what lies beside it in NAME-2 and further too.

    Several processes may work on one sweep, also on several machines with one disk: each takes the next variant that
    none has taken. `jobs` is the number that this call starts, each with its share of the cores. What another process
    has not finished is not returned.

    `seeds` replaces `sweep.seeds`. A training that explodes is reported, and the next one begins. Raises CharrnnError
    before the first training if any variant is wrong, `Interrupted` or `Stopped` where a signal ends it.
    """
    configs = load_sweep(config, overrides, seeds)
    if jobs < 1:
        raise CharrnnError(f"‹jobs={jobs}›: a number of processes from 1 was expected")
    folder = Path(out) if out is not None else Path("runs") / find_config(config).stem
    texts: dict[str, Dataset] = {}
    variants = [Variant.of(name, one, texts) for name, one in configs.items()]
    if jobs == 1:
        _work(variants, folder, device, replace)
    else:
        _work_in_processes(min(jobs, len(variants)), variants, folder, device, replace)
    found = (_own(variant, folder, device) for variant in variants)
    return [run for run in found if run is not None]


def _work(
    variants: Sequence[Variant],
    folder: Path,
    device: str,
    replace: bool,
    quiet: bool = False,
    done: Callable[[], object] = lambda: None,
) -> None:
    """Trains the variants that nobody else trains, one after the other."""
    for i, variant in enumerate(variants, 1):
        try:
            with _claimed(folder / CLAIMS / variant.name):
                say(f"=== {i} of {len(variants)}: {variant.name}")
                _train(variant, folder, device, replace, quiet)
                done()
        except Taken:
            if not quiet:
                say(f"=== {i} of {len(variants)}: {variant.name}: another process is training it")
        except Diverged as explosion:  # the other variants can still be compared
            say(f"{variant.name}: {explosion}")
            done()
    for claim in (folder / CLAIMS).glob("*"):
        with suppress(OSError):
            claim.rmdir()
    with suppress(OSError):
        (folder / CLAIMS).rmdir()


@contextmanager
def _claimed(claim: Path) -> Iterator[None]:
    """A context in which no other process has this variant. Raises Taken where one has."""
    try:
        claim.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CharrnnError(f"{claim}: cannot be made: {error.strerror}") from None
    with locked(claim):
        yield


def _train(variant: Variant, folder: Path, device: str, replace: bool, quiet: bool) -> None:
    """Trains a variant, or what is left of it."""
    run = _own(variant, folder, device)
    if run is not None and is_finished(run):
        say(f"{run.path}: finished before")
        return
    if run is not None:
        resume(run.path, device=device, quiet=quiet)
        return
    first = folder / variant.name
    path = first if replace else next(path for path in _places(first) if not path.exists() or not any(path.iterdir()))
    if is_run(first):
        with suppress(CharrnnError):
            why = variant.other(Run.open(first, "cpu"))
            say(f"{first}: {why}; it is {'replaced' if replace else f'kept, and the training is now in {path}'}")
    if replace:
        for old in itertools.islice(_places(first), 1, None):
            if not is_run(old):
                break
            new_folder(old, "", overwrite=True).rmdir()
    train(variant.config, out=path, device=device, overwrite=replace, quiet=quiet)


def _own(variant: Variant, folder: Path, device: str) -> Run | None:
    """The run of a variant, a finished one if there is one."""
    own = []
    single = re.sub(r",seed=[0-9]+$", "", variant.name)  # it may have been trained before there were several seeds
    for name in dict.fromkeys([variant.name, single]):
        for path in _places(folder / name):
            if not path.exists():
                break
            with suppress(CharrnnError):  # not a run, or one that this charrnn cannot read
                run = Run.open(path, device)
                if not variant.other(run):
                    own.append(run)
    return min(own, key=lambda run: not is_finished(run), default=None)


def _places(first: Path) -> Iterator[Path]:
    """The folders in which runs of one name lie: NAME, NAME-2, NAME-3, ..."""
    yield first
    for i in range(2, 10_000):
        yield first.with_name(f"{first.name}-{i}")


def is_finished(run: Run) -> bool:
    """Whether the training of a run came to its end."""
    try:
        return run.checkpoints.summary("last").finished
    except CharrnnError:
        return False


def _work_in_processes(jobs: int, variants: Sequence[Variant], folder: Path, device: str, replace: bool) -> None:
    """`_work` in several processes. A signal to this one goes on to them once, and they save."""
    spawn = multiprocessing.get_context("spawn")
    done = spawn.Value("i", 0)
    given = (list(variants), folder, device, replace, max(1, cores() // jobs), loaded_plugins(), done)
    processes = [spawn.Process(target=_worker, args=given) for _ in range(jobs)]
    with _passed_on(processes), tqdm(total=len(variants), desc="sweep", unit="training", disable=None) as bar:
        for process in processes:
            process.start()
        while any(process.is_alive() for process in processes):
            wait([process.sentinel for process in processes if process.is_alive()], timeout=1)
            bar.update(done.value - bar.n)
    codes = [process.exitcode or 0 for process in processes]
    if stopped := [code for code in codes if code > 128]:
        raise Stopped(stopped[0] - 128)
    if any(codes):
        raise CharrnnError(f"{folder}: {sum(map(bool, codes))} of {jobs} processes failed, as they said above")


@contextmanager
def _passed_on(processes: Sequence[Any]) -> Iterator[None]:
    """A context in which signals that would end this process go on to others instead."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, _: object) -> None:
        for process in processes:
            if process.is_alive():
                os.kill(process.pid, number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _worker(
    variants: list[Variant],
    folder: Path,
    device: str,
    replace: bool,
    threads: int,
    plugins: list[Path],
    done: Any,
) -> None:
    """One process of a sweep, which ends with an exit code as the command has it."""
    if hasattr(os, "setsid"):
        os.setsid()  # so that Ctrl-C comes only through the first process, once
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)

    def count() -> None:
        with done.get_lock():
            done.value += 1

    try:
        for file in plugins:
            load_plugin(file)
        _work(variants, folder, device, replace, quiet=True, done=count)
    except Interrupted as interrupted:
        sys.exit(128 + interrupted.number)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except CharrnnError as error:
        say(f"charrnn: {error.for_command}")
        sys.exit(2)


def _end_with_parent() -> None:
    """Asks this process to save and to end when the one that started it is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
