"""MedKLIP's checkpoints give the logits of MedKLIP's own parts after the import."""

import json

import numpy as np
import pytest
import torch

from medvlp.errors import MedvlpError
from medvlp.knowledge.facets import FindingFacets
from medvlp.models.importers.kinds import import_release
from medvlp.models.importers.medklip import OBSERVATIONS
from medvlp.models.importers.radiograph_release import resnet_key
from medvlp.models.importers.records import ImportRequest
from medvlp.models.radiograph.build import build_finding_network
from medvlp.models.radiograph.bundle import load_radiograph_bundle
from medvlp.models.radiograph.released_settings import MedklipSettings
from tests.models.conftest import filled_randomly
from tests.models.importers.chest_releases import (
    FULL,
    IMAGENET,
    Medklip,
    films,
    first_tokens,
    normalized,
    write_bert,
)

FINDINGS = (
    FindingFacets("clear", (), "clear normal tissue"),
    FindingFacets("carcinoma", (), "renal cell carcinoma of tissue"),
    FindingFacets("tissue"),
)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """Folder of the text encoder, it, the network, and its file."""
    folder = tmp_path_factory.mktemp("medklip")
    bert = write_bert(folder / "bert")
    network = filled_randomly(Medklip()).eval()
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"model": state, "optimizer": {"lr": 1e-4}, "epoch": 99}, folder / "medklip.pth")
    return folder, bert, network


def request(folder, out, **options) -> ImportRequest:
    values = {"text_model": str(folder / "bert"), "source": str(folder / "medklip.pth")}
    return ImportRequest(out=out, **(values | options))


def test_import_medklip__gives_the_released_logits(release, tmp_path):
    folder, bert, network = release
    report = import_release("medklip", request(folder, tmp_path / "b"))
    assert any("read by bert" in note for note in report.notes)
    bundle = load_radiograph_bundle(tmp_path / "b")
    assert (bundle.name, bundle.findings_seen) == ("medklip", OBSERVATIONS)
    assert len(OBSERVATIONS) == 73
    assert bundle.preprocessing.input_px == 224
    texts = ["clear normal tissue", "renal cell carcinoma of tissue", "tissue"]
    book = first_tokens(bert, folder / "bert", texts)
    pixels = films(224)
    with torch.no_grad():
        logits, attention = network(normalized(pixels, *IMAGENET), book)
    scores = bundle.judge(pixels, bundle.queries(FINDINGS))
    np.testing.assert_allclose(scores.probabilities, logits.softmax(-1)[..., 1], atol=2e-5)
    np.testing.assert_allclose(scores.attention, attention.unflatten(-1, (14, 14)), atol=2e-5)
    assert np.ptp(scores.probabilities) > 1e-3
    document = json.loads((tmp_path / "b" / "medvlp.json").read_text())
    assert {"medklip.pth", "pytorch_model.bin", "vocab.txt"} <= set(
        document["provenance"]["sources"]
    )


def test_import_medklip__has_the_full_list_of_names():
    with torch.device("meta"):
        wanted = {n: t.shape for n, t in Medklip(FULL).state_dict().items()}
        ours = build_finding_network(MedklipSettings(), 30522).state_dict()
    outside = {n: t.shape for n, t in ours.items() if not n.startswith("text_tower.")}
    assert {resnet_key(n, "res_features."): shape for n, shape in outside.items()} == wanted


@pytest.mark.parametrize(
    ("change", "code", "phrase"),
    [
        ({"text_model": None}, "MV2118", "--text-model"),
        ({"text_model": "nowhere"}, "MV2100", "nowhere"),
        ({"mpp": 0.5}, "MV2113", "--text-model"),
        ({"input_px": 224}, "MV2113", "--input-px"),
    ],
)
def test_import_medklip__refuses_bad_requests(release, tmp_path, change, code, phrase):
    with pytest.raises(MedvlpError, match=phrase) as caught:
        import_release("medklip", request(release[0], tmp_path / "b", **change))
    assert caught.value.code == code
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("change", "code", "phrase"),
    [
        ({"cl_fc.bias": None}, "MV2105", "1 missing: 'cl_fc.bias'"),
        ({"extra": torch.ones(1)}, "MV2105", "1 unexpected: 'extra'"),
        ({"classifier.bias": torch.ones(3)}, "MV2106", "classifier.bias"),
        ({"res_features.4.0.conv1.weight": None}, "MV2105", "res_features.4.0.conv1"),
        ({"res_features.5.2.conv1.weight": torch.ones(1)}, "MV2101", r"\(2, 3, 2\) blocks"),
        ({"classifier.bias": torch.full((2,), torch.nan)}, "MV1405", "NaN"),
    ],
)
def test_import_medklip__uses_every_tensor(release, tmp_path, change, code, phrase):
    folder, _, network = release
    state = {**network.state_dict(), **change}
    state = {name: tensor for name, tensor in state.items() if tensor is not None}
    torch.save({"model": state}, tmp_path / "other.pth")
    with pytest.raises(MedvlpError, match=phrase) as caught:
        import_release(
            "medklip", request(folder, tmp_path / "b", source=str(tmp_path / "other.pth"))
        )
    assert caught.value.code == code
    assert not (tmp_path / "b").exists()
