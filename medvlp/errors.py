"""Errors with codes: what is wrong, what was expected, what to do.

Every message a user can meet carries a code such as ``MV1203``; ``medvlp explain MV1203`` prints
the longer text kept in :mod:`medvlp.error_catalog`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "DataError",
    "FeatureError",
    "KnowledgeError",
    "LossError",
    "MedvlpError",
    "ModelError",
    "OutputError",
    "PhantomError",
    "RadiographError",
    "SlideError",
    "UsageError",
    "VolumeError",
    "WorkerError",
    "nearest_name",
]


class MedvlpError(Exception):
    """An error that a caller would catch and handle: a slide to skip, a file to refuse.

    Args:
        code: Stable code, ``MV`` and four digits, listed in the catalogue.
        what: What is wrong, with the offending value and the file.
        expected: What was expected instead; may be empty.
        hint: What the user can do; may be empty.
    """

    def __init__(self, code: str, what: str, *, expected: str = "", hint: str = "") -> None:
        self.code = code
        self.what = what
        self.expected = expected
        self.hint = hint
        super().__init__(code, what, expected, hint)

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild the error in another process with all its parts."""
        return _rebuild, (type(self), self.code, self.what, self.expected, self.hint)

    @property
    def reason(self) -> str:
        """Return what is wrong and what was expected, without code and hint."""
        return f"{self.what}; expected {self.expected}" if self.expected else self.what

    def __str__(self) -> str:
        """Return one line: code, what, expected, hint."""
        hint = f" - {self.hint}" if self.hint else ""
        return f"{self.code}: {self.reason}{hint}"


class UsageError(MedvlpError):
    """The command or the call cannot be carried out as given (exit code 2)."""


class ConfigError(UsageError):
    """A configuration or task file is wrong (exit code 2)."""


class KnowledgeError(UsageError):
    """An ontology is broken, or a term, selection or graph does not exist (exit code 2)."""


class SlideError(MedvlpError):
    """A slide cannot be read, or cannot be read as asked."""


class VolumeError(MedvlpError):
    """A scan or a mask cannot be read, or is not what it must be."""


class RadiographError(MedvlpError):
    """An X-ray cannot be read, or is none."""


class FeatureError(MedvlpError):
    """A feature file is damaged, unsafe, or belongs to another encoder or scale."""


class DataError(MedvlpError):
    """A manifest, a batch or a sampler's state is damaged or does not fit."""


class LossError(MedvlpError):
    """A batch cannot be scored: shapes, ids or values that no loss is defined for."""


class ModelError(MedvlpError):
    """A model or its weights cannot be used."""


class OutputError(MedvlpError):
    """An output cannot be written."""


class WorkerError(MedvlpError):
    """A worker process crashed, or went over its limit of memory or time."""


class PhantomError(MedvlpError):
    """A phantom cannot be made as asked."""


def _rebuild(
    kind: type[MedvlpError], code: str, what: str, expected: str, hint: str
) -> MedvlpError:
    return kind(code, what, expected=expected, hint=hint)


def nearest_name(name: str, valid: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest valid name, or an empty string.

    Args:
        name: What the user wrote.
        valid: The names that exist.
    """
    found = get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f" (did you mean {found[0]!r}?)" if found else ""
