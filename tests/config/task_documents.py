"""Task documents that the tests of this folder start from."""

from typing import Any


def slide_task(**changes: Any) -> dict[str, Any]:
    """Return a valid slide task with top-level keys changed; a value of ``...`` removes a key."""
    document: dict[str, Any] = {
        "name": "rcc-subtyping",
        "modality": "slide",
        "scale": {"mpp": 0.5, "tile_px": 256, "overlap": 0.0},
        "head": "subtype-ratio",
        "normal": "Normal",
        "classes": {
            "CCRCC": {"names": ["clear cell carcinoma", "ccRCC"], "concept": "DOID:4467"},
            "PRCC": {"names": ["papillary carcinoma"]},
            "Normal": {"names": ["normal tissue"]},
        },
        "templates": ["an H&E image of {}.", "{}."],
    }
    return _changed(document, changes)


def detection_task(**changes: Any) -> dict[str, Any]:
    """Return a valid two-class detection task with top-level keys changed."""
    document = slide_task(
        head="detection-ratio",
        normal=...,
        positive="Tumor",
        classes={"Normal": {"names": ["normal"]}, "Tumor": {"names": ["tumor"]}},
    )
    return _changed(document, changes)


def ct_task(**changes: Any) -> dict[str, Any]:
    """Return a valid CT task with top-level keys changed."""
    document: dict[str, Any] = {
        "name": "kidney-mass",
        "modality": "ct",
        "scale": {
            "spacing_mm": [1, 1, 1.5],
            "region": "kidney",
            "box_mm": [96, 96, 96],
            "window_hu": [-160, 240],
        },
        "head": "present-absent",
        "classes": {"mass": {"names": ["renal mass"], "absent_names": ["no renal mass"]}},
        "templates": ["there is {}."],
    }
    return _changed(document, changes)


def finding_task(**changes: Any) -> dict[str, Any]:
    """Return a valid task of findings on radiographs with top-level keys changed."""
    document: dict[str, Any] = {
        "name": "chest-findings",
        "modality": "radiograph",
        "head": "findings",
        "classes": {"effusion": {"finding": "pleural effusion"}, "a rare thing": {}},
    }
    return _changed(document, changes)


def _changed(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = document | changes
    return {key: value for key, value in merged.items() if value is not ...}
