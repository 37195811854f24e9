"""Checkpoints on disk: whole or not there, two kept, damaged ones passed over and told of."""

import errno
import json
import logging
from pathlib import Path

import pytest
import torch

from medvlp.errors import DataError, OutputError
from medvlp.training.checkpoints import folder as module
from medvlp.training.checkpoints.folder import (
    checkpoint_path,
    clear_leftovers,
    newest_checkpoint,
    read_checkpoint,
    remove_older,
    write_checkpoint,
)


def write(folder: Path, step: int) -> Path:
    path = checkpoint_path(folder, step)
    write_checkpoint(path, {"step": step, "weights": torch.full((3,), float(step))})
    return path


def newest_step(folder: Path) -> int:
    found = newest_checkpoint(folder)
    assert found is not None
    return found[1]


def test_checkpoint__comes_back_as_it_was_written(tmp_path: Path) -> None:
    state = read_checkpoint(write(tmp_path, 7))
    assert state["step"] == 7
    assert torch.equal(state["weights"], torch.full((3,), 7.0))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest.json", "step_000000007"]


def test_newest_checkpoint__is_none_where_nothing_was_saved(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "missing") is None


def test_remove_older__keeps_the_newest_two(tmp_path: Path) -> None:
    for step in (100, 200, 300):
        write(tmp_path, step)
        remove_older(tmp_path, keep=2)
    assert [p.name for p in sorted(tmp_path.glob("step_*"))] == ["step_000000200", "step_000000300"]
    assert newest_step(tmp_path) == 300


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_newest_checkpoint__passes_over_a_damaged_one(
    tmp_path: Path, name: str, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, 100)
    file = write(tmp_path, 200) / name
    content = bytearray(file.read_bytes())
    if harm == "flip":
        content[len(content) // 2] ^= 1
    file.write_bytes(content if harm == "flip" else content[: len(content) // 2])
    if harm == "remove":
        file.unlink()
    with caplog.at_level(logging.WARNING):
        assert newest_step(tmp_path) == 100
    assert "MV1707" in caplog.text


def test_newest_checkpoint__refuses_to_begin_anew_where_all_are_damaged(tmp_path: Path) -> None:
    for step in (100, 200):
        (write(tmp_path, step) / "state.json").write_text("{}")
    with pytest.raises(DataError, match="holds state") as caught:
        newest_checkpoint(tmp_path)
    assert caught.value.code == "MV1707"


def test_newest_checkpoint__takes_no_step_beyond_the_one_that_is_named(tmp_path: Path) -> None:
    write(tmp_path, 200)
    write(tmp_path, 100)
    assert newest_step(tmp_path) == 100


def test_newest_checkpoint__does_not_pass_over_another_format(tmp_path: Path) -> None:
    write(tmp_path, 1)
    path = write(tmp_path, 2)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(DataError, match="is medvlp-checkpoint 99") as caught:
        newest_checkpoint(tmp_path)
    assert caught.value.code == "MV1710"
    (path / "manifest.json").write_text(json.dumps(manifest | {"format": "another"}))
    assert newest_step(tmp_path) == 1


def test_clear_leftovers__removes_what_another_host_had_begun(tmp_path: Path) -> None:
    clear_leftovers(tmp_path / "missing")
    path = write(tmp_path, 1)
    begun = tmp_path / ".tmp-00000000-1-00000000-step_000000002"
    begun.mkdir()
    (begun / "tensors.safetensors").write_bytes(b"half")
    clear_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest.json", path.name]


def test_write_checkpoint__leaves_the_older_one_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 100)

    def fill_up(path: Path, *_: object) -> str:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_write", fill_up)
    with pytest.raises(OutputError) as caught:
        write(tmp_path, 200)
    assert caught.value.code == "MV1105"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest.json", "step_000000100"]
    assert newest_step(tmp_path) == 100
