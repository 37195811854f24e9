"""The head behind a network for scans, against its formula."""

import pytest
import torch

from medvlp.models.volume.heads import build_volume_head
from medvlp.models.volume.settings import VolumeHeadSettings
from tests.models.conftest import filled_randomly

MLP = VolumeHeadSettings(projection="mlp", dim=5, hidden=7)


def test_build_volume_head__without_projection_keeps_the_features():
    x = torch.rand(2, 6)
    assert torch.equal(build_volume_head(VolumeHeadSettings(projection="none"), 6)(x), x)


def test_build_volume_head__linear_is_one_matrix_and_its_bias():
    head = filled_randomly(build_volume_head(VolumeHeadSettings(dim=5), 6))
    x = torch.rand(2, 6)
    expected = x @ head.weight.T + head.bias
    torch.testing.assert_close(head(x), expected, rtol=0, atol=1e-6)
    bare = build_volume_head(VolumeHeadSettings(dim=5, bias=False), 6)
    assert list(bare.state_dict()) == ["weight"]


@pytest.mark.parametrize("is_training", [True, False])
def test_build_volume_head__mlp_is_linear_norm_relu_linear_norm(is_training):
    head = filled_randomly(build_volume_head(MLP, 6)).double().train(is_training)
    state = {name: value.clone() for name, value in head.state_dict().items()}
    x = torch.randn(9, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def normed(values: torch.Tensor, layer: int) -> torch.Tensor:
        mean, var = state[f"{layer}.running_mean"], state[f"{layer}.running_var"]
        if is_training:
            mean, var = values.mean(0), values.var(0, unbiased=False)
        return (values - mean) / (var + 1e-5).sqrt()

    hidden = normed(x @ state["0.weight"].T + state["0.bias"], 1)
    hidden = (hidden * state["1.weight"] + state["1.bias"]).clamp(min=0)
    expected = normed(hidden @ state["3.weight"].T + state["3.bias"], 4)
    torch.testing.assert_close(head(x), expected, rtol=0, atol=1e-12)
    assert "4.weight" not in state


def test_build_volume_head__has_the_published_size():
    with torch.device("meta"):
        head = build_volume_head(VolumeHeadSettings(dim=4096), 512)
    assert sum(weight.numel() for weight in head.parameters()) == 2_101_248


def test_build_volume_head__starts_small():
    torch.manual_seed(0)
    head = build_volume_head(VolumeHeadSettings(dim=64), 512)
    assert float(head.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert not head.bias.any()
