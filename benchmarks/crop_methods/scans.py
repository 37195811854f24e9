"""The scans that ``ct_crop`` cuts a box out of: a phantom in every format, and real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from benchmarks.crop_methods.tasks import Task
from medvlp.phantoms.abdomen.dicom import write_phantom_dicom
from medvlp.phantoms.abdomen.names import LABELS
from medvlp.phantoms.abdomen.nifti import write_phantom_nifti
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.volumes.reader import open_volume
from medvlp.volumes.store import write_stored

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.phantoms.abdomen.scan import PhantomScan

__all__ = [
    "PHANTOM_SHAPE",
    "SHAPE_ZYX",
    "SPACING_MM",
    "TINY_SHAPE",
    "MeasuredScan",
    "phantom_scans",
    "real_scans",
]

SHAPE_ZYX, SPACING_MM = (32, 128, 128), (5.0, 1.0, 1.0)
PHANTOM_SHAPE, TINY_SHAPE = (400, 512, 512), (48, 40, 40)
PHANTOM_SPACING, TINY_SPACING = (1.0, 0.78, 0.78), (6.0, 9.0, 9.0)

_REAL = (
    ("lidc2, 8 bit .nii.gz", "nifti", "lidc2/lidc2_uint8.nii.gz"),
    ("aorta .nii.gz", "nifti", "totalsegmentator/aorta_1.5mm/ct.nii.gz"),
    ("torso .nii.gz", "nifti", "totalsegmentator/torso_3mm/ct.nii.gz"),
    ("abdomen .nii.gz", "nifti", "totalsegmentator/abdomen_3mm/ct.nii.gz"),
    ("abdomen, JPEG 2000", "dicom", "totalsegmentator/abdomen_dicom_jpeg2000/dicom"),
    ("chest, DICOM", "dicom", "chest_imaging_platform/ct-64Dicom"),
)


@dataclass(frozen=True, kw_only=True)
class MeasuredScan:
    """One scan of the benchmark.

    Attributes:
        name: What the table calls it.
        kind: ``nifti``, ``dicom`` or ``stored``.
        packing: What the target depends on: ``nifti``, ``nifti-gzip``, ``dicom``, ``stored``.
        task: The box.
        warm_up: A box of a tiny phantom in the same format.
        num_voxels: Voxels of the whole scan.
    """

    name: str
    kind: str
    packing: str
    task: Task
    warm_up: Task
    num_voxels: int


def phantom_scans(
    folder: Path, shape_zyx: tuple[int, int, int] = PHANTOM_SHAPE, seed: int = 0
) -> list[MeasuredScan]:
    """Write one phantom scan and a tiny one in every format, unless they are there.

    The box lies around the left kidney. The spacing shrinks as the shape grows, so that any shape
    shows the whole abdomen.

    Args:
        folder: Where the files lie, or shall lie.
        shape_zyx: Voxels of the scan.
        seed: Which patient.
    """
    factors = [full / n for full, n in zip(PHANTOM_SHAPE, shape_zyx, strict=True)]
    z_mm, y_mm, x_mm = (mm * k for mm, k in zip(PHANTOM_SPACING, factors, strict=True))
    spec = PhantomScanSpec(seed=seed, shape_zyx=shape_zyx, spacing_mm=(z_mm, y_mm, x_mm))
    tiny = PhantomScanSpec(seed=seed, shape_zyx=TINY_SHAPE, spacing_mm=TINY_SPACING)
    name = f"phantom_{seed}_" + "x".join(map(str, shape_zyx))
    large_files = _write_formats(folder / name, spec)
    tiny_files = _write_formats(folder / f"tiny_{seed}", tiny)
    found = []
    for label, kind, packing, file in _FORMATS:
        task, warm_up = (_boxed(files, file) for files in (large_files, tiny_files))
        voxels = int(np.prod(shape_zyx))
        found.append(
            MeasuredScan(
                name=label,
                kind=kind,
                packing=packing,
                task=task,
                warm_up=warm_up,
                num_voxels=voxels,
            )
        )
    return found


_FORMATS = (
    ("phantom .nii", "nifti", "nifti", "scan.nii"),
    ("phantom .nii.gz", "nifti", "nifti-gzip", "scan.nii.gz"),
    ("phantom, DICOM", "dicom", "dicom", "explicit"),
    ("phantom, JPEG 2000", "dicom", "dicom", "jpeg-2000"),
    ("phantom, our store", "stored", "stored", "scan.b2nd"),
)


def real_scans(data: Path, warm_ups: list[MeasuredScan]) -> list[MeasuredScan]:
    """Return the real scans below ``data`` that are there, with a box in the middle of each.

    A box that would not fit is cut down to lie inside the scan.

    Args:
        data: Folder of the scans.
        warm_ups: What :func:`phantom_scans` returned.
    """
    tiny = {scan.warm_up.path.name: scan.warm_up for scan in warm_ups}
    found = []
    for name, kind, relative in _REAL:
        path = data / relative
        if not path.exists():
            continue
        with open_volume(path) as source:
            geometry = source.geometry
        middle = [(size - 1) / 2 for size in geometry.shape_zyx]
        x_mm, y_mm, z_mm = (float(mm) for mm in geometry.index_to_lps([middle])[0])
        extents = [
            (n - 3) * mm for n, mm in zip(geometry.shape_zyx, geometry.spacing_zyx_mm, strict=True)
        ]
        z, y, x = (
            min(wanted, int(extent // step))
            for wanted, extent, step in zip(SHAPE_ZYX, extents, SPACING_MM, strict=True)
        )
        task = Task(
            path=path,
            centre_lps_mm=(x_mm, y_mm, z_mm),
            shape_zyx=(z, y, x),
            spacing_mm=SPACING_MM,
        )
        like = "scan.nii.gz" if kind == "nifti" else "jpeg-2000"
        found.append(
            MeasuredScan(
                name=name,
                kind=kind,
                packing="nifti-gzip" if kind == "nifti" else "dicom",
                task=task,
                warm_up=tiny[like],
                num_voxels=int(np.prod(geometry.shape_zyx)),
            )
        )
    return found


def _write_formats(folder: Path, spec: PhantomScanSpec) -> Path:
    """Write a scan in every format below ``folder``, with the kidney's place beside it."""
    place = folder / "kidney_left.txt"
    if place.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    scan = make_phantom_scan(spec)
    for name in ("scan.nii", "scan.nii.gz"):
        write_phantom_nifti(folder / name, scan)
    for syntax in ("explicit", "jpeg-2000"):
        if not (folder / syntax).exists():
            write_phantom_dicom(folder / syntax, scan, syntax=syntax)
    with open_volume(folder / "scan.nii") as source:
        write_stored(folder / "scan.b2nd", source.read())
    np.savetxt(place, _kidney_centre(scan))
    return folder


def _kidney_centre(scan: PhantomScan) -> NDArray[np.float64]:
    """Return the middle of the left kidney's bounding box, ``(x, y, z)`` in LPS."""
    box = ndimage.find_objects((scan.labels == LABELS["kidney_left"]).astype(np.uint8))[0]
    z, y, x = ((part.start + part.stop - 1) / 2 for part in box)
    centre: NDArray[np.float64] = (scan.affine_lps @ [x, y, z, 1.0])[:3]
    return centre


def _boxed(folder: Path, file: str) -> Task:
    x_mm, y_mm, z_mm = (float(mm) for mm in np.loadtxt(folder / "kidney_left.txt"))
    return Task(
        path=folder / file,
        centre_lps_mm=(x_mm, y_mm, z_mm),
        shape_zyx=SHAPE_ZYX,
        spacing_mm=SPACING_MM,
    )
