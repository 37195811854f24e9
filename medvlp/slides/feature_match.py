"""Whether features answer the question at hand: encoder, scale, space and slide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from medvlp.errors import FeatureError

if TYPE_CHECKING:
    from medvlp.slides.feature_meta import FeatureMeta

__all__ = ["check_features_match"]

_RELATIVE_TOLERANCE = 1e-6


def check_features_match(
    meta: FeatureMeta,
    *,
    weights_sha256: str | None = None,
    encoder: str | None = None,
    target_mpp: float | None = None,
    tile_px: int | None = None,
    overlap: float | None = None,
    need_projected: bool = False,
    slide_sha256: str | None = None,
) -> None:
    """Refuse features that answer another question; what is None is not compared.

    Args:
        meta: Description of the features at hand.
        weights_sha256: Hash of the weights of the encoder in use; decides alone which encoder it
            is.
        encoder: Name of the encoder in use, for the message.
        target_mpp: Micrometres per tile pixel wanted.
        tile_px: Side of a tile in pixels wanted.
        overlap: Share of overlap wanted.
        need_projected: Whether the features are to be compared with text.
        slide_sha256: Hash of the slide as it is now.

    Raises:
        FeatureError: MV1302 other encoder, MV1303 other scale or tiling, MV1304 features that are
            not in the space shared with text, MV1305 the slide has changed.
    """
    if weights_sha256 is not None and meta.weights_sha256 != weights_sha256:
        raise FeatureError(
            "MV1302",
            f"the features of {meta.case_key} were made with {meta.encoder} "
            f"(weights {meta.weights_sha256[:12]})",
            expected=f"{encoder or 'the model in use'} (weights {weights_sha256[:12]})",
            hint="use the model that made them, or embed the slides again with this one",
        )
    for name, unit, found, wanted in (
        ("mpp", "um/px", meta.target_mpp, target_mpp),
        ("tile size", "px", meta.tile_px, tile_px),
        ("overlap", "of a side", meta.overlap, overlap),
    ):
        if wanted is not None and not math.isclose(
            found, wanted, rel_tol=_RELATIVE_TOLERANCE, abs_tol=1e-9
        ):
            raise FeatureError(
                "MV1303",
                f"the features of {meta.case_key} were made with {name} {found:g} {unit}",
                expected=f"{wanted:g} {unit}",
                hint="embed the slides again at the scale that the task and the model ask for",
            )
    if need_projected and not meta.is_projected:
        raise FeatureError(
            "MV1304",
            f"the features of {meta.case_key}, made with {meta.encoder}, are not projected into "
            "the space shared with text",
            expected="projected features, which can be compared with prompts",
            hint="embed the slides again with an image-text model",
        )
    if slide_sha256 is not None and meta.slide_sha256 != slide_sha256:
        raise FeatureError(
            "MV1305",
            f"the features of {meta.case_key} were made from a slide with hash "
            f"{meta.slide_sha256[:12]}",
            expected=f"{slide_sha256[:12]}, the slide as it is now",
            hint="embed the slide again",
        )
