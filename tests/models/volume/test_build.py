"""One function builds every network, by a seed, and leaves the program's random state alone."""

import pytest
import torch

from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.settings import (
    InflatedVitSettings,
    MonaiResNetSettings,
    ResNet3dSettings,
    SegResNetSettings,
    SwinUnetrSettings,
)

NETWORKS = [
    ResNet3dSettings(depth=10, width=4),
    MonaiResNetSettings(depth=10, widen=0.0625),
    SegResNetSettings(init_filters=4, blocks=(1, 1)),
    SwinUnetrSettings(feature_size=12, window=4),
    InflatedVitSettings(model="test_vit", patch_zyx=(8, 16, 16)),
]
SHAPE = (32, 32, 64)
of_every_network = pytest.mark.parametrize(
    "settings", NETWORKS, ids=lambda settings: settings.architecture
)


@of_every_network
def test_build_volume_tower__gives_features_and_the_map_of_places(settings):
    tower = build_volume_tower(settings, SHAPE).eval()
    x = torch.randn(2, 1, *SHAPE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features, places = tower(x), tower.feature_map(x)
    assert features.shape == (2, tower.dim)
    assert places.shape[:2] == (2, tower.dim)
    assert places.ndim == 5
    assert not torch.allclose(features[0], features[1])


@of_every_network
def test_build_volume_tower__draws_weights_by_its_seed_only(settings):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    first = build_volume_tower(settings, SHAPE).state_dict()
    assert torch.equal(torch.rand(4), expected)
    torch.manual_seed(4)
    second = build_volume_tower(settings, SHAPE).state_dict()
    other = build_volume_tower(settings, SHAPE, seed=1).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())


@of_every_network
def test_build_volume_tower__is_trained_by_a_step(settings):
    tower = build_volume_tower(settings, SHAPE).train()
    x = torch.randn(2, 1, *SHAPE, generator=torch.Generator().manual_seed(0))
    tower(x).square().sum().backward()
    unused = [name for name, weight in tower.named_parameters() if weight.grad is None]
    assert unused == []


def test_build_volume_tower__refuses_a_tag_without_effect():
    with pytest.raises(ValueError, match="resnet3d is not inflated from weights of timm"):
        build_volume_tower(NETWORKS[0], SHAPE, tag="augreg_in21k")
