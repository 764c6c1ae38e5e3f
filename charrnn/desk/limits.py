"""How much a server takes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, and how many there may be."""

    length: int = 10_000
    """The most characters of a text that is written, of a prompt, and of a text that is scored."""
    texts: int = 64
    """The most texts that are written at once, of one run; one request may ask for as many."""
    queue: int = 256
    """The most texts that wait, of one run, and the most other requests."""
    body: int = 1_000_000
    """The most bytes of a request's body."""
    patience: float = 20.0
    """The most seconds in which a request arrives, and in which a client takes a portion of what is sent to it."""
    connections: int = 512
    """The most connections."""
