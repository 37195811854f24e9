"""Helpers work beside the caller, end with it, and begin at places of their own."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medvlp.jobs.shared_runs import beside, rotated


def leave_name(folder: Path, number: int) -> None:
    (folder / f"{number}").write_text(str(os.getpid()))


def wait_long(number: int) -> None:
    time.sleep(60)


def leave_name_and_wait(folder: Path, number: int) -> None:
    leave_name(folder, number)
    wait_long(number)


def wait_until(is_so: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.05)
    return is_so()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_rotated__goes_over_all_items_from_a_place_of_its_own() -> None:
    assert [rotated(5, number, 2) for number in (0, 1)] == [[0, 1, 2, 3, 4], [2, 3, 4, 0, 1]]
    assert rotated(0, 1, 2) == []


def test_beside__runs_helpers_and_waits_for_them(tmp_path: Path) -> None:
    with beside(leave_name, tmp_path, num_helpers=2):
        pass
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(found) == {"1", "2"}
    assert str(os.getpid()) not in found.values()


def test_beside__tells_helpers_to_end_if_the_body_fails() -> None:
    started = time.monotonic()
    with pytest.raises(KeyError), beside(wait_long, num_helpers=1):
        raise KeyError
    assert time.monotonic() - started < 30


def test_beside__runs_none_where_none_are_asked_for() -> None:
    with beside(wait_long, num_helpers=0):
        assert multiprocessing.active_children() == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_beside__leaves_no_helper_of_a_killed_process(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\n"
        "from medvlp.jobs.shared_runs import beside\n"
        "from tests.jobs.test_shared_runs import leave_name_and_wait\n"
        "if __name__ == '__main__':\n"
        f"    with beside(leave_name_and_wait, Path({str(tmp_path)!r}), num_helpers=1):\n"
        "        pass\n"
    )
    (tmp_path / "run.py").write_text(script)
    root = Path(__file__).parent.parent.parent
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, tmp_path / "run.py"], env=environment) as caller:
        named = tmp_path / "1"
        assert wait_until(lambda: named.exists() and bool(named.read_text()))
        caller.kill()
    assert wait_until(lambda: not is_running(int(named.read_text())))
