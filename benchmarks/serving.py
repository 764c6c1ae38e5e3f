"""The speed of `charrnn serve`: many streams at once beside `charrnn sample --samples`, and the first character.

    python benchmarks/serving.py RUN [--streams 32] [--length 1000] [--repeat 5]

The sides take turns. `sample` is `Run.sample(samples=32)` in a process that has opened the run. `serve` is a server in
a process of its own, of which a client reads 32 streams of `/api/sample` at once, from the first request to the last
character. Both write the same number of characters at the run's temperature; documents write until they end. The client
reads bytes and parses nothing while the clock runs. Other work on the machine changes what the clock says, and less
what the processor spends: characters per second of the processor's time stand beside it. The first character is timed
in two ways: alone, and as a 33rd text while 32 are written.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import describe

import charrnn


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
            alone += [asyncio.run(first(port, 100 + turn)) for _ in range(5)]
            beside += asyncio.run(first_beside(port, streams, length, turn))
    sides = ((f"`sample --samples {streams}`", sampled, spent), (f"`serve`, {streams} streams", served, spent_serving))
    print("| | characters/s | per second of the processor |\n|---|---:|---:|")
    for name, clock, processor in sides:
        print(f"| {name} | {shown(clock)} | {shown(processor)} |")
    ratios = [statistics.median(b) / statistics.median(a) for a, b in ((sampled, served), (spent, spent_serving))]
    print(f"| `serve` of `sample` | {ratios[0]:.0%} | {ratios[1]:.0%} |")
    print("\n| first character | median | slowest |\n|---|---:|---:|")
    for name, times in (("alone", alone), (f"while {streams} texts are written", beside)):
        print(f"| {name} | {1000 * statistics.median(times):.0f} ms | {1000 * max(times):.0f} ms |")


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


async def asked(port: int, length: int, seed: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection over which a text was asked for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"length": length, "seed": seed, "stream": True}).encode()
    head = [f"Host: 127.0.0.1:{port}", "Content-Type: application/json", "Connection: close"]
    head = ["POST /api/sample HTTP/1.1", *head, f"Content-Length: {len(body)}", "", ""]
    writer.write("\r\n".join(head).encode() + body)
    return reader, writer


async def first(port: int, seed: int) -> float:
    """The seconds from a request to the first character that is written for it."""
    began = time.perf_counter()
    reader, writer = await asked(port, 20, seed)
    await reader.readuntil(b'"bits"')
    took = time.perf_counter() - began
    await reader.read()
    writer.close()
    return took


async def first_beside(port: int, streams: int, length: int, turn: int) -> list[float]:
    """The same for a text that comes while others are written."""
    others = [asyncio.create_task(stream(port, length, 5000 * turn + i)) for i in range(streams)]
    await asyncio.sleep(0.1)
    found = [await first(port, 9000 + turn) for _ in range(3)]
    await asyncio.gather(*others)
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
