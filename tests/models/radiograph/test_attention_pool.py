"""Pooling by attention against PyTorch's own multi-head attention."""

import torch
from torch.nn import functional

from medvlp.models.radiograph.attention_pool import AttentionPool
from tests.models.radiograph.tiny_networks import random_tensor

SIDE, WIDTH, DIM, HEADS = 3, 16, 5, 8


def build() -> AttentionPool:
    pool = AttentionPool(SIDE, WIDTH, DIM, HEADS).double()
    with torch.no_grad():
        for seed, parameter in enumerate(pool.parameters()):
            parameter.copy_(random_tensor(*parameter.shape, seed=seed, dtype=torch.float64))
    return pool


def test_attention_pool__is_multi_head_attention_of_the_mean_place():
    pool = build()
    features = random_tensor(2, WIDTH, SIDE, SIDE, seed=9, dtype=torch.float64)
    tokens = features.flatten(2).permute(2, 0, 1)
    tokens = torch.cat([tokens.mean(0, keepdim=True), tokens])
    tokens = tokens + pool.positional_embedding[:, None]
    expected, _ = functional.multi_head_attention_forward(
        query=tokens[:1],
        key=tokens,
        value=tokens,
        embed_dim_to_check=WIDTH,
        num_heads=HEADS,
        in_proj_weight=None,
        in_proj_bias=torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]),
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=pool.c_proj.weight,
        out_proj_bias=pool.c_proj.bias,
        use_separate_proj_weight=True,
        q_proj_weight=pool.q_proj.weight,
        k_proj_weight=pool.k_proj.weight,
        v_proj_weight=pool.v_proj.weight,
        need_weights=False,
    )
    torch.testing.assert_close(pool(features), expected[0], rtol=1e-12, atol=1e-10)


def test_attention_pool__interpolates_positions_for_maps_of_another_side():
    pool = build()
    assert pool(random_tensor(2, WIDTH, 5, 7, dtype=torch.float64)).shape == (2, DIM)
    with torch.no_grad():
        pool.positional_embedding[1:] = pool.positional_embedding[1]
        # Equal places: the answer depends on the share of the mean place alone, so that a map whose
        # values are the positions' opposite leaves the mean place and zeros.
        features = -pool.positional_embedding[1].reshape(1, WIDTH, 1, 1)
        answers = [pool(features.expand(-1, -1, side, side)) for side in (SIDE, 9)]
        place = pool.positional_embedding[0] - pool.positional_embedding[1]
        keys = torch.stack([pool.k_proj(place), pool.k_proj.bias]).unflatten(-1, (HEADS, -1))
        query = pool.q_proj(place).unflatten(-1, (HEADS, -1))
        scores = (keys * query).sum(-1) / (WIDTH // HEADS) ** 0.5
        values = torch.stack([pool.v_proj(place), pool.v_proj.bias]).unflatten(-1, (HEADS, -1))
        for side, answer in zip((SIDE, 9), answers, strict=True):
            weights = scores + torch.tensor([1.0, side**2], dtype=torch.float64).log()[:, None]
            mixed = (weights.softmax(0).unsqueeze(-1) * values).sum(0).flatten()
            torch.testing.assert_close(answer[0], pool.c_proj(mixed), rtol=1e-4, atol=1e-4)
