"""The demo on scans: its task is one, patients are drawn once, and a folder is for one demo."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from medvlp.config.task import parse_task
from medvlp.errors import UsageError
from medvlp.io import read_csv
from medvlp.training import scan_demo
from medvlp.training.demo import DemoSettings, claim_demo
from medvlp.training.scan_demo import ScanDemoSettings, demo_task, prepare_scan_demo

if TYPE_CHECKING:
    from pathlib import Path


def test_demo_task__asks_about_the_boxes_that_are_trained_on() -> None:
    task = parse_task(demo_task(), source="demo")
    assert task.scale.box_mm == scan_demo._SEEN.box_mm
    assert all(
        stored >= seen for stored, seen in zip(scan_demo._STORED_MM, task.scale.box_mm, strict=True)
    )


def test_prepare_scan_demo__refuses_a_folder_of_the_demo_on_slides(tmp_path: Path) -> None:
    claim_demo(tmp_path, asdict(DemoSettings()))
    with pytest.raises(UsageError, match=r"MV1110: .* holds a demo with other settings"):
        prepare_scan_demo(tmp_path, ScanDemoSettings(), lambda _: None)


def test_write_patients__is_done_once(tmp_path: Path) -> None:
    scan_demo._write_patients(tmp_path, 2, 7)
    rows = read_csv(tmp_path / "manifest.csv")
    assert [row["patient_id"] for row in rows] == ["patient_0000", "patient_0001"]
    (tmp_path / rows[0]["path"]).unlink()
    scan_demo._write_patients(tmp_path, 2, 7)
    assert not (tmp_path / rows[0]["path"]).exists()
