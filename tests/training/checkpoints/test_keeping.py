"""The state of a run is kept at the end of a step, and a signal ends the run with it."""

import signal
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from medvlp.errors import DataError
from medvlp.training.checkpoints.folder import checkpoint_path, newest_checkpoint
from medvlp.training.checkpoints.stop_signals import StoppedRun
from medvlp.training.quiet import quiet_libraries
from tests.training.checkpoints.tiny_run import Line, keep_state, points, trainer_with

STEPS = 8


@pytest.fixture(autouse=True)
def _quiet():
    with quiet_libraries():
        yield


def line() -> Line:
    torch.manual_seed(1)
    return Line()


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").glob("step_*"))


def fit(folder: Path, module: Line, *others, step: int | None = None, more=None, **settings):
    keep = keep_state(folder, **settings)
    trainer = trainer_with(keep, folder, *others, **(more or {}))
    path = checkpoint_path(folder / "checkpoints", step) if step is not None else None
    trainer.fit(module, points(), ckpt_path=path)
    return trainer


class StopAt(Callback):
    """Lets a signal come while a batch is trained on."""

    def __init__(self, number: int) -> None:
        self.number = number

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        if batch_idx == self.number:
            signal.raise_signal(signal.SIGUSR1)


def test_keep_state__keeps_the_newest_two(tmp_path: Path) -> None:
    fit(tmp_path, line(), every_steps=3)
    assert kept(tmp_path) == ["step_000000003", "step_000000006"]


def test_keep_state__ends_a_run_that_is_asked_to_stop_with_its_state(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    module = line()
    with pytest.raises(StoppedRun) as caught:
        fit(tmp_path, module, StopAt(4), every_steps=100)
    assert (caught.value.step, caught.value.why, caught.value.code) == (5, "SIGUSR1", 75)
    assert signal.getsignal(signal.SIGUSR1) == before
    found = newest_checkpoint(tmp_path / "checkpoints")
    assert found is not None
    weight = found[1]["state_dict"]["layer.weight"]
    assert torch.equal(weight, module.layer.weight.detach())


def test_keep_state__refuses_the_state_of_other_settings(tmp_path: Path) -> None:
    fit(tmp_path, line(), every_steps=4, config={"rate": 1})
    with pytest.raises(DataError, match="rate: 1 there, 2 here") as caught:
        fit(tmp_path, line(), step=4, config={"rate": 2})
    assert caught.value.code == "MV1709"
