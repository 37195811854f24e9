"""Texts become unit vectors, whatever their number."""

import numpy as np
import pytest
import torch

from medvlp.models.text_encoder import TextEncoder


class Tower(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, lengths: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(lengths))
        return torch.stack([lengths, 2.0 * lengths + 1.0], dim=1)


def build() -> tuple[TextEncoder, Tower]:
    tower = Tower()

    def tokenize(texts):
        return (torch.tensor([float(len(text)) for text in texts]),)

    return TextEncoder(name="m", tower=tower, tokenize=tokenize), tower


def test_embed__gives_unit_vectors_in_order():
    encoder, _ = build()
    actual = encoder.embed(["a", "abc"])
    expected = np.array([[1, 3], [3, 7]]) / np.sqrt([[10], [58]])
    assert (actual.dtype, actual.shape) == (np.float32, (2, 2))
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_embed__works_through_many_texts_in_batches():
    encoder, tower = build()
    actual = encoder.embed(["x" * (1 + i % 7) for i in range(600)])
    assert actual.shape == (600, 2)
    assert tower.batches == [256, 256, 88]
    np.testing.assert_allclose(actual[599], encoder.embed(["x" * (1 + 599 % 7)])[0], rtol=1e-6)


def test_embed__refuses_no_texts():
    with pytest.raises(ValueError, match="texts is empty"):
        build()[0].embed([])
