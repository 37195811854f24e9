"""The description of a model of volumes is read strictly, and told from that of images."""

import json

import pytest

from medvlp.errors import ModelError
from medvlp.models.bundle_schema import BUNDLE_FILE
from medvlp.models.volume.bundle_schema import read_volume_bundle_meta
from tests.models.volume.tiny_bundles import KIDNEY_BOX, some_texts, write_tiny_volume_bundle


@pytest.fixture
def folder(tmp_path, tokenizer):
    write_tiny_volume_bundle(tmp_path / "b", tokenizer)
    return tmp_path / "b"


def change(folder, edit) -> None:
    content = json.loads((folder / BUNDLE_FILE).read_text())
    edit(content)
    (folder / BUNDLE_FILE).write_text(json.dumps(content))


def test_read_volume_bundle_meta__gives_back_what_was_saved(folder, tokenizer):
    meta = read_volume_bundle_meta(folder)
    assert meta.preprocessing.to_preprocessing() == KIDNEY_BOX
    assert (meta.name, meta.modality, meta.vocab_size) == ("tiny-ct", "ct", tokenizer.vocab_size)
    assert meta.prompts == {"cyst": ("simple cyst",)}
    assert meta.is_projected


@pytest.mark.parametrize(
    ("edit", "phrase"),
    [
        (lambda c: c["preprocessing"].update(orientation="LLS"), "'LLS' names no sides"),
        (lambda c: c["preprocessing"].update(orientation="lps"), "'lps' names no sides"),
        (lambda c: c["preprocessing"].update(orientation="LPSx"), "names no sides"),
        (lambda c: c["preprocessing"].update(window_hu=[300, -200]), "window_hu: 300.0 is not"),
        (lambda c: c["preprocessing"].update(output_range=[1, 1]), "output_range: 1.0 is not"),
        (lambda c: c["preprocessing"].update(spacing_mm=[5, 0, 1]), r"spacing_mm\[1\]=0"),
        (lambda c: c["preprocessing"].update(shape_zyx=[8, 16]), "shape_zyx"),
        (lambda c: c["preprocessing"].update(axes="yxz"), "axes='yxz'"),
        (lambda c: c["preprocessing"].update(overlap=1.0), "overlap=1.0"),
        (lambda c: c["preprocessing"].update(region=""), "region=''"),
        (lambda c: c["architecture"]["image"].update(architecture="x"), "architecture"),
        (lambda c: c["architecture"]["image"].update(feature_size=48), "feature_size is not a kn"),
        (lambda c: c["architecture"]["head"].update(dim=None), "dim: is missing"),
        (lambda c: c.update(vocab_size=None), "vocab_size: is None with a text tower"),
        (lambda c: c["architecture"].update(text=None), "without a text tower"),
        (lambda c: c["files"].pop("tokenizer.json"), "names .'model.safetensors'.; expected"),
        (lambda c: c["files"].update({"texts.safetensors": "0" * 64}), "beside a text tower"),
        (lambda c: c["files"].update({"../x": "0" * 64}), r"names \['../x"),
        (lambda c: c.update(is_projected=False), "is_projected: is false, but there are texts"),
        (lambda c: c.update(modality="mr"), "modality='mr'"),
        (lambda c: c.update(scale=None), "scale is not a known key"),
    ],
)
def test_read_volume_bundle_meta__names_what_is_wrong(folder, edit, phrase):
    change(folder, edit)
    with pytest.raises(ModelError, match=phrase) as caught:
        read_volume_bundle_meta(folder)
    assert caught.value.code == "MV1407"


@pytest.mark.parametrize("modality", ["slide", "radiograph"])
def test_read_volume_bundle_meta__refuses_a_model_of_images(folder, modality):
    change(folder, lambda c: c.update(modality=modality))
    with pytest.raises(ModelError, match=f"modality '{modality}'") as caught:
        read_volume_bundle_meta(folder)
    assert caught.value.code == "MV1445"


def test_read_volume_bundle_meta__allows_texts_without_a_text_tower(tmp_path):
    write_tiny_volume_bundle(tmp_path / "b", texts=some_texts())
    meta = read_volume_bundle_meta(tmp_path / "b")
    assert (meta.vocab_size, meta.architecture.text) == (None, None)
    assert set(meta.files) == {"model.safetensors", "texts.safetensors"}
