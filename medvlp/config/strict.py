"""Strict configuration files: every key is known, every message names file, path and value.

A file is described by frozen pydantic models derived from :class:`StrictModel`. Whatever is wrong
with it becomes one :class:`~medvlp.errors.ConfigError` that names the file, the dotted path, the
value, what was expected and, for a misspelt name, the nearest valid one.
"""

from __future__ import annotations

import json
import re
import reprlib
from itertools import groupby
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from medvlp.config.documents import PlainValue, read_yaml
from medvlp.errors import ConfigError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

__all__ = ["OneOrMany", "StrictModel", "load_yaml_model", "matching", "parse_model", "rule_error"]

_ModelT = TypeVar("_ModelT", bound="StrictModel")
_ItemT = TypeVar("_ItemT")
Step = str | int

_EXPECTED = {
    "model_type": "keys with values",
    "dict_type": "keys with values",
    "tuple_type": "a list",
    "string_type": "a text",
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_too_long": "at most {max_length} characters",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "missing": "a value",
}


class StrictModel(BaseModel):
    """Base of every configuration record: frozen, no unknown keys, no silent conversion."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_by_name=True
    )


def _as_tuple(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    return value if isinstance(value, tuple) or value is None else (value,)


def matching(pattern: str, described: str) -> AfterValidator:
    """Return a validator of texts that match a regular expression as a whole.

    Args:
        pattern: The expression.
        described: What it means, for the message, such as "letters and digits".
    """

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise rule_error("MV1002", f"{text!r} is not valid", expected=described)
        return text

    return AfterValidator(check)


OneOrMany = Annotated[tuple[_ItemT, ...], BeforeValidator(_as_tuple)]
"""A list, or a single value that stands for a list of one."""


def rule_error(
    code: str, what: str, *, expected: str = "", hint: str = "", at: str = ""
) -> PydanticCustomError:
    """Return the error a validator raises when values are well formed but do not go together.

    Args:
        code: Code of the catalogue.
        what: What is wrong, with the value; the file and the path are put before it.
        expected: What was expected instead.
        hint: What the user can do.
        at: Path of the value below the validated model, where the validator checks a whole model.
    """
    parts = {"code": code, "what": what, "expected": expected, "hint": hint, "at": at}
    return PydanticCustomError("medvlp_rule", "{what}", parts)


def load_yaml_model(path: Path, model: type[_ModelT]) -> _ModelT:
    """Read a YAML file into a strict model.

    Args:
        path: The file.
        model: The model that describes it.

    Raises:
        ConfigError: MV1004 or MV1005 if the file is unreadable or no YAML, MV1001 for an unknown
            key, MV1002 for a bad or missing value, or the code of a broken rule of the model.
    """
    return parse_model(read_yaml(path), model, source=str(path))


def parse_model(
    document: PlainValue | Mapping[str, Any], model: type[_ModelT], *, source: str
) -> _ModelT:
    """Validate plain values (as a YAML or JSON document holds them) against a strict model.

    Args:
        document: Mappings, lists, texts, numbers, booleans and None only.
        model: The model that describes the document.
        source: Name of the file or of the caller, for messages.

    Raises:
        ConfigError: MV1001, MV1002, or the code of a broken rule of the model.
    """
    if not isinstance(document, dict):
        raise ConfigError(
            "MV1002", f"{source} holds {reprlib.repr(document)}", expected="keys with values"
        )
    try:
        return model.model_validate_json(json.dumps(document, allow_nan=False))
    except ValidationError as error:
        problems = error.errors(include_url=False)
        raise _worst_problem(problems, document, model, source) from error


def _worst_problem(
    problems: Sequence[ErrorDetails],
    document: PlainValue,
    model: type[StrictModel],
    source: str,
) -> ConfigError:
    """Turn pydantic's list into one error: unknown keys first, the other paths named behind."""
    order = {"extra_forbidden": 0, "medvlp_rule": 2}
    located = [(_path(problem, document), problem) for problem in problems]
    located.sort(key=lambda item: order.get(item[1]["type"], 1))
    grouped = [(path, [p for _, p in items]) for path, items in groupby(located, lambda i: i[0])]
    path, alike = grouped[0]
    first = alike[0]
    others = ", ".join(_dotted(other) for other, _ in grouped[1:4])
    also = f"also look at {others}" if others else ""
    if first["type"] == "medvlp_rule":
        return _rule_as_config_error(first, path, source, also)
    where = f"{source}: {_dotted(path)}"
    if first["type"] == "extra_forbidden":
        valid = sorted(_keys_at(model, path[:-1]))
        near = nearest_name(str(path[-1]), valid)
        return ConfigError(
            "MV1001", f"{where} is not a known key{near}", expected=f"one of {valid}", hint=also
        )
    if first["type"] == "missing":
        return ConfigError("MV1002", f"{where} is missing", expected=_expected(first), hint=also)
    value = first["input"]
    expected = " or ".join(dict.fromkeys(_expected(problem) for problem in alike))
    names = [name for problem in alike for name in _literals(problem)]
    near = nearest_name(value, names) if isinstance(value, str) else ""
    return ConfigError(
        "MV1002", f"{where}={reprlib.repr(value)}{near} is not valid", expected=expected, hint=also
    )


def _rule_as_config_error(
    problem: ErrorDetails, path: tuple[Step, ...], source: str, also: str
) -> ConfigError:
    parts = problem["ctx"]
    below = (parts["at"],) if parts["at"] else ()
    place = _dotted((*path, *below))
    where = f"{source}: {place}: " if place else f"{source}: "
    hint = "; ".join(text for text in (parts["hint"], also) if text)
    return ConfigError(
        parts["code"], f"{where}{parts['what']}", expected=parts["expected"], hint=hint
    )


def _path(problem: ErrorDetails, document: PlainValue) -> tuple[Step, ...]:
    """Return the steps of an error that exist in the document, so without pydantic's own tags."""
    steps: list[Step] = []
    here: PlainValue = document
    for step in problem["loc"]:
        if isinstance(here, dict) and step in here:
            here = here[str(step)]
            steps.append(step)
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
            steps.append(step)
    if problem["type"] == "missing":
        steps.append(problem["loc"][-1])
    return tuple(steps)


def _dotted(path: tuple[Step, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _expected(problem: ErrorDetails) -> str:
    template = _EXPECTED.get(problem["type"])
    if template is None:
        return problem["msg"].removeprefix("Input should be ")
    return template.format(**problem.get("ctx", {}))


def _literals(problem: ErrorDetails) -> list[str]:
    if problem["type"] != "literal_error":
        return []
    return re.findall(r"'([^']*)'", str(problem["ctx"]["expected"]))


def _keys_at(model: type[StrictModel], path: tuple[Step, ...]) -> set[str]:
    """Return the keys that may stand below a path of a document of this model."""
    here: list[object] = [model]
    for step in path:
        here = [found for annotation in here for found in _descend(annotation, step)]
    return {
        field.alias or name
        for annotation in here
        for member in _members(annotation)
        if isinstance(member, type) and issubclass(member, BaseModel)
        for name, field in member.model_fields.items()
    }


def _members(annotation: object) -> Iterator[object]:
    """Yield the alternatives of a type, without the annotations around them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _descend(annotation: object, step: Step) -> Iterator[object]:
    """Yield what may stand one step below a type: a field, a value of a mapping, an item."""
    for member in _members(annotation):
        arguments = get_args(member)
        if isinstance(member, type) and issubclass(member, BaseModel):
            for name, field in member.model_fields.items():
                if step in (field.alias, name):
                    yield field.annotation
        elif get_origin(member) is dict:
            yield arguments[1]
        elif get_origin(member) is tuple:
            yield arguments[0]
