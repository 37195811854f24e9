"""medvlp.json is read strictly: a wrong key, value or version is named with file and path."""

import json

import pytest

from medvlp.errors import ModelError
from medvlp.models.bundle_schema import BUNDLE_FILE, image_modality, read_bundle_meta


def change(folder, edit) -> None:
    path = folder / BUNDLE_FILE
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_read_bundle_meta__gives_back_what_was_saved(bundle_folder, settings, card):
    meta = read_bundle_meta(bundle_folder)
    assert meta.architecture == settings
    assert meta.preprocessing.to_preprocessing() == card.preprocessing
    assert meta.scale == card.scale
    assert meta.intended_use == "research only"
    assert (meta.templates, meta.prompts) == (card.templates, card.prompts)


def test_read_bundle_meta__allows_a_model_without_physical_scale(bundle_folder):
    change(bundle_folder, lambda c: c.update(scale=None))
    assert read_bundle_meta(bundle_folder).scale is None


@pytest.mark.parametrize(
    ("edit", "phrase"),
    [
        (lambda c: c.update(licence="MIT"), r"licence is not a known key \(did you mean 'licens"),
        (lambda c: c.pop("license"), "license is missing"),
        (lambda c: c.update(modality="slides"), "modality='slides'"),
        (lambda c: c["scale"].update(mpp=0), "scale.mpp=0"),
        (lambda c: c["scale"].update(mpp="0.5"), "scale.mpp='0.5'"),
        (lambda c: c["preprocessing"].update(std=[0.2, 0.0, 0.2]), "value of 0 or less"),
        (lambda c: c["preprocessing"].update(resize_px=8), "8 is smaller than input_px 48"),
        (lambda c: c["preprocessing"].update(interpolation="lanczos"), "interpolation='lanczos'"),
        (lambda c: c["architecture"]["text"].update(layers=10**6), "text.layers=1000000"),
        (lambda c: c.update(files={"../../etc/passwd": "0" * 64}), r"files: names \['../../etc"),
        (lambda c: c["files"].update({"tokenizer.json": "abc"}), "tokenizer.json has 'abc'"),
        (lambda c: c.update(format="other"), "format='other'"),
    ],
)
def test_read_bundle_meta__names_what_is_wrong(bundle_folder, edit, phrase):
    change(bundle_folder, edit)
    with pytest.raises(ModelError, match=phrase) as caught:
        read_bundle_meta(bundle_folder)
    assert caught.value.code == "MV1407"
    assert BUNDLE_FILE in caught.value.what


def test_read_bundle_meta__refuses_another_format_version_first(bundle_folder):
    change(bundle_folder, lambda c: c.update(format_version=2, novelty=True))
    with pytest.raises(ModelError, match="format_version 2; expected 1") as caught:
        read_bundle_meta(bundle_folder)
    assert caught.value.code == "MV1408"


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, "\x00\xff"])
def test_read_bundle_meta__refuses_what_is_no_description(bundle_folder, content):
    (bundle_folder / BUNDLE_FILE).write_text(content)
    with pytest.raises(ModelError) as caught:
        read_bundle_meta(bundle_folder)
    assert caught.value.code == "MV1407"


def test_read_bundle_meta__names_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match="does not exist") as caught:
        read_bundle_meta(tmp_path)
    assert caught.value.code == "MV1403"


def test_image_modality__is_that_of_models_that_take_images():
    assert [image_modality(m, "it") for m in ("slide", "radiograph")] == ["slide", "radiograph"]
    with pytest.raises(ModelError, match="it is of modality 'ct'") as caught:
        image_modality("ct", "it")
    assert caught.value.code == "MV1445"
