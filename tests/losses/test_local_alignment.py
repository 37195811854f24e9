import math

import pytest
import torch

from medvlp.errors import LossError
from medvlp.losses.local_alignment import LocalAlignment, attend_patches, local_alignment_loss
from tests.oracles.alignment_losses import word_attention


def batch(seed=0, num_pairs=4):
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randn(num_pairs, 6, 5, generator=generator, dtype=torch.float64)
    words = torch.randn(num_pairs, 3, 5, generator=generator, dtype=torch.float64)
    return patches, words, torch.tensor([3, 1, 2, 3, 2, 1][:num_pairs])


def test_local_alignment_loss__hand_worked():
    # One patch per image and one word per text: attention is 1, the context is the patch, so
    # S = score_scale * word_scale * cos. Patches and words are the axes: S = ln 3 * identity.
    patches = torch.eye(2, dtype=torch.float64).unsqueeze(1)
    settings = LocalAlignment(word_scale=0.5, score_scale=2 * math.log(3))
    loss = local_alignment_loss(patches, 4 * patches, torch.tensor([1, 1]), settings)
    assert loss.row_to_column.item() == pytest.approx(math.log(4 / 3), rel=1e-12)
    assert loss.column_to_row.item() == pytest.approx(math.log(4 / 3), rel=1e-12)


def test_local_alignment_loss__is_the_same_in_chunks_with_its_gradients():
    results = []
    for chunk in (16, 3, 1):
        patches, words, num_words = (x.clone() for x in batch(1, 6))
        leaves = patches.requires_grad_(), words.requires_grad_()
        loss = sum(local_alignment_loss(*leaves, num_words, LocalAlignment(texts_per_chunk=chunk)))
        results.append([loss.detach(), *torch.autograd.grad(loss, leaves)])
    for chunked in results[1:]:
        for actual, expected in zip(chunked, results[0], strict=True):
            torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_local_alignment_loss__does_not_read_the_padding():
    patches, words, num_words = batch(2)
    expected = sum(local_alignment_loss(patches, words, num_words))
    words[1, 1:] = 1e3
    padded = torch.nn.functional.pad(words, (0, 0, 0, 4), value=7.0)
    actual = sum(local_alignment_loss(patches, padded, num_words))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_local_alignment_loss__does_not_depend_on_the_order_of_patches():
    patches, words, num_words = batch(3)
    expected = sum(local_alignment_loss(patches, words, num_words))
    actual = sum(local_alignment_loss(patches.flip(1), words, num_words))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("words_compete", [True, False])
def test_attend_patches__equals_the_oracle_and_is_zero_for_padding(words_compete):
    patches, words, num_words = batch(4)
    settings = LocalAlignment(words_compete=words_compete)
    actual = attend_patches(patches, words, num_words, settings)
    for i, count in enumerate(num_words.tolist()):
        expected = word_attention(
            patches[i].tolist(), words[i, :count].tolist(), 4.0, words_compete
        )
        torch.testing.assert_close(
            actual[i, :count], torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-13
        )
        assert not actual[i, count:].any()


def test_local_alignment_loss__refuses_a_text_without_words():
    patches, words, num_words = batch()
    num_words[2] = 0
    with pytest.raises(LossError, match=r"MV1853: num_words holds values outside \[1, 3\]"):
        local_alignment_loss(patches, words, num_words)


def test_local_alignment_loss__refuses_words_of_another_width():
    patches, words, num_words = batch()
    with pytest.raises(LossError, match=r"MV1850: words has shape \(4, 3, 4\)"):
        local_alignment_loss(patches, words[..., :4], num_words)


def test_local_alignment__refuses_a_scale_of_zero():
    with pytest.raises(ValueError, match="word_scale must be > 0, got 0"):
        LocalAlignment(word_scale=0)
