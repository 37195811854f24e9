"""Blocks of towers are found wherever they stand."""

import pytest
import torch
import yaml
from torch import nn

from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.dual_encoder import DualEncoder
from medvlp.training.sharded.units import shard_units, small_parameters, transformer_blocks
from tests.training.conftest import CONFIGS


@pytest.fixture(scope="module")
def network() -> DualEncoder:
    text = TextTowerSettings(width=16, layers=3, heads=2, feedforward=16)
    image = ImageTowerSettings(architecture="test_vit")
    with torch.device("meta"):
        return DualEncoder(DualEncoderSettings(embed_dim=8, image=image, text=text), 20)


def test_transformer_blocks__are_those_of_both_towers(network) -> None:
    blocks = transformer_blocks(network)
    assert blocks == [*network.image_tower.blocks, *network.text_tower.bert.encoder.layer]


def test_shard_units__go_from_the_inside_out_and_hold_every_weight(network) -> None:
    units = shard_units(network)
    assert units[-3:] == [network.image_tower, network.text_tower, network]
    assert units[:-3] == transformer_blocks(network)


def test_transformer_blocks__are_the_outermost_ones() -> None:
    def block() -> nn.Module:
        inner = nn.ModuleList([nn.Sequential(nn.Linear(2, 2)) for _ in range(2)])
        return nn.ModuleDict({"inner": inner})

    network = nn.ModuleDict({"layers": nn.ModuleList([block(), block()])})
    assert transformer_blocks(network) == list(network["layers"])


@pytest.mark.parametrize(
    "network",
    [
        nn.Linear(2, 2),
        nn.Sequential(nn.Linear(2, 2), nn.GELU(), nn.Linear(2, 2)),
        nn.ModuleList([nn.Sequential(nn.GELU()) for _ in range(2)]),
    ],
)
def test_transformer_blocks__are_none_where_nothing_is_repeated(network) -> None:
    assert transformer_blocks(network) == []
    assert shard_units(network) == [network]


def test_text_config__has_seven_billion_weights_in_blocks_of_a_fortieth_at_most() -> None:
    document = yaml.safe_load((CONFIGS / "keep" / "stage2_7b_text_fsdp.yaml").read_text())
    settings = DualEncoderSettings(**document["model"]["encoder"])
    with torch.device("meta"):
        network = DualEncoder(settings, 32000)
    counts = [sum(p.numel() for p in block.parameters()) for block in transformer_blocks(network)]
    total = sum(p.numel() for p in network.parameters())
    assert sum(p.numel() for p in network.text_tower.parameters()) == 7_110_660_096
    assert total == 7_418_534_401
    assert len(counts) == 24 + 32
    assert max(counts) == 218_112_000
    ranks = document["trainer"]["devices"] * document["trainer"]["num_nodes"]
    rows = (-(-p.shape[0] // ranks) * p[0].numel() for p in network.parameters() if p.ndim)
    assert 16 * sum(rows) < 1.9e9  # bytes of weights, gradients and moments on a rank


def test_small_parameters__are_those_without_an_axis(network) -> None:
    assert small_parameters(network) == {network.logit_scale}
