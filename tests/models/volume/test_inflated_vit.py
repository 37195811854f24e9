"""Inflated vision transformers: a box of equal slices gives what the image of a slice gives."""

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from torch import nn
from torch.nn import functional

from medvlp.errors import ModelError
from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.inflated_vit import (
    InflatedVit,
    build_flat_vit,
    inflate_kernel,
    inflate_positions,
)
from medvlp.models.volume.settings import InflatedVitSettings
from tests.models.conftest import filled_randomly

SIDE = 160  # of the images that timm's small test networks take


def settings_of(model: str = "test_vit", patch=(4, 16, 16), **more) -> InflatedVitSettings:
    return InflatedVitSettings(model=model, patch_zyx=patch, **more)


def grey(count: int = 2, height: int = SIDE, width: int = SIDE) -> torch.Tensor:
    return torch.randn(count, 1, height, width, generator=torch.Generator().manual_seed(3))


def flat_and_inflated(settings: InflatedVitSettings, shape):
    """Return timm's network and the inflated one, with the same random weights."""
    flat = filled_randomly(build_flat_vit(settings)).eval()
    other = timm.create_model(settings.model, num_classes=0).eval()
    other.load_state_dict(flat.state_dict())
    return other, InflatedVit(flat, settings, shape).eval()


@pytest.mark.parametrize("inflation", ["centre", "mean"])
@pytest.mark.parametrize("model", ["test_vit", "test_vit2", "test_vit3", "test_vit4"])
def test_inflated_vit__of_one_layer_of_patches_equals_timm_on_the_grey_image(model, inflation):
    settings = settings_of(model, inflation=inflation)
    other, tower = flat_and_inflated(settings, (4, SIDE, SIDE))
    image = grey()
    with torch.no_grad():
        expected = other(image.expand(-1, 3, -1, -1))
        actual = tower(image[:, :, None].expand(-1, -1, 4, -1, -1))
    assert actual.shape == (2, tower.dim)
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-5 * float(expected.abs().max()))


def test_inflated_vit__by_the_centre_sees_the_middle_slice_only():
    other, tower = flat_and_inflated(settings_of(), (4, SIDE, SIDE))
    image = grey()
    box = torch.randn(2, 1, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(8))
    box[:, :, 2] = image
    with torch.no_grad():
        expected = other(image.expand(-1, 3, -1, -1))
        actual = tower(box)
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-5 * float(expected.abs().max()))


def test_inflated_vit__puts_each_patch_at_its_place_in_the_feature_map():
    patch, shape = (2, 16, 32), (6, 64, 96)
    tower = build_volume_tower(settings_of(patch=patch), shape).eval()
    network = tower.network
    network.blocks, network.norm = nn.Identity(), nn.Identity()
    x = torch.randn(2, 1, *shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        network.pos_embed.zero_()
        actual = tower.feature_map(x)
    kernel, bias = network.patch_embed.proj.weight, network.patch_embed.proj.bias
    assert (tower.grid, tuple(actual.shape)) == ((3, 4, 3), (2, 64, 3, 4, 3))
    for place in np.ndindex(3, 4, 3):
        corner = [at * side for at, side in zip(place, patch, strict=True)]
        cut = tuple(slice(start, start + side) for start, side in zip(corner, patch, strict=True))
        expected = torch.einsum("bpqr,dpqr->bd", x[(slice(None), 0, *cut)], kernel[:, 0]) + bias
        torch.testing.assert_close(
            actual[(slice(None), slice(None), *place)], expected, rtol=0, atol=1e-5
        )


@pytest.mark.parametrize("pool", ["avg", "token"])
def test_inflated_vit__pools_as_asked(pool):
    settings = settings_of("test_vit", patch=(4, 32, 32), global_pool=pool)
    tower = build_volume_tower(settings, (8, 64, 64)).eval()
    x = torch.randn(1, 1, 8, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        tokens = tower.network.forward_features(x)
        pooled = tokens[:, 1:].mean(1) if pool == "avg" else tokens[:, 0]
        expected = tower.network.fc_norm(pooled)
        torch.testing.assert_close(tower(x), expected, rtol=0, atol=1e-5)


def test_inflate_kernel__adds_colours_and_keeps_the_sum_over_slices():
    kernel = torch.arange(24.0).reshape(2, 3, 2, 2)
    grey_kernel = kernel[:, 0] + kernel[:, 1] + kernel[:, 2]
    centre = inflate_kernel(kernel, (3, 2, 2), "centre")
    mean = inflate_kernel(kernel, (3, 2, 2), "mean")
    assert torch.equal(centre[:, 0, 1], grey_kernel)
    assert not centre[:, 0, [0, 2]].any()
    for inflated in (centre, mean):
        assert tuple(inflated.shape) == (2, 1, 3, 2, 2)
        torch.testing.assert_close(inflated[:, 0].sum(1), grey_kernel, rtol=1e-6, atol=0)
    assert torch.equal(mean[:, 0, 0], mean[:, 0, 2])


def test_inflate_kernel__of_a_larger_patch_gives_the_tokens_of_the_enlarged_image():
    generator = torch.Generator().manual_seed(6)
    kernel, patches = (torch.randn(5, 3, 4, 4, generator=generator) for _ in range(2))
    patches = patches[:, :1]
    enlarged = functional.interpolate(patches, (8, 12), mode="bicubic", antialias=True)
    expected = torch.einsum("bhw,dhw->bd", patches[:, 0], kernel.sum(1))
    inflated = inflate_kernel(kernel, (1, 8, 12), "centre")
    actual = torch.einsum("bhw,dhw->bd", enlarged[:, 0], inflated[:, 0, 0])
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-3)


def test_inflate_positions__interpolates_the_plane_and_repeats_it():
    table = torch.randn(1, 1 + 6, 5, generator=torch.Generator().manual_seed(1))
    actual = inflate_positions(table, (2, 3), (2, 4, 6), num_prefix=1)
    plane = table[:, 1:].reshape(1, 2, 3, 5).permute(0, 3, 1, 2)
    plane = functional.interpolate(plane, (4, 6), mode="bicubic", antialias=True)
    expected = plane.flatten(2).transpose(1, 2)
    assert tuple(actual.shape) == (1, 1 + 48, 5)
    assert torch.equal(actual[:, :1], table[:, :1])
    for part in (actual[:, 1:25], actual[:, 25:]):
        torch.testing.assert_close(part, expected, rtol=0, atol=1e-6)


def test_inflated_vit__starts_from_trained_weights_of_timm(monkeypatch, tmp_path):
    trained = filled_randomly(timm.create_model("test_vit"), seed=9)
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(trained.state_dict(), path)
    monkeypatch.setattr("timm.models._hub.hf_hub_download", lambda *a, **k: str(path))
    tower = build_volume_tower(settings_of(), (4, SIDE, SIDE), tag="r160_in1k").eval()
    trained.reset_classifier(0)
    image = grey()
    with torch.no_grad():
        expected = trained.eval()(image.expand(-1, 3, -1, -1))
        actual = tower(image[:, :, None].expand(-1, -1, 4, -1, -1))
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-5 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("model", "grid_tokens", "dim"),
    [
        ("vit_small_patch16_224", 1 + 512, 384),
        ("vit_base_patch14_reg4_dinov2", 512, 768),
        ("vit_base_patch16_siglip_224", 512, 768),
    ],
)
def test_inflated_vit__takes_the_usual_networks(model, grid_tokens, dim):
    with torch.device("meta"):
        tower = build_volume_tower(settings_of(model), (32, 128, 128))
        x = torch.zeros(2, 1, 32, 128, 128)
        shapes = tuple(tower.feature_map(x).shape), tuple(tower(x).shape)
    assert tower.network.pos_embed.shape[1] == grid_tokens
    assert shapes == ((2, dim, 8, 8, 8), (2, dim))


@pytest.mark.parametrize(
    "model", ["eva02_tiny_patch14_224", "deit_tiny_distilled_patch16_224", "vit_tiny_r_s16_p8_224"]
)
def test_inflated_vit__refuses_other_networks(model):
    with torch.device("meta"), pytest.raises(ModelError, match=f"{model!r} is a ") as caught:
        build_volume_tower(settings_of(model), (32, 128, 128))
    assert caught.value.code == "MV1431"


def test_inflated_vit__refuses_networks_without_patches_and_unknown_names():
    with pytest.raises(ModelError, match="'test_resnet' is a ResNet of timm") as caught:
        build_volume_tower(settings_of("test_resnet"), (4, 32, 32))
    assert caught.value.code == "MV1431"
    with pytest.raises(ModelError, match="did you mean 'test_vit'"):
        build_volume_tower(settings_of("test_vitt"), (4, 32, 32))


def test_inflated_vit__refuses_a_box_that_patches_do_not_fill():
    with pytest.raises(ModelError, match=r"boxes of \(32, 120, 128\); expected mult") as caught:
        build_volume_tower(settings_of(), (32, 120, 128))
    assert caught.value.code == "MV1430"


def test_inflated_vit__in_bf16_is_near_float32():
    tower = build_volume_tower(settings_of(patch=(4, 32, 32)), (8, 64, 64)).eval()
    x = torch.randn(1, 1, 8, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        exact = tower(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            fast = tower(x).float()
    assert not torch.equal(exact, fast)
    torch.testing.assert_close(fast, exact, rtol=0, atol=0.05 * float(exact.abs().max()))
