"""Features that a text classifier can be laid against: of its width, finite, of unit length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import FeatureError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["check_features"]

_NORM_TOLERANCE = 0.01


def check_features(
    features: ArrayLike,
    width: int,
    *,
    normalize: bool,
    units: tuple[str, str] = ("tile", "tiles"),
    case: str = "slide",
) -> NDArray[np.float32]:
    """Return the features of a case as they are, or refuse them.

    Args:
        features: Image embeddings, shape ``(N, D)``, N > 0, any float type.
        width: Numbers per text embedding.
        normalize: Whether features of another length than 1 are accepted, except for length 0.
        units: What one row and what several rows belong to, for messages.
        case: What all rows belong to, for messages.

    Raises:
        FeatureError: MV1511 for another width, MV1512 for values that are not finite, MV1513 for
            features that are not of unit length.
        ValueError: If there are no rows.
    """
    rows = np.asarray(features)
    unit, plural = units
    if rows.ndim != 2 or len(rows) == 0:
        raise ValueError(f"expected features of at least one {unit}, got shape {rows.shape}")
    if rows.shape[1] != width:
        raise FeatureError(
            "MV1511",
            f"features have {rows.shape[1]} numbers per {unit}, the text classifier {width}",
            expected="features projected into the space shared with text, of the same model",
            hint=f"embed the {case} with the model that is used for zero-shot",
        )
    norms = np.linalg.norm(rows.astype(np.float32, copy=False), axis=1)
    broken = ~np.isfinite(norms)
    if broken.any():
        raise FeatureError(
            "MV1512",
            f"features of {int(broken.sum())} of {len(rows)} {plural} are not finite, first in row "
            f"{int(broken.argmax())}",
            expected="finite numbers",
            hint=f"embed the {case} again and check the weights of the model",
        )
    off = norms == 0 if normalize else np.abs(norms - 1) > _NORM_TOLERANCE
    if off.any():
        raise FeatureError(
            "MV1513",
            f"features of {int(off.sum())} of {len(rows)} {plural} are not of unit length, the "
            f"first has length {norms[int(off.argmax())]:.4g}",
            expected="projected features of length 1",
            hint=f"embed the {case} with projected, normalised features",
        )
    return rows
