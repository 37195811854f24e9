"""Scale what fine-tuning changed, block by block, so that early blocks stay near where they were.

A *task vector* is fine-tuned minus base weights. Shallow blocks carry what is general: adding less
of the task vector there keeps zero-shot ability, and most of what fine-tuning gained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["block_by_substring", "merge_alpha", "scale_layers", "sum_task_vectors"]

Weights = dict[str, Tensor]


def scale_layers(
    base: Mapping[str, Tensor],
    task_vector: Mapping[str, Tensor],
    block_of: Callable[[str], int | None],
    num_blocks: int,
    *,
    alpha: float,
    beta: float,
) -> Weights:
    """Return ``base + factor * task_vector`` with a factor that grows with the block.

    ``factor = alpha + beta * b / (num_blocks - 1)`` for block b, and ``alpha`` outside blocks. For
    one fine-tuned model, ``beta = 1 - alpha``: the last block keeps all of its change.

    Args:
        base: Weights before fine-tuning, by key.
        task_vector: What fine-tuning added, same keys and shapes.
        block_of: Block of a key, in ``[0, num_blocks)``, or None outside blocks.
        num_blocks: Number of blocks, >= 2.
        alpha: Share of the change that the first block and all outside blocks keep.
        beta: What the last block keeps beyond that.

    Raises:
        ValueError: If keys differ, a block is out of range, or there are fewer than two blocks.

    Source:
        Wang et al. 2025 (LiNeS), arXiv:2410.17146. Blocks come from the caller; the released
        program searches keys for ``.b.``, which :func:`block_by_substring` repeats.
    """
    if num_blocks < 2 or set(base) != set(task_vector):
        msg = f"num_blocks={num_blocks} must be >= 2, and base and task_vector have the same keys"
        raise ValueError(msg)
    scaled = {}
    for key, weight in base.items():
        block = block_of(key)
        if block is not None and not 0 <= block < num_blocks:
            msg = f"block {block} of {key} is not in [0, {num_blocks})"
            raise ValueError(msg)
        factor = alpha if block is None else alpha + beta * block / (num_blocks - 1)
        scaled[key] = weight + factor * task_vector[key]
    return scaled


def sum_task_vectors(base: Mapping[str, Tensor], tuned: Sequence[Mapping[str, Tensor]]) -> Weights:
    """Return the sum over models of fine-tuned minus base weights (task arithmetic).

    Args:
        base: Weights before fine-tuning, by key.
        tuned: Weights of each fine-tuned model, same keys and shapes.

    Source:
        Ilharco et al. 2023, arXiv:2212.04089.
    """
    totals = {}
    for key, weight in base.items():
        total = tuned[0][key] - weight
        for model in tuned[1:]:
            total = total + (model[key] - weight)
        totals[key] = total
    return totals


def merge_alpha(
    merged: Mapping[str, Tensor], summed: Mapping[str, Tensor], num_tasks: int
) -> float:
    """Return the alpha for merged models: ``|summed|_1 / |merged|_1 / num_tasks``.

    Args:
        merged: Task vector to be scaled, by any rule of merging.
        summed: Plain sum of the task vectors.
        num_tasks: Number of models that were merged.

    Source:
        Wang et al. 2025 (LiNeS), arXiv:2410.17146; the norms are sums of absolute values, as in
        the released program.
    """
    norms = [sum(float(x.abs().sum()) for x in weights.values()) for weights in (summed, merged)]
    return norms[0] / norms[1] / num_tasks


def block_by_substring(num_blocks: int) -> Callable[[str], int | None]:
    """Return the published rule for blocks: the lowest b for which ``.b.`` stands in the key.

    It takes ``visual_head.2.bias`` for block 2 and ``layer.11.ff.1.bias`` for block 1; prefer an
    explicit rule.

    Args:
        num_blocks: Number of blocks.

    Source:
        The released program of LiNeS.
    """

    def block_of(key: str) -> int | None:
        return next((block for block in range(num_blocks) if f".{block}." in key), None)

    return block_of
