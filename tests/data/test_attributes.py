"""Texts about diseases come in batches that know whose they are, and some can be held out."""

import pytest
import torch

from medvlp.data.attributes import (
    AttributeCollator,
    AttributesDataset,
    AttributeTexts,
    hold_out,
)
from medvlp.data.sampler import Draw
from medvlp.errors import DataError
from medvlp.knowledge.attributes import Attribute
from medvlp.text.tokenizer import train_tokenizer

ATTRIBUTES = [
    Attribute("X:2", "name", "lung cancer"),
    Attribute("X:2", "synonym", "cancer of the lung"),
    Attribute("X:1", "synonym", "cancer of the kidney"),
    Attribute("X:1", "name", "kidney cancer"),
]


def test_texts__number_diseases_as_they_come_and_know_their_names():
    texts = AttributeTexts(ATTRIBUTES)
    assert texts.group_id.tolist() == [0, 0, 1, 1]
    assert texts.is_name.tolist() == [True, False, False, True]
    assert texts.content_hash() == AttributeTexts(list(ATTRIBUTES)).content_hash()
    assert texts.content_hash() != AttributeTexts(ATTRIBUTES[::-1]).content_hash()


@pytest.mark.parametrize(
    "attributes", [ATTRIBUTES[:3], [*ATTRIBUTES, Attribute("X:1", "name", "again")]]
)
def test_texts__refuse_a_disease_without_a_name_or_with_two(attributes):
    with pytest.raises(DataError, match=r"MV2044: 1 diseases .* such as \['X:1'\]"):
        AttributeTexts(attributes)


def test_hold_out__never_takes_a_name_and_does_not_depend_on_the_others():
    many = [Attribute("X:1", "name", "n")]
    many += [Attribute("X:1", "synonym", f"text {i}") for i in range(1000)]
    training, held_out = hold_out(many, 0.2, 0)
    assert len(held_out) == pytest.approx(200, abs=40)
    assert training[0].kind == "name"
    assert sorted(training + held_out, key=many.index) == many
    alone = [a for a in many if hold_out([a], 0.2, 0)[1]]
    assert alone == held_out
    assert hold_out(many, 0.2, 1)[1] != held_out
    assert hold_out(many, 0.0, 0) == (many, [])


def test_collator__makes_tokens_with_diseases_and_names():
    texts = AttributeTexts(ATTRIBUTES)
    tokenizer = train_tokenizer([a.text for a in ATTRIBUTES], 80)
    dataset = AttributesDataset(texts)
    assert len(dataset) == 4
    rows = [dataset[Draw(0, row)] for row in (3, 1)]
    batch = AttributeCollator(texts, tokenizer, 8)(rows)
    expected = tokenizer.encode(["kidney cancer", "cancer of the lung"], 8)
    assert torch.equal(batch.text.ids, torch.from_numpy(expected.ids))
    assert (batch.group_id.tolist(), batch.is_name.tolist()) == ([1, 0], [True, False])
    assert len(batch.to("cpu")) == 2
