"""Encode the boxes of a scan: they are cut in a worker process, the encoder runs here.

Letters: U units, D embedding.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from medvlp import __version__
from medvlp.errors import ModelError
from medvlp.io import json_sha256
from medvlp.jobs.workers import WorkerLimits, stream_in_worker
from medvlp.volumes.cutting import cut_units
from medvlp.volumes.features import VolumeFeatureMeta, VolumeFeatures
from medvlp.volumes.survey import ScanRules

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.models.volume.volume_encoder import VolumeEncoder
    from medvlp.types import Case
    from medvlp.volumes.survey import ScanSurvey

__all__ = ["ScanSettings", "embed_scan", "scan_parameters_sha256"]


@dataclass(frozen=True, kw_only=True)
class ScanSettings:
    """How scans become features; size and spacing of boxes come from the encoder."""

    rules: ScanRules = field(default_factory=ScanRules)
    """What is accepted of a scan and its mask."""

    organ_finder: str | None = None
    """Name of the tool that labels organs of scans without a mask, or None."""

    batch_size: int = 4
    """Boxes per forward pass; does not change the features beyond rounding."""

    limits: WorkerLimits = field(default_factory=WorkerLimits)
    """Memory and time that reading one scan may take."""


def scan_parameters_sha256(encoder: VolumeEncoder, settings: ScanSettings) -> str:
    """Hash everything but scan and mask that decides the features.

    Args:
        encoder: The volume encoder.
        settings: What is accepted; batch size and limits do not count.
    """
    return json_sha256(
        {
            "version": __version__,
            "weights": encoder.weights_sha256,
            "precision": encoder.precision,
            "projected": encoder.is_projected,
            "normalized": encoder.is_normalized,
            "preprocessing": asdict(encoder.preprocessing),
            "rules": asdict(settings.rules),
        }
    )


def embed_scan(
    case: Case,
    survey: ScanSurvey,
    encoder: VolumeEncoder,
    settings: ScanSettings,
    *,
    mask_source: str = "",
) -> VolumeFeatures:
    """Encode the planned boxes of a scan.

    Args:
        case: The scan.
        survey: What :func:`medvlp.volumes.survey.survey_scan` found.
        encoder: The volume encoder.
        settings: Batch size and limits.
        mask_source: Where the mask came from: ``file``, an organ finder, or empty without one.

    Returns:
        The features in the order of the survey's units, without windows that hold only air.

    Raises:
        VolumeError: What reading raises.
        WorkerError: If reading crashes or goes over its limits.
        ModelError: MV1417 if a feature is NaN or infinite.
    """
    rows: list[NDArray[np.float32]] = [np.empty((0, encoder.dim), np.float32)]
    coords: list[NDArray[np.float64]] = [np.empty((0, 3))]
    padded: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
    kept: list[int] = []
    sides: list[str] = []
    batches = stream_in_worker(
        cut_units,
        case,
        survey.units,
        encoder.preprocessing,
        settings.rules.irregular,
        settings.batch_size,
        limits=settings.limits,
    )
    for batch in batches:
        rows.append(encoder.embed(torch.from_numpy(batch.hu)).cpu().numpy())
        coords.append(batch.coords_mm)
        padded.append(batch.padded_share)
        kept.extend(batch.index.tolist())
        sides.extend(batch.padded_sides)
    order = np.argsort(np.array(kept, dtype=np.int64))  # windows come as the file holds them
    features = np.concatenate(rows)[order]
    _check_finite(features, encoder)
    units = [survey.units[kept[row]] for row in order]
    return VolumeFeatures(
        features=features,
        coords_mm=np.concatenate(coords)[order],
        units=tuple(unit.name for unit in units),
        padded_share=np.concatenate(padded)[order],
        padded_sides=tuple(sides[row] for row in order),
        cut_sides=tuple("".join(unit.cut_sides) for unit in units),
        meta=_describe(
            case,
            survey,
            encoder,
            settings,
            mask_source=mask_source,
            num_air=len(survey.units) - len(kept),
        ),
    )


def _check_finite(features: NDArray[np.float32], encoder: VolumeEncoder) -> None:
    bad = int((~np.isfinite(features).all(axis=1)).sum()) if features.size else 0
    if bad:
        raise ModelError(
            "MV1417",
            f"{encoder.name} gave NaN or infinite features for {bad} of {len(features)} boxes",
            expected="finite features",
            hint="run with --precision fp32, or check the weights",
        )


def _describe(
    case: Case,
    survey: ScanSurvey,
    encoder: VolumeEncoder,
    settings: ScanSettings,
    *,
    mask_source: str,
    num_air: int,
) -> VolumeFeatureMeta:
    geometry = survey.geometry
    return VolumeFeatureMeta(
        case_key=case.case_key,
        encoder=encoder.name,
        weights_sha256=encoder.weights_sha256,
        is_projected=encoder.is_projected,
        is_normalized=encoder.is_normalized,
        precision=encoder.precision,
        preprocessing=asdict(encoder.preprocessing),
        scan_format=survey.scan_format,
        scan_sha256=survey.content_sha256,
        scan_shape_zyx=geometry.shape_zyx,
        scan_spacing_mm=geometry.spacing_zyx_mm,
        scan_axes=geometry.axis_codes,
        geometry_sha256=geometry.geometry_sha256,
        mask_source=mask_source,
        mask_sha256=survey.mask_sha256,
        num_air=num_air,
        findings=survey.findings,
        params_sha256=scan_parameters_sha256(encoder, settings),
        medvlp_version=__version__,
    )
