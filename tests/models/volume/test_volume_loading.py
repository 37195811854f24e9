"""Every kind of name gives a volume encoder; a wrong one gives the forms that exist."""

import pytest
import torch

from medvlp.errors import ModelError, UsageError
from medvlp.models.timm_towers import build_random_tower
from medvlp.models.volume import volume_loading
from medvlp.models.volume.volume_encoder import network_shape
from medvlp.models.volume.volume_loading import KIDNEY_BOX, load_volume_encoder, network_names
from tests.models.volume.tiny_bundles import write_tiny_volume_bundle


def test_load_volume_encoder__takes_a_network_with_random_weights_that_a_seed_fixes():
    torch.manual_seed(1)
    first = load_volume_encoder("volume:resnet3d10")
    torch.manual_seed(2)
    second = load_volume_encoder("volume:resnet3d10", precision="bf16")
    assert first.weights_sha256 == second.weights_sha256
    assert (first.name, first.dim, first.is_random) == ("volume:resnet3d10", 512, True)
    assert not first.is_projected
    assert first.preprocessing == KIDNEY_BOX
    hu = torch.randint(-200, 300, (1, 32, 128, 128), dtype=torch.int16)
    exact, fast = first.embed(hu), second.embed(hu)
    assert exact.shape == (1, 512)
    torch.testing.assert_close(fast, exact, rtol=0, atol=0.05 * float(exact.abs().max()))


@pytest.mark.parametrize("network", [*network_names(), "vit/vit_small_patch16_224"])
def test_load_volume_encoder__builds_each_network_for_its_box(monkeypatch, network):
    monkeypatch.setattr(volume_loading, "VolumeEncoder", dict)
    with torch.device("meta"):
        loaded = load_volume_encoder(f"volume:{network}")
        shape = network_shape(loaded["preprocessing"])
        features = loaded["tower"].eval()(torch.zeros(1, 1, *shape))
    assert shape == (32, 128, 128)
    assert tuple(features.shape) == (1, loaded["dim"])


def test_load_volume_encoder__inflates_trained_weights_of_a_tag(monkeypatch):
    asked = []

    def load(architecture: str, tag: str, options: dict) -> torch.nn.Module:
        asked.append(tag)
        return build_random_tower(architecture, options, seed=7)

    monkeypatch.setattr("medvlp.models.volume.inflated_vit.load_trained_tower", load)
    trained = load_volume_encoder("volume:vit/test_vit.r160_in1k")
    random = load_volume_encoder("volume:vit/test_vit")
    assert asked == ["r160_in1k"]
    assert (trained.is_random, random.is_random) == (False, True)
    assert trained.weights_sha256 != random.weights_sha256
    assert trained.preprocessing.region is None


def test_load_volume_encoder__takes_a_bundle_and_the_hub(monkeypatch, tmp_path):
    folder = tmp_path / "bundle"
    write_tiny_volume_bundle(folder)
    encoder = load_volume_encoder(folder)
    assert (encoder.name, encoder.dim, encoder.is_normalized) == ("tiny-ct", 24, True)
    monkeypatch.setattr("medvlp.models.hub.snapshot_download", lambda *a, **k: str(folder))
    assert load_volume_encoder("hf-hub:owner/name").weights_sha256 == encoder.weights_sha256


@pytest.mark.parametrize(
    ("name", "code", "phrase"),
    [
        ("volume:resnet3d19", "MV1402", r"\(did you mean 'resnet3d18'\?\)"),
        ("volume:", "MV1402", "no network '' for volumes"),
        ("volume:vit/vit_smal_patch16_224", "MV1402", "did you mean 'vit_small_patch16_224'"),
        ("timm:resnet18", "MV1445", "'timm:resnet18' takes images, not volumes"),
        ("open_clip:ViT-B-32", "MV1445", "takes images"),
        ("nowhere", "MV1401", "there is no model 'nowhere'"),
    ],
)
def test_load_volume_encoder__refuses_other_names(name, code, phrase):
    with pytest.raises(ModelError, match=phrase) as caught:
        load_volume_encoder(name)
    assert caught.value.code == code


def test_load_volume_encoder__refuses_a_model_of_images(bundle_folder):
    with pytest.raises(ModelError) as caught:
        load_volume_encoder(bundle_folder)
    assert caught.value.code == "MV1445"


def test_load_volume_encoder__refuses_a_device_that_is_not_there():
    with pytest.raises(UsageError, match="is not on this machine"):
        load_volume_encoder("volume:vit/test_vit", device="cuda:77")
