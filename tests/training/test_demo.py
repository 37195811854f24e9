"""The demo: every step is skipped when it is done, and a folder is for one demo."""

from dataclasses import asdict
from pathlib import Path

import pytest

from medvlp.errors import UsageError
from medvlp.training.demo import (
    DemoSettings,
    claim_demo,
    prepare_demo,
    shipped_config,
    write_demo_slides,
)


def test_shipped_config__is_found_in_the_source_tree() -> None:
    assert shipped_config("keep/phantom_stage2.yaml").is_file()


def test_write_demo_slides__reads_a_finished_cohort(tmp_path: Path) -> None:
    first = write_demo_slides(tmp_path, 1, 0, 512)
    stamps = [slide.path.stat().st_mtime_ns for slide in first]
    assert write_demo_slides(tmp_path, 1, 0, 512) == first
    assert [slide.path.stat().st_mtime_ns for slide in first] == stamps


def test_prepare_demo__refuses_a_folder_of_another_demo(tmp_path: Path) -> None:
    claim_demo(tmp_path, asdict(DemoSettings(seed=0)))
    with pytest.raises(UsageError, match=r"MV1110: .* holds a demo with other settings"):
        prepare_demo(tmp_path, DemoSettings(seed=1), lambda _: None)
