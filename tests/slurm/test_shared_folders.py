"""Job arrays that share a folder of cases by leases: every case once, whoever dies."""

import json
import os
import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from medvlp.phantoms.cohort import write_cohort
from tests.pipelines.conftest import bundle_folder, task_file  # noqa: F401  # fixtures
from tests.slurm.conftest import PATIENCE_S
from tests.slurm.training_jobs import ROOT, write_setup

pytestmark = pytest.mark.slurm

CASES = 8


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, slides_per_diagnosis=2, seed=11, size_px=(1536, 1536))
    return folder


def submit_array(cluster, name: str, folder: Path, *words: object) -> list[str]:
    """Submit an array of two tasks and return their names."""
    options = [f"--chdir={ROOT}", "--array=0-1", "--partition=low", "--gpus-per-node=0"]
    options += ["--cpus-per-task=1", f"--output={folder}/%a.log"]
    env = {"MEDVLP_SETUP": str(write_setup(folder))}
    job = cluster.submit(*options, str(ROOT / "slurm" / name), *map(str, words), **env)
    return [f"{job}_{task}" for task in range(2)]


def done(state: Path) -> Counter[str]:
    """Return how often each case was worked out."""
    lines = [
        json.loads(line)
        for path in (state / "journal").iterdir()
        for line in path.read_text().splitlines()
        if line.endswith("}")
    ]
    return Counter(line["case_id"] for line in lines if line["event"] == "done")


def test_embed__of_two_tasks_does_each_case_once(
    cluster,
    slides,
    bundle_folder,  # noqa: F811
    tmp_path,
):
    out = tmp_path / "out"
    words = (slides, "--model", bundle_folder, "--out", out)
    for task in submit_array(cluster, "embed.sbatch", tmp_path, *words):
        facts = cluster.wait_until_over(task, PATIENCE_S)
        log = (tmp_path / f"{task[-1]}.log").read_text()
        assert facts["JobState"] == "COMPLETED", log[-3000:]
    assert len(list((out / "features").rglob("*.h5"))) == CASES
    found = done(out / ".medvlp" / "embed")
    assert len(found) == CASES
    assert set(found.values()) == {1}


def test_zero_shot__of_a_task_that_dies_is_done_by_the_other(
    cluster,
    slides,
    bundle_folder,  # noqa: F811
    task_file,  # noqa: F811
    tmp_path,
):
    out = tmp_path / "out"
    words = (slides, "--model", bundle_folder, "--task", task_file, "--out", out)
    tasks = submit_array(cluster, "zero_shot.sbatch", tmp_path, *words)
    killed: list[int] = []

    def kill_a_holder() -> bool:
        for path in (out / ".medvlp").rglob("*.lease"):
            for pid in re.findall(r"\d+", path.read_text() if path.exists() else ""):
                command = Path(f"/proc/{pid}/cmdline")
                if command.exists() and str(out) in command.read_text():
                    os.kill(int(pid), signal.SIGKILL)
                    killed.append(int(pid))
                    return True
        return False

    cluster.wait_until(kill_a_holder, PATIENCE_S, "a lease", every_s=0.01)
    states = [cluster.wait_until_over(task, PATIENCE_S)["JobState"] for task in tasks]
    logs = "\n".join((tmp_path / f"{task}.log").read_text()[-3000:] for task in range(2))
    assert sorted(states) == ["COMPLETED", "FAILED"], logs
    assert (out / "predictions.csv").read_text().count("\n") == CASES + 1
    found = done(out / ".medvlp" / "zero-shot")
    assert len(found) == CASES
    assert set(found.values()) == {1}
