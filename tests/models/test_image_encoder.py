"""Every kind of name gives an encoder; a wrong one gives the forms that exist."""

import pytest

from medvlp.errors import ModelError, UsageError
from medvlp.models.image_encoder import load_image_encoder


def test_load_image_encoder__takes_a_bundle(bundle_folder):
    encoder = load_image_encoder(bundle_folder, precision="bf16")
    assert (encoder.name, encoder.precision, encoder.mpp) == ("tiny", "bf16", 0.5)


def test_load_image_encoder__takes_folders_of_timm_and_open_clip(timm_folder, open_clip_folder):
    assert load_image_encoder(str(timm_folder)).dim == 96
    assert load_image_encoder(str(open_clip_folder)).is_projected


@pytest.mark.parametrize("fixture", ["timm_folder", "open_clip_folder", "bundle_folder"])
def test_load_image_encoder__takes_every_layout_from_the_hub(request, monkeypatch, fixture):
    folder = request.getfixturevalue(fixture)
    monkeypatch.setattr("medvlp.models.hub.snapshot_download", lambda *a, **k: str(folder))
    by_hub = load_image_encoder("hf-hub:owner/name")
    assert by_hub.name == "hf-hub:owner/name"
    assert by_hub.weights_sha256 == load_image_encoder(folder).weights_sha256


def test_load_image_encoder__takes_a_name_of_timm():
    encoder = load_image_encoder("timm:test_resnet")
    assert (encoder.name, encoder.is_random, encoder.mpp) == ("timm:test_resnet", True, None)


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("timm:", "names no architecture"),
        ("open_clip:", "names no architecture"),
        ("timmm:resnet18", "there is no model 'timmm:resnet18'; expected a model folder, hf-hub:"),
        ("open_clip:ViT-B-3", "did you mean 'ViT-B-32'"),
    ],
)
def test_load_image_encoder__refuses_other_names(name, phrase):
    with pytest.raises(ModelError, match=phrase):
        load_image_encoder(name)


def test_load_image_encoder__refuses_a_device_that_is_not_there(bundle_folder):
    with pytest.raises(UsageError, match="is not on this machine"):
        load_image_encoder(bundle_folder, device="cuda:77")
