"""Blocks are shuffled, every sample comes once an epoch, and memory does not grow with the data."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from medvlp.data.blocks import BlockShuffle, block_epoch, block_starts
from medvlp.data.groups import GroupBatches
from medvlp.data.order import OrderSettings, SamplerState
from medvlp.data.sampler import GlobalOrderSampler
from medvlp.errors import DataError

SHARDS = np.repeat(np.arange(5), (70, 1, 64, 33, 90))
SETTINGS = OrderSettings(
    seed=3, batch_size=8, blocks=BlockShuffle(samples=16, mixed=3), last_batch="keep"
)


def build(settings=SETTINGS, **place):
    return GlobalOrderSampler(len(SHARDS), settings, shard_number=SHARDS, **place)


def epoch_of(sampler, epoch):
    parts = [sampler.global_batch(epoch, k) for k in range(sampler.num_batches(epoch))]
    return np.concatenate(parts)


def test_block_starts__cuts_within_shards():
    starts = block_starts(10, 4, np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 2]))
    assert starts.tolist() == [0, 4, 5, 8, 10]
    assert block_starts(10, 4).tolist() == [0, 4, 8, 10]


def test_block_epoch__has_every_sample_once_and_another_order_each_time():
    orders = [epoch_of(build(), epoch) for epoch in range(3)]
    for order in orders:
        assert sorted(order.tolist()) == list(range(len(SHARDS)))
    assert len({order.tobytes() for order in orders}) == 3
    assert epoch_of(build(replace(SETTINGS, seed=4)), 0).tobytes() != orders[0].tobytes()


def test_block_epoch__reads_at_few_places_at_a_time():
    starts = block_starts(len(SHARDS), 16, SHARDS)
    order = block_epoch(starts, BlockShuffle(samples=16, mixed=3), seed=0, epoch=0)
    block = np.searchsorted(starts, order.part(0, len(order)), side="right") - 1
    seen = []
    for number in block.tolist():
        if number not in seen[-3:]:
            seen.append(number)
    assert len(set(block[:16].tolist())) == 3
    assert len(seen) <= 2 * (len(starts) - 1)
    firsts = {number: int(np.flatnonzero(block == number)[0]) for number in set(block.tolist())}
    lasts = {number: int(np.flatnonzero(block == number)[-1]) for number in firsts}
    assert max(lasts[number] - firsts[number] for number in firsts) < 3 * 16


def test_block_epoch__asks_for_parts_anywhere_and_holds_one_mixture():
    shuffle = BlockShuffle(samples=1000, mixed=4)
    order = block_epoch(block_starts(10**7, 1000), shuffle, seed=1, epoch=2)
    assert len(order) == 10**7
    part = order.part(5_432_100, 5_432_356)
    assert len(set(part.tolist())) == 256
    assert np.array_equal(order.part(5_432_200, 5_432_300), part[100:200])
    assert len(order.part(10**7 - 3, 10**7 + 5)) == 3
    assert order._cached[1].nbytes <= 8 * 4000


@pytest.mark.parametrize("num_ranks", [1, 2, 4])
def test_sampler__gives_equal_global_batches_on_any_number_of_ranks(num_ranks):
    whole = [list(share) for share in build()]
    shares = [list(build(rank=rank, num_ranks=num_ranks)) for rank in range(num_ranks)]
    joined = [[draw for part in parts for draw in part] for parts in zip(*shares, strict=True)]
    assert joined == whole


def test_sampler__goes_on_within_an_epoch_and_refuses_another_order():
    first = build()
    batches = list(first)
    first.advance(7)
    second = build(rank=0, num_ranks=1)
    second.load_state(SamplerState(**asdict(first.state())))
    assert list(second) == batches[7:]
    other = replace(SETTINGS, blocks=BlockShuffle(samples=16, mixed=4))
    with pytest.raises(DataError, match=r"MV1752: .*mixed"):
        build(other).load_state(first.state())
    moved = GlobalOrderSampler(len(SHARDS), SETTINGS, shard_number=SHARDS[::-1])
    with pytest.raises(DataError, match=r"MV1752: .*starts_hash"):
        moved.load_state(first.state())


def test_order_hash__is_what_it_was_where_no_blocks_are_shuffled():
    state = GlobalOrderSampler(100, OrderSettings(seed=1, batch_size=10), data_hash="x").state()
    assert state.order_hash == "872e7ab6437ee4a6"
    assert "blocks" not in state.order


def test_block_shuffle__refuses_settings_without_sense():
    with pytest.raises(ValueError, match="samples=0"):
        BlockShuffle(samples=0)
    groups = GroupBatches(groups_per_batch=4, samples_per_group=2)
    with pytest.raises(ValueError, match="without groups"):
        replace(SETTINGS, groups=groups, last_batch="drop")
