"""Figures of the validation split of radiographs: findings told apart, and reports found.

Letters: B images, C findings, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from medvlp.metrics.pair_retrieval import first_hits
from medvlp.metrics.ranking import auroc

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RadiographFigures", "macro_auroc"]

_RANKS = (1, 5, 10)


class RadiographFigures:
    """Collects what a network says of the validation split, batch by batch."""

    def __init__(self) -> None:
        self._judged: list[tuple[Tensor, Tensor]] = []
        self._paired: list[tuple[Tensor, Tensor, Tensor]] = []

    def add_judgements(self, logits: Tensor, labels: Tensor) -> None:
        """Keep what was said of findings.

        Args:
            logits: Shape ``(B, C)``.
            labels: 1 present, 0 absent, negative left out, shape ``(B, C)``.
        """
        self._judged.append((logits.detach().float().cpu(), labels.cpu()))

    def add_pairs(self, image: Tensor, report: Tensor, group: Tensor) -> None:
        """Keep embeddings of images and their reports.

        Args:
            image: Shape ``(B, D)``.
            report: Shape ``(B, D)``.
            group: Equal for equal reports, shape ``(B,)``.
        """
        parts = (image.detach().float(), report.detach().float(), group)
        self._paired.append((parts[0].cpu(), parts[1].cpu(), parts[2].cpu()))

    def take(self) -> dict[str, float]:
        """Return the figures by name and forget what was kept.

        ``auroc`` is the mean over the findings that have both labels, ``findings`` their number;
        ``recall_k`` the share of images and of reports whose own is among the first k, the mean of
        both ways; equal reports are own.
        """
        figures: dict[str, float] = {}
        if self._judged:
            logits, labels = (torch.cat(part).numpy() for part in zip(*self._judged, strict=True))
            value, counted = macro_auroc(labels, logits)
            figures["findings"] = float(counted)
            if counted:
                figures["auroc"] = value
        if self._paired:
            image, report, group = (
                torch.cat(part).numpy() for part in zip(*self._paired, strict=True)
            )
            ways = [
                first_hits(image, group, report, group),
                first_hits(report, group, image, group),
            ]
            for rank in _RANKS:
                figures[f"recall_{rank}"] = float(np.mean([hits < rank for hits in ways]))
        self._judged, self._paired = [], []
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
