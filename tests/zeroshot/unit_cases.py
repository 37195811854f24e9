"""Tasks for scans that the tests of this folder start from."""

from typing import Any

from medvlp.config.task import Task, parse_task


def scan_task(**changes: Any) -> Task:
    """Return a present-absent task of two findings with top-level keys changed; ``...`` removes."""
    document: dict[str, Any] = {
        "name": "kidney-findings",
        "modality": "ct",
        "scale": {"spacing_mm": [1, 1, 1], "window_hu": [-100, 300]},
        "head": "present-absent",
        "classes": {
            "cyst": {"names": ["a cyst", "a cystic lesion"], "absent_names": ["no cyst"]},
            "stone": {"names": ["a stone"], "absent_names": ["no stone", "a clear pelvis"]},
        },
        "templates": ["there is {}.", "{}"],
    }
    merged = document | changes
    return parse_task({k: v for k, v in merged.items() if v is not ...}, source="test")


def mass_task(**changes: Any) -> Task:
    """Return a task of two named classes of kidneys, with top-level keys changed."""
    classes = {"benign": {"names": ["cyst", "lipoma"]}, "malignant": {"names": ["cancer"]}}
    document = {"name": "masses", "head": "mean", "classes": classes, "templates": ["{}"]}
    return scan_task(**(document | changes))
