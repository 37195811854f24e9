"""Phantom scans with their label maps, a small random model and tasks for them."""

from pathlib import Path
from typing import Any

from medvlp.phantoms.abdomen.nifti import write_phantom_mask, write_phantom_nifti
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.types import Case

SCALE = {
    "spacing_mm": [5, 4, 4],
    "window_hu": [-200, 300],
    "region": "kidney",
    "box_mm": [40, 64, 64],
}


def write_scans(folder: Path, names: tuple[str, ...] = ("one", "two"), **spec: Any) -> Path:
    """Write ``scans/<name>.nii.gz`` and ``masks/<name>.nii.gz`` below a folder."""
    (folder / "scans").mkdir(parents=True)
    (folder / "masks").mkdir()
    for seed, name in enumerate(names):
        settings = {"shape_zyx": (48, 80, 96), "spacing_mm": (5.0, 4.0, 4.0)} | spec
        scan = make_phantom_scan(PhantomScanSpec(seed=seed, **settings))
        write_phantom_nifti(folder / "scans" / f"{name}.nii.gz", scan)
        write_phantom_mask(folder / "masks" / f"{name}.nii.gz", scan)
    return folder


def scan_case(folder: Path, name: str = "one", *, with_mask: bool = True) -> Case:
    """Return the case of a scan that :func:`write_scans` wrote."""
    return Case(
        case_id=f"{name}.nii.gz",
        case_key=name,
        path=folder / "scans" / f"{name}.nii.gz",
        modality="ct",
        mask=folder / "masks" / f"{name}.nii.gz" if with_mask else None,
    )


def masses(**changes: Any) -> dict[str, Any]:
    """Return a task with named classes."""
    return {
        "name": "masses",
        "modality": "ct",
        "scale": SCALE,
        "head": "mean",
        "normal": "normal",
        "classes": {
            "cyst": {"names": ["a simple cyst"], "concept": "K:2"},
            "tumour": {"names": ["a solid mass"], "concept": "K:3"},
            "normal": {"names": ["a normal kidney"]},
        },
        "templates": ["a CT of {}."],
    } | changes


def findings(**changes: Any) -> dict[str, Any]:
    """Return a task whose findings can be there at once."""
    return {
        "name": "findings",
        "modality": "ct",
        "scale": SCALE,
        "head": "present-absent",
        "classes": {
            name: {"names": [name], "absent_names": [f"no {name}"]}
            for name in ("cyst", "tumour", "stone")
        },
        "templates": ["there is {}."],
    } | changes
