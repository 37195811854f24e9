"""Signals that come to one rank, to both twice, and while a state is written: nothing differs."""

import os
import signal
from pathlib import Path

import pytest

from tests.training.forked_runs import (
    STEPS_OF_EPOCH,
    ForkedRuns,
    bundle,
    half_written,
    num_steps,
    trace,
    wait_until,
    words_of_run,
)

EPOCHS, RANKS = 4, 2


def ask_one_rank(pids: list[int], folder: Path) -> None:
    os.kill(pids[1], signal.SIGUSR1)


def ask_twice(pids: list[int], folder: Path) -> None:
    for number in (signal.SIGUSR1, signal.SIGTERM):
        os.killpg(pids[0], number)


def ask_while_a_state_is_written(pids: list[int], folder: Path) -> None:
    wait_until(lambda: bool(half_written(folder)), "a state")
    os.killpg(pids[0], signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.timeout(900)
def test_run__of_two_ranks_stops_as_one_and_goes_on(striped_pairs, tmp_path) -> None:
    words = words_of_run(striped_pairs, EPOCHS, RANKS)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with ForkedRuns(tmp_path / "log.txt") as runs:
        assert runs.wait(runs.start([*words, f"--run.folder={whole}"], ranks=RANKS)) == [0, 0]
        for ask in (ask_one_rank, ask_twice, ask_while_a_state_is_written):
            before = num_steps(parts)
            pids = runs.start([*words, f"--run.folder={parts}"], ranks=RANKS)
            wait_until(lambda: num_steps(parts) > before + 2, "steps")  # noqa: B023  # waited for
            ask(pids, parts)
            assert runs.wait(pids) == [75, 0], (ask.__name__, runs.log.read_text()[-3000:])
            assert not half_written(parts)
        assert runs.wait(runs.start([*words, f"--run.folder={parts}"], ranks=RANKS)) == [0, 0]
    told = [line for line in runs.log.read_text().splitlines() if "stopped by" in line]
    assert "a signal to another rank" in told[0]
    assert len(told) == 3
    assert num_steps(parts) == EPOCHS * STEPS_OF_EPOCH  # nothing was done again
    assert trace(parts) == trace(whole)
    assert bundle(parts) == bundle(whole)
