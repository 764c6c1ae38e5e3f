"""A command in a real pseudo-terminal, whose screen is read back (pyte), for benchmarks/desk.py and the tests."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence

import pyte


class PseudoTerminal:
    """A process that believes to be at a terminal, and the screen that a person would see."""

    def __init__(
        self, command: Sequence[str], rows: int = 24, columns: int = 80, environment: Mapping[str, str] | None = None
    ) -> None:
        """Starts a command, which is found as the shell finds it."""
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""
        """All that the command has written."""
        sys.stdout.flush()
        self._process, self._end = pty.fork()
        if not self._process:
            os.environ.update({"TERM": "xterm-256color", **(environment or {})})
            _set_size(0, rows, columns)
            try:
                os.execvp(command[0], list(command))
            finally:
                os._exit(127)
        _set_size(self._end, rows, columns)

    @property
    def lines(self) -> list[str]:
        """The rows of the screen. Behind a wide character there is no second column."""
        return [line.rstrip() for line in self.screen.display]

    def send(self, keys: str | bytes) -> None:
        """Presses keys."""
        os.write(self._end, keys.encode() if isinstance(keys, str) else keys)

    def read(self, seconds: float) -> bool:
        """Waits for the next piece of the screen; False where none came in time."""
        if not select.select([self._end], [], [], max(0, seconds))[0]:
            return False
        try:
            data = os.read(self._end, 65536)
        except OSError:  # Linux's way to say that the command has ended
            return False
        self.written += data
        self._stream.feed(data)
        return bool(data)

    def until(self, text: str, seconds: float = 60) -> str:
        """Waits until a text stands on the screen, and gives the screen. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while text not in "\n".join(self.lines):
            if time.monotonic() > end:
                raise TimeoutError(f"{text!r} did not come; the screen:\n" + "\n".join(self.lines))
            if not self.read(min(1.0, end - time.monotonic())) and self.has_ended():
                raise TimeoutError(f"{text!r} did not come before the end:\n" + "\n".join(self.lines))
        return "\n".join(self.lines)

    def resize(self, rows: int, columns: int) -> None:
        """Gives the terminal another size."""
        self.screen.resize(rows, columns)
        _set_size(self._end, rows, columns)

    def busy(self) -> float:
        """The seconds for which the command has kept a processor busy, where Linux tells it."""
        with open(f"/proc/{self._process}/stat", encoding="ascii") as stream:  # noqa: PTH123 (no file of the disk)
            fields = stream.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def has_ended(self) -> bool:
        """Whether the command has ended."""
        if self._process and os.waitpid(self._process, os.WNOHANG)[0]:
            self._process = 0
        return not self._process

    def end(self) -> None:
        """Asks the command to end, as `kill` without a number does."""
        os.kill(self._process, signal.SIGTERM)

    def kill(self) -> None:
        """Kills the command as a crash would, and waits for it."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        self._close()

    def wait(self, seconds: float = 30) -> int:
        """The exit status of a command that ends by itself. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.05)
            process, status = os.waitpid(self._process, os.WNOHANG)
            if process:
                while self.read(0):
                    pass
                self._close()
                return os.waitstatus_to_exitcode(status)
        raise TimeoutError("it goes on; the screen:\n" + "\n".join(self.lines))

    def _close(self) -> None:
        self._process = 0
        if self._end >= 0:
            os.close(self._end)
        self._end = -1


def _set_size(descriptor: int, rows: int, columns: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
