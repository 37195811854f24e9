"""KEP's checkpoints give the embeddings of KEP's own parts after the import."""

import json

import numpy as np
import open_clip
import pytest
import torch
from open_clip.timm_model import TimmModel
from torch import nn
from transformers import BertConfig, BertModel

from medvlp.errors import MedvlpError
from medvlp.models.bundle import load_bundle
from medvlp.models.importers.kep import import_kep
from medvlp.models.importers.records import ImportRequest
from medvlp.pixels import prepare_image
from tests.models.conftest import filled_randomly
from tests.models.importers.releases import (
    BERT,
    TEXTS,
    as_pixels,
    bert_tokens,
    photographs,
    write_vocabulary,
)

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
D = 40


class PathBert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bert_model = BertModel(BertConfig(**BERT))
        self.mlp_embed = nn.Sequential(nn.Linear(32, D), nn.GELU(), nn.Linear(D, D))

    def forward(self, tokens) -> torch.Tensor:
        return self.mlp_embed(self.bert_model(**tokens).pooler_output)


class Kep(nn.Module):
    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual
        self.visual_head = nn.Sequential(nn.Linear(D, D), nn.GELU(), nn.Linear(D, D))
        self.text = PathBert()
        self.knowledge = PathBert()
        self.logit_scale = nn.Parameter(torch.tensor(3.3))


def clip_tower(activation: str) -> nn.Module:
    quick = activation == "quick_gelu"
    config = open_clip.model.CLIPVisionCfg(layers=2, width=128, patch_size=16, image_size=32)
    return open_clip.model._build_vision_tower(D, config, quick_gelu=quick)


@pytest.fixture(scope="module")
def timm_tower() -> nn.Module:
    """BiomedCLIP's adapter of timm's ViT-B/16, cut to two blocks."""
    tower = TimmModel("vit_base_patch16_224", D, image_size=224, pool="", proj="linear")
    tower.trunk.blocks = tower.trunk.blocks[:2]
    return tower


def write(folder, visual: nn.Module) -> Kep:
    folder.mkdir()
    model = filled_randomly(Kep(visual)).eval()
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"epoch": 30, "name": "KEP", "state_dict": state}, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **BERT}))
    write_vocabulary(folder)
    return model


def check(folder, model, tmp_path, **options) -> None:
    report = import_kep(ImportRequest(source=str(folder), out=tmp_path / "bundle", **options))
    bundle = load_bundle(report.folder)
    images, side = photographs(), bundle.image_encoder.preprocessing.input_px
    tokens = bert_tokens(folder, TEXTS, 64)
    with torch.inference_mode():
        features = model.visual_head(model.visual(as_pixels(images, side, MEAN, STD)))
        expected_image = nn.functional.normalize(features, dim=-1)
        expected_text = nn.functional.normalize(model.text(tokens), dim=-1)
    prepared = [prepare_image(image, bundle.image_encoder.preprocessing) for image in images]
    actual_image = bundle.image_encoder.embed(torch.from_numpy(np.stack(prepared)))
    actual_text = torch.from_numpy(bundle.text_encoder.embed(TEXTS))
    torch.testing.assert_close(actual_image, expected_image, rtol=0, atol=1e-5)
    torch.testing.assert_close(actual_text, expected_text, rtol=0, atol=1e-5)
    assert bundle.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()), rel=1e-6)


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_import_kep__of_the_clip_variant(tmp_path, activation):
    model = write(tmp_path / "kep", clip_tower(activation))
    check(tmp_path / "kep", model, tmp_path, activation=activation)


def test_import_kep__of_the_biomedclip_variant(tmp_path, timm_tower):
    model = write(tmp_path / "kep", timm_tower)
    check(tmp_path / "kep", model, tmp_path)


def test_import_kep__asks_for_the_activation_that_is_not_stated(tmp_path):
    write(tmp_path / "kep", clip_tower("gelu"))
    request = ImportRequest(source=str(tmp_path / "kep"), out=tmp_path / "bundle")
    with pytest.raises(MedvlpError, match="--activation gelu") as caught:
        import_kep(request)
    assert caught.value.code == "MV2107"


def edit_state(folder, edit) -> None:
    path = folder / "pytorch_model.bin"
    record = torch.load(path, weights_only=True)
    edit(record["state_dict"])
    torch.save(record, path)


DAMAGES = {
    "ctranspath": (
        lambda s: s.update({"module.visual.patch_embed.proj.0.weight": torch.ones(1)}),
        "MV2107",
        "KEP-CTP",
    ),
    "no tower": (lambda s: s.pop("module.visual.conv1.weight"), "MV2105", "no image tower"),
    "missing": (lambda s: s.pop("module.visual.proj"), "MV2105", r"missing: 'visual\.proj'"),
    "missing head": (
        lambda s: s.pop("module.text.mlp_embed.0.bias"),
        "MV2105",
        r"'text\.mlp_embed\.0\.bias'",
    ),
    "unexpected": (
        lambda s: s.update({"module.text_head.0.bias": torch.ones(1)}),
        "MV2105",
        r"unexpected: 'text_head\.0\.bias'",
    ),
    "shape": (
        lambda s: s.update({"module.visual.proj": torch.ones(128, 8)}),
        "MV2106",
        r"is \(128, 8\) instead of \(128, 40\)",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_import_kep__names_what_is_wrong(tmp_path, damage):
    folder = tmp_path / "kep"
    write(folder, clip_tower("gelu"))
    edit, code, phrase = DAMAGES[damage]
    edit_state(folder, edit)
    request = ImportRequest(source=str(folder), out=tmp_path / "bundle", activation="gelu")
    with pytest.raises(MedvlpError, match=phrase) as caught:
        import_kep(request)
    assert caught.value.code == code
    assert not request.out.exists()


FILES = {
    "cut short": (
        lambda f: (f / "pytorch_model.bin").write_bytes(
            (f / "pytorch_model.bin").read_bytes()[:3000]
        ),
        "MV2103",
    ),
    "pointer": (
        lambda f: (f / "pytorch_model.bin").write_text("version https://git-lfs.github.com/spec"),
        "MV2102",
    ),
    "no weights": (lambda f: (f / "pytorch_model.bin").unlink(), "MV2100"),
    "no tokenizer": (lambda f: (f / "vocab.txt").unlink(), "MV2108"),
    "another BERT": (
        lambda f: (f / "config.json").write_text('{"num_hidden_layers": 3}'),
        "MV2108",
    ),
}


@pytest.mark.parametrize("damage", FILES)
def test_import_kep__refuses_damaged_files(tmp_path, damage):
    folder = tmp_path / "kep"
    write(folder, clip_tower("gelu"))
    edit, code = FILES[damage]
    edit(folder)
    request = ImportRequest(source=str(folder), out=tmp_path / "bundle", activation="gelu")
    with pytest.raises(MedvlpError) as caught:
        import_kep(request)
    assert caught.value.code == code
    assert not request.out.exists()
