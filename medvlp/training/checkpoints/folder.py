"""Checkpoints of a run: each a folder that appears whole, the newest two kept, hashes checked.

``checkpoints/step_000000100/`` holds ``tensors.safetensors``, ``state.json`` and ``manifest.json``
with the sha256 of both; ``checkpoints/latest.json`` names the newest one. An older checkpoint is
removed only after the newer one and ``latest.json`` are on the disk.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from medvlp.errors import DataError, MedvlpError, OutputError
from medvlp.io import content_sha256, output_errors, publish_folder, temporaries, write_json
from medvlp.training.checkpoints.names import (
    CHECKPOINTS_FOLDER,
    LATEST,
    checkpoint_path,
    list_checkpoints,
    newest_step,
)
from medvlp.training.checkpoints.state_copy import StateBuffer
from medvlp.training.checkpoints.state_tree import join_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from medvlp.training.checkpoints.state_copy import StateCopy

__all__ = [
    "CHECKPOINTS_FOLDER",
    "FORMAT",
    "check_checkpoint",
    "checkpoint_path",
    "clear_leftovers",
    "newest_checkpoint",
    "read_checkpoint",
    "remove_older",
    "write_checkpoint",
    "write_copy",
]

logger = logging.getLogger(__name__)

FORMAT = "medvlp-checkpoint"
_VERSION = 1
_TENSORS, _STATE, _MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
_PIECE_BYTES = 8 * 2**20
_HINT = "the older checkpoint is taken where there is one; otherwise begin a new run"


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state under its final name, whole and flushed, and name it the newest.

    Args:
        path: What :func:`checkpoint_path` returned; one of the same name is replaced.
        state: Nested plain values and tensors.

    Raises:
        OutputError: MV1708 for a value that cannot be stored; MV1104 to MV1106 if the disk refuses.
            Earlier checkpoints are as they were.
    """
    write_copy(path, StateBuffer().copy(state))


def write_copy(path: Path, copied: StateCopy) -> None:
    """Write the copy of a state as :func:`write_checkpoint` does; fit for a thread of its own.

    Args:
        path: What :func:`checkpoint_path` returned; one of the same name is replaced.
        copied: The copy; it must stay as it is meanwhile.

    Raises:
        OutputError: MV1104 to MV1106 if the disk refuses.
    """
    copied.wait()
    document = json.dumps(copied.document, allow_nan=False).encode()
    parts = {_TENSORS: (copied.header, copied.content.numpy().data), _STATE: (document,)}
    with publish_folder(path, replace=True) as partial, output_errors(path):
        hashes = {name: _write(partial / name, *content) for name, content in parts.items()}
        manifest = {"format": FORMAT, "version": _VERSION, "sha256": hashes}
        (partial / _MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    write_json(path.parent / LATEST, {"latest": path.name})


def _write(path: Path, *parts: bytes | memoryview) -> str:
    """Write a file in pieces and return its sha256; neither holds Python's lock."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in parts:
            view = memoryview(part)
            for begin in range(0, len(view), _PIECE_BYTES):
                piece = view[begin : begin + _PIECE_BYTES]
                digest.update(piece)
                file.write(piece)
    return digest.hexdigest()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state, after comparing the hashes of its files.

    Args:
        path: Folder of the checkpoint.

    Raises:
        DataError: MV1707 if it is damaged or incomplete, MV1710 if it is of another format.
    """
    check_checkpoint(path)
    with _damage(path):
        document = json.loads((path / _STATE).read_text(encoding="utf-8"))
        state = join_state(document, load_file(path / _TENSORS))
    if not isinstance(state, dict):
        raise _damaged(path, "holds no state of a run")
    return state


def check_checkpoint(path: Path) -> None:
    """Compare the hashes of the files of a checkpoint; a process reads files once that stay.

    Args:
        path: Folder of the checkpoint.

    Raises:
        DataError: MV1707 if it is damaged or incomplete, MV1710 if it is of another format.
    """
    with _damage(path):
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        name, number = manifest["format"], manifest["version"]
        if name == FORMAT and isinstance(number, int) and number != _VERSION:
            raise DataError(
                "MV1710",
                f"checkpoint {path} is {name} {number}",
                expected=f"{FORMAT} {_VERSION}",
                hint="go on with the version of medvlp that began the run, or begin a new run",
            )
        if (name, number) != (FORMAT, _VERSION):
            raise _damaged(path, f"is {name} {number}")
        for name in (_TENSORS, _STATE):
            found, wanted = _hash(path / name), manifest["sha256"][name]
            if found != wanted:
                raise _damaged(path, f"holds {name} with hash {found[:12]}, written {wanted[:12]}")


def newest_checkpoint(folder: Path) -> tuple[Path, int] | None:
    """Return the newest checkpoint that is whole, and its step; None where there is none at all.

    A damaged one is passed over with a warning. ``latest.json`` says where to begin; what is newer
    was never finished, or belongs to steps that were taken back.

    Args:
        folder: The run's folder of checkpoints.

    Raises:
        DataError: MV1707 if there are checkpoints and every one is damaged; MV1710 if one is of
            another format, which is not damage and is not passed over.
    """
    found = list_checkpoints(folder)
    latest = newest_step(folder)
    candidates = [each for each in found if latest is None or each[0] <= latest]
    refused: DataError | None = None
    for step, path in reversed(candidates or found):
        try:
            check_checkpoint(path)
        except DataError as error:
            if error.code != "MV1707":
                raise
            logger.warning("%s", error)
            refused = error
        else:
            return path, step
    if refused is not None:
        raise refused
    return None


def remove_older(folder: Path, keep: int) -> None:
    """Remove all but the newest checkpoints up to the one that ``latest.json`` names.

    Args:
        folder: The run's folder of checkpoints.
        keep: How many stay, at least 1.
    """
    latest = newest_step(folder)
    if latest is None:
        return
    done = [path for step, path in list_checkpoints(folder) if step <= latest]
    for path in done[:-keep]:
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise OutputError(
                "MV1106",
                f"the older checkpoint {path} cannot be removed ({error.strerror})",
                hint="check the rights on the folder of the run",
            ) from error


def clear_leftovers(folder: Path) -> None:
    """Remove what a killed process had begun to write; to be called while nobody writes.

    Args:
        folder: The run's folder of checkpoints; it may be missing.
    """
    for path in folder.glob(".tmp-*"):
        temporaries.remove(path)


def _hash(path: Path) -> str:
    about = path.stat()
    return _hash_of(path, about.st_ino, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=64)
def _hash_of(path: Path, *_about: int) -> str:
    return content_sha256(path)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Take what goes wrong while a checkpoint is read for damage."""
    try:
        yield
    except DataError:
        raise
    except (MedvlpError, OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise _damaged(path, f"cannot be read ({type(error).__name__}: {error})") from error


def _damaged(path: Path, what: str) -> DataError:
    return DataError(
        "MV1707",
        f"checkpoint {path} {what}",
        expected=f"{_MANIFEST}, {_STATE} and {_TENSORS} as they were written",
        hint=_HINT,
    )
