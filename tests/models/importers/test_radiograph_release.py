"""What importers of networks for radiographs share: sizes from shapes, names, copies."""

import pytest
import torch
from torchvision.models import resnet18, resnet50

from medvlp.errors import ModelError
from medvlp.models.importers.radiograph_release import (
    check_input_px,
    decoder_values,
    drop_copies,
    resnet_key,
    resnet_values,
)
from tests.models.importers.chest_releases import SIZES, Decoder, cut


@pytest.mark.parametrize("network", [resnet18, resnet50])
@pytest.mark.parametrize("left_out", [2, 3])
def test_resnet_values__reads_depth_cut_and_width(network, left_out):
    with torch.device("meta"):
        tensors = {f"x.{n}": t for n, t in cut(network(), left_out).state_dict().items()}
    assert resnet_values(tensors, "x.", "file") == {
        "architecture": network.__name__,
        "stage": 6 - left_out,
        "width": 64,
    }


def test_resnet_values__refuses_other_networks():
    with torch.device("meta"):
        tensors = cut(resnet18(), 5).state_dict()
    with pytest.raises(ModelError, match=r"stages of \(2,\) blocks") as caught:
        resnet_values(tensors, "", "file")
    assert caught.value.code == "MV2101"
    with pytest.raises(ModelError) as caught:
        resnet_values({}, "", "file")
    assert caught.value.code == "MV2105"


def test_resnet_key__numbers_the_parts():
    ours = ("conv1.weight", "bn1.bias", "layer3.1.conv2.weight", "layer4.0.downsample.0.weight")
    found = [resnet_key(f"image_tower.network.{name}", "x.") for name in ours]
    assert found == ["x.0.weight", "x.1.bias", "x.6.1.conv2.weight", "x.7.0.downsample.0.weight"]
    assert resnet_key("decoder.norm.weight", "x.") == "decoder.norm.weight"


def test_decoder_values__reads_sizes():
    values = decoder_values({f"d.{n}": t for n, t in Decoder(SIZES).state_dict().items()}, "d.", "")
    assert values == {"dim": 16, "ffn": 40, "layers": 2, "heads": 4}


def test_drop_copies__proves_that_they_are_copies():
    tensors = {"a.w": torch.ones(2), "b.w": torch.ones(2), "a.only": torch.ones(1)}
    assert list(drop_copies(tensors, {"a.": "b."}, "file")) == ["b.w"]
    with pytest.raises(ModelError, match=r"file: 'a\.w' and 'b\.w' differ") as caught:
        drop_copies({**tensors, "b.w": torch.zeros(2)}, {"a.": "b."}, "file")
    assert caught.value.code == "MV2119"


@pytest.mark.parametrize(("stage", "input_px"), [(3, 512), (4, 224)])
def test_check_input_px__refuses_the_other_cut(stage, input_px):
    assert check_input_px(7 - stage, input_px, "file") == input_px
    with pytest.raises(ModelError, match=f"images of {input_px} px") as caught:
        check_input_px(stage, input_px, "file")
    assert caught.value.code == "MV2117"
