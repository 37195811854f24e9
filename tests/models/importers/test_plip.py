"""A CLIPModel folder of transformers gives that model's own embeddings after the import."""

import json

import numpy as np
import pytest
import safetensors.torch
import torch
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from medvlp.errors import MedvlpError
from medvlp.models.bundle import load_bundle
from medvlp.models.importers.plip import import_plip
from medvlp.models.importers.records import ImportRequest
from medvlp.pixels import prepare_image
from tests.models.conftest import filled_randomly
from tests.models.importers.releases import TEXTS, as_pixels, photographs

LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789.,-&;"]
MERGES = [("a", "l</w>"), ("c", "l"), ("cl", "e"), ("r", "e")]
PIECES = [
    *LETTERS,
    *(f"{letter}</w>" for letter in LETTERS),
    *("".join(pair) for pair in MERGES),
    *("<|startoftext|>", "<|endoftext|>"),
]
VISION = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "intermediate_size": 128,
}
TEXT = {
    "vocab_size": len(PIECES),
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 24,
    "eos_token_id": 2,
    "bos_token_id": 0,
    "pad_token_id": 1,
}
PIXELS = {
    "do_resize": True,
    "do_center_crop": True,
    "do_normalize": True,
    "size": {"shortest_edge": 32},
    "crop_size": {"height": 32, "width": 32},
    "resample": 3,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


@pytest.fixture(params=["quick_gelu", "gelu"])
def activation(request) -> str:
    return request.param


def write(folder, hidden_act="quick_gelu") -> CLIPModel:
    folder.mkdir()
    parts = {
        "vision_config": {**VISION, "hidden_act": hidden_act},
        "text_config": {**TEXT, "hidden_act": hidden_act},
        "projection_dim": 24,
    }
    config = {"model_type": "clip", "auto_map": {"AutoModel": "evil.Model"}, **parts}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(PIXELS))
    table = {piece: index for index, piece in enumerate(PIECES)}
    (folder / "vocab.json").write_text(json.dumps(table))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in MERGES)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    model = filled_randomly(CLIPModel(CLIPConfig(**parts))).eval()
    state = {
        **model.state_dict(),
        "text_model.embeddings.position_ids": torch.arange(24)[None],
        "vision_model.embeddings.position_ids": torch.arange(17)[None],
    }
    torch.save(state, folder / "pytorch_model.bin")
    return model


def run(folder, tmp_path):
    return import_plip(ImportRequest(source=str(folder), out=tmp_path / "bundle"))


def test_import_plip__gives_the_embeddings_of_transformers(tmp_path, activation):
    folder = tmp_path / "plip"
    model = write(folder, activation)
    bundle = load_bundle(run(folder, tmp_path).folder)
    images = photographs()
    tokens = CLIPTokenizer.from_pretrained(folder)(
        TEXTS, max_length=24, padding="max_length", truncation=True, return_tensors="pt"
    )
    with torch.inference_mode():
        pixels = as_pixels(images, 32, PIXELS["image_mean"], PIXELS["image_std"])
        output = model(pixel_values=pixels, **tokens)
    prepared = [prepare_image(image, bundle.image_encoder.preprocessing) for image in images]
    actual_image = bundle.image_encoder.embed(torch.from_numpy(np.stack(prepared)))
    actual_text = torch.from_numpy(bundle.text_encoder.embed(TEXTS))
    torch.testing.assert_close(actual_image, output.image_embeds, rtol=0, atol=1e-5)
    torch.testing.assert_close(actual_text, output.text_embeds, rtol=0, atol=1e-5)
    assert bundle.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()), rel=1e-6)
    assert bundle.name == "plip"


def test_import_plip__reads_tokenizer_json_and_safetensors(tmp_path):
    folder = tmp_path / "plip"
    model = write(folder)
    first = load_bundle(run(folder, tmp_path).folder)
    tokenizer = (tmp_path / "bundle" / "tokenizer.json").read_text()
    for name in ("vocab.json", "merges.txt", "pytorch_model.bin"):
        (folder / name).unlink()
    (folder / "tokenizer.json").write_text(tokenizer)
    safetensors.torch.save_file(model.state_dict(), folder / "model.safetensors")
    again = import_plip(ImportRequest(source=str(folder), out=tmp_path / "again"))
    second = load_bundle(again.folder)
    np.testing.assert_array_equal(second.text_encoder.embed(TEXTS), first.text_encoder.embed(TEXTS))


def edit_json(folder, name, edit) -> None:
    content = json.loads((folder / name).read_text())
    edit(content)
    (folder / name).write_text(json.dumps(content))


def config(edit):
    return lambda folder: edit_json(folder, "config.json", edit)


def pixels(**changes):
    return lambda folder: edit_json(folder, "preprocessor_config.json", lambda c: c.update(changes))


def state(edit):
    def change(folder) -> None:
        path = folder / "pytorch_model.bin"
        tensors = torch.load(path, weights_only=True)
        edit(tensors)
        torch.save(tensors, path)

    return change


QUERY = "text_model.encoder.layers.1.self_attn.q_proj.weight"
DAMAGES = {
    "missing": (state(lambda s: s.pop(QUERY)), "MV2105", "1 missing: .*q_proj"),
    "shape": (
        state(lambda s: s.update({QUERY: torch.ones(64, 63)})),
        "MV2106",
        r"is \(64, 63\) instead of \(64, 64\)",
    ),
    "projection": (
        state(lambda s: s.update({"text_projection.weight": torch.ones(64, 24)})),
        "MV2106",
        r"is \(64, 24\) instead of \(24, 64\)",
    ),
    "kind": (config(lambda c: c.update(model_type="siglip")), "MV2101", "describes a 'siglip'"),
    "activations": (
        config(lambda c: c["text_config"].update(hidden_act="gelu")),
        "MV2101",
        "two activations",
    ),
    "heads": (
        config(lambda c: c["vision_config"].update(num_attention_heads=2)),
        "MV2101",
        "64 wide",
    ),
    "end": (config(lambda c: c["text_config"].update(eos_token_id=5)), "MV2101", "eos_token_id=5"),
    "eps": (
        config(lambda c: c["text_config"].update(layer_norm_eps=1e-6)),
        "MV2101",
        "layer_norm_eps",
    ),
    "pieces": (config(lambda c: c["text_config"].update(vocab_size=90)), "MV2108", "pieces"),
    "no crop": (pixels(do_center_crop=False), "MV2101", "do_center_crop switched off"),
    "crop": (pixels(size=36), "MV2101", "a crop of 32 from 36"),
    "side": (pixels(size=48, crop_size=48), "MV2101", "images of 48 px for a tower of 32"),
    "filter": (pixels(resample=1), "MV1411", "interpolation='1'"),
    "not a size": (
        config(lambda c: c["text_config"].update(hidden_size={"a": 1})),
        "MV2101",
        r"text_config: hidden_size=\{'a': 1\}",
    ),
    "no statistics": (
        lambda f: edit_json(f, "preprocessor_config.json", lambda c: c.pop("image_std")),
        "MV2101",
        "image_std is missing",
    ),
    "statistics": (pixels(image_std=[0.1, -1.0, 0.1]), "MV2101", "value of 0 or less"),
    "infinite": (
        lambda f: (f / "config.json").write_text('{"model_type": 1e999}'),
        "MV2101",
        "1e999 is not a number",
    ),
    "no pixels": (lambda f: (f / "preprocessor_config.json").unlink(), "MV2100", "of its images"),
    "no merges": (lambda f: (f / "merges.txt").unlink(), "MV2108", "vocab.json with merges.txt"),
    "broken merges": (lambda f: (f / "merges.txt").write_text("a b c"), "MV1410", "is not a pair"),
    "no weights": (lambda f: (f / "pytorch_model.bin").unlink(), "MV2100", "no weights"),
    "cut short": (
        lambda f: (f / "pytorch_model.bin").write_bytes(
            (f / "pytorch_model.bin").read_bytes()[:3000]
        ),
        "MV2103",
        "cut short",
    ),
    "pointer": (
        lambda f: (f / "pytorch_model.bin").write_text("version https://git-lfs.github.com/spec"),
        "MV2102",
        "pointer",
    ),
    "no tokenizer": (
        lambda f: [(f / name).unlink() for name in ("vocab.json", "merges.txt")],
        "MV2108",
        "--tokenizer",
    ),
    "no settings": (lambda f: (f / "config.json").unlink(), "MV2100", "settings of the model"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_import_plip__names_what_is_wrong(tmp_path, damage):
    folder = tmp_path / "plip"
    write(folder)
    edit, code, phrase = DAMAGES[damage]
    edit(folder)
    with pytest.raises(MedvlpError, match=phrase) as caught:
        run(folder, tmp_path)
    assert caught.value.code == code
    assert not (tmp_path / "bundle").exists()
