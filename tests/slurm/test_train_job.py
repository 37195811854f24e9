"""Training jobs on two SLURM nodes: stopped in every way, and equal to the undisturbed run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.slurm.cluster import Cluster, why_not
from tests.training.conftest import SMOKE, striped_pairs  # noqa: F401  # a fixture

pytestmark = [pytest.mark.slurm, pytest.mark.skipif(bool(why_not()), reason=why_not())]
SBATCH = Path(__file__).parents[2] / "slurm" / "train.sbatch"
STEPS = 24


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


def arguments(pairs: Path, folder: Path) -> list[str]:
    return [
        f"--config={SMOKE}",
        f"--data.folder={pairs}",
        f"--run.folder={folder}",
        "--model.encoder.image.architecture=test_vit",
        "--trainer.accelerator=cpu",
        "--trainer.max_steps=-1",
        f"--trainer.max_epochs={STEPS // 12}",
        "--run.trace=true",
        "--run.checkpoints.every_steps=3",
        "--trainer.callbacks+=tests.slurm.slow_steps.SlowSteps",
    ]


def submit(cluster: Cluster, folder: Path, args: list[str], *, nodes: int) -> str:
    setup = folder / "setup.sh"
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(__file__).parents[2]
    setup.write_text(
        f"export PATH={Path(sys.executable).parent}:$PATH PYTHONPATH={root}\n"
        "export MASTER_ADDR=127.0.0.1 OMP_NUM_THREADS=1 WANDB_MODE=offline\n"
    )
    options = [f"--chdir={root}", f"--nodes={nodes}", "--partition=low"]
    options += [f"--output={folder}/job.log"]
    return cluster.submit(*options, str(SBATCH), *args, MEDVLP_SETUP=str(setup))


def trace(folder: Path, ranks: int) -> dict[int, tuple[list[str], str]]:
    """Return samples and loss by step; replayed steps must equal the originals."""
    steps: dict[int, dict[int, tuple[list[str], str]]] = {}
    for rank in range(ranks):
        for line in (folder / "trace" / f"rank_{rank}.jsonl").read_text().splitlines():
            entry = json.loads(line)
            told = (entry["samples"], entry["loss"])
            assert steps.setdefault(entry["step"], {}).setdefault(rank, told) == told
    return {
        step: ([s for rank in sorted(told) for s in told[rank][0]], told[0][1])
        for step, told in steps.items()
    }


def assert_equal_runs(one: Path, other: Path, ranks: int) -> None:
    assert trace(one, ranks) == trace(other, ranks)
    assert len(trace(one, ranks)) == STEPS
    mine, theirs = (load_file(run / "bundle" / "model.safetensors") for run in (one, other))
    assert all(torch.equal(weight, theirs[name]) for name, weight in mine.items())


@pytest.fixture(scope="module")
def undisturbed(cluster, striped_pairs, tmp_path_factory):  # noqa: F811
    """The run that nothing happens to, on two nodes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    job = submit(cluster, folder, arguments(striped_pairs, folder / "run"), nodes=2)
    facts = cluster.wait_until_over(job, 400)
    assert facts["JobState"] == "COMPLETED", (folder / "job.log").read_text()[-3000:]
    return folder / "run"


def kill_a_rank(folder: Path) -> None:
    found = subprocess.run(
        ["pgrep", "-f", f"medvlp train fit .*{folder}"], capture_output=True, text=True, check=True
    )
    pids = [int(pid) for pid in found.stdout.split()]
    python = [pid for pid in pids if "srun" not in Path(f"/proc/{pid}/cmdline").read_text()]
    os.kill(max(python), signal.SIGKILL)


DISTURBANCES = {
    "SIGUSR1": lambda cluster, job, folder: cluster.cancel("--signal=USR1", job),
    "preemption": lambda cluster, job, folder: cluster.submit(
        "--nodes=2", "--exclusive", "--partition=high", "--output=/dev/null", "--wrap=sleep 3"
    ),
    "kill -9": lambda cluster, job, folder: kill_a_rank(folder),
    "node down": lambda cluster, job, folder: (
        cluster.control("update", "NodeName=node2", "State=DOWN", "Reason=test"),
        cluster.control("update", "NodeName=node2", "State=RESUME"),
    ),
}


@pytest.mark.parametrize("how", DISTURBANCES)
def test_job__is_the_undisturbed_run_after(how, cluster, undisturbed, striped_pairs, tmp_path):  # noqa: F811
    run = tmp_path / "run"
    job = submit(cluster, tmp_path, arguments(striped_pairs, run), nodes=2)
    cluster.wait_for_line(run / "trace" / "rank_0.jsonl", '"step": 7,', 300)
    DISTURBANCES[how](cluster, job, run)
    facts = cluster.wait_until_over(job, 500)
    log = (tmp_path / "job.log").read_text()
    assert facts["JobState"] == "COMPLETED", log[-3000:]
    assert int(facts["Restarts"]) >= 1, log[-3000:]
    assert "going on after step" in log
    assert_equal_runs(run, undisturbed, 2)
