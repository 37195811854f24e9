"""Text towers from their folders: the same vectors as the tower in hand, in its own template."""

import numpy as np
import pytest
import torch

from medvlp.errors import ModelError, UsageError
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.bundle_schema import Provenance
from medvlp.models.decoder_folder import DECODER_FILE, save_decoder
from medvlp.models.decoder_text import DecoderSettings, DecoderSizes, build_decoder
from medvlp.models.text_embedder import load_text_embedder
from medvlp.models.text_tower import KnowledgeText, TextTowerCard, save_text_tower
from medvlp.text.file_tokenizer import FileTokenizer
from medvlp.text.tokenizer import train_tokenizer
from tests.text.test_file_tokenizer import TEXTS, llama_like

CARD = TextTowerCard(name="tiny", provenance=Provenance(medvlp_version="0"), license="Apache-2.0")


@pytest.fixture
def bert(tmp_path):
    tokenizer = train_tokenizer(TEXTS, 100)
    settings = TextTowerSettings(width=16, layers=1, heads=2, feedforward=32, max_tokens=9)
    model = KnowledgeText(settings, tokenizer.vocab_size, 8)
    save_text_tower(tmp_path / "bert", model, tokenizer, CARD)
    return tmp_path / "bert", model.eval(), tokenizer


@pytest.fixture
def decoder(tmp_path):
    tokenizer = FileTokenizer(llama_like())
    sizes = DecoderSizes(width=16, layers=1, heads=2, kv_heads=1, feedforward=32)
    model = build_decoder(sizes, tokenizer.vocab_size, DecoderSettings(max_tokens=32), 0)
    save_decoder(
        tmp_path / "decoder", model, tokenizer, CARD, max_tokens=24, template="<|end|>{}<|end|>"
    )
    return tmp_path / "decoder", model.eval(), tokenizer


@torch.no_grad()
def expected(model, tokenizer, texts, max_tokens) -> np.ndarray:
    tokens = tokenizer.encode(texts, max_tokens)
    return model(torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)).numpy()


def test_load_text_embedder__of_a_bert_cuts_texts_as_its_tower_says(bert):
    folder, model, tokenizer = bert
    actual = load_text_embedder(str(folder)).embed(TEXTS)
    np.testing.assert_allclose(actual, expected(model, tokenizer, TEXTS, 9), atol=1e-6)
    with pytest.raises(UsageError, match="'bert' states its own"):
        load_text_embedder(str(folder), max_tokens=5)


def test_load_text_embedder__of_a_decoder_keeps_to_the_template_it_was_trained_with(decoder):
    folder, model, tokenizer = decoder
    framed = [f"<|end|>{text}<|end|>" for text in TEXTS]
    actual = load_text_embedder(str(folder)).embed(TEXTS)
    np.testing.assert_allclose(actual, expected(model, tokenizer, framed, 24), atol=1e-6)
    renamed = folder.rename(folder.parent / "another-name")  # changes nothing, unlike elsewhere
    np.testing.assert_array_equal(load_text_embedder(str(renamed)).embed(TEXTS), actual)
    with pytest.raises(UsageError, match="states its own"):
        load_text_embedder(str(renamed), template="{}")


def test_load_text_embedder__of_a_release_takes_the_template_given(decoder):
    folder, model, tokenizer = decoder
    (folder / DECODER_FILE).unlink()
    actual = load_text_embedder(str(folder)).embed(TEXTS)
    np.testing.assert_allclose(actual, expected(model, tokenizer, TEXTS, 512), atol=1e-6)
    given = load_text_embedder(str(folder), template="user {}", max_tokens=8).embed(TEXTS)
    framed = [f"user {text}" for text in TEXTS]
    np.testing.assert_allclose(given, expected(model, tokenizer, framed, 8), atol=1e-6)
    assert np.abs(given - actual).max() > 1e-3
    with pytest.raises(ModelError, match="MV1401"):
        load_text_embedder("no-such-folder")
