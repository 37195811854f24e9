"""The 3D residual network against a forward pass written out, and against MONAI's network."""

import pytest
import torch
from monai.networks.nets.resnet import ResNet
from torch.nn import functional

from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.resnet3d import shortcut_a
from medvlp.models.volume.settings import ResNet3dSettings
from tests.models.conftest import filled_randomly

ODD = (19, 36, 26)
TINY = ResNet3dSettings(depth=10, width=3)
BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


def random_boxes(count: int = 2, shape: tuple[int, int, int] = ODD) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randn(count, 1, *shape, generator=generator, dtype=torch.float64)


def build(settings: ResNet3dSettings, shape: tuple[int, int, int] = ODD):
    return filled_randomly(build_volume_tower(settings, shape)).double().eval()


def every_second(x: torch.Tensor, channels: int, *, cut: bool) -> torch.Tensor:
    """Write the shortcut out voxel by voxel: even places kept, the channels behind are zero."""
    x = x.detach() if cut else x
    for axis in (2, 3, 4):
        x = x.index_select(axis, torch.arange(0, x.shape[axis], 2))
    zeros = torch.zeros(x.shape[0], channels - x.shape[1], *x.shape[2:], dtype=x.dtype)
    return torch.cat([x, zeros], dim=1)


def expected_map(state, x, settings, *, cut: bool = False) -> torch.Tensor:
    """Run the network from its weights by functions only."""

    def norm(values: torch.Tensor, name: str) -> torch.Tensor:
        view = (1, -1, 1, 1, 1)
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        scaled = (values - mean.view(view)) / (var + 1e-5).sqrt().view(view)
        return scaled * state[f"{name}.weight"].view(view) + state[f"{name}.bias"].view(view)

    def conv(values: torch.Tensor, name: str, stride: int, padding: int) -> torch.Tensor:
        return functional.conv3d(values, state[f"{name}.weight"], None, stride, padding)

    x = norm(conv(x, "conv1", 2, 3), "bn1").clamp(min=0)
    windows = functional.pad(x, (1,) * 6)  # zeros, which no value behind a ReLU is below
    windows = windows.unfold(2, 3, 2).unfold(3, 3, 2).unfold(4, 3, 2)
    x = windows.flatten(5).amax(-1)
    for stage, num_blocks in enumerate(BLOCKS[settings.depth], start=1):
        for block in range(num_blocks):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            past = x
            if stride == 2 and settings.shortcut == "A":
                past = every_second(x, 2 * x.shape[1], cut=cut)
            elif stride == 2:
                past = norm(conv(x, f"{name}.downsample.0", 2, 0), f"{name}.downsample.1")
            y = norm(conv(x, f"{name}.conv1", stride, 1), f"{name}.bn1").clamp(min=0)
            x = (norm(conv(y, f"{name}.conv2", 1, 1), f"{name}.bn2") + past).clamp(min=0)
    return x


@pytest.mark.parametrize(
    "settings",
    [
        TINY,
        ResNet3dSettings(depth=18, width=2),
        ResNet3dSettings(depth=34, width=2, shortcut="B"),
    ],
    ids=lambda settings: f"{settings.depth}{settings.shortcut}",
)
def test_resnet3d__equals_the_forward_pass_written_out(settings):
    tower, x = build(settings), random_boxes()
    expected = expected_map(tower.state_dict(), x, settings)
    with torch.no_grad():
        actual, pooled = tower.feature_map(x), tower(x)
    assert tuple(actual.shape) == (2, tower.dim, 1, 2, 1)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-11)
    torch.testing.assert_close(pooled, expected.flatten(2).mean(-1), rtol=0, atol=1e-11)


@pytest.mark.parametrize("cut", [True, False])
def test_resnet3d__has_the_gradient_of_the_pass_written_out(cut):
    settings = ResNet3dSettings(depth=10, width=3, cut_shortcut_gradient=cut)
    tower, x = build(settings), random_boxes()
    weight = torch.randn(2, tower.dim, 1, 2, 1, generator=torch.Generator().manual_seed(1)).double()
    names = [name for name, _ in tower.named_parameters()]
    leaves = {
        name: value.detach().clone().requires_grad_(name in names)
        for name, value in tower.state_dict().items()
    }
    loss = (expected_map(leaves, x, settings, cut=cut) * weight).sum()
    expected = torch.autograd.grad(loss, [leaves[name] for name in names])
    actual = torch.autograd.grad(
        (tower.feature_map(x) * weight).sum(), list(tower.parameters()), allow_unused=True
    )
    for name, one, two in zip(names, expected, actual, strict=True):
        torch.testing.assert_close(
            two, one, rtol=1e-9, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_resnet3d__the_cut_changes_gradients_and_no_feature():
    whole, cut = build(TINY), build(TINY.model_copy(update={"cut_shortcut_gradient": True}))
    x = random_boxes()
    assert torch.equal(whole(x), cut(x))
    first, second = (
        torch.autograd.grad(tower(x).sum(), tower.conv1.weight)[0] for tower in (whole, cut)
    )
    assert float((first - second).norm() / first.norm()) > 0.01


@pytest.mark.parametrize(("depth", "shortcut"), [(10, "A"), (18, "A"), (18, "B"), (34, "A")])
def test_resnet3d__equals_the_network_of_monai_by_the_same_names(depth, shortcut):
    tower = build(ResNet3dSettings(depth=depth, shortcut=shortcut, width=4))
    other = ResNet(
        block="basic",
        layers=list(BLOCKS[depth]),
        block_inplanes=[4, 8, 16, 32],
        n_input_channels=1,
        conv1_t_stride=2,
        shortcut_type=shortcut,
        feed_forward=False,
        bias_downsample=False,
    ).double()
    other.load_state_dict(tower.state_dict(), strict=True)
    x = random_boxes()
    torch.testing.assert_close(tower(x), other.eval()(x), rtol=0, atol=1e-11)


def test_resnet3d__cut_has_the_training_gradients_of_monai_whose_shortcuts_are_cut():
    settings = ResNet3dSettings(depth=10, width=4, cut_shortcut_gradient=True)
    tower = build(settings).train()
    other = ResNet("basic", [1] * 4, [4, 8, 16, 32], 3, 1, conv1_t_stride=2, shortcut_type="A")
    other.fc = torch.nn.Identity()
    other.double().load_state_dict(tower.state_dict(), strict=True)
    x = random_boxes(3, (32, 64, 64))
    for network in (tower, other.train()):
        (network(x) ** 2).sum().backward()
    expected = {name: weight.grad for name, weight in other.named_parameters()}
    for name, weight in tower.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(tower.bn1.running_var, other.bn1.running_var, rtol=0, atol=1e-12)


def test_resnet3d__has_the_published_size():
    with torch.device("meta"):
        tower = build_volume_tower(ResNet3dSettings(), (32, 128, 128))
        shape = tower.feature_map(torch.zeros(2, 1, 32, 128, 128)).shape
    assert sum(weight.numel() for weight in tower.parameters()) == 32_986_176
    assert (tower.dim, tuple(shape)) == (512, (2, 512, 1, 4, 4))


def test_resnet3d__starts_as_published():
    tower = build_volume_tower(ResNet3dSettings(depth=10, width=16), (32, 32, 32))
    deviation = (2 / (64 * 27)) ** 0.5
    assert float(tower.layer3[0].conv2.weight.detach().std()) == pytest.approx(deviation, rel=0.03)
    assert (tower.layer3[0].bn2.weight == 1).all()
    assert not tower.layer3[0].bn2.bias.any()


def test_resnet3d__in_bf16_is_near_float32():
    tower, x = build(TINY).float(), random_boxes().float()
    with torch.no_grad():
        exact = tower(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            fast = tower(x)
    assert not torch.equal(exact, fast.float())
    torch.testing.assert_close(fast.float(), exact, rtol=0, atol=0.05 * float(exact.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shortcut_a__stays_on_the_device_and_type_of_its_input(dtype):
    with_values = shortcut_a(torch.ones(1, 2, 3, 4, 5, dtype=dtype), 5, 2)
    assert (with_values.dtype, tuple(with_values.shape)) == (dtype, (1, 5, 2, 2, 3))
    assert with_values.sum(dim=(0, 2, 3, 4)).tolist() == [12, 12, 0, 0, 0]
    assert shortcut_a(torch.ones(1, 2, 3, 4, 5, device="meta"), 5, 2).device.type == "meta"


def test_shortcut_a__hands_the_gradient_to_the_voxels_it_took():
    x = torch.ones(1, 1, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    shortcut_a(x, 2, 2).sum().backward()
    expected = torch.zeros(3, 3, 3, dtype=torch.float64)
    expected[::2, ::2, ::2] = 1
    assert torch.equal(x.grad[0, 0], expected)
    assert not shortcut_a(x, 2, 2, cut=True).requires_grad
