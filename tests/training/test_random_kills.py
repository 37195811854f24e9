"""A run that is killed at twenty random moments is the run that was not."""

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.training.conftest import SMOKE
from tests.training.forked_runs import ForkedRuns, wait_until

EPOCHS, STEPS_OF_EPOCH, RANKS, KILLS = 8, 12, 2, 20
PATIENCE_S = 300
KINDS = ("at any time", "within a step", "while a state is written")


@pytest.fixture
def words(striped_pairs) -> list[str]:
    """Return the command line of a run of two processes, but for its folder."""
    return [
        *("train", "fit", f"--config={SMOKE}", f"--data.folder={striped_pairs}"),
        "--model.encoder.image.architecture=test_vit",
        *("--trainer.accelerator=cpu", f"--trainer.devices={RANKS}", "--trainer.max_steps=-1"),
        *(f"--trainer.max_epochs={EPOCHS}", "--run.trace=true", "--run.progress=false"),
        "--run.checkpoints.every_steps=2",
    ]


def trace(folder: Path) -> dict[tuple[int, int], tuple[list[str], str]]:
    """Return samples and loss by step and rank; a step that was done again must be as it was."""
    steps: dict[tuple[int, int], tuple[list[str], str]] = {}
    for rank in range(RANKS):
        for line in (folder / "trace" / f"rank_{rank}.jsonl").read_text().splitlines():
            entry = json.loads(line)
            told = (entry["samples"], entry["loss"])
            assert steps.setdefault((entry["step"], rank), told) == told, entry["step"]
    return steps


def bundle(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "bundle").iterdir()}


class Killer:
    """Kills all processes of a run at a random moment.

    Args:
        folder: The run's folder.
        usual_s: How long a start of the run takes to its end.
        rng: What the moments are drawn from.
    """

    def __init__(self, folder: Path, usual_s: float, rng: random.Random) -> None:
        self._trace = folder / "trace" / "rank_0.jsonl"
        self._checkpoints = folder / "checkpoints"
        self._usual_s = usual_s
        self._rng = rng

    def kill(self, group: int) -> str:
        """Wait for the moment, kill, and tell which kind of moment it was."""
        kind = self._rng.choice(KINDS)
        before = self._num_steps()
        started = time.monotonic()
        after_s, further = self._rng.uniform(0, self._usual_s), self._rng.randint(1, 5)
        left = set() if kind != KINDS[2] else self._half_written()

        def is_time() -> bool:
            done = self._num_steps() - before
            if kind == KINDS[0]:
                return time.monotonic() - started > after_s or done > 5
            if kind == KINDS[1]:
                return done >= further
            return done >= further - 1 and bool(self._half_written() - left)

        wait_until(is_time, PATIENCE_S, kind)
        if kind == KINDS[1]:
            time.sleep(self._rng.uniform(0, 0.05))
        os.killpg(group, signal.SIGKILL)
        return kind

    def _num_steps(self) -> int:
        return self._trace.read_bytes().count(b"\n") if self._trace.exists() else 0

    def _half_written(self) -> set[str]:
        return {path.name for path in self._checkpoints.glob(".tmp-*")}


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.timeout(1800)
def test_run__killed_twenty_times_is_the_run_that_was_not(words, tmp_path) -> None:
    seed = int(os.environ.get("MEDVLP_TEST_SEED", "20"))
    print(f"seed of the moments: {seed} (MEDVLP_TEST_SEED)")  # noqa: T201  # shown where it fails
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
