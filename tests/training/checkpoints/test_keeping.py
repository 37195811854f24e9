"""The state of a run is kept at the end of a step, and a signal ends the run with it."""

import errno
import logging
import signal
import time
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from medvlp.errors import DataError, OutputError
from medvlp.training.checkpoints import folder as folder_module
from medvlp.training.checkpoints import plugin as plugin_module
from medvlp.training.checkpoints.folder import checkpoint_path, newest_checkpoint, read_checkpoint
from medvlp.training.checkpoints.keeping import KeepState
from medvlp.training.checkpoints.outcomes import SaveOutcomes
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


class Calm(Callback):
    """Waits at each step until the state of the one before is on the disk."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        next(c for c in trainer.callbacks if isinstance(c, KeepState)).plugin.wait()


def test_keep_state__keeps_the_newest_two(tmp_path: Path) -> None:
    fit(tmp_path, line(), Calm(), every_steps=3, more={"max_epochs": 2})
    assert kept(tmp_path) == ["step_000000012", "step_000000015"]


def test_keep_state__ends_a_run_that_is_asked_to_stop_with_its_state(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    module = line()
    with pytest.raises(StoppedRun) as caught:
        fit(tmp_path, module, StopAt(4), every_steps=100)
    assert (caught.value.step, caught.value.why, caught.value.code) == (5, "SIGUSR1", 75)
    assert signal.getsignal(signal.SIGUSR1) == before
    found = newest_checkpoint(tmp_path / "checkpoints")
    assert found is not None
    weight = read_checkpoint(found[0])["state_dict"]["layer.weight"]
    assert torch.equal(weight, module.layer.weight.detach())


def test_keep_state__refuses_the_state_of_other_settings(tmp_path: Path) -> None:
    fit(tmp_path, line(), every_steps=4, config={"rate": 1})
    with pytest.raises(DataError, match="rate: 1 there, 2 here") as caught:
        fit(tmp_path, line(), step=4, config={"rate": 2})
    assert caught.value.code == "MV1709"


class NoteWeights(Callback):
    """Remembers the weights after each step, and how many states were being written."""

    def __init__(self) -> None:
        self.after: dict[int, torch.Tensor] = {}
        self.was_writing: list[bool] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        time.sleep(0.01)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.after[trainer.global_step] = pl_module.layer.weight.detach().clone()
        keep = next(c for c in trainer.callbacks if isinstance(c, KeepState))
        self.was_writing.append(keep.plugin.is_writing)


def slow_down(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    plain = plugin_module.write_copy

    def write(path, copied):
        time.sleep(seconds)
        plain(path, copied)

    monkeypatch.setattr(plugin_module, "write_copy", write)


def test_keep_state__holds_the_weights_of_its_step_however_slow_the_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(monkeypatch, 0.03)
    noted = NoteWeights()
    fit(tmp_path, line(), noted, more={"max_epochs": 4}, keep=50)
    assert any(noted.was_writing)
    found = kept(tmp_path)
    assert 2 <= len(found) < 4 * STEPS  # those that came due meanwhile were put off
    for name in found:
        state = read_checkpoint(tmp_path / "checkpoints" / name)
        step = int(name.removeprefix("step_"))
        assert state["global_step"] == step
        assert torch.equal(state["state_dict"]["layer.weight"], noted.after[step])


def test_keep_state__waits_for_the_disk_before_a_stopped_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(monkeypatch, 0.2)
    with pytest.raises(StoppedRun):
        fit(tmp_path, line(), StopAt(4))
    assert kept(tmp_path)[-1] == "step_000000005"
    assert newest_checkpoint(tmp_path / "checkpoints")[1] == 5


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_keep_state__lets_a_state_reach_the_disk_when_a_run_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    class Break(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
            if batch_idx == 3:
                raise error

    slow_down(monkeypatch, 0.3)
    with pytest.raises((RuntimeError, SystemExit)):
        fit(tmp_path, line(), Break(), every_steps=3)
    assert kept(tmp_path) == ["step_000000003"]
    assert not list((tmp_path / "checkpoints").glob(".tmp-*"))


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, first: int, last: int) -> None:
    """Let the disk be full for the states of these steps; a part of them is written."""
    plain = folder_module._write

    def write(path: Path, *parts: object) -> str:
        step = int(path.parent.name.rsplit("_", 1)[1])
        if first <= step <= last and path.name == "state.json":
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(path, *parts)

    monkeypatch.setattr(folder_module, "_write", write)


def test_keep_state__goes_on_with_the_older_state_while_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fill_the_disk(monkeypatch, 3, 4)
    with caplog.at_level(logging.ERROR):
        fit(tmp_path, line(), Calm())
    assert [record.getMessage()[:39] for record in caplog.records] == [
        "the state of step 3 is not kept: MV1105",
        "the state of step 4 is not kept: MV1105",
    ]
    assert kept(tmp_path) == ["step_000000006", "step_000000007"]


def test_keep_state__ends_the_run_when_too_many_states_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk(monkeypatch, 3, 99)
    with pytest.raises(OutputError, match="disk or your quota is full") as caught:
        fit(tmp_path, line(), Calm(), failures_allowed=1)
    assert caught.value.code == "MV1105"
    folder = tmp_path / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == [
        "latest.json",
        "step_000000001",
        "step_000000002",
    ]
    assert newest_checkpoint(folder)[1] == 2


def test_keep_state__tells_of_a_failure_that_came_after_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = SaveOutcomes.look
    calls = []

    def look(self) -> None:
        calls.append(1)
        if len(calls) % 2 == 0:  # the look at the end of a step comes too early
            plain(self)

    monkeypatch.setattr(SaveOutcomes, "look", look)
    fill_the_disk(monkeypatch, 3, 4)
    with caplog.at_level(logging.ERROR):
        fit(tmp_path, line(), Calm())
    for step in (3, 4):
        assert f"the state of step {step} is not kept: MV1105" in caplog.text


def test_keep_state__says_that_a_stopped_run_has_not_kept_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk(monkeypatch, 5, 99)
    with pytest.raises(OutputError) as caught:
        fit(tmp_path, line(), StopAt(4), Calm())
    assert caught.value.code == "MV1105"
    assert kept(tmp_path) == ["step_000000003", "step_000000004"]
