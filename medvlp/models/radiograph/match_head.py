"""A head that compares the decoder's answer with the question.

Letters: B images, C findings, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from medvlp.losses.precision import in_full_precision, outside_autocast

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MatchHead"]


class MatchHead(nn.Module):
    """Judges by the product of question and answer; full precision under autocast.

    ``logit = <W q, z> / sqrt(D) + v . q + b``. A line on z alone must learn what each question and
    each answer mean together from the non-linear part of the decoder; here they meet directly, so
    that a question made of known words is answered although it was never asked. None of the
    published networks has it: a choice of ours.

    Args:
        dim: The D.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.question = nn.Linear(dim, dim)
        self.usual = nn.Linear(dim, 1)
        nn.init.zeros_(self.usual.weight)

    def forward(self, outputs: Tensor, queries: Tensor) -> Tensor:
        """Return the logit of presence, shape ``(B, C)``, fp32 or wider.

        Args:
            outputs: The decoder's answers, shape ``(B, C, D)``.
            queries: The questions, shape ``(C, D)`` or ``(B, C, D)``.
        """
        return _match(outputs, queries, self)


@outside_autocast
def _match(outputs: Tensor, queries: Tensor, head: MatchHead) -> Tensor:
    z, q = in_full_precision(outputs), in_full_precision(queries)
    logits: Tensor = (z * head.question(q)).sum(-1) * z.shape[-1] ** -0.5 + head.usual(q)[..., 0]
    return logits
