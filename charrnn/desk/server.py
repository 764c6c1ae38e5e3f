"""Runs the application: its socket, its token, and its end."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette

from charrnn.desk.app import create_app
from charrnn.desk.connections import Impatient
from charrnn.desk.guard import LOOPBACK, Access
from charrnn.desk.limits import Limits
from charrnn.errors import CharrnnError
from charrnn.run import Run

SWITCH = 0.0005
"""The seconds after which Python's threads take turns: the thread that writes must not wait long for the others."""
BACKLOG = 1024
"""The connections that wait to be taken."""


class Server(uvicorn.Server):
    """The server of uvicorn, which ends the texts where they are before it waits for their connections to close."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what is being written, and sends it."""
        app: Any = self.config.app
        assert isinstance(app, Starlette)
        await asyncio.to_thread(app.state.desk.shelf.close)
        await super().shutdown(sockets)


def serve(
    runs: Sequence[Run], host: str, port: int, names: Sequence[str], limits: Limits, ready: Callable[[str, str], None]
) -> None:
    """Serves runs until a signal ends it. `ready` is told the address, and the token, which is empty on the loopback.

    Port 0 takes a free one. Raises CharrnnError where the address cannot be had.
    """
    own = _bound(host, port)
    token = "" if host in LOOPBACK else secrets.token_urlsafe(24)
    access = Access(
        {*LOOPBACK, *names, host, *([socket.gethostname().lower()] if token else [])}, bool(token), token or None
    )
    app = create_app(runs, limits, access)
    config = uvicorn.Config(
        app,
        http=Impatient,
        ws="none",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=int(limits.patience),
        timeout_graceful_shutdown=5,
        proxy_headers=False,
    )
    shown = f"[{host}]" if ":" in host else host
    sys.setswitchinterval(SWITCH)
    ready(f"http://{shown}:{own.getsockname()[1]}/", token)
    Server(config).run(sockets=[own])


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens there."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        own = socket.socket(family[0], socket.SOCK_STREAM)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind(family[4])
        own.listen(BACKLOG)  # who is told the address may ask at once
    except OSError as error:
        raise CharrnnError(
            f"‹host={host}› ‹port={port}›: cannot be served at: {error.strerror}; give another ‹port›, or 0 for any"
        ) from None
    own.set_inheritable(True)
    return own
