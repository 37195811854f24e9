"""Names of contents: sha256 of a file with everything that belongs to it, and of plain data."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from medvlp.errors import MedvlpError

__all__ = ["content_sha256", "json_sha256", "plain_value"]


def content_sha256(path: Path | str, *, companions: bool = True) -> str:
    """Hash the bytes of a file, or of all files that make up a case.

    A single file gives the plain sha256 of its bytes, equal to what ``sha256sum`` prints. A folder,
    and a file with companions, give the sha256 of one line ``<sha256 of the file>  <relative
    name>`` per file, ordered by name, so that a changed, added, removed or renamed part changes the
    result. Companions are what slide formats of several files keep beside the main file: the folder
    ``x/`` of ``x.mrxs``, ``_x_/`` of ``x.vsi``, and the files ``x*`` of ``x.vms`` and ``x.vmu``.
    DICOM files that share a folder are not searched: hash the folder.

    Args:
        path: File or folder; symbolic links to files are followed.
        companions: Whether the companions of a multi-file slide count.

    Returns:
        64 hexadecimal digits.

    Raises:
        MedvlpError: MV1101 where the file or a part of it is missing or cannot be read.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _files_sha256(path, _files_below(path))
        parts = _companion_files(path) if companions else []
        return _files_sha256(path.parent, [path, *parts]) if parts else _file_sha256(path)
    except OSError as error:
        raise MedvlpError(
            "MV1101",
            f"{error.filename or path} cannot be read ({error.strerror or error})",
            expected="a file that stays in place while it is used",
            hint="check that the file exists and that you may read it",
        ) from error


def json_sha256(value: object) -> str:
    """Hash plain data through canonical JSON: keys sorted, no spaces, ASCII, shortest floats.

    Args:
        value: Dictionaries, lists, strings, numbers, booleans, None; paths and numpy values are
            turned into these. Tuples count as lists; 1 and 1.0 differ.

    Returns:
        64 hexadecimal digits.

    Raises:
        ValueError: If a number is NaN or infinite.
        TypeError: If a value has no JSON form.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=plain_value
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def plain_value(value: object) -> object:
    """Turn a path, a numpy scalar or a numpy array into what JSON can hold.

    Args:
        value: What the JSON encoder did not know.

    Raises:
        TypeError: If the value has no JSON form.
    """
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    to_list = getattr(value, "tolist", None)
    if callable(to_list):
        plain: object = to_list()
        return plain
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files_sha256(root: Path, files: list[Path]) -> str:
    total = hashlib.sha256()
    for name, file in sorted((file.relative_to(root).as_posix(), file) for file in files):
        line = f"{_file_sha256(file)}  {name}\n"
        total.update(line.encode("utf-8", "surrogatepass"))
    return total.hexdigest()


def _files_below(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise error

    return [
        Path(parent) / name
        for parent, _, names in os.walk(folder, onerror=refuse)
        for name in names
    ]


def _companion_files(path: Path) -> list[Path]:
    suffix = path.suffix.lower()
    if suffix in {".mrxs", ".vsi"}:
        folder = path.with_name(path.stem if suffix == ".mrxs" else f"_{path.stem}_")
        return _files_below(folder) if folder.is_dir() else []
    if suffix in {".vms", ".vmu"}:
        return [
            other
            for other in path.parent.iterdir()
            if other.name.startswith(path.stem) and other != path and other.is_file()
        ]
    return []
