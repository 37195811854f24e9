"""Findings are judged as stated: by the decoder, or by the similarity with what is written."""

import numpy as np
import pytest
import torch

from medvlp.errors import ModelError
from medvlp.knowledge.facets import FindingFacets
from medvlp.models.radiograph.finding_model import facet_texts
from medvlp.models.radiograph.mavl import text_scores
from medvlp.models.radiograph.network_findings import REFERENCES, NetworkFindings
from tests.models.radiograph.tiny_findings import FINDINGS, SIDE, some_films, tiny_network


def findings_of(film_tokenizer, kind="facet-queries", **options) -> NetworkFindings:
    network = tiny_network(film_tokenizer.vocab_size, kind)
    return NetworkFindings("it", network, film_tokenizer, max_tokens=16, input_px=SIDE, **options)


def unit(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(x, dim=-1)


@torch.no_grad()
def sentence(model: NetworkFindings, text: str) -> torch.Tensor:
    """Read one text alone."""
    tokens = model._tokenizer.encode([text], 16)
    ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
    return model._network.encode_text(ids, mask).sentence[0]


@pytest.mark.parametrize("kind", ["facet-queries", "medklip", "kad", "carzero", "mavl"])
def test_judge__is_the_sigmoid_of_the_network_s_own_logits(film_tokenizer, kind):
    model = findings_of(film_tokenizer, kind)
    network, films = model._network, some_films()
    texts, class_index, kinds = facet_texts(FINDINGS)
    tokens = film_tokenizer.encode(texts, 16)
    with torch.no_grad():
        text = network.encode_text(torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask))
        queries = network.queries_of(text, class_index, kinds, len(FINDINGS))
        image = network.encode_image(films.unsqueeze(1))
        expected = network.decode(queries, image.patches, with_attention=True)
    actual = model.judge(films, model.queries(FINDINGS))
    np.testing.assert_allclose(actual.probabilities, expected.logits.sigmoid(), atol=1e-6)
    maps = expected.attention.reshape(2, 3, *image.grid)
    np.testing.assert_allclose(actual.attention, maps, atol=1e-6)
    bare = model.judge(films, model.queries(FINDINGS), with_attention=False)
    assert bare.attention is None
    np.testing.assert_allclose(bare.probabilities, actual.probabilities, atol=1e-6)


def test_judge__compares_with_every_text_about_a_finding(film_tokenizer):
    model = findings_of(film_tokenizer)
    network, films = model._network, some_films()
    with torch.no_grad():
        pooled = network.encode_image(films.unsqueeze(1)).pooled
        images = unit(network.describe(pooled))
        scale = float(network.scales["knowledge"]())
        expected = np.zeros((2, len(FINDINGS)))
        for b in range(2):
            for c, finding in enumerate(FINDINGS):
                answers = [
                    torch.sigmoid(
                        scale * images[b] @ (unit(sentence(model, text)) - unit(sentence(model, r)))
                    )
                    for _, text in finding.texts()
                    for r in ("normal", "clear")
                ]
                expected[b, c] = np.mean(answers)
    actual = model.judge(films, model.queries(FINDINGS), mode="similarity")
    assert actual.mode == "similarity"
    np.testing.assert_allclose(actual.probabilities, expected, atol=1e-5)
    assert actual.attention is not None


def test_judge__by_similarity_is_mavl_s_text_mode(film_tokenizer):
    model = findings_of(film_tokenizer, "mavl")
    network, films = model._network, some_films()
    book = (*REFERENCES, *FINDINGS)  # MAVL's book begins with normal and clear
    texts, class_index, kinds = facet_texts(book)
    tokens = film_tokenizer.encode(texts, 16)
    with torch.no_grad():
        text = network.encode_text(torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask))
        queries = network.queries_of(text, class_index, kinds, len(book))
        pooled = network.encode_image(films.unsqueeze(1)).pooled
        expected = text_scores(network.cosines(pooled, queries))[:, 2:]
    actual = model.judge(films, model.queries(FINDINGS), mode="similarity").probabilities
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_queries__reads_texts_once(film_tokenizer, monkeypatch):
    model = findings_of(film_tokenizer)
    read = []
    encode = model._network.encode_text

    def counted(ids, mask):
        read.append(len(ids))
        return encode(ids, mask)

    monkeypatch.setattr(model._network, "encode_text", counted)
    first = model.queries(FINDINGS)
    twice = (*FINDINGS[:2], FindingFacets("fluid", (), "fluid beside the lung"))
    assert model.queries(list(FINDINGS)) is first
    assert read == [11]  # nine texts about the findings, and two of reference
    model.queries(twice)
    assert read[1:] == [10]  # what two findings share is read once
    changed = (*FINDINGS[:2], FindingFacets("heart", (), "a large heart"))
    assert model.queries(changed) is not first
    assert first.names == ("effusion", "nodule", "heart")


def test_judge__depends_on_texts_and_pixels(film_tokenizer):
    model = findings_of(film_tokenizer)
    queries, films = model.queries(FINDINGS), some_films()
    scores = model.judge(films, queries).probabilities
    assert abs(scores[0] - scores[1]).max() > 1e-4
    assert np.ptp(scores[0]) > 1e-4
    alone = model.judge(films[1:], queries).probabilities
    np.testing.assert_allclose(scores[1:], alone, atol=1e-6)


def test_judge__in_half_precision_agrees_roughly(film_tokenizer):
    films = some_films()
    exact, rough = (findings_of(film_tokenizer, precision=p) for p in ("fp32", "bf16"))
    expected = exact.judge(films, exact.queries(FINDINGS)).probabilities
    actual = rough.judge(films, rough.queries(FINDINGS)).probabilities
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=0.03)
    assert not np.array_equal(actual, expected)


def test_judge__refuses_what_it_cannot_do(film_tokenizer):
    model = findings_of(film_tokenizer, "medklip")
    with pytest.raises(ModelError, match="share no space") as caught:
        model.judge(some_films(), model.queries(FINDINGS), mode="similarity")
    assert caught.value.code == "MV1472"
    with pytest.raises(ValueError, match="nothing to ask"):
        model.queries([])
    with pytest.raises(ValueError, match="nothing to read"):
        findings_of(film_tokenizer).embed_texts([])
