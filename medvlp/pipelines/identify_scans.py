"""Say what a scan, a mask, their features, or a folder of series is."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from medvlp.errors import VolumeError
from medvlp.volumes.features import read_volume_features
from medvlp.volumes.hounsfield import check_hounsfield, sampled_volume
from medvlp.volumes.label_maps import is_label_map
from medvlp.volumes.masks import read_mask
from medvlp.volumes.reader import open_found, open_volume
from medvlp.volumes.series import series_tree

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.volumes.geometry import VolumeGeometry
    from medvlp.volumes.series import FoundSeries

__all__ = ["read_mask_facts", "read_scan_facts", "read_series_facts", "volume_feature_facts"]

_MOST_SERIES = 50


def read_scan_facts(path: Path) -> dict[str, Any]:
    """Read what a scan is; meant to run in a worker process.

    Args:
        path: A file, a folder with one series, or an archive with one scan.

    Raises:
        VolumeError: If there is no scan, or it cannot be read.
    """
    with open_volume(path) as source:
        findings = list(source.findings)
        doubt = check_hounsfield(sampled_volume(source))
        return {
            **_grid(source.geometry),
            "modality": source.modality or "not told",
            "findings": [
                f"{finding.code}: {finding.text}"
                for finding in (*findings, *((doubt,) if doubt else ()))
            ],
        }


def read_mask_facts(path: Path) -> dict[str, Any]:
    """Read what a label map is; meant to run in a worker process.

    Raises:
        VolumeError: If it cannot be read.
    """
    mask = read_mask(path)
    labels = {number: mask.names.get(number, "no name") for number in mask.present()}
    return {**_grid(mask.geometry), "labels": labels}


def read_series_facts(path: Path) -> dict[str, Any]:
    """List the series of a folder or an archive; meant to run in a worker process.

    Slices are looked at by their headers, and what would be refused is told.
    """
    with series_tree(path) as tree:
        shown = [
            f"{series.name}: {series.modality or 'unknown modality'}, {_what(series)}, "
            f"{series.format}, {len(series.headers) or 1} images{_refusal(series)}"
            for series in tree.series[:_MOST_SERIES]
        ]
        return {"series": len(tree.series), "other files": len(tree.skipped), "found": shown}


def _what(series: FoundSeries) -> str:
    is_mask = not series.headers and is_label_map(series.path, series.format)
    return "label map" if is_mask else series.kind


def _refusal(series: FoundSeries) -> str:
    """Say why a CT series would be refused, or nothing."""
    if series.kind != "volume" or series.modality != "CT":
        return ""
    try:
        open_found(series)
    except VolumeError as error:
        return f"; refused: {error.code}: {error.reason}"
    return ""


def volume_feature_facts(path: Path) -> dict[str, Any]:
    """Return what the features of a scan are.

    Raises:
        FeatureError: If the file is damaged.
    """
    found = read_volume_features(path)
    return {
        "features": "{} x {}".format(*found.features.shape),
        "units": list(found.units),
        "padded": [
            f"{share:.1%} {sides}".strip()
            for share, sides in zip(found.padded_share.tolist(), found.padded_sides, strict=True)
        ],
        **asdict(found.meta),
    }


def _grid(geometry: VolumeGeometry) -> dict[str, Any]:
    depth, height, width = geometry.shape_zyx
    return {
        "voxels (z, y, x)": f"{depth} x {height} x {width}",
        "spacing (z, y, x)": "{:.4g} x {:.4g} x {:.4g} mm".format(*geometry.spacing_zyx_mm),
        "axes": geometry.axis_codes,
        "geometry_sha256": geometry.geometry_sha256,
    }
