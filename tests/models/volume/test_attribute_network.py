"""Each attribute has a linear layer of its own on the pooled features."""

import pytest
import torch

from medvlp.models.volume.attribute_network import AttributeNetwork
from medvlp.models.volume.settings import ResNet3dSettings

SETTINGS = ResNet3dSettings(depth=10, width=2)
ATTRIBUTES = {"type": ("solid", "cystic"), "size": ("small", "middle", "large")}


def network(**more) -> AttributeNetwork:
    return AttributeNetwork(SETTINGS, (8, 16, 16), ATTRIBUTES, **more).eval()


def test_forward__is_one_linear_layer_for_each_attribute():
    model, voxels = network(), torch.rand(3, 1, 8, 16, 16)
    features = model.volume_tower(voxels)
    logits = model(voxels)
    assert list(logits) == ["type", "size"]
    for name, rows in (("type", slice(0, 2)), ("size", slice(2, 5))):
        expected = features @ model.heads.weight[rows].T + model.heads.bias[rows]
        torch.testing.assert_close(logits[name], expected, rtol=1e-6, atol=1e-6)


def test_dropout__acts_in_training_only():
    model, voxels = network(dropout=0.5), torch.rand(4, 1, 8, 16, 16)
    assert torch.equal(model(voxels)["size"], model(voxels)["size"])
    model.dropout.train()
    torch.manual_seed(0)
    assert not torch.equal(model(voxels)["size"], model(voxels)["size"])


def test_weights__are_those_of_the_seed_and_leave_the_program_random():
    before = torch.random.get_rng_state()
    one, two, other = network(), network(), network(seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.heads.weight, two.heads.weight)
    assert not torch.equal(one.heads.weight, other.heads.weight)
    assert 0.01 < one.heads.weight.std().item() < 0.03
    assert one.heads.bias.tolist() == [0.0] * 5


@pytest.mark.parametrize("attributes", [{}, {"mass": ("present",)}])
def test_network__refuses_attributes_without_a_choice(attributes):
    with pytest.raises(ValueError, match="two classes or more"):
        AttributeNetwork(SETTINGS, (8, 16, 16), attributes)
