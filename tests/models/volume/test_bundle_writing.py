"""A bundle of a model of volumes appears whole or not at all."""

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.volume.bundle_schema import read_volume_bundle_meta
from medvlp.models.volume.bundle_writing import save_volume_bundle
from tests.models.volume.tiny_bundles import some_texts, tiny_volume_model, volume_card


def test_save_volume_bundle__returns_what_it_wrote(tmp_path, tokenizer):
    model = tiny_volume_model(tokenizer.vocab_size)
    meta = save_volume_bundle(tmp_path / "b", model, tokenizer, volume_card())
    assert read_volume_bundle_meta(tmp_path / "b") == meta
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == [
        *("medvlp.json", "model.safetensors", "tokenizer.json")
    ]


def test_save_volume_bundle__refuses_nan_and_leaves_nothing_behind(tmp_path):
    model = tiny_volume_model()
    with torch.no_grad():
        model.volume_tower.conv1.weight[0] = torch.nan
    with pytest.raises(ModelError, match="conv1") as caught:
        save_volume_bundle(tmp_path / "b", model, None, volume_card())
    assert caught.value.code == "MV1405"
    assert list(tmp_path.iterdir()) == []


def test_save_volume_bundle__refuses_texts_of_another_length(tmp_path):
    with pytest.raises(ModelError, match="5 values; expected 24") as caught:
        save_volume_bundle(
            tmp_path / "b", tiny_volume_model(), None, volume_card(), texts=some_texts(5)
        )
    assert caught.value.code == "MV1446"


def test_save_volume_bundle__needs_a_tokenizer_exactly_with_a_text_tower(tmp_path, tokenizer):
    for model, given in ((tiny_volume_model(), tokenizer), (tiny_volume_model(90), None)):
        with pytest.raises(ValueError, match="tokenizer must have"):
            save_volume_bundle(tmp_path / "b", model, given, volume_card())
