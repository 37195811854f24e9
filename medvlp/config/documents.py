"""Read a YAML document safely: plain values only, one meaning per key.

The dialect is the core of YAML 1.2: ``no``, ``on`` and dates are texts, ``1e-3`` is a number, and
neither tags, anchors nor duplicate keys exist. A document that loads is therefore also valid JSON.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from medvlp.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

    from yaml.nodes import MappingNode, ScalarNode

__all__ = ["PlainValue", "parse_yaml", "read_text_file", "read_yaml"]

PlainValue = dict[str, "PlainValue"] | list["PlainValue"] | str | int | float | bool | None


class _Mark(Protocol):
    """A place in a YAML text, counted from 0."""

    line: int
    column: int


_MAX_BYTES = 2**20
_MAX_DEPTH = 50
_CORE = "tag:yaml.org,2002:"


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader without duplicate keys and without YAML 1.1's guesses."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag != f"{_CORE}str":
                shown = repr(key_node.value) if isinstance(key_node.value, str) else "of a mapping"
                raise _marked(f"key {shown} is not a text; put it in quotes", key_node.start_mark)
            if key_node.value in seen:
                raise _marked(f"key {key_node.value!r} is given twice", key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


def _marked(problem: str, mark: _Mark | None) -> yaml.YAMLError:
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return yaml.YAMLError(f"{place}{problem}")


def _construct_float(loader: _PlainLoader, node: ScalarNode) -> float:
    value = float(loader.construct_scalar(node))
    if not math.isfinite(value):
        raise _marked(f"number {node.value} is too large", node.start_mark)
    return value


_PlainLoader.yaml_implicit_resolvers = {}
_PlainLoader.add_constructor(f"{_CORE}float", _construct_float)
for _kind, _pattern, _first in (
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", [*"tTfF"]),
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,17})", [*"-+0123456789"]),
    (
        "float",
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?",
        [*"-+.0123456789"],
    ),
):
    _PlainLoader.add_implicit_resolver(f"{_CORE}{_kind}", re.compile(rf"^{_pattern}$"), _first)


def read_text_file(path: Path, *, max_bytes: int = _MAX_BYTES) -> str:
    """Return the UTF-8 text of a small configuration file.

    Args:
        path: The file.
        max_bytes: Size above which the file is refused.

    Raises:
        ConfigError: MV1004 if there is no such file, or it is unreadable, too large or not UTF-8.
    """
    try:
        if not path.is_file():
            raise ConfigError(
                "MV1004", f"{path} is not a file", hint="give the path of an existing file"
            )
        with path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise ConfigError(
                "MV1004", f"{path} is larger than {max_bytes} bytes", expected="a small text file"
            )
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError("MV1004", f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            "MV1004", f"{path} is not UTF-8 text (byte {error.start})", expected="a UTF-8 text file"
        ) from error


def parse_yaml(text: str, *, source: str) -> PlainValue:
    """Return the plain values of a YAML text.

    Args:
        text: The document.
        source: Name of the file, for messages.

    Raises:
        ConfigError: MV1005 if the text is not YAML, or uses tags, anchors or a key twice.
    """
    try:
        return _load_plain(text)
    except yaml.MarkedYAMLError as error:
        refusal = _marked(error.problem or "it cannot be parsed", error.problem_mark)
        raise ConfigError(
            "MV1005", f"{source} is not valid: {refusal}", expected="plain YAML"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(
            "MV1005", f"{source} is not valid: {error}".replace("\n", " "), expected="plain YAML"
        ) from error


def read_yaml(path: Path) -> PlainValue:
    """Return the plain values of a YAML file.

    Raises:
        ConfigError: MV1004 if the file cannot be read, MV1005 if it is not valid.
    """
    return parse_yaml(read_text_file(path), source=str(path))


def _load_plain(text: str) -> PlainValue:
    depth = 0
    for event in yaml.parse(text, Loader=_PlainLoader):
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise _marked("anchors and aliases (& and *) are not used here", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _marked("tags (!) are not used here", event.start_mark)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise _marked(f"it is nested more than {_MAX_DEPTH} levels deep", event.start_mark)
    loader = _PlainLoader(text)
    try:
        value: PlainValue = loader.get_single_data()
    finally:
        loader.dispose()
    return value
