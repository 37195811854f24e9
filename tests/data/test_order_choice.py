"""Settings of the order that do not go together are refused by name."""

import pytest

from medvlp.data.blocks import BlockShuffle
from medvlp.data.groups import GroupBatches
from medvlp.data.order_choice import pairs_order
from medvlp.errors import UsageError

GROUPS = GroupBatches(groups_per_batch=4, samples_per_group=2)


def test_pairs_order__takes_groups_or_blocks():
    assert pairs_order(1, 8, GROUPS, None).groups == GROUPS
    assert pairs_order(1, 8, None, BlockShuffle()).blocks == BlockShuffle()
    with pytest.raises(UsageError, match=r"MV1002: data.groups and data.blocks are both given"):
        pairs_order(1, 8, GROUPS, BlockShuffle())
    with pytest.raises(UsageError, match="is not groups_per_batch"):
        pairs_order(1, 9, GROUPS, None)
