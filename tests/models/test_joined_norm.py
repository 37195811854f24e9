"""Batch norms over ranks: the values, gradients and statistics of the joined batch."""

import copy

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn

from medvlp.errors import ModelError
from medvlp.models.joined_norm import (
    JoinedBatchNorm,
    join_batch_norms,
    part_batch_norms,
    rows_are_copies,
)
from tests.worlds import run_in_worlds

SIZES = (2, 0, 3)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    built = nn.Sequential(
        nn.Conv2d(2, 3, 3),
        nn.BatchNorm2d(3, momentum=None),
        BatchNormAct2d(3),
        nn.Flatten(),
        nn.BatchNorm1d(12, affine=False),
        nn.Linear(12, 1),
    )
    for parameter in built.parameters():
        nn.init.normal_(parameter)
    return built.double()


def rows() -> torch.Tensor:
    return torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(1)).double()


def learn(model: nn.Module, mine: slice) -> dict[str, torch.Tensor]:
    """Return what two steps leave: gradients of the sum over all ranks, and buffers."""
    x = rows()
    weight = torch.arange(1.0, 6.0).unsqueeze(1)[mine]
    for _ in range(2):
        (model(x[mine]) * weight).sum().backward()
    found = {name: p.grad for name, p in model.named_parameters()}
    return found | {name: b.clone() for name, b in model.named_buffers()}


def work(rank, world_size, folder):
    model = join_batch_norms(network())
    start = sum(SIZES[:rank])
    found = learn(model, slice(start, start + SIZES[rank]))
    with rows_are_copies():
        found["copies"] = learn(join_batch_norms(network()), slice(None))["4.running_var"]
    torch.save(found, folder / f"rank{rank}.pt")


@pytest.mark.slow
@pytest.mark.distributed
def test_joined_batch_norm__has_gradients_and_statistics_of_the_joined_batch(tmp_path):
    run_in_worlds(work, [3], tmp_path)
    expected = learn(network(), slice(None))
    ranks = [torch.load(tmp_path / f"rank{i}.pt", weights_only=True) for i in range(3)]
    for each in ranks:
        torch.testing.assert_close(each.pop("copies"), expected["4.running_var"])
    assert expected.keys() == ranks[0].keys()
    for name, value in expected.items():
        is_buffer = "running" in name or "tracked" in name
        actual = ranks[2][name] if is_buffer else sum(each[name] for each in ranks)
        torch.testing.assert_close(actual, value, rtol=1e-9, atol=1e-9, msg=name)


def test_join__keeps_the_weights_and_their_names_and_can_be_undone():
    model, x = network(), rows()
    before = {name: id(p) for name, p in model.named_parameters()}
    kinds = [type(each) for each in model]
    with torch.no_grad():
        expected, buffers = copy.deepcopy(model)(x), list(model.state_dict())
    joined = join_batch_norms(model)
    assert [type(joined[i]) for i in (1, 2, 4)] == [JoinedBatchNorm] * 3
    assert {name: id(p) for name, p in joined.named_parameters()} == before
    assert list(joined.state_dict()) == buffers
    joined.float().eval()
    parted = part_batch_norms(joined)
    assert [type(each) for each in parted] == kinds
    assert not any(each.training for each in parted)
    assert parted[1].running_mean.dtype == torch.float32
    torch.testing.assert_close(parted.double().train()(x), expected)
    single = join_batch_norms(nn.BatchNorm1d(2))
    torch.testing.assert_close(single.eval()(torch.ones(1, 2)), torch.ones(1, 2), rtol=1e-4, atol=0)


def test_join__refuses_what_it_does_not_know():
    class Own(nn.BatchNorm2d):
        pass

    with pytest.raises(ModelError, match=r"MV1880: the network has a Own"):
        join_batch_norms(nn.Sequential(Own(3)))
