"""Cohorts of phantom slides and their task."""

from collections import Counter
from pathlib import Path

from medvlp.config.task import parse_task
from medvlp.phantoms.classes import TUMORS
from medvlp.phantoms.cohort import cohort_task, write_cohort
from medvlp.phantoms.truth import load_truth


def test_write_cohort__holds_every_diagnosis_alike(tmp_path: Path) -> None:
    seen: list[int] = []
    slides = write_cohort(
        tmp_path,
        slides_per_diagnosis=2,
        seed=1,
        size_px=(512, 512),
        on_slide=lambda: seen.append(1),
    )
    assert Counter(slide.diagnosis for slide in slides) == dict.fromkeys(TUMORS, 2)
    assert len(seen) == 8
    for slide in slides:
        assert load_truth(slide.path).diagnosis == slide.diagnosis
        assert slide.diagnosis not in slide.path.name


def test_write_cohort__shares_no_slide_between_seeds(tmp_path: Path) -> None:
    first = write_cohort(tmp_path / "a", slides_per_diagnosis=1, seed=1, size_px=(512, 512))
    second = write_cohort(tmp_path / "b", slides_per_diagnosis=1, seed=2, size_px=(512, 512))
    contents = {slide.path.read_bytes() for slide in (*first, *second)}
    assert len(contents) == 8


def test_cohort_task__is_a_valid_task() -> None:
    task = parse_task(cohort_task(mpp=1.0, tile_px=224), source="test")
    assert task.class_names == (*TUMORS, "normal")
    assert task.normal == "normal"
    assert task.scale is not None
    assert task.scale.mpp == 1.0
