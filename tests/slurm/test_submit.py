"""``medvlp submit`` on two SLURM nodes: every value arrives as it was, and the end is the job's."""

import sys
from pathlib import Path

import pytest
import yaml

from medvlp.cli.main import main
from tests.slurm.training_jobs import ROOT, STEPS, arguments, trace
from tests.training.conftest import SMOKE, striped_pairs  # noqa: F401  # a fixture

pytestmark = pytest.mark.slurm

STUB = """#!/bin/bash
printf '%s\\0' "$@" >"$TOLD/rank_$SLURM_PROCID"
printf '%s' "$HOSTILE" >"$TOLD/value_$SLURM_PROCID"
echo "rank $SLURM_PROCID of $SLURM_NTASKS in $PWD"
touch "$TOLD/done_$SLURM_PROCID" # the first to fail ends the others
until done=("$TOLD"/done_*) && [ ${#done[@]} -ge "$SLURM_NTASKS" ]; do sleep 0.1; done
exit $CODE
"""
HOSTILE = "a 'b' \"c\" $(touch owned) `touch owned` \\ ; #\nnext line"


@pytest.fixture
def at_cluster(cluster, monkeypatch):
    """Let SLURM's programs find the cluster."""
    monkeypatch.setenv("SLURM_CONF", cluster.env["SLURM_CONF"])
    monkeypatch.setattr("medvlp.jobs.slurm.ASK_EVERY_S", 3.0)
    return cluster


def write_site(folder: Path, **keys: object) -> Path:
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump({"partition": "low", "gpu_request": "none", **keys}))
    return path


def stub_venv(folder: Path) -> Path:
    """Return a virtual environment in which medvlp only tells what it was called with."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "medvlp").write_text(STUB)
    (folder / "bin" / "medvlp").chmod(0o755)
    (folder / "bin" / "activate").write_text('PATH="$(dirname "${BASH_SOURCE[0]}"):$PATH"\n')
    return folder


@pytest.mark.parametrize("code", [0, 2])
def test_submit__hands_on_hostile_values_and_the_jobs_end(
    code, at_cluster, tmp_path, monkeypatch, capfd
):
    odd = tmp_path / 'it\'s 50% of "x", really'
    odd.mkdir()
    monkeypatch.chdir(odd)
    env = {"HOSTILE": HOSTILE, "TOLD": str(odd), "CODE": str(code)}
    venv = stub_venv(odd / "my venv")
    site = write_site(tmp_path, venv=str(venv), env=env, time="10", sbatch=["--comment=a b's"])
    command = ["submit", str(SMOKE), "--nodes=2", "--gpus-per-node=2", f"--site={site}"]
    settings = ["--run.folder=a run", f"--run.data={HOSTILE}"]
    assert main([*command, "--follow", "--", *settings]) == code
    told = capfd.readouterr()
    log = next((odd / "a run" / "slurm").glob("smoke-*.log"))
    assert "rank 3 of 4" in told.out
    assert told.out.endswith(log.read_text())
    assert ("COMPLETED" if code == 0 else "FAILED") in told.err
    for rank in range(4):
        words = (odd / f"rank_{rank}").read_text().split("\0")
        assert words[:2] == ["train", "fit"]
        assert words[2:6] == ["--config", str(odd / "a run/slurm/config.yaml"), *settings]
        assert "--trainer.num_nodes=2" in words
        assert "--trainer.devices=2" in words
        assert (odd / f"value_{rank}").read_text() == HOSTILE
    assert not list(odd.rglob("owned"))
    assert f"in {odd}\n" in told.out


def test_submit__trains_on_two_nodes(at_cluster, striped_pairs, tmp_path, capfd):  # noqa: F811
    run = tmp_path / "run"
    env = {"PYTHONPATH": str(ROOT), "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    setup = [f"PATH={Path(sys.executable).parent}:$PATH"]
    site = write_site(tmp_path, env=env | {"WANDB_MODE": "offline"}, setup=setup)
    command = ["submit", str(SMOKE), "--nodes=2", "--gpus-per-node=1", f"--site={site}"]
    settings = [word for word in arguments(striped_pairs, run) if not word.startswith("--config")]
    assert main([*command, "--follow", "--", *settings]) == 0, capfd.readouterr().out[-3000:]
    assert sorted(trace(run)) == list(range(STEPS))
    assert (run / "bundle" / "medvlp.json").exists()
