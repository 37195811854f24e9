"""Judge by a dual encoder whether images show what is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.pipelines.pairing.grouping import TextEmbedder
    from medvlp.pipelines.pairing.settings import ContentCheck

__all__ = ["content_margins"]


def content_margins(
    features: NDArray[np.float32], texts: TextEmbedder, check: ContentCheck
) -> NDArray[np.float32]:
    """Return how much nearer images are to wanted texts than to unwanted ones.

    Args:
        features: Unit vectors of images, shape ``(N, D)``, float32.
        texts: Embeds texts into the same space.
        check: The texts.

    Returns:
        Largest cosine with a wanted text less the largest with an unwanted one, shape ``(N,)``.
    """
    wanted = (features @ texts.embed(check.keep).T).max(axis=1)
    unwanted = (features @ texts.embed(check.drop).T).max(axis=1)
    return np.asarray(wanted - unwanted, dtype=np.float32)
