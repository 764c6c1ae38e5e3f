"""Answers that come in pieces, and do not wait for ever for their reader."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
from starlette.responses import Response, StreamingResponse


def streamed(
    pieces: AsyncGenerator[bytes, None], kind: str, patience: float, ended: Callable[[], None] = lambda: None
) -> Response:
    """An answer that comes in pieces. One that nobody takes for so many seconds is given up.

    `ended` is called in the end, also where the client has left before the first piece was asked of `pieces`.
    """
    return _Stream(pieces, kind, patience, ended)


class _Stream(StreamingResponse):
    def __init__(
        self, pieces: AsyncGenerator[bytes, None], media_type: str, patience: float, ended: Callable[[], None]
    ) -> None:
        super().__init__(pieces, media_type=media_type)
        self._pieces, self._patience, self._ended = pieces, patience, ended
        self._since = math.inf
        """Since when a piece waits to be taken, by the clock of the loop."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()

    async def stream_response(self, send: Any) -> None:
        """Sends the pieces, and closes the source in the end, however it comes."""
        clock = asyncio.get_running_loop().time

        async def sending(message: Any) -> None:
            self._since = clock()
            await send(message)
            self._since = math.inf

        with anyio.CancelScope() as waiting:  # without a last piece the connection is closed
            self._look_again(waiting.cancel, self._patience)
            try:
                await super().stream_response(sending)
            finally:
                self._watch.cancel()
                with anyio.CancelScope(shield=True):
                    await self._pieces.aclose()

    def _look_again(self, give_up: Callable[[], None], after: float) -> None:
        """Looks at the clock once in a while. A timer for each piece would cost as much as the piece."""
        loop = asyncio.get_running_loop()

        def look() -> None:
            left = min(self._since, loop.time()) + self._patience - loop.time()
            if left <= 0:
                give_up()
            else:
                self._look_again(give_up, left)

        self._watch = loop.call_later(after, look)
