"""A run that is taken up within an epoch ends with the numbers of the run that was not stopped."""

import json
import logging
import random
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins import MixedPrecision
from torch.utils.data import DataLoader

from medvlp.errors import DataError
from medvlp.training.checkpoints import origin
from medvlp.training.checkpoints.folder import checkpoint_path, newest_checkpoint, read_checkpoint
from medvlp.training.checkpoints.stop_signals import StoppedRun
from medvlp.training.quiet import quiet_libraries
from tests.training.checkpoints.tiny_run import Line, Points, keep_state, trainer_with

STEPS = 16


@pytest.fixture(autouse=True)
def _quiet():
    with quiet_libraries():
        yield


class MovingAverage(Callback):
    """A dummy of what keeps a state of its own: an average of the weights."""

    def __init__(self) -> None:
        self.average = torch.zeros(1, 4)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.average = 0.9 * self.average + 0.1 * pl_module.layer.weight.detach()

    def state_dict(self) -> dict[str, object]:
        return {"average": self.average, "decay": 0.9}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        self.average = state_dict["average"]


class DrawElsewhere(Callback):
    """Takes numbers from generators that are not torch's."""

    def __init__(self) -> None:
        self.drawn: list[tuple[float, float]] = []

    def on_before_zero_grad(self, trainer, pl_module, optimizer) -> None:
        self.drawn.append((random.random(), float(np.random.rand())))


def fit(folder: Path, *others: Callback, step: int | None = None, scaled: bool = False) -> Line:
    torch.manual_seed(1)
    module, keep = Line(), keep_state(folder, keep=STEPS)
    more: dict[str, object] = {"max_epochs": 2}
    if scaled:
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20, growth_interval=3)
        more["plugins"] = [MixedPrecision("16-mixed", "cpu", scaler)]
    trainer = trainer_with(keep, folder, Wait(), *others, **more)
    path = checkpoint_path(folder / "checkpoints", step) if step is not None else None
    trainer.fit(module, datamodule=Points(), ckpt_path=path)
    return module


class Wait(Callback):
    """Waits at each step until the state of the one before is on the disk: none is put off."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        trainer.strategy.checkpoint_io.wait()


@pytest.mark.parametrize("step", [3, 8, 13])
def test_run__taken_up_is_the_run_that_was_not_stopped(tmp_path: Path, step: int) -> None:
    average, elsewhere = MovingAverage(), DrawElsewhere()
    whole = fit(tmp_path, average, elsewhere)
    again, other = MovingAverage(), DrawElsewhere()
    part = fit(tmp_path, again, other, step=step)
    assert part.losses == whole.losses[step:]
    assert torch.equal(part.layer.weight, whole.layer.weight)
    assert torch.equal(again.average, average.average)
    assert other.drawn == elsewhere.drawn[step:]


class Validated(Line):
    """Notes after which step it was validated, and with which weights."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, float]] = []

    def validation_step(self, batch, batch_idx) -> None:
        self.seen.append((self.trainer.global_step, float(self.layer.weight.detach().sum())))


class ValidatedPoints(Points):
    def val_dataloader(self) -> DataLoader:
        return DataLoader(torch.zeros(2, 4), batch_size=2)


class Stop(Callback):
    """Lets a signal come while the batch of that number is trained on."""

    def __init__(self, number: int) -> None:
        self._number = number

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.fit_loop.epoch_loop.total_batch_idx == self._number:
            signal.raise_signal(signal.SIGUSR1)


def fit_validated(folder: Path, number: int, step: int | None = None, **more) -> Validated:
    torch.manual_seed(1)
    module, keep = Validated(), keep_state(folder, every_steps=100)
    path = checkpoint_path(folder / "checkpoints", step) if step is not None else None
    trainer = trainer_with(keep, folder, Stop(number), num_sanity_val_steps=0, **more)
    with nullcontext() if number < 0 else pytest.raises(StoppedRun):
        trainer.fit(module, datamodule=ValidatedPoints(), ckpt_path=path)
    return module


@pytest.mark.parametrize("number", [2, 3, 7, 8])
@pytest.mark.parametrize(
    "more",
    [
        {"val_check_interval": 1, "max_epochs": 2},
        {"limit_train_batches": 1, "max_epochs": 10},
        {"val_check_interval": 1, "max_epochs": 2, "accumulate_grad_batches": 2},
        {"val_check_interval": 1, "max_steps": 11, "check_val_every_n_epoch": None},
    ],
)
def test_run__validated_after_every_step_stops_and_is_the_run_that_was_not_stopped(
    tmp_path: Path, number: int, more: dict[str, int]
) -> None:
    more = {"max_epochs": -1} | more
    whole = fit_validated(tmp_path / "whole", -1, **more)
    first = fit_validated(tmp_path, number, **more)
    found = newest_checkpoint(tmp_path / "checkpoints")
    assert found is not None
    then = fit_validated(tmp_path, -1, found[1], **more)
    assert first.losses + then.losses == whole.losses
    assert first.seen + then.seen == whole.seen
    assert torch.equal(then.layer.weight, whole.layer.weight)


def test_run__taken_up_goes_on_with_the_scale_of_its_gradients(tmp_path: Path) -> None:
    whole = fit(tmp_path, scaled=True)
    states = [read_checkpoint(path) for path in sorted((tmp_path / "checkpoints").glob("step_*"))]
    scales = {state["MixedPrecision"]["scale"] for state in states}
    assert len(scales) > 2  # it has moved, and with it the place between two moves
    part = fit(tmp_path, step=8, scaled=True)
    assert part.losses == whole.losses[8:]
    assert torch.equal(part.layer.weight, whole.layer.weight)


def test_run__is_not_taken_up_without_who_keeps_a_part_of_its_state(tmp_path: Path) -> None:
    fit(tmp_path, MovingAverage())
    with pytest.raises(DataError, match="the state of MovingAverage, which this run") as caught:
        fit(tmp_path, step=8)
    assert caught.value.code == "MV1709"


def test_run__taken_up_by_another_program_is_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fit(tmp_path)
    parts = origin.program_parts()
    monkeypatch.setattr(origin, "program_parts", lambda: parts | {"torch": "9.9"})
    with caplog.at_level(logging.WARNING):
        fit(tmp_path, step=8)
    assert f"with another program: torch was {parts['torch']} and is 9.9" in caplog.text


@pytest.mark.slow
def test_run__on_a_full_disk_keeps_the_state_before(tmp_path: Path) -> None:
    """The disk is a small one of a process's own, so that it is gone with the process."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("there is no unshare command to mount a small disk with")
    script = 'mount -t tmpfs -o size=512k none "$1" || exit 77; shift; exec "$@"'
    run = [sys.executable, "-m", "tests.training.checkpoints.full_disk", str(tmp_path)]
    done = subprocess.run(
        [unshare, "--mount", "sh", "-c", script, "sh", str(tmp_path), *run],
        capture_output=True,
        text=True,
        check=False,
    )
    if "not permitted" in done.stderr or done.returncode == 77:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["code"] == "MV1105"
    assert told["after"] == told["before"]
    assert told["step_after"] == told["step_before"]
