"""MAVL's checkpoints give the logits and text scores of MAVL's own parts after the import."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medvlp.errors import MedvlpError
from medvlp.knowledge.facets import FindingFacets
from medvlp.models.importers.kinds import import_release
from medvlp.models.importers.radiograph_release import resnet_key
from medvlp.models.importers.records import ImportRequest
from medvlp.models.radiograph.build import build_finding_network
from medvlp.models.radiograph.bundle import load_radiograph_bundle
from medvlp.models.radiograph.released_settings import MavlSettings
from tests.models.conftest import filled_randomly
from tests.models.importers.chest_releases import (
    FULL,
    IMAGENET,
    Mavl,
    films,
    first_tokens,
    normalized,
    write_bert,
)

BOOK = (
    ("renal cell carcinoma", "opacity: clear", "shape: an image of cell"),
    ("normal tissue", "opacity: normal", "shape: tissue"),
)
FINDINGS = tuple(FindingFacets(f"number {i}", (), d, tuple(a)) for i, (d, *a) in enumerate(BOOK))


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mavl")
    bert = write_bert(folder / "bert")
    network = filled_randomly(Mavl()).eval()
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"model": state}, folder / "mavl.pth")
    request = ImportRequest(
        source=str(folder / "mavl.pth"), out=folder / "b", text_model=str(folder / "bert")
    )
    import_release("mavl", request)
    return folder, bert, network, request


def test_import_mavl__gives_the_released_logits(release):
    folder, bert, network, _ = release
    book = torch.stack([first_tokens(bert, folder / "bert", texts) for texts in BOOK])
    healthy = first_tokens(bert, folder / "bert", ["normal", "clear"])
    whole = torch.cat([healthy.unsqueeze(1).expand(-1, 3, -1), book])
    pixels = films(224)
    with torch.no_grad():
        logits, _ = network(normalized(pixels, *IMAGENET), book)
        _, cosines = network(normalized(pixels, *IMAGENET), whole)
    bundle = load_radiograph_bundle(folder / "b")
    queries = bundle.queries(FINDINGS)
    scores = bundle.judge(pixels, queries)
    np.testing.assert_allclose(scores.probabilities, logits.softmax(-1)[..., 1], atol=2e-5)
    assert np.ptp(scores.probabilities) > 1e-4
    gaps = [(cosines[:, 2:] - cosines[:, [r]]).sigmoid().mean(-1) for r in (0, 1)]
    expected = torch.stack(gaps).mean(0)
    actual = bundle.judge(pixels, queries, mode="similarity").probabilities
    np.testing.assert_allclose(actual, expected, atol=2e-5)


def test_import_mavl__has_the_full_list_of_names():
    with torch.device("meta"):
        wanted = {n: t.shape for n, t in Mavl(FULL, 9).state_dict().items() if n != "temp"}
        ours = build_finding_network(MavlSettings(), 30522).state_dict()
    outside = {
        resnet_key(n, "backbone."): t.shape
        for n, t in ours.items()
        if not n.startswith("text_tower.") and n != "temp"
    }
    assert outside == wanted


def test_import_mavl__refuses_its_vision_transformers(release, tmp_path):
    request = release[-1]
    torch.save({"model": {"backbone.encoder.ln.weight": torch.ones(3)}}, tmp_path / "vit.pth")
    other = replace(request, source=str(tmp_path / "vit.pth"), out=tmp_path / "b")
    with pytest.raises(MedvlpError, match="vision transformer") as caught:
        import_release("mavl", other)
    assert caught.value.code == "MV2107"
    with pytest.raises(MedvlpError) as caught:
        import_release("medklip", replace(request, out=tmp_path / "b"))
    assert caught.value.code == "MV2105"
