"""Training jobs on two SLURM nodes: stopped in every way, and equal to the undisturbed run."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.slurm.conftest import PATIENCE_S
from tests.slurm.training_jobs import arguments, assert_equal_runs, submit

pytestmark = pytest.mark.slurm


def kill_a_rank(folder: Path) -> None:
    found = subprocess.run(
        ["pgrep", "-f", f"medvlp train fit .*{folder}"], capture_output=True, text=True, check=True
    )
    pids = [int(pid) for pid in found.stdout.split()]
    python = [pid for pid in pids if "srun" not in Path(f"/proc/{pid}/cmdline").read_text()]
    os.kill(max(python), signal.SIGKILL)


DISTURBANCES = {
    "SIGUSR1": lambda cluster, job, folder: cluster.cancel("--signal=USR1", job),
    "SIGTERM": lambda cluster, job, folder: cluster.cancel("--signal=TERM", job),
    "preemption": lambda cluster, job, folder: cluster.submit(
        "--nodes=2", "--exclusive", "--partition=high", "--output=/dev/null", "--wrap=sleep 3"
    ),
    "kill -9": lambda cluster, job, folder: kill_a_rank(folder),
    "node down": lambda cluster, job, folder: (
        cluster.control("update", "NodeName=node2", "State=DOWN", "Reason=test"),
        cluster.control("update", "NodeName=node2", "State=RESUME"),
    ),
}


ANNOUNCED = ("SIGUSR1", "SIGTERM", "preemption")
"""The run is told by a signal, and can wait for it."""


@pytest.mark.parametrize("how", DISTURBANCES)
def test_job__is_the_undisturbed_run_after(how, cluster, undisturbed, striped_pairs, tmp_path):
    run = tmp_path / "run"
    args = arguments(striped_pairs, run)
    if how in ANNOUNCED:
        args.append("--trainer.callbacks+=tests.slurm.slow_steps.WaitForSignal")
    job = submit(cluster, tmp_path, args, "--nodes=2")
    cluster.wait_for_line(run / "trace" / "rank_0.jsonl", '"step": 7,', PATIENCE_S)
    DISTURBANCES[how](cluster, job, run)
    facts = cluster.wait_until_over(job, PATIENCE_S, restarts=1)
    log = (tmp_path / "job.log").read_text()
    assert facts["JobState"] == "COMPLETED", log[-3000:]
    assert "going on after step" in log
    assert_equal_runs(run, undisturbed)


def test_job__that_is_cancelled_does_not_come_back(cluster, striped_pairs, tmp_path):
    run = tmp_path / "run"
    args = arguments(striped_pairs, run)
    args.append("--trainer.callbacks+=tests.slurm.slow_steps.WaitForSignal")
    job = submit(cluster, tmp_path, args, "--nodes=2")
    cluster.wait_for_line(run / "trace" / "rank_0.jsonl", '"step": 7,', PATIENCE_S)
    cluster.cancel(job)
    facts = cluster.wait_until_over(job, PATIENCE_S)
    assert (facts["JobState"], facts["Restarts"]) == ("CANCELLED", "0")


def test_job__is_the_undisturbed_run_after_its_time_was_up(
    cluster, undisturbed, striped_pairs, tmp_path
):
    run, log = tmp_path / "run", tmp_path / "job.log"
    args = arguments(striped_pairs, run)
    args.append("--trainer.callbacks+=tests.slurm.slow_steps.WaitForSignal")
    job = submit(cluster, tmp_path, args, "--nodes=2", "--time=120", "--signal=SIGUSR1@100")
    cluster.wait_for_line(run / "trace" / "rank_0.jsonl", '"step": 7,', PATIENCE_S)
    # However long the start has taken: two to three minutes are left, and the signal comes soon.
    cluster.limit_time(job, cluster.minutes(job) + 3)
    cluster.wait_for_line(log, "exit code 75: requeued", PATIENCE_S)
    cluster.limit_time(job, 120)
    facts = cluster.wait_until_over(job, PATIENCE_S, restarts=1)
    told = log.read_text()
    assert facts["JobState"] == "COMPLETED", told[-3000:]
    assert "stopped by SIGUSR1 after step 9" in told
    assert "going on after step 9" in told
    assert_equal_runs(run, undisturbed)
