"""The speed of `charrnn serve`: many streams at once beside `charrnn sample --samples`, and the first character.

    python benchmarks/serving.py RUN [--streams 32] [--length 1000] [--repeat 5]

The sides take turns. `sample` is `Run.sample(samples=32)` in a process that has opened the run. `serve` is a server in
a process of its own, of which a client reads 32 streams of `/api/sample` at once, from the first request to the last
character. Both write the same number of characters at the run's temperature; documents write until they end. The client
reads bytes and parses nothing while the clock runs. Other work on the machine changes what the clock says, and less
what the processor spends: characters per second of the processor's time stand beside it. The first character is timed
in two ways: alone, and as a 33rd text while 32 are written; each time after a prompt of its own, which nobody has read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import describe

import charrnn

FIRSTS = 20
"""The first characters that are timed in each turn."""


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
    sampled, served, alone, beside = [], [], [], []
    spent, spent_serving = [], []
    chance = random.Random(0)

    def prompts() -> str:
        return "".join(chance.choices([own for own in run.vocabulary.characters if own.isalpha()], k=10))

    with server(arguments.run) as (port, process):
        asyncio.run(crowd(port, 2, 50, 0))
        run.sample(length=50, samples=2)
        for turn in range(arguments.repeat):
            began, before = time.perf_counter(), time.process_time()
            texts = run.sample(length=length, samples=streams, seed=turn)
            count = characters([text.text for text in texts])
            sampled.append(count / (time.perf_counter() - began))
            spent.append(count / (time.process_time() - before))
            began, before = time.perf_counter(), processor_time(process.pid)
            answers = asyncio.run(crowd(port, streams, length, turn))
            took = time.perf_counter() - began
            count = characters([written(answer) for answer in answers])
            served.append(count / took)
            spent_serving.append(count / (processor_time(process.pid) - before))
            alone += [asyncio.run(first(port, prompts())) for _ in range(5)]
            beside += asyncio.run(first_beside(port, streams, length, turn, prompts))
    sides = ((f"`sample --samples {streams}`", sampled, spent), (f"`serve`, {streams} streams", served, spent_serving))
    print("| | characters/s | per second of the processor |\n|---|---:|---:|")
    for name, clock, processor in sides:
        print(f"| {name} | {shown(clock)} | {shown(processor)} |")
    ratios = [statistics.median(b) / statistics.median(a) for a, b in ((sampled, served), (spent, spent_serving))]
    print(f"| `serve` of `sample` | {ratios[0]:.0%} | {ratios[1]:.0%} |")
    print(
        "\n| first character | times | median | 99 % within | slowest | within 50 ms |\n|---|---:|---:|---:|---:|---:|"
    )
    for name, times in (("alone", alone), (f"while {streams} texts are written", beside)):
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


async def crowd(port: int, streams: int, length: int, turn: int) -> list[bytes]:
    """So many streams at once, read to their ends."""
    return list(await asyncio.gather(*(stream(port, length, 1000 * turn + i) for i in range(streams))))


async def stream(port: int, length: int, seed: int) -> bytes:
    """The answer to one request."""
    reader, writer = await asked(port, length, seed)
    answer = await reader.read()
    writer.close()
    return answer


async def asked(
    port: int, length: int, seed: int, prompt: str | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection over which a text was asked for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"prompt": prompt, "length": length, "seed": seed, "stream": True}).encode()
    head = [f"Host: 127.0.0.1:{port}", "Content-Type: application/json", "Connection: close"]
    head = ["POST /api/sample HTTP/1.1", *head, f"Content-Length: {len(body)}", "", ""]
    writer.write("\r\n".join(head).encode() + body)
    return reader, writer


async def first(port: int, prompt: str) -> float:
    """The seconds from a request to the first character that is written for it."""
    began = time.perf_counter()
    reader, writer = await asked(port, 20, 1, prompt)
    await reader.readuntil(b'"bits"')
    took = time.perf_counter() - began
    await reader.read()
    writer.close()
    return took


async def first_beside(port: int, streams: int, length: int, turn: int, prompts: Callable[[], str]) -> list[float]:
    """The same for texts that come one after the other, beside so many streams. Where one ends, another begins."""
    over = asyncio.Event()

    async def others(number: int) -> None:
        seed = 5000 * turn + number
        while not over.is_set():
            await stream(port, length, seed)
            seed += streams

    writing = [asyncio.create_task(others(i)) for i in range(streams)]
    await asyncio.sleep(0.1)
    found = [await first(port, prompts()) for _ in range(FIRSTS)]
    over.set()
    await asyncio.gather(*writing)
    return found


def written(answer: bytes) -> str:
    """The text of an answer."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in answer.split(b"\n") if line.startswith(b"{")]
    return "".join(line["text"] for line in lines if "text" in line)


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
