"""A bundle gives back the network that was saved, proved whole; pairs of towers judge, too."""

import json

import numpy as np
import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.any_bundle import load_any_bundle, model_encoder, model_modality
from medvlp.models.any_encoder import load_any_encoder
from medvlp.models.bundle import Bundle, load_bundle
from medvlp.models.radiograph.bundle import (
    RadiographBundle,
    is_finding_model,
    load_radiograph_bundle,
)
from medvlp.models.weights import weights_sha256
from tests.models.radiograph.tiny_findings import FINDINGS, some_films, write_tiny_findings

KINDS = ["facet-queries", "medklip", "kad", "mavl", "carzero"]


@pytest.mark.parametrize("kind", KINDS)
def test_load_radiograph_bundle__gives_the_network_back(tmp_path, film_tokenizer, kind):
    network = write_tiny_findings(tmp_path / "b", film_tokenizer, kind)
    bundle = load_radiograph_bundle(tmp_path / "b")
    assert (bundle.name, bundle.findings_seen) == ("tiny-chest", ("effusion", "nodule"))
    assert bundle.weights_sha256 == weights_sha256(network.state_dict())
    assert bundle.preprocessing.input_px == 32
    scores = bundle.judge(some_films(), bundle.queries(FINDINGS))
    assert scores.mode == "decoder"
    assert scores.probabilities.shape == (2, 3)
    assert scores.probabilities.std() > 0
    side = 4 if kind in ("facet-queries", "carzero") else 2
    assert scores.attention.shape == (2, 3, side, side)
    sums = scores.attention.sum((2, 3))
    if kind == "carzero":  # the whole image is looked at, too
        assert (sums < 1).all()
    else:
        np.testing.assert_allclose(sums, 1, atol=1e-6)
    features = bundle.embed_images(some_films().numpy())
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    assert features.shape == (2, bundle.dim)
    if bundle.is_projected:
        assert bundle.embed_texts(["fluid", "nodule"]).shape == (2, bundle.dim)
    else:
        with pytest.raises(ModelError) as caught:
            bundle.embed_texts(["fluid"])
        assert caught.value.code == "MV1472"


def test_any__dispatches_by_kind(tmp_path, film_tokenizer, towers_folder):
    write_tiny_findings(tmp_path / "b", film_tokenizer)
    findings, towers = load_any_bundle(tmp_path / "b"), load_any_bundle(towers_folder)
    assert isinstance(findings, RadiographBundle)
    assert isinstance(towers, Bundle)
    assert [model_modality(m) for m in (findings, towers)] == ["radiograph"] * 2
    assert model_encoder(findings) is findings
    modality, encoder = load_any_encoder(str(tmp_path / "b"))
    assert (modality, isinstance(encoder, RadiographBundle)) == ("radiograph", True)
    modality, encoder = load_any_encoder(str(towers_folder))
    assert (modality, encoder.name) == ("radiograph", "towers")
    assert is_finding_model(tmp_path / "b")
    assert not is_finding_model(towers_folder)
    with pytest.raises(ModelError, match="MV1470"):
        load_bundle(tmp_path / "b")


def test_load_radiograph_bundle__takes_a_pair_of_towers(towers_folder):
    bundle = load_radiograph_bundle(towers_folder)
    assert (bundle.modes, bundle.findings_seen) == (("similarity",), ())
    assert bundle.preprocessing.channels == 3
    films = torch.nn.functional.interpolate(some_films()[:, None], (48, 48))[:, 0]
    scores = bundle.judge(films, bundle.queries(FINDINGS))
    assert (scores.mode, scores.attention) == ("similarity", None)
    assert scores.probabilities.shape == (2, 3)


def test_load_radiograph_bundle__refuses_models_of_other_things(bundle_folder, open_clip_folder):
    for folder in (bundle_folder, open_clip_folder):
        with pytest.raises(ModelError) as caught:
            load_radiograph_bundle(folder)
        assert caught.value.code == "MV1470"


def test_load_radiograph_bundle__proves_every_file(tmp_path, film_tokenizer):
    write_tiny_findings(tmp_path / "b", film_tokenizer)
    path = tmp_path / "b" / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match="MV1404"):
        load_radiograph_bundle(tmp_path / "b")
    path.unlink()
    with pytest.raises(ModelError, match="MV1403"):
        load_radiograph_bundle(tmp_path / "b")


def test_load_radiograph_bundle__refuses_settings_of_another_size(tmp_path, film_tokenizer):
    """Huge settings are refused by the file of weights, before a network is made."""
    write_tiny_findings(tmp_path / "b", film_tokenizer)
    path = tmp_path / "b" / "medvlp.json"
    document = json.loads(path.read_text())
    document["architecture"]["text"] |= {"width": 16384, "layers": 100, "feedforward": 16384}
    path.write_text(json.dumps(document))
    with pytest.raises(ModelError, match="MV1409"):
        load_radiograph_bundle(tmp_path / "b")
