"""What the released networks have in common: how they see pixels and names of their parts."""

import pytest
import torch

from medvlp.models.radiograph.build import build_finding_network
from medvlp.models.radiograph.released import project_patches
from tests.models.radiograph.tiny_networks import (
    VOCAB_SIZE,
    random_pixels,
    random_tensor,
    tiny_carzero,
    tiny_kad,
    tiny_mavl,
    tiny_medklip,
)

PARTS = {
    "medklip": {"res_l1", "res_l2", "disease_embedding_layer", "cl_fc", "classifier"},
    "kad": {"res_l1", "res_l2", "mlp_embed", "mlp_head"},
    "mavl": {
        *("res_l1", "res_l2", "pool", "disease_embedding_layer", "location_emb", "classifier"),
        "temp",
    },
    "carzero": {"mlp_head", "continues"},
}


@pytest.mark.parametrize(
    "settings",
    [tiny_medklip(), tiny_kad(), tiny_mavl(), tiny_carzero()],
    ids=lambda s: s.architecture,
)
def test_released__parts_bear_the_published_names(settings):
    network = build_finding_network(settings, VOCAB_SIZE)
    names = {name.split(".")[0] for name in network.state_dict()}
    assert names == PARTS[settings.architecture] | {"image_tower", "text_tower", "decoder"}
    assert "decoder.layers.1.multihead_attn.in_proj_weight" in network.state_dict()
    has_self = any(".self_attn." in name for name in network.decoder.state_dict())
    assert has_self == (settings.architecture != "carzero")


def test_released__pixels_are_repeated_and_normalised_per_channel():
    settings = tiny_kad()
    network = build_finding_network(settings, VOCAB_SIZE).eval()
    pixels = random_pixels()
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (settings.mean, settings.std))
    with torch.no_grad():
        expected = network.image_tower((pixels.expand(-1, 3, -1, -1) - mean) / std)
        actual = network.image_features(pixels)
        colour = network.image_features(pixels.expand(-1, 3, -1, -1))
    torch.testing.assert_close(actual.patches, expected.patches)
    torch.testing.assert_close(colour.patches, expected.patches)


def test_project_patches__is_two_layers_with_relu():
    first, second = torch.nn.Linear(4, 4), torch.nn.Linear(4, 3)
    patches = random_tensor(2, 5, 4)
    hidden = (patches @ first.weight.T + first.bias).clamp(min=0)
    torch.testing.assert_close(
        project_patches(patches, first, second), hidden @ second.weight.T + second.bias
    )
