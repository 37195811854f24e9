"""An inflated residual network is torchvision's network where a scan does not change along z."""

import pytest
import torch
import torchvision

from medvlp.models.volume.inflated_resnet import InflatedResNet
from medvlp.models.volume.settings import InflatedResNetSettings
from tests.models.conftest import filled_randomly


def centred(flat: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Put a 2D kernel into the middle slice of a 3D one, as inflation does."""
    if flat.ndim < 4:
        return flat
    inflated = torch.zeros_like(like)
    inflated[:, :, like.shape[2] // 2] = flat
    return inflated


def test_inflated_resnet__gives_torchvisions_features_for_a_scan_that_is_alike_along_z():
    flat = filled_randomly(torchvision.models.resnet50(weights=None)).double().eval()
    flat.fc = torch.nn.Identity()
    tower = InflatedResNet(InflatedResNetSettings(depth=50)).double().eval()
    wanted = tower.state_dict()
    state = {name: centred(t, wanted[name]) for name, t in flat.state_dict().items()}
    tower.load_state_dict(state, strict=True)
    plane = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(0)).double()
    with torch.inference_mode():
        expected = flat(plane.expand(-1, 3, -1, -1))
        found = tower(plane.unsqueeze(2).expand(-1, -1, 16, -1, -1))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert tower.dim == 2048


@pytest.mark.parametrize(("depth", "count"), [(50, 16), (101, 33), (152, 50)])
def test_inflated_resnet__has_the_blocks_of_its_depth(depth, count):
    tower = InflatedResNet(InflatedResNetSettings(depth=depth, width=1))
    assert len({n.rsplit(".", 2)[0] for n in tower.state_dict() if n.endswith("conv3.weight")}) == (
        count
    )
    assert tower.dim == 32


def test_feature_map__is_what_the_features_are_the_mean_of():
    tower = filled_randomly(InflatedResNet(InflatedResNetSettings(depth=50, width=2))).eval()
    voxels = torch.rand(2, 1, 17, 33, 40, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        features = tower.feature_map(voxels)
        torch.testing.assert_close(features.mean(dim=(2, 3, 4)), tower(voxels))
    assert features.shape == (2, 64, 2, 2, 2)
