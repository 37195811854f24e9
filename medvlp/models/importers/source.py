"""The files of a released model: find them, and refuse what is not what its name says."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medvlp.errors import ModelError
from medvlp.models.hub import HUB_PREFIX, fetch_hub_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ForeignModel", "open_source", "read_json_object", "refuse_pointer"]

_POINTER = b"version https://git-lfs"
_MAX_JSON_BYTES = 64 * 2**20


@dataclass(frozen=True)
class ForeignModel:
    """A released model on this machine.

    Attributes:
        folder: Where its files lie.
        checkpoint: The file of weights that the user named; None where a folder was named.
    """

    folder: Path
    checkpoint: Path | None = None

    def find(self, names: Sequence[str]) -> Path | None:
        """Return the first of several files that is there and is no pointer, or None.

        Raises:
            ModelError: If the file holds the address of a file in its place (MV2102).
        """
        for name in names:
            path = self.folder / name
            if path.is_file():
                refuse_pointer(path)
                return path
        return None

    def require(self, names: Sequence[str], what: str) -> Path:
        """Return the first of several files that is there.

        Args:
            names: File names, the preferred one first.
            what: What they hold, for the message.

        Raises:
            ModelError: If none is there (MV2100), or one is a pointer (MV2102).
        """
        found = self.find(names)
        if found is None:
            raise ModelError(
                "MV2100",
                f"{self.folder} holds no {what}",
                expected=" or ".join(names),
                hint="download the whole folder of the release",
            )
        return found

    def weights(self, names: Sequence[str]) -> Path:
        """Return the file of weights: the one named by the user, else the first of ``names``.

        Raises:
            ModelError: If none is there (MV2100), or it is a pointer (MV2102).
        """
        if self.checkpoint is not None:
            refuse_pointer(self.checkpoint)
            return self.checkpoint
        return self.require(names, "weights")


def open_source(name: str | Path, weights: tuple[str, ...] = ()) -> ForeignModel:
    """Find a released model.

    Args:
        name: Its folder, a file of weights, or ``hf-hub:owner/name``.
        weights: Names of its files of weights on the hub, where they are not the usual ones.

    Raises:
        ModelError: If there is nothing of this name (MV2100), or the hub does not give it (MV1412).
    """
    text = str(name)
    if text.startswith(HUB_PREFIX):
        return ForeignModel(fetch_hub_folder(text, weights))
    path = Path(name)
    if path.is_dir():
        return ForeignModel(path)
    if path.is_file():
        return ForeignModel(path.parent, path)
    raise ModelError(
        "MV2100",
        f"there is no {text!r}",
        expected="a folder, a file of weights, or hf-hub:owner/name",
    )


def refuse_pointer(path: Path) -> None:
    """Refuse a text file that Git LFS leaves in place of a large file.

    Raises:
        ModelError: If it is one (MV2102), or cannot be read (MV2100).
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_POINTER))
    except OSError as error:
        raise ModelError("MV2100", f"{path} cannot be read ({error})") from error
    if start == _POINTER:
        raise ModelError(
            "MV2102",
            f"{path} is a Git LFS pointer, not the file itself",
            hint="run `git lfs pull` in the folder, or download the file again",
        )


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        ModelError: If it cannot be read, is too large, or holds something else (MV2101).
    """
    refuse_pointer(path)
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ModelError("MV2101", f"{path} is larger than {_MAX_JSON_BYTES} bytes")
        content = json.loads(path.read_bytes(), parse_constant=_finite, parse_float=_finite)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("MV2101", f"{path} cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise ModelError("MV2101", f"{path} holds a {type(content).__name__}", expected="an object")
    return content


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        msg = f"{text} is not a number that JSON has"
        raise ValueError(msg)
    return value
