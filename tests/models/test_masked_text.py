"""The head that names hidden tokens: tied to the embeddings, alone at hidden places."""

import torch
from torch.nn import functional

from medvlp.models.architecture import TextTowerSettings
from medvlp.models.masked_text import MaskedBert, TokenHead
from medvlp.models.text_tower import KnowledgeText

SETTINGS = TextTowerSettings(width=16, layers=1, heads=2, feedforward=32, max_tokens=12)


def masked_bert(**more) -> MaskedBert:
    return MaskedBert(KnowledgeText(SETTINGS.model_copy(update=more), 30, 8, seed=1), seed=2).eval()


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids = torch.randint(5, 30, (3, 7), generator=torch.Generator().manual_seed(0))
    targets = torch.full((3, 7), -100)
    targets[0, 2], targets[2, 1], targets[2, 5] = 9, 11, 13
    return ids, torch.ones(3, 7, dtype=torch.bool), targets


def test_hidden_logits__are_those_of_hidden_places_by_the_embeddings_own_matrix():
    model = masked_bert()
    ids, mask, targets = example()
    logits, true = model.hidden_logits(ids, mask, targets)
    assert true.tolist() == [9, 11, 13]
    bert, head = model.text.text_tower.bert, model.head
    features = bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    words = bert.embeddings.word_embeddings.weight
    for row, (text, place) in enumerate([(0, 2), (2, 1), (2, 5)]):
        x = functional.gelu(head.dense.weight @ features[text, place] + head.dense.bias)
        x = (x - x.mean()) / (x.var(unbiased=False) + 1e-12).sqrt()
        expected = words @ (x * head.norm.weight + head.norm.bias) + head.bias
        torch.testing.assert_close(logits[row], expected, rtol=1e-4, atol=1e-5)


def test_head__has_no_matrix_of_its_own_and_pulls_at_the_embeddings():
    model = masked_bert()
    assert {tuple(p.shape) for p in model.head.parameters()} == {(16, 16), (16,), (30,)}
    logits, true = model.hidden_logits(*example())
    functional.cross_entropy(logits, true).backward()
    pulled = model.text.text_tower.bert.embeddings.word_embeddings.weight.grad
    assert (pulled.abs().sum(dim=1) > 0).all()  # every piece, read or not


def test_masked_bert__lets_what_takes_no_part_rest():
    model = masked_bert(pooling="pooler")
    resting = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert resting == {
        "text.text_projection.weight",
        "text.text_tower.bert.pooler.dense.weight",
        "text.text_tower.bert.pooler.dense.bias",
    }
    before = torch.get_rng_state()
    TokenHead(4, 5)
    torch.set_rng_state(before)
    assert torch.equal(masked_bert().head.dense.weight, masked_bert().head.dense.weight)
