"""What is written as a bundle is read back the same, for our towers and for open_clip's."""

import dataclasses

import numpy as np
import open_clip
import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.bundle import load_bundle
from medvlp.models.bundle_schema import Provenance, read_bundle_meta
from medvlp.models.bundle_writing import save_bundle, write_bundle
from medvlp.models.open_clip_build import build_open_clip
from medvlp.models.open_clip_settings import OpenClipSettings
from medvlp.text.clip_tokenizer import ClipTokenizer
from tests.models.conftest import TINY_CLIP, filled_randomly, random_images

SETTINGS = OpenClipSettings(model=TINY_CLIP)


@pytest.fixture
def open_clip_card(card):
    preprocessing = dataclasses.replace(card.preprocessing, input_px=32, resize_px=32)
    return dataclasses.replace(card, preprocessing=preprocessing)


@pytest.fixture
def clip_tokenizer() -> ClipTokenizer:
    simple = open_clip.tokenizer.SimpleTokenizer()
    return ClipTokenizer(simple.encoder, list(simple.bpe_ranks))


def test_write_bundle__gives_back_the_features_of_an_open_clip_model(
    tmp_path, open_clip_card, clip_tokenizer
):
    model = filled_randomly(build_open_clip(SETTINGS)).eval()
    write_bundle(tmp_path / "b", SETTINGS, model.state_dict(), clip_tokenizer, open_clip_card)
    bundle = load_bundle(tmp_path / "b")
    rgb = torch.from_numpy(random_images(2, 32, 32))
    mean, std = (torch.tensor(open_clip_card.preprocessing.mean), torch.full((3,), 0.2))
    texts = ["clear cell carcinoma", "normal tissue"]
    with torch.inference_mode():
        pixels = ((rgb / 255.0 - mean) / std).permute(0, 3, 1, 2)
        expected_image = model.encode_image(pixels, normalize=True)
        tokens = open_clip.tokenizer.SimpleTokenizer()(texts)
        expected_text = model.encode_text(tokens, normalize=True).numpy()
    torch.testing.assert_close(bundle.image_encoder.embed(rgb), expected_image, rtol=0, atol=1e-5)
    np.testing.assert_allclose(bundle.text_encoder.embed(texts), expected_text, rtol=0, atol=1e-5)
    assert bundle.meta is not None
    assert bundle.meta.architecture == SETTINGS


def test_write_bundle__refuses_nan_and_leaves_nothing_behind(
    tmp_path, open_clip_card, clip_tokenizer
):
    state = build_open_clip(SETTINGS).state_dict()
    state["ln_final.weight"][0] = torch.nan
    with pytest.raises(ModelError, match=r"'ln_final\.weight' holds 1 values"):
        write_bundle(tmp_path / "b", SETTINGS, state, clip_tokenizer, open_clip_card)
    assert list(tmp_path.iterdir()) == []


def test_load_bundle__refuses_the_wrong_kind_of_tokenizer(tmp_path, open_clip_card, tokenizer):
    state = build_open_clip(SETTINGS).state_dict()
    write_bundle(tmp_path / "b", SETTINGS, state, tokenizer, open_clip_card)
    with pytest.raises(ModelError, match="is a WordPiece tokenizer"):
        load_bundle(tmp_path / "b")


def test_save_bundle__keeps_what_is_said_of_the_origin(tmp_path, dual_encoder, tokenizer, card):
    provenance = Provenance(
        medvlp_version="0", holds_umls=True, sources={"a.bin": "0" * 64}, notes=("one.", "two.")
    )
    card = dataclasses.replace(card, provenance=provenance)
    save_bundle(tmp_path / "b", dual_encoder, tokenizer, card)
    assert read_bundle_meta(tmp_path / "b").provenance == provenance
    assert not Provenance(medvlp_version="0").holds_umls


def test_load_bundle__builds_no_larger_model_than_there_are_weights(
    tmp_path, open_clip_card, clip_tokenizer
):
    wide = {**TINY_CLIP, "vision_cfg": {**TINY_CLIP["vision_cfg"], "width": 64 * 4000}}
    state = build_open_clip(SETTINGS).state_dict()
    settings = OpenClipSettings(model=wide)
    write_bundle(tmp_path / "b", settings, state, clip_tokenizer, open_clip_card)
    with pytest.raises(ModelError, match=r"instead of \(256000") as caught:
        load_bundle(tmp_path / "b")
    assert caught.value.code == "MV1409"
