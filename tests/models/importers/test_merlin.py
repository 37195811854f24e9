"""A file in Merlin's layout gives the embeddings that its weights stand for."""

import numpy as np
import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.importers.kinds import import_release
from medvlp.models.importers.merlin import MERLIN_BOX
from medvlp.models.importers.records import ImportRequest
from medvlp.models.volume.bundle import load_volume_bundle
from tests.models.importers.volume_releases import (
    boxes_of,
    merlin_embedding,
    merlin_tensors,
    windowed,
)

NAME = "i3_resnet_clinical_longformer_best_clip_04-02-2024_23-21-36_epoch_99.pt"
P = "encode_image.i3_resnet."


def write(folder, tensors):
    folder.mkdir(exist_ok=True)
    torch.save(tensors, folder / NAME)
    return folder


def run(source, tmp_path, **options):
    request = ImportRequest(source=str(source), out=tmp_path / "bundle", **options)
    return import_release("merlin", request)


def test_import_merlin__gives_the_embeddings_of_an_independent_network(tmp_path):
    tensors = merlin_tensors()
    vectors = np.eye(10, dtype=np.float32)[:2]
    np.savez(tmp_path / "t.npz", texts=np.array(["stones", "no stones"]), embeddings=vectors)
    report = run(write(tmp_path / "r", tensors), tmp_path, texts=tmp_path / "t.npz")
    bundle = load_volume_bundle(report.folder)
    hu = boxes_of((160, 224, 224))
    expected = merlin_embedding(tensors, windowed(hu, -1000, 1000).transpose(3, 4))
    torch.testing.assert_close(bundle.volume_encoder.embed(hu), expected, rtol=0, atol=1e-5)
    assert bundle.volume_encoder.preprocessing == MERLIN_BOX
    assert (MERLIN_BOX.box_mm, MERLIN_BOX.orientation) == ((480.0, 336.0, 336.0), "RAS")
    assert (MERLIN_BOX.air_hu, MERLIN_BOX.overlap) == (-1000.0, None)
    assert bundle.logit_scale == pytest.approx(np.exp(1.5))
    np.testing.assert_allclose(bundle.require_text().embed(["no stones"]), vectors[1:])


def test_import_merlin__says_what_is_left_out(tmp_path):
    report = run(write(tmp_path / "r", merlin_tensors()), tmp_path)
    assert any("diagnosis codes is left out" in note for note in report.notes)
    assert any("--texts" in note for note in report.notes)
    assert report.meta.architecture.image.depth == 50
    assert load_volume_bundle(report.folder).text_encoder is None


@pytest.mark.parametrize(
    ("change", "code", "phrase"),
    [
        (lambda t: t.pop(f"{P}layer1.2.bn3.bias"), "MV2105", r"1 missing: .*layer1\.2\.bn3\.bias"),
        (lambda t: t.update({f"{P}fc.weight": torch.ones(1)}), "MV2105", "1 unexpected: .*fc"),
        (lambda t: t.update({f"{P}bn1.bias": torch.ones(3)}), "MV2106", r"is \(3,\) instead"),
        (lambda t: t.pop(f"{P}conv1.weight"), "MV2105", "there is no .*conv1"),
        (lambda t: t.pop(f"{P}contrastive_head.weight"), "MV2105", "there is no .*contrastive"),
        (lambda t: t.update({f"{P}layer4.3.x": torch.ones(1)}), "MV2101", r"\(3, 4, 6, 4\)"),
    ],
)
def test_import_merlin__refuses_what_is_not_of_the_layout(tmp_path, change, code, phrase):
    tensors = merlin_tensors()
    change(tensors)
    with pytest.raises(ModelError, match=phrase) as caught:
        run(write(tmp_path / "r", tensors), tmp_path)
    assert caught.value.code == code
