"""The ZIP archives that torch writes: proved to be plain, and their numbers read from them."""

from __future__ import annotations

import struct
import sys
import zipfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import torch

from medvlp.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "READ_ERRORS",
    "Storage",
    "TorchArchive",
    "check_archive",
    "damaged",
    "hostile",
    "is_archive",
    "storage_type",
]

READ_ERRORS: Final = (
    ValueError,  # pickletools says so of every damage
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    EOFError,
    OSError,
    RuntimeError,  # of an encrypted archive, and of structures without an end
)
"""What reading a damaged archive or pickle raises."""

_RECORD = "data.pkl"
_MAX_RECORD_BYTES: Final = 32 * 2**20
_SIGNATURE = b"PK\x03\x04"
_STORAGES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class Storage:
    """Numbers of an archive, in a row.

    Attributes:
        values: Shape ``(n,)``, of the stored type.
    """

    values: torch.Tensor


def storage_type(name: str) -> torch.dtype | None:
    """Return what numbers a storage of torch holds; None where it is none that is read here."""
    return _STORAGES.get(name)


def is_archive(path: Path) -> bool:
    """Whether a file begins as the ZIP archives do that torch has written since 1.6."""
    with path.open("rb") as stream:
        return stream.read(len(_SIGNATURE)) == _SIGNATURE


def check_archive(path: Path) -> None:
    """Refuse a ZIP archive that unpacks to more than it is: torch stores tensors uncompressed.

    Raises:
        ModelError: If it holds a program of TorchScript (MV2104), entries are compressed, lie in
            one another or have one name (MV2116), or it is damaged (MV2103).
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except READ_ERRORS as error:
        raise damaged(path, str(error)) from error
    if any(PurePosixPath(entry.filename).name == "constants.pkl" for entry in entries):
        raise hostile(path, "a TorchScript program")
    packed = next((e.filename for e in entries if e.compress_type != zipfile.ZIP_STORED), None)
    total, size = sum(entry.file_size for entry in entries), path.stat().st_size
    if packed is not None:
        reason = f"its entry {packed!r} is compressed"
    elif total > size:
        reason = f"its entries have {total} bytes, the file {size}"
    elif len({entry.filename for entry in entries}) != len(entries):
        reason = "it has two entries of one name"
    else:
        return
    raise ModelError(
        "MV2116",
        f"{path} is no archive that torch wrote: {reason}",
        expected="tensors that are stored as they are",
        hint="nothing of it was unpacked; take the file from its authors",
    )


class TorchArchive:
    """The entries of an archive of torch: one pickle, and the numbers of each storage.

    Args:
        archive: The open archive, proved by :func:`check_archive`.
        path: Its file, for messages.

    Raises:
        ModelError: If it is damaged, or of a machine with another order of bytes (MV2103).
    """

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        entries = set(archive.namelist())
        names = [name for name in entries if PurePosixPath(name).name == _RECORD]
        if len(names) != 1:
            raise damaged(path, f"it has {len(names)} entries {_RECORD!r}")
        if archive.getinfo(names[0]).file_size > _MAX_RECORD_BYTES:
            raise damaged(path, f"its entry {_RECORD!r} has more than {_MAX_RECORD_BYTES} bytes")
        self._archive = archive
        self._root = names[0].removesuffix(_RECORD)
        self._storages: dict[str, Storage] = {}
        order = f"{self._root}byteorder"
        if order in entries and archive.read(order) != sys.byteorder.encode():
            raise damaged(path, "its numbers are of a machine with another order of bytes")

    def record(self) -> bytes:
        """Return the pickle."""
        return self._archive.read(f"{self._root}{_RECORD}")

    def storage(self, key: str, dtype: torch.dtype, count: int) -> Storage:
        """Return the numbers of a storage; the same object for the same key.

        Args:
            key: Its name.
            dtype: What numbers the pickle says it holds.
            count: How many the pickle says it holds.

        Raises:
            KeyError: If there is no such entry.
            ValueError: If it has not what the pickle says.
        """
        if key not in self._storages:
            content = bytearray(self._archive.read(f"{self._root}data/{key}"))
            no_values = torch.empty(0, dtype=dtype)
            values = torch.frombuffer(content, dtype=dtype) if content else no_values
            self._storages[key] = Storage(values)
        values = self._storages[key].values
        if values.dtype != dtype or len(values) != count:
            msg = f"a storage has {len(values)} values of {values.dtype}, not {count} of {dtype}"
            raise ValueError(msg)
        return self._storages[key]


def hostile(path: Path, found: str) -> ModelError:
    """Return the error for a file that asks for a program (MV2104)."""
    return ModelError(
        "MV2104",
        f"{path} does not hold plain tensors but asks for {found}",
        expected="tensors and configuration values",
        hint="nothing of it was run; take the file from its authors, or a .safetensors file",
    )


def damaged(path: Path, reason: str) -> ModelError:
    """Return the error for a file that cannot be read (MV2103)."""
    return ModelError(
        "MV2103",
        f"{path} cannot be read as a checkpoint ({reason})",
        hint="copy or download the file again; it is cut short or is of another format",
    )
