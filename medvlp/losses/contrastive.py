"""Contrastive losses between images and texts.

Letters: B batch (pairs), D embedding.
"""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = ["clip_loss"]


def clip_loss(
    image: torch.Tensor, text: torch.Tensor, logit_scale: torch.Tensor | float
) -> torch.Tensor:
    """Compute the symmetric cross-entropy over all pairs of a batch.

    With z_ij = s * x_i . y_j and one positive per row and column, the diagonal::

        L = -1/(2B) * sum_i [ log softmax_j(z_ij)[i] + log softmax_j(z_ji)[i] ]

    Logits and statistics are at least float32, also inside autocast. All pairs are those of this
    process; nothing is gathered from others.

    Args:
        image: Image embeddings, L2-normalised, shape ``(B, D)``, float.
        text: Text embeddings, L2-normalised, shape ``(B, D)``, float; row i belongs to image i.
        logit_scale: Multiplier s of cosines, scalar, > 0 (1 / temperature; no unit).

    Returns:
        Mean loss over the 2B anchors, scalar, float32 (float64 for float64 input).

    Raises:
        ValueError: If the shapes differ, are not ``(B, D)``, or B is 0.

    Source:
        Radford et al. 2021, arXiv:2103.00020, figure 3; Oord et al. 2018, arXiv:1807.03748, eq. 4.
        Nothing changed.
    """
    if image.shape != text.shape or image.ndim != 2 or len(image) == 0:
        msg = (
            "image and text must have one shape (B, D) with B >= 1, "
            f"got {tuple(image.shape)} and {tuple(text.shape)}"
        )
        raise ValueError(msg)
    wide = torch.promote_types(image.dtype, torch.float32)
    with torch.autocast(image.device.type, enabled=False):
        logits = logit_scale * (image.to(wide) @ text.to(wide).T)
        diagonal = torch.arange(len(image), device=image.device)
        by_image = functional.cross_entropy(logits, diagonal)
        by_text = functional.cross_entropy(logits.T, diagonal)
        return (by_image + by_text) / 2
