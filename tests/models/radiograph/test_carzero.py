"""CARZero: both directions of asking, words from pieces, and pairs without copies."""

import pytest
import torch
from torch.nn import functional

from medvlp.models.radiograph.carzero import CarzeroNetwork, sum_word_pieces
from tests.models.radiograph.tiny_networks import (
    VOCAB_SIZE,
    random_pixels,
    random_tensor,
    random_texts,
    tiny_carzero,
)

CLASS, KIND = torch.tensor([1, 0, 0, 2, 2]), torch.tensor([0, 1, 0, 0, 0])


def build() -> CarzeroNetwork:
    network = CarzeroNetwork(tiny_carzero(), VOCAB_SIZE, seed=2).eval()
    network.set_pieces({"word": 1, "##s": 2, "##ing": 5, "other": 3})
    return network


def test_sum_word_pieces__adds_up_what_belongs_together():
    pieces = torch.arange(1.0, 13.0).reshape(2, 6, 1)
    continues = torch.tensor([[0, 0, 1, 1, 0, 0], [0, 1, 0, 0, 1, 1]]).bool()
    mask = torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 0]]).bool()
    words = sum_word_pieces(pieces, mask, continues, 5)
    assert words[..., 0].tolist() == [[1.0, 9.0, 5.0, 0.0, 0.0], [15.0, 9.0, 10.0, 0.0, 0.0]]


def test_set_pieces__learns_which_go_on_with_a_word():
    network = build()
    assert network.continues.nonzero().flatten().tolist() == [2, 5]
    network.set_pieces({"##a": 7})
    assert network.continues.nonzero().flatten().tolist() == [7]
    assert network.state_dict()["continues"].dtype == torch.bool


def test_encode_text__sums_pieces_and_layers_and_divides_by_all_places():
    network = build()
    ids, mask = random_texts(4)
    with torch.no_grad():
        text = network.encode_text(ids, mask)
        states = network.text_tower.bert(ids, mask.long(), output_hidden_states=True).hidden_states
    layers = states[-1] + states[-2]
    assert text.words.shape == (4, 12, 16)
    for n in range(4):
        words = []
        for piece in range(int(mask[n].sum())):
            if ids[n, piece] in (2, 5) and words:
                words[-1] = words[-1] + layers[n, piece]
            else:
                words.append(layers[n, piece])
        torch.testing.assert_close(text.words[n, : len(words)], torch.stack(words))
        assert not text.words[n, len(words) :].any()
        assert int(text.mask[n].sum()) == len(words)
        torch.testing.assert_close(text.sentence[n], torch.stack(words).sum(0) / 12)


def test_encode_image__puts_the_whole_image_before_its_patches():
    network = build()
    with torch.no_grad():
        raw = network.image_features(random_pixels())
        features = network.encode_image(random_pixels())
    assert features.patches.shape == (2, 17, 16)
    torch.testing.assert_close(features.patches[:, 0], raw.pooled)
    torch.testing.assert_close(features.patches[:, 1:], raw.patches)


def test_queries__are_the_first_name_of_each_finding():
    network = build()
    with torch.no_grad():
        text = network.encode_text(*random_texts(5))
        queries = network.queries_of(text, CLASS, KIND, 3)
    assert queries.shape == (3, 13, 16)
    for finding, place in enumerate((2, 0, 3)):
        torch.testing.assert_close(queries[finding, 0], text.sentence[place])
        torch.testing.assert_close(queries[finding, 1:], text.words[place])


def score_of_pair(network, asking, memory):
    """Recompute one pair from the formulas, PyTorch's attention inside."""
    norm = network.decoder.norm
    x, y = norm(asking)[None], norm(memory)
    for layer in network.decoder.layers:
        part = torch.nn.MultiheadAttention(16, 2, batch_first=True).eval()
        part.load_state_dict(layer.multihead_attn.state_dict())
        x = x + part(layer.norm2(x)[None], y[None], y[None], need_weights=False)[0][0]
        x = x + layer.linear2(functional.relu(layer.linear1(layer.norm3(x))))
    x = norm(x)[0]
    for index in (0, 3, 6, 9):
        x = network.mlp_head[index](x)
        x = x.relu() if index < 9 else x
    return x[0]


def test_decode__is_the_mean_of_both_directions_of_each_pair():
    network = build()
    patches, queries = random_tensor(2, 5, 16), random_tensor(3, 4, 16, seed=1)
    with torch.no_grad():
        both = network.decode(queries, patches).logits
        one = network.decode(queries[:, 0], patches).logits
        for b in range(2):
            for c in range(3):
                asked = score_of_pair(network, queries[c, 0], patches[b])
                answered = score_of_pair(network, patches[b, 0], queries[c])
                torch.testing.assert_close(one[b, c], asked, rtol=1e-4, atol=1e-6)
                expected = (asked + answered) / 2
                torch.testing.assert_close(both[b, c], expected, rtol=1e-4, atol=1e-6)


def test_decode__attends_to_patches_without_the_whole_image():
    network = build()
    patches, queries = random_tensor(2, 5, 16), random_tensor(3, 16, seed=1)
    with torch.no_grad():
        judged = network.decode(queries, patches, with_attention=True)
        decoded = network.decoder(queries, patches, with_attention=True)
    assert judged.attention.shape == (2, 3, 4)
    torch.testing.assert_close(judged.attention, decoded.attention.mean(0)[..., 1:])


@pytest.mark.parametrize("num_prompts", [1, 7])
def test_decode__a_prompt_does_not_depend_on_the_others(num_prompts):
    network = build()
    patches, queries = random_tensor(2, 5, 16), random_tensor(num_prompts, 4, 16, seed=1)
    with torch.no_grad():
        whole = network.decode(queries, patches).logits
        torch.testing.assert_close(network.decode(queries[:1], patches).logits, whole[:, :1])
