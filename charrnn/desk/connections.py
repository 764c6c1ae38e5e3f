"""Connections that do not wait for ever for a client that says nothing, or half of something."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 20.0
"""The seconds in which the head of a request is to arrive."""


class Impatient(H11Protocol):
    """The HTTP of uvicorn, which closes a connection on which no whole head of a request came in time."""

    _watch: asyncio.TimerHandle | None = None
    _seen: object = None

    def connection_made(self, transport: Any) -> None:
        """Begins to look at the clock."""
        super().connection_made(transport)
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        """Looks no more."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _look_again(self) -> None:
        self._watch = self.loop.call_later(PATIENCE, self._look)

    def _look(self) -> None:
        """Closes the connection if no request runs, and none has come since it was looked at last."""
        running = self.cycle is not None and not self.cycle.response_complete
        if not running and self.cycle is self._seen:
            self.transport.close()
            return
        self._seen = self.cycle
        self._look_again()
