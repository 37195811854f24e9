"""Records as attributes of a file, and back: every field is there and of its kind, or is named.

Text, numbers and truth values are stored as they are, tuples of numbers as arrays, mappings as
JSON; a record with other fields says how these become text. Reading trusts nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from medvlp.errors import FeatureError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _typeshed import DataclassInstance

    Decoder = Callable[[object], object]
    Record = TypeVar("Record", bound=DataclassInstance)

__all__ = [
    "RecordFormat",
    "flag_of",
    "integer_of",
    "integers_of",
    "mapping_of",
    "number_of",
    "numbers_of",
    "text_of",
]


@dataclass(frozen=True, kw_only=True)
class RecordFormat:
    """Name and version of the files that hold one kind of record.

    Attributes:
        name: What the attribute ``format`` says.
        version: What the attribute ``format_version`` says.
        foreign_code: Code for a file of another format.
        holds: What such a file is said to be no file of, such as ``no features of a scan``.
        foreign_hint: What to do with it.
        remake: How a file of another version is made again, such as ``embed the scan again``.
    """

    name: str
    version: int
    foreign_code: str
    holds: str
    foreign_hint: str
    remake: str

    def to_attributes(
        self, record: DataclassInstance, encoders: Mapping[str, Callable[[Any], str]] | None = None
    ) -> dict[str, object]:
        """Return the attributes of a file in their fixed order, as values that HDF5 stores.

        Args:
            record: What to store; its fields keep their order.
            encoders: Field -> how its value becomes text, where it is not plain.
        """
        special = encoders or {}
        attributes: dict[str, object] = {"format": self.name, "format_version": self.version}
        for field in fields(record):
            value = getattr(record, field.name)
            encode = special.get(field.name, _plain)
            attributes[field.name] = encode(value)
        return attributes

    def from_attributes(
        self,
        kind: type[Record],
        attributes: Mapping[str, object],
        file: str,
        decoders: Mapping[str, Decoder],
    ) -> Record:
        """Rebuild a record from a file's attributes.

        Args:
            kind: Class of the record.
            attributes: Attributes of the file as plain values (see ``hdf5_checks``).
            file: Name of the file, for messages.
            decoders: Field -> how it is read back, where it is not text; these raise TypeError or
                ValueError for values of another kind.

        Raises:
            FeatureError: The format's own code if the file is of another format, MV1314 if an
                attribute is missing or has the wrong kind, or the version is another.
        """
        if attributes.get("format") != self.name:
            raise FeatureError(
                self.foreign_code,
                f"{file} is an HDF5 file but {self.holds}",
                expected=f"the attribute format = {self.name!r}",
                hint=self.foreign_hint,
            )
        if attributes.get("format_version") != self.version:
            raise FeatureError(
                "MV1314",
                f"{file} has format version {attributes.get('format_version')}",
                expected=f"version {self.version}",
                hint=f"read it with the version of medvlp that wrote it, or {self.remake}",
            )
        values: dict[str, Any] = {}
        for field in fields(kind):
            if field.name not in attributes:
                raise FeatureError("MV1314", f"{file} lacks the attribute {field.name!r}")
            decode = decoders.get(field.name, text_of)
            try:
                values[field.name] = decode(attributes[field.name])
            except (TypeError, ValueError) as error:
                raise FeatureError(
                    "MV1314", f"{file}: the attribute {field.name!r} is {attributes[field.name]!r}"
                ) from error
        return kind(**values)


def text_of(value: object) -> str:
    """Return text; TypeError for anything else, as all of these."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def flag_of(value: object) -> bool:
    """Return a truth value; a number is none."""
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is no truth value")
    return value


def integer_of(value: object) -> int:
    """Return a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def number_of(value: object) -> float:
    """Return a number, whole or not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def integers_of(count: int) -> Callable[[object], tuple[int, ...]]:
    """Return what reads a row of so many whole numbers."""

    def read(value: object) -> tuple[int, ...]:
        return tuple(int(number) for number in _row(value, count, "iu"))

    return read


def numbers_of(count: int) -> Callable[[object], tuple[float, ...]]:
    """Return what reads a row of so many numbers."""

    def read(value: object) -> tuple[float, ...]:
        return tuple(float(number) for number in _row(value, count, "fiu"))

    return read


def mapping_of(value: object) -> dict[str, object]:
    """Return a mapping stored as JSON."""
    found = json.loads(text_of(value))
    if not isinstance(found, dict):
        raise TypeError(f"{value!r} is no mapping")
    return found


def _plain(value: object) -> object:
    """Return a field as HDF5 stores it."""
    if isinstance(value, tuple):
        return np.array(value)
    if isinstance(value, str | bool | int | float):
        return value
    return json.dumps(value, sort_keys=True)


def _row(value: object, count: int, kinds: str) -> list[Any]:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        raise TypeError(f"{value!r} is no row of numbers")
    if value.shape != (count,):
        raise TypeError(f"{value!r} is no row of {count} numbers")
    row: list[Any] = value.tolist()
    return row
