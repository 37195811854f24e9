"""Contrast of images with a bank of descriptions, several of which may fit one image.

Letters: b images of this rank, B images of all ranks, M descriptions, Q findings, K aspects,
D embedding. The bank is the same on every rank. Only vectors of length M travel between ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from medvlp.distributed import all_reduce_max, all_reduce_sum
from medvlp.losses.checks import (
    NO_POSITIVE,
    Check,
    check_dtype,
    check_rows,
    check_shape,
    finite,
    within,
)
from medvlp.losses.joined import joined_logsumexp, joined_mean, joined_ratio
from medvlp.losses.precision import in_full_precision, outside_autocast
from medvlp.losses.report import LossReport

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["aspect_contrast_loss", "knowledge_contrast_loss"]


@outside_autocast
def knowledge_contrast_loss(
    image: Tensor,
    descriptions: Tensor,
    labels: Tensor,
    scale: Tensor | float,
    *,
    positives: Literal["outside", "inside"] = "outside",
    no_positive: Literal["skip", "refuse"] = "skip",
) -> LossReport:
    """Pull images towards all descriptions that fit them, and descriptions towards their images.

    With ``s = scale cos(image, description)``, P the descriptions that fit image i and A those
    that are known to fit or not to fit:

    - outside: ``L_i = LSE_A(s_i) - mean_P(s_i)``, every positive must score high;
    - inside: ``L_i = LSE_A(s_i) - LSE_P(s_i)``, one high positive is enough.

    The loss is the mean over images with a positive plus the same of the transpose, over the
    descriptions with a positive, halved.

    Args:
        image: Images projected to the space of descriptions, shape ``(b, D)``, float; normalised
            here.
        descriptions: Embeddings of the bank, shape ``(M, D)``, float, equal on every rank;
            normalised here.
        labels: 1 fits, 0 does not, negative unknown (neither positive nor negative), shape
            ``(b, M)``, integer.
        scale: Factor on the cosines (1/temperature), scalar, > 0.
        positives: Where the mean over positives stands: outside or inside the logarithm.
        no_positive: Give an image without a positive weight zero, or refuse the batch.

    Returns:
        ``total``, fp32 or the wider dtype of ``image``, 0 where nothing fits anything; terms
        ``image_to_text``, ``text_to_image`` and ``without_positive``, the number of images and
        descriptions that were skipped.

    Raises:
        LossError: For shapes (MV1850), an empty batch (MV1851), values that are not finite
            (MV1852), labels above 1 (MV1853), wrong kinds of numbers (MV1854), an image without a
            positive where that is refused (MV1855).

    Source:
        Luo et al. 2024 (DeViDe), arXiv:2404.03618, the term ``L_tnc``, whose formula is not
        published: this is a reconstruction from its description (several positive descriptions per
        image behind a projection). Both forms: Khosla et al. 2020, arXiv:2004.11362, eq. 2 and 3.
    """
    check_shape("image", image, (None, None))
    check_shape("descriptions", descriptions, (None, image.shape[1]))
    check_shape("labels", labels, (image.shape[0], descriptions.shape[0]))
    check_dtype("labels", labels, floating=False)
    checks = [
        finite("image", image),
        finite("descriptions", descriptions),
        within("labels", labels, torch.iinfo(torch.int64).min, 1),
    ]
    if no_positive == "refuse":
        checks.append(_every_row_has_a_positive(labels))
    check_rows(image.shape[0], checks)
    x = functional.normalize(in_full_precision(image), dim=-1)
    y = functional.normalize(in_full_precision(descriptions), dim=-1)
    scores = scale * (x @ y.T)
    known, fits = labels >= 0, labels == 1
    contrast = _contrast_outside if positives == "outside" else _contrast_inside
    rows, columns = contrast(scores, fits, known)
    row_gaps = all_reduce_sum((~fits.any(1)).sum())
    column_gaps = (~_joined_any(fits)).sum()
    terms = {
        "image_to_text": rows.detach(),
        "text_to_image": columns.detach(),
        "without_positive": row_gaps + column_gaps,
    }
    return LossReport((rows + columns) / 2, terms)


@outside_autocast
def aspect_contrast_loss(
    image: Tensor,
    aspects: Tensor,
    labels: Tensor,
    log_scale: Tensor,
    *,
    normalize_targets: bool = False,
) -> Tensor:
    """Contrast whole images with each visual aspect of each finding.

    With ``z_bqk = exp(log_scale_k) cos(image_b, aspect_qk)`` and ``y_bq = 1`` where present:
    ``i2t_k = 1/(B Q) sum_bq -y_bq log softmax_q(z)`` and ``t2i_k`` the same with the softmax over
    the B images of the joined batch; the loss is ``mean_k (i2t_k + t2i_k)``.

    Args:
        image: Global image embeddings, shape ``(b, D)``, float; normalised here.
        aspects: Query embeddings per finding and aspect, shape ``(Q, K, D)``, float, equal on
            every rank; normalised here.
        labels: 1 present, anything else counts as absent, shape ``(b, Q)``, integer.
        log_scale: Logarithm of 1/temperature per aspect, shape ``(K,)``, float, learned.
        normalize_targets: Divide the targets of an image (of a finding) by their sum and average
            over images (findings) with a positive, so that the targets are probabilities. The
            published form does not, and weighs an image by its number of findings.

    Returns:
        Scalar, fp32 or the wider dtype of ``image``. MAVL adds it with weight 0.1.

    Raises:
        LossError: For shapes (MV1850), an empty batch (MV1851), values that are not finite
            (MV1852), wrong kinds of numbers (MV1854).

    Source:
        Phan et al. 2024 (MAVL), arXiv:2403.07636, the global contrast over aspects.
    """
    check_shape("image", image, (None, None))
    check_shape("aspects", aspects, (None, None, image.shape[1]))
    check_shape("labels", labels, (image.shape[0], aspects.shape[0]))
    check_shape("log_scale", log_scale, (aspects.shape[1],))
    check_dtype("labels", labels, floating=False)
    check_rows(
        image.shape[0],
        [finite("image", image), finite("aspects", aspects), finite("log_scale", log_scale)],
    )
    x = functional.normalize(in_full_precision(image), dim=-1)
    y = functional.normalize(in_full_precision(aspects), dim=-1)
    scale = in_full_precision(log_scale).exp()
    scores = scale[:, None, None] * torch.einsum("bd,qkd->kbq", x, y)
    present = (labels == 1).expand_as(scores)
    if normalize_targets:
        rows, columns = _contrast_outside(scores, present, torch.ones_like(present))
        return rows + columns
    row_losses = (present * (scores.logsumexp(-1, keepdim=True) - 2 * scores)).sum()
    column_lse = joined_logsumexp(scores, -2)
    num_present = all_reduce_sum(present.sum(-2))
    num_cells = all_reduce_sum(torch.full_like(row_losses, scores.numel()))
    return (all_reduce_sum(row_losses) + (num_present * column_lse).sum()) / num_cells


def _every_row_has_a_positive(labels: Tensor) -> Check:
    return Check(
        code=NO_POSITIVE,
        bad=~(labels == 1).any(-1).all(),
        what="an image has no description that fits it",
        expected="one positive per image at least",
        hint="let such images have weight zero with no_positive='skip'",
    )


def _contrast_outside(scores: Tensor, fits: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Average ``LSE_known - mean_fits`` over rows, and over columns."""
    target = fits.to(scores.dtype)
    row_mean = (target * scores).sum(-1) / target.sum(-1).clamp(min=1)
    column_mean = joined_ratio((target * scores).sum(-2), target.sum(-2))
    return _means(scores, fits, known, row_mean, column_mean)


def _contrast_inside(scores: Tensor, fits: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Average ``LSE_known - LSE_fits`` over rows, and over columns."""
    chosen = scores.masked_fill(~fits, -torch.inf)
    safe = torch.where(fits.any(-1, keepdim=True), chosen, 0.0)
    return _means(scores, fits, known, safe.logsumexp(-1), joined_logsumexp(chosen, -2))


def _means(
    scores: Tensor, fits: Tensor, known: Tensor, row_positive: Tensor, column_positive: Tensor
) -> tuple[Tensor, Tensor]:
    """Average ``LSE_known - positive`` over rows and columns with a positive, leading axes too."""
    allowed = scores.masked_fill(~known, -torch.inf)
    has_row = fits.any(-1)
    row_lse = torch.where(has_row.unsqueeze(-1), allowed, 0.0).logsumexp(-1)
    has_column = _joined_any(fits)
    column_losses = torch.where(has_column, joined_logsumexp(allowed, -2) - column_positive, 0.0)
    column_mean = column_losses.sum() / has_column.sum().clamp(min=1)
    return joined_mean(row_lse - row_positive, has_row), column_mean


def _joined_any(fits: Tensor) -> Tensor:
    """Tell which columns have a positive on any rank, without the axis of rows."""
    return all_reduce_max(fits.any(-2).to(torch.uint8)).bool()
