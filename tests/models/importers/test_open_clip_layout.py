"""Releases in open_clip's layouts give open_clip's own embeddings after the import."""

import json

import numpy as np
import open_clip
import pytest
import safetensors.torch
import torch
from PIL import Image
from transformers import BertConfig, BertModel

from medvlp.errors import MedvlpError
from medvlp.models.bundle import load_bundle
from medvlp.models.importers.kinds import import_release
from medvlp.models.importers.records import ImportRequest
from medvlp.pixels import prepare_image
from medvlp.text.clip_tokenizer import ClipTokenizer
from tests.models.conftest import TINY_CLIP, filled_randomly
from tests.models.importers.releases import BERT, TEXTS, photographs, write_biomedclip

ENDS = ("<|startoftext|>", "<|endoftext|>")
PREPROCESS = {"mean": [0.5, 0.4, 0.5], "std": [0.2, 0.3, 0.2], "interpolation": "bilinear"}


def write_config(folder, model, preprocess=PREPROCESS) -> None:
    config = {"model_cfg": model, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))


@pytest.fixture
def clip_folder(tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    write_config(folder, TINY_CLIP)
    model = filled_randomly(open_clip.CLIP(**TINY_CLIP))
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder


@pytest.fixture
def biomed_folder(tmp_path):
    folder = tmp_path / "biomed"
    return folder, write_biomedclip(folder, PREPROCESS)


def run(kind, source, tmp_path, **options):
    request = ImportRequest(source=str(source), out=tmp_path / "bundle", **options)
    return load_bundle(import_release(kind, request).folder)


def prepared(bundle, images) -> torch.Tensor:
    pixels = [prepare_image(image, bundle.image_encoder.preprocessing) for image in images]
    return torch.from_numpy(np.stack(pixels))


@pytest.mark.parametrize("kind", ["open-clip", "quiltnet"])
def test_import__gives_the_embeddings_of_an_open_clip_script(clip_folder, tmp_path, kind):
    name = f"local-dir:{clip_folder}"
    model, preprocess = open_clip.create_model_from_pretrained(name)
    texts = [*TEXTS, "p53 &amp; Ki-67"]
    images = photographs()
    with torch.inference_mode():
        batch = torch.stack([preprocess(Image.fromarray(image)) for image in images])
        expected_image = model.eval().encode_image(batch, normalize=True)
        expected_text = model.encode_text(open_clip.get_tokenizer(name)(texts), normalize=True)

    bundle = run(kind, clip_folder, tmp_path, mpp=0.5)
    actual_image = bundle.image_encoder.embed(prepared(bundle, images))
    actual_text = bundle.text_encoder.embed(texts)
    torch.testing.assert_close(actual_image, expected_image, rtol=0, atol=1e-5)
    np.testing.assert_allclose(actual_text, expected_text.numpy(), rtol=0, atol=1e-5)
    assert bundle.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()), rel=1e-6)
    assert bundle.name == kind
    assert bundle.image_encoder.mpp == 0.5


def test_import__of_biomedclip_needs_no_hub(biomed_folder, tmp_path):
    folder, model = biomed_folder
    bundle = run("biomedclip", folder, tmp_path)
    images = photographs()
    batch = prepared(bundle, images) / 255.0
    mean, std = torch.tensor(PREPROCESS["mean"]), torch.tensor(PREPROCESS["std"])
    tokens = open_clip.tokenizer.HFTokenizer(str(folder), context_length=48)(TEXTS)
    peer = BertModel(BertConfig(**BERT), add_pooling_layer=False).eval()
    peer.load_state_dict(model.text.transformer.state_dict())
    with torch.inference_mode():
        pixels = ((batch - mean) / std).permute(0, 3, 1, 2)
        expected_image = model.encode_image(pixels, normalize=True)
        first = peer(tokens, attention_mask=(tokens != 0).long()).last_hidden_state[:, 0]
        hidden = torch.nn.functional.gelu(first @ model.text.proj[0].weight.T)
        expected_text = torch.nn.functional.normalize(hidden @ model.text.proj[2].weight.T, dim=-1)
    torch.testing.assert_close(
        bundle.image_encoder.embed(prepared(bundle, images)), expected_image, rtol=0, atol=1e-5
    )
    actual_text = torch.from_numpy(bundle.text_encoder.embed(TEXTS))
    torch.testing.assert_close(actual_text, expected_text, rtol=0, atol=1e-5)
    assert "not on tiles" in bundle.meta.provenance.notes[0]


def test_import__knows_the_sizes_of_bert_base(biomed_folder, tmp_path):
    folder, _ = biomed_folder
    (folder / "config.json").unlink()
    with pytest.raises(MedvlpError, match="30522 pieces") as caught:
        run("biomedclip", folder, tmp_path)
    assert caught.value.code == "MV2108"


def test_import__of_biomedclip_needs_its_tokenizer(biomed_folder, tmp_path):
    folder, _ = biomed_folder
    (folder / "vocab.txt").unlink()
    with pytest.raises(MedvlpError, match="--tokenizer") as caught:
        run("biomedclip", folder, tmp_path)
    assert caught.value.code == "MV2108"


def test_import__reads_a_checkpoint_of_a_named_architecture(clip_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-clip", TINY_CLIP)
    folder_bundle = run("open-clip", clip_folder, tmp_path / "1")
    weights = tmp_path / "epoch_3.pt"
    state = torch.load(clip_folder / "open_clip_pytorch_model.bin", weights_only=True)
    state["logit_scale"] = state["logit_scale"].reshape(1)
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, weights)
    bundle = run("open-clip", weights, tmp_path / "2", architecture="tiny-clip")
    assert bundle.image_encoder.weights_sha256 == folder_bundle.image_encoder.weights_sha256
    assert bundle.meta.preprocessing.interpolation == "bicubic"
    np.testing.assert_array_equal(
        bundle.text_encoder.embed(TEXTS), folder_bundle.text_encoder.embed(TEXTS)
    )
    with pytest.raises(MedvlpError, match="--architecture") as caught:
        run("open-clip", weights, tmp_path / "3")
    assert caught.value.code == "MV2107"
    with pytest.raises(MedvlpError, match="did you mean 'tiny-clip'") as caught:
        run("open-clip", weights, tmp_path / "4", architecture="tiny-clib")
    assert caught.value.code == "MV1402"


def edit_model(folder, edit) -> None:
    path = folder / "open_clip_config.json"
    content = json.loads(path.read_text())
    edit(content["model_cfg"])
    path.write_text(json.dumps(content))


def edit_state(folder, edit) -> None:
    path = folder / "open_clip_pytorch_model.bin"
    state = torch.load(path, weights_only=True)
    edit(state)
    torch.save(state, path)


DAMAGES = {
    "missing": (
        lambda f: edit_state(f, lambda s: s.pop("ln_final.bias")),
        "MV2105",
        "1 missing: 'ln_final.bias'",
    ),
    "shape": (
        lambda f: edit_state(f, lambda s: s.update({"ln_final.bias": torch.ones(3)})),
        "MV2106",
        r"is \(3,\) instead of \(64,\)",
    ),
    "no settings": (lambda f: (f / "open_clip_config.json").unlink(), "MV2100", "of open_clip"),
    "no model_cfg": (
        lambda f: (f / "open_clip_config.json").write_text("{}"),
        "MV2101",
        "no model_cfg",
    ),
    "coca": (
        lambda f: edit_model(f, lambda m: m.update(multimodal_cfg={})),
        "MV2101",
        "multimodal_cfg",
    ),
    "unknown part": (
        lambda f: edit_model(f, lambda m: m["vision_cfg"].update(layerz=2)),
        "MV1407",
        "layerz",
    ),
    "another size": (
        lambda f: edit_model(f, lambda m: m["text_cfg"].update(layers=2)),
        "MV2105",
        "missing",
    ),
    "tokenizer options": (
        lambda f: edit_model(
            f, lambda m: m["text_cfg"].update(tokenizer_kwargs={"clean": "canonicalize"})
        ),
        "MV2108",
        "canonicalize",
    ),
    "own tokenizer": (
        lambda f: edit_model(f, lambda m: m["text_cfg"].update(hf_tokenizer_name="x/y")),
        "MV2108",
        "no tokenizer of CLIP's kind",
    ),
    "text model": (
        lambda f: edit_model(f, lambda m: m["text_cfg"].update(hf_model_name="xlm-roberta-base")),
        "MV2107",
        "'xlm-roberta-base' are not stated",
    ),
    "no weights": (lambda f: (f / "open_clip_pytorch_model.bin").unlink(), "MV2100", "no weights"),
    "cut short": (
        lambda f: (f / "open_clip_pytorch_model.bin").write_bytes(
            (f / "open_clip_pytorch_model.bin").read_bytes()[:5000]
        ),
        "MV2103",
        "cut short",
    ),
    "pointer": (
        lambda f: (f / "open_clip_pytorch_model.bin").write_text("version https://git-lfs.x"),
        "MV2102",
        "pointer",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_import__names_what_is_wrong(clip_folder, tmp_path, damage):
    edit, code, phrase = DAMAGES[damage]
    edit(clip_folder)
    with pytest.raises(MedvlpError, match=phrase) as caught:
        run("open-clip", clip_folder, tmp_path)
    assert caught.value.code == code
    assert not (tmp_path / "bundle").exists()


def test_import__takes_the_tokenizer_that_the_model_names(tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    pieces = [*"acelnr", *(f"{letter}</w>" for letter in "acelnr"), *ENDS]
    tokenizer = ClipTokenizer({piece: index for index, piece in enumerate(pieces)}, [])
    (folder / "tokenizer.json").write_text(tokenizer.to_json())
    text = {**TINY_CLIP["text_cfg"], "vocab_size": len(pieces), "hf_tokenizer_name": "x/y"}
    write_config(folder, {**TINY_CLIP, "text_cfg": text})
    model = filled_randomly(open_clip.CLIP(**{**TINY_CLIP, "text_cfg": text})).eval()
    safetensors.torch.save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    with torch.inference_mode():
        ids = torch.from_numpy(tokenizer.encode(["renal cancer"], 77).ids)
        expected = model.encode_text(ids, normalize=True).numpy()
    actual = run("open-clip", folder, tmp_path).text_encoder.embed(["renal cancer"])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)
