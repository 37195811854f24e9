"""Look at the scan of a case before it is cut: geometry, values, sides, and the boxes to encode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.errors import VolumeError
from medvlp.volumes.case_scan import OpenedScan, case_content_sha256, opened_case
from medvlp.volumes.dicom_reader import IrregularChoice
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.hounsfield import check_hounsfield, require_hounsfield, sampled_volume
from medvlp.volumes.label_names import LabelScheme
from medvlp.volumes.laterality import require_upright_sides
from medvlp.volumes.organ_masks import mask_content_sha256, read_organ_mask
from medvlp.volumes.units import ScanUnit, plan_windows, units_of_region
from medvlp.volumes.volume import Finding

if TYPE_CHECKING:
    from medvlp.types import Case, VolumePreprocessing
    from medvlp.volumes.masks import LabelMap

__all__ = ["ScanRules", "ScanSurvey", "missing_mask", "survey_scan"]


@dataclass(frozen=True, kw_only=True)
class ScanRules:
    """What is accepted of a scan and its mask."""

    irregular: IrregularChoice = "refuse"
    """What becomes of missing, uneven or leaning slices: ``refuse`` or ``resample``."""

    mask_names: LabelScheme | None = None
    """Names of the labels of masks that do not name them themselves."""

    allow_values: bool = False
    """Whether values that do not look like Hounsfield units are told instead of refused."""


@dataclass(frozen=True, eq=False)
class ScanSurvey:
    """What is known of a scan before its boxes are cut.

    Attributes:
        content_sha256: Hash of the scan's bytes.
        mask_sha256: Hash of the mask's bytes; empty where no mask was needed.
        scan_format: Kind of the scan's files, such as ``dicom``.
        phase: Contrast phase that the header hints at, or an empty string.
        geometry: Where the voxels lie.
        findings: What was noticed.
        units: The boxes to encode; windows that hold only air are still among them.
    """

    content_sha256: str
    mask_sha256: str
    scan_format: str
    phase: str
    geometry: VolumeGeometry
    findings: tuple[Finding, ...]
    units: tuple[ScanUnit, ...]


def survey_scan(case: Case, preprocessing: VolumePreprocessing, rules: ScanRules) -> ScanSurvey:
    """Open a scan, check its values and sides, and plan its boxes; meant for a worker process.

    Args:
        case: The scan, with its mask where the preprocessing names an organ.
        preprocessing: How the encoder wants scans.
        rules: What is accepted.

    Raises:
        VolumeError: MV2200 to MV2250: what the readers raise; MV2236 or MV2237 where the values
            are no Hounsfield units, MV2245 where left and right are swapped, MV2240 to MV2244
            where the mask does not fit; MV1120 where an organ is wanted and there is no mask.
    """
    content = case_content_sha256(case)
    with opened_case(case, irregular=rules.irregular) as scan:
        findings = (*scan.findings, *_check_values(case.path.name, scan, rules))
        if preprocessing.region is None:
            units, mask_sha256 = plan_windows(scan.source.geometry, preprocessing), ""
        else:
            units, told, mask_sha256 = _find_organ(case, scan, preprocessing.region, rules)
            findings = (*findings, *told)
        return ScanSurvey(
            content_sha256=content,
            mask_sha256=mask_sha256,
            scan_format=scan.found.format,
            phase=scan.found.phase,
            geometry=scan.source.geometry,
            findings=findings,
            units=units,
        )


def _check_values(name: str, scan: OpenedScan, rules: ScanRules) -> tuple[Finding, ...]:
    sample = sampled_volume(scan.source)
    if not rules.allow_values:
        require_hounsfield(name, sample)
        return ()
    doubt = check_hounsfield(sample)
    return () if doubt is None else (doubt,)


def _find_organ(
    case: Case, scan: OpenedScan, region: str, rules: ScanRules
) -> tuple[tuple[ScanUnit, ...], tuple[Finding, ...], str]:
    """Return the boxes around an organ, what was noticed, and the hash of the mask."""
    if case.mask is None:
        raise missing_mask(case, region)
    mask = read_organ_mask(
        case.mask, like=scan.source.geometry, names=rules.mask_names, region=region
    )
    verdict = require_upright_sides(case.path.name, mask)
    told = mask.findings
    if verdict.is_mirrored is None:
        text = f"too few organs are labelled to tell left from right ({verdict.n_structures})"
        told = (*told, Finding("MV2245", text))
    try:
        units = units_of_region(mask, region)
    except VolumeError as error:
        raise _without_organ(case.mask.name, mask, error) from error
    return units, told, mask_content_sha256(case.mask)


def missing_mask(case: Case, region: str) -> VolumeError:
    """Return the error of a scan in which no organ can be found."""
    return VolumeError(
        "MV1120",
        f"the model looks at the {region}, and {case.case_id} has no mask of it",
        expected="a label map of the organs on the grid of the scan",
        hint="give --masks FOLDER, a column 'mask' in a manifest, or --find-organs "
        "totalsegmentator",
    )


def _without_organ(name: str, mask: LabelMap, error: VolumeError) -> VolumeError:
    """Say which mask lacks the organ, and how labels get their names."""
    if mask.names:
        return VolumeError(
            error.code,
            f"{name}: {error.what}",
            expected=f"a mask in which it was drawn; this one names "
            f"{', '.join(sorted(mask.names.values())[:6])}",
            hint="give another mask, or let an organ finder label the scan with --find-organs",
        )
    return VolumeError(
        error.code,
        f"{name}: {error.what}; the mask names none of its labels {mask.present()[:8]}",
        expected="a mask that names its labels, or labels of a known scheme",
        hint="give --mask-names totalsegmentator or --mask-names kits",
    )
