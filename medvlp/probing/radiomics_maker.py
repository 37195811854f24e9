"""Measure radiomics of scans and their masks with MIRP, the extra ``radiomics``."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medvlp.errors import UsageError, VolumeError
from medvlp.io import write_csv
from medvlp.volumes.masks import read_mask
from medvlp.volumes.reader import read_volume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from medvlp.volumes.masks import Label

__all__ = ["RadiomicsCase", "RadiomicsSettings", "measure_radiomics", "write_radiomics_table"]

_FAMILIES = {
    "morphological": "morph_",
    "statistics": "stat_",
    "intensity_histogram": "ih_",
    "glcm": "cm_",
    "glrlm": "rlm_",
    "glszm": "szm_",
}
_MARGIN_MM = 10.0


@dataclass(frozen=True, kw_only=True)
class RadiomicsCase:
    """A structure of a scan.

    Attributes:
        case_id: Name of the case, as in the labels.
        scan: File or folder of the scan.
        mask: Its label map.
        label: The structure: a number or a name.
        unit: Name of the box in the feature files, such as ``kidney_left``; empty for the case.
    """

    case_id: str
    scan: Path
    mask: Path
    label: Label
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class RadiomicsSettings:
    """What is measured and how voxels are prepared."""

    spacing_mm: float = 1.0
    """Side of the cubes that voxels are resampled to."""
    window_hu: tuple[float, float] = (-200.0, 300.0)
    """Voxels of the structure outside of it are left out."""
    bin_width_hu: float = 25.0
    """Width of the grey levels of textures."""
    families: tuple[str, ...] = tuple(_FAMILIES)
    """Families of features, as MIRP names them."""


def write_radiomics_table(
    path: Path, cases: Sequence[RadiomicsCase], settings: RadiomicsSettings | None = None
) -> int:
    """Measure structures and write the table that 'medvlp probe --radiomics' reads.

    Args:
        path: The CSV file.
        cases: The structures.
        settings: What is measured.

    Returns:
        Number of features.

    Raises:
        UsageError: MV1778 if MIRP is not installed.
        VolumeError: If a scan or mask cannot be read, or the structure is not in it.
    """
    rows: list[dict[str, object]] = []
    for case in cases:
        volume = read_volume(case.scan)
        mask = read_mask(case.mask, like=volume.geometry)
        found = measure_radiomics(
            volume.hu, mask.select(case.label), volume.spacing_mm, settings=settings
        )
        rows.append({"case_id": case.case_id, "unit": case.unit, **found})
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_csv(path, rows, columns)
    return len(columns) - 2


def measure_radiomics(
    hu: NDArray[np.generic],
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    *,
    settings: RadiomicsSettings | None = None,
) -> dict[str, float]:
    """Measure one structure.

    Args:
        hu: Values of the scan in Hounsfield units, shape ``(Z, Y, X)``.
        mask: Where the structure lies, shape ``(Z, Y, X)``, bool.
        spacing_mm: Distance of voxels along ``(z, y, x)``, mm.
        settings: What is measured.

    Returns:
        Feature name to value, in the order of MIRP; names follow the Image Biomarker
        Standardisation Initiative. NaN where a feature has no value.

    Raises:
        UsageError: MV1778 if MIRP is not installed.
        VolumeError: MV2241 if the mask is empty.

    Source:
        Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145 (definitions); MIRP, Zwanenburg and
        Loeck 2024, doi:10.21105/joss.06413.
    """
    chosen = settings or RadiomicsSettings()
    if not mask.any():
        raise VolumeError("MV2241", "the mask of the structure is empty", expected="voxels in it")
    extract = _extractor()
    box = _box(mask, spacing_mm)
    with tempfile.TemporaryDirectory() as folder:
        image, label = Path(folder) / "image.nii", Path(folder) / "mask.nii"
        _write_nifti(image, hu[box].astype(np.float32), spacing_mm)
        _write_nifti(label, mask[box].astype(np.uint8), spacing_mm)
        tables = extract(
            image=str(image),
            mask=str(label),
            image_modality="ct",
            new_spacing=[chosen.spacing_mm],
            resegmentation_intensity_range=list(chosen.window_hu),
            base_discretisation_method="fixed_bin_size",
            base_discretisation_bin_width=chosen.bin_width_hu,
            base_feature_families=list(chosen.families),
        )
    return _numbers(tables[0].iloc[0].to_dict(), chosen)


def _numbers(row: Mapping[str, Any], settings: RadiomicsSettings) -> dict[str, float]:
    """Keep the features; MIRP's other columns name files and settings."""
    prefixes = tuple(_FAMILIES[name] for name in settings.families)
    return {name: float(value) for name, value in row.items() if name.startswith(prefixes)}


def _extractor() -> Any:  # noqa: ANN401 - MIRP has no types
    try:
        from mirp import extract_features  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            "MV1778",
            f"radiomics are measured with MIRP, which cannot be imported ({error})",
            expected="the extra radiomics (MIRP, EUPL-1.2, with 280 MB of ITK)",
            hint="pip install 'medvlp[radiomics]', or give a table made elsewhere",
        ) from error
    return extract_features


def _box(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> tuple[slice, slice, slice]:
    """Return the box of a structure with a margin for resampling."""
    sides = []
    for axis, step in enumerate(spacing_mm):
        others = tuple(a for a in range(3) if a != axis)
        there = np.flatnonzero(mask.any(axis=others))
        margin = int(np.ceil(_MARGIN_MM / step))
        sides.append(slice(max(int(there[0]) - margin, 0), int(there[-1]) + margin + 1))
    return sides[0], sides[1], sides[2]


def _write_nifti(
    path: Path, array: NDArray[np.generic], spacing_mm: tuple[float, float, float]
) -> None:
    import nibabel as nib  # noqa: PLC0415 - only where radiomics are measured

    z, y, x = spacing_mm
    nib.save(nib.Nifti1Image(array.transpose(2, 1, 0), np.diag([x, y, z, 1.0])), path)
