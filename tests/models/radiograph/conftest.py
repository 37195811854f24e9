"""A tokenizer of texts on chest films, and a pair of towers that takes radiographs."""

from dataclasses import replace
from pathlib import Path

import pytest

from medvlp.models.bundle import save_bundle
from medvlp.text.tokenizer import CaptionTokenizer, train_tokenizer
from tests.models.conftest import filled_randomly
from tests.models.radiograph.tiny_findings import FINDINGS


@pytest.fixture(scope="session")
def film_tokenizer() -> CaptionTokenizer:
    texts = [text for finding in FINDINGS for _, text in finding.texts()]
    return train_tokenizer([*texts, "normal", "clear", "no fluid"], 120)


@pytest.fixture
def towers_folder(tmp_path, dual_encoder, tokenizer, card) -> Path:
    """A bundle of modality radiograph that is a pair of towers."""
    filled_randomly(dual_encoder)
    card = replace(card, name="towers", modality="radiograph", scale=None)
    save_bundle(tmp_path / "towers", dual_encoder, tokenizer, card)
    return tmp_path / "towers"
