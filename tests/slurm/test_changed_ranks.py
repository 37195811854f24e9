"""A job that was stopped goes on with other numbers of nodes and tasks: the same global batches."""

import shutil

import pytest

from tests.slurm.conftest import PATIENCE_S
from tests.slurm.training_jobs import STEPS, arguments, submit, trace, weights

pytestmark = pytest.mark.slurm

LOSS_TOLERANCE = 2e-4
"""Relative: sums over a batch are added up in another order, and 15 steps build on them."""


@pytest.fixture(scope="module")
def stopped(cluster, striped_pairs, tmp_path_factory):
    """The folder of a run that was stopped on two ranks, and is not started again."""
    folder = tmp_path_factory.mktemp("stopped")
    args = arguments(striped_pairs, folder / "run")
    args.append("--trainer.callbacks+=tests.slurm.slow_steps.WaitForSignal")
    job = submit(cluster, folder, args, "--nodes=2", MEDVLP_MAX_RESTARTS="0")
    cluster.wait_for_line(folder / "run" / "trace" / "rank_0.jsonl", '"step": 7,', PATIENCE_S)
    cluster.cancel("--signal=USR1", job)
    facts = cluster.wait_until_over(job, PATIENCE_S)
    log = (folder / "job.log").read_text()
    assert facts["ExitCode"] == "75:0", log[-3000:]
    assert "exit code 75 after 0 restarts: given up" in log
    return folder / "run"


@pytest.mark.parametrize(("nodes", "tasks"), [(1, 1), (2, 2)])
def test_job__has_the_same_global_batches_on(
    nodes, tasks, stopped, undisturbed, cluster, striped_pairs, tmp_path
):
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    options = (f"--nodes={nodes}", f"--ntasks-per-node={tasks}")
    job = submit(cluster, tmp_path, arguments(striped_pairs, run), *options)
    facts = cluster.wait_until_over(job, PATIENCE_S)
    log = (tmp_path / "job.log").read_text()
    assert facts["JobState"] == "COMPLETED", log[-3000:]
    assert "going on after step 9" in log
    assert len(list((run / "trace").iterdir())) == max(2, nodes * tasks)
    expected, found = trace(undisturbed), trace(run)
    assert sorted(found) == list(range(STEPS))
    assert {step: samples for step, (samples, _) in found.items()} == {
        step: samples for step, (samples, _) in expected.items()
    }
    losses = [float.fromhex(found[step][1]) for step in range(STEPS)]
    wanted = [float.fromhex(expected[step][1]) for step in range(STEPS)]
    assert losses[:9] == wanted[:9]
    assert losses == pytest.approx(wanted, rel=LOSS_TOLERANCE)
    mine, theirs = weights(run), weights(undisturbed)
    assert all(weight.allclose(theirs[name], rtol=1e-2, atol=2e-4) for name, weight in mine.items())
