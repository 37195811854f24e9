"""The JSON Schema of the run folder, made from the records themselves.

``python -m medvlp.config.run_schema`` writes ``run_schema.json``; a test keeps the file equal to
the records.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from medvlp.config.runs import (
    PROBABILITY_PREFIX,
    SCORE_PREFIX,
    CaseRow,
    FailureRow,
    PredictionRow,
    RunRecord,
)
from medvlp.io import write_json

__all__ = ["build_run_schema", "load_run_schema"]

_PREFIXES = {"probabilities": PROBABILITY_PREFIX, "scores": SCORE_PREFIX}
_BETWEEN_0_AND_1 = ("confidence", "node_confidence", "probabilities")
_LISTS = ("findings", "node_path", "prediction_set")
_COUNTS = ("n_units", "n_used", "n_failed")
_SCALARS: dict[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_FILE_NAME = "run_schema.json"

Schema = dict[str, Any]


def build_run_schema() -> Schema:
    """Make the schema: rows of the tables as they stand in Parquet, and ``run.json``.

    In CSV a null is an empty cell. Under ``$defs``: ``prediction``, ``failure``, ``case``, ``run``.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "medvlp run folder",
        "description": (
            "Rows of predictions.parquet and predictions.csv, failures.csv and cases.csv, and "
            "run.json. In CSV files null is an empty cell, and a text that begins with =, +, -, @ "
            "or a tab has an apostrophe in front."
        ),
        "$defs": {
            "prediction": _prediction_schema(),
            "failure": _record_schema(FailureRow),
            "case": _record_schema(CaseRow),
            "run": _record_schema(RunRecord),
        },
    }


def load_run_schema() -> Schema:
    """Read the schema that ships with the package."""
    text = resources.files("medvlp.config").joinpath(_FILE_NAME).read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


def _prediction_schema() -> Schema:
    """Describe a prediction as a row: mappings become columns that share a prefix."""
    hints = get_type_hints(PredictionRow)
    properties: Schema = {}
    patterns: Schema = {}
    for item in fields(PredictionRow):
        described = {"description": item.metadata["description"]}
        if item.name in _PREFIXES:
            described |= {"type": ["number", "null"]}
            patterns[f"^{_PREFIXES[item.name]}"] = described
        elif item.name in _LISTS:
            properties[item.name] = described | {"type": ["string", "null"]}
        else:
            properties[item.name] = described = described | _type_schema(hints[item.name])
        if item.name in _BETWEEN_0_AND_1:
            described |= {"minimum": 0, "maximum": 1}
        if item.name in _COUNTS:
            described |= {"minimum": 0}
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": patterns,
        "required": list(properties),
        "additionalProperties": False,
    }


def _record_schema(kind: type) -> Schema:
    hints = get_type_hints(kind)
    properties = {}
    for item in fields(kind):
        described = _type_schema(hints[item.name])
        properties[item.name] = {"description": item.metadata["description"], **described}
    return {
        "type": "object",
        "properties": properties,
        "required": [item.name for item in fields(kind) if _is_always_written(item)],
        "additionalProperties": False,
    }


def _is_always_written(item: Field[object]) -> bool:
    """Tell whether a file of any version holds the field: new ones come with a default."""
    return item.default is MISSING and item.default_factory is MISSING


def _type_schema(hint: Any) -> Schema:  # noqa: ANN401 - a type as an annotation may hold it
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if is_dataclass(hint) and isinstance(hint, type):
        return _record_schema(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in {Union, types.UnionType}:
        present = [part for part in arguments if part is not type(None)]
        (described,) = (_type_schema(part) for part in present)
        return described | {"type": [described["type"], "null"]}
    if origin in {Mapping, tuple}:
        return _container_schema(origin, arguments)
    raise TypeError(f"no schema for the type {hint!r}")


def _container_schema(origin: object, arguments: tuple[object, ...]) -> Schema:
    inside = {} if object in arguments else _type_schema(arguments[-1 if origin is Mapping else 0])
    if origin is tuple:
        return {"type": "array", "items": inside}
    return {"type": "object", "additionalProperties": inside}


if __name__ == "__main__":
    write_json(Path(__file__).with_name(_FILE_NAME), build_run_schema())
