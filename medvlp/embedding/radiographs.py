"""Encode X-rays: the file is read in a worker process, the encoder runs here."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medvlp import __version__
from medvlp.errors import ModelError
from medvlp.io import json_sha256
from medvlp.jobs.workers import WorkerLimits
from medvlp.radiographs.features import (
    RadiographFeatureMeta,
    RadiographFeatures,
    described_image,
)

if TYPE_CHECKING:
    from medvlp.models.radiograph.bundle import RadiographBundle
    from medvlp.radiographs.framed import FramedRadiograph
    from medvlp.types import Case

__all__ = ["RadiographSettings", "embed_radiograph", "radiograph_parameters_sha256"]


@dataclass(frozen=True, kw_only=True)
class RadiographSettings:
    """How X-rays become features; the size of the input comes from the model."""

    window: tuple[float, float] | None = None
    """Center and width to show all X-rays in; None for what each file states."""

    limits: WorkerLimits = field(default_factory=WorkerLimits)
    """Memory and time that reading one X-ray may take."""


def radiograph_parameters_sha256(model: RadiographBundle, settings: RadiographSettings) -> str:
    """Hash everything but the X-ray that decides its feature.

    Args:
        model: The model.
        settings: How X-rays are read; limits do not count.
    """
    return json_sha256(
        {
            "version": __version__,
            "weights": model.weights_sha256,
            "precision": model.precision,
            "preprocessing": asdict(model.preprocessing),
            "window": settings.window,
        }
    )


def embed_radiograph(
    case: Case, framed: FramedRadiograph, model: RadiographBundle, settings: RadiographSettings
) -> RadiographFeatures:
    """Encode one X-ray.

    Args:
        case: The X-ray.
        framed: The same, read at the model's size.
        model: The model.
        settings: How it was read.

    Raises:
        ModelError: MV1417 if the feature is NaN or infinite.
    """
    row = model.embed_images(framed.square[None])
    if not np.isfinite(row).all():
        raise ModelError(
            "MV1417",
            f"{model.name} gave a NaN or infinite feature",
            expected="finite features",
            hint="run with --precision fp32, or check the weights",
        )
    described = described_image(framed.image) | {"image_shape": framed.shape}
    meta = RadiographFeatureMeta(
        case_key=case.case_key,
        encoder=model.name,
        weights_sha256=model.weights_sha256,
        is_projected=model.is_projected,
        is_normalized=model.is_normalized,
        precision=model.precision,
        preprocessing=asdict(model.preprocessing),
        image_sha256=framed.content_sha256,
        frame=0,
        params_sha256=radiograph_parameters_sha256(model, settings),
        medvlp_version=__version__,
        **described,  # type: ignore[arg-type]  # fields by name, as described_image says
    )
    return RadiographFeatures(row, meta)
