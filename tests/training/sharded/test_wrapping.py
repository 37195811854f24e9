"""One rank builds; all get their parts of it."""

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy
from torch.distributed.tensor import DTensor

from medvlp.training.sharded.export import gather_weights
from medvlp.training.sharded.wrapping import built_on_rank_0, divide, gather_units
from tests.worlds import run_in_worlds

pytestmark = pytest.mark.distributed


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x).relu()


class Tower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, :2]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = Tower()
        self.filter = nn.Conv2d(3, 5, 2).to(memory_format=torch.channels_last)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.filter.bias.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        grid = x[:, :, None, None].expand(-1, -1, 2, 2)
        return (self.tower(x).sum() + self.filter(grid).sum()) * self.scale


def build(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    module = nn.Module()
    module.network = Network()
    module.register_buffer("mean", torch.full((2,), float(seed)), persistent=False)
    module.offset = nn.ParameterDict({"offset": torch.tensor(1.0)})
    return module


def build_and_divide(rank, world_size, folder) -> None:
    # two ranks divide; of four, two divide and the other two repeat them
    if world_size == 4:
        mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("repeat", "shard"))
    else:
        mesh = init_device_mesh("cpu", (world_size,))
    with built_on_rank_0():
        module = build(seed=rank)
    assert {p.device.type for p in module.parameters()} == {"meta" if rank else "cpu"}
    divide(module, mesh, torch.device("cpu"), precision=MixedPrecisionPolicy())
    expected = build(seed=0)
    network = module.network
    assert isinstance(network.tower.blocks[1], FSDPModule)
    assert not isinstance(network.scale, DTensor)
    assert float(network.scale.detach()) == 2.0
    assert not isinstance(module.offset["offset"], DTensor)
    assert module.mean.tolist() == [0.0, 0.0]
    assert "mean" not in module.state_dict()
    assert not network.filter.bias.requires_grad
    for (name, ours), theirs in zip(module.named_parameters(), expected.parameters(), strict=True):
        if ours.ndim:
            assert ours.to_local().numel() < theirs.numel(), name
            assert torch.equal(ours.full_tensor(), theirs), name
        assert ours.requires_grad == theirs.requires_grad, name
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    loss = network(x)
    assert torch.allclose(loss, expected.network(x), rtol=1e-6, atol=0)
    loss.backward()
    expected.network(x).backward()
    for (name, ours), theirs in zip(module.named_parameters(), expected.parameters(), strict=True):
        if ours.ndim and ours.requires_grad and theirs.grad is not None:
            assert torch.allclose(ours.grad.full_tensor(), theirs.grad, rtol=1e-4, atol=1e-5), name
    if rank == 1:
        gather_units(module)
    else:
        with torch.no_grad():
            network(x)
    gather_weights(module)
    if rank == 0:
        state = module.state_dict()
        assert list(state) == list(expected.state_dict())
        assert not any(isinstance(value, DTensor) for value in state.values())
        assert torch.equal(state["network.filter.weight"], expected.network.filter.weight)


def test_divide__hands_out_what_rank_0_built_and_gather_brings_it_back(tmp_path) -> None:
    run_in_worlds(build_and_divide, [2, 4], tmp_path)
