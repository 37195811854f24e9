"""A model of volumes is read back as it was written, and everything else is refused."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from medvlp.errors import ModelError
from medvlp.models.bundle import load_bundle
from medvlp.models.bundle_schema import BUNDLE_FILE
from medvlp.models.volume.bundle import load_volume_bundle
from tests.models.volume.tiny_bundles import (
    KIDNEY_BOX,
    kidney_boxes,
    some_texts,
    write_tiny_volume_bundle,
)


def expected_embeddings(model, hu: torch.Tensor) -> torch.Tensor:
    """Window, put the axes in the order z, x, y and embed, all written out."""
    voxels = (np.clip(hu.numpy().astype(np.float64), -200, 300) + 200) / 500
    tensor = torch.from_numpy(voxels.transpose(0, 1, 3, 2).copy())[:, None].float()
    with torch.inference_mode():
        return functional.normalize(model.project_volume(tensor), dim=-1)


def test_load_volume_bundle__gives_back_the_embeddings_of_the_model(tmp_path, tokenizer):
    model = write_tiny_volume_bundle(tmp_path / "b", tokenizer)
    bundle = load_volume_bundle(tmp_path / "b")
    hu = kidney_boxes()
    embedded = bundle.volume_encoder.embed(hu)
    torch.testing.assert_close(embedded, expected_embeddings(model, hu), rtol=0, atol=1e-6)
    tokens = tokenizer.encode(["clear cell", "normal"], 16)
    with torch.inference_mode():
        text = model.encode_text(torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask))
    found = bundle.require_text().embed(["clear cell", "normal"])
    np.testing.assert_allclose(found, text.numpy(), rtol=0, atol=1e-6)
    assert bundle.logit_scale == pytest.approx(model.logit_scale.detach().exp().item())
    assert bundle.name == bundle.volume_encoder.name == "tiny-ct"
    assert bundle.volume_encoder.preprocessing == KIDNEY_BOX
    assert bundle.volume_encoder.is_normalized


def test_load_volume_bundle__looks_up_stored_texts(tmp_path):
    texts = some_texts()
    write_tiny_volume_bundle(tmp_path / "b", texts=texts)
    bundle = load_volume_bundle(tmp_path / "b")
    found = bundle.require_text().embed(["a solid mass"])
    np.testing.assert_allclose(found, texts.embed(["a solid mass"]), rtol=0, atol=1e-7)


def test_load_volume_bundle__allows_a_model_without_texts_to_embed_only(tmp_path):
    model = write_tiny_volume_bundle(tmp_path / "b", is_projected=False)
    bundle = load_volume_bundle(tmp_path / "b")
    embedded = bundle.volume_encoder.embed(kidney_boxes())
    expected = expected_embeddings(model, kidney_boxes())
    assert not torch.allclose(embedded, expected)
    torch.testing.assert_close(functional.normalize(embedded, dim=-1), expected)
    with pytest.raises(ModelError, match="no text tower and no embeddings") as caught:
        bundle.require_text()
    assert caught.value.code == "MV1448"


def test_load_volume_bundle__is_called_by_its_hub_name(tmp_path, tokenizer, monkeypatch):
    write_tiny_volume_bundle(tmp_path / "b", tokenizer)
    monkeypatch.setattr("medvlp.models.folders.fetch_hub_folder", lambda name: tmp_path / "b")
    bundle = load_volume_bundle("hf-hub:owner/name")
    assert bundle.name == bundle.volume_encoder.name == "hf-hub:owner/name"


def test_load_volume_bundle__refuses_a_model_of_images(bundle_folder, timm_folder):
    for folder in (bundle_folder, timm_folder):
        with pytest.raises(ModelError) as caught:
            load_volume_bundle(folder)
        assert caught.value.code == "MV1445"


def test_load_bundle__refuses_a_model_of_volumes(tmp_path, tokenizer):
    write_tiny_volume_bundle(tmp_path / "b", tokenizer)
    with pytest.raises(ModelError, match="a model of CT volumes") as caught:
        load_bundle(tmp_path / "b")
    assert caught.value.code == "MV1445"


@pytest.mark.parametrize("name", ["model.safetensors", "texts.safetensors"])
def test_load_volume_bundle__refuses_a_changed_or_missing_file(tmp_path, name):
    write_tiny_volume_bundle(tmp_path / "b", texts=some_texts())
    path = tmp_path / "b" / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ModelError, match=name) as caught:
        load_volume_bundle(tmp_path / "b")
    assert caught.value.code == "MV1404"
    path.unlink()
    with pytest.raises(ModelError, match="does not exist") as caught:
        load_volume_bundle(tmp_path / "b")
    assert caught.value.code == "MV1403"


def test_load_volume_bundle__builds_no_larger_model_than_there_are_weights(tmp_path, tokenizer):
    write_tiny_volume_bundle(tmp_path / "b", tokenizer)
    path = tmp_path / "b" / BUNDLE_FILE
    content = json.loads(path.read_text())
    content["architecture"]["image"]["width"] = 1024
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"instead of \(1024") as caught:
        load_volume_bundle(tmp_path / "b")
    assert caught.value.code == "MV1409"


def test_load_volume_bundle__refuses_a_tokenizer_of_another_size(tmp_path, tokenizer):
    write_tiny_volume_bundle(tmp_path / "b", tokenizer)
    path = tmp_path / "b" / BUNDLE_FILE
    content = json.loads(path.read_text())
    content["vocab_size"] = tokenizer.vocab_size + 1
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError) as caught:
        load_volume_bundle(tmp_path / "b")
    assert caught.value.code == "MV1409"


def test_volume_bundle__windows_before_the_network_sees_anything(tmp_path, tokenizer):
    wide = dataclasses.replace(KIDNEY_BOX, window_hu=(-1000.0, 1000.0), output_range=(-1.0, 1.0))
    write_tiny_volume_bundle(tmp_path / "a", tokenizer)
    write_tiny_volume_bundle(tmp_path / "b", tokenizer, preprocessing=wide)
    narrow, other = (load_volume_bundle(tmp_path / n).volume_encoder for n in "ab")
    hu = torch.full((1, 8, 16, 16), 400, dtype=torch.int16)
    above = torch.full((1, 8, 16, 16), 900, dtype=torch.int16)
    torch.testing.assert_close(narrow.embed(hu), narrow.embed(above))
    assert not torch.allclose(other.embed(hu), other.embed(above))
