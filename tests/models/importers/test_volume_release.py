"""What importers of models of volumes share: counting, turning, refusing."""

import pytest
import torch

from medvlp.errors import ModelError, UsageError
from medvlp.models.importers.volume_release import (
    read_release_weights,
    turned,
)
from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.bundle_schema import VolumeModelSettings
from medvlp.models.volume.settings import ResNet3dSettings
from tests.models.volume.tiny_bundles import KIDNEY_BOX

SETTINGS = VolumeModelSettings(image=ResNet3dSettings(depth=10, width=2))


def test_turned__changes_the_orientation_only():
    assert turned(KIDNEY_BOX, None) is KIDNEY_BOX
    other = turned(KIDNEY_BOX, "ras")
    assert other.orientation == "RAS"
    assert turned(other, "LPS") == KIDNEY_BOX


@pytest.mark.parametrize("codes", ["", "LP", "LRS", "XYZ", "LPSI"])
def test_turned__refuses_what_is_no_orientation(codes):
    with pytest.raises(UsageError) as caught:
        turned(KIDNEY_BOX, codes)
    assert caught.value.code == "MV2115"


def test_read_release_weights__leaves_counts_whole_and_makes_the_rest_float32():
    tower = build_volume_tower(SETTINGS.image, (8, 16, 16)).half().state_dict()
    state = read_release_weights(
        tower,
        SETTINGS,
        KIDNEY_BOX,
        lambda name: name.removeprefix("volume_tower."),
        "file",
        left_out=("logit_scale",),
    )
    assert state["volume_tower.conv1.weight"].dtype == torch.float32
    assert state["volume_tower.bn1.num_batches_tracked"].dtype == torch.int64
    with pytest.raises(ModelError, match="1 missing: 'logit_scale'"):
        read_release_weights(
            tower, SETTINGS, KIDNEY_BOX, lambda name: name.removeprefix("volume_tower."), "file"
        )
