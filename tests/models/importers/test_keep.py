"""KEEP's released folder becomes a bundle that gives KEEP's own embeddings, or is refused."""

import json

import numpy as np
import pytest
import safetensors.torch
import torch

from medvlp.errors import MedvlpError, ModelError
from medvlp.models.bundle import load_bundle
from medvlp.models.importers.keep import import_keep, keep_key, keep_settings, meta_state
from medvlp.models.importers.records import ImportRequest
from medvlp.pixels import prepare_image
from tests.models.importers.releases import (
    BERT,
    TEXTS,
    VISION,
    as_pixels,
    bert_tokens,
    photographs,
    write_keep,
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PUBLISHED_VISION = {
    **VISION,
    **{"img_size": 224, "patch_size": 16, "hidden_size": 1024, "num_heads": 16},
    **{"num_layers": 24, "mlp_ratio": 4.0},
}


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "KEEP"
    model = write_keep(folder)
    safetensors.torch.save_file(model.state_dict(), folder / "model.safetensors")
    return folder, model


def request(source, tmp_path, **options) -> ImportRequest:
    return ImportRequest(source=str(source), out=tmp_path / "bundle", **options)


def check_features(bundle, folder, model) -> None:
    images = photographs()
    with torch.inference_mode():
        expected_image = model.encode_image(as_pixels(images, 32, MEAN, STD))
        expected_text = model.encode_text(bert_tokens(folder, TEXTS, 64))
    encoder = bundle.image_encoder
    prepared = np.stack([prepare_image(image, encoder.preprocessing) for image in images])
    actual_image = encoder.embed(torch.from_numpy(prepared))
    actual_text = torch.from_numpy(bundle.text_encoder.embed(TEXTS))
    torch.testing.assert_close(actual_image, expected_image, rtol=0, atol=1e-5)
    torch.testing.assert_close(actual_text, expected_text, rtol=0, atol=1e-5)
    assert bundle.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()), rel=1e-6)


def test_import_keep__gives_keeps_own_embeddings(release, tmp_path):
    folder, model = release
    report = import_keep(request(folder, tmp_path))
    check_features(load_bundle(report.folder), folder, model)
    assert report.num_weights == sum(p.numel() for p in model.parameters())


def test_import_keep__accepts_layer_scale_called_weight(release, tmp_path):
    folder, model = release
    state = {
        name.replace(".gamma", ".weight"): tensor for name, tensor in model.state_dict().items()
    }
    assert "visual.blocks.0.ls1.weight" in state
    safetensors.torch.save_file(state, folder / "model.safetensors")
    check_features(load_bundle(import_keep(request(folder, tmp_path)).folder), folder, model)


@pytest.mark.parametrize("named", [False, True])
def test_import_keep__reads_a_training_checkpoint(release, tmp_path, named):
    folder, model = release
    (folder / "model.safetensors").unlink()
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    record = {"epoch": 9, "name": "keep", "state_dict": state, "optimizer": {"lr": 1e-5}}
    path = folder / ("epoch_9.pt" if named else "pytorch_model.bin")
    torch.save(record, path)
    report = import_keep(request(path if named else folder, tmp_path))
    check_features(load_bundle(report.folder), folder, model)


def test_import_keep__tells_origin_licence_and_scale(release, tmp_path):
    report = import_keep(request(release[0], tmp_path))
    meta = load_bundle(report.folder).meta
    assert meta.scale is None
    assert "CC-BY-NC-ND" in meta.license
    text = " ".join(meta.provenance.notes)
    assert "UNI" in text
    assert "--mpp 0.5" in text
    assert "No physical scale" in text
    assert set(meta.provenance.sources) == {"config.json", "model.safetensors", "vocab.txt"}
    preprocessing = meta.preprocessing.to_preprocessing()
    assert (preprocessing.mean, preprocessing.std) == (MEAN, STD)
    assert preprocessing.interpolation == "bicubic"


def test_import_keep__takes_the_scale_from_the_user(release, tmp_path):
    report = import_keep(request(release[0], tmp_path, mpp=0.5, name="mine", license="CC0"))
    bundle = load_bundle(report.folder)
    assert (bundle.image_encoder.mpp, bundle.image_encoder.tile_px) == (0.5, 256)
    assert (bundle.name, bundle.meta.license) == ("mine", "CC0")
    assert not any("No physical scale" in note for note in report.notes)


def change_weights(folder, edit) -> None:
    path = folder / "model.safetensors"
    state = safetensors.torch.load_file(path)
    edit(state)
    safetensors.torch.save_file(state, path)


def change_config(folder, edit) -> None:
    path = folder / "config.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def misspell(state) -> None:
    state["visual_heads.0.bias"] = state.pop("visual_head.0.bias")


DAMAGES = {
    "misspelt": (
        lambda f: change_weights(f, misspell),
        "MV2105",
        r"'visual_head\.0\.bias' \(did you mean 'visual_heads\.0\.bias'\?\)",
    ),
    "both spellings": (
        lambda f: change_weights(
            f, lambda s: s.update({"visual.blocks.1.ls2.weight": torch.ones(48)})
        ),
        "MV2105",
        r"1 unexpected: 'visual\.blocks\.1\.ls2\.weight'",
    ),
    "shape": (
        lambda f: change_weights(f, lambda s: s.update({"visual.norm.bias": torch.ones(47)})),
        "MV2106",
        r"'visual\.norm\.bias' is \(47,\) instead of \(48,\)",
    ),
    "nan": (
        lambda f: change_weights(f, lambda s: s["visual.norm.bias"].fill_(torch.nan)),
        "MV1405",
        "NaN",
    ),
    "other size": (
        lambda f: change_config(f, lambda c: c["vision_config"].update(num_layers=3)),
        "MV2105",
        "missing",
    ),
    "no vision settings": (
        lambda f: change_config(f, lambda c: c.pop("vision_config")),
        "MV2101",
        "no vision_config and text_config",
    ),
    "vision setting": (
        lambda f: change_config(f, lambda c: c["vision_config"].pop("num_heads")),
        "MV2101",
        r"lacks \['num_heads'\]",
    ),
    "not a size": (
        lambda f: change_config(f, lambda c: c["vision_config"].update(num_layers="two")),
        "MV2101",
        "depth='two'",
    ),
    "other text": (
        lambda f: change_config(f, lambda c: c["text_config"].update(model_type="roberta")),
        "MV2101",
        "'roberta'",
    ),
    "relative positions": (
        lambda f: change_config(
            f, lambda c: c["text_config"].update(position_embedding_type="relative_key")
        ),
        "MV2101",
        "relative_key",
    ),
    "head": (
        lambda f: change_config(f, lambda c: c.update(projection_dim=16)),
        "MV2101",
        "projection_dim=16",
    ),
    "no settings": (lambda f: (f / "config.json").unlink(), "MV2100", "no settings of the model"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "MV2100", "no weights"),
    "no tokenizer": (lambda f: (f / "vocab.txt").unlink(), "MV2108", "--tokenizer"),
    "capitals": (
        lambda f: (f / "tokenizer_config.json").write_text('{"do_lower_case": false}'),
        "MV2108",
        "keeps capitals",
    ),
    "short vocabulary": (
        lambda f: (f / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"),
        "MV2108",
        "has 5 pieces",
    ),
    "pointer": (
        lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec"),
        "MV2102",
        "Git LFS pointer",
    ),
    "cut short": (
        lambda f: (f / "model.safetensors").write_bytes(
            (f / "model.safetensors").read_bytes()[:-100]
        ),
        "MV1414",
        "cannot be read as safetensors",
    ),
    "broken settings": (lambda f: (f / "config.json").write_text("{"), "MV2101", "as JSON"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_import_keep__names_what_is_wrong(release, tmp_path, damage):
    edit, code, phrase = DAMAGES[damage]
    edit(release[0])
    with pytest.raises(MedvlpError, match=phrase) as caught:
        import_keep(request(release[0], tmp_path))
    assert caught.value.code == code
    assert not (tmp_path / "bundle").exists()


def test_meta_state__of_the_published_sizes_has_the_published_number_of_weights():
    config = {
        "vision_config": PUBLISHED_VISION,
        "text_config": {"model_type": "bert"},
        "projection_dim": 768,
    }
    settings, vocab_size = keep_settings(config, "config.json")
    shapes = {keep_key(name): shape for name, shape in meta_state(settings, vocab_size).items()}
    assert sum(shape.numel() for shape in shapes.values()) == 414_210_817
    assert vocab_size == 30522
    assert settings.text.max_tokens == 256
    assert settings.image.options() == {"img_size": 224, "init_values": 1e-5}
    assert shapes["visual.pos_embed"] == (1, 197, 1024)
    assert shapes["visual.blocks.23.ls2.gamma"] == (1024,)
    assert shapes["visual_head.2.weight"] == (768, 768)
    assert shapes["text.pooler.dense.weight"] == (768, 768)
    assert shapes["logit_scale"] == ()
    roots = {name.split(".")[0] for name in shapes}
    assert roots == {"visual", "visual_head", "text", "logit_scale"}


@pytest.mark.parametrize("options", [{"tile_px": 256}, {"mpp": 0.0}, {"mpp": 0.5, "tile_px": 0}])
def test_import_keep__refuses_a_scale_that_is_none(release, tmp_path, options):
    with pytest.raises(MedvlpError) as caught:
        import_keep(request(release[0], tmp_path, **options))
    assert caught.value.code == "MV2109"


def test_import_keep__says_that_there_is_nothing(tmp_path):
    with pytest.raises(ModelError, match="there is no") as caught:
        import_keep(request(tmp_path / "nothing", tmp_path))
    assert caught.value.code == "MV2100"


def test_keep_settings__take_berts_sizes_from_the_configuration():
    config = {"vision_config": VISION, "text_config": BERT, "projection_dim": 32}
    settings, vocab_size = keep_settings(config, "config.json")
    assert (settings.text.layers, settings.text.positions, settings.text.max_tokens) == (2, 64, 64)
    assert vocab_size == BERT["vocab_size"]
