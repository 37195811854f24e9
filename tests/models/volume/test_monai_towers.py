"""Encoders of MONAI against MONAI's own forward pass with the same weights."""

import ast
from pathlib import Path

import pytest
import torch
from monai.networks.nets.resnet import ResNet, resnet50
from monai.networks.nets.segresnet_ds import SegResEncoder
from monai.networks.nets.swin_unetr import SwinTransformer, SwinUNETR

import medvlp
from medvlp.errors import ModelError
from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.settings import MonaiResNetSettings, SegResNetSettings, SwinUnetrSettings
from tests.models.conftest import filled_randomly

SWIN = SwinUnetrSettings(feature_size=12, blocks=(2, 1, 1, 2), window=4)


def random_boxes(*shape: int) -> torch.Tensor:
    return torch.randn(2, 1, *shape, generator=torch.Generator().manual_seed(2))


def own_state(tower: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name.removeprefix("network."): value for name, value in tower.state_dict().items()}


def built(settings, shape):
    return filled_randomly(build_volume_tower(settings, shape)).eval()


def check_equal(tower, other_map: torch.Tensor, x: torch.Tensor) -> None:
    with torch.no_grad():
        actual, pooled = tower.feature_map(x), tower(x)
    scale = float(other_map.abs().max())
    torch.testing.assert_close(actual, other_map, rtol=0, atol=1e-5 * scale)
    assert pooled.shape == (2, tower.dim)
    expected = other_map.double().mean(dim=(2, 3, 4)).float()
    torch.testing.assert_close(pooled, expected, rtol=0, atol=1e-5 * scale)


def test_segresnet__gives_the_last_level_of_monai():
    settings = SegResNetSettings(init_filters=4, blocks=(1, 2, 1))
    tower = built(settings, (12, 16, 10))
    other = SegResEncoder(init_filters=4, blocks_down=(1, 2, 1))
    other.load_state_dict(own_state(tower), strict=True)
    x = random_boxes(12, 16, 10)
    with torch.no_grad():
        expected = other.eval()(x)[-1]
    assert tuple(expected.shape) == (2, 16, 3, 4, 3)
    check_equal(tower, expected, x)


def test_segresnet__has_the_size_of_ct_fm():
    with torch.device("meta"):
        tower = build_volume_tower(SegResNetSettings(), (32, 128, 128))
        shape = tower.feature_map(torch.zeros(1, 1, 32, 128, 128)).shape
    assert (tower.dim, tuple(shape)) == (512, (1, 512, 2, 8, 8))
    assert sum(weight.numel() for weight in tower.parameters()) == 77_760_992


def test_segresnet__with_instance_norm_refuses_boxes_that_end_in_one_voxel():
    settings = SegResNetSettings(init_filters=2, blocks=(1, 1, 1), norm="instance")
    with pytest.raises(ModelError, match="expected more than 4 voxels along an axis") as caught:
        build_volume_tower(settings, (4, 4, 4))
    assert caught.value.code == "MV1430"
    tower = built(settings, (4, 5, 4))
    assert tower(random_boxes(4, 5, 4)).isfinite().all()


@pytest.mark.parametrize(("depth", "shortcut"), [(10, "B"), (18, "A"), (50, "B")])
def test_monai_resnet__pools_as_monai_does(depth, shortcut):
    tower = built(MonaiResNetSettings(depth=depth, shortcut=shortcut, widen=0.0625), (19, 40, 33))
    layers = {10: [1, 1, 1, 1], 18: [2, 2, 2, 2], 50: [3, 4, 6, 3]}[depth]
    other = ResNet(
        "bottleneck" if depth == 50 else "basic",
        layers,
        [4, 8, 16, 32],
        n_input_channels=1,
        conv1_t_stride=2,
        shortcut_type=shortcut,
        feed_forward=False,
        bias_downsample=False,
    )
    other.load_state_dict(own_state(tower), strict=True)
    x = random_boxes(19, 40, 33)
    with torch.no_grad():
        expected, features = other.eval()(x), tower.feature_map(x)
        actual = tower(x)
    assert actual.shape == (2, tower.dim)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    assert tuple(features.shape) == (2, tower.dim, 1, 2, 2)
    torch.testing.assert_close(features.mean(dim=(2, 3, 4)), expected, rtol=1e-5, atol=1e-5)


def test_monai_resnet__takes_the_weights_of_medicalnets_layout():
    with torch.device("meta"):
        tower = build_volume_tower(MonaiResNetSettings(depth=50), (32, 64, 64))
        other = resnet50(
            n_input_channels=1, feed_forward=False, bias_downsample=False, conv1_t_stride=2
        )
    assert own_state(tower).keys() == other.state_dict().keys()
    assert tower.dim == 2048


def permute_as_told(x: torch.Tensor, pattern: str) -> torch.Tensor:
    """Permute axes by names, all that MONAI asks einops for."""
    before, after = (side.split() for side in pattern.split("->"))
    return x.permute(*(before.index(name) for name in after))


@pytest.mark.parametrize("use_v2", [False, True])
@pytest.mark.parametrize("window", [5, 3])
def test_swin_unetr__gives_the_last_stage_of_monai(monkeypatch, use_v2, window):
    monkeypatch.setattr("monai.networks.nets.swin_unetr.rearrange", permute_as_told)
    settings = SWIN.model_copy(update={"use_v2": use_v2, "window": window})
    tower = built(settings, (32, 64, 32))
    other = SwinTransformer(
        in_chans=1,
        embed_dim=12,
        window_size=(window,) * 3,
        patch_size=(2, 2, 2),
        depths=SWIN.blocks,
        num_heads=SWIN.heads,
        use_v2=use_v2,
    )
    other.load_state_dict(own_state(tower), strict=True)
    x = random_boxes(32, 64, 32)
    with torch.no_grad():
        expected = other.eval()(x, normalize=True)[-1]
    assert tuple(expected.shape) == (2, 192, 1, 2, 1)
    check_equal(tower, expected, x)


def test_swin_unetr__is_the_encoder_of_monais_segmentation_network():
    with torch.device("meta"):
        tower = build_volume_tower(SwinUnetrSettings(), (32, 96, 96))
        shape = tower.feature_map(torch.zeros(1, 1, 32, 96, 96)).shape
    whole = SwinUNETR(in_channels=1, out_channels=2, feature_size=12).swinViT.state_dict()
    assert own_state(tower).keys() == whole.keys()
    assert (tower.dim, tuple(shape)) == (768, (1, 768, 1, 3, 3))
    assert {value.device.type for value in tower.state_dict().values()} == {"meta"}


def test_swin_unetr__refuses_sides_that_cannot_be_halved_five_times():
    with pytest.raises(ModelError, match=r"boxes of \(32, 100, 96\) voxels; expected multiples of"):
        build_volume_tower(SWIN, (32, 100, 96))


@pytest.mark.parametrize(
    "settings",
    [SWIN, SegResNetSettings(init_filters=4, blocks=(1, 1, 1)), MonaiResNetSettings(widen=0.0625)],
    ids=lambda settings: settings.architecture,
)
def test_monai_towers__in_bf16_are_near_float32(settings):
    tower, x = built(settings, (32, 32, 32)), random_boxes(32, 32, 32)
    with torch.no_grad():
        exact = tower(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            fast = tower(x).float()
    assert not torch.equal(exact, fast)
    torch.testing.assert_close(fast, exact, rtol=0, atol=0.1 * float(exact.abs().max()))


def test_monai__is_imported_by_functions_only():
    package = Path(medvlp.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in getattr(node, "names", ())]
            names.append(getattr(node, "module", None) or "")
            is_import = isinstance(node, ast.Import | ast.ImportFrom)
            found = is_import and any(name.split(".")[0] == "monai" for name in names)
            assert not found, f"{path} imports monai at its top"
