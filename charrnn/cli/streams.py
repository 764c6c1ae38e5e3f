"""Standard output and standard error that may be closed, full, or read by nobody."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from typing import Any

from charrnn.errors import CharrnnError


class ReaderLeft(Exception):
    """Nobody reads standard output any more: what follows need not be written."""


class _Stream(io.TextIOBase):
    """Another stream, of which only writing is another."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        """As the stream says."""
        return bool(self._stream.isatty())

    def fileno(self) -> int:
        """As the stream says."""
        return int(self._stream.fileno())

    def writable(self) -> bool:
        """It is."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream."""
        return str(self._stream.encoding)

    @property
    def errors(self) -> str:  # type: ignore[override]
        """Of the stream."""
        return str(self._stream.errors)


class Told(_Stream):
    """Standard error: what nobody can hear (a closed terminal, a full disk) is lost, and the work goes on."""

    def write(self, text: str) -> int:
        """Writes if it can."""
        try:
            self._stream.write(_text(text))
            self._stream.flush()
        except (OSError, ValueError):
            pass
        return len(text)

    def flush(self) -> None:
        """Does nothing: `write` has done it."""


class Results(_Stream):
    """Standard output: a result that cannot be written is a mistake; one that is no longer read is none."""

    failed: Exception | None = None
    """What the first failure was."""

    def write(self, text: str) -> int:
        """Raises CharrnnError, or ReaderLeft."""
        if len(_text(text)):
            self._tried(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Raises CharrnnError, or ReaderLeft."""
        self._tried(self._stream.flush)

    def _tried(self, work: Callable[..., object], *arguments: str) -> None:
        """What has failed once fails always: half a result is none."""
        if self.failed is None:
            try:
                work(*arguments)
            except BrokenPipeError:
                self.failed = ReaderLeft()
            except OSError as error:
                self.failed = CharrnnError(f"standard output: cannot be written: {error.strerror}")
        if self.failed is not None:
            raise self.failed


class Closed(io.TextIOBase):
    """Standard output that was closed before the command began."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Raises CharrnnError."""
        if len(_text(text)):
            raise CharrnnError("standard output: cannot be written: it is closed")
        return 0


def _text(text: str) -> str:
    """The text. Raises TypeError for bytes: a library finds out in this way that a stream is one of text."""
    if not isinstance(text, str):
        raise TypeError("write() argument must be str")
    return text


def install() -> None:
    """Puts both in the place of Python's own, in UTF-8 whatever the locale. What is not UTF-8 comes out as the bytes
    that it is.
    """
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors=errors, newline="")
    # Python has none where the descriptor is closed. A file that is opened later must not get its number.
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno == errno.EBADF:
                os.open(os.devnull, os.O_RDWR)
    sys.stdout = Closed() if sys.stdout is None else Results(sys.stdout)
    sys.stderr = Told(open(os.devnull, "w")) if sys.stderr is None else Told(sys.stderr)  # noqa: SIM115, PTH123


def give_up() -> None:
    """Where standard output has failed, has nothing more come out of it, whatever Python does at its end."""
    out = sys.stdout
    if isinstance(out, Results) and out.failed is not None:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        except OSError:
            pass
        sys.stdout = sys.__stdout__
