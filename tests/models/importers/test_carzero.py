"""CARZero's checkpoints give the scores of CARZero's own parts after the import."""

import os
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch

from medvlp.errors import MedvlpError
from medvlp.knowledge.facets import FindingFacets
from medvlp.models.importers.carzero import release_key
from medvlp.models.importers.kinds import import_release
from medvlp.models.importers.records import ImportRequest
from medvlp.models.radiograph.build import build_finding_network
from medvlp.models.radiograph.bundle import load_radiograph_bundle
from medvlp.models.radiograph.released_settings import CarzeroSettings
from tests.models.conftest import filled_randomly
from tests.models.importers.chest_releases import (
    FULL,
    SIZES,
    Carzero,
    films,
    normalized,
    write_bert,
)

SMALL = {**SIZES, "dim": 32, "bert": {**SIZES["bert"], "num_hidden_layers": 4}}
PROMPTS = ("there is carcinoma", "normal clear cells", "an image of tissue")


@pytest.fixture
def release(tmp_path, monkeypatch):
    """A checkpoint of Lightning whose settings are objects of a library that is not there."""
    module = types.ModuleType("omegaconf.dictconfig")
    made = type("DictConfig", (), {"__module__": module.__name__})
    module.DictConfig = made
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, "omegaconf", types.ModuleType("omegaconf"))
    config = made()
    config.content = {"model": {"text": {"last_n_layers": 4}}}
    network = filled_randomly(Carzero(SMALL)).eval()
    write_bert(tmp_path / "bert", with_weights=False, sizes=SMALL["bert"])
    state = {f"CARZero.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save(
        {"state_dict": state, "hyper_parameters": config, "epoch": 14},
        tmp_path / "carzero.ckpt",
    )
    record = {"state_dict": state, "epoch": 14}
    monkeypatch.delitem(sys.modules, module.__name__)
    request = ImportRequest(
        source=str(tmp_path / "carzero.ckpt"),
        out=tmp_path / "b",
        text_model=str(tmp_path / "bert"),
    )
    return network, record, request


def test_import_carzero__gives_the_released_scores(release, tmp_path):
    network, _, request = release
    import_release("carzero", request)
    bundle = load_radiograph_bundle(tmp_path / "b")
    assert (bundle.modes, bundle.preprocessing.input_px) == (("decoder",), 32)
    pixels = films(32)
    with torch.no_grad():
        inputs = normalized(pixels, (0.4978,) * 3, (0.2449,) * 3)
        scores = network(inputs, tmp_path / "bert", PROMPTS)
    actual = bundle.judge(pixels, bundle.queries([FindingFacets(p) for p in PROMPTS]))
    np.testing.assert_allclose(actual.probabilities, scores.sigmoid(), atol=2e-5)
    assert np.ptp(actual.probabilities) > 1e-5
    assert actual.attention.shape == (2, 3, 4, 4)


def test_import_carzero__has_the_full_list_of_names():
    with torch.device("meta"):
        full = {**FULL, "dim": 768}
        wanted = {n: t.shape for n, t in Carzero(full, 224, 16, 12).state_dict().items()}
        ours = build_finding_network(CarzeroSettings(), 30522).state_dict()
    unused = ("decoder_norm.", "logit_scale", ".self_attn.", ".norm1.", "pooler.")
    wanted = {
        name: shape
        for name, shape in wanted.items()
        if not (
            any(part in name for part in unused)
            and name.startswith(("fusion_module.", "text_encoder.model.pooler."))
        )
    }
    found = {release_key(n): t.shape for n, t in ours.items() if n != "continues"}
    assert found == wanted


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("other.weight", "MV2105"),
        ("CARZero.img_encoder.model.extra", "MV2105"),
        ("CARZero.extra.weight", "MV2105"),
        ("CARZero.text_encoder.model.extra", "MV2105"),
        ("CARZero.fusion_module.extra", "MV2105"),
    ],
)
def test_import_carzero__uses_every_tensor(release, tmp_path, name, code):
    _, record, request = release
    state = {**record["state_dict"], name: torch.ones(2)}
    torch.save({"state_dict": state}, tmp_path / "other.ckpt")
    with pytest.raises(MedvlpError, match=name.removeprefix("CARZero.").split(".")[-1]) as caught:
        import_release("carzero", replace(request, source=str(tmp_path / "other.ckpt")))
    assert caught.value.code == code
    assert not (tmp_path / "b").exists()


class Evil:
    def __init__(self, canary) -> None:
        self.canary = canary

    def __reduce__(self):
        return (os.system, (f"touch {self.canary}",))


def test_import_carzero__runs_nothing_that_hides_in_the_settings(release, tmp_path):
    _, record, request = release
    evil = {"model": {"text": [Evil(tmp_path / "canary")]}}
    torch.save({**record, "hyper_parameters": evil}, tmp_path / "evil.ckpt")
    with pytest.raises(MedvlpError, match=r"asks for posix\.system") as caught:
        import_release("carzero", replace(request, source=str(tmp_path / "evil.ckpt")))
    assert caught.value.code == "MV2104"
    assert not (tmp_path / "canary").exists()
    assert not (tmp_path / "b").exists()
