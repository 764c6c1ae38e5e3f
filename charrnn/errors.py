"""The one exception that a user may see: a mistake that the user can correct."""

from __future__ import annotations

import re

_PARAMETER = re.compile(r"‹(\w+)(?:=(.*?))?›", re.DOTALL)
_OPTIONS = {"overrides": "set"}
"""Parameters whose command-line option has another name, with that name."""


class CharrnnError(Exception):
    """A mistake in what the user gave. The command prints its message, without a traceback, and exits with code 2.

    The message names the file, the key or the character, and says what was expected and what to do.
    Any other exception is a bug, and shows its traceback.

    A message writes a parameter as `‹length=0›`. Python shows it as `length=0`, the command as `--length 0`.
    """

    def __str__(self) -> str:
        """The message, with parameters as Python writes them."""
        return _PARAMETER.sub(lambda match: match[1] if match[2] is None else f"{match[1]}={match[2]}", self.message)

    @property
    def message(self) -> str:
        """The message as it was raised, for use in another message."""
        return super().__str__()

    @property
    def for_command(self) -> str:
        """The message, with parameters as the options of the command."""
        return _PARAMETER.sub(_as_option, self.message)


class Diverged(CharrnnError):
    """A training whose loss or gradient is no longer finite; its last checkpoint is intact."""


class NoNumbers(CharrnnError):
    """A model whose weights are finite, and what it computes with them is not."""

    def __init__(self) -> None:
        super().__init__(
            "the model gives no numbers: its weights are so large that it computes nothing finite; take another "
            "‹checkpoint›, or train it again"
        )


def _as_option(match: re.Match[str]) -> str:
    option = "--" + _OPTIONS.get(match[1], match[1]).replace("_", "-")
    return option if match[2] in (None, "True") else f"{option} {match[2]}"
