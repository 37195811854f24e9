"""Weights of colour networks and other sizes give a grey image what they gave before."""

import pytest
import timm
import torch
from timm.layers.pos_embed import resample_abs_pos_embed

from medvlp.errors import ModelError
from medvlp.models.radiograph.image_tower import build_radiograph_tower
from medvlp.models.radiograph.settings import ResNetTowerSettings
from medvlp.models.radiograph.tower_weights import fit_kernel, take_image_weights
from tests.models.radiograph.tiny_networks import VIT, random_pixels, random_tensor

WIDTHS = (8, 16, 32, 64)


def colour_resnet() -> torch.nn.Module:
    return timm.create_model("resnet18", num_classes=5, channels=WIDTHS).eval()


def colour_vit(px: int) -> torch.nn.Module:
    return timm.create_model(
        VIT.name, num_classes=5, img_size=px, embed_dim=16, depth=1, num_heads=2, patch_size=8
    ).eval()


@pytest.mark.parametrize("stage", [3, 4])
def test_take_image_weights__grey_image_gives_what_its_colours_gave(stage):
    source = colour_resnet()
    settings = ResNetTowerSettings(architecture="resnet18", stage=stage, width=8)
    tower = build_radiograph_tower(settings, 32, 1, seed=3).eval()
    take_image_weights(tower, source.state_dict(), "here")
    if stage == 3:
        source.layer4 = torch.nn.Identity()
    grey = random_pixels(2, 1)
    with torch.inference_mode():
        expected = source.forward_features(grey.expand(-1, 3, -1, -1))
        actual = tower(grey).patches
    torch.testing.assert_close(actual, expected.flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-5)


def test_take_image_weights__of_the_same_size_are_kept_bit_for_bit():
    source = colour_vit(32)
    tower = build_radiograph_tower(VIT, 32, 3, seed=3).eval()
    take_image_weights(tower, source.state_dict(), "here")
    pixels = random_pixels(2, 3)
    with torch.inference_mode():
        expected = source.forward_features(pixels)
        assert torch.equal(tower(pixels).pooled, expected[:, 0])


def test_take_image_weights__interpolates_positions():
    source = colour_vit(32)
    tower = build_radiograph_tower(VIT, 64, 1, seed=3)
    take_image_weights(tower, source.state_dict(), "here")
    expected = resample_abs_pos_embed(source.pos_embed, new_size=[8, 8], num_prefix_tokens=1)
    torch.testing.assert_close(tower.network.pos_embed, expected)
    kernel = tower.network.patch_embed.proj.weight
    torch.testing.assert_close(kernel, source.patch_embed.proj.weight.sum(1, keepdim=True))


def test_take_image_weights__refuses_other_names_and_shapes():
    tower = build_radiograph_tower(VIT, 32, 1)
    weights = colour_vit(32).state_dict()
    del weights["norm.weight"]
    with pytest.raises(ModelError, match=r"norm\.weight") as caught:
        take_image_weights(tower, weights, "here")
    assert caught.value.code == "MV1409"
    wide = {name: torch.zeros(7) for name in colour_vit(32).state_dict()}
    with pytest.raises(ModelError) as caught:
        take_image_weights(tower, {**colour_vit(32).state_dict(), **wide}, "here")
    assert caught.value.code == "MV1409"


@pytest.mark.parametrize(("old", "new"), [(3, 1), (1, 3), (3, 3)])
def test_fit_kernel__keeps_the_answer_to_grey(old, new):
    kernel = random_tensor(4, old, 3, 3, dtype=torch.float64)
    grey = random_tensor(2, 1, 6, 6, seed=1, dtype=torch.float64)
    fitted = fit_kernel(kernel, new)
    assert fitted.shape == (4, new, 3, 3)
    torch.testing.assert_close(
        torch.nn.functional.conv2d(grey.expand(-1, new, -1, -1), fitted),
        torch.nn.functional.conv2d(grey.expand(-1, old, -1, -1), kernel),
        rtol=0,
        atol=1e-12,
    )
