"""Contrast from a finished matrix of scores, rows on this rank and columns of the joined batch.

For scores that no product of two embeddings gives: a cross-attention network or local alignment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from medvlp.distributed import all_reduce_sum, rank
from medvlp.losses.checks import check_rows, check_shape, finite
from medvlp.losses.joined import joined_logsumexp
from medvlp.losses.precision import in_full_precision, outside_autocast

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MatchingLoss", "matching_loss"]


class MatchingLoss(NamedTuple):
    """The two directions of a contrast.

    Attributes:
        row_to_column: Mean cross-entropy of finding each row's column, scalar.
        column_to_row: Mean cross-entropy of finding each column's row, scalar.
    """

    row_to_column: Tensor
    column_to_row: Tensor

    @property
    def symmetric(self) -> Tensor:
        """Return the mean of the two directions, scalar."""
        return (self.row_to_column + self.column_to_row) / 2


@outside_autocast
def matching_loss(scores: Tensor) -> MatchingLoss:
    """Match row i with column i by softmax over rows and over columns.

    ``row_to_column = mean_i [LSE_j(s_ij) - s_ii]``, ``column_to_row = mean_j [LSE_i(s_ij) - s_jj]``
    over the joined batch of B pairs. Columns are the pairs of all ranks in the order of the ranks;
    the first row of this rank matches the column after those of the lower ranks.

    Args:
        scores: Logits, shape ``(b, B)``, float: b pairs of this rank, B of all ranks.

    Returns:
        Both directions, fp32 or the wider dtype of ``scores``. CARZero's objective is twice the
        symmetric value of image queries plus twice that of text queries, halved:
        ``matching_loss(s_i2t).symmetric + matching_loss(s_t2i).symmetric``.

    Raises:
        LossError: If the columns are not the joined batch (MV1850), the batch is empty (MV1851) or
            a score is not finite (MV1852).

    Source:
        Lai et al. 2024 (CARZero), arXiv:2402.17417, symmetric cross-entropy of cross-attention
        similarities, without temperature.
    """
    check_shape("scores", scores, (None, None))
    counts = check_rows(scores.shape[0], [finite("scores", scores)])
    total = sum(counts)
    check_shape("scores", scores, (None, total))
    s = in_full_precision(scores)
    matched = s.diagonal(offset=sum(counts[: rank()])).sum()
    rows = s.logsumexp(1).sum()
    row_to_column, mean_matched = all_reduce_sum(torch.stack([rows - matched, matched])) / total
    return MatchingLoss(row_to_column, joined_logsumexp(s, 0).mean() - mean_matched)
