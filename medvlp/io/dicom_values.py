"""Turn elements of a DICOM data set into plain values, whatever an exporter wrote into them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from pydicom import config
from pydicom.uid import UID

__all__ = ["integer_of", "number_of", "numbers_of", "uid_name", "word_of", "words_of"]


def words_of(value: object) -> tuple[str, ...]:
    """Return the words of an element, stripped, upper case; none where it is absent."""
    if value is None:
        return ()
    items = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    return tuple(str(item).strip().upper() for item in items)


def word_of(value: object) -> str:
    """Return an element as text without padding; empty where it is absent."""
    return "" if value is None else str(value).strip(" \0")


def integer_of(value: object, otherwise: int) -> int:
    """Return an element as a whole number, or ``otherwise`` where it is absent or no number."""
    try:
        return otherwise if value is None or value == "" else int(str(value))
    except ValueError:
        return otherwise


def number_of(value: object) -> float | None:
    """Return an element as a finite number, or None; ValueError where it is neither."""
    if value is None or str(value).strip() == "":
        return None
    number = float(str(value))
    if not math.isfinite(number):
        raise ValueError(f"a rescale of {number}")
    return number


def numbers_of(value: object, count: int) -> tuple[float, ...] | None:
    """Return ``count`` finite numbers, or None where the element is absent or empty."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return None
    numbers = tuple(float(str(item)) for item in value)
    if not numbers:
        return None
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"{len(numbers)} numbers where {count} finite ones belong")
    return numbers


def uid_name(uid: str) -> str:
    """Return what a UID is called, the UID itself where it has no name, ``unknown`` for others.

    Args:
        uid: What a file holds in place of a UID; text that is none never reaches a message.
    """
    name = str(UID(uid, validation_mode=config.IGNORE).name)
    return name if name != uid or re.fullmatch(r"[0-9.]{1,64}", uid) else "unknown"
