"""How commands show their help, and what they say to a name that is no command or no option."""

from __future__ import annotations

import inspect
import os
import shlex
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from charrnn.cli import others
from charrnn.errors import CharrnnError

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""The base of all mistakes in a command line: click's, or that of the copy of click inside later versions of Typer."""


class Command(TyperCommand):
    """A command whose help is whole in the list of commands."""

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first paragraph of its help. Click cuts it after `limit` characters."""
        return _first_paragraph(self.help)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses its arguments. Raises CharrnnError, which names ours, for an unknown option."""
        given = [*args]  # the parser empties `args`
        try:
            return super().parse_args(ctx, args)
        except _UsageError as error:
            raise _unknown_option(self, ctx, error, given) from None


class Group(TyperGroup):
    """A group of commands, whose help is whole in the list of commands."""

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first paragraph of its help."""
        return _first_paragraph(self.help)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses its arguments. Raises CharrnnError, which names ours, for an unknown option."""
        given = [*args]
        try:
            return super().parse_args(ctx, args)
        except _UsageError as error:
            raise _unknown_option(self, ctx, error, given) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that `args` begin with. Raises CharrnnError, which names ours, if there is none."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing and not args[0].startswith("-"):
            raise _unknown_command(_name_of(ctx), args[0], [*self.commands])
        return super().resolve_command(ctx, args)


def _first_paragraph(help_text: str | None) -> str:
    return " ".join(inspect.cleandoc(help_text or "").split("\n\n")[0].split())


def _name_of(ctx: Any) -> str:
    """The name of a command in the package's own, such as `corpus show`; empty for `charrnn` itself."""
    names = []
    while ctx.parent is not None:
        names.append(str(ctx.info_name))
        ctx = ctx.parent
    return " ".join(reversed(names))


def _unknown_command(group: str, given: str, commands: list[str]) -> CharrnnError:
    """What is said to a name that is no command of a group."""
    whole = f"charrnn {group}".strip()
    word = given.lower().replace("_", "-")
    ours = others.meant(others.COMMANDS[group], word) if group in others.COMMANDS else None
    if ours is None and not group and os.path.exists(given):  # noqa: PTH110 (Path.exists raises where a name is too long)
        from charrnn.store.folder import is_run

        ours = f"{'sample' if is_run(Path(given)) else 'train'} {shlex.quote(given)}"
    if ours is None and (near := get_close_matches(word, commands, n=1)):
        ours = near[0]
    what = f"no command {_shown(given)}" + (f" of `{whole}`" if group else "")
    if ours is None:
        return CharrnnError(f"{what}; `{whole} --help` lists them")
    return CharrnnError(f"{what}; did you mean `{whole} {ours}`?")


def _unknown_option(command: Any, ctx: Any, error: Exception, given: list[str]) -> Exception:
    """What is said to an unknown option of a command; of any other mistake, the mistake itself."""
    if type(error).__name__ != "NoSuchOption":
        return error
    option, name = str(getattr(error, "option_name", "")), _name_of(ctx)
    options = [one for parameter in command.params for one in parameter.opts if one.startswith("--")]
    whole = f"charrnn {name}".strip()
    what = f"no option {_shown(option)} of `{whole}`"
    word = option.lstrip("-").lower().replace("_", "-")
    if remedy := _remedy(name, word, options, _value(option, given)):
        return CharrnnError(f"{what}; {remedy}")
    return CharrnnError(f"{what}; `{whole} --help` lists them")


def _remedy(command: str, word: str, options: list[str], value: str | None) -> str | None:
    """What to write instead of an option of another program."""
    if command in others.GIVEN and word in others.GIVEN[command][1].split():
        return others.GIVEN[command][0]
    if ours := others.meant(others.OPTIONS.get(command, {}), word):
        return f"did you mean {ours}?"
    if "--set" in options and (key := _key(word)):
        return f"write --set {key}={'VALUE' if value is None else shlex.quote(value)}"
    near = get_close_matches(f"--{word}", options, n=1)
    return f"did you mean {near[0]}?" if near else None


def _key(word: str) -> str | None:
    """The key of a config that an option of another program sets."""
    if key := others.meant(others.KEYS, word):
        return key
    from charrnn.config import Config

    for section, field in Config.model_fields.items():
        if word.replace("-", "_") in getattr(field.annotation, "model_fields", {}):
            return f"{section}.{word.replace('-', '_')}"
    return None


def _value(option: str, given: list[str]) -> str | None:
    """The value that stands with an option on the command line; None if there is none."""
    for word, after in zip(given, [*given[1:], "-"], strict=True):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option:
            return after if not after.startswith("-") or after[1:2].isdigit() else None
    return None


def _shown(name: str) -> str:
    """A name that was given, on one line and not too long."""
    return (name if name.isprintable() and name else repr(name))[:60]
