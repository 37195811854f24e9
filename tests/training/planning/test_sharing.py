"""What a strategy makes of weights, gradients and messages."""

import pytest
import torch
from torch import nn

from medvlp.training.planning.sharing import Sharing, largest_unit, sharing_of
from medvlp.training.sharded.strategy import FullySharded

PATH = f"{FullySharded.__module__}.{FullySharded.__qualname__}"


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("auto", Sharing()),
        ("ddp", Sharing()),
        ({"class_path": "x.DDPStrategy"}, Sharing()),
        (
            {"class_path": "x.DDPStrategy", "init_args": {"gradient_as_bucket_view": False}},
            Sharing(has_buckets=True),
        ),
        (
            {"class_path": "x.DDPStrategy", "dict_kwargs": {"gradient_as_bucket_view": False}},
            Sharing(has_buckets=True),
        ),
        ("fsdp2", Sharing(16, is_divided=True)),
        ({"class_path": PATH}, Sharing(16, is_divided=True)),
        ({"class_path": PATH, "init_args": {"shard_over": "node"}}, Sharing(8, is_divided=True)),
        (
            {"class_path": PATH, "init_args": {"reshard_after_forward": False}},
            Sharing(16, is_divided=True, reshards=False),
        ),
    ],
)
def test_sharing_of__reads_the_strategy(strategy, expected):
    assert sharing_of(strategy, ranks=16, gpus_per_node=8) == expected


def test_sharing_of__copies_nothing_on_one_rank():
    strategy = {"class_path": "x", "init_args": {"gradient_as_bucket_view": False}}
    assert sharing_of(strategy, ranks=1, gpus_per_node=1) == Sharing()


def test_moved_bytes__by_hand():
    kinds = {"weights": 100, "trained": 80, "width": 4, "gathered": 2}
    assert Sharing().moved_bytes(**kinds) == 2 * 80 * 4
    assert Sharing(2, is_divided=True).moved_bytes(**kinds) == 2 * 100 * 2 + 80 * 4
    assert Sharing(2, True, reshards=False).moved_bytes(**kinds) == 100 * 2 + 80 * 4


def test_largest_unit__is_a_block_or_what_stands_beside_the_blocks():
    with torch.device("meta"):
        block = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 10))
        tower = nn.ModuleDict({"blocks": nn.ModuleList([block, block]), "rest": nn.Linear(10, 4)})
        wide = nn.ModuleDict({"blocks": nn.ModuleList([block]), "table": nn.Embedding(1000, 10)})
    assert largest_unit([tower]) == 220
    assert largest_unit([tower, wide]) == 10_000
    assert largest_unit([]) == 0
