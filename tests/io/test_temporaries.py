import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medvlp.io import temporaries


@pytest.fixture(autouse=True)
def forget_folders() -> None:
    temporaries.remove_stale.cache_clear()


def named_by(pid: int, target: Path, place: str | None = None) -> Path:
    """Return a temporary name as another process would give it."""
    own = temporaries.temporary_path(target).name.split("-")
    own[1] = place or own[1]
    own[2] = str(pid)
    return target.with_name("-".join(own))


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_temporary_path__is_hidden_unique_and_short_enough(tmp_path: Path) -> None:
    target = tmp_path / ("\u4e2d" * 80 + ".h5")
    first, second = (temporaries.temporary_path(target) for _ in range(2))
    assert first != second
    assert first.parent == tmp_path
    assert first.name.startswith(".tmp-")
    assert first.name.endswith(".h5")
    assert len(first.name.encode()) < 255


def test_remove_stale__removes_what_dead_processes_of_this_host_left(tmp_path: Path) -> None:
    target = tmp_path / "x"
    file, folder = (named_by(dead_pid(), target) for _ in range(2))
    file.write_text("half")
    folder.mkdir()
    (folder / "inside").write_text("half")
    temporaries.remove_stale(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_remove_stale__keeps_what_may_be_in_use(tmp_path: Path) -> None:
    kept = [
        named_by(os.getpid(), tmp_path / "x"),
        named_by(1, tmp_path / "x"),
        named_by(dead_pid(), tmp_path / "x", place="0123abcd"),
        tmp_path / ".tmp-of-somebody-else",
        tmp_path / "x",
    ]
    for path in kept:
        path.write_text("")
    temporaries.remove_stale(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_remove_stale__removes_what_other_hosts_left_a_day_ago(tmp_path: Path) -> None:
    old = named_by(os.getpid(), tmp_path / "x", place="0123abcd")
    old.write_text("")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    temporaries.remove_stale(tmp_path)
    assert not old.exists()


def test_remove_stale__looks_once_into_each_folder(tmp_path: Path) -> None:
    temporaries.remove_stale(tmp_path)
    left = named_by(dead_pid(), tmp_path / "x")
    left.write_text("")
    temporaries.remove_stale(tmp_path)
    assert left.exists()


def test_remove_stale__does_not_mind_a_folder_that_is_gone(tmp_path: Path) -> None:
    temporaries.remove_stale(tmp_path / "gone")


def test_is_running__treats_a_foreign_process_as_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr("medvlp.io.temporaries.os.kill", refuse)
    assert temporaries._is_running(1)
    monkeypatch.undo()
    assert not temporaries._is_running(2**70)
