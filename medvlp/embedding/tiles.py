"""Encode the tiles of a slide: pixels come from a worker process, the encoder runs here.

Letters: N planned tiles, G good tiles, M failed tiles, D embedding.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from medvlp import __version__
from medvlp.errors import ModelError, SlideError
from medvlp.io import json_sha256
from medvlp.jobs.workers import WorkerLimits, stream_in_worker
from medvlp.slides.features import FeatureMeta, SlideFeatures
from medvlp.slides.tile_reading import RESAMPLER, STATUS_OK, read_tiles
from medvlp.slides.tiling import TilingConfig
from medvlp.slides.tissue import TissueConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.models.vision import ImageEncoder
    from medvlp.slides.survey import SlideSurvey
    from medvlp.types import Case

__all__ = ["EmbedSettings", "embed_slide", "feature_parameters_sha256"]


@dataclass(frozen=True, kw_only=True)
class EmbedSettings:
    """How slides become features."""

    tiling: TilingConfig = field(default_factory=TilingConfig)
    """Scale, size and overlap of the tiles."""

    tissue: TissueConfig = field(default_factory=TissueConfig)
    """How tissue is found."""

    batch_size: int = 64
    """Tiles per forward pass; does not change the features beyond rounding."""

    max_failed_share: float = 0.1
    """Largest share of tiles that may fail to decode before the whole slide fails."""

    limits: WorkerLimits = field(default_factory=WorkerLimits)
    """Memory and time that reading one slide may take."""


def feature_parameters_sha256(
    encoder: ImageEncoder, settings: EmbedSettings, slide_mpp: float | None
) -> str:
    """Hash everything but the slide that decides its features.

    Args:
        encoder: The image encoder.
        settings: Tiling and tissue settings; batch size and limits do not count.
        slide_mpp: Micrometres per level-0 pixel given by the user, or None.
    """
    return json_sha256(
        {
            "version": __version__,
            "weights": encoder.weights_sha256,
            "precision": encoder.precision,
            "projected": encoder.is_projected,
            "normalized": encoder.is_normalized,
            "preprocessing": asdict(encoder.preprocessing),
            "resampler": RESAMPLER,
            "tiling": asdict(settings.tiling),
            "tissue": asdict(settings.tissue),
            "slide_mpp": slide_mpp,
        }
    )


def embed_slide(
    case: Case,
    survey: SlideSurvey,
    encoder: ImageEncoder,
    settings: EmbedSettings,
) -> SlideFeatures:
    """Encode the planned tiles of a slide.

    Args:
        case: The slide.
        survey: What :func:`medvlp.slides.survey.survey_slide` found.
        encoder: The image encoder.
        settings: Batch size, limits, and how many tiles may fail.

    Returns:
        The features in the order of the plan; a slide without tissue has none.

    Raises:
        SlideError: MV1210 if too many tiles do not decode; what the reader raises.
        WorkerError: If reading crashes or goes over its limits.
        ModelError: MV1417 if a feature is NaN or infinite.
    """
    plan = survey.plan
    features = np.empty((plan.num_tiles, encoder.dim), np.float32)
    status = np.full(plan.num_tiles, STATUS_OK, np.uint8)
    batches = stream_in_worker(
        read_tiles,
        case.path,
        case.slide_mpp,
        plan,
        encoder.preprocessing,
        settings.batch_size,
        limits=settings.limits,
    )
    for batch in batches:
        status[batch.index] = batch.status
        good = batch.index[batch.status == STATUS_OK]
        if len(good):
            features[good] = encoder.embed(torch.from_numpy(batch.rgb)).cpu().numpy()
    kept = status == STATUS_OK
    _check_failed_share(case, int((~kept).sum()), plan.num_tiles, settings.max_failed_share)
    _check_finite(features[kept], encoder)
    return SlideFeatures(
        features=features[kept],
        coords=plan.coords[kept],
        failed_coords=plan.coords[~kept],
        failed_status=status[~kept],
        meta=_describe(case, survey, encoder, settings),
    )


def _check_failed_share(case: Case, num_failed: int, num_tiles: int, limit: float) -> None:
    if num_failed > limit * num_tiles:
        raise SlideError(
            "MV1210",
            f"{case.path.name}: {num_failed} of {num_tiles} tiles do not decode",
            expected=f"at most {limit:.0%} undecodable tiles",
            hint="copy the slide again from its source, or raise --max-failed-share",
        )


def _check_finite(features: NDArray[np.float32], encoder: ImageEncoder) -> None:
    bad = int((~np.isfinite(features).all(axis=1)).sum()) if features.size else 0
    if bad:
        raise ModelError(
            "MV1417",
            f"{encoder.name} gave NaN or infinite features for {bad} of {len(features)} tiles",
            expected="finite features",
            hint="run with --precision fp32, or check the weights",
        )


def _describe(
    case: Case, survey: SlideSurvey, encoder: ImageEncoder, settings: EmbedSettings
) -> FeatureMeta:
    spec = survey.plan.spec
    return FeatureMeta(
        case_key=case.case_key,
        encoder=encoder.name,
        weights_sha256=encoder.weights_sha256,
        is_projected=encoder.is_projected,
        is_normalized=encoder.is_normalized,
        precision=encoder.precision,
        level0_size_px0=survey.size_px0,
        level0_mpp_xy=survey.mpp_xy,
        mpp_source=survey.mpp_source,
        target_mpp=settings.tiling.mpp,
        true_mpp_xy=spec.true_mpp_xy,
        tile_px=settings.tiling.tile_px,
        tile_px0=spec.level0.tile_px0,
        step_px0=spec.level0.step_px0,
        overlap=settings.tiling.overlap,
        read_level=spec.read.level,
        resampler=RESAMPLER,
        reader=survey.reader_id,
        slide_sha256=survey.content_sha256,
        params_sha256=feature_parameters_sha256(encoder, settings, case.slide_mpp),
        tissue={**asdict(settings.tissue), "min_tissue": settings.tiling.min_tissue},
        medvlp_version=__version__,
    )
