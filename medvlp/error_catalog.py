"""The catalogue behind ``medvlp explain CODE``: every code, what it means and what helps.

Ranges: 10xx usage and configuration, 11xx files and folders, 12xx slides, 13xx feature files,
14xx models and weights, 15xx tasks and zero-shot, 16xx jobs and workers, 17xx training, 18xx losses,
19xx phantoms.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CATALOG", "Explanation"]


@dataclass(frozen=True)
class Explanation:
    """The longer text behind a code.

    Attributes:
        title: One line, lower case, no full stop.
        meaning: What the program found, in plain words.
        remedy: What a user can do.
    """

    title: str
    meaning: str
    remedy: str


CATALOG: dict[str, Explanation] = {
    "MV1001": Explanation(
        "unknown key in a configuration file",
        "A key of the file is not one that this file can hold, often a spelling mistake. Keys that "
        "have no effect are refused, because a run would silently differ from what was meant.",
        "Correct the key; the message names the nearest valid one.",
    ),
    "MV1002": Explanation(
        "a value in a configuration file is not valid",
        "A value has the wrong type or is outside its range, or a required key is missing.",
        "Correct the value at the dotted path that the message names.",
    ),
    "MV1003": Explanation(
        "unknown name",
        "A component was chosen by a name that nothing is registered under.",
        "Use one of the names that the message lists.",
    ),
}
