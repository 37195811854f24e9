"""Chunks give the results, gradients and statistics that they give when kept in memory."""

import copy

import pytest
import torch
from torch import nn

from medvlp.models.volume.chunked import embed_in_chunks


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(1, 3, 3), nn.BatchNorm3d(3), nn.ReLU(), nn.Dropout(0.3), nn.Flatten()
    ).double()


@pytest.mark.parametrize(("rows", "chunk_size"), [(8, 3), (7, 7), (5, 100), (6, 2)])
def test_embed_in_chunks__is_the_module_on_chunks_with_its_gradients_and_statistics(
    rows, chunk_size
):
    module, inputs = network(), torch.randn(rows, 1, 4, 4, 4).double()
    plain = copy.deepcopy(module)
    for wanted in (True, False):
        module.train(wanted)
        plain.train(wanted)
        torch.manual_seed(1)
        actual = embed_in_chunks(module, inputs, chunk_size)
        torch.manual_seed(1)
        number = -(-rows // chunk_size)
        parts = [plain(inputs[start::number]) for start in range(number)]
        expected = torch.empty_like(actual)
        for start, part in enumerate(parts):
            expected[start::number] = part
        torch.testing.assert_close(actual, expected, rtol=0, atol=0)
        for model, result in ((module, actual), (plain, expected)):
            model.zero_grad()
            result.pow(3).sum().backward()
        for ours, theirs in zip(module.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-12)
        for ours, theirs in zip(module.buffers(), plain.buffers(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert int(module[1].num_batches_tracked) == len(parts)
