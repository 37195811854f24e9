"""Folders of classifiers of scans: every bit comes back, and broken ones are refused."""

import json

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.bundle_schema import Provenance
from medvlp.models.volume.class_folder import CLASSIFIER_FILE, load_classifier, save_classifier
from medvlp.models.volume.class_network import ClassNetwork
from medvlp.models.volume.tower_folder import ImageTowerCard
from medvlp.types import VolumePreprocessing
from tests.models.volume.test_class_network import CLASSES, IMAGE, SHAPE

CARD = ImageTowerCard(
    name="kinds",
    preprocessing=VolumePreprocessing(
        spacing_mm=(5.0, 2.0, 2.0),
        shape_zyx=SHAPE,
        orientation="LPS",
        axes="zyx",
        window_hu=(-200.0, 300.0),
        region="kidney",
    ),
    provenance=Provenance(medvlp_version="0"),
    license="Apache-2.0",
)


@pytest.fixture
def folder(tmp_path):
    model = ClassNetwork(IMAGE, SHAPE, "kind", CLASSES, hidden=7, seed=1)
    save_classifier(tmp_path / "kept", model, CARD)
    return tmp_path / "kept"


def test_folder__brings_back_every_bit(folder):
    loaded, meta = load_classifier(folder)
    model = ClassNetwork(IMAGE, SHAPE, "kind", CLASSES, hidden=7, seed=1).eval()
    assert (meta.target, meta.classes, meta.hidden, meta.name) == ("kind", CLASSES, 7, "kinds")
    assert not loaded.training
    voxels = torch.randn((2, 1, *SHAPE), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(loaded(voxels), model(voxels))


@pytest.mark.parametrize(
    ("change", "code"),
    [({"hidden": 8}, "MV1409"), ({"classes": ["a"]}, "MV1407"), ({"extra": 1}, "MV1407")],
)
def test_load__refuses_a_description_that_does_not_fit(folder, change, code):
    path = folder / CLASSIFIER_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=code):
        load_classifier(folder)


def test_load__refuses_changed_and_missing_files(folder):
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + b"\x01")
    with pytest.raises(ModelError, match="MV1404"):
        load_classifier(folder)
    weights.unlink()
    with pytest.raises(ModelError, match="MV1403"):
        load_classifier(folder)
    with pytest.raises(ModelError, match=r"MV1403: .*scan_classifier.json does not exist"):
        load_classifier(folder.parent)
