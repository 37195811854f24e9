"""The norm over all ranks is that of one process."""

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

from medvlp.training.sharded.clipping import (
    ShardedPrecision,
    average_whole_gradients,
    clip_to_norm,
    gradient_norm,
)
from tests.worlds import run_in_worlds

pytestmark = pytest.mark.distributed


def parameters() -> list[nn.Parameter]:
    draw = torch.Generator().manual_seed(0)
    made = [nn.Parameter(torch.zeros(shape)) for shape in ((5, 3), (4,), ())]
    for parameter in made:
        parameter.grad = torch.randn(parameter.shape, generator=draw)
    return [*made, nn.Parameter(torch.zeros(2))]  # the last has no gradient


def divided(mesh, placements) -> list[nn.Parameter]:
    found = []
    for parameter in parameters():
        if parameter.ndim == 0:
            found.append(parameter)
            continue
        made = nn.Parameter(distribute_tensor(parameter.detach(), mesh, placements))
        if parameter.grad is not None:
            made.grad = distribute_tensor(parameter.grad, mesh, placements)
        found.append(made)
    return found


def compare(rank, world_size, folder) -> None:
    shape = (2, 2) if world_size == 4 else (world_size,)
    mesh = init_device_mesh("cpu", shape)
    placements = [Replicate(), Shard(0)] if world_size == 4 else [Shard(0)]
    expected = parameters()
    norm = nn.utils.clip_grad_norm_(expected, 0.5)
    actual = divided(mesh, placements)
    assert torch.allclose(gradient_norm(actual), norm, rtol=1e-6, atol=0)
    assert torch.allclose(clip_to_norm(actual, 0.5), norm, rtol=1e-6, atol=0)
    for ours, theirs in zip(actual, expected, strict=True):
        if theirs.grad is not None:
            grad = ours.grad.full_tensor() if hasattr(ours.grad, "full_tensor") else ours.grad
            assert torch.allclose(grad, theirs.grad, rtol=1e-6, atol=0)
    whole, part = actual[2], actual[0]
    whole.grad = torch.tensor(float(rank))
    before = part.grad.to_local().clone()
    average_whole_gradients(actual)
    assert float(whole.grad) == (world_size - 1) / 2
    assert torch.equal(part.grad.to_local(), before)
    optimizer = torch.optim.SGD(actual)
    ShardedPrecision().clip_grad_by_value(optimizer, 0.125)
    assert all(float(p.grad.full_tensor().abs().max()) <= 0.125 for p in actual[:2])
    ShardedPrecision().clip_grad_by_norm(optimizer, 0.01)
    assert abs(float(gradient_norm(actual)) - 0.01) < 1e-6


def test_clip_to_norm__is_that_of_one_process(tmp_path) -> None:
    run_in_worlds(compare, [2, 4], tmp_path)


def test_gradient_norm__of_nothing_is_0() -> None:
    assert float(gradient_norm([nn.Parameter(torch.zeros(2))])) == 0.0
    assert float(clip_to_norm(parameters(), 1e9)) > 0
