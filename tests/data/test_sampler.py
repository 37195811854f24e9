import json
import pickle
from dataclasses import asdict, replace
from itertools import islice

import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset

from medvlp.data.groups import GroupBatches
from medvlp.data.ignore import ConceptRelation
from medvlp.data.order import OrderSettings, SamplerState
from medvlp.data.sampler import GlobalOrderSampler, rank_slice
from medvlp.errors import DataError

NUM_SAMPLES = 1000
GROUP_ID = np.random.default_rng(0).integers(0, 60, NUM_SAMPLES)
PLAIN = OrderSettings(seed=7, batch_size=16)
GROUPED = OrderSettings(
    seed=7, batch_size=16, groups=GroupBatches(groups_per_batch=4, samples_per_group=4)
)


def build(settings=PLAIN, **place):
    group_id = GROUP_ID if settings.groups else None
    return GlobalOrderSampler(NUM_SAMPLES, settings, group_id=group_id, **place)


def steps(sampler):
    """Endless steps of a training loop: yields (epoch, share) and advances after each."""
    while True:
        epoch = sampler.epoch
        for share in sampler:
            yield epoch, share
            sampler.advance()


def joined(samplers, num_steps):
    """Global batches that several ranks make together, step by step."""
    loops = [steps(sampler) for sampler in samplers]
    for _ in range(num_steps):
        shares = [next(loop) for loop in loops]
        assert len({epoch for epoch, _ in shares}) == 1
        yield [draw for _, share in shares for draw in share]


@pytest.mark.parametrize("settings", [PLAIN, GROUPED], ids=["plain", "groups"])
def test_global_order_sampler__gives_the_same_ten_thousand_batches_on_1_2_and_4_ranks(settings):
    worlds = [
        joined([build(settings, rank=r, num_ranks=num) for r in range(num)], 10_000)
        for num in (1, 2, 4)
    ]
    num_steps = 0
    for one, two, four in zip(*worlds, strict=True):
        assert one == two == four
        num_steps += 1
    assert num_steps == 10_000


@pytest.mark.parametrize("settings", [PLAIN, GROUPED], ids=["plain", "groups"])
def test_global_order_sampler__resumes_exactly_at_any_step_on_other_ranks(settings):
    num_steps = 10_000
    sampler = build(settings)
    states, batches = [], []
    for _ in range(num_steps):
        states.append((sampler.epoch, sampler.samples_consumed))
        number = sampler.samples_consumed // 16
        batches.append(sampler.global_batch(sampler.epoch, number).tolist())
        sampler.advance()
    order_hash, order = sampler.order_hash, sampler.state().order
    for step in range(0, num_steps - 3, 101):
        epoch, consumed = states[step]
        state = SamplerState(
            epoch=epoch, samples_consumed=consumed, order_hash=order_hash, order=order
        )
        ranks = [build(settings, rank=r, num_ranks=4) for r in range(4)]
        for rank in ranks:
            rank.load_state(state)
        resumed = [[draw.index for draw in batch] for batch in joined(ranks, 3)]
        assert resumed == batches[step : step + 3]


def test_global_order_sampler__covers_every_sample_once_in_an_epoch():
    sampler = build(replace(PLAIN, last_batch="keep"))
    indices = [draw.index for share in sampler for draw in share]
    assert sorted(indices) == list(range(NUM_SAMPLES))
    assert indices != sorted(indices)


def test_global_order_sampler__drops_or_keeps_the_last_batch():
    assert len(build()) == 62
    kept = build(replace(PLAIN, last_batch="keep"), rank=0, num_ranks=4)
    sizes = [len(share) for share in kept]
    assert len(kept) == len(sizes) == 63
    assert sizes[-2:] == [4, 2]


def test_global_order_sampler__keeps_the_order_of_the_manifest_when_asked():
    sampler = build(replace(PLAIN, shuffle=False))
    assert [draw.index for draw in next(iter(sampler))] == list(range(16))
    assert sampler.global_batch(1, 61).tolist() == list(range(976, 992))


def test_global_order_sampler__iterating_changes_nothing():
    sampler = build()
    ahead = list(islice(sampler, 10))
    assert (sampler.epoch, sampler.samples_consumed, len(sampler)) == (0, 0, 62)
    sampler.advance(3)
    assert (sampler.samples_consumed, len(sampler)) == (48, 59)
    assert next(iter(sampler)) == ahead[3]


def test_set_epoch__begins_another_epoch_and_leaves_the_current_one_alone():
    sampler = build()
    sampler.advance(3)
    sampler.sampler.set_epoch(0)
    assert (sampler.epoch, sampler.samples_consumed) == (0, 48)
    sampler.sampler.set_epoch(1)
    assert (sampler.epoch, sampler.samples_consumed) == (1, 0)


def test_global_order_sampler__tells_every_rank_the_samples_of_all():
    shares = [next(iter(build(rank=rank, num_ranks=2))) for rank in range(2)]
    together = [draw.index for share in shares for draw in share]
    assert [share.global_index.tolist() for share in shares] == [together, together]


def test_global_order_sampler__numbers_the_repeats_of_a_sample():
    group_id = np.array([0, 1, 1, 1])
    settings = OrderSettings(
        seed=0, batch_size=6, groups=GroupBatches(groups_per_batch=2, samples_per_group=3)
    )
    sampler = GlobalOrderSampler(4, settings, group_id=group_id)
    draws = list(next(iter(sampler)))
    assert sorted(draw.repeat for draw in draws if draw.index == 0) == [0, 1, 2]
    assert [draw.repeat for draw in draws if draw.index > 0] == [0, 0, 0]


def test_global_order_sampler__state_survives_json():
    sampler = build(GROUPED)
    sampler.advance(5)
    stored = json.loads(json.dumps(asdict(sampler.state())))
    other = build(GROUPED, rank=1, num_ranks=2)
    other.load_state(SamplerState(**stored))
    assert (other.epoch, other.samples_consumed) == (0, 80)


def test_global_order_sampler__refuses_the_state_of_another_order():
    state = build().state()
    with pytest.raises(DataError, match=r"MV1752: .*; batch_size: 16 there, 32 here;"):
        build(replace(PLAIN, batch_size=32)).load_state(state)


def test_global_order_sampler__refuses_ranks_that_do_not_divide_the_batch():
    expected = r"MV1750: batch_size=16 does not divide over 3 ranks; .* 15 or 18 are nearest"
    with pytest.raises(DataError, match=expected):
        build(rank=0, num_ranks=3)


def test_global_order_sampler__refuses_more_ranks_than_a_batch_has_samples():
    expected = r"MV1750: batch_size=16 does not divide over 32 ranks; .* one sample each"
    with pytest.raises(DataError, match=expected):
        build(rank=0, num_ranks=32)


def test_global_order_sampler__refuses_a_batch_that_is_not_there():
    with pytest.raises(IndexError, match="epoch 0 has 62 batches, got number 62"):
        build().global_batch(0, 62)


@pytest.mark.parametrize(("num_samples", "num_ranks"), [(16, 4), (10, 4), (3, 4), (0, 2)])
def test_rank_slice__cuts_a_batch_evenly(num_samples, num_ranks):
    parts = [rank_slice(num_samples, rank, num_ranks) for rank in range(num_ranks)]
    joined_parts = [index for part in parts for index in range(num_samples)[part]]
    sizes = [part.stop - part.start for part in parts]
    assert joined_parts == list(range(num_samples))
    assert max(sizes) - min(sizes) <= 1


class Echo(Dataset):
    def __getitem__(self, draw):
        return draw


def test_global_order_sampler__serves_a_data_loader_as_batch_sampler():
    sampler = build(rank=1, num_ranks=2)
    loader = DataLoader(Echo(), batch_sampler=sampler, collate_fn=list)
    assert list(islice(loader, 3)) == list(islice(sampler, 3))


def test_batch_share__travels_to_worker_processes():
    share = next(iter(build(rank=1, num_ranks=2)))
    copy = pickle.loads(pickle.dumps(share))  # noqa: S301 - our own bytes
    assert copy == share
    assert np.array_equal(copy.global_index, share.global_index)
    assert copy.global_index[copy.rows].tolist() == [draw.index for draw in share]


def test_batch_share__carries_what_the_ignore_table_of_all_ranks_needs():
    # Concept of sample i: i % 7 of a chain 0 <- 1 <- ... <- 5; 6 stands alone.
    relation = ConceptRelation.from_parents(
        np.array([0, 0, 1, 2, 3, 4, 5, 5]), np.array([0, 1, 2, 3, 4])
    )
    concepts = np.arange(NUM_SAMPLES) % 7
    shares = [next(iter(build(rank=rank, num_ranks=4))) for rank in range(4)]
    tables = [relation.table(concepts[share.global_index]) for share in shares]
    assert all(np.array_equal(table.related, tables[0].related) for table in tables)
    for share, table in zip(shares, tables, strict=True):
        mine = table.labels[table.index[share.rows]]
        assert mine.tolist() == [concepts[draw.index] for draw in share]
