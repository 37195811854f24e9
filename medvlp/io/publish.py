"""Give files and folders their final name only when they are complete.

What is written goes to a hidden temporary name in the same folder, is flushed to the disk, and is
then renamed in one step. A reader, and a run that was killed, therefore finds the old content, the
new content or nothing under the final name, never a part.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from medvlp.errors import OutputError, UsageError
from medvlp.io import temporaries

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "AlreadyPublishedError",
    "check_output_folder",
    "full_disk_errors",
    "output_errors",
    "publish_file",
    "publish_folder",
]

_FULL = (errno.ENOSPC, errno.EDQUOT)
_WRITE_ONLY = (*_FULL, errno.EROFS)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


class AlreadyPublishedError(FileExistsError):
    """Another process has given this name to its own complete file first."""


@contextmanager
def publish_file(path: Path | str, *, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the same folder; publish it under the final name on success.

    The temporary file exists and is empty when it is yielded; the folder is made where it is
    missing. On success the file and the folder are flushed to the disk. On an error in the body
    nothing is left behind. What a killed process left is hidden, harmless, and removed by the next
    process that publishes into the folder (by age, after a day, where it came from another host).

    Args:
        path: The final path.
        replace: Whether an existing file is replaced. Otherwise the first of several processes
            wins, by a hard link; on file systems without hard links a look and a rename come close
            to that.

    Yields:
        The temporary path to write to; it keeps the suffix of ``path``.

    Raises:
        AlreadyPublishedError: With ``replace=False``, if the name is taken.
        OutputError: MV1104 (not writable), MV1105 (full) or MV1106 (any other failure to write).
        UsageError: MV1103 where a part of the path is a file.
    """
    path = Path(path)
    temporary = temporaries.temporary_path(path)
    try:
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporaries.remove_stale(path.parent.absolute())
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        with full_disk_errors(path):
            yield temporary
        with output_errors(path):
            _flush(temporary)
            if replace:
                temporary.replace(path)
            else:
                _link_first(temporary, path)
            _flush(path.parent)
    finally:
        temporaries.remove(temporary)


@contextmanager
def publish_folder(path: Path | str, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside the final one; rename it on success.

    Args:
        path: The final path.
        replace: Whether an existing folder is replaced: it is renamed away just before and deleted
            just after, so for a moment there is no folder, but never a mixture. Otherwise the first
            wins.

    Yields:
        The temporary folder to fill.

    Raises:
        AlreadyPublishedError: With ``replace=False``, if the name is taken by a folder with
            content.
        OutputError: MV1104 (not writable), MV1105 (full) or MV1106 (any other failure to write).
        UsageError: MV1103 where a part of the path, or the path itself, is a file.
    """
    path = Path(path)
    temporary = temporaries.temporary_path(path)
    try:
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporaries.remove_stale(path.parent.absolute())
            temporary.mkdir()
        with full_disk_errors(path):
            yield temporary
        with output_errors(path):
            _flush_tree(temporary)
            if replace:
                _replace_folder(temporary, path)
            else:
                _rename_first(temporary, path)
            _flush(path.parent)
    finally:
        temporaries.remove(temporary)


def check_output_folder(path: Path | str) -> None:
    """Make an output folder and prove that a file can be written into it.

    Args:
        path: The folder; missing parents are made.

    Raises:
        UsageError: MV1103 where the path or a part of it is a file.
        OutputError: MV1104 (not writable), MV1105 (full) or MV1106 (any other failure to write).
    """
    path = Path(path)
    probe = temporaries.temporary_path(path / "probe")
    try:
        with output_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            temporaries.remove_stale(path.absolute())
            probe.write_bytes(b"medvlp\n" * 512)
            _flush(probe)
    finally:
        temporaries.remove(probe)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn every failure of the file system in the block into one clear error about an output.

    Args:
        path: The output that the block writes.

    Raises:
        UsageError: MV1103 where a part of the path is a file.
        OutputError: MV1104 (not writable), MV1105 (full) or MV1106 (any other failure to write).
    """
    try:
        yield
    except AlreadyPublishedError:
        raise
    except OSError as error:
        raise _output_error(path, error) from error


@contextmanager
def full_disk_errors(path: Path) -> Iterator[None]:
    """Turn only those errors of the block that must be about an output into one clear error.

    A full disk, a used-up quota and a read-only drive can stop writing only, whoever reports them:
    libraries that write through C, such as HDF5, hide the number of the error in a text. Any other
    error of the block may be about an input, and passes.

    Args:
        path: The output that the block writes.

    Raises:
        OutputError: MV1104 (read-only drive) or MV1105 (full).
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = _write_failure(error)
        if number is None:
            raise
        raise _output_error(path, OSError(number, os.strerror(number))) from error


def _write_failure(error: OSError | RuntimeError) -> int | None:
    if isinstance(error, OSError) and error.errno in _WRITE_ONLY:
        return error.errno
    text = str(error)
    return next((number for number in _WRITE_ONLY if os.strerror(number) in text), None)


def _output_error(path: Path, error: OSError) -> OutputError | UsageError:
    said = error.strerror or str(error)
    if isinstance(error, FileExistsError | NotADirectoryError | IsADirectoryError):
        return UsageError(
            "MV1103",
            f"{path} cannot be written, because a file and a folder have the same name ({said})",
            expected="a path whose parents are folders or do not exist yet",
            hint="choose another output folder, or move what is in the way",
        )
    if error.errno in _FULL:
        return OutputError(
            "MV1105",
            f"{path} cannot be written, because the disk or your quota is full ({said})",
            hint="free some space, then start again: what is done is kept",
        )
    if error.errno in _REFUSED:
        return OutputError(
            "MV1104",
            f"{path} cannot be written ({said})",
            expected="a folder that you may write to",
            hint="check the permissions, or choose another output folder",
        )
    return OutputError(
        "MV1106",
        f"{path} cannot be written ({said})",
        hint="check the disk or the network drive, then start again: what is done is kept",
    )


def _link_first(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        # A network file system may have made the link and lost its answer.
        if not path.is_symlink() and path.exists() and path.samefile(temporary):
            return
        raise _taken(path) from error
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if os.path.lexists(path):
            raise _taken(path) from error
        temporary.replace(path)


def _rename_first(temporary: Path, path: Path) -> None:
    try:
        temporary.rename(path)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise _taken(path) from error
        raise


def _replace_folder(temporary: Path, path: Path) -> None:
    replaced = temporaries.temporary_path(path)
    with suppress(FileNotFoundError):
        path.rename(replaced)
    try:
        _rename_first(temporary, path)
    except BaseException:
        with suppress(OSError):
            replaced.rename(path)
        raise
    temporaries.remove(replaced)


def _taken(path: Path) -> AlreadyPublishedError:
    return AlreadyPublishedError(errno.EEXIST, "published by another process", str(path))


def _flush_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            _flush(Path(parent, name))
        _flush(Path(parent))


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot flush a folder; the rename itself is still in one step.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)
