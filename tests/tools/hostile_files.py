"""Faults of what is read: files without end, huge ones, no files at all, circles of links, what may not be read."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

from hostile_cache import SAMPLE, fresh, limited, sampled, short, shortly
from provoke import WEIGHTS, Child, NotProvoked, Place, Unexpected, expect, fault

HUGE = 3 * 10**9
"""Bytes of a file without content, which takes no room on the disk."""
MOST = 500
"""Megabytes beyond what a process has with PyTorch loaded that no refusal may take."""


def run(place: Place, *command: str) -> Child:
    """A command that may take 4 GB of memory at most."""
    return Child(place, command, before=limited)


def slow(place: Place) -> None:
    """Raises NotProvoked unless what takes more than a minute is wanted."""
    if not place.slow:
        raise NotProvoked("takes more than a minute: --slow")


def sparse(file: Path, size: int = HUGE) -> Path:
    """Makes a file of zeros."""
    file.unlink(missing_ok=True)
    file.touch()
    os.truncate(file, size)
    return file


class Worst:
    """Checks commands, and keeps the most memory and time that one took, and all that was wrong."""

    def __init__(self) -> None:
        self.megabytes = self.seconds = 0.0
        self.commands = 0
        self.wrong: list[str] = []

    def ends(
        self,
        child: Child,
        what: str,
        codes: tuple[int, ...] = (2,),
        most: float = MOST,
        limit: float = 20,
        lines: int = 1,
    ) -> None:
        """Notes whether a command ends with one of the codes, without a traceback, in little memory."""
        self.commands += 1
        try:
            done = child.done(limit)
            self.megabytes, self.seconds = max(self.megabytes, done.megabytes), max(self.seconds, done.seconds)
            done.expect("Traceback" not in done.err, f"{what}: no traceback")
            done.expect(done.code in codes, f"{what}: exit code {' or '.join(map(str, codes))}")
            done.expect(codes != (2,) or len(done.lines) == lines, f"{what}: {lines} lines")
            done.expect(done.megabytes < most, f"{what}: at most {most:g} MB of memory, not {done.megabytes:,.0f}")
        except Unexpected as error:
            self.wrong.append(str(error))

    def summary(self) -> str:
        """How many commands, and what they took. Raises Unexpected where one was wrong."""
        if self.wrong:
            raise Unexpected(f"{len(self.wrong)} of {self.commands} commands: " + " ‖ ".join(self.wrong))
        return f"{self.commands} commands, {self.seconds:.1f} s and {self.megabytes:.0f} MB at most"


@fault("links in circles as corpus.path: a folder, globs, a link to itself")
def _(place: Place) -> str:
    circle = fresh(place.folder / "circle")
    (circle / "deep").mkdir()
    shutil.copy(place.folder / "text.txt", circle / "deep" / "text.txt")
    for name in ("up", "deep/up", "deep/again"):
        (circle / name).symlink_to(circle)
    (circle / "self.txt").symlink_to("self.txt")
    right, seconds = short(place, "straight"), 0.0
    right.expect(right.code == 0, "exit code 0")
    weights = (place.last("straight") / WEIGHTS).read_bytes()
    for path in ("circle", "circle/**/*.txt", "circle/*/*.txt", "circle/up/deep/up/deep/text.txt"):
        done = short(place, "around", path)
        done.expect(done.code == 0, f"{path}: exit code 0")
        is_same = (place.last("around") / WEIGHTS).read_bytes() == weights
        expect(is_same, f"{path}: the text is read once")
        seconds = max(seconds, done.seconds)
    for path in ("circle/self.txt", "circle/self.txt/*.txt", "circle/*/*/*/*/*/*/*/*/*/*/*/*/nothing"):
        done = short(place, "around", path)
        done.expect(done.code == 2 and len(done.lines) == 1, f"{path}: refused in one line")
        seconds = max(seconds, done.seconds)
    return (
        "the text is read once; a link to itself, or nothing that fits: one message, exit code 2; "
        f"{seconds:.0f} s at most"
    )


ENDLESS: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a socket": lambda path: listening(path),
    "/dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
}


def listening(path: Path) -> None:
    """Makes a socket."""
    here = Path.cwd()
    os.chdir(path.parent)  # a path of a socket has 108 characters at most
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


@fault("a FIFO, a socket, /dev/zero or a folder: as config, text, run, plugin, prompt, compressed file")
def _(place: Place) -> str:
    worst = Worst()
    for what, make in ENDLESS.items():
        path = fresh(place.folder / "odd") / "one"
        make(path)
        name = "odd/one"
        commands: list[tuple[str, ...]] = [
            ("train", name),
            ("train", "--resume", name),
            ("sample", name),
            ("compare", name),
            ("eval", "whole", "--text", name),
            ("score", "whole", name),
            ("decompress", "whole", name, "--out", "odd/out"),
            ("compress", "whole", name, "--out", "odd/out"),
            ("sample", "whole", "--prompt-file", name, "--length", "5"),
            ("sweep", name),
        ]
        for command in commands:
            if what == "a FIFO" and (command[0] in ("compress", "decompress") or "--prompt-file" in command):
                continue  # `<(...)` of a shell is one: who names it wants what comes out of it
            worst.ends(run(place, *command), f"{what}: {' '.join(command)}")
        worst.ends(Child(place, shortly(place, "odd/run", name), before=limited), f"{what} as corpus.path")
    return f"one message, exit code 2: {worst.summary()}"


@fault("each file of a run is a FIFO, a socket, /dev/zero or a folder")
def _(place: Place) -> str:
    worst, text = Worst(), sampled(place)
    sample = ("sample", "odd-run", *SAMPLE[2:])
    resume = ("train", "--resume", "odd-run", "--set", "training.sample_every=20 steps")
    files = files_of(place, "odd-run")
    files += [Path("samples.txt"), Path("lock"), Path("checkpoints")]
    others = cycle(what for what in ENDLESS if what != "a FIFO")
    for name in dict.fromkeys(files):
        for what, command in (("a FIFO", sample), ("a FIFO", resume), (next(others), resume)):
            path = place.folder / place.copy("odd-run") / name
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            ENDLESS[what](path)
            worst.ends(run(place, *command), f"{name} is {what}: {command[0]}", (0, 2))
    expect(sampled(place) == text, "the run that nothing happened to is as it was")
    return f"passed over, or told, exit code 0 or 2; never waited for: {worst.summary()}"


def files_of(place: Place, name: str) -> list[Path]:
    """All files of a run that stopped in the middle, which is made."""
    run = place.folder / place.copy(name)
    return sorted(file.relative_to(run) for file in run.rglob("*") if file.is_file())


@fault("each file of a run is a link to a file of mine, or to one that is not there")
def _(place: Place) -> str:
    worst = Worst()
    mine, nothing = fresh(place.folder / "mine") / "diary.txt", place.folder / "mine" / "nothing"
    resume = ("train", "--resume", "linked", "--set", "training.sample_every=20 steps")
    for name in dict.fromkeys(
        [*files_of(place, "linked"), Path("samples.txt"), Path("lock"), Path(".metrics.jsonl.tmp")]
    ):
        for target in (mine, nothing):
            mine.write_text("dear diary")
            nothing.unlink(missing_ok=True)
            path = place.folder / place.copy("linked") / name
            path.unlink(missing_ok=True)
            path.symlink_to(target)
            what = f"{name} is a link"
            worst.ends(run(place, *resume), what, (0, 2))
            if mine.read_text() != "dear diary" or nothing.exists():
                worst.wrong.append(f"{what}: what it leads to was written, {'there' if target is mine else 'anew'}")
    return f"what they lead to is left alone: {worst.summary()}"


@fault("files and folders of a run that may not be read, or not be written")
def _(place: Place) -> str:
    if os.geteuid() == 0:
        raise NotProvoked("root may read everything")
    worst = Worst()
    run_folder = place.folder / place.copy("closed")
    parts = sorted(part.relative_to(run_folder) for part in run_folder.rglob("*"))
    for name in (Path(), *parts):
        for mode in (0o000, 0o444, 0o555):
            for command in (("sample", "closed", "--length", "5"), ("info", "closed"), ("train", "--resume", "closed")):
                part = place.folder / place.copy("closed") / name
                if mode != 0 and (not part.is_dir() or command[0] == "info"):
                    continue
                part.chmod(mode)
                try:
                    worst.ends(run(place, *command), f"mode {mode:03o} of {name}: {command[0]}", (0, 2))
                finally:
                    # Everywhere, because a checkpoint may have been renamed to be removed.
                    subprocess.run(["chmod", "-R", "u+rwX", str(run_folder)], check=True)
    return f"one message, or another checkpoint is taken; exit code 0 or 2: {worst.summary()}"


@fault("a file of 3 GB: as config, compressed file, prompt, each file of a run")
def _(place: Place) -> str:
    huge, worst = sparse(place.folder / "huge.crnn"), Worst()
    for command in (
        ("train", "huge.crnn"),
        ("sweep", "huge.crnn"),
        ("decompress", "whole", "huge.crnn"),
        ("compress", "whole", "huge.crnn", "--out", "huge.out"),
        ("sample", "whole", "--prompt-file", "huge.crnn"),
    ):
        worst.ends(run(place, *command), f"{' '.join(command)}")
    huge.unlink()
    for file in files_of(place, "huge"):
        for command in (("sample", "huge", "--length", "5"), ("info", "huge"), ("train", "--resume", "huge")):
            place.copy("huge")
            os.truncate(place.folder / "huge" / file, HUGE)
            worst.ends(run(place, *command), f"{file}: {command[0]}", (0, 2), limit=60)
    return f"one message, or another checkpoint is taken: {worst.summary()}"


LARGE = 10**9
"""Bytes of weights that fit their manifest: to look at them, they must be read."""


@fault("weights of a gigabyte, with a manifest that fits them")
def _(place: Place) -> str:
    import hashlib

    worst = Worst()
    for what, header in (
        ("zeros", {}),
        ("one tensor", {"w": {"dtype": "F32", "shape": [LARGE // 4], "data_offsets": [0, LARGE]}}),
    ):
        last = place.last(place.copy("heavy"))
        raw = json.dumps(header).encode()
        (last / WEIGHTS).write_bytes(struct.pack("<Q", len(raw)) + raw if header else b"")
        size = LARGE + (8 + len(raw) if header else 0)
        os.truncate(last / WEIGHTS, size)
        digest = hashlib.sha256()
        with (last / WEIGHTS).open("rb") as stream:
            while data := stream.read(2**20):
                digest.update(data)
        for folder in last.parent.glob("step-*"):
            if folder != last:
                shutil.rmtree(folder)
        manifest = json.loads((last / "manifest.json").read_text())
        manifest["files"][WEIGHTS] = {"bytes": size, "sha256": digest.hexdigest()}
        (last / "manifest.json").write_text(json.dumps(manifest))
        for command in (("sample", "heavy", "--length", "5"), ("train", "--resume", "heavy")):
            worst.ends(run(place, *command), f"{what}: {command[0]}", limit=60, lines=2)
    return f"named as damaged, since hardly any of it was ever written, and refused: {worst.summary()}"


@fault("a text of 3 GB without content, as corpus")
def _(place: Place) -> str:
    slow(place)
    huge = sparse(place.folder / "huge.txt")
    try:
        place.folder.joinpath("sparse").mkdir(exist_ok=True)
        done = Child(
            place,
            ("train", "sparse.json", "--out", "sparse/run", "--quiet", "--device", "cpu"),
            before=lambda: write_config(place, "sparse.json", str(huge)),
        ).done(600)
        done.expect(done.code == 0 and done.megabytes < MOST, f"less than {MOST} MB, not {done.megabytes:,.0f}")
    finally:
        huge.unlink()
        for entry in (place.folder / "cache/ids").glob("*"):
            if (entry / "ids.bin").stat().st_size > HUGE // 2:
                shutil.rmtree(entry)
    return f"encoded, and trained on, in {done.seconds:.0f} s and {done.megabytes:.0f} MB"


def write_config(place: Place, name: str, text: str) -> None:
    """A config of two steps."""
    keys = {
        "corpus": {"path": text},
        "model": {"hidden_size": 8, "embedding_size": 4},
        "training": {"steps": 2, "sample_every": None},
    }
    (place.folder / name).write_text(json.dumps(keys))


def score_line(place: Place, size: int) -> str:
    """Scores one line of so many bytes."""
    (place.folder / "line.txt").write_text("the cat sat on the mat. " * (size // 24), encoding="utf-8")
    done = Child(place, ("score", "whole", "line.txt")).done(900)
    (place.folder / "line.txt").unlink()
    done.expect(done.code == 0 and len(done.out) > size * 0.9, "the line and its figure")
    done.expect(done.megabytes < 60 * size / 1e6 + 300, f"at most 60 bytes for a character: {done.megabytes:,.0f} MB")
    return f"{done.seconds:.0f} s, {done.megabytes:,.0f} MB"


@fault("`score` of one line of 5 MB")
def _(place: Place) -> str:
    return score_line(place, 5_000_000)


@fault("`score` of one line of 50 MB")
def _(place: Place) -> str:
    slow(place)
    return score_line(place, 50_000_000)


def long_history(place: Place, interval: int) -> None:
    """A run with metrics.jsonl of a gigabyte, in which one line of so many is an evaluation."""
    metrics = place.folder / place.copy("long") / "metrics.jsonl"
    at = {"step": place.steps("long"), "minutes": 0.1, "epochs": 0.1}
    first = json.loads(metrics.read_text().splitlines()[0])
    lines = [json.dumps(first | at), json.dumps(at | {"val_loss": 2.5, "val_bits_per_char": 3.6})]
    block = "".join(lines[i % interval == 0] + "\n" for i in range(10_000))
    with metrics.open("w", encoding="utf-8") as stream:
        for _ in range(10**9 // len(block)):
            stream.write(block)


@fault("metrics.jsonl of a gigabyte")
def _(place: Place) -> str:
    slow(place)
    worst, told = Worst(), []
    for interval, what in ((1000, "lines of steps"), (1, "evaluations")):
        long_history(place, interval)
        for command in (("info", "long"), ("compare", "long"), ("train", "--resume", "long")):
            child = run(place, *command)
            worst.ends(child, f"{what}: {command[0]}", (0,), most=1000, limit=200)
            told.append(f"{what}: `{command[0]}` {child.seconds:.0f} s, {child.peak:.0f} MB")
    place.remove("long")
    worst.summary()
    return "; ".join(told)
