"""The name or the description of a model says what it takes."""

import json
from pathlib import Path

import pytest

from medvlp.errors import ModelError
from medvlp.models import any_encoder
from medvlp.models.any_encoder import load_any_encoder
from medvlp.models.vision import ImageEncoder
from medvlp.models.volume.volume_encoder import VolumeEncoder


def test_load_any_encoder__goes_by_the_library() -> None:
    modality, encoder = load_any_encoder("timm:test_vit")
    assert (modality, isinstance(encoder, ImageEncoder)) == ("slide", True)
    modality, encoder = load_any_encoder("volume:resnet3d10")
    assert (modality, isinstance(encoder, VolumeEncoder)) == ("ct", True)


@pytest.mark.parametrize("modality", ["slide", "ct", "radiograph"])
def test_load_any_encoder__goes_by_the_description_of_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modality: str
) -> None:
    document = {"format": "medvlp-bundle", "modality": modality}
    (tmp_path / "medvlp.json").write_text(json.dumps(document))
    asked: list[str] = []
    loaders = {
        "slide": "load_image_encoder",
        "ct": "load_volume_encoder",
        "radiograph": "load_radiograph_bundle",
    }
    for kind, loader in loaders.items():
        monkeypatch.setattr(any_encoder, loader, lambda name, kind=kind, **_: asked.append(kind))
    assert load_any_encoder(str(tmp_path))[0] == modality
    assert asked == [modality]


def test_load_any_encoder__refuses_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="MV14"):
        load_any_encoder(str(tmp_path / "nowhere"))
