"""Cross-entropy of tokens that were hidden from a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.losses.joined import joined_mean
from medvlp.losses.multitask import multitask_cross_entropy_loss
from medvlp.losses.report import LossReport

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["masked_token_loss"]


def masked_token_loss(logits: Tensor, targets: Tensor) -> LossReport:
    """Compute the mean cross-entropy over hidden tokens.

    ``L = 1/M sum_m (log sum_v exp(z_mv) - z_m,y(m))`` over the M hidden tokens of the joined batch.
    Only their logits are asked for: those of all tokens would be the largest array of a step.

    Args:
        logits: One row for each hidden token, shape ``(M, V)``, float.
        targets: What stood there, in ``[0, V)``, shape ``(M,)``, integer.

    Returns:
        ``total``; terms ``accuracy`` (share of hidden tokens whose piece has the largest logit) and
        ``perplexity`` (exp of the loss).

    Raises:
        LossError: For shapes (MV1850), no hidden token (MV1851), values that are not finite
            (MV1852), targets that are no piece (MV1853), wrong kinds of numbers (MV1854).

    Source:
        Devlin et al. 2019, arXiv:1810.04805, section 3.1, task 1; with the logits of the place
        before, masked next-token prediction of BehnamGhader et al. 2024, arXiv:2404.05961,
        section 2.2.
    """
    total = multitask_cross_entropy_loss({"tokens": logits}, {"tokens": targets})
    hits = (logits.detach().argmax(dim=1) == targets).to(total.dtype)
    accuracy = joined_mean(hits, hits.new_ones(hits.shape))
    return LossReport(total, {"accuracy": accuracy, "perplexity": total.detach().exp()})
