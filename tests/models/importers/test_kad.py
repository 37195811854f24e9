"""KAD's checkpoints give the logits of KAD's own parts after the import."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from transformers import BertTokenizer

from medvlp.errors import MedvlpError
from medvlp.knowledge.facets import FindingFacets
from medvlp.models.importers.kad import FINDINGS
from medvlp.models.importers.kinds import import_release
from medvlp.models.importers.radiograph_release import resnet_key
from medvlp.models.importers.records import ImportRequest
from medvlp.models.radiograph.build import build_finding_network
from medvlp.models.radiograph.bundle import load_radiograph_bundle
from medvlp.models.radiograph.released_settings import KadSettings
from tests.models.conftest import filled_randomly
from tests.models.importers.chest_releases import (
    FULL,
    SIZES,
    KadImage,
    KadQueries,
    KadText,
    films,
    normalized,
    write_bert,
)

SMALL = {**SIZES, "dim": 32}
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
NAMES = ("renal cell carcinoma", "normal tissue", "clear cell")


@cache
def parts_of(left_out: int) -> dict[str, torch.nn.Module]:
    return {
        "image_encoder": filled_randomly(KadImage(SMALL, left_out)).eval(),
        "text_encoder": filled_randomly(KadText(SMALL)).eval(),
        "model": filled_randomly(KadQueries(SMALL)).eval(),
    }


def record(left_out: int = 3, **changes):
    parts = parts_of(left_out)
    states = {name: part.state_dict() for name, part in parts.items()}
    return parts, {**states, "config": {"image_res": 224}, "epoch": 3, **changes}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kad")
    write_bert(folder / "bert", with_weights=False)
    return folder


def request(folder, source, out, **options) -> ImportRequest:
    return ImportRequest(source=str(source), out=out, text_model=str(folder / "bert"), **options)


@pytest.mark.parametrize("left_out", [3, 2])
def test_import_kad__gives_the_released_logits(folder, tmp_path, left_out):
    side = 224 if left_out == 3 else 256
    parts, content = record(left_out, config={"image_res": side})
    torch.save(content, tmp_path / "kad.pt")
    report = import_release("kad", request(folder, tmp_path / "kad.pt", tmp_path / "b"))
    assert report.meta.provenance.holds_umls
    bundle = load_radiograph_bundle(tmp_path / "b")
    assert (bundle.preprocessing.input_px, bundle.findings_seen) == (side, FINDINGS)
    assert len(FINDINGS) == 40
    tokenizer = BertTokenizer.from_pretrained(folder / "bert", do_lower_case=True)
    pixels = films(side)
    with torch.no_grad():
        texts = [parts["text_encoder"](tokenizer(n, return_tensors="pt"))[0] for n in NAMES]
        patches = parts["image_encoder"](normalized(pixels, *CLIP))
        logits, attention = parts["model"](patches, torch.stack(texts))
    queries = bundle.queries([FindingFacets(name) for name in NAMES])
    scores = bundle.judge(pixels, queries)
    np.testing.assert_allclose(scores.probabilities, logits.softmax(-1)[..., 1], atol=2e-5)
    np.testing.assert_allclose(scores.attention.reshape(attention.shape), attention, atol=2e-5)
    unit = torch.nn.functional.normalize(patches.mean(1), dim=-1)
    np.testing.assert_allclose(bundle.embed_images(pixels), unit, atol=2e-5)
    expected = torch.nn.functional.normalize(torch.stack(texts), dim=-1)
    np.testing.assert_allclose(bundle.embed_texts(NAMES), expected, atol=2e-5)


def test_import_kad__takes_the_text_encoder_from_med_kebert(folder, tmp_path):
    parts, content = record()
    del content["text_encoder"]
    torch.save(content, tmp_path / "kad.pt")
    with pytest.raises(MedvlpError, match="under 'text_encoder'") as caught:
        import_release("kad", request(folder, tmp_path / "kad.pt", tmp_path / "b"))
    assert caught.value.code == "MV2103"
    torch.save({"state_dict": parts["text_encoder"].state_dict()}, folder / "bert" / "kebert.pt")
    named = request(folder, tmp_path / "kad.pt", tmp_path / "b")
    named = replace(named, text_model=str(folder / "bert" / "kebert.pt"))
    report = import_release("kad", named)
    assert "kebert.pt" in report.meta.provenance.sources


def test_import_kad__has_the_full_list_of_names():
    full = {**FULL, "dim": 768}
    with torch.device("meta"):
        image, queries = KadImage(full).state_dict(), KadQueries(full).state_dict()
        text = KadText({**full, "bert": {"vocab_size": 30522}}).state_dict()
        ours = build_finding_network(KadSettings(), 30522).state_dict()
    wanted = {n: t.shape for part in (image, queries, text) for n, t in part.items()}
    copies = ("resnet.", "decoder_norm.", "logit_scale")
    wanted = {n: shape for n, shape in wanted.items() if not n.startswith(copies)}

    def theirs(name: str) -> str:
        name = name.replace("text_tower.bert.", "bert_model.")
        return resnet_key(name, "res_features.")

    assert {theirs(n): t.shape for n, t in ours.items()} == wanted


@pytest.mark.parametrize(
    ("left_out", "changes", "options", "code", "phrase"),
    [
        (3, {"config": {"image_res": 512}}, {}, "MV2117", "512 px do not go with .* stage 3"),
        (2, {"config": {"image_res": 224}}, {}, "MV2117", "224 px do not go with .* stage 4"),
        (2, {"config": {}}, {}, "MV2107", "--input-px 512"),
        (3, {}, {"input_px": 512}, "MV2117", "--input-px: images of 512"),
        (3, {}, {"input_px": 3}, "MV2109", "3 px are not possible"),
    ],
)
def test_import_kad__minds_the_size_of_images(
    folder, tmp_path, left_out, changes, options, code, phrase
):
    torch.save(record(left_out, **changes)[1], tmp_path / "kad.pt")
    with pytest.raises(MedvlpError, match=phrase) as caught:
        import_release("kad", request(folder, tmp_path / "kad.pt", tmp_path / "b", **options))
    assert caught.value.code == code


def test_import_kad__takes_a_size_that_the_file_does_not_state(folder, tmp_path):
    torch.save(record(2, config="lost")[1], tmp_path / "kad.pt")
    wanted = request(folder, tmp_path / "kad.pt", tmp_path / "b", input_px=512)
    assert import_release("kad", wanted).meta.preprocessing.input_px == 512


@pytest.mark.parametrize("name", ["decoder_norm.weight", "resnet.layer1.0.conv1.weight"])
def test_import_kad__refuses_copies_that_differ(folder, tmp_path, name):
    _, content = record()
    part = "model" if name.startswith("decoder") else "image_encoder"
    content[part] = {**content[part], name: content[part][name] + 1}
    torch.save(content, tmp_path / "kad.pt")
    with pytest.raises(MedvlpError, match=name) as caught:
        import_release("kad", request(folder, tmp_path / "kad.pt", tmp_path / "b"))
    assert caught.value.code == "MV2119"
