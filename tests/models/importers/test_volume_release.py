"""What importers of models of volumes share: counting, turning, refusing."""

import pytest
import torch

from medvlp.errors import ModelError, UsageError
from medvlp.models.importers.volume_release import (
    count_numbered,
    parse_settings,
    read_release_weights,
    require,
    size_of,
    turned,
    without_parts,
)
from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.bundle_schema import VolumeModelSettings
from medvlp.models.volume.settings import ResNet3dSettings
from tests.models.volume.tiny_bundles import KIDNEY_BOX

SETTINGS = VolumeModelSettings(image=ResNet3dSettings(depth=10, width=2))


def test_count_numbered__counts_each_number_once():
    names = ["a.0.w", "a.0.b", "a.1.w", "a.10.w", "a.x.w", "b.2.w", "c.a.3"]
    assert count_numbered(names, "a.") == 3
    assert count_numbered(names, "d.") == 0


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


def test_parts__are_measured_demanded_and_left_out():
    tensors = {"a.w": torch.ones(3, 4), "a.s": torch.tensor(1.0), "b.w": torch.ones(2)}
    assert (size_of(tensors["a.w"]), size_of(tensors["a.w"], 1)) == (3, 4)
    assert size_of(tensors["a.s"]) == size_of(tensors["b.w"], 1) == 0
    assert list(without_parts(tensors, ("a.",))) == ["b.w"]
    assert require(tensors, "b.w", "file") is tensors["b.w"]
    with pytest.raises(
        ModelError, match=r"file is not of this layout: there is no 'c\.w'"
    ) as caught:
        require(tensors, "c.w", "file")
    assert caught.value.code == "MV2105"


def test_parse_settings__names_the_value_of_the_release_that_is_not_possible():
    with pytest.raises(ModelError, match=r"file: image\.width=0") as caught:
        parse_settings(
            {"image": {"architecture": "resnet3d", "width": 0}}, VolumeModelSettings, "file"
        )
    assert caught.value.code == "MV2101"
