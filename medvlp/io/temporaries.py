"""Hidden temporary names beside a target, and the removal of those that dead processes left.

A temporary name is ``.tmp-<place>-<pid>-<random>-<end of the target's name>``: the place is a hash
of host, boot and process-id name space, so that a pid is only judged where it means something.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

__all__ = ["remove", "remove_stale", "temporary_path"]

_KEPT_NAME_CHARS = 50  # at most 200 bytes, of the 255 that a name may have
_FOREIGN_AGE_S = 24 * 3600.0
_NAME = re.compile(r"\.tmp-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{8}-.*", re.DOTALL)


def temporary_path(target: Path) -> Path:
    """Return a fresh hidden name in the target's folder; the suffix stays, as some writers read it.

    Args:
        target: The final path.
    """
    tail = target.name[-_KEPT_NAME_CHARS:]
    return target.with_name(f".tmp-{_place()}-{os.getpid()}-{secrets.token_hex(4)}-{tail}")


def remove(path: Path) -> None:
    """Remove a temporary file or folder if it is there; what cannot be removed stays.

    Args:
        path: The temporary path.
    """
    with suppress(OSError):
        path.unlink()
        return
    shutil.rmtree(path, ignore_errors=True)


@lru_cache(maxsize=4096)
def remove_stale(folder: Path) -> None:
    """Remove what dead processes left in a folder; looked at once per process and folder.

    Removed are temporary names of processes of this host that no longer run, and those that nobody
    has written to for a day. Others may belong to a live process on another host and stay.

    Args:
        folder: The folder of a target; sub-folders are not searched.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _NAME.fullmatch(entry.name)
            if found and _is_stale(entry, place=found[1], pid=int(found[2])):
                remove(Path(entry.path))


def _is_stale(entry: os.DirEntry[str], *, place: str, pid: int) -> bool:
    if place == _place() and not _is_running(pid):
        return True
    with suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _FOREIGN_AGE_S
    return False


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@lru_cache(maxsize=1)
def _place() -> str:
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:8]
