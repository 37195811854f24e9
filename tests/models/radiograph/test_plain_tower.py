"""A plain network keeps a grid, and tells its places apart."""

import pytest
import torch
from pydantic import ValidationError

from medvlp.models.radiograph.image_tower import build_radiograph_tower
from medvlp.models.radiograph.plain_tower import build_plain_network
from medvlp.models.radiograph.settings import PlainTowerSettings

SETTINGS = PlainTowerSettings(
    architecture="plain", widths=(4, 6, 8), strides=(2, 1, 2), kernels=(5, 3, 1)
)


def test_tower__has_a_grid_of_the_strides_and_the_last_width():
    tower = build_radiograph_tower(SETTINGS, 24, 1)
    found = tower(torch.rand(2, 1, 24, 24))
    assert tower.dim == 8
    assert found.grid == (6, 6)
    assert found.patches.shape == (2, 36, 8)
    torch.testing.assert_close(found.pooled, found.patches.mean(1), rtol=0, atol=1e-6)
    assert build_radiograph_tower(SETTINGS, 25, 3)(torch.rand(1, 3, 25, 25)).grid == (7, 7)


def test_network__is_the_blocks_the_places_and_the_last_block():
    network = build_plain_network((4, 6), (2, 1), (5, 1), input_px=8, channels=1, seed=1).eval()
    pixels = torch.rand(2, 1, 8, 8)
    (convolution, norm, _), last = network.blocks[0], network.last
    padded = torch.nn.functional.pad(pixels, (1, 3, 1, 3))
    inner = norm(torch.nn.functional.conv2d(padded, convolution.weight, stride=2)).relu()
    expected = last(inner + network.places)
    torch.testing.assert_close(network.forward_features(pixels), expected, rtol=0, atol=1e-6)
    assert network.places.shape == (4, 4, 4)


@pytest.mark.parametrize(
    ("strides", "kernels"),
    [((2, 2, 1, 2, 1), (5, 3, 3, 3, 1)), ((2, 1, 2, 1), (5, 3, 1, 3)), ((1, 2, 1), (3, 3, 1))],
)
def test_place__sees_what_lies_around_the_middle_of_its_patch(strides, kernels):
    """The gradient of a place spans as much above the middle of its patch as below, nearly."""
    widths = (4,) * len(strides)
    network = build_plain_network(widths, strides, kernels, input_px=96, channels=1).double().eval()
    for block in (*network.blocks, network.last):
        torch.nn.init.ones_(block[0].weight)
    pixels = torch.rand(1, 1, 96, 96, dtype=torch.float64, requires_grad=True)
    found = network.forward_features(pixels)
    patch = 96 // found.shape[2]
    row, column = 48 // patch, 64 // patch
    (change,) = torch.autograd.grad(found[0, :, row, column].sum(), pixels)
    rows, columns = (change[0, 0].abs().sum(axis).nonzero()[:, 0] for axis in (1, 0))
    assert (rows.min() + rows.max() + 1) / 2 == pytest.approx((row + 0.5) * patch, abs=0.5)
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx((column + 0.5) * patch, abs=0.5)


def test_seed__fixes_the_weights_and_leaves_the_random_state():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one, two, other = (
        build_plain_network((4, 6), (2, 1), (5, 1), input_px=8, channels=1, seed=seed).state_dict()
        for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert not torch.equal(one["places"], other["places"])


def test_settings__refuse_a_block_without_a_stride():
    with pytest.raises(ValidationError, match="has 2 numbers for 3 blocks"):
        PlainTowerSettings(
            architecture="plain", widths=(4, 6, 8), strides=(2, 1), kernels=(5, 3, 3)
        )
    with pytest.raises(ValueError, match="each of a width, a stride and a kernel"):
        build_plain_network((4,), (2,), (3,), input_px=8, channels=1)
