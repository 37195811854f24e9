"""Settings that contradict themselves are refused."""

import pytest

from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError
from medvlp.pipelines.pairing.settings import PairingSettings


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"duplicates": {"encoder": "x", "features": "f.npz"}}, "both given"),
        ({"duplicates": {"encoder": None}}, "nothing to compare"),
        ({"splits": {"validation": 0.5, "test": 0.5}}, "nothing to train on"),
        ({"duplicates": {"cosinus": 0.9}}, "did you mean 'cosine'"),
        ({"merging": {"rule": "jaccard"}}, "merging.rule"),
        ({"duplicates": {"cosine": 1.5}}, "duplicates.cosine"),
    ],
)
def test_settings__refuse(document: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_model(document, PairingSettings, source="test")


def test_settings__allow_features_in_place_of_the_default_encoder() -> None:
    chosen = parse_model({"duplicates": {"features": "f.npz"}}, PairingSettings, source="test")
    assert chosen.duplicates.features is not None
    assert parse_model({}, PairingSettings, source="test") == PairingSettings()
