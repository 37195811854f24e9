"""Hinges that make an image prefer its caption to a wrong one (Structure-CLIP).

Letters: b pairs of this rank, B pairs of all ranks, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from medvlp.distributed import all_gather_with_grad, rank
from medvlp.losses.checks import check_dtype, check_rows, check_shape, finite, within
from medvlp.losses.joined import joined_mean
from medvlp.losses.precision import in_full_precision, outside_autocast

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["in_batch_hinge_loss", "swapped_caption_loss"]


@outside_autocast
def swapped_caption_loss(
    image: Tensor,
    caption: Tensor,
    swapped: Tensor,
    *,
    margin: float = 0.1,
    has_swap: Tensor | None = None,
) -> Tensor:
    """Average ``max(0, margin - (<image, caption> - <image, swapped>))``.

    The swapped caption has the same words in another order or with the side, the polarity or the
    finding exchanged ("left effusion, right nodule" for "right effusion, left nodule").

    Args:
        image: L2-normalised, shape ``(b, D)``, float.
        caption: L2-normalised embeddings of the true captions, shape ``(b, D)``, float.
        swapped: L2-normalised embeddings of the swapped captions, shape ``(b, D)``, float.
        margin: Cosine by which the true caption must win, >= 0.
        has_swap: False where nothing in the caption could be swapped, shape ``(b,)``, bool; such
            rows count for nothing. All by default.

    Returns:
        Scalar >= 0, fp32 or the wider dtype of ``image``; 0 where no caption has a swap.
        Structure-CLIP adds it with weight 5.

    Raises:
        LossError: For shapes (MV1850), an empty batch (MV1851), values that are not finite
            (MV1852), wrong kinds of numbers (MV1854).
        ValueError: If the margin is negative.

    Source:
        Huang et al. 2024 (Structure-CLIP), arXiv:2305.06152, the hinge on the semantic negative.
    """
    _check_margin(margin)
    check_shape("image", image, (None, None))
    check_shape("caption", caption, image.shape)
    check_shape("swapped", swapped, image.shape)
    flags = torch.ones(image.shape[0], dtype=torch.bool, device=image.device)
    flags = flags if has_swap is None else has_swap
    check_shape("has_swap", flags, image.shape[:1])
    check_dtype("has_swap", flags, floating=False)
    named = {"image": image, "caption": caption, "swapped": swapped}
    check_rows(
        image.shape[0],
        [*(finite(name, x) for name, x in named.items()), within("has_swap", flags, 0, 1)],
    )
    v = in_full_precision(image)
    lead = (v * (in_full_precision(caption) - in_full_precision(swapped))).sum(-1)
    return joined_mean((margin - lead).clamp(min=0), flags)


@outside_autocast
def in_batch_hinge_loss(
    image: Tensor,
    text: Tensor,
    *,
    margin: float = 0.2,
    negatives: Literal["hardest", "mean"] = "hardest",
) -> Tensor:
    """Average, over both directions, how far a wrong partner comes within the margin.

    With ``s_ij = <image_i, text_j>`` over the joined batch:
    ``mean_i [max(0, margin + max_{j != i} s_ij - s_ii)]`` plus the same of the transpose; ``mean``
    takes the mean over the negatives in place of the maximum, to warm up.

    Args:
        image: L2-normalised, shape ``(b, D)``, float.
        text: L2-normalised, shape ``(b, D)``, float.
        margin: Cosine by which the partner must win, >= 0.
        negatives: Which negatives count.

    Returns:
        Sum of the two directions, scalar >= 0, fp32 or the wider dtype of ``image``; 0 for a
        joined batch of one pair, which has no negative.

    Raises:
        LossError: For shapes (MV1850), an empty batch (MV1851), values that are not finite
            (MV1852).
        ValueError: If the margin is negative.

    Source:
        Huang et al. 2024 (Structure-CLIP), arXiv:2305.06152; Faghri et al. 2018 (VSE++),
        arXiv:1707.05612, eq. 6.
    """
    _check_margin(margin)
    check_shape("image", image, (None, None))
    check_shape("text", text, image.shape)
    counts = check_rows(image.shape[0], [finite("image", image), finite("text", text)])
    x, y = in_full_precision(image), in_full_precision(text)
    x_all, y_all = all_gather_with_grad(x, counts), all_gather_with_grad(y, counts)
    own = torch.arange(x.shape[0], device=x.device) + sum(counts[: rank()])
    partner = (x * y).sum(-1)
    hinge = torch.zeros_like(partner)
    for scores in (x @ y_all.T, y @ x_all.T):
        hinge = hinge + (margin + _negative_score(scores, own, negatives) - partner).clamp(min=0)
    return joined_mean(hinge, torch.ones_like(hinge))


def _negative_score(scores: Tensor, own: Tensor, negatives: str) -> Tensor:
    """Reduce each row of scores ``(b, B)`` without its own column; ``-inf`` without negatives."""
    is_own = torch.zeros_like(scores, dtype=torch.bool).scatter(1, own.unsqueeze(1), value=True)
    if negatives == "hardest" or scores.shape[1] == 1:
        return scores.masked_fill(is_own, -torch.inf).amax(1)
    return scores.masked_fill(is_own, 0.0).sum(1) / (scores.shape[1] - 1)


def _check_margin(margin: float) -> None:
    if margin < 0:
        msg = f"margin must be >= 0, got {margin}"
        raise ValueError(msg)
