"""Batches of bags keep to a budget, follow (seed, epoch), and are equal on any number of ranks."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from medvlp.data.bag_batches import BagSampler, BagsDataset, collate_bags, pad_bags
from medvlp.data.bags import read_bags
from medvlp.data.loading import OrderedLoader
from medvlp.data.order import SamplerState
from medvlp.data.sampler import Draw
from medvlp.errors import DataError
from tests.data.bag_folders import write_bags

BAG_LENGTHS = np.random.default_rng(0).integers(1, 101, 203)


def sampler(**options):
    chosen = {"tokens": 800, "multiple": 4, "bucket": 32, "seed": 5, **options}
    return BagSampler(BAG_LENGTHS, **chosen)


def epoch_of(bags, epoch):
    return [bags.global_batch(epoch, k).tolist() for k in range(bags.num_batches(epoch))]


def test_bag_sampler__keeps_to_the_budget_and_takes_every_bag_once():
    for epoch in range(3):
        batches = epoch_of(sampler(), epoch)
        seen = [bag for batch in batches for bag in batch]
        assert len(seen) == len(set(seen)) == 200
        for batch in batches:
            assert len(batch) % 4 == 0
            assert len(batch) * BAG_LENGTHS[batch].max() <= 800
    used = sum(BAG_LENGTHS[batch].sum() for batch in batches)
    padded = sum(len(batch) * BAG_LENGTHS[batch].max() for batch in batches)
    assert used / padded > 0.75
    assert epoch_of(sampler(), 0) == epoch_of(sampler(), 0) != epoch_of(sampler(), 1)


def test_bag_sampler__gives_ranks_parts_of_the_same_batches_and_goes_on_anywhere():
    whole = [list(share) for share in sampler()]
    for num_ranks in (2, 4):
        ranks = [sampler(rank=rank, num_ranks=num_ranks) for rank in range(num_ranks)]
        parts = zip(*map(list, ranks), strict=True)
        assert [[draw for share in shares for draw in share] for shares in parts] == whole
    first = sampler()
    first.advance(7)
    second = sampler(rank=0, num_ranks=1)
    second.load_state(SamplerState(**asdict(first.state())))
    assert list(second) == whole[7:]
    second.advance(len(whole) - 7)
    assert (second.epoch, second.samples_consumed) == (1, 0)


def test_bag_sampler__refuses_what_does_not_fit():
    state = sampler().state()
    with pytest.raises(DataError, match=r"MV1752: .*tokens: 800 there, 900 here"):
        sampler(tokens=900).load_state(state)
    sizes = [len(batch) for batch in epoch_of(sampler(), 0)]
    between = next(n for n in range(0, 200, 4) if n not in (0, *np.cumsum(sizes).tolist()))
    with pytest.raises(DataError, match=r"MV1753: .*bag"):
        sampler().load_state(replace(state, samples_consumed=between))
    with pytest.raises(DataError, match="MV1824: tokens=399 do not hold 4 bags of 100 rows"):
        sampler(tokens=399)
    with pytest.raises(DataError, match="MV1750"):
        sampler(num_ranks=3)
    with pytest.raises(ValueError, match="bucket must be a multiple of 4"):
        sampler(bucket=30)


def test_bags_dataset__draws_rows_by_seed_epoch_and_index(tmp_path):
    written = write_bags(tmp_path / "bags")
    manifest = read_bags(tmp_path / "bags")
    dataset = BagsDataset(manifest, "train", most_rows=10, seed=1)
    assert dataset.lengths.tolist() == [5, 10, 10, 7, 10, 10]
    row, bag = dataset[Draw(0, 1)]
    again = BagsDataset(manifest, "train", most_rows=10, seed=1)
    again[Draw(0, 4)]
    assert torch.equal(bag.features, again[Draw(0, 1)][1].features)
    assert not torch.equal(bag.features, again[Draw(1, 1)][1].features)
    whole = written[row.bag_id].astype(np.float16)
    places = [int(np.flatnonzero((whole == tile).all(1))[0]) for tile in bag.features.numpy()]
    assert places == sorted(set(places))
    with pytest.raises(DataError, match=r"MV1822: .* no bags in split 'test'"):
        BagsDataset(manifest, "test", most_rows=10, seed=1)


def test_ordered_loader__gives_batches_of_bags(tmp_path):
    write_bags(tmp_path / "bags")
    dataset = BagsDataset(read_bags(tmp_path / "bags"), "train", most_rows=10, seed=1)
    order = BagSampler(dataset.lengths, tokens=20, seed=1)
    names = []
    for ids, bags in OrderedLoader(dataset, order, collate_bags, num_workers=0):
        features, mask = pad_bags(bags)
        assert features.shape[:2] == mask.shape
        assert features.shape[0] * features.shape[1] <= 20
        assert torch.equal(features[mask], bags.features)
        assert bags.coords_px0.shape == (len(bags.features), 2)
        assert bags.num_rows == len(ids)
        names += ids
    assert sorted(names) == [f"slide{n}" for n in range(6)]
