"""Jobs that cannot succeed end with a clear line: at once, or after so many restarts."""

import pytest
import torch

from tests.slurm.conftest import PATIENCE_S
from tests.slurm.training_jobs import arguments, submit

pytestmark = pytest.mark.slurm

REFUSALS = {
    "a batch that the ranks do not divide": (
        ["--data.batch_size=5"],
        ["--nodes=2"],
        "MV1750: batch_size=5 does not divide over 2 ranks",
    ),
    "more ranks than samples in a batch": (
        ["--data.batch_size=1"],
        ["--nodes=2"],
        "MV1750: batch_size=1 does not divide over 2 ranks; expected a multiple of 2: one sample",
    ),
    "no GPU where one was asked for": (
        ["--trainer.accelerator=gpu"],
        ["--nodes=1", "--gpus-per-node=1"],
        "MV1180: trainer.accelerator=gpu, and torch sees no GPU on",
    ),
}


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_job__that_is_refused_is_not_started_again(cluster, striped_pairs, tmp_path):
    jobs = {}
    for name, (args, options, _) in REFUSALS.items():
        folder = tmp_path / name.replace(" ", "_")
        own = [*arguments(striped_pairs, folder / "run"), *args]
        jobs[name] = (submit(cluster, folder, own, *options), folder)
    for name, (job, folder) in jobs.items():
        facts = cluster.wait_until_over(job, PATIENCE_S)
        log = (folder / "job.log").read_text()
        found = (facts["JobState"], facts["ExitCode"], facts["Restarts"])
        assert found == ("FAILED", "2:0", "0"), f"{name}: {log[-3000:]}"
        assert REFUSALS[name][2] in log
        assert "exit code 2: refused; not started again" in log
        assert not (folder / "run" / "trace").exists()


def test_job__that_always_dies_is_given_up(cluster, tmp_path):
    # what a task prints just before it is killed may be lost on its way through srun
    starts = tmp_path / "starts"
    program = f'[ "$SLURM_PROCID" = 0 ] || sleep 60; echo start >> {starts}; kill -9 $$'
    env = {"MEDVLP_MAX_RESTARTS": "2"}
    job = submit(cluster, tmp_path, ["--config=x"], "--nodes=2", program=program, **env)
    facts = cluster.wait_until_over(job, PATIENCE_S, restarts=2)
    log = (tmp_path / "job.log").read_text()
    assert facts["JobState"] == "FAILED"
    assert facts["ExitCode"] not in {"0:0", "2:0"}
    assert facts["Restarts"] == "2"
    assert starts.read_text().split() == ["start"] * 3
    assert log.count(": requeued") == 2
    assert "after 2 restarts: given up" in log
