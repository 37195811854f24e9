"""Figures of the validation split of radiographs: findings told apart, and reports found.

Letters: B images, C findings, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.metrics.pair_retrieval import first_hits
from medvlp.metrics.ranking import auroc
from medvlp.training.validating import SeenRows

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RadiographFigures", "macro_auroc"]

_RANKS = (1, 5, 10)


class RadiographFigures:
    """Collects what a network says of the validation split, batch by batch."""

    def __init__(self) -> None:
        self._judged = SeenRows()
        self._paired = SeenRows()

    def add_judgements(self, batch_idx: int, logits: Tensor, labels: Tensor) -> None:
        """Keep what was said of findings.

        Args:
            batch_idx: Number of the batch.
            logits: Shape ``(B, C)``.
            labels: 1 present, 0 absent, negative left out, shape ``(B, C)``.
        """
        self._judged.add(batch_idx, logits=logits.float(), labels=labels)

    def add_pairs(self, batch_idx: int, image: Tensor, report: Tensor, group: Tensor) -> None:
        """Keep embeddings of images and their reports.

        Args:
            batch_idx: Number of the batch.
            image: Shape ``(B, D)``.
            report: Shape ``(B, D)``.
            group: Equal for equal reports, shape ``(B,)``.
        """
        self._paired.add(batch_idx, image=image.float(), report=report.float(), group=group)

    def take(self) -> dict[str, float]:
        """Return the figures of what all ranks have kept, by name, and forget it.

        ``auroc`` is the mean over the findings that have both labels, ``findings`` their number;
        ``recall_k`` the share of images and of reports whose own is among the first k, the mean of
        both ways; equal reports are own.
        """
        figures: dict[str, float] = {}
        judged, paired = self._judged.join(), self._paired.join()
        if judged:
            value, counted = macro_auroc(judged["labels"].numpy(), judged["logits"].numpy())
            figures["findings"] = float(counted)
            if counted:
                figures["auroc"] = value
        if paired:
            image, report, group = (paired[name].numpy() for name in ("image", "report", "group"))
            ways = [
                first_hits(image, group, report, group),
                first_hits(report, group, image, group),
            ]
            for rank in _RANKS:
                figures[f"recall_{rank}"] = float(np.mean([hits < rank for hits in ways]))
        return figures


def macro_auroc(labels: np.ndarray, scores: np.ndarray) -> tuple[float, int]:
    """Return the mean AUROC over findings with both labels, and the number of these.

    Args:
        labels: 1 present, 0 absent, negative left out, shape ``(B, C)``.
        scores: Higher means more likely present, shape ``(B, C)``.

    Returns:
        NaN and 0 where no finding has both labels.
    """
    found = []
    for truth, score in zip(labels.T, scores.T, strict=True):
        known = truth >= 0
        if len(set(truth[known].tolist())) == 2:
            found.append(auroc(truth[known], score[known]))
    return (float(np.mean(found)), len(found)) if found else (float("nan"), 0)
