"""The speed of `charrnn serve`: many streams at once beside `charrnn sample --samples`, and the first character.

    python benchmarks/serving.py RUN [--streams 32] [--length 1000] [--repeat 5]

The sides take turns. `sample` is `Run.sample(samples=32)` in a process that has opened the run. `serve` is a server in
a process of its own, of which a client reads 32 streams of `/api/sample` at once, from the first request to the last
character. Both write the same number of characters at the run's temperature; documents write until they end. The client
is a thread of this process, on the same cores, and parses each line when it has come. Other work on the machine changes
what the clock says, and less what the processor spends: characters per second of the server's time on the processor
stand beside it. The first character is timed in three ways: alone, and as a 33rd text while 32 are written, each time
after a prompt of its own, which nobody has read; and for the 32 streams that ask at the same moment, from the prompt of
the config. Those 32 beside which a text is timed end one after the other, and another comes for each.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from machine import describe

import charrnn

FIRSTS = 20
"""The first characters that are timed in each turn."""
MOST = 2**16
"""The most bytes that are read at once."""


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("--streams", type=int, default=32, help="texts at once (32)")
    parser.add_argument("--length", type=int, default=1000, help="characters of each (1000)")
    parser.add_argument("--repeat", type=int, default=5, help="turns (5)")
    arguments = parser.parse_args()
    streams, length = arguments.streams, arguments.length
    run = charrnn.load(arguments.run)
    print(f"{describe()}; {run}; medians of {arguments.repeat} turns\n")
    sampled, served, alone, beside, together = [], [], [], [], []
    spent, spent_serving = [], []
    chance = random.Random(0)

    def prompts() -> str:
        return "".join(chance.choices([own for own in run.vocabulary.characters if own.isalpha()], k=10))

    with server(arguments.run) as (port, process):
        read(crowd(port, [50, 50], 0))
        run.sample(length=50, samples=2)
        for turn in range(arguments.repeat):
            began, before = time.perf_counter(), time.process_time()
            texts = run.sample(length=length, samples=streams, seed=turn)
            count = characters([text.text for text in texts])
            sampled.append(count / (time.perf_counter() - began))
            spent.append(count / (time.process_time() - before))
            began, before = time.perf_counter(), processor_time(process.pid)
            answers = read(crowd(port, [length] * streams, turn))
            took = time.perf_counter() - began
            count = characters([answer.text for answer in answers])
            served.append(count / took)
            spent_serving.append(count / (processor_time(process.pid) - before))
            together += [answer.first for answer in answers]
            alone += [read([Answer(port, 20, 1, prompts())])[0].first for _ in range(5)]
            beside += first_beside(port, streams, length, turn, prompts)
    sides = ((f"`sample --samples {streams}`", sampled, spent), (f"`serve`, {streams} streams", served, spent_serving))
    print("| | characters/s | per second of the processor |\n|---|---:|---:|")
    for name, clock, processor in sides:
        print(f"| {name} | {shown(clock)} | {shown(processor)} |")
    ratios = [statistics.median(b) / statistics.median(a) for a, b in ((sampled, served), (spent, spent_serving))]
    print(f"| `serve` of `sample` | {ratios[0]:.0%} | {ratios[1]:.0%} |")
    print(
        "\n| first character | times | median | 99 % within | slowest | within 50 ms |\n|---|---:|---:|---:|---:|---:|"
    )
    ways = (
        ("alone", alone),
        (f"while {streams} texts are written", beside),
        (f"of {streams} that ask at the same moment", together),
    )
    for name, times in ways:
        most = sorted(times)[-1 - len(times) // 100]
        row = (f"{1000 * one:.0f} ms" for one in (statistics.median(times), most, max(times)))
        soon = sum(one <= 0.05 for one in times) / len(times)
        print(f"| {name} | {len(times)} | {' | '.join(row)} | {soon:.1%} |")


@contextmanager
def server(run: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A server of a run: its port and its process."""
    command = [sys.executable, "-m", "charrnn", "serve", str(run), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(json.loads(process.stdout.readline())["address"].rstrip("/").rpartition(":")[2]), process
        finally:
            process.terminate()


class Answer:
    """An answer to a request for a text, as it comes."""

    def __init__(self, port: int, length: int, seed: int, prompt: str | None = None) -> None:
        """Asks for it."""
        self.text = ""
        self.first = 0.0
        """The seconds from the request to the first character that is written for it."""
        self._rest = b""
        body = json.dumps({"prompt": prompt, "length": length, "seed": seed, "stream": True}).encode()
        head = [f"Host: 127.0.0.1:{port}", "Content-Type: application/json", "Connection: close"]
        head = ["POST /api/sample HTTP/1.1", *head, f"Content-Length: {len(body)}", "", ""]
        self._began = time.perf_counter()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall("\r\n".join(head).encode() + body)

    def take(self) -> bool:
        """Takes the lines that have come. Whether there are more to come."""
        part = self.socket.recv(MOST)
        *lines, self._rest = (self._rest + part).split(b"\n")
        for said in (json.loads(line) for line in lines if line.startswith(b"{")):
            if "bits" in said:
                self.first = self.first or time.perf_counter() - self._began
                self.text += said["text"]
        return bool(part)


def crowd(port: int, lengths: Iterable[int], turn: int) -> list[Answer]:
    """Streams of so many characters at once."""
    return [Answer(port, length, 1000 * turn + i) for i, length in enumerate(lengths)]


def read(answers: Iterable[Answer], another: Callable[[Answer], Answer | None] = lambda _: None) -> list[Answer]:
    """Reads answers to their ends, and those to what is asked `another` time after one has ended."""
    found = []
    with selectors.DefaultSelector() as selector:
        for answer in answers:
            selector.register(answer.socket, selectors.EVENT_READ, answer)
        while selector.get_map():
            for answer in [key.data for key, _ in selector.select()]:
                if answer.take():
                    continue
                selector.unregister(answer.socket)
                answer.socket.close()
                found.append(answer)
                if (after := another(answer)) is not None:
                    selector.register(after.socket, selectors.EVENT_READ, after)
    return found


def first_beside(port: int, streams: int, length: int, turn: int, prompts: Callable[[], str]) -> list[float]:
    """The seconds to the first characters of texts that come one after the other, beside so many streams. Where one of
    those ends, another begins.
    """
    found: list[float] = []
    seeds = iter(range(5000 * turn + streams, 5000 * (turn + 1)))
    timed = Answer(port, 20, 1, prompts())  # this one comes with the crowd, and does not count

    def another(ended: Answer) -> Answer | None:
        nonlocal timed
        if len(found) > FIRSTS:
            return None
        if ended is not timed:
            return Answer(port, length, next(seeds))
        found.append(timed.first)
        timed = Answer(port, 20, 1, prompts())
        return timed

    lengths = [max(1, length * i // streams) for i in range(1, streams + 1)]
    read([*crowd(port, lengths, 5 * turn), timed], another)
    return found[1:]


def processor_time(process: int) -> float:
    """The seconds that a process has had of the processor (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def shown(speeds: list[float]) -> str:
    """The median, with the slowest and the fastest."""
    return f"{statistics.median(speeds):,.0f} ({min(speeds):,.0f}–{max(speeds):,.0f})"


def characters(texts: list[str]) -> int:
    """How many characters were written."""
    return sum(map(len, texts))


if __name__ == "__main__":
    main()
