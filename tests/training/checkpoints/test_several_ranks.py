"""Ranks agree about a state that only one of them writes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from medvlp.training.resuming import where_to_go_on
from tests.training.conftest import smoke_args, striped_pairs  # noqa: F401  # fixtures


@pytest.mark.slow
@pytest.mark.distributed
def test_run__of_two_ranks_ends_on_both_when_the_disk_of_one_is_full(smoke_args, tmp_path):  # noqa: F811
    command = [sys.executable, "-m", "medvlp", "train", *smoke_args]
    command += ["--trainer.max_steps=200", "--trainer.devices=2"]
    command += ["--model.encoder.image.architecture=test_vit"]
    command += ["--run.checkpoints.every_steps=1", "--run.checkpoints.failures_allowed=1"]
    command += ["--trainer.callbacks+=tests.training.checkpoints.full_disk_of_rank_0.FillDisk"]
    root = Path(__file__).parents[3]
    found = subprocess.run(
        command, cwd=root, capture_output=True, text=True, timeout=280, check=False
    )
    assert found.returncode == 1, found.stderr[-3000:]
    assert re.search(r"the state of step \d+ is not kept: MV1105", found.stderr)
    going_on = where_to_go_on(tmp_path / "run")
    assert going_on is not None
    assert going_on[1] <= 2
