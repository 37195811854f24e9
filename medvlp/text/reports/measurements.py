"""Read lengths from a report: ``2.3 and 3 mm``, ``4 x 3.5 cm``, ``10-12 mm``, ``a few mm``.

Every value is in millimetres. Areas, volumes, pressures and rates (``mm2``, ``mm Hg``, ``mm/s``)
are no lengths. Numbers are added up in decimals, so ``4.1 cm`` is 41 mm and not 40.99.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

__all__ = ["Measurement", "find_measurements"]

Kind = Literal["single", "list", "range", "size", "vague"]
Bound = Literal["exact", "below", "above"]

_NUMBER = r"(?<![\d.,])\d{1,4}(?:[.,]\d{1,3})?(?![\d])"
_UNIT = (
    r"(?:mm|cm|millimet(?:er|re)s?|centimet(?:er|re)s?)(?![^\W\d_])"
    r"(?![\u00b2\u00b33]|2\b|\^|\s?(?:hg|/|per\b|cubed?\b|squared?\b))"
)
_BY = r"\s*(?:x|X|\*|\u00d7|by)\s*"
_TO = r"\s*(?:-|\u2013|\u2014|to)\s*"
_AND = r"\s*(?:,|and|or|,\s*and)\s*"
_LENGTH = re.compile(
    rf"(?P<first>{_NUMBER})(?:\s*(?P<unit1>{_UNIT}))?"
    rf"(?P<rest>(?:(?:{_BY}|{_TO}|{_AND}){_NUMBER}(?:\s*{_UNIT})?)*)",
    re.IGNORECASE,
)
_STEP = re.compile(
    rf"(?P<link>{_BY}|{_TO}|{_AND})(?P<number>{_NUMBER})(?:\s*(?P<unit>{_UNIT}))?", re.IGNORECASE
)
_VAGUE = re.compile(
    r"\b(?:(?:a\s+)?few\s+(?:mm|millimet(?:er|re)s)|(?:sub)?-?millimet(?:ric|rical))\b",
    re.IGNORECASE,
)
_BOUNDS: tuple[tuple[Bound, re.Pattern[str]], ...] = (
    (
        "below",
        re.compile(
            r"(?:<|\u2264|less than|smaller than|below|under|up to|not exceeding|at most)\s*$",
            re.IGNORECASE,
        ),
    ),
    (
        "above",
        re.compile(
            r"(?:>|\u2265|greater than|larger than|more than|over|above|exceeding|at least)\s*$",
            re.IGNORECASE,
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A length, or several that stand together.

    Attributes:
        values_mm: The values in mm as written; empty for ``a few mm``.
        kind: ``single``, ``list`` (2 and 3 mm), ``range`` (10-12 mm), ``size`` (4 x 3 cm) or
            ``vague``.
        bound: ``below`` or ``above`` where the text says so.
        start: First character in the text.
        end: Character after the last one.
    """

    values_mm: tuple[float, ...]
    kind: Kind
    bound: Bound
    start: int
    end: int

    @property
    def largest_mm(self) -> float | None:
        """The largest value in mm, None for a vague one."""
        return max(self.values_mm, default=None)


def find_measurements(text: str) -> tuple[Measurement, ...]:
    """Find the lengths of a text, in the order of the text.

    A unit holds for the numbers before it that have none (``2.3 and 3 mm``). A comma between digits
    is a decimal mark (``1,5 cm``).

    Args:
        text: Any text.
    """
    found = [length for match in _LENGTH.finditer(text) for length in _lengths(text, match)]
    found += [Measurement((), "vague", "exact", *match.span()) for match in _VAGUE.finditer(text)]
    return tuple(sorted(found, key=lambda measurement: measurement.start))


def _lengths(text: str, match: re.Match[str]) -> list[Measurement]:
    """Cut a chain of numbers where sizes alternate with lists: ``3 x 2 mm and 5 mm``."""
    numbers = [(match["first"], match["unit1"], "", match.start(), match.end("unit1"))]
    if numbers[0][4] < 0:
        numbers = [(match["first"], None, "", match.start(), match.end("first"))]
    for step in _STEP.finditer(text, match.start("rest"), match.end("rest")):
        numbers.append(
            (step["number"], step["unit"], _link(step["link"]), step.start("number"), step.end())
        )
    units = [unit for _, unit, *_ in numbers]
    if not any(units):
        return []
    while units[-1] is None:  # "3 mm and 12 others"
        units.pop()
    numbers = numbers[: len(units)]
    for place in reversed(range(len(units) - 1)):
        units[place] = units[place] or units[place + 1]
    groups: list[list[int]] = [[0]]
    for place in range(1, len(numbers)):
        if len({numbers[i][2] for i in groups[-1][1:]} | {numbers[place][2]}) > 1:
            groups.append([place])
        else:
            groups[-1].append(place)
    return [_measurement(text, [numbers[i] for i in g], [units[i] for i in g]) for g in groups]


def _link(written: str) -> Kind:
    word = written.strip().lower()
    if word in {"x", "*", "\u00d7", "by"}:
        return "size"
    return "range" if word in {"-", "\u2013", "\u2014", "to"} else "list"


def _measurement(
    text: str, numbers: list[tuple[str, str | None, str, int, int]], units: list[str | None]
) -> Measurement:
    values = tuple(
        float(Decimal(number.replace(",", ".")) * (10 if (unit or "").lower()[0] == "c" else 1))
        for (number, *_), unit in zip(numbers, units, strict=True)
    )
    start, end = numbers[0][3], numbers[-1][4]
    before = text[max(0, start - 24) : start]
    bound: Bound = next((name for name, pattern in _BOUNDS if pattern.search(before)), "exact")
    kind: Kind = _link_kind(numbers[-1][2]) if len(values) > 1 else "single"
    return Measurement(values, kind, bound, start, end)


def _link_kind(name: str) -> Kind:
    return "size" if name == "size" else "range" if name == "range" else "list"
