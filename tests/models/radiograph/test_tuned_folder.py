"""What is written comes back as it was; what is damaged or of another task is refused."""

import json

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.bundle_schema import Provenance
from medvlp.models.radiograph.tuned_folder import (
    TUNED_FILE,
    TunedCard,
    load_class_network,
    load_mask_network,
    save_tuned,
)
from medvlp.models.radiograph.tuned_networks import RadiographClassNetwork, RadiographMaskNetwork
from tests.models.radiograph.tiny_networks import PX, tiny_model_settings

CARD = TunedCard(
    name="tuned",
    provenance=Provenance(medvlp_version="0", libraries={}, data="phantoms"),
    license="Apache-2.0",
)
SETTINGS = tiny_model_settings()


@pytest.fixture
def classes(tmp_path):
    network = RadiographClassNetwork(SETTINGS, ("a", "b"), "one-of", seed=3).eval()
    save_tuned(tmp_path / "classifier", network, CARD)
    return network, tmp_path / "classifier"


def test_class_network__comes_back_as_it_was(classes):
    network, folder = classes
    loaded, meta = load_class_network(folder)
    pixels = torch.rand(2, 1, PX, PX)
    assert torch.equal(loaded(pixels), network(pixels))
    assert (meta.task, meta.classes, meta.width) == ("one-of", ("a", "b"), None)


def test_mask_network__comes_back_as_it_was(tmp_path):
    network = RadiographMaskNetwork(SETTINGS, ("background", "lesion"), width=8, seed=3).eval()
    save_tuned(tmp_path / "segmenter", network, CARD)
    loaded, meta = load_mask_network(tmp_path / "segmenter")
    pixels = torch.rand(2, 1, PX, PX)
    assert torch.equal(loaded(pixels), network(pixels))
    assert (meta.task, meta.width) == ("masks", 8)


def test_load__refuses_another_task_and_damage(classes):
    _, folder = classes
    with pytest.raises(ModelError, match="is of task 'one-of'"):
        load_mask_network(folder)
    description = json.loads((folder / TUNED_FILE).read_text())
    description["classes"] = ["a", "b", "c"]
    (folder / TUNED_FILE).write_text(json.dumps(description))
    with pytest.raises(ModelError) as caught:
        load_class_network(folder)
    assert caught.value.code == "MV1409"
    (folder / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError) as caught:
        load_class_network(folder)
    assert caught.value.code == "MV1404"
    with pytest.raises(ModelError, match="does not exist"):
        load_class_network(folder / "nowhere")
