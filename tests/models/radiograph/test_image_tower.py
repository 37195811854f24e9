"""Image networks give patches on a grid whose rows and columns are those of the image."""

import pytest
import timm
import torch

from medvlp.errors import ModelError
from medvlp.models.radiograph.image_tower import RadiographTower, build_radiograph_tower
from medvlp.models.radiograph.settings import ResNetTowerSettings, TimmTowerSettings
from tests.models.radiograph.tiny_networks import RESNET, VIT, random_pixels

SWIN = TimmTowerSettings(name="swin_tiny_patch4_window7_224", width=24)
TOWERS = [
    (VIT, 32, (4, 4), 16, "token"),
    (VIT.model_copy(update={"pooling": "mean"}), 32, (4, 4), 16, "mean"),
    (RESNET, 48, (3, 3), 32, "mean"),
    (ResNetTowerSettings(architecture="resnet18", width=8), 64, (2, 2), 64, "mean"),
    (ResNetTowerSettings(architecture="resnet50", stage=3, width=8), 32, (2, 2), 128, "mean"),
    (TimmTowerSettings(name="test_convnext"), 96, (3, 3), 64, "mean"),
]


@pytest.mark.parametrize(("settings", "px", "grid", "width", "pooling"), TOWERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_tower__gives_patches_on_a_grid(settings, px, grid, width, pooling, channels):
    tower = build_radiograph_tower(settings, px, channels).eval()
    with torch.inference_mode():
        features = tower(random_pixels(2, channels, px))
    assert features.grid == grid
    assert features.patches.shape == (2, grid[0] * grid[1], width)
    assert features.pooled.shape == (2, width) == (2, tower.dim)
    assert tower.pooling == pooling
    if pooling == "mean":
        torch.testing.assert_close(features.pooled, features.patches.mean(1))


@pytest.mark.parametrize("settings", [VIT, RESNET])
def test_tower__patches_follow_rows_then_columns(settings):
    px = 64
    tower = build_radiograph_tower(settings, px, 1, seed=1).eval()
    plain = torch.zeros(1, 1, px, px)
    spot = plain.clone()
    spot[..., 36:44, 4:12] = 5.0
    with torch.inference_mode():
        change = (tower(spot).patches - tower(plain).patches)[0].abs().sum(1)
        rows, columns = tower(plain).grid
    row, column = divmod(int(change.argmax()), columns)
    assert row in range(36 * rows // px, 43 * rows // px + 1)
    assert column in range(4 * columns // px, 11 * columns // px + 1)


def test_tower__grids_of_channels_last_networks_are_turned():
    tower = build_radiograph_tower(SWIN, 224, 1).eval()
    with torch.inference_mode():
        features = tower(random_pixels(1, 1, 224))
        raw = tower.network.forward_features(random_pixels(1, 1, 224))
    assert features.grid == tuple(raw.shape[1:3]) == (7, 7)
    torch.testing.assert_close(features.patches, raw.flatten(1, 2))


def test_tower__is_timms_network_cut_behind_its_stage():
    tower = build_radiograph_tower(RESNET, 32, 3, seed=4).eval()
    whole = timm.create_model("resnet18", num_classes=0, channels=(8, 16, 32, 64)).eval()
    state = dict(tower.network.state_dict())
    state |= {k: v for k, v in whole.state_dict().items() if k.startswith("layer4.")}
    whole.load_state_dict(state)
    whole.layer4 = torch.nn.Identity()
    pixels = random_pixels(2, 3)
    with torch.inference_mode():
        expected = whole.forward_features(pixels).flatten(2).transpose(1, 2)
        torch.testing.assert_close(tower(pixels).patches, expected)
    assert not any(name.startswith("network.layer4") for name in tower.state_dict())


def test_tower__random_weights_follow_the_seed_and_leave_the_programs_state():
    before = torch.random.get_rng_state()
    first, again, other = (
        build_radiograph_tower(VIT, 32, 1, seed=seed).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


def test_tower__positions_fit_the_size_of_the_input():
    tower = build_radiograph_tower(VIT, 48, 1)
    assert tower.network.pos_embed.shape == (1, 1 + 36, 16)
    with pytest.raises(ModelError, match="32 x 32 pixels; expected 48 x 48") as caught:
        tower(random_pixels())
    assert caught.value.code == "MV1461"


def test_tower__takes_a_residual_network_of_any_size():
    tower = build_radiograph_tower(RESNET, 32, 1).eval()
    assert tower(random_pixels(1, 1, 80)).grid == (5, 5)


def test_tower__refuses_what_it_cannot_use():
    with pytest.raises(ModelError, match="which do not divide 36") as caught:
        build_radiograph_tower(VIT, 36, 1)
    assert caught.value.code == "MV1463"
    with pytest.raises(ModelError, match="did you mean 'resnet50'") as caught:
        build_radiograph_tower(TimmTowerSettings(name="resnett50"), 32, 1)
    assert caught.value.code == "MV1402"
    with pytest.raises(ModelError, match="does not take") as caught:
        build_radiograph_tower(TimmTowerSettings(name="resnet18", depth=3), 32, 1)
    assert caught.value.code == "MV1407"
    with pytest.raises(ModelError, match="no class token") as caught:
        build_radiograph_tower(TimmTowerSettings(name="test_resnet", pooling="token"), 32, 1)
    assert caught.value.code == "MV1460"


def test_tower__refuses_a_network_without_patches():
    with pytest.raises(ModelError, match="which are no patches") as caught:
        build_radiograph_tower(TimmTowerSettings(name="naflexvit_base_patch16_gap"), 32, 1)
    assert caught.value.code == "MV1460"


def test_tower__pools_as_it_is_told():
    network = build_radiograph_tower(VIT, 32, 1).network.eval()
    token, mean = (RadiographTower(network, 16, pooling) for pooling in ("token", "mean"))
    pixels = random_pixels()
    with torch.inference_mode():
        raw = network.forward_features(pixels)
        torch.testing.assert_close(token(pixels).pooled, raw[:, 0])
        torch.testing.assert_close(mean(pixels).pooled, raw[:, 1:].mean(1))
