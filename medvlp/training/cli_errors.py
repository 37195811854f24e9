"""Turn what the argument parser complains about into errors with key, value and nearest name."""

from __future__ import annotations

import inspect
import re
from itertools import pairwise
from pydoc import locate
from typing import TYPE_CHECKING

from medvlp.errors import ConfigError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pydantic import ValidationError

__all__ = ["config_sources", "parser_error", "validation_error"]

_UNKNOWN = re.compile(r"unrecognized arguments: -*(?P<flag>[^\s=]+)|option '(?P<key>[^']+)'")
_MISSING = re.compile(r"arguments are required: (?P<keys>.+)")
_BAD_VALUE = re.compile(
    r'Parser key "(?P<key>[^"]+)":\s*(?P<why>.*?)(?:\.? Got value: (?P<value>.*))?', re.DOTALL
)
_OPTION = re.compile(
    r"given class_path '(?P<kind>[\w.]+)':\s*Option '(?P<option>\w+)' is not accepted"
)
_NOISE = re.compile(
    r"\d+ validation errors? for [\w-]+|\[type=.*|For further information.*|typing\."
)


def config_sources(args: Sequence[str]) -> str:
    """Return the configuration files named on a command line, for messages.

    Args:
        args: What follows ``medvlp train``.
    """
    files = [b for a, b in pairwise(args) if a in {"--config", "-c"}]
    files += [a.partition("=")[2] for a in args if a.startswith("--config=")]
    return ", ".join(files) or "the command line"


def parser_error(message: str, valid: Collection[str], source: str) -> ConfigError:
    """Return the error for a complaint of the argument parser.

    Args:
        message: What it said.
        valid: All keys of a configuration file, dotted.
        source: The files or the command line that were parsed.
    """
    unknown = _UNKNOWN.search(message)
    if unknown:
        return _unknown_key(unknown["flag"] or unknown["key"], valid, source)
    missing = _MISSING.search(message)
    if missing:
        keys = ", ".join(key.removeprefix("fit.") for key in missing["keys"].split(", "))
        return ConfigError("MV1002", f"{source}: {keys} is missing", expected="a value")
    if message.startswith("Problems parsing config"):
        return ConfigError("MV1005", f"{source}: {_plain(message)}", expected="YAML")
    bad = _BAD_VALUE.fullmatch(message)
    if bad:
        return _bad_value(bad, message, source)
    return ConfigError("MV1002", f"{source}: {_plain(message)}")


def validation_error(error: ValidationError, source: str) -> ConfigError:
    """Return the error for settings that are each valid and do not go together.

    Args:
        error: What the settings' own check said.
        source: The files or the command line that were parsed.
    """
    first = error.errors(include_url=False)[0]
    parts = first.get("ctx", {})
    place = ".".join(str(step) for step in first["loc"])
    where = f"{source}: {place}: " if place else f"{source}: "
    return ConfigError(
        str(parts.get("code", "MV1002")),
        f"{where}{parts.get('what', first['msg'])}",
        expected=str(parts.get("expected", "")),
        hint=str(parts.get("hint", "")),
    )


def _unknown_key(key: str, valid: Collection[str], source: str) -> ConfigError:
    parent = key.rpartition(".")[0]
    beside = [name for name in valid if name.rpartition(".")[0] == parent]
    near = nearest_name(key, beside or valid)
    return ConfigError(
        "MV1001",
        f"{source}: {key} is not a known key{near}",
        expected=f"one of {sorted(beside)}" if beside else "",
    )


def _bad_value(bad: re.Match[str], message: str, source: str) -> ConfigError:
    if bad["key"] == "config":
        return ConfigError("MV1004", _plain(bad["why"]), expected="a YAML file")
    key = bad["key"].removeprefix("fit.")
    option = _OPTION.search(message)
    if option:
        beside = {f"{key}.{name}" for name in _names_of(option["kind"])}
        return _unknown_key(f"{key}.{option['option']}", beside, source)
    value = f"={bad['value']}" if bad["value"] else ""
    what = f"{source}: {key}{value} is not valid"
    return ConfigError("MV1002", what, expected=_plain(bad["why"]))


def _names_of(kind: str) -> Sequence[str]:
    """Return the arguments of a record of settings that the parser names by its import path."""
    found = locate(kind)
    return list(inspect.signature(found).parameters) if callable(found) else []


def _plain(text: str) -> str:
    words = " ".join(_NOISE.sub("", text).split())
    return words.removeprefix("Expected a ").removeprefix("Input should be ")
