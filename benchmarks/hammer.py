"""Hammers a server: malformed requests, right ones, and clients that are slow, wait, or leave. Prints its memory.

    python benchmarks/hammer.py RUN [--requests 10000] [--minutes 60] [--seed 0] [--every 60]

A server runs in a process of its own. One malformed request follows the other. Beside them, right ones ask every
address; some clients send a byte at a time, some take a byte at a time, some stop in the midst, some say nothing, and
some ask for a long text and leave. Every so many seconds a line is printed: the server's memory, its open files and its
threads. It goes on for the minutes, or until the requests are sent if that takes longer. In the end the server must
answer a right request as before, and end after SIGTERM. Exit code 1 if not, or where a bug was answered (status 500).
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from machine import describe
from serving import server

RIGHT = {"length": 20, "seed": 1, "stream": True}
TEXT = "To be, or not"
FINE: dict[str, Any] = {
    "/api/sample": RIGHT,
    "/api/next": {"text": ""},
    "/api/score": {"text": TEXT, "stream": True},
    "/api/fill": {"text": "____"},
    "/api/verse": {"text": "床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。"},
    "/api/novelty": {"text": TEXT},
    "/v1/completions": {"max_tokens": 20, "seed": 1, "stream": True},
}
"""A right request to each address that takes a body."""
SHOWN = ["/", "/page.js", "/api/runs", "/api/forms", "/openapi.json", "/v1/models", "/v1/models/x"]
PATHS = [*FINE, *SHOWN]
LINGERING = 200
"""The most requests during which a client lingers."""
MOST = 40
"""The most clients that linger at once."""


def main() -> None:
    """Hammers, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("--requests", type=int, default=10_000, help="malformed requests, at least (10000)")
    parser.add_argument("--minutes", type=float, default=5.0, help="the shortest time (5)")
    parser.add_argument("--seed", type=int, default=0, help="of the requests (0)")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two lines (60)")
    arguments = parser.parse_args()
    chance, counts = random.Random(arguments.seed), Counter[str]()
    lingering: list[Iterator[None]] = []
    with server(arguments.run) as (port, process):
        model = json.loads(asked(port, shown("/v1/models")).partition(b"\r\n\r\n")[2])["data"][0]["id"]
        FINE["/v1/completions"]["model"] = model
        for number in range(300):  # what is made when it is first needed is made
            asked(port, *malformed(chance))
            asked(port, fine(number))
        before = written(port)
        print(f"{describe()}\n\n| minute | requests | MB | open files | threads |\n|---:|---:|---:|---:|---:|")
        began, due = time.monotonic(), 0.0
        while counts["malformed"] < arguments.requests or time.monotonic() - began < 60 * arguments.minutes:
            if (now := time.monotonic() - began) >= due:
                print(line(now, counts, process.pid), flush=True)
                due = now + arguments.every
            answer = asked(port, *malformed(chance))
            counts["malformed"] += 1
            counts[answer[9:12].decode("latin-1") or "closed"] += 1
            if counts["malformed"] % 10 == 0:
                answer = asked(port, fine(counts["right"]))
                counts["right"] += 1
                counts["right, " + (answer[9:12].decode("latin-1") or "closed")] += 1
            if counts["malformed"] % 10 == 5:
                kind = chance.choice(KINDS)
                lingering = [*lingering[-MOST:], kind(port, chance)]
                counts[kind.__name__] += 1
            lingering = [client for client in lingering if lingers(client)]
        seconds = time.monotonic() - began
        lingering.clear()
        print(line(seconds, counts, process.pid))
        same = written(port) == before != ""
        alive, ended = process.poll() is None, time.monotonic()
        process.terminate()
        process.wait(20)
        took = time.monotonic() - ended
    statuses = ", ".join(f"{name} × {count:,}" for name, count in sorted(counts.items()) if name.isdigit())
    slow = ", ".join(f"{counts[kind.__name__]:,} {kind.__doc__}" for kind in KINDS)
    right = ", ".join(f"{name[7:]} × {count:,}" for name, count in sorted(counts.items()) if name.startswith("right, "))
    print(f"\n{counts['malformed']:,} malformed requests: {statuses}; closed without an answer: {counts['closed']:,}")
    print(f"{counts['right']:,} right requests: {right}")
    print(f"clients that linger: {slow}")
    print(f"alive: {alive}; the same text as before: {same}; gone {took:.1f} s after SIGTERM")
    sys.exit(0 if alive and same and not counts["500"] and not counts["right, 500"] else 1)


def line(seconds: float, counts: Counter[str], pid: int) -> str:
    """A row of the table: what a process holds. Files that it has mapped, such as weights, do not count as memory."""
    own = Path(f"/proc/{pid}")
    status = dict(row.split(":\t", 1) for row in (own / "status").read_text().splitlines() if ":\t" in row)
    memory, files = int(status["RssAnon"].split()[0]) / 1024, len(list((own / "fd").iterdir()))
    sent = counts["malformed"] + counts["right"]
    return f"| {seconds / 60:.0f} | {sent:,} | {memory:.1f} | {files} | {status['Threads']} |"


def written(port: int) -> str:
    """The text that a right request gets; its lines are divided by the load. Empty if there is none."""
    answer = asked(port, request("/api/sample", json.dumps({**RIGHT, "stream": False}).encode()))
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["samples"][0]["text"]) if answer else ""


def request(path: str, body: bytes, more: str = "", method: str = "POST") -> bytes:
    """A request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}{more}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


def asked(port: int, data: bytes, whole: bool = True) -> bytes:
    """The answer to some bytes; empty if there is none. After what is not `whole`, the client says that it is all."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as own:
            own.sendall(data)
            if not whole:
                own.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: own.recv(65536), b""))
    except OSError:
        return b""


def malformed(chance: random.Random) -> tuple[bytes, bool]:
    """A request in which something is wrong, and whether it is whole."""
    path = chance.choice(PATHS)
    anything: list[object] = [None, -1, 1e400, "x", [], {}, 2**70, True, "\ud800", "5x4", "\x00", "龘" * 300, [[[]]]]
    keys = ["prompt", "length", "form", "text", "samples", "seed", "model", "stop", "run", "temperature", "more"]
    kind = chance.randrange(9)
    if kind == 0:
        return chance.randbytes(chance.randrange(1, 300)), False
    if kind == 1:
        return request(path, chance.randbytes(chance.randrange(0, 300))), True
    if kind == 2:
        return request(path, b"[" * chance.randrange(1, 100_000)), True
    if kind == 3:
        return request(path, b"{}", f"Origin: http://{chance.randrange(999)}.example\r\n"), True
    if kind == 4:
        return request(path, b"{}").replace(b"127.0.0.1", chance.choice([b"evil.example", b"", b"\xff"])), True
    if kind == 5:
        return request(path, b" " * chance.choice([999_999, 1_000_001, 2_000_000])), True
    if kind == 6:
        return request(path, b"{}")[: chance.randrange(5, 100)], False
    if kind == 7:
        bad = chance.choice([b"\xff\xfe", b"\xe6\x9c", b"\xed\xa0\x80", b"\xc0\x80"])  # no UTF-8
        return request(path, b'{"prompt": "' + bad + b'", "text": "' + bad + b'"}'), True
    body = {chance.choice(keys): chance.choice(anything) for _ in range(chance.randrange(1, 5))}
    return request(path, json.dumps({**body, "wrong": 1}).encode()), True


def shown(path: str) -> bytes:
    """A right request without a body."""
    return request(path, b"", method="GET")


def fine(number: int) -> bytes:
    """A right request, each address in turn."""
    path = PATHS[number % len(PATHS)]
    return request(path, json.dumps(FINE[path]).encode()) if path in FINE else shown(path)


def lingers(client: Iterator[None]) -> bool:
    """Whether a client is still there after one step more."""
    try:
        next(client)
    except (StopIteration, OSError):  # the server has closed its connection, say
        return False
    return True


def sends_slowly(port: int, chance: random.Random) -> Iterator[None]:
    """send a byte at a time"""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as own:
        for byte in request("/api/sample", b'{"length": 5}'):
            own.sendall(bytes([byte]))
            yield
        own.recv(65536)


def takes_slowly(port: int, _: random.Random) -> Iterator[None]:
    """take a byte at a time"""
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        own.settimeout(30)
        own.connect(("127.0.0.1", port))
        own.sendall(request("/api/sample", b'{"length": 2000, "samples": 4, "stream": true}'))
        for _turn in range(LINGERING):
            own.recv(1)
            yield


def stops(port: int, chance: random.Random) -> Iterator[None]:
    """send half a request"""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as own:
        own.sendall(request("/api/sample", b'{"length": 5}')[: chance.randrange(1, 150)])
        for _ in range(LINGERING):
            yield


def says_nothing(port: int, _: random.Random) -> Iterator[None]:
    """say nothing"""
    with socket.create_connection(("127.0.0.1", port), timeout=30):
        for _turn in range(LINGERING):
            yield


def leaves(port: int, chance: random.Random) -> Iterator[None]:
    """ask for a long text and leave"""
    stream = json.dumps({"length": 10_000, "stream": chance.random() < 0.5}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as own:
        own.sendall(request("/api/sample", stream))
        for _ in range(chance.randrange(5)):
            yield
        if chance.random() < 0.5:  # without a farewell
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


KINDS: list[Callable[[int, random.Random], Iterator[None]]] = [sends_slowly, takes_slowly, stops, says_nothing, leaves]


if __name__ == "__main__":
    main()
