"""Fine-tuned networks judge images and pixels; the head is what it is said to be."""

import pytest
import torch

from medvlp.models.radiograph.tuned_networks import RadiographClassNetwork, RadiographMaskNetwork
from tests.models.radiograph.tiny_networks import PX, tiny_model_settings

SETTINGS = tiny_model_settings()


def test_class_network__is_a_norm_and_a_line_on_the_pooled_vector():
    network = RadiographClassNetwork(SETTINGS, ("a", "b", "c"), "multi-label", seed=1).eval()
    pixels = torch.rand(2, 1, PX, PX)
    pooled = network._features(pixels).pooled
    norm, line = network.head
    expected = torch.nn.functional.layer_norm(pooled, (pooled.shape[1],)) @ line.weight.T
    torch.testing.assert_close(network(pixels), expected + line.bias, rtol=0, atol=1e-5)
    assert norm.normalized_shape == (pooled.shape[1],)


def test_mask_network__gives_a_logit_of_each_class_for_each_pixel():
    network = RadiographMaskNetwork(SETTINGS, ("background", "lesion"), width=8, seed=1).eval()
    logits = network(torch.rand(2, 1, PX, PX))
    assert logits.shape == (2, 2, PX, PX)
    assert torch.isfinite(logits).all()


def test_mask_network__looks_where_the_pixel_is():
    network = RadiographMaskNetwork(SETTINGS, ("background", "lesion"), width=8, seed=1).eval()
    patches = torch.zeros(1, 4, network.image_tower.dim)
    features = network._features(torch.rand(1, 1, PX, PX))
    patches = torch.zeros_like(features.patches)
    patches[:, 0] = 10.0  # the first patch lies in the upper left corner
    network._features = lambda pixels: features._replace(patches=patches)
    change = (network(torch.rand(1, 1, PX, PX)) - network.head[-1].bias[:, None, None]).abs().sum(1)
    rows, cols = change[0].sum(1), change[0].sum(0)
    assert rows[: PX // 2].sum() > rows[PX // 2 :].sum()
    assert cols[: PX // 2].sum() > cols[PX // 2 :].sum()


def test_networks__refuse_too_few_classes():
    with pytest.raises(ValueError, match="one-of needs more classes"):
        RadiographClassNetwork(SETTINGS, ("a",), "one-of")
    with pytest.raises(ValueError, match="a background and a class"):
        RadiographMaskNetwork(SETTINGS, ("a",))
