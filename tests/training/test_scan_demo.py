"""The demo on scans: its task fits its boxes, and a folder is for one demo."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from medvlp.config.task import parse_task
from medvlp.errors import UsageError
from medvlp.training import scan_demo
from medvlp.training.demo import DemoSettings, claim_demo
from medvlp.training.scan_demo import ScanDemoSettings, demo_task, prepare_scan_demo
from medvlp.training.scan_demo_patients import KINDS

if TYPE_CHECKING:
    from pathlib import Path


def test_demo_task__asks_about_the_boxes_that_are_trained_on() -> None:
    task = parse_task(demo_task(), source="demo")
    assert task.scale.box_mm == scan_demo._SEEN.box_mm
    assert tuple(task.classes) == KINDS
    assert all(
        stored >= seen for stored, seen in zip(scan_demo._STORED_MM, task.scale.box_mm, strict=True)
    )


def test_demo_task__asks_about_both_sides() -> None:
    prompts = demo_task()["templates"]
    assert sum("left" in text.lower() for text in prompts) == len(prompts) / 2
    assert sum("right" in text.lower() for text in prompts) == len(prompts) / 2


def test_prepare_scan_demo__refuses_a_folder_of_the_demo_on_slides(tmp_path: Path) -> None:
    claim_demo(tmp_path, asdict(DemoSettings()))
    with pytest.raises(UsageError, match=r"MV1110: .* holds a demo with other settings"):
        prepare_scan_demo(tmp_path, ScanDemoSettings(), lambda _: None)
