"""Tests of the memory that images are loaded into."""

import torch
from torch.utils.data import DataLoader, Dataset

from medvlp.data.batch import new_images


class Shapes(Dataset):
    def __getitem__(self, index):
        images = new_images((2, 3, 3, 3))
        images.numpy()[:] = index
        return images, images.is_shared()


def test_new_images__are_plain_memory_in_the_process_that_trains():
    images = new_images((2, 4, 5, 3))
    assert (images.shape, images.dtype) == ((2, 4, 5, 3), torch.uint8)
    assert not images.is_shared()


def test_new_images__are_shared_memory_from_the_start_in_a_loader_process():
    loader = DataLoader(
        Shapes(), batch_size=None, sampler=[4, 7], num_workers=1, multiprocessing_context="fork"
    )
    given = list(loader)
    assert [shared for _, shared in given] == [True, True]
    assert [images.unique().tolist() for images, _ in given] == [[4], [7]]
    assert given[0][0].shape == (2, 3, 3, 3)
