"""What becomes of a run that is disturbed before its first step, in its last one, or after it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medvlp.errors import OutputError
from medvlp.training.checkpoints.keeping import KeepState
from medvlp.training.cli import main
from medvlp.training.pairs_run import SaveBundle

LONG = ("--trainer.max_epochs=2", "--trainer.max_steps=-1", "--run.progress=false")
STEPS = 24
ASKED_EARLY = """
import signal, sys
from medvlp.training.checkpoints.keeping import KeepState
from medvlp.training.cli import main

KeepState.on_sanity_check_start = lambda *_: signal.raise_signal(signal.SIGTERM)
raise SystemExit(main(sys.argv[1:]))
"""


def bundle(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "bundle").iterdir()}


def steps_kept(folder: Path) -> list[int]:
    return sorted(int(path.name[5:]) for path in (folder / "checkpoints").glob("step_*"))


def test_run__that_is_asked_to_stop_in_its_last_step_finishes(smoke_args, tmp_path, monkeypatch):
    plain = KeepState.on_train_batch_start

    def start(self, trainer, pl_module, batch, batch_idx):
        plain(self, trainer, pl_module, batch, batch_idx)
        if trainer.fit_loop.epoch_loop.total_batch_idx == STEPS - 1:
            signal.raise_signal(signal.SIGUSR1)

    monkeypatch.setattr(KeepState, "on_train_batch_start", start)
    assert main([*smoke_args, *LONG, "--trainer.limit_val_batches=0"]) == 0
    assert (tmp_path / "run" / "bundle").is_dir()


@pytest.mark.slow
def test_run__that_is_asked_to_stop_before_its_first_step_is_not_taken_for_finished(
    smoke_args, tmp_path
):
    command = [sys.executable, "-c", ASKED_EARLY, *smoke_args, *LONG]
    found = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert found.returncode == 75, found.stderr[-3000:]
    assert "stopped by SIGTERM" in found.stderr
    assert not (tmp_path / "run" / "bundle").exists()
    assert main([*smoke_args, *LONG]) == 0


@pytest.mark.slow
def test_run__that_dies_before_its_result_leaves_the_step_that_was_chosen(
    smoke_args, tmp_path, monkeypatch
):
    args = [*smoke_args, "--trainer.max_epochs=2", "--trainer.max_steps=17", "--run.progress=false"]
    args += ["--run.select.metric=validation/loss", "--run.select.mode=max"]
    args += ["--run.checkpoints.every_steps=4", "--model.optimizer.learning_rate=0.02"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*args, f"--run.folder={whole}"]) == 0

    def die(self, module):
        raise OSError("died")

    with monkeypatch.context() as patch:
        patch.setattr(SaveBundle, "write", die)
        with pytest.raises(OSError, match="died"):
            main([*args, f"--run.folder={parts}"])
    assert not (parts / "bundle").exists()
    assert steps_kept(parts)[-1] < 17
    assert main([*args, f"--run.folder={parts}"]) == 0
    assert bundle(parts) == bundle(whole)


def test_run__that_had_finished_when_its_job_was_stopped_has_nothing_left_to_do(
    smoke_args, monkeypatch, capsys
):
    assert main(smoke_args) == 0
    with pytest.raises(OutputError, match="MV1704"):
        main(smoke_args)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert main(smoke_args) == 0
    assert "nothing is left to do" in capsys.readouterr().err
