"""What a run notes of itself: how far it is, how often it began, and how it ended."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from medvlp.errors import DataError, OutputError
from medvlp.training import run_notes
from medvlp.training.checkpoints.stop_signals import StoppedRun
from medvlp.training.run_notes import NoteProgress


def trainer(step: int, **more) -> SimpleNamespace:
    facts = {
        "is_global_zero": True,
        "global_step": step,
        "current_epoch": step // 10,
        "estimated_stepping_batches": 50,
        "max_epochs": 5,
        "world_size": 2,
    }
    return SimpleNamespace(**facts | more)


def noted(folder: Path) -> dict[str, object]:
    return json.loads((folder / "state" / "progress.json").read_text())


def test_note_progress__tells_steps_and_starts(tmp_path: Path, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(run_notes.time, "monotonic", lambda: now[0])
    first = NoteProgress(tmp_path)
    first.on_train_start(trainer(0), None)
    found = noted(tmp_path)
    assert (found["state"], found["step"], found["steps"], found["epochs"]) == ("running", 0, 50, 5)
    assert (found["starts"], found["processes"]) == (1, 2)
    now[0] = 10.0
    first.on_train_batch_end(trainer(7), None, None, None, 0)
    assert noted(tmp_path)["step"] == 0
    now[0] = 16.0
    first.on_train_batch_end(trainer(12), None, None, None, 0)
    assert (noted(tmp_path)["step"], noted(tmp_path)["epoch"]) == (12, 1)
    second = NoteProgress(tmp_path)
    second.on_train_start(trainer(12), None)
    assert (noted(tmp_path)["starts"], noted(tmp_path)["began"]) == (2, found["began"])
    second.on_fit_end(trainer(50), None)
    assert (noted(tmp_path)["state"], noted(tmp_path)["step"]) == ("finished", 50)


@pytest.mark.parametrize(
    ("error", "state", "why"),
    [
        (StoppedRun(3, "SIGUSR1", 0), "stopped", "SIGUSR1"),
        (KeyboardInterrupt(), "stopped", "interrupted"),
        (DataError("MV1752", "another order"), "failed", "MV1752: another order"),
        (RuntimeError("broken"), "failed", "RuntimeError('broken')"),
    ],
)
def test_note_progress__tells_how_a_run_ended(tmp_path: Path, error, state, why) -> None:
    notes = NoteProgress(tmp_path)
    notes.on_exception(trainer(0), None, error)
    assert not (tmp_path / "state").exists()
    notes.on_train_start(trainer(0), None)
    notes.on_exception(trainer(3), None, error)
    found = noted(tmp_path)
    assert (found["state"], found["why"], found["step"]) == (state, why, 3)


def test_note_progress__is_written_by_rank_0(tmp_path: Path) -> None:
    notes = NoteProgress(tmp_path)
    notes.on_train_start(trainer(0, is_global_zero=False), None)
    assert list(tmp_path.iterdir()) == []


def test_note_progress__does_not_end_a_run_whose_disk_is_full(
    tmp_path: Path, monkeypatch, caplog
) -> None:
    def refuse(*_: object) -> None:
        raise OutputError("MV1105", "full")

    monkeypatch.setattr(run_notes, "write_json", refuse)
    with caplog.at_level(logging.WARNING):
        NoteProgress(tmp_path).on_train_start(trainer(0), None)
    assert "MV1105: full" in caplog.text
