"""The order of samples depends on seed and epoch only, however many ranks share the work."""

import numpy as np
import pytest

from medvlp.data.sampler import Draw, GlobalOrderSampler, epoch_order


def test_epoch_order__is_a_permutation_that_seed_and_epoch_fix():
    first = epoch_order(50, seed=3, epoch=2)
    assert sorted(first.tolist()) == list(range(50))
    np.testing.assert_array_equal(first, epoch_order(50, seed=3, epoch=2))
    assert first.tolist() != epoch_order(50, seed=3, epoch=3).tolist()
    assert first.tolist() != epoch_order(50, seed=4, epoch=2).tolist()


def test_sampler__reads_whole_batches_once_each_epoch():
    sampler = GlobalOrderSampler(23, 5, seed=0)
    draws = list(sampler)
    assert len(draws) == len(sampler) == 20
    assert len({draw.index for draw in draws}) == 20
    assert draws == list(sampler)
    sampler.set_epoch(1)
    assert {draw.epoch for draw in sampler} == {1}
    assert [d.index for d in sampler] != [d.index for d in draws]


@pytest.mark.parametrize("num_ranks", [1, 2, 4])
def test_sampler__joins_to_the_same_global_batches_on_any_number_of_ranks(num_ranks):
    expected = epoch_order(30, seed=1, epoch=0)[:24].reshape(3, 8)
    ranks = [
        GlobalOrderSampler(30, 8, seed=1, rank=r, num_ranks=num_ranks) for r in range(num_ranks)
    ]
    parts = [np.array([d.index for d in rank]).reshape(3, -1) for rank in ranks]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), expected)


def test_draw__can_be_a_key():
    assert len({Draw(0, 1), Draw(0, 1), Draw(1, 1)}) == 2


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (
            {"count": 9, "batch_size": 5, "num_ranks": 2},
            "cannot take an equal part of batch_size 5",
        ),
        ({"count": 9, "batch_size": 4, "rank": 2, "num_ranks": 2}, "rank 2 of 2"),
        ({"count": 3, "batch_size": 4}, "3 samples do not fill one batch of 4"),
    ],
)
def test_sampler__refuses_what_cannot_be_shared_out(arguments, phrase):
    with pytest.raises(ValueError, match=phrase):
        GlobalOrderSampler(seed=0, **arguments)
