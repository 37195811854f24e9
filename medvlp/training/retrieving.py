"""Retrieval over a whole validation split, both ways between images and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.metrics.pair_retrieval import first_hits

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["retrieval_figures"]

_RANKS = (1, 5, 10)


def retrieval_figures(image: Tensor, text: Tensor, group: Tensor) -> dict[str, float]:
    """Return recall at 1, 5 and 10 in both directions, and their means.

    Args:
        image: Embeddings, shape ``(N, D)``, float.
        text: Embeddings of their texts, shape ``(N, D)``, float.
        group: Group of each pair, shape ``(N,)``, int64; texts of the image's group are hits.

    Returns:
        ``image_to_text/recall_1`` and so on, ``text_to_image/...``, and ``recall_1``, ...: the mean
        of both.
    """
    images, texts, groups = image.float().numpy(), text.float().numpy(), group.numpy()
    figures: dict[str, float] = {}
    means = dict.fromkeys(_RANKS, 0.0)
    for name, queries, gallery in (
        ("image_to_text", images, texts),
        ("text_to_image", texts, images),
    ):
        hits = first_hits(queries, groups, gallery, groups)
        for rank in _RANKS:
            recall = float((hits < rank).mean())
            means[rank] += recall / 2
            figures[f"{name}/recall_{rank}"] = recall
    return figures | {f"recall_{rank}": recall for rank, recall in means.items()}
