from collections import Counter

import numpy as np
import pytest

from medvlp.data.groups import GroupBatches, group_batch_order
from medvlp.errors import DataError

# Group 0 has 7 members, group 1 has 4, group 2 has 2, groups 3 to 6 have 4 each.
SIZES = [7, 4, 2, 4, 4, 4, 4]
GROUP_ID = np.random.default_rng(0).permutation(np.repeat(np.arange(7), SIZES))


def chunks(settings, epoch=0, group_id=GROUP_ID, **kwargs):
    order = group_batch_order(group_id, settings, seed=3, epoch=epoch, **kwargs)
    return order.reshape(-1, settings.groups_per_batch, settings.samples_per_group)


@pytest.mark.parametrize("coverage", ["every_sample", "one_chunk"])
def test_group_batch_order__gives_distinct_groups_of_one_group_each(coverage):
    settings = GroupBatches(groups_per_batch=3, samples_per_group=2, coverage=coverage)
    for batch in chunks(settings):
        groups = GROUP_ID[batch]
        assert (groups == groups[:, :1]).all()
        assert len(set(groups[:, 0])) == 3


def test_group_batch_order__holds_every_member_once_and_fills_the_last_chunk():
    settings = GroupBatches(groups_per_batch=1, samples_per_group=4)
    flat = chunks(settings).reshape(-1, 4)
    assert sorted(Counter(GROUP_ID[flat[:, 0]]).items()) == [(0, 2)] + [(g, 1) for g in range(1, 7)]
    for group, size in enumerate(SIZES):
        members = flat[GROUP_ID[flat[:, 0]] == group].ravel()
        counts = Counter(members.tolist())
        assert len(counts) == size
        assert sum(counts.values()) == max(-(-size // 4) * 4, 4)


def test_group_batch_order__takes_one_chunk_of_each_group_when_asked():
    settings = GroupBatches(groups_per_batch=1, samples_per_group=4, coverage="one_chunk")
    flat = chunks(settings).reshape(-1, 4)
    assert sorted(GROUP_ID[flat[:, 0]].tolist()) == list(range(7))
    large = flat[GROUP_ID[flat[:, 0]] == 0]
    assert len(set(large.ravel().tolist())) == 4


def test_group_batch_order__puts_the_anchor_into_every_chunk_of_a_large_group():
    is_anchor = np.zeros(len(GROUP_ID), dtype=bool)
    anchors = {group: int(np.flatnonzero(GROUP_ID == group)[1]) for group in range(7)}
    is_anchor[list(anchors.values())] = True
    settings = GroupBatches(groups_per_batch=1, samples_per_group=3, with_anchor=True)
    flat = chunks(settings, is_anchor=is_anchor).reshape(-1, 3)
    for group, size in enumerate(SIZES):
        mine = flat[GROUP_ID[flat[:, 0]] == group]
        others = set(np.flatnonzero(GROUP_ID == group).tolist()) - {anchors[group]}
        if size < 3:
            assert set(mine.ravel().tolist()) == others | {anchors[group]}
            continue
        assert len(mine) == -(-(size - 1) // 2)
        assert (mine[:, -1] == anchors[group]).all()
        assert set(mine[:, :-1].ravel().tolist()) == others


def test_group_batch_order__is_a_function_of_seed_and_epoch():
    settings = GroupBatches(groups_per_batch=3, samples_per_group=2)
    first = group_batch_order(GROUP_ID, settings, seed=1, epoch=0)
    assert np.array_equal(first, group_batch_order(GROUP_ID, settings, seed=1, epoch=0))
    assert not np.array_equal(first, group_batch_order(GROUP_ID, settings, seed=1, epoch=1))
    assert not np.array_equal(first, group_batch_order(GROUP_ID, settings, seed=2, epoch=0))


def test_group_batch_order__does_not_depend_on_the_names_of_groups():
    settings = GroupBatches(groups_per_batch=3, samples_per_group=2)
    expected = group_batch_order(GROUP_ID, settings, seed=1, epoch=0)
    actual = group_batch_order(GROUP_ID * 1000 - 5, settings, seed=1, epoch=0)
    assert np.array_equal(actual, expected)


def test_group_batch_order__draws_every_group_with_equal_chance():
    group_id = np.repeat(np.arange(10), 2)
    settings = GroupBatches(groups_per_batch=3, samples_per_group=2)
    firsts = Counter(
        int(group_id[group_batch_order(group_id, settings, seed=0, epoch=epoch)[0]])
        for epoch in range(2000)
    )
    assert list(firsts.values()) == pytest.approx([200] * 10, abs=60)


def test_group_batch_order__drops_what_does_not_fill_a_batch():
    # Nine chunks of size 2 in one group cannot be joined by another group more than once.
    group_id = np.array([0] * 18 + [1] * 2)
    settings = GroupBatches(groups_per_batch=2, samples_per_group=2)
    assert len(group_batch_order(group_id, settings, seed=0, epoch=0)) == 4


def test_group_batch_order__refuses_two_anchors():
    settings = GroupBatches(groups_per_batch=1, samples_per_group=2, with_anchor=True)
    is_anchor = GROUP_ID == 2
    with pytest.raises(DataError, match="MV1765: group 2 has 2 anchors"):
        group_batch_order(GROUP_ID, settings, seed=0, epoch=0, is_anchor=is_anchor)


def test_group_batches__refuses_a_chunk_that_only_holds_the_anchor():
    with pytest.raises(ValueError, match="samples_per_group >= 2 with an anchor"):
        GroupBatches(groups_per_batch=1, samples_per_group=1, with_anchor=True)
