"""A run that is killed at twenty random moments is the run that was not."""

import os
import random
import signal
import time
from collections import Counter
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

EPOCHS, RANKS, KILLS = 12, 2, 20
KINDS = ("at any time", "within a step", "while a state is written")


class Killer:
    """Kills all processes of a run at a random moment.

    Args:
        folder: The run's folder.
        usual_s: How long a start of the run takes to its end.
        rng: What the moments are drawn from.
    """

    def __init__(self, folder: Path, usual_s: float, rng: random.Random) -> None:
        self._folder = folder
        self._usual_s = usual_s
        self._rng = rng

    def kill(self, group: int) -> str:
        """Wait for the moment, kill, and tell which kind of moment it was."""
        kind = self._rng.choice(KINDS)
        before = num_steps(self._folder)
        started = time.monotonic()
        after_s, further = self._rng.uniform(0, self._usual_s), self._rng.randint(1, 5)
        left = set() if kind != KINDS[2] else half_written(self._folder)

        def is_time() -> bool:
            done = num_steps(self._folder) - before
            if kind == KINDS[0]:
                return time.monotonic() - started > after_s or done > 5
            if kind == KINDS[1]:
                return done >= further
            return done >= further - 1 and bool(half_written(self._folder) - left)

        wait_until(is_time, kind)
        if kind == KINDS[1]:
            time.sleep(self._rng.uniform(0, 0.05))
        os.killpg(group, signal.SIGKILL)
        return kind


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.timeout(1800)
def test_run__killed_twenty_times_is_the_run_that_was_not(striped_pairs, tmp_path) -> None:
    seed = int(os.environ.get("MEDVLP_TEST_SEED", "20"))
    print(f"seed of the moments: {seed} (MEDVLP_TEST_SEED)")  # noqa: T201  # shown where it fails
    words = words_of_run(striped_pairs, EPOCHS, RANKS)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with ForkedRuns(tmp_path / "log.txt") as runs:
        runs.wait(runs.start(["--version"]))  # the imports are no part of a start
        started = time.monotonic()
        pids = runs.start([*words, f"--run.folder={whole}"], ranks=RANKS)
        assert runs.wait(pids) == [0] * RANKS, runs.log.read_text()[-3000:]
        killer = Killer(parts, time.monotonic() - started, random.Random(seed))
        kinds: Counter[str] = Counter()
        for _ in range(KILLS):
            pids = runs.start([*words, f"--run.folder={parts}"], ranks=RANKS)
            kinds[killer.kill(pids[0])] += 1
            assert runs.wait(pids) == [-signal.SIGKILL] * RANKS, runs.log.read_text()[-3000:]
        pids = runs.start([*words, f"--run.folder={parts}"], ranks=RANKS)
        assert runs.wait(pids) == [0] * RANKS, runs.log.read_text()[-3000:]
    assert len(kinds) == len(KINDS), kinds
    assert len(trace(whole)) == EPOCHS * STEPS_OF_EPOCH * RANKS
    assert trace(parts) == trace(whole)
    assert bundle(parts) == bundle(whole)
    left = {path.name for path in (parts / "checkpoints").iterdir()}
    assert {name[:5] for name in left} == {"step_", "lates"}, left
