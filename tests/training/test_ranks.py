"""A run on several processes is the run on one: the same global batches, losses and weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

STEPS = 6


def train(args: list[str], folder: Path, ranks: int, *more: str, **env: str) -> int:
    command = [sys.executable, "-m", "medvlp", "train", *args]
    command += [f"--run.folder={folder}", f"--trainer.devices={ranks}", "--run.trace=true"]
    command += ["--trainer.accelerator=cpu", "--trainer.max_epochs=1", "--run.progress=false"]
    command += ["--trainer.max_steps=-1", f"--trainer.limit_train_batches={STEPS}", *more]
    found = subprocess.run(
        command,
        env=os.environ | {"OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"} | env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode in {0, 75}, found.stderr[-3000:]
    return found.returncode


def traces(folder: Path, ranks: int) -> list[tuple[list[str], float]]:
    """Return the global batch and the loss of each step; all ranks tell the same loss."""
    files = [folder / "trace" / f"rank_{rank}.jsonl" for rank in range(ranks)]
    shares = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    steps = []
    for lines in zip(*shares, strict=True):
        assert len({line["loss"] for line in lines}) == 1
        samples = [sample for line in lines for sample in line["samples"]]
        steps.append((samples, float.fromhex(lines[0]["loss"])))
    return steps


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.parametrize("objective", ["clip", "grouped"])
def test_run__on_two_ranks_is_the_run_on_one(smoke_args, tmp_path, objective) -> None:
    chosen = f"--model.objective={objective}"
    smoke_args = [*smoke_args, "--model.encoder.image.architecture=test_vit"]  # no batch norm
    for ranks in (1, 2):
        assert train(smoke_args, tmp_path / str(ranks), ranks, chosen) == 0
    one, two = (traces(tmp_path / str(ranks), ranks) for ranks in (1, 2))
    assert len(one) == STEPS
    assert [samples for samples, _ in two] == [samples for samples, _ in one]
    assert [loss for _, loss in two] == pytest.approx([loss for _, loss in one], rel=2e-4)
    mine, theirs = (
        load_file(tmp_path / name / "bundle" / "model.safetensors") for name in ("1", "2")
    )
    for name, weight in mine.items():
        assert torch.allclose(weight, theirs[name], rtol=1e-2, atol=2e-4), name
