"""Which order pairs are trained in, from the settings of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.data.order import OrderSettings
from medvlp.errors import UsageError

if TYPE_CHECKING:
    from medvlp.data.blocks import BlockShuffle
    from medvlp.data.groups import GroupBatches

__all__ = ["pairs_order"]


def pairs_order(
    seed: int, batch_size: int, groups: GroupBatches | None, blocks: BlockShuffle | None
) -> OrderSettings:
    """Return the order of pairs in training, or say which settings do not go together.

    Args:
        seed: Seed of the run.
        batch_size: Number of pairs of a global batch.
        groups: How batches of groups are made.
        blocks: How blocks of pairs are shuffled.

    Raises:
        UsageError: MV1002.
    """
    if groups is not None and blocks is not None:
        raise UsageError(
            "MV1002",
            "data.groups and data.blocks are both given",
            expected="one of them: batches of groups are drawn from all pairs",
        )
    if groups is not None:
        if groups.with_anchor:
            raise UsageError(
                "MV1002",
                "data.groups.with_anchor is set, and pairs have no anchors",
                expected="false",
            )
        needed = groups.groups_per_batch * groups.samples_per_group
        if batch_size != needed:
            raise UsageError(
                "MV1002",
                f"data.batch_size={batch_size} is not groups_per_batch * samples_per_group",
                expected=str(needed),
            )
    return OrderSettings(seed=seed, batch_size=batch_size, groups=groups, blocks=blocks)
