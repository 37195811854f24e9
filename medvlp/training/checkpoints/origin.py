"""Which program left a state: a run that goes on with another one is told of it."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import medvlp

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["changed_parts", "program_parts"]

_LIBRARIES = ("torch", "lightning", "timm", "transformers", "numpy")


@cache
def program_parts() -> dict[str, str]:
    """Return versions of what computes a step, and a hash of this package's own code."""
    root = Path(medvlp.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    own = {"medvlp": medvlp.__version__, "code": digest.hexdigest()[:12]}
    return own | {name: version(name) for name in _LIBRARIES}


def changed_parts(stored: Mapping[str, str]) -> list[str]:
    """Return what differs from the program that left a state, in words.

    Args:
        stored: What :func:`program_parts` returned there.
    """
    here = program_parts()
    return [
        f"{name} was {stored[name]} and is {here[name]}"
        for name in here
        if name in stored and stored[name] != here[name]
    ]
