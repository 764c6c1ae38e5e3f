"""What went wrong, as JSON. The shape is that of the OpenAI API, so that its clients show the message."""

from __future__ import annotations

import json
import traceback
from typing import Any

from starlette.responses import Response

from charrnn.desk.batching import Busy
from charrnn.desk.shelf import NoSuchRun
from charrnn.errors import CharrnnError
from charrnn.terminal import warn

KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 503: "overloaded_error"}


ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class Answer(Response):
    """A document as JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The document in bytes."""
        return line(content)


def line(document: Any) -> bytes:
    """A document as a line of JSON."""
    return (ENCODER.encode(document) + "\n").encode("utf-8", "backslashreplace")


def refusal(status: int, message: str) -> Answer:
    """A message with a status."""
    kind = KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    headers = {"retry-after": "1"} if status == 503 else None
    return Answer({"error": {"message": message, "type": kind, "param": None, "code": None}}, status, headers)


def last_line(error: Exception) -> bytes:
    """What went wrong, as the last line of an answer that comes in lines."""
    return bytes(told(error).body)


def told(error: Exception) -> Answer:
    """A mistake of whoever asks, in its message; a bug, of which the traceback stays on the server."""
    if isinstance(error, CharrnnError):
        status = 503 if isinstance(error, Busy) else 404 if isinstance(error, NoSuchRun) else 400
        return refusal(status, str(error))
    warn("".join(traceback.format_exception(error)).rstrip())
    return refusal(500, "a bug in charrnn: the server's standard error has it")
