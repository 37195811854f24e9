"""The small classifier beside a network for scans."""

import pytest
import torch

from medvlp.models.volume.class_network import ClassNetwork
from medvlp.models.volume.settings import ResNet3dSettings

IMAGE = ResNet3dSettings(depth=10, width=4)
SHAPE = (8, 16, 16)
CLASSES = ("a", "b", "c")


def test_network__is_linear_norm_relu_linear_after_the_pooled_features():
    model = ClassNetwork(IMAGE, SHAPE, "kind", CLASSES, hidden=7, seed=1).eval()
    voxels = torch.randn((2, 1, *SHAPE), generator=torch.Generator().manual_seed(0))
    shapes = {name: tuple(p.shape) for name, p in model.head.named_parameters()}
    assert shapes == {
        "0.weight": (7, model.volume_tower.dim),
        "1.weight": (7,),
        "1.bias": (7,),
        "3.weight": (3, 7),
        "3.bias": (3,),
    }
    with torch.no_grad():
        model.head[1].running_mean.copy_(torch.arange(7.0) / 100)
        model.head[1].running_var.copy_(1 + torch.arange(7.0))
        features = model.volume_tower(voxels) @ model.head[0].weight.T
        normed = (features - torch.arange(7.0) / 100) / (1 + torch.arange(7.0) + 1e-5).sqrt()
        expected = normed.clamp(min=0) @ model.head[3].weight.T + model.head[3].bias
        torch.testing.assert_close(model(voxels), expected, rtol=0, atol=1e-6)


def test_network__is_fixed_by_its_seed():
    before = torch.get_rng_state()
    first, again = (ClassNetwork(IMAGE, SHAPE, "kind", CLASSES, seed=4) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    pairs = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)


def test_network__needs_two_classes():
    with pytest.raises(ValueError, match="kind must have two classes or more"):
        ClassNetwork(IMAGE, SHAPE, "kind", ("a",))
