"""What a description of a network for findings may say, and how both kinds are kept apart."""

import json

import pytest

from medvlp.errors import ModelError
from medvlp.models.bundle_kinds import read_any_bundle_meta
from medvlp.models.bundle_schema import BundleMeta, read_bundle_meta
from medvlp.models.folders import bundle_modality
from medvlp.models.radiograph.bundle_schema import (
    RadiographBundleMeta,
    network_preprocessing,
    read_radiograph_bundle_meta,
)
from medvlp.pipelines.identify import identify
from medvlp.types import RadiographPreprocessing
from tests.models.radiograph.tiny_findings import tiny_settings, write_tiny_findings


@pytest.fixture
def folder(tmp_path, film_tokenizer):
    write_tiny_findings(tmp_path / "findings", film_tokenizer)
    return tmp_path / "findings"


def test_read_any_bundle_meta__tells_both_kinds_of_radiograph_models_apart(folder, towers_folder):
    assert isinstance(read_any_bundle_meta(folder), RadiographBundleMeta)
    assert isinstance(read_any_bundle_meta(towers_folder), BundleMeta)
    assert [bundle_modality(f) for f in (folder, towers_folder)] == ["radiograph"] * 2


def test_read_meta__refuses_the_other_kind(folder, towers_folder, bundle_folder):
    with pytest.raises(ModelError, match="judges findings of radiographs") as caught:
        read_bundle_meta(folder)
    assert caught.value.code == "MV1470"
    for other in (towers_folder, bundle_folder):
        with pytest.raises(ModelError, match="kind None") as caught:
            read_radiograph_bundle_meta(other)
        assert caught.value.code == "MV1470"


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"kind": "other"}, "architecture|kind"),
        ({"architecture": {"architecture": "medclip"}}, "architecture"),
        ({"vocab_size": 0}, "vocab_size"),
        ({"unknown": 1}, "unknown"),
        ({"files": {}}, "files"),
        ({"preprocessing": {"input_px": 64, "mean": [0.5], "std": [0.25]}}, "preprocessing"),
        ({"preprocessing": {"input_px": 32, "mean": [0.5], "std": [0.0]}}, "std"),
    ],
)
def test_read_radiograph_bundle_meta__refuses_bad_descriptions(folder, change, phrase):
    path = folder / "medvlp.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=phrase) as caught:
        read_any_bundle_meta(folder)
    assert caught.value.code == "MV1407"


def test_network_preprocessing__says_what_a_network_takes():
    assert network_preprocessing(tiny_settings()) == RadiographPreprocessing(
        input_px=32, channels=1, mean=(0.5,), std=(0.25,)
    )
    assert network_preprocessing(tiny_settings("kad")).channels == 3


def test_identify__shows_a_network_for_findings(folder):
    """What ``medvlp inspect`` prints."""
    found = identify(folder)
    assert found.kind == "model"
    assert found.facts["kind"] == "finding-model"
    assert found.facts["findings_seen"] == ["effusion", "nodule"]
