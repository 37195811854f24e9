"""A name stands for a model of images or of volumes; its description says which."""

from pathlib import Path

import pytest

from medvlp.errors import ModelError
from medvlp.models.any_bundle import load_any_bundle, model_encoder, model_modality
from medvlp.models.bundle import Bundle
from medvlp.models.volume.bundle import VolumeBundle
from tests.models.volume.tiny_bundles import some_texts, write_tiny_volume_bundle


def test_load_any_bundle__goes_by_the_description(bundle_folder: Path, tmp_path: Path) -> None:
    write_tiny_volume_bundle(tmp_path / "ct", texts=some_texts())
    ct, slides = load_any_bundle(tmp_path / "ct"), load_any_bundle(bundle_folder)
    assert isinstance(ct, VolumeBundle)
    assert isinstance(slides, Bundle)
    assert (model_modality(ct), model_modality(slides)) == ("ct", "slide")
    assert model_encoder(ct) is ct.volume_encoder
    assert model_encoder(slides) is slides.image_encoder


def test_load_any_bundle__says_what_a_name_lacks(tmp_path: Path) -> None:
    for name in ("timm:resnet18", "volume:resnet3d18"):
        with pytest.raises(ModelError, match=r"MV1413: .* only; zero-shot needs"):
            load_any_bundle(name)
    with pytest.raises(ModelError, match="MV14"):
        load_any_bundle(tmp_path)
