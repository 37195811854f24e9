import numpy as np
import torch

from medvlp.losses.relations import pack_related, transpose_related, unpack_related


def random_table(size):
    return torch.rand(size, size, generator=torch.Generator().manual_seed(size)) < 0.3


def test_pack_related__packs_as_numpy_does_with_the_lowest_bit_first():
    for size in (1, 8, 11, 16):
        table = random_table(size)
        expected = np.packbits(table.numpy(), axis=1, bitorder="little")
        assert np.array_equal(pack_related(table).numpy(), expected)


def test_unpack_related__gives_back_the_rows_asked_for():
    table = random_table(11)
    rows = torch.tensor([10, 0, 3, 3])
    actual = unpack_related(pack_related(table), rows)
    assert torch.equal(actual[:, :11], table[rows])
    assert not actual[:, 11:].any()


def test_transpose_related__exchanges_rows_and_columns():
    table = random_table(13)
    assert torch.equal(transpose_related(pack_related(table)), pack_related(table.T))
