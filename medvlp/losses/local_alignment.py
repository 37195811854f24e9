"""Alignment of image patches with words or sentences of a text (GLoRIA's form, DeViDe's L_pta).

Letters: b images of this rank, B texts of all ranks, N patches, L words, C texts per chunk,
D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from medvlp.distributed import all_gather_with_grad, all_reduce_max
from medvlp.losses.checks import check_dtype, check_rows, check_shape, finite, within
from medvlp.losses.matching import MatchingLoss, matching_loss
from medvlp.losses.precision import in_full_precision, outside_autocast

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LocalAlignment", "attend_patches", "local_alignment_loss"]


@dataclass(frozen=True, kw_only=True)
class LocalAlignment:
    """How patches and words are compared."""

    attention_scale: float = 4.0
    """Factor before the softmax over patches, > 0 (1/temperature; GLoRIA's gamma 1)."""
    word_scale: float = 5.0
    """Factor on a word's cosine before words are gathered, > 0 (GLoRIA's gamma 2)."""
    score_scale: float = 10.0
    """Factor on the score of a pair, > 0 (GLoRIA's gamma 3)."""
    gather: Literal["sum", "mean"] = "sum"
    """Whether words are summed or averaged inside the logarithm; a sum favours long texts."""
    words_compete: bool = True
    """Whether each patch first divides its attention among the words. GLoRIA's form does; the plain
    form attends from each word on its own."""
    texts_per_chunk: int = 16
    """Texts compared at a time, >= 1. Memory is ``O(b * texts_per_chunk * N * L)``; chunks are
    computed again in the backward pass."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("attention_scale", "word_scale", "score_scale", "texts_per_chunk"):
            if getattr(self, name) <= 0:
                msg = f"{name} must be > 0, got {getattr(self, name)}"
                raise ValueError(msg)


@outside_autocast
def local_alignment_loss(
    patches: Tensor,
    words: Tensor,
    num_words: Tensor,
    settings: LocalAlignment = LocalAlignment(),
) -> MatchingLoss:
    """Contrast images and texts by how well each word finds its patches.

    For image b and text j with words ``w_1..w_L`` and patches ``v_n``:
    ``a_nl = softmax_l(v_n . w_l)`` (where words compete, else ``v_n . w_l``),
    ``A_nl = softmax_n(attention_scale a_nl)``, ``c_l = sum_n A_nl v_n``,
    ``S_bj = score_scale log sum_l exp(word_scale cos(c_l, w_l))``; then the cross-entropy of
    finding the matching text (row) and the matching image (column) in the joined batch.

    Args:
        patches: Patch embeddings, shape ``(b, N, D)``, float.
        words: Word or sentence embeddings, padded at the end, shape ``(b, L, D)``, float. L may
            differ between ranks.
        num_words: Words that are not padding, shape ``(b,)``, integer in ``[1, L]``.
        settings: Scales and forms.

    Returns:
        The image-to-text (row) and text-to-image (column) losses; fp32 or the wider dtype of
        ``patches``. The published objective is their sum.

    Raises:
        LossError: For shapes (MV1850), an empty batch (MV1851), values that are not finite
            (MV1852), counts of words out of range (MV1853), wrong kinds of numbers (MV1854).

    Source:
        Huang et al. 2021 (GLoRIA), ICCV, eq. 3 to 7, as in CARZero's repository; DeViDe
        (arXiv:2404.03618) names a patch-text term ``L_pta`` without a formula, for which the form
        without competing words is a reconstruction.
    """
    check_shape("patches", patches, (None, None, None))
    check_shape("words", words, (patches.shape[0], None, patches.shape[2]))
    check_shape("num_words", num_words, (patches.shape[0],))
    check_dtype("num_words", num_words, floating=False)
    counts = check_rows(
        patches.shape[0],
        [
            finite("patches", patches),
            finite("words", words),
            within("num_words", num_words, 1, words.shape[1]),
        ],
    )
    v, w = in_full_precision(patches), in_full_precision(words)
    longest = int(all_reduce_max(torch.tensor(w.shape[1], device=w.device)))
    w = functional.pad(w, (0, 0, 0, longest - w.shape[1]))
    all_words = all_gather_with_grad(w, counts)
    all_num_words = all_gather_with_grad(num_words, counts)
    return matching_loss(_score_in_chunks(v, all_words, all_num_words, settings))


def attend_patches(
    patches: Tensor,
    words: Tensor,
    num_words: Tensor,
    settings: LocalAlignment = LocalAlignment(),
) -> Tensor:
    """Return where each word of a text looks in its own image.

    Args:
        patches: Shape ``(b, N, D)``, float.
        words: Shape ``(b, L, D)``, float.
        num_words: Shape ``(b,)``, integer in ``[1, L]``.
        settings: Scales and forms.

    Returns:
        Attention over patches, each row sums to 1, shape ``(b, L, N)``; 0 for padded words.

    Source:
        The ``A_nl`` of :func:`local_alignment_loss`.
    """
    present = _present_words(num_words, words.shape[1])
    attention = _attention(torch.einsum("bnd,bld->bln", patches, words), present, settings)
    return attention * present.unsqueeze(-1)


def _present_words(num_words: Tensor, longest: int) -> Tensor:
    return torch.arange(longest, device=num_words.device) < num_words.unsqueeze(-1)


def _attention(products: Tensor, present: Tensor, settings: LocalAlignment) -> Tensor:
    """Turn products ``(..., L, N)`` into weights over patches."""
    if settings.words_compete:
        products = products.masked_fill(~present.unsqueeze(-1), -torch.inf).softmax(-2)
    return (settings.attention_scale * products).softmax(-1)


def _score_in_chunks(
    patches: Tensor, words: Tensor, num_words: Tensor, settings: LocalAlignment
) -> Tensor:
    """Score b images against B texts, some texts at a time, shape ``(b, B)``."""
    chunk = settings.texts_per_chunk
    if words.shape[0] <= chunk:
        return _score_texts(patches, words, num_words, settings)
    scores = [
        checkpoint(_score_texts, patches, *texts, settings, use_reentrant=False)
        for texts in zip(torch.split(words, chunk), torch.split(num_words, chunk), strict=True)
    ]
    return torch.cat(scores, dim=1)


def _score_texts(
    patches: Tensor, words: Tensor, num_words: Tensor, settings: LocalAlignment
) -> Tensor:
    """Score b images against C texts, shape ``(b, C)``."""
    present = _present_words(num_words, words.shape[1])
    products = torch.einsum("bnd,cld->bcln", patches, words)
    attention = _attention(products, present, settings)
    context = torch.einsum("bcln,bnd->bcld", attention, patches)
    cosine = functional.cosine_similarity(context, words, dim=-1, eps=1e-12)
    scores = (settings.word_scale * cosine).masked_fill(~present, -torch.inf).logsumexp(-1)
    if settings.gather == "mean":
        scores = scores - num_words.to(scores.dtype).log()
    return settings.score_scale * scores
