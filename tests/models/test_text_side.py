"""The text side of a model is its tower and its projection, fed with its tokenizer."""

import numpy as np
import torch

from medvlp.models.architecture import TextTowerSettings
from medvlp.models.text_side import TextSide, caption_text_encoder


class CountsTokens(torch.nn.Module):
    """Gives the number of real tokens and the sum of the ids as features."""

    def forward(self, ids, mask):
        return torch.stack([mask.sum(1).float(), (ids * mask).sum(1).float()], dim=1)


class Model:
    def text_side(self):
        return TextSide(CountsTokens(), torch.nn.Linear(2, 2, bias=False))


def test_text_side__projects_what_the_tower_gives():
    projection = torch.nn.Linear(2, 3)
    side = TextSide(CountsTokens(), projection)
    ids = torch.tensor([[3, 4, 0]])
    expected = projection(torch.tensor([[2.0, 7.0]]))
    torch.testing.assert_close(side(ids, ids > 0), expected)


def test_caption_text_encoder__cuts_texts_at_the_towers_length(tokenizer):
    settings = TextTowerSettings(width=8, layers=1, heads=2, max_tokens=6)
    model = Model()
    side = model.text_side()
    model.text_side = lambda: side
    encoder = caption_text_encoder("m", model, settings, tokenizer, "cpu")
    long = "clear cell renal cell carcinoma " * 9
    tokens = tokenizer.encode([long], 6)
    assert tokens.ids.shape[1] <= 6
    with torch.inference_mode():
        raw = side(torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)).numpy()
    expected = raw / np.linalg.norm(raw)
    np.testing.assert_allclose(encoder.embed([long]), expected, rtol=1e-5)
