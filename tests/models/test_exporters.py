"""What is exported gives the same embeddings in open_clip; what cannot is refused."""

import dataclasses
import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from medvlp.errors import MedvlpError
from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.bundle import load_bundle, save_bundle
from medvlp.models.bundle_schema import Provenance
from medvlp.models.bundle_writing import write_bundle
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.exporters import EXPORTERS, ExportRequest, export_bundle
from medvlp.models.importers.kinds import import_release
from medvlp.models.importers.records import ImportRequest
from medvlp.models.open_clip_build import build_open_clip, default_clip_tokenizer
from medvlp.models.open_clip_settings import OpenClipSettings
from medvlp.pixels import prepare_image
from medvlp.text.clip_tokenizer import ClipTokenizer
from tests.models.conftest import TINY_CLIP, filled_randomly, random_images

TEXTS = ["clear cell renal cell carcinoma", "normal renal tissue", "papillary " * 30]


def card_for(card, side: int, **changes):
    preprocessing = dataclasses.replace(
        card.preprocessing, input_px=side, resize_px=side, interpolation="bicubic"
    )
    return dataclasses.replace(card, preprocessing=preprocessing, **changes)


def own_bundle(folder, tokenizer, card, side=48, image=None, text=None, **changes):
    image = {"architecture": "test_resnet", "projection": "linear", **(image or {})}
    sizes = {"width": 32, "layers": 1, "heads": 2, "feedforward": 48, "max_tokens": 16}
    settings = DualEncoderSettings(
        embed_dim=32,
        image=ImageTowerSettings(**image),
        text=TextTowerSettings(**{**sizes, **(text or {})}),
    )
    model = filled_randomly(DualEncoder(settings, tokenizer.vocab_size))
    save_bundle(folder, model, tokenizer, card_for(card, side, **changes))
    return folder


def check_equal(bundle_folder, exported) -> None:
    """Load the folder as open_clip's documentation says, and compare embeddings."""
    bundle = load_bundle(bundle_folder)
    name = f"local-dir:{exported}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    tokens = open_clip.get_tokenizer(name)(TEXTS)
    images = random_images(2, 200, 181)
    prepared = [prepare_image(image, bundle.image_encoder.preprocessing) for image in images]
    with torch.inference_mode():
        batch = torch.stack([preprocess(Image.fromarray(image)) for image in images])
        actual_image = model.eval().encode_image(batch, normalize=True)
        actual_text = model.encode_text(tokens, normalize=True).numpy()
        scale = float(model.logit_scale.exp())
    expected_image = bundle.image_encoder.embed(torch.from_numpy(np.stack(prepared)))
    torch.testing.assert_close(actual_image, expected_image, rtol=0, atol=1e-5)
    np.testing.assert_allclose(actual_text, bundle.text_encoder.embed(TEXTS), rtol=0, atol=1e-5)
    assert scale == pytest.approx(bundle.logit_scale, rel=1e-6)


HELD = {
    "linear heads, mean": (48, {}, {"projection": "linear", "pooling": "mean"}),
    "two-layer image head, pooler, no text head": (
        48,
        {"projection": "mlp"},
        {"projection": "none", "pooling": "pooler"},
    ),
    "layer scale": (
        160,
        {"architecture": "test_vit", "init_values": 0.1, "projection": "mlp", "img_size": 160},
        {"projection": "none", "pooling": "pooler", "positions": 40},
    ),
    "layer scale that open_clip builds": (
        160,
        {"architecture": "test_vit2"},
        {"projection": "linear", "pooling": "cls"},
    ),
}


@pytest.mark.parametrize("case", HELD)
def test_export__of_our_towers_gives_the_same_embeddings(tmp_path, tokenizer, card, case):
    side, image, text = HELD[case]
    bundle = own_bundle(tmp_path / "b", tokenizer, card, side, image, text)
    report = export_bundle("open-clip", ExportRequest(bundle=bundle, out=tmp_path / "out"))
    check_equal(bundle, report.folder)
    assert any("hf_model_name" in note for note in report.notes)
    assert any("LayerScale" in note for note in report.notes) == (case == "layer scale")


def test_export__of_an_image_tower_without_head(tmp_path, tokenizer, card):
    bundle = tmp_path / "b"
    settings = DualEncoderSettings(
        embed_dim=64,
        image=ImageTowerSettings(architecture="test_vit", img_size=160, projection="none"),
        text=TextTowerSettings(width=32, layers=1, heads=2, feedforward=48, max_tokens=16),
    )
    model = filled_randomly(DualEncoder(settings, tokenizer.vocab_size))
    save_bundle(bundle, model, tokenizer, card_for(card, 160))
    export_bundle("open-clip", ExportRequest(bundle=bundle, out=tmp_path / "out"))
    check_equal(bundle, tmp_path / "out")


@pytest.mark.parametrize("kind", ["default", "own"])
def test_export__of_clips_towers_gives_the_same_embeddings(tmp_path, card, kind):
    usual = default_clip_tokenizer()
    if kind == "own":  # the first half of the merges: other pieces, the same two ends
        merges = usual.merges[:2000]
        pieces = [*list(usual.vocabulary)[:512], *("".join(m) for m in merges), *usual.ends]
        usual = ClipTokenizer({piece: index for index, piece in enumerate(pieces)}, merges)
    model = json.loads(json.dumps(TINY_CLIP))
    model["text_cfg"]["vocab_size"] = usual.vocab_size
    settings = OpenClipSettings(model=model)
    state = filled_randomly(build_open_clip(settings)).state_dict()
    write_bundle(tmp_path / "b", settings, state, usual, card_for(card, 32))
    report = export_bundle("open-clip", ExportRequest(bundle=tmp_path / "b", out=tmp_path / "out"))
    check_equal(tmp_path / "b", report.folder)
    assert (tmp_path / "out" / "tokenizer.json").exists() == (kind == "own")
    assert report.notes == ()


def test_export__can_be_imported_again(tmp_path, tokenizer, card):
    bundle = own_bundle(tmp_path / "b", tokenizer, card)
    export_bundle("open-clip", ExportRequest(bundle=bundle, out=tmp_path / "out"))
    request = ImportRequest(source=str(tmp_path / "out"), out=tmp_path / "again")
    again = load_bundle(import_release("open-clip", request).folder)
    expected = load_bundle(bundle).text_encoder.embed(TEXTS)
    np.testing.assert_allclose(again.text_encoder.embed(TEXTS), expected, rtol=0, atol=1e-6)


def test_export__names_the_text_model_that_was_asked_for(tmp_path, tokenizer, card):
    bundle = own_bundle(tmp_path / "b", tokenizer, card)
    request = ExportRequest(bundle=bundle, out=tmp_path / "out", text_model="someone/bert")
    report = export_bundle("open-clip", request)
    config = json.loads((report.folder / "open_clip_config.json").read_text())
    assert config["model_cfg"]["text_cfg"]["hf_model_name"] == "someone/bert"
    assert str(tmp_path) not in json.dumps(config)


REFUSED = {
    "text head": ({}, {"projection": "mlp"}, "a text head of two layers with biases"),
    "sizes": (
        {"architecture": "test_vit", "img_size": 160, "depth": 2},
        {},
        "'test_vit' with another depth",
    ),
    "input": ({"architecture": "test_vit", "img_size": 48}, {}, "for 48 px instead of 160"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_export__says_which_part_does_not_fit(tmp_path, tokenizer, card, case):
    image, text, phrase = REFUSED[case]
    bundle = own_bundle(tmp_path / "b", tokenizer, card, image.get("img_size", 48), image, text)
    with pytest.raises(MedvlpError, match=phrase) as caught:
        export_bundle("open-clip", ExportRequest(bundle=bundle, out=tmp_path / "out"))
    assert caught.value.code == "MV2110"
    assert not (tmp_path / "out").exists()


def test_export__refuses_a_crop_that_open_clip_has_not(tmp_path, dual_encoder, tokenizer, card):
    preprocessing = dataclasses.replace(card.preprocessing, resize_px=60)
    card = dataclasses.replace(card, preprocessing=preprocessing)
    save_bundle(tmp_path / "b", dual_encoder, tokenizer, card)
    with pytest.raises(MedvlpError, match="resized to 60 px and cropped to 48") as caught:
        export_bundle("open-clip", ExportRequest(bundle=tmp_path / "b", out=tmp_path / "out"))
    assert caught.value.code == "MV2110"


def test_export__of_a_model_with_umls_text_must_be_allowed(tmp_path, tokenizer, card):
    provenance = Provenance(medvlp_version="0", holds_umls=True)
    bundle = own_bundle(tmp_path / "b", tokenizer, card, provenance=provenance)
    request = ExportRequest(bundle=bundle, out=tmp_path / "out")
    with pytest.raises(MedvlpError, match="--allow-umls") as caught:
        export_bundle("open-clip", request)
    assert caught.value.code == "MV2111"
    assert not request.out.exists()
    export_bundle("open-clip", dataclasses.replace(request, allow_umls=True))
    assert request.out.is_dir()


def test_export__refuses_a_changed_bundle_and_a_taken_folder(tmp_path, tokenizer, card):
    bundle = own_bundle(tmp_path / "b", tokenizer, card)
    with pytest.raises(MedvlpError) as caught:
        export_bundle("open-clip", ExportRequest(bundle=bundle, out=bundle))
    assert caught.value.code == "MV2112"
    with pytest.raises(MedvlpError, match="did you mean 'open-clip'") as caught:
        export_bundle("openclip", ExportRequest(bundle=bundle, out=tmp_path / "out"))
    assert caught.value.code == "MV1003"
    assert list(EXPORTERS) == ["open-clip"]
    with (bundle / "model.safetensors").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(MedvlpError) as caught:
        export_bundle("open-clip", ExportRequest(bundle=bundle, out=tmp_path / "out"))
    assert caught.value.code == "MV1404"
