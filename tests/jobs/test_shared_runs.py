"""Helpers work beside the caller, end with it, and begin at places of their own."""

import os
import time
from pathlib import Path

import pytest

from medvlp.jobs.shared_runs import beside, rotated


def leave_name(folder: Path, number: int) -> None:
    (folder / f"{number}").write_text(str(os.getpid()))


def wait_long(number: int) -> None:
    time.sleep(60)


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
        pass
