"""Training jobs through the project's own sbatch file, and what they leave behind."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from tests.slurm.cluster import Cluster
from tests.training.conftest import SMOKE

ROOT = Path(__file__).parents[2]
SBATCH = ROOT / "slurm" / "train.sbatch"
STEPS = 24
BATCH = 4

Trace = dict[int, tuple[list[str], str]]


def arguments(pairs: Path, folder: Path) -> list[str]:
    """Return the arguments of a run of 24 steps that take a while."""
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


def write_setup(folder: Path, program: str = "") -> Path:
    """Write what a job sources first; a program takes the place of medvlp."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Path(sys.executable).parent
    if program:
        found = folder / "bin"
        found.mkdir()
        (found / "medvlp").write_text(f"#!/bin/bash\n{program}\n")
        (found / "medvlp").chmod(0o755)
    setup = folder / "setup.sh"
    setup.write_text(
        f"export PATH={found}:$PATH PYTHONPATH={ROOT}\n"
        "export MASTER_ADDR=127.0.0.1 OMP_NUM_THREADS=1 WANDB_MODE=offline\n"
    )
    return setup


def submit(
    cluster: Cluster, folder: Path, args: list[str], *options: str, program: str = "", **env: str
) -> str:
    """Submit slurm/train.sbatch; its log is ``job.log`` in the folder."""
    setup = write_setup(folder, program)
    chosen = [f"--chdir={ROOT}", "--partition=low", f"--output={folder}/job.log", *options]
    return cluster.submit(*chosen, str(SBATCH), *args, MEDVLP_SETUP=str(setup), **env)


def trace(folder: Path) -> Trace:
    """Return joined samples and loss by step; replayed steps must equal the originals.

    The ranks of one start are joined, whatever their number; they all tell one loss.
    """
    steps: dict[int, dict[int, tuple[list[str], str]]] = {}
    for path in sorted((folder / "trace").glob("rank_*.jsonl")):
        rank = int(path.stem.removeprefix("rank_"))
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            told = (entry["samples"], entry["loss"])
            assert steps.setdefault(entry["step"], {}).setdefault(rank, told) == told
    joined = {}
    for step, told in steps.items():
        assert len({loss for _, loss in told.values()}) == 1
        joined[step] = ([s for rank in sorted(told) for s in told[rank][0]], told[min(told)][1])
    return joined


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a run's bundle."""
    return load_file(run / "bundle" / "model.safetensors")


def assert_equal_runs(one: Path, other: Path) -> None:
    """Compare samples, losses and weights in every bit."""
    assert trace(one) == trace(other)
    assert sorted(trace(one)) == list(range(STEPS))
    assert all(len(samples) == BATCH for samples, _ in trace(one).values())
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(weight, theirs[name]) for name, weight in mine.items())
