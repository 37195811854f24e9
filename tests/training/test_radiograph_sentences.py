"""Reports are cut into sentences as they were written."""

import pytest
import torch

from medvlp.text.tokenizer import train_tokenizer
from medvlp.training.radiograph_sentences import SentenceCutter

REPORTS = (
    "Findings: A round shadow of 3.5 mm. No fluid! The heart is large; it is wide",
    "Impression: Clear lungs.",
    "",
)


@pytest.fixture
def tokenizer():
    return train_tokenizer(REPORTS[:2] * 3, 400)


def cut(tokenizer, reports):
    tokens = tokenizer.encode(reports, 64)
    ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
    return SentenceCutter(tokenizer).cut(ids, mask)


def test_cut__makes_a_text_of_each_sentence(tokenizer):
    found = cut(tokenizer, REPORTS)
    sentences = ["A round shadow of 3.5 mm.", "No fluid!", "The heart is large;", "it is wide"]
    expected = tokenizer.encode([*sentences, "Clear lungs.", ""], 64)
    assert found.num_sentences.tolist() == [4, 1, 1]
    assert torch.equal(found.ids, torch.from_numpy(expected.ids))
    assert torch.equal(found.mask, torch.from_numpy(expected.mask))


def test_cut__keeps_a_colon_within_a_sentence(tokenizer):
    found = cut(tokenizer, ["A round shadow of the lungs: wide."])
    assert found.num_sentences.tolist() == [1]
    assert int(found.mask.sum()) == len(
        tokenizer.encode(["A round shadow of the lungs: wide."], 64).ids[0]
    )


def test_by_report__pads_with_zeros(tokenizer):
    found = cut(tokenizer, REPORTS)
    vectors = torch.arange(1.0, 7.0).unsqueeze(1).expand(6, 2)
    rows = found.by_report(vectors)
    assert rows.shape == (3, 4, 2)
    assert rows[..., 0].tolist() == [[1, 2, 3, 4], [5, 0, 0, 0], [6, 0, 0, 0]]


def test_cut__of_no_reports_gives_no_sentences(tokenizer):
    tokens = tokenizer.encode(REPORTS, 64)
    ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
    found = SentenceCutter(tokenizer).cut(ids[:0], mask[:0])
    assert (found.ids.shape, found.ids.dtype) == ((0, 1), torch.int64)
    assert (found.mask.shape, found.mask.dtype) == ((0, 1), torch.bool)
    assert (found.num_sentences.shape, found.num_sentences.dtype) == ((0,), torch.int64)
    vectors = torch.zeros(0, 2, requires_grad=True)
    assert found.by_report(vectors).shape == (0, 1, 2)
    assert found.by_report(vectors).requires_grad
