"""Earlier layers learn more slowly: as worked by hand, and as timm's own groups do."""

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from medvlp.errors import UsageError
from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.dual_encoder import DualEncoder
from medvlp.training.layer_decay import layer_shares
from medvlp.training.optimization import OptimizerSettings, build_optimizer
from medvlp.training.towers import towers_of


class Tower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.blocks = nn.Sequential(*(nn.Sequential(nn.Linear(2, 2)) for _ in range(3)))
        self.norm = nn.LayerNorm(2)


def test_layer_shares__worked_by_hand():
    # 3 blocks: layers 0, 1, 2, 3 and 4 with 0.5 ** (4 - layer)
    network = nn.ModuleDict({"some_tower": Tower(), "head": nn.Linear(2, 1)})
    shares = layer_shares(network, towers_of(network), 0.5)
    assert shares == {
        "some_tower.first.weight": 0.0625,
        "some_tower.first.bias": 0.0625,
        **{
            f"some_tower.blocks.{at}.0.{kind}": 0.125 * 2**at
            for at in range(3)
            for kind in ("weight", "bias")
        },
        "some_tower.norm.weight": 1.0,
        "some_tower.norm.bias": 1.0,
    }


@pytest.mark.parametrize("architecture", ["test_vit", "vit_tiny_patch16_224"])
def test_layer_shares__are_those_of_timm_but_for_the_last_norm(architecture):
    # timm counts the last norm with the last block, BEiT's code and ours with the head
    tower = timm.create_model(architecture, num_classes=2)
    groups = param_groups_layer_decay(tower, layer_decay=0.7)
    expected = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    shares = layer_shares(tower, {"image_tower": tower}, 0.7)
    weights = dict(tower.named_parameters())
    assert shares.keys() == weights.keys()
    for name, weight in weights.items():
        above = 0.7 if name.startswith("norm.") else 1.0
        assert shares[name] * above == pytest.approx(expected[id(weight)], rel=1e-12), name


def test_layer_shares__follow_a_residual_network_and_a_bert():
    settings = DualEncoderSettings(
        embed_dim=8,
        image=ImageTowerSettings(architecture="resnet18"),
        text=TextTowerSettings(width=16, layers=3, heads=2, feedforward=16, max_tokens=8),
    )
    network = DualEncoder(settings, 40)
    shares = layer_shares(network, towers_of(network), 0.5)
    assert shares["image_tower.conv1.weight"] == 0.5**9  # 8 blocks
    assert shares["image_tower.layer1.0.conv1.weight"] == 0.5**8
    assert shares["image_tower.layer4.1.conv1.weight"] == 0.5
    assert shares["text_tower.bert.embeddings.word_embeddings.weight"] == 0.5**4
    assert shares["text_tower.bert.encoder.layer.2.output.dense.bias"] == 0.5
    assert not {"logit_scale", "text_projection.weight"} & shares.keys()


def test_build_optimizer__has_every_weight_once_with_its_share_and_its_tower_s_rate():
    network = nn.ModuleDict({"some_tower": Tower(), "head": nn.Linear(2, 1)})
    shares = layer_shares(network, towers_of(network), 0.5)
    settings = OptimizerSettings(
        learning_rate=0.1,
        weight_decay=0.3,
        layer_decay=0.5,
        rates=({"pattern": "some_tower.*", "learning_rate": 0.01},),
    )
    groups = build_optimizer(network, settings, shares=shares).param_groups
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in network.parameters())
    found = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    for name, weight in network.named_parameters():
        rate = 0.1 if name.startswith("head") else 0.01 * shares[name]
        assert found[id(weight)] == (pytest.approx(rate), 0.3 * (weight.ndim >= 2)), name


def test_layer_shares__refuse_a_tower_without_blocks():
    network = nn.ModuleDict({"a_tower": nn.Linear(2, 2)})
    with pytest.raises(UsageError, match="a_tower is a Linear") as caught:
        layer_shares(network, towers_of(network), 0.5)
    assert caught.value.code == "MV1870"


def test_fused__changes_weights_as_the_loop_does():
    weights = []
    for fused in (False, True):
        tower = Tower()
        with torch.no_grad():
            for number, weight in enumerate(tower.parameters()):
                weight.fill_(0.1 * number)
        optimizer = build_optimizer(tower, OptimizerSettings(learning_rate=0.1), fused=fused)
        assert bool(optimizer.defaults["fused"]) is fused
        for weight in tower.parameters():
            weight.grad = torch.full_like(weight, 0.5)
        optimizer.step()
        weights.append(torch.cat([p.detach().flatten() for p in tower.parameters()]))
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-6, atol=1e-7)
