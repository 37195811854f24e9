import errno
import logging
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medvlp.errors import OutputError, UsageError
from medvlp.jobs.leases import ItemLease, LeaseSettings, remove_abandoned

ROOT = Path(__file__).parents[2]
QUICK = LeaseSettings(heartbeat_s=0.1, stale_s=0.4)
STEADY = LeaseSettings(heartbeat_s=0.1, stale_s=1.0)  # for holders that must survive a busy machine
HOLDER = """
    import sys, time
    from pathlib import Path
    from medvlp.jobs.leases import ItemLease, LeaseSettings, remove_abandoned
    lease = ItemLease(Path(sys.argv[1]), LeaseSettings(heartbeat_s=0.1, stale_s=1.0))
    print(lease.acquire(), flush=True)
    time.sleep(60)
"""


def start_holder(path: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def stop(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def wait_for(condition: Callable[[], bool], timeout_s: float = 10.0) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < timeout_s, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - started


def pretend_to_be_another_host(path: Path) -> None:
    """Rewrite the record of a lease as if a process elsewhere had written it."""
    record, changes = re.subn(r"(?m)^host=.*$", "host=elsewhere", path.read_text())
    assert changes == 1
    path.write_text(record)


def test_item_lease__has_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = (ItemLease(tmp_path / "x.lease", QUICK) for _ in range(2))
    assert first.acquire()
    started = time.monotonic()
    assert not second.acquire()
    assert time.monotonic() - started < 0.5, "asking must not wait"
    first.release()
    assert second.acquire()
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_item_lease__stays_with_a_live_holder_beyond_the_stale_time(tmp_path: Path) -> None:
    holder = start_holder(tmp_path / "x.lease")
    waiting = ItemLease(tmp_path / "x.lease", STEADY)
    try:
        deadline = time.monotonic() + 1.5 * STEADY.stale_s
        while time.monotonic() < deadline:
            assert not waiting.acquire()
            time.sleep(0.05)
    finally:
        stop(holder)


def test_item_lease__is_taken_at_once_from_a_killed_holder_of_this_host(tmp_path: Path) -> None:
    holder = start_holder(tmp_path / "x.lease")
    waiting = ItemLease(tmp_path / "x.lease", STEADY)
    assert not waiting.acquire()
    stop(holder)
    assert waiting.acquire()
    waiting.release()


def test_item_lease__is_taken_from_a_silent_holder_of_another_host_after_the_stale_time(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.lease"
    elsewhere = ItemLease(path, QUICK)
    assert elsewhere.acquire()
    content = path.read_text()
    elsewhere.release()
    path.write_text(content)
    pretend_to_be_another_host(path)
    yesterday = time.time() - 86400
    os.utime(path, (yesterday, yesterday))  # clocks differ: only a change that we see counts
    waiting = ItemLease(path, QUICK)
    assert not waiting.acquire()
    waited_s = wait_for(waiting.acquire)
    assert waited_s >= 0.75 * QUICK.stale_s
    waiting.release()


def test_item_lease__is_taken_from_a_holder_that_died_before_it_wrote_its_record(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.lease"
    path.touch()
    waiting = ItemLease(path, QUICK)
    assert not waiting.acquire()
    assert wait_for(waiting.acquire) >= 0.9 * QUICK.stale_s
    assert path.stat().st_size > 0
    waiting.release()
    assert list(tmp_path.iterdir()) == []


def test_item_lease__does_not_take_an_empty_marker_that_changes(tmp_path: Path) -> None:
    path = tmp_path / "x.lease"
    waiting = ItemLease(path, QUICK)
    deadline = time.monotonic() + 3 * QUICK.stale_s
    while time.monotonic() < deadline:
        path.touch()
        assert not waiting.acquire()
        time.sleep(0.05)


def test_item_lease__puts_back_a_marker_that_replaced_the_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.lease"
    path.touch()
    waiting, faster = (ItemLease(path, QUICK) for _ in range(2))
    assert not waiting.acquire()
    time.sleep(QUICK.stale_s)
    real = Path.rename

    def rename_late(source: Path, target: Path) -> Path:
        if source == path and not faster_holds:
            path.unlink()
            faster_holds.append(faster.acquire())
        return real(source, target)

    faster_holds: list[bool] = []
    monkeypatch.setattr(Path, "rename", rename_late)
    assert not waiting.acquire()
    assert faster_holds == [True]
    assert f"pid={os.getpid()}" in path.read_text()
    faster.release()
    assert list(tmp_path.iterdir()) == []


def test_remove_abandoned__removes_only_what_dead_holders_left(tmp_path: Path) -> None:
    dead = start_holder(tmp_path / "dead.lease")
    stop(dead)
    alive = ItemLease(tmp_path / "alive.lease", STEADY)
    assert alive.acquire()
    remove_abandoned(tmp_path, STEADY)
    assert [path.name for path in tmp_path.iterdir()] == ["alive.lease"]
    alive.release()


def test_item_lease__tells_that_it_was_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lease = ItemLease(tmp_path / "x.lease", QUICK)
    with caplog.at_level(logging.WARNING):
        assert lease.acquire()
        (tmp_path / "x.lease").unlink()
        wait_for(lambda: bool(caplog.messages))
    assert "another process may work on the same item" in caplog.messages[0]
    lease.release()


def test_item_lease__refuses_a_holder_with_other_settings(tmp_path: Path) -> None:
    first = ItemLease(tmp_path / "x.lease", QUICK)
    second = ItemLease(tmp_path / "x.lease", LeaseSettings(heartbeat_s=0.1, stale_s=5))
    assert first.acquire()
    with pytest.raises(UsageError, match=r"MV1606: .*x\.lease"):
        second.acquire()
    first.release()


def test_item_lease__reports_a_marker_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leases").write_text("a file")
    with pytest.raises(UsageError, match="MV1103"):
        ItemLease(tmp_path / "leases" / "x.lease", QUICK).acquire()

    def fail(*_: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    lease = ItemLease(tmp_path / "x.lease", QUICK)
    monkeypatch.setattr(lease._lease, "_acquire", fail)
    with pytest.raises(OutputError, match="MV1106"):
        lease.acquire()


@pytest.mark.parametrize(("heartbeat_s", "stale_s"), [(0.0, 1.0), (1.0, 1.5), (-1.0, 5.0)])
def test_lease_settings__refuse_what_would_lose_live_leases(
    heartbeat_s: float, stale_s: float
) -> None:
    with pytest.raises(ValueError, match="at least twice heartbeat_s"):
        LeaseSettings(heartbeat_s=heartbeat_s, stale_s=stale_s)
