"""The tower of a bundle comes out as it was trained; what is no such bundle is refused."""

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.bundle_schema import Provenance
from medvlp.models.radiograph.bundle_schema import network_preprocessing
from medvlp.models.radiograph.bundle_writing import RadiographBundleCard, save_radiograph_bundle
from medvlp.models.radiograph.network import RadiographNetwork
from medvlp.models.radiograph.tower_source import open_radiograph_tower
from medvlp.models.radiograph.tuned_networks import RadiographClassNetwork
from medvlp.text.tokenizer import train_tokenizer
from tests.models.radiograph.tiny_networks import PX, tiny_model_settings

TOKENIZER = train_tokenizer(["a round shadow", "clear lungs"], 100)
SETTINGS = tiny_model_settings()


@pytest.fixture
def bundle(tmp_path):
    network = RadiographNetwork(SETTINGS, TOKENIZER.vocab_size, seed=4).eval()
    card = RadiographBundleCard(
        name="tiny",
        preprocessing=network_preprocessing(SETTINGS),
        provenance=Provenance(medvlp_version="0", libraries={}, data="phantoms"),
        license="Apache-2.0",
    )
    save_radiograph_bundle(tmp_path / "bundle", network, TOKENIZER, card)
    return network, tmp_path / "bundle"


def test_tower__is_the_trained_one(bundle):
    network, folder = bundle
    source = open_radiograph_tower(folder)
    assert (source.name, source.settings) == ("tiny", SETTINGS)
    tuned = RadiographClassNetwork(source.settings, ("a",), "multi-label", seed=9).eval()
    pixels = torch.rand(2, 1, PX, PX)
    expected = network.image_tower(pixels).pooled
    assert not torch.equal(tuned.image_tower(pixels).pooled, expected)
    source.fill(tuned.image_tower)
    assert torch.equal(tuned.image_tower(pixels).pooled, expected)


def test_open__refuses_what_is_no_bundle_or_was_changed(bundle, tmp_path):
    _, folder = bundle
    with pytest.raises(ModelError) as caught:
        open_radiograph_tower(tmp_path)
    assert caught.value.code == "MV1403"
    (folder / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError) as caught:
        open_radiograph_tower(folder)
    assert caught.value.code == "MV1404"
