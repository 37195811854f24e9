"""States are written in the background as they were when they were saved; failures are told."""

import logging
import threading
from pathlib import Path

import pytest
import torch

from medvlp.errors import OutputError
from medvlp.training.checkpoints import plugin as module
from medvlp.training.checkpoints.plugin import StateFolders


@pytest.fixture
def plugin():
    folders = StateFolders()
    yield folders
    folders.close()


@pytest.fixture
def gate(monkeypatch):
    """Return what the writer waits for before each state, and what says that it waits."""
    is_open, waits = threading.Event(), threading.Event()
    plain = module.write_copy

    def write(path, copied):
        waits.set()
        assert is_open.wait(20)
        plain(path, copied)

    monkeypatch.setattr(module, "write_copy", write)
    return is_open, waits


def test_state_folders__write_read_and_remove(plugin, tmp_path: Path) -> None:
    path = tmp_path / "step_000000001"
    plugin.save_checkpoint({"state_dict": {"w": torch.ones(2)}, "epoch": 1}, path)
    assert plugin.finish() is None
    found = plugin.load_checkpoint(path)
    assert torch.equal(found["state_dict"]["w"], torch.ones(2))
    plugin.remove_checkpoint(path)
    assert not path.exists()


def test_state_folders__hold_a_failure_until_it_is_asked_for(plugin, tmp_path: Path) -> None:
    plugin.save_checkpoint({"bad": object()}, tmp_path / "step_000000001")
    plugin.wait()
    assert not plugin.is_writing
    failure = plugin.finish()
    assert failure is not None
    assert failure.code == "MV1708"
    assert plugin.finish() is None
    assert list(tmp_path.iterdir()) == []


def test_state_folders__write_what_was_saved_while_training_goes_on(plugin, gate, tmp_path) -> None:
    is_open, waits = gate
    weight, path = torch.ones(1000), tmp_path / "step_000000001"
    plugin.save_checkpoint({"w": weight}, path)
    assert waits.wait(20)
    assert plugin.is_writing
    weight.fill_(2.0)
    assert not path.exists()
    is_open.set()
    assert plugin.finish() is None
    assert not plugin.is_writing
    assert torch.equal(plugin.load_checkpoint(path)["w"], torch.ones(1000))


def test_state_folders__write_one_state_at_a_time(plugin, gate, tmp_path: Path) -> None:
    is_open, waits = gate
    first, second = (tmp_path / f"step_00000000{step}" for step in (1, 2))
    plugin.save_checkpoint({"w": torch.ones(3)}, first)
    assert waits.wait(20)
    threading.Timer(0.1, is_open.set).start()
    plugin.save_checkpoint({"w": torch.zeros(3)}, second)
    assert first.exists()
    assert plugin.finish() is None
    assert torch.equal(plugin.load_checkpoint(first)["w"], torch.ones(3))
    assert torch.equal(plugin.load_checkpoint(second)["w"], torch.zeros(3))


def test_state_folders__keep_a_state_whose_elder_cannot_be_removed(
    plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OutputError("MV1106", "the elder cannot be removed")

    monkeypatch.setattr(module, "remove_older", refuse)
    with caplog.at_level(logging.WARNING):
        plugin.save_checkpoint({"w": torch.ones(2)}, tmp_path / "step_000000001")
        assert plugin.finish() is None
    assert "the elder cannot be removed" in caplog.text
