"""The settings file tells who wrote a model folder; anything else is refused."""

import json
from pathlib import Path

import pytest

from medvlp.errors import ModelError
from medvlp.models.folders import FolderLayout, bundle_modality, model_folder, model_layout
from tests.models.volume.tiny_bundles import write_tiny_volume_bundle


def test_model_layout__knows_the_three_layouts(bundle_folder, open_clip_folder, timm_folder):
    assert model_layout(bundle_folder) is FolderLayout.BUNDLE
    assert model_layout(open_clip_folder) is FolderLayout.OPEN_CLIP
    assert model_layout(timm_folder) is FolderLayout.TIMM


def test_model_layout__prefers_the_description_of_our_own(bundle_folder):
    (bundle_folder / "config.json").write_text('{"architecture": "resnet18"}')
    assert model_layout(bundle_folder) is FolderLayout.BUNDLE


@pytest.mark.parametrize(
    ("files", "phrase", "code"),
    [
        ({}, "is not a model folder", "MV1401"),
        ({"config.json": {"model_type": "keep"}}, "is not a model folder", "MV1401"),
        ({"config.json": [1]}, "is not a model folder", "MV1401"),
        ({"model.safetensors": {}}, "has weights but no medvlp.json", "MV1403"),
        ({"config.json": {"auto_map": {}, "architecture": "x"}}, "program", "MV1416"),
        (
            {"open_clip_config.json": {}, "tokenizer_config.json": {"auto_map": {}}},
            "tokenizer_config.json asks for a program",
            "MV1416",
        ),
    ],
)
def test_model_layout__refuses_other_folders(tmp_path: Path, files, phrase, code):
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(ModelError, match=phrase) as caught:
        model_layout(tmp_path)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("config", "kind", "code"),
    [
        ({"model_type": "keep", "auto_map": {"AutoModel": "x.Y"}}, "keep", "MV1416"),
        ({"model_type": "clip"}, "plip", "MV1403"),
    ],
)
def test_model_layout__tells_how_a_release_is_converted(tmp_path: Path, config, kind, code):
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelError, match=f"medvlp import {kind} {tmp_path.name} --out") as caught:
        model_layout(tmp_path)
    assert caught.value.code == code


def test_model_layout__names_a_settings_file_that_is_no_json(tmp_path: Path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read as JSON") as caught:
        model_layout(tmp_path)
    assert caught.value.code == "MV1407"


def test_model_folder__returns_a_folder_as_it_is(tmp_path: Path):
    assert model_folder(str(tmp_path)) == tmp_path


@pytest.mark.parametrize(
    ("name", "phrase", "code"),
    [
        ("nowhere", "there is no model 'nowhere'", "MV1401"),
        ("weights.pt", "is a pickle file", "MV1406"),
        ("slide.svs", "is a file, not a model", "MV1401"),
    ],
)
def test_model_folder__refuses_what_is_no_folder(tmp_path: Path, monkeypatch, name, phrase, code):
    monkeypatch.chdir(tmp_path)
    if "." in name:
        Path(name).touch()
    with pytest.raises(ModelError, match=phrase) as caught:
        model_folder(name)
    assert caught.value.code == code


def test_model_folder__asks_the_hub_for_its_names(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("medvlp.models.folders.fetch_hub_folder", lambda name: tmp_path / name[7:])
    assert model_folder("hf-hub:owner/name") == tmp_path / "owner/name"


def test_bundle_modality__is_told_without_loading_weights(
    tmp_path, tokenizer, bundle_folder, timm_folder, open_clip_folder
):
    write_tiny_volume_bundle(tmp_path / "ct", tokenizer)
    for folder in (tmp_path / "ct", bundle_folder):
        (folder / "model.safetensors").unlink()
    assert bundle_modality(tmp_path / "ct") == bundle_modality("volume:resnet3d18") == "ct"
    names = (bundle_folder, timm_folder, str(open_clip_folder), "timm:resnet18", "open_clip:RN50")
    assert {bundle_modality(name) for name in names} == {"slide"}
    with pytest.raises(ModelError) as caught:
        bundle_modality(tmp_path / "absent")
    assert caught.value.code == "MV1401"
