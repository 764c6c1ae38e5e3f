"""Writes docs/api.md from the docstrings of every public name: `make docs`. A test fails where the page is stale."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import charrnn

PAGE = Path(__file__).with_name("api.md")
HEAD = """# The library

This page is written by `make docs` from the docstrings. Every name is imported from `charrnn`:

```python
import charrnn
```

`import charrnn` is quick: a name is loaded when it is first used, and PyTorch where something needs it. All names are
typed (`py.typed`). Mistakes that you can correct are `charrnn.CharrnnError`. [Using the library](library.md) shows how
the parts go together.
"""
GROUPS = {
    "To train": ["train", "resume", "sweep", "Config", "load_config", "Event", "Listener"],
    "To use": ["load", "Run", "Sample", "Filter", "Constraint", "Filled", "Likelihood", "Scored", "compare", "Row"],
    "Cells of your own": ["register_cell", "RecurrentLayer"],
    "Mistakes": ["CharrnnError", "Diverged", "Interrupted"],
}
CONSTRUCTED = charrnn.Config, charrnn.RecurrentLayer
"""Classes whose objects users make."""


def page() -> str:
    """The whole page."""
    names = [name for group in GROUPS.values() for name in group]
    missing = {*charrnn.__all__} - {"__version__"} ^ {*names}
    assert not missing, f"docs/api.py: GROUPS and charrnn.__all__ differ: {missing}"
    contents = "\n".join(
        f"- {group}: " + ", ".join(f"[`{name}`](#{name.lower()})" for name in members)
        for group, members in GROUPS.items()
    )
    parts = [HEAD, contents + "\n"]
    for group, members in GROUPS.items():
        parts += [f"## {group}\n", *(entry(name) for name in members)]
    return "\n".join(parts)


def entry(name: str) -> str:
    """The signature and the docstring of a public name, and of what belongs to a class."""
    thing = getattr(charrnn, name)
    lines = [f"### {name}\n", code(f"charrnn.{signature(name, thing)}"), doc(thing)]
    if inspect.isclass(thing):
        listed = [f"- `{member}`" + (f": {text}" if text else "") for member, text in fields(thing)]
        lines += [*listed, ""] if listed else []
        for member, value in methods(thing):
            lines += [f"#### {name}.{member}\n", code(f"{name.lower()}.{signature(member, value)}"), doc(value)]
    return "\n".join(lines)


def code(text: str) -> str:
    """A block of Python."""
    return f"```python\n{text}\n```\n"


def doc(thing: Any) -> str:
    """The docstring as Markdown, whose paragraphs it has already."""
    text = inspect.getdoc(thing) or ""
    text = re.sub(r"\n\n((?: {4}.*\n?)+)", lambda match: "\n\n" + code(textwrap.dedent(match[1]).rstrip()), text)
    return text.replace("<", "&lt;") + "\n"


def signature(name: str, thing: Any) -> str:
    """The name with its parameters, one a line where they are many."""
    if inspect.isclass(thing) and thing not in CONSTRUCTED:
        return name
    written = inspect.signature(thing)
    parameters = [one for one in written.parameters.values() if one.name != "self"]
    parts = [shown(one) for one in parameters]
    named = [one.kind is one.KEYWORD_ONLY for one in parameters]
    if True in named:
        parts.insert(named.index(True), "*")
    gives = written.return_annotation
    arrow = f" -> {gives}" if isinstance(gives, str) and not inspect.isclass(thing) else ""
    line = f"{name}({', '.join(parts)}){arrow}"
    if len(line) <= 100:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){arrow}"


def shown(parameter: inspect.Parameter) -> str:
    """A parameter as it is written in Python. A default that is no plain value is `...`."""
    annotation = f": {parameter.annotation}" if isinstance(parameter.annotation, str) else ""
    if parameter.default is parameter.empty:
        return parameter.name + annotation
    default = repr(parameter.default)
    default = "..." if default.startswith("<") else default.replace("'", '"')
    return f"{parameter.name}{annotation} = {default}" if annotation else f"{parameter.name}={default}"


def fields(thing: type) -> Iterator[tuple[str, str]]:
    """The attributes and properties of a class, with what their docstrings say."""
    for owner in own(thing):
        body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
        assert isinstance(body, ast.ClassDef)
        for statement, after in zip(body.body, [*body.body[1:], None], strict=True):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                described = (
                    " ".join(str(after.value.value).split())
                    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                    else ""
                )
                name, annotation = statement.target.id, ast.unparse(statement.annotation)
                if not name.startswith("_"):
                    yield f"{name}: {annotation}", described.replace("<", "&lt;")
        for name, value in vars(owner).items():
            if isinstance(value, property | cached_property) and not name.startswith("_"):
                yield name, " ".join((inspect.getdoc(value) or "").split()).replace("<", "&lt;")


def methods(thing: type) -> Iterator[tuple[str, Any]]:
    """The public methods of a class that charrnn defines, in the order of its source."""
    for owner in own(thing):
        for name, value in vars(owner).items():
            if inspect.isfunction(value) and (not name.startswith("_") or name == "__call__") and value.__doc__:
                yield name, value


def own(thing: type) -> list[type]:
    """The class and those of its bases that are charrnn's, without what a Config has in common with its sections."""
    common = "Section", "CharrnnError"
    bases = [base for base in inspect.getmro(thing)[1:] if base.__module__.startswith("charrnn.")]
    return [thing, *(base for base in bases if base.__name__ not in common)]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
