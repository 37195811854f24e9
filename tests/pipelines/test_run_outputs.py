"""A run folder belongs to one set of parameters."""

import json
from pathlib import Path

import pytest

from medvlp.errors import UsageError
from medvlp.pipelines.run_outputs import claim_run_folder


def test_claim_run_folder__is_for_one_set_of_parameters(tmp_path: Path) -> None:
    claim_run_folder(tmp_path / "run", "a" * 64)
    claim_run_folder(tmp_path / "run", "a" * 64)
    with pytest.raises(UsageError, match=r"MV1110: .* holds a run with other models") as info:
        claim_run_folder(tmp_path / "run", "b" * 64)
    assert "--features" in info.value.hint


def test_claim_run_folder__writes_the_claim_whole(tmp_path: Path) -> None:
    claim_run_folder(tmp_path, "c" * 64)
    (path,) = (tmp_path / ".medvlp").iterdir()
    assert json.loads(path.read_text()) == {"sha256": "c" * 64}
