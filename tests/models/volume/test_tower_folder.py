"""A network goes from one training to the next to the last bit, or is refused with the reason."""

import json
from dataclasses import replace

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.bundle_schema import Provenance
from medvlp.models.volume.attribute_network import AttributeNetwork
from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.settings import ResNet3dSettings
from medvlp.models.volume.tower_folder import (
    ImageTowerCard,
    load_image_tower,
    open_volume_tower,
    save_image_tower,
    take_volume_tower,
)
from medvlp.models.volume.volume_encoder import network_shape
from tests.models.conftest import filled_randomly
from tests.models.volume.tiny_bundles import KIDNEY_BOX, write_tiny_volume_bundle

SETTINGS = ResNet3dSettings(depth=10, width=4)
ATTRIBUTES = {"mass": ("absent", "present"), "pole": ("upper", "middle", "lower")}
CARD = ImageTowerCard(
    name="tiny",
    preprocessing=KIDNEY_BOX,
    provenance=Provenance(medvlp_version="0.0.0", data="made for a test"),
    license="Apache-2.0",
)
SHAPE = network_shape(KIDNEY_BOX)


def random_network() -> AttributeNetwork:
    return filled_randomly(AttributeNetwork(SETTINGS, SHAPE, ATTRIBUTES)).eval()


@pytest.fixture
def folder(tmp_path):
    save_image_tower(tmp_path / "tower", random_network(), CARD)
    return tmp_path / "tower"


def take(source, settings=SETTINGS, preprocessing=KIDNEY_BOX):
    tower = build_volume_tower(settings, SHAPE)
    take_volume_tower(tower, settings, preprocessing, source, "there")
    return tower


def test_load_image_tower__gives_back_what_was_saved(tmp_path):
    model = random_network()
    written = save_image_tower(tmp_path / "tower", model, CARD)
    again, meta = load_image_tower(tmp_path / "tower")
    assert meta == written
    assert meta.attributes == ATTRIBUTES
    assert meta.preprocessing.to_preprocessing() == KIDNEY_BOX
    voxels = torch.rand(2, 1, *SHAPE)
    for name, logits in model(voxels).items():
        assert torch.equal(again(voxels)[name], logits)
    assert sorted(p.name for p in (tmp_path / "tower").iterdir()) == [
        *("image_tower.json", "model.safetensors")
    ]


def test_take_volume_tower__hands_every_tensor_over_to_the_last_bit(folder):
    tower, model = take(open_volume_tower(folder)), load_image_tower(folder)[0]
    for name, value in model.volume_tower.state_dict().items():
        assert torch.equal(tower.state_dict()[name], value), name


def test_take_volume_tower__takes_the_network_of_a_whole_model_too(tmp_path):
    model = write_tiny_volume_bundle(tmp_path / "bundle")
    source = open_volume_tower(tmp_path / "bundle")
    assert source.name == "tiny-ct"
    tower = take(source)
    for name, value in model.volume_tower.state_dict().items():
        assert torch.equal(tower.state_dict()[name], value), name


def test_take_volume_tower__does_not_ask_how_gradients_flowed(folder):
    cut = SETTINGS.model_copy(update={"cut_shortcut_gradient": True})
    tower = take(open_volume_tower(folder), settings=cut)
    for name, value in take(open_volume_tower(folder)).state_dict().items():
        assert torch.equal(tower.state_dict()[name], value), name


def test_take_volume_tower__refuses_another_network_or_other_boxes(folder):
    source = open_volume_tower(folder)
    wider = SETTINGS.model_copy(update={"width": 8})
    with pytest.raises(ModelError, match="another: width 4 there, 8 here") as caught:
        take(source, settings=wider)
    assert caught.value.code == "MV1409"
    finer = replace(KIDNEY_BOX, spacing_mm=(4.0, 4.0, 4.0), window_hu=(-150.0, 250.0))
    with pytest.raises(ModelError, match=r"spacing_mm \(5.0, .* there, .* window_hu") as caught:
        take(source, preprocessing=finer)
    assert caught.value.code == "MV1735"


def test_open_volume_tower__refuses_what_is_missing_changed_or_no_description(folder, tmp_path):
    with pytest.raises(ModelError, match="does not exist") as caught:
        open_volume_tower(tmp_path / "nothing")
    assert caught.value.code == "MV1403"
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + b"\1")
    with pytest.raises(ModelError, match=r"as image_tower.json says") as caught:
        open_volume_tower(folder)
    assert caught.value.code == "MV1404"
    weights.unlink()
    with pytest.raises(ModelError, match=r"the files that image_tower.json lists"):
        load_image_tower(folder)
    weights.write_bytes(content)
    path = folder / "image_tower.json"
    document = json.loads(path.read_text())
    for text in ("{", json.dumps(document | {"colour": "red"})):
        path.write_text(text)
        with pytest.raises(ModelError) as caught:
            open_volume_tower(folder)
        assert caught.value.code == "MV1407"


def test_load_image_tower__refuses_a_description_that_the_weights_do_not_fit(folder):
    path = folder / "image_tower.json"
    document = json.loads(path.read_text())
    document["attributes"]["mass"].append("uncertain")
    path.write_text(json.dumps(document))
    with pytest.raises(ModelError, match=r"heads.bias") as caught:
        load_image_tower(folder)
    assert caught.value.code == "MV1409"


def test_save_image_tower__refuses_nan_and_leaves_nothing_behind(tmp_path):
    model = random_network()
    with torch.no_grad():
        model.heads.bias[0] = torch.nan
    with pytest.raises(ModelError, match=r"heads\.bias"):
        save_image_tower(tmp_path / "tower", model, CARD)
    assert list(tmp_path.iterdir()) == []
