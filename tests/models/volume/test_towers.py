"""What every network for scans shares: its features are the mean of its map."""

import pytest
import torch

from medvlp.models.volume.towers import VolumeTower


class _Doubling(VolumeTower):
    dim = 2

    def feature_map(self, voxels: torch.Tensor) -> torch.Tensor:
        return torch.cat([voxels, 2 * voxels], dim=1)


def test_volume_tower__pools_all_places_of_the_map_alike():
    voxels = torch.arange(48.0).reshape(2, 1, 2, 3, 4)
    expected = torch.tensor([[11.5, 23.0], [35.5, 71.0]])
    torch.testing.assert_close(_Doubling()(voxels), expected, rtol=0, atol=1e-5)


def test_volume_tower__without_a_feature_map_cannot_be_made():
    with pytest.raises(TypeError, match="feature_map"):
        VolumeTower()
