"""A volume encoder windows, turns and embeds what it is given, in the stated form."""

import dataclasses

import numpy as np
import pytest
import torch

from medvlp.errors import ModelError, UsageError
from medvlp.models.volume.volume_encoder import VolumeEncoder, network_shape, window_volume
from medvlp.types import VolumePreprocessing

BOX = VolumePreprocessing(
    spacing_mm=(5.0, 1.0, 1.0),
    shape_zyx=(2, 3, 4),
    orientation="LPS",
    axes="zxy",
    window_hu=(-200.0, 300.0),
    output_range=(-1.0, 1.0),
)


def build(*, is_normalized: bool = False, bias: float = 0.5, box=BOX, **more) -> VolumeEncoder:
    generator = torch.Generator().manual_seed(0)
    tower = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(24, 5), torch.nn.Dropout(0.5))
    with torch.no_grad():
        tower[1].weight.copy_(torch.randn(5, 24, generator=generator))
        tower[1].bias.fill_(bias)
    return VolumeEncoder(
        name="m",
        tower=tower,
        dim=more.pop("dim", 5),
        weights=tower.state_dict(),
        preprocessing=box,
        is_projected=is_normalized,
        is_normalized=is_normalized,
        **more,
    )


@pytest.fixture
def hu() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(-1024, 2048, (4, 2, 3, 4), generator=generator, dtype=torch.int16)


def seen(value: float, window=(-200, 300), ends=(-1, 1)) -> float:
    """What a network sees of one voxel."""
    clipped = min(max(value, window[0]), window[1])
    return ends[0] + (clipped - window[0]) / (window[1] - window[0]) * (ends[1] - ends[0])


@pytest.mark.parametrize("axes", ["zyx", "zxy", "xyz"])
def test_window_volume__puts_each_voxel_at_its_place(hu, axes):
    box = dataclasses.replace(BOX, axes=axes)
    actual = window_volume(hu, box)
    sizes = dict(zip("zyx", BOX.shape_zyx, strict=True))
    assert tuple(actual.shape) == (4, 1, *(sizes[axis] for axis in axes))
    assert network_shape(box) == tuple(actual.shape[2:])
    assert actual.dtype == torch.float32
    for b, z, y, x in np.ndindex(4, *BOX.shape_zyx):
        place = {"z": z, "y": y, "x": x}
        value = float(actual[(b, 0, *(place[axis] for axis in axes))])
        assert value == pytest.approx(seen(float(hu[b, z, y, x])), abs=1e-6)


def test_window_volume__clips_at_both_ends_of_the_window():
    values = torch.tensor([-1024.0, -200.0, 50.0, 300.0, 3071.0])
    box = dataclasses.replace(BOX, output_range=(0.0, 1.0))
    actual = window_volume(values.view(1, 1, 1, 5), box).flatten()
    assert actual.tolist() == pytest.approx([0, 0, 0.5, 1, 1], abs=1e-7)


def test_embed__windows_then_runs_the_tower_in_evaluation_mode(hu):
    encoder = build()
    voxels = np.vectorize(seen)(hu.numpy().astype(np.float64)).transpose(0, 1, 3, 2)
    weight = torch.randn(5, 24, generator=torch.Generator().manual_seed(0)).double().numpy()
    expected = torch.from_numpy(voxels.reshape(4, -1) @ weight.T + 0.5)
    actual = encoder.embed(hu)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual.double(), expected, rtol=1e-5, atol=1e-5)


def test_embed__takes_both_types_of_values_alike(hu):
    assert torch.equal(build().embed(hu), build().embed(hu.float()))


def test_embed__does_not_change_what_it_was_given():
    hu = torch.full((1, 2, 3, 4), 2000.0)
    build().embed(hu)
    assert (hu == 2000).all()


def test_embed__gives_unit_vectors_where_it_says_so(hu):
    norms = build(is_normalized=True).embed(hu).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(4), rtol=0, atol=1e-6)
    assert (build().embed(hu).norm(dim=1) > 2).any()


def test_embed__in_bf16_is_near_float32_and_still_returns_float32(hu):
    exact, fast = build().embed(hu), build(precision="bf16").embed(hu)
    assert fast.dtype == torch.float32
    assert not torch.equal(exact, fast)
    torch.testing.assert_close(fast, exact, rtol=0, atol=0.02 * float(exact.abs().max()))


def test_embed__does_not_depend_on_the_batch(hu):
    encoder = build()
    one_by_one = torch.cat([encoder.embed(hu[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(encoder.embed(hu), one_by_one, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 2, 4, 3), (2, 3, 4), (1, 1, 2, 3, 4), (1, 3, 3, 4)])
def test_embed__refuses_another_size(shape):
    with pytest.raises(ValueError, match=r"must have shape \(B, 2, 3, 4\), got"):
        build().embed(torch.zeros(shape))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float64, torch.uint16])
def test_embed__refuses_other_types(dtype):
    with pytest.raises(ValueError, match="hu must be int16 or float32, got torch"):
        build().embed(torch.zeros(1, 2, 3, 4, dtype=dtype))


def test_volume_encoder__refuses_a_tower_of_another_length(hu):
    with pytest.raises(ValueError, match=r"gives features of shape \(4, 5\), not \(4, 6\)"):
        build(dim=6).embed(hu)


def test_volume_encoder__refuses_nan_weights_and_unknown_places():
    with pytest.raises(ModelError, match=r"'1.bias' holds 5 values") as caught:
        build(bias=float("nan"))
    assert caught.value.code == "MV1405"
    with pytest.raises(UsageError, match="is not on this machine"):
        build(device="cuda:99")
    with pytest.raises(UsageError, match="'fp16' is unknown"):
        build(precision="fp16")


def test_volume_encoder__says_what_it_is():
    encoder = build(is_normalized=True, is_random=True, precision="bf16")
    assert (encoder.name, encoder.dim, encoder.preprocessing) == ("m", 5, BOX)
    assert (encoder.is_projected, encoder.is_normalized, encoder.is_random) == (True, True, True)
    assert (encoder.precision, encoder.device.type) == ("bf16", "cpu")
    assert encoder.weights_sha256 == build().weights_sha256 != build(bias=0.25).weights_sha256
