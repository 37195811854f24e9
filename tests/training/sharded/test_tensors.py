"""Rows of the first axis, rank after rank."""

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

from medvlp.errors import DataError
from medvlp.training.sharded.tensors import (
    divided_like,
    fill,
    fill_module,
    is_divided,
    local_part,
    made_whole,
)
from tests.worlds import run_in_worlds

pytestmark = pytest.mark.distributed


def divide_and_join(rank, world_size, folder) -> None:
    results = {}
    shape = (2, 2) if world_size == 4 else (world_size,)
    mesh = init_device_mesh("cpu", shape)
    placements = [Replicate(), Shard(0)] if world_size == 4 else [Shard(0)]
    for rows in (7, 2, 1):
        whole = torch.arange(rows * 3.0).reshape(rows, 3)
        theirs = distribute_tensor(whole, mesh, placements)
        ours = divided_like(whole, theirs)
        assert is_divided(ours)
        assert not is_divided(whole)
        assert torch.equal(ours.to_local(), theirs.to_local())
        assert torch.equal(local_part(whole, theirs), theirs.to_local())
        assert torch.equal(made_whole(ours), whole)
        fill(ours, whole + 1)
        assert torch.equal(made_whole(ours), whole + 1)
        assert torch.equal(whole[0], torch.arange(3.0))  # a copy was filled
        results[rows] = ours.to_local()
    torch.save(results, folder / f"{world_size}_{rank}.pt")


def test_divided_tensors__lie_as_torch_divides_them_and_come_back_whole(tmp_path) -> None:
    run_in_worlds(divide_and_join, [3, 4], tmp_path)
    sizes = [len(torch.load(tmp_path / f"3_{rank}.pt", weights_only=True)[7]) for rank in range(3)]
    assert sizes == [3, 3, 1]


@pytest.fixture
def alone(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


def test_local_part__refuses_another_axis(alone) -> None:
    like = distribute_tensor(torch.zeros(2, 2), alone, [Shard(1)])
    with pytest.raises(ValueError, match="is not divided along its first axis"):
        local_part(torch.zeros(2, 2), like)


def test_fill_module__takes_names_and_shapes_that_agree_only() -> None:
    module = nn.Linear(2, 3)
    state = {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}
    fill_module(module, state, "a state")
    assert torch.equal(module.weight, torch.ones(3, 2))
    for wrong in ({"weight": torch.ones(3, 2)}, state | {"bias": torch.zeros(1)}):
        with pytest.raises(DataError, match=r"a state does not hold .* bias differ") as caught:
            fill_module(module, wrong, "a state")
        assert caught.value.code == "MV1862"
