"""A file of reference numbers, what was answered for it, and how far apart the two are."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

__all__ = ["FLOAT64", "Arrays", "FamilyCheck", "Quantity", "Tolerance", "compare", "read_arrays"]

Arrays = Mapping[str, "NDArray[Any]"]
"""The arrays of one file by name; floats as float64."""


@dataclass(frozen=True)
class Tolerance:
    """Two numbers agree where ``|actual - expected| <= rtol * |expected| + atol``."""

    rtol: float
    atol: float


FLOAT64 = Tolerance(rtol=1e-9, atol=1e-11)
"""Values that are computed in float64."""


@dataclass(frozen=True)
class FamilyCheck:
    """How a family of files is answered.

    Attributes:
        answer: Takes the arrays of a file and returns what medvlp computes, by the file's names.
        inputs: Names in the file that are given, not expected; ``*`` stands for any text.
        tolerance: What floats must agree to; whole numbers, truth values and texts must be equal.
        tolerances: Exceptions by name, ``*`` allowed; the first that fits counts.
    """

    answer: Callable[[Arrays], Mapping[str, ArrayLike]]
    inputs: tuple[str, ...]
    tolerance: Tolerance = FLOAT64
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)

    def tolerance_of(self, name: str) -> Tolerance:
        """Return the tolerance of one expected array."""
        for pattern, tolerance in self.tolerances.items():
            if fnmatchcase(name, pattern):
                return tolerance
        return self.tolerance

    def expected_names(self, arrays: Arrays) -> list[str]:
        """Return the names in a file that are expected values."""
        return [
            name
            for name in arrays
            if not any(fnmatchcase(name, pattern) for pattern in self.inputs)
        ]


@dataclass(frozen=True)
class Quantity:
    """One compared array.

    Attributes:
        name: Its name in the file.
        error: Largest ``|actual - expected| / (|expected| + atol / rtol)``, which is within the
            tolerance exactly where it is at most rtol; infinite for a wrong shape or a wrong label.
        allowed: rtol, or 0 where values must be equal.
    """

    name: str
    error: float
    allowed: float

    @property
    def agrees(self) -> bool:
        """Tell whether the error is within the tolerance."""
        return self.error <= self.allowed


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a file without pickle, floats as float64, without its ``meta``.

    Raises:
        ValueError: If the file is no archive of plain arrays or its ``meta`` is no JSON.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} is no archive of arrays: {error}") from error
    json.loads(str(arrays.pop("meta", "{}")))
    return {
        name: values.astype(np.float64) if values.dtype.kind == "f" else values
        for name, values in arrays.items()
    }


def compare(name: str, expected: NDArray[Any], actual: ArrayLike, tolerance: Tolerance) -> Quantity:
    """Compare one answer with the expected array.

    Args:
        name: Name of the array in the file.
        expected: The reference numbers.
        actual: The answer; its shape must be the same.
        tolerance: For floats; other kinds must be equal.
    """
    answer = np.asarray(actual)
    is_float = expected.dtype.kind == "f"
    allowed = tolerance.rtol if is_float else 0.0
    if answer.shape != expected.shape:
        return Quantity(name, np.inf, allowed)
    if not is_float:
        return Quantity(name, 0.0 if np.array_equal(answer, expected) else np.inf, allowed)
    same = (answer == expected) | (np.isnan(answer) & np.isnan(expected))
    scale = np.abs(expected) + tolerance.atol / tolerance.rtol
    with np.errstate(invalid="ignore"):
        errors = np.where(same, 0.0, np.abs(answer - expected) / scale)
    worst = float(errors.max(initial=0.0))
    return Quantity(name, np.inf if np.isnan(worst) else worst, allowed)
