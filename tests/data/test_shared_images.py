"""Tests of the memory that images are loaded into."""

import gc

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from medvlp.data.shared_images import new_images

SHAPE = (2, 3, 3, 3)


class Numbered(Dataset):
    """Images that all hold their batch's number, and where they lie in the loader process."""

    def __getitem__(self, number):
        images = new_images(SHAPE)
        images.numpy()[:] = number
        return images, images.data_ptr()


def loaded(dataset, numbers, **options):
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=list(numbers),
        num_workers=1,
        multiprocessing_context="fork",
        **options,
    )


def test_new_images__are_plain_memory_in_the_process_that_trains():
    images = new_images((2, 4, 5, 3))
    assert (images.shape, images.dtype) == ((2, 4, 5, 3), torch.uint8)
    assert not images.is_shared()


def test_new_images__lie_in_four_places_however_many_batches_there_are():
    places = set()
    for number, (images, place) in enumerate(loaded(Numbered(), range(30))):
        assert images.shape == SHAPE
        assert images.unique().tolist() == [number]
        places.add(place)
    assert len(places) <= 4


def test_new_images__stay_as_they_are_while_any_part_of_them_is_held():
    whole = [images for images, _ in loaded(Numbered(), range(12))]
    assert [images.unique().tolist() for images in whole] == [[n] for n in range(12)]
    parts = [images[1:, 0] for images, _ in loaded(Numbered(), range(12))]
    arrays = [images[1].numpy() for images, _ in loaded(Numbered(), range(12))]
    gc.collect()
    assert [int(part.max()) for part in parts] == list(range(12))
    assert [int(array.min()) for array in arrays] == list(range(12))


class Failing(Numbered):
    def __getitem__(self, number):
        given = super().__getitem__(number)
        if number % 3:
            return None, 0  # the images are let go of, unsent
        return given


def test_new_images__serve_again_where_a_batch_has_failed():
    given = [(int(i[0, 0, 0, 0]), p) for i, p in loaded(Failing(), range(30)) if i is not None]
    assert [number for number, _ in given] == list(range(0, 30, 3))
    assert len({place for _, place in given}) <= 4


class InParts(Numbered):
    def __getitem__(self, number):
        images, place = super().__getitem__(number)
        return images, images, images[1:], images[:1], place


def test_new_images__sent_in_parts_or_twice_are_all_right_for_as_long_as_they_are_held():
    kept = []
    for number, given in enumerate(loaded(InParts(), range(12))):
        kept.append(given[number % 4])
    gc.collect()
    assert [part.unique().tolist() for part in kept] == [[n] for n in range(12)]
    assert [len(part) for part in kept[:4]] == [2, 2, 1, 1]


class Turned(Dataset):
    def __getitem__(self, number):
        images = new_images(SHAPE)
        images.view(-1).copy_(torch.arange(54) + number)
        return [images.permute(0, 3, 1, 2), images.view(torch.int8), images][number % 3]


def test_new_images__seen_otherwise_come_as_they_are_seen():
    values = torch.arange(54, dtype=torch.uint8)
    for number, given in enumerate(loaded(Turned(), range(6))):
        images = (values + number).view(SHAPE)
        expected = [images.permute(0, 3, 1, 2), images.view(torch.int8), images][number % 3]
        assert given.dtype == expected.dtype
        assert torch.equal(given, expected)


class Growing(Dataset):
    def __getitem__(self, number):
        images = new_images((number, 5, 5, 3))
        images.numpy()[:] = number
        return images, images.data_ptr()


def test_new_images__grow_and_may_be_none():
    sizes = [1, 0, 2, 3, 7, 5, 7, 6, 0, 7, 7, 7, 7, 7, 7]
    given = [(images.shape, images.unique().tolist()) for images, _ in loaded(Growing(), sizes)]
    assert given == [((n, 5, 5, 3), [n] if n else []) for n in sizes]


def test_new_images__are_let_go_of_by_an_epoch_that_is_left_early():
    loader = loaded(Numbered(), range(12), persistent_workers=True)
    places = set()
    for _ in range(8):
        for number, (images, place) in enumerate(loader):
            assert images.unique().tolist() == [number]
            places.add(place)
            if number == 2:
                break
    assert len(places) <= 4


@pytest.mark.parametrize("strategy", ["file_descriptor", "file_system"])
def test_new_images__come_over_by_either_of_torchs_ways_of_sharing(strategy):
    before = torch.multiprocessing.get_sharing_strategy()
    torch.multiprocessing.set_sharing_strategy(strategy)
    try:
        given = [images.unique().tolist() for images, _ in loaded(Numbered(), range(12))]
    finally:
        torch.multiprocessing.set_sharing_strategy(before)
    assert given == [[number] for number in range(12)]
