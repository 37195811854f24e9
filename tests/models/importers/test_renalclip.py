"""A file in RenalCLIP's layout gives the embeddings that its weights stand for."""

import argparse

import numpy as np
import pytest
import torch

from medvlp.errors import MedvlpError, ModelError
from medvlp.models.importers.kinds import import_release
from medvlp.models.importers.records import ImportRequest
from medvlp.models.importers.renalclip import RELEASED_FILE, RENALCLIP_BOX
from medvlp.models.volume.bundle import load_volume_bundle
from tests.models.importers.volume_releases import (
    boxes_of,
    renalclip_embedding,
    renalclip_tensors,
    windowed,
)

HEAD = "image_encoder_q_student.global_embedding.head"


def write(folder, tensors, name=RELEASED_FILE, **beside):
    folder.mkdir(exist_ok=True)
    torch.save({"model": tensors, **beside}, folder / name)
    return folder / name


def run(source, tmp_path, **options):
    request = ImportRequest(source=str(source), out=tmp_path / "bundle", **options)
    return import_release("renalclip", request)


@pytest.mark.parametrize("sizes", [{}, {"hidden": 10}, {"depth": 18, "width": 2}])
def test_import_renalclip__gives_the_embeddings_of_an_independent_network(tmp_path, sizes):
    tensors = renalclip_tensors(**sizes)
    beside = {"epoch": 3, "optimizer": {"lr": 1e-5}, "args": argparse.Namespace(seed=42)}
    wrapped = {f"module.{name}": tensor for name, tensor in tensors.items()}
    report = run(write(tmp_path / "r", wrapped, **beside), tmp_path)
    bundle = load_volume_bundle(report.folder)
    hu = boxes_of((32, 128, 128))
    voxels = windowed(hu, -200, 300).transpose(3, 4)  # depth first, then x, then y
    expected = renalclip_embedding(tensors, voxels)
    torch.testing.assert_close(bundle.volume_encoder.embed(hu), expected, rtol=0, atol=2e-6)
    assert bundle.logit_scale == pytest.approx(np.exp(3.1))
    assert report.num_weights == sum(tensor.numel() for tensor in tensors.values())
    assert bundle.volume_encoder.is_projected


def test_import_renalclip__records_how_the_kidney_is_cut_and_fed(tmp_path):
    report = run(write(tmp_path / "r", renalclip_tensors()), tmp_path)
    preprocessing = load_volume_bundle(report.folder).volume_encoder.preprocessing
    assert preprocessing == RENALCLIP_BOX
    assert preprocessing.box_mm == (128.0, 128.0, 128.0)
    assert (preprocessing.spacing_mm, preprocessing.axes) == ((4.0, 1.0, 1.0), "zxy")
    assert (preprocessing.orientation, preprocessing.window_hu) == ("LPS", (-200.0, 300.0))
    network = report.meta.architecture.image
    assert (network.shortcut, network.cut_shortcut_gradient) == ("A", True)
    assert any("orientation" in note for note in report.notes)
    assert any("--texts" in note for note in report.notes)
    assert report.meta.provenance.sources.keys() == {RELEASED_FILE}
    other = run(tmp_path / "r", tmp_path / "2", orientation="ras")
    assert other.meta.preprocessing.orientation == "RAS"


def test_import_renalclip__keeps_embeddings_of_texts(tmp_path):
    texts = tmp_path / "texts.npz"
    vectors = np.random.default_rng(0).normal(size=(2, 12)).astype(np.float32)
    np.savez(texts, texts=np.array(["benign, ...", "malignant, ..."]), embeddings=vectors)
    report = run(write(tmp_path / "r", renalclip_tensors()), tmp_path, texts=texts)
    encoder = load_volume_bundle(report.folder).require_text()
    expected = vectors[1:] / np.linalg.norm(vectors[1])
    np.testing.assert_allclose(encoder.embed(["malignant, ..."]), expected, atol=1e-7)
    with pytest.raises(ModelError, match=r"did you mean 'malignant, \.\.\.'") as caught:
        encoder.embed(["malignant .."])
    assert caught.value.code == "MV1447"
    assert "texts.npz" in report.meta.provenance.sources
    assert not any("--texts" in note for note in report.notes)


def test_import_renalclip__refuses_texts_of_another_length(tmp_path):
    np.savez(tmp_path / "t.npz", a=np.ones(5, np.float32))
    path = write(tmp_path / "r", renalclip_tensors())
    with pytest.raises(ModelError, match="have 5 values; expected 12") as caught:
        run(path, tmp_path, texts=tmp_path / "t.npz")
    assert caught.value.code == "MV1446"
    assert not (tmp_path / "bundle").exists()


def test_import_renalclip__takes_an_encoder_without_head_to_embed_only(tmp_path):
    tensors = {
        name.removeprefix("image_encoder_q_student."): tensor
        for name, tensor in renalclip_tensors().items()
        if "global_embedding" not in name and name != "logit_scale"
    }
    path = write(tmp_path / "r", tensors)
    report = run(path, tmp_path)
    encoder = load_volume_bundle(report.folder).volume_encoder
    assert (encoder.dim, encoder.is_projected, encoder.is_normalized) == (32, False, False)
    assert any("no head" in note for note in report.notes)
    np.savez(tmp_path / "t.npz", a=np.ones(32, np.float32))
    with pytest.raises(ModelError, match="no head for a space") as caught:
        run(path, tmp_path / "2", texts=tmp_path / "t.npz")
    assert caught.value.code == "MV2114"


def test_import_renalclip__takes_the_first_scale_where_none_is_stored_and_says_so(tmp_path):
    tensors = renalclip_tensors()
    del tensors["logit_scale"]
    report = run(write(tmp_path / "r", tensors), tmp_path)
    assert load_volume_bundle(report.folder).logit_scale == pytest.approx(1 / 0.07)
    assert any("no logit scale" in note for note in report.notes)


def test_import_renalclip__holds_the_scale_below_100_as_the_training_does(tmp_path):
    report = run(write(tmp_path / "r", renalclip_tensors(scale=4.9)), tmp_path)
    assert load_volume_bundle(report.folder).logit_scale == pytest.approx(100.0)


P = "image_encoder_q_student."


@pytest.mark.parametrize(
    ("change", "code", "phrase"),
    [
        (lambda t: t.pop(f"{P}layer2.0.bn1.bias"), "MV2105", r"1 missing: .*layer2\.0\.bn1\.bias"),
        (lambda t: t.update({f"{P}fc.weight": torch.ones(2)}), "MV2105", "1 unexpected: .*fc"),
        (lambda t: t.update({f"{HEAD}.bias": torch.ones(3)}), "MV2106", r"is \(3,\) instead of"),
        (lambda t: t.pop(f"{P}conv1.weight"), "MV2105", "no 3D convolution under 'conv1.weight'"),
        (lambda t: t.update({f"{P}layer3.1.x": torch.ones(1)}), "MV2101", r"\(1, 1, 2, 1\)"),
        (lambda t: t.update({f"{HEAD}.weight": torch.tensor(1.0)}), "MV2101", "head.dim=0"),
        (lambda t: t[f"{P}bn1.bias"].fill_(torch.nan), "MV1405", r"bn1\.bias"),
    ],
)
def test_import_renalclip__refuses_what_is_not_of_the_layout(tmp_path, change, code, phrase):
    tensors = renalclip_tensors()
    change(tensors)
    with pytest.raises(ModelError, match=phrase) as caught:
        run(write(tmp_path / "r", tensors), tmp_path)
    assert caught.value.code == code
    assert not (tmp_path / "bundle").exists()


def test_import_renalclip__takes_the_released_file_from_the_hub(tmp_path, monkeypatch):
    write(tmp_path / "r", renalclip_tensors())
    asked = []

    def fetch(name, weights):
        asked.append((name, weights))
        return tmp_path / "r"

    monkeypatch.setattr("medvlp.models.importers.source.fetch_hub_folder", fetch)
    run("hf-hub:taoyh/RenalCLIP", tmp_path)
    assert asked == [("hf-hub:taoyh/RenalCLIP", (RELEASED_FILE,))]


def test_import_renalclip__refuses_an_orientation_that_is_none(tmp_path):
    with pytest.raises(MedvlpError, match="'LLS' names no orientation") as caught:
        run(write(tmp_path / "r", renalclip_tensors()), tmp_path, orientation="LLS")
    assert caught.value.code == "MV2115"
