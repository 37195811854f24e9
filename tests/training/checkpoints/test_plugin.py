"""Lightning's interface to checkpoints: what was written is read; failures are told."""

from pathlib import Path

import torch

from medvlp.training.checkpoints.plugin import StateFolders


def test_state_folders__write_read_and_remove(tmp_path: Path) -> None:
    plugin, path = StateFolders(), tmp_path / "step_000000001"
    plugin.save_checkpoint({"state_dict": {"w": torch.ones(2)}, "epoch": 1}, path)
    assert plugin.failure is None
    found = plugin.load_checkpoint(path)
    assert torch.equal(found["state_dict"]["w"], torch.ones(2))
    plugin.remove_checkpoint(path)
    assert not path.exists()


def test_state_folders__hold_a_failure_for_the_ranks_to_agree_on(tmp_path: Path) -> None:
    plugin = StateFolders()
    plugin.save_checkpoint({"bad": object()}, tmp_path / "step_000000001")
    assert plugin.failure is not None
    assert plugin.failure.code == "MV1708"
    assert list(tmp_path.iterdir()) == []
