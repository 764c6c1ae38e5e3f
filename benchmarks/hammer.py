"""Hammers a server: malformed requests, clients that leave, and slow ones. Prints its memory before and after.

    python benchmarks/hammer.py RUN [--requests 10000] [--minutes 5] [--seed 0]

A server runs in a process of its own. Beside the malformed requests, clients send half a request and wait, and others
ask for a long text and leave. It goes on for the minutes, or until the requests are sent if that takes longer. In the
end the server must answer a right request as before, and be gone a second after SIGTERM. Exit code 1 if not.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import sys
import time
from collections import Counter
from pathlib import Path

from machine import describe
from serving import server

PATHS = ["/", "/api/sample", "/api/next", "/api/score", "/api/fill", "/api/verse", "/v1/completions", "/v1/models/x"]
RIGHT = {"length": 20, "seed": 1, "stream": True}


def main() -> None:
    """Hammers, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("--requests", type=int, default=10_000, help="malformed requests (10000)")
    parser.add_argument("--minutes", type=float, default=5.0, help="the shortest time (5)")
    parser.add_argument("--seed", type=int, default=0, help="of the requests (0)")
    arguments = parser.parse_args()
    chance, counts, slow = random.Random(arguments.seed), Counter[str](), list[socket.socket]()
    with server(arguments.run) as (port, process):
        for _ in range(300):  # what is made when it is first needed is made
            asked(port, malformed(chance))
        before = asked(port, request("/api/sample", json.dumps(RIGHT).encode()))
        memory, began = [resident(process.pid)], time.monotonic()
        while counts["malformed"] < arguments.requests or time.monotonic() - began < 60 * arguments.minutes:
            answer = asked(port, malformed(chance))
            counts["malformed"] += 1
            counts[answer[9:12].decode("latin-1") or "closed"] += 1
            if counts["malformed"] % 50 == 0:
                slow = [*slow[-30:], waits(port, chance)]
                counts["slow"] += 1
                leaves(port)
                counts["left"] += 1
            if counts["malformed"] % 1000 == 0:
                memory.append(resident(process.pid))
        minutes = (time.monotonic() - began) / 60
        same = asked(port, request("/api/sample", json.dumps(RIGHT).encode())) == before
        memory.append(resident(process.pid))
        alive, ended = process.poll() is None, time.monotonic()
        process.terminate()
        process.wait(20)
        took = time.monotonic() - ended
    statuses = ", ".join(f"{name} × {count:,}" for name, count in sorted(counts.items()) if name.isdigit())
    print(f"{describe()}; {minutes:.1f} minutes\n")
    print(f"{counts['malformed']:,} malformed requests, {counts['slow']} slow clients, {counts['left']} that left")
    print(f"answers: {statuses}; closed without one: {counts['closed']:,}")
    print(f"memory: {memory[0]:.1f} MB before, {memory[-1]:.1f} MB after, {max(memory):.1f} MB at most")
    print(f"alive: {alive}; the same text as before: {same}; gone {took:.1f} s after SIGTERM")
    sys.exit(0 if alive and same and not counts["500"] else 1)


def resident(pid: int) -> float:
    """The memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def request(path: str, body: bytes, more: str = "", method: str = "POST") -> bytes:
    """A request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}{more}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


def asked(port: int, data: bytes) -> bytes:
    """The answer to some bytes; empty if there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as own:
            own.sendall(data)
            own.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: own.recv(65536), b""))
    except OSError:
        return b""


def malformed(chance: random.Random) -> bytes:
    """A request in which something is wrong."""
    path = chance.choice(PATHS)
    anything: list[object] = [None, -1, 1e400, "x", [], {}, 2**70, True, "\ud800", "5x4", "\x00", "龘" * 300, [[[]]]]
    keys = ["prompt", "length", "form", "text", "samples", "seed", "model", "stop", "run", "temperature", "more"]
    kind = chance.randrange(8)
    if kind == 0:
        return chance.randbytes(chance.randrange(1, 300))
    if kind == 1:
        return request(path, chance.randbytes(chance.randrange(0, 300)))
    if kind == 2:
        return request(path, b"[" * chance.randrange(1, 100_000))
    if kind == 3:
        return request(path, b"{}", f"Origin: http://{chance.randrange(999)}.example\r\n")
    if kind == 4:
        return request(path, b"{}").replace(b"127.0.0.1", chance.choice([b"evil.example", b"", b"\xff"]))
    if kind == 5:
        return request(path, b" " * chance.choice([999_999, 1_000_001, 2_000_000]))
    if kind == 6:
        return request(path, b"{}")[: chance.randrange(5, 120)]
    body = {chance.choice(keys): chance.choice(anything) for _ in range(chance.randrange(1, 5))}
    return request(path, json.dumps({**body, "wrong": 1}).encode())


def waits(port: int, chance: random.Random) -> socket.socket:
    """A client that sends half a request, and keeps its connection."""
    own = socket.create_connection(("127.0.0.1", port), timeout=30)
    own.sendall(request("/api/sample", b'{"length": 5}')[: chance.randrange(1, 110)])
    return own


def leaves(port: int) -> None:
    """A client that asks for a long text, and leaves."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as own:
        own.sendall(request("/api/sample", b'{"length": 10000, "stream": true}'))
        own.recv(100)


if __name__ == "__main__":
    main()
