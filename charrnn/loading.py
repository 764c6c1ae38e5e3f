"""Makes a validated `Config` from a YAML file and `--set` overrides, and words the message of every mistake."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml

from charrnn.config import EXCLUSIVE, Config, Section
from charrnn.errors import CharrnnError
from charrnn.files import read_small
from charrnn.mistakes import KeyPath, Marks, Place, keys_of, nearest, show

MAX_BYTES = 100_000
"""The most bytes of a config file. A config is a page; parsing a much larger file would take half a minute."""


class _Loader(yaml.SafeLoader):
    """YAML with the scalars of version 1.2: `4e-3` is a number and `no` is a text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own way)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Composes a node. Refuses tags, and aliases too, because a few lines of aliases can expand to gigabytes."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="an alias (*name); write the value itself", problem_mark=event.start_mark
            )
        if event.tag not in (None, "!"):
            raise yaml.MarkedYAMLError(
                problem="a tag (!name); write the plain value, in quotes where it is a text",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """An integer. It is decimal unless it begins with 0x: 010 is ten."""
        text = str(self.construct_scalar(node)).replace("_", "")
        return int(text, 16 if "x" in text else 10)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that `_Loader`, or another reader of YAML, would not read as that text."""

    def represent_text(self, text: str) -> yaml.Node:
        """A text. Double quotes escape U+0085, which would otherwise be read as a line end."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "\x85" in text else None)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Dumper.add_representer(str, _Dumper.represent_text)


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?(?:[0-9][0-9_]*|0x[0-9a-fA-F]+)$", "-+0123456789"),
    (
        "float",
        r"^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$",
        "-+.0123456789",
    ),
):
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))

NULLS = ("", "~", "null", "Null", "NULL")
"""What YAML reads as nothing."""
_NO_YAML = (yaml.YAMLError, ValueError, OverflowError, RecursionError)
"""The exceptions that PyYAML raises for invalid YAML; OverflowError comes from "\\UFFFFFFFF"."""


def configs_folder() -> Path:
    """The folder of the ready-made configs. It is in the package, or beside it in a source checkout."""
    here = Path(__file__).parent
    packaged = here / "configs"
    return packaged if packaged.is_dir() else here.parent / "configs"


def ready_made() -> dict[str, Path]:
    """The name and the file of each ready-made config, in alphabetical order."""
    return {file.stem: file for file in sorted(configs_folder().glob("*.yaml"), key=lambda file: file.stem)}


def find_config(config: str | Path) -> Path:
    """The file of `config`, which is a path or the name of a ready-made config.

    Raises CharrnnError, which lists the ready-made configs, if neither exists.
    """
    path = Path(config)
    with contextlib.suppress(OSError):  # no file has so long a name
        if path.is_file():
            return path
    names = ready_made()
    if str(config) in names:
        return names[str(config)]
    raise CharrnnError(
        f"{config}: no such file, and no ready-made config of that name{nearest(str(config), names)}; "
        f"the ready-made ones are {', '.join(names)}"
    )


def load_config(config: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The validated config of a YAML file or a ready-made config, with `key.path=value` overrides.

    Raises CharrnnError with the file, the line, the key path, what was expected and the nearest valid key.
    """
    path = find_config(config)
    data, marks = read_layers(path)
    for override in overrides:
        apply_override(data, marks, override)
    return validate(data, str(path), marks)


def load_base(config: str | Path, overrides: Sequence[str] = ()) -> Config:
    """`load_config`, also of a sweep, whose variants are left out."""
    whole, *_ = _base(find_config(config), overrides)
    return whole


def explained(config: str | Path, overrides: Sequence[str] = ()) -> list[tuple[str, str, Any, str]]:
    """Every key of a config: its section, its name, its value, and where it was given; nothing for a default."""
    whole, data, marks = _base(find_config(config), overrides)

    def place(section: str, key: str) -> str:
        """One key may have taken away another, such as `steps` of a file that is extended by `minutes`."""
        given = marks.get((section, key), "") if key in data.get(section, {}) else ""
        return given.replace("‹overrides=", "--set ").removesuffix("›")

    return [
        (section, key, value, place(section, key))
        for section, keys in whole.model_dump().items()
        for key, value in keys.items()
    ]


def _base(path: Path, overrides: Sequence[str]) -> tuple[Config, dict[str, Any], Marks]:
    data, marks = read_layers(path)
    data.pop("sweep", None)
    for override in overrides:
        apply_override(data, marks, override)
    return validate(data, str(path), marks), data, marks


def read_layers(path: Path, above: Sequence[Path] = ()) -> tuple[dict[str, Any], Marks]:
    """The plain data of a config file over that of the file that it `extends`, and where each key was given.

    `extends` names a file beside this one, or a ready-made config. Raises CharrnnError where there is no such file, or
    where the `above` files that extend this one are extended by it in turn.
    """
    data, marks = read_yaml(read_config(path), str(path))
    if "extends" not in data:
        return data, marks
    name, place = data.pop("extends"), marks[("extends",)]
    if path.resolve() in (one.resolve() for one in above):
        raise CharrnnError(f"{place}: extends: goes in a circle: {' → '.join(map(str, [*above, path]))}")
    if not isinstance(name, str) or not name:
        raise CharrnnError(f"{place}: extends: expected the name of a file, not {show(name)}")
    try:
        base = find_config(path.parent / name if (path.parent / name).is_file() else name)
    except (CharrnnError, OSError):
        raise CharrnnError(
            f"{place}: extends: {name}: no such file beside {path.name}, and no ready-made config of that name"
            f"{nearest(name, ready_made())}"
        ) from None
    merged, places = read_layers(base, [*above, path])
    for section, keys in data.items():
        if not isinstance(keys, dict) or not isinstance(merged.get(section), dict):
            merged[section] = keys
            continue
        for key, value in keys.items():
            set_key(merged, (section, key), value)
    return merged, places | marks


def read_config(path: Path) -> str:
    """The text of a config file. Raises CharrnnError where the file is too large, unreadable or not UTF-8."""
    try:
        return read_small(path, MAX_BYTES, "is it the text itself?").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CharrnnError(f"{path}: not UTF-8 at byte {error.start}; a config is a YAML file in UTF-8") from None


def parse_config(text: str, source: str = "config", overrides: Sequence[str] = ()) -> Config:
    """The validated config of a YAML text, which messages call `source`. Raises CharrnnError for a mistake."""
    data, marks = read_yaml(text, source)
    for override in overrides:
        apply_override(data, marks, override)
    return validate(data, source, marks)


def config_of(sections: dict[str, Any], overrides: Sequence[str] = ()) -> Config:
    """The validated config of sections given in Python, which stay as they are. Raises CharrnnError for a mistake."""
    data = {
        key: section.model_dump() if isinstance(section, Section) else copy.deepcopy(section)
        for key, section in sections.items()
    }
    marks: Marks = {}
    for override in overrides:
        apply_override(data, marks, override)
    return validate(data, "config", marks)


EARLIER: dict[str, dict[str, Any]] = {"corpus": {"holdout": "tail", "shared_run": None}}
"""What runs did before there were keys for it, so that they evaluate and go on as they began."""


def parse_run_config(file: Path, overrides: Sequence[str] = ()) -> Config:
    """The validated config of a run, which may be older than some keys. Raises CharrnnError for a mistake."""
    data, marks = read_yaml(read_config(file), str(file))
    for section, keys in EARLIER.items():
        if isinstance(data.get(section), dict):
            data[section] = keys | data[section]
    for override in overrides:
        apply_override(data, marks, override)
    return validate(data, str(file), marks)


def validate(data: Any, source: str, marks: Marks | None = None) -> Config:
    """The `Config` that plain `data` describes. Raises CharrnnError with one line for each mistake."""
    return Config.model_validate(data, context=Place(source, marks or {}))


def dump(config: Config) -> str:
    """The config as YAML with every default written out, as a run keeps it."""
    return yaml.dump(config.model_dump(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def dump_value(value: Any) -> str:
    """A value as YAML in one line."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=float("inf"))
    return text.removesuffix("\n...\n").rstrip("\n")


def read_yaml(text: str, source: str) -> tuple[dict[str, Any], Marks]:
    """The plain data of a YAML text, and the line of every key. Raises CharrnnError where the text is no mapping."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            marks: Marks = {}
            if node is not None:
                _mark(node, (), marks, source)
            data = loader.construct_document(node) if node is not None else {}
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise CharrnnError(f"{source}{where}: not valid YAML: {error.problem or error}") from None
    except _NO_YAML as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CharrnnError(f"{source}: not valid YAML: {detail}") from None
    if not isinstance(data, dict):
        raise CharrnnError(f"{source}: sections such as `corpus: {{name: tang}}` were expected, not {show(data)}")
    return data, marks


def _mark(node: yaml.Node, path: KeyPath, marks: Marks, source: str) -> None:
    """Writes the line of every key into `marks`. Raises CharrnnError for a key given twice and for deep nesting."""
    if len(path) > 8:
        raise CharrnnError(f"{source}, line {node.start_mark.line + 1}: {'.'.join(path)}: nested too deeply")
    marks.setdefault(path, f"{source}, line {node.start_mark.line + 1}")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            if here in marks:
                line = key.start_mark.line + 1
                raise CharrnnError(
                    f"{source}, line {line}: {'.'.join(here)}: given twice (first on {marks[here].rpartition(', ')[2]})"
                )
            marks[here] = f"{source}, line {key.start_mark.line + 1}"
            _mark(value, here, marks, source)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _mark(value, (*path, str(i)), marks, source)


_SECOND = re.compile(rf",\s*((?:{'|'.join(Config.model_fields)})\.[a-z_]+=)")
"""The beginning of a second key in the value of an override."""


def apply_override(data: dict[str, Any], marks: Marks, override: str) -> None:
    """Sets one `key.path=value` in `data`. The value is read as YAML; where the key takes a text, and YAML reads none,
    it is the text as it stands (`{title}`, `###`). Raises CharrnnError for a malformed override.
    """
    key, equals, value = override.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise CharrnnError(f"‹overrides={override}›: key.path=value was expected, such as training.minutes=3")
    if second := _SECOND.search(value):
        first, rest = override[: -len(value) + second.start()], value[second.end() - len(second[1]) :]
        raise CharrnnError(f"‹overrides={override}›: one key each: ‹overrides={first}› ‹overrides={rest}›")
    if len(path) != 2:
        raise CharrnnError(
            f"‹overrides={override}›: a section and a key were expected, such as training.minutes=3{_nearest_path(key)}"
        )
    takes = _types(path)
    try:
        parsed = yaml.load(value, _Loader)
        if str in takes and (type(parsed) not in takes or (parsed is None and value.strip() not in NULLS)):
            parsed = value
    except _NO_YAML as error:
        if str not in takes or value.lstrip()[:1] in ('"', "'") or not _is_text(value):
            raise CharrnnError(
                f"‹overrides={override}›: the value is not valid YAML: {str(error).splitlines()[0]}"
            ) from None
        parsed = value
    set_key(data, path, parsed)
    marks[path] = f"‹overrides={override}›"


def _is_text(value: str) -> bool:
    """Whether YAML could hold this text, between quotation marks."""
    try:
        return bool(yaml.load("'{}'".format(value.replace("'", "''")), _Loader) == value)
    except _NO_YAML:
        return False


def _types(path: KeyPath) -> set[object]:
    """The types that a key may have, by its annotation; none for a key that is not there."""
    section = Config.model_fields.get(path[0])
    fields = getattr(section.annotation, "model_fields", {}) if section is not None else {}
    found: set[object] = set()

    def look(annotation: Any) -> None:
        arguments = get_args(annotation)
        if get_origin(annotation) is Annotated:
            look(arguments[0])
        elif get_origin(annotation) in (Union, UnionType):
            for argument in arguments:
                look(argument)
        else:
            found.add(get_origin(annotation) or annotation)

    if path[1] in fields:
        look(fields[path[1]].annotation)
    return found


def set_key(data: dict[str, Any], path: KeyPath, value: Any) -> None:
    """Sets a section's key in plain data, and removes the keys that exclude it (`steps` excludes `minutes`)."""
    section = data.setdefault(path[0], {})
    if section is None:
        section = {}
        data[path[0]] = section
    if not isinstance(section, dict):
        return  # a mistake in the file, which validation reports
    for group in EXCLUSIVE:
        if ".".join(path) in group and value is not None:
            for other in group:
                section.pop(other.split(".")[1], None)
    section[path[1]] = value


def _nearest_path(key: str) -> str:
    sections = Config.model_fields
    return nearest(key, [f"{section}.{name}" for section in sections for name in keys_of(Config, (section,))])


def absolute(config: Config) -> Config:
    """The config with absolute paths of its corpus files, so that the run works from any folder."""

    def whole(path: str | Sequence[str]) -> list[str]:
        return [str(Path(entry).expanduser().absolute()) for entry in ([path] if isinstance(path, str) else path)]

    given = {"path": config.corpus.path, "validation": config.corpus.validation}
    corpus = config.corpus.model_copy(update={key: whole(path) for key, path in given.items() if path is not None})
    return config.model_copy(update={"corpus": corpus})


def without_folders(config: Config) -> Config:
    """The config with the names of its corpus files, and without the folders they lie in: for others to read."""

    def names(path: str | Sequence[str]) -> list[str]:
        return [Path(entry).name for entry in ([path] if isinstance(path, str) else path)]

    given = {"path": config.corpus.path, "validation": config.corpus.validation}
    return config.with_keys("corpus", **{key: names(path) for key, path in given.items() if path is not None})
