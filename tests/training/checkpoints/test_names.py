"""Checkpoints are found by their names, in the order of their steps."""

import json
from pathlib import Path

import pytest

from medvlp.training.checkpoints.names import checkpoint_path, list_checkpoints, newest_step


def test_list_checkpoints__gives_folders_of_steps_in_order(tmp_path: Path) -> None:
    for step in (2_000_000_000, 7, 100):
        checkpoint_path(tmp_path, step).mkdir()
    (tmp_path / ".tmp-1-2-3-step_000000009").mkdir()
    (tmp_path / "step_000000008").touch()
    assert [step for step, _ in list_checkpoints(tmp_path)] == [7, 100, 2_000_000_000]
    assert list_checkpoints(tmp_path / "missing") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"latest": "step_000000070"}), 70),
        (json.dumps({"latest": "../step_000000070"}), None),
        (json.dumps({"latest": 7}), None),
        ("[]", None),
        ("{", None),
    ],
)
def test_newest_step__is_what_the_file_names(tmp_path: Path, text: str, expected) -> None:
    assert newest_step(tmp_path) is None
    (tmp_path / "latest.json").write_text(text)
    assert newest_step(tmp_path) == expected
