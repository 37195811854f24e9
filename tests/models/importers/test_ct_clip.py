"""A file in CT-CLIP's layout gives the embeddings that its weights stand for."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import BertConfig, BertModel

from medvlp.errors import ModelError
from medvlp.models.importers.ct_clip import CT_CLIP_BOX
from medvlp.models.importers.kinds import import_release
from medvlp.models.importers.records import ImportRequest
from medvlp.models.volume.bundle import load_volume_bundle
from medvlp.models.volume.ct_vit import CtVit
from medvlp.models.volume.settings import CtVitSettings
from tests.models.conftest import filled_randomly
from tests.models.importers.releases import BERT, TEXTS, bert_tokens, write_vocabulary
from tests.models.importers.volume_releases import ct_clip_tensors

SIZES = {"hidden_size": 64, "num_attention_heads": 1}
IMAGE = CtVitSettings(
    width=4, heads=2, head_width=3, patch_zyx=(40, 80, 80), plane_depth=1, axial_depth=1, codes=20
)
V = "visual_transformer."


@pytest.fixture(scope="module")
def text() -> BertModel:
    return filled_randomly(BertModel(BertConfig(**BERT | SIZES))).eval()


@pytest.fixture
def tensors(text) -> dict[str, torch.Tensor]:
    return ct_clip_tensors(text)


def write(folder, tensors):
    folder.mkdir(exist_ok=True)
    write_vocabulary(folder)
    torch.save(tensors, folder / "CT_CLIP_zeroshot.pt")
    return folder


def run(source, tmp_path, **options):
    request = ImportRequest(source=str(source), out=tmp_path / "bundle", **options)
    return import_release("ct-clip", request)


def expected_embedding(tensors, hu: torch.Tensor) -> torch.Tensor:
    """Window to [-1, 1], put the axes in the order z, x, y, average over slices, project."""
    tower = CtVit(IMAGE, (240, 480, 480)).eval()
    wanted = tower.state_dict()
    tower.load_state_dict({name: tensors[V + name] for name in wanted}, strict=True)
    voxels = (hu.clamp(-1000, 1000).float() / 1000).transpose(2, 3).unsqueeze(1)
    with torch.inference_mode():
        tokens = tower.tokens(voxels)
    pooled = tokens.mean(dim=1).reshape(len(hu), -1)
    return functional.normalize(pooled @ tensors["to_visual_latent.weight"].T, dim=-1)


def test_import_ct_clip__gives_the_embeddings_that_its_parts_give(tmp_path, tensors, text):
    positions = {"text_transformer.embeddings.position_ids": torch.arange(64)[None]}
    folder = write(tmp_path / "r", tensors | positions)
    report = run(folder, tmp_path)
    bundle = load_volume_bundle(report.folder)
    ramp = torch.arange(240 * 480 * 480) * 7919 % 3001 - 1500
    hu = ramp.to(torch.int16).reshape(1, 240, 480, 480)
    found = bundle.volume_encoder.embed(hu)
    torch.testing.assert_close(found, expected_embedding(tensors, hu), rtol=0, atol=1e-5)
    with torch.inference_mode():
        first = text(**bert_tokens(folder, TEXTS, 64)).last_hidden_state[:, 0]
    expected = functional.normalize(first @ tensors["to_text_latent.weight"].T, dim=-1)
    np.testing.assert_allclose(bundle.require_text().embed(TEXTS), expected.numpy(), atol=1e-5)
    assert bundle.logit_scale == pytest.approx(np.exp(1.7))
    assert bundle.volume_encoder.preprocessing == CT_CLIP_BOX
    assert (CT_CLIP_BOX.box_mm, CT_CLIP_BOX.output_range) == ((360.0,) * 3, (-1.0, 1.0))
    assert (CT_CLIP_BOX.orientation, CT_CLIP_BOX.overlap) == ("LPS", None)
    assert report.meta.architecture.image == IMAGE


@pytest.mark.parametrize(
    ("change", "code", "phrase"),
    [
        (lambda t: t.pop(f"{V}to_patch_emb.2.bias"), "MV2105", "1 missing: .*to_patch_emb"),
        (lambda t: t.update({f"{V}vgg.weight": torch.ones(1)}), "MV2105", "1 unexpected: .*vgg"),
        (lambda t: t.pop("temperature"), "MV2105", "1 missing: 'temperature'"),
        (lambda t: t.pop("to_visual_latent.weight"), "MV2105", "there is no 'to_visual_latent"),
        (
            lambda t: t.update({"to_visual_latent.weight": torch.ones(6, 864)}),
            "MV2101",
            "takes 864 values of tokens of width 4",
        ),
        (
            lambda t: t.update(
                {f"{V}enc_spatial_transformer.layers.0.1.null_kv": torch.ones(2, 4, 3)}
            ),
            "MV2101",
            "null_kv' holds values",
        ),
        (lambda t: t.update({"to_text_latent.weight": torch.ones(5, 64)}), "MV2106", "to_text_l"),
    ],
)
def test_import_ct_clip__refuses_what_is_not_of_the_layout(tmp_path, tensors, change, code, phrase):
    change(tensors)
    with pytest.raises(ModelError, match=phrase) as caught:
        run(write(tmp_path / "r", tensors), tmp_path)
    assert caught.value.code == code


def test_import_ct_clip__needs_the_tokenizer(tmp_path, tensors):
    folder = write(tmp_path / "r", tensors)
    (folder / "vocab.txt").rename(tmp_path / "vocab.txt")
    with pytest.raises(ModelError, match="holds no tokenizer") as caught:
        run(folder, tmp_path)
    assert caught.value.code == "MV2108"
    assert run(folder, tmp_path, tokenizer=tmp_path).meta.vocab_size == BERT["vocab_size"]
