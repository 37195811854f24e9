"""Cross-entropy over several classification tasks of which each sample has only some labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from medvlp.losses.checks import Check, check_dtype, check_rows, check_shape, finite, within
from medvlp.losses.joined import joined_ratio
from medvlp.losses.precision import in_full_precision, outside_autocast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["multitask_cross_entropy_loss"]


def multitask_cross_entropy_loss(
    logits: Mapping[str, Tensor],
    labels: Mapping[str, Tensor],
    *,
    class_weights: Mapping[str, Tensor] | None = None,
    divisor: Literal["labelled", "weights"] = "labelled",
) -> Tensor:
    """Add up the mean cross-entropy of each task over the samples that have its label.

    ``sum_t (1/n_t) sum_{i: y_ti != -1} w_{t,y} CE(z_ti, y_ti)`` with ``n_t`` the number of labelled
    samples of the joined batch; a task without any label adds nothing.

    Args:
        logits: Per task, shape ``(B, C_t)``, float.
        labels: Per task, class in ``[0, C_t)`` or -1 for no label, shape ``(B,)``, integer.
        class_weights: Per task, weight per class, shape ``(C_t,)``, >= 0; tasks not named have 1.
        divisor: Divide by the number of labelled samples (published), or by the sum of their
            weights, so that each task's term is a weighted mean.

    Returns:
        Sum over tasks, scalar, fp32 or the wider dtype of the logits; 0 where nothing is labelled.

    Raises:
        LossError: For shapes (MV1850), an empty batch (MV1851), values that are not finite
            (MV1852), labels that no class has (MV1853), wrong kinds of numbers (MV1854).
        ValueError: If the tasks of ``labels`` differ from those of ``logits``, there is none, or
            weights name another task.

    Source:
        RenalCLIP, arXiv:2508.16569, the image encoder's first stage: 14 tasks per kidney. A batch
        without any label gives 0 here and fails there.
    """
    weights = dict(class_weights or {})
    if not logits or set(labels) != set(logits) or set(weights) - set(logits):
        msg = (
            f"tasks differ: logits {sorted(logits)}, labels {sorted(labels)}, "
            f"class_weights {sorted(weights)}; each task needs logits and labels"
        )
        raise ValueError(msg)
    tasks = sorted(logits)
    num_rows = logits[tasks[0]].shape[0]
    checks: list[Check] = []
    for task in tasks:
        checks += _task_checks(task, logits[task], labels[task], weights.get(task), num_rows)
    check_rows(num_rows, checks)
    parts = [_task_sums(logits[t], labels[t], weights.get(t), divisor) for t in tasks]
    totals, counts = zip(*parts, strict=True)
    return joined_ratio(torch.stack(totals), torch.stack(counts)).sum()


def _task_checks(
    task: str, logits: Tensor, labels: Tensor, weights: Tensor | None, num_rows: int
) -> list[Check]:
    check_shape(f"logits[{task!r}]", logits, (num_rows, None))
    check_shape(f"labels[{task!r}]", labels, (num_rows,))
    check_dtype(f"logits[{task!r}]", logits, floating=True)
    check_dtype(f"labels[{task!r}]", labels, floating=False)
    if weights is not None:
        check_shape(f"class_weights[{task!r}]", weights, (logits.shape[1],))
    return [
        finite(f"logits[{task!r}]", logits),
        within(f"labels[{task!r}]", labels, -1, logits.shape[1] - 1),
    ]


@outside_autocast
def _task_sums(
    logits: Tensor, labels: Tensor, weights: Tensor | None, divisor: str
) -> tuple[Tensor, Tensor]:
    """Return this rank's sum of losses and what divides it, both scalars."""
    z = in_full_precision(logits)
    factor = None if weights is None else weights.to(z)
    total = functional.cross_entropy(z, labels.long(), factor, ignore_index=-1, reduction="sum")
    labelled = labels >= 0
    if factor is None or divisor == "labelled":
        return total, labelled.sum().to(z.dtype)
    return total, (factor[labels.clamp(min=0)] * labelled).sum()
