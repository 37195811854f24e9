"""The query decoder against PyTorch's own layers, and what it costs."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from medvlp.models.radiograph.query_decoder import FindingHead, QueryDecoder, in_fp32
from medvlp.models.radiograph.settings import QueryDecoderSettings
from tests.models.radiograph.tiny_networks import random_tensor, tiny_decoder

B, Q, T, D = 3, 5, 7, 16


def randomized(settings: QueryDecoderSettings) -> QueryDecoder:
    """Return a decoder in float64 whose norms and biases are not at their start either."""
    decoder = QueryDecoder(settings).double().eval()
    with torch.no_grad():
        for seed, parameter in enumerate(decoder.parameters()):
            parameter.add_(0.2 * random_tensor(*parameter.shape, seed=seed, dtype=torch.float64))
    return decoder


def torch_decoder(decoder: QueryDecoder) -> nn.TransformerDecoder:
    """Return PyTorch's decoder with the same weights, by the same names."""
    s = decoder.settings
    layer = nn.TransformerDecoderLayer(
        s.dim, s.heads, s.ffn, s.dropout, "relu", batch_first=True, norm_first=True
    )
    oracle = nn.TransformerDecoder(layer, s.layers, nn.LayerNorm(s.dim)).double().eval()
    oracle.load_state_dict(decoder.state_dict())
    return oracle


def loop_decoder(decoder: QueryDecoder, queries, memory):
    """Recompute everything with MultiheadAttention, one image and, if it may, one query at a time.

    Returns outputs (B, Q, D) and attention (layers, B, Q, T).
    """
    s, weights = decoder.settings, decoder.state_dict()

    def norm(x, name):
        return functional.layer_norm(
            x, (s.dim,), weights[f"{name}.weight"], weights[f"{name}.bias"]
        )

    def attend(x, y, name):
        part = nn.MultiheadAttention(s.dim, s.heads, batch_first=True).double().eval()
        part.load_state_dict(
            {k.removeprefix(f"{name}."): v for k, v in weights.items() if k.startswith(f"{name}.")}
        )
        found, attention = part(x[None], y[None], y[None], need_weights=True)
        return found[0], attention[0]

    def run(x, y):
        maps = []
        if s.shared_norm:
            x, y = norm(x, "norm"), norm(y, "norm")
        for i in range(s.layers):
            layer = f"layers.{i}"
            if s.self_attention:
                asked = norm(x, f"{layer}.norm1")
                x = x + attend(asked, asked, f"{layer}.self_attn")[0]
            found, attention = attend(norm(x, f"{layer}.norm2"), y, f"{layer}.multihead_attn")
            x = x + found
            hidden = functional.linear(
                norm(x, f"{layer}.norm3"),
                weights[f"{layer}.linear1.weight"],
                weights[f"{layer}.linear1.bias"],
            ).clamp(min=0)
            x = x + functional.linear(
                hidden, weights[f"{layer}.linear2.weight"], weights[f"{layer}.linear2.bias"]
            )
            maps.append(attention)
        return norm(x, "norm"), torch.stack(maps)

    outputs, attention = [], []
    for b in range(len(memory)):
        own = queries if queries.ndim == 2 else queries[b]
        if s.self_attention:
            answers = [run(own, memory[b])]
        else:
            answers = [run(own[q : q + 1], memory[b]) for q in range(len(own))]
        outputs.append(torch.cat([a[0] for a in answers]))
        attention.append(torch.cat([a[1] for a in answers], dim=1))
    return torch.stack(outputs), torch.stack(attention, dim=1)


def inputs(*, own_queries: bool = False):
    shape = (B, Q, D) if own_queries else (Q, D)
    return (
        random_tensor(*shape, seed=1, dtype=torch.float64),
        random_tensor(B, T, D, seed=2, dtype=torch.float64),
    )


@pytest.mark.parametrize("own_queries", [False, True])
def test_query_decoder__is_pytorchs_pre_norm_decoder(own_queries):
    decoder = randomized(tiny_decoder())
    queries, memory = inputs(own_queries=own_queries)
    full = queries if own_queries else queries.expand(B, Q, D)
    expected = torch_decoder(decoder)(full, memory)
    actual = decoder(queries, memory).outputs
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("with_attention", [False, True])
@pytest.mark.parametrize("own_queries", [False, True])
@pytest.mark.parametrize("shared_norm", [False, True])
@pytest.mark.parametrize("self_attention", [False, True])
def test_query_decoder__agrees_with_loops_in_every_form(
    self_attention, shared_norm, own_queries, with_attention
):
    settings = tiny_decoder(self_attention=self_attention, shared_norm=shared_norm)
    decoder = randomized(settings)
    queries, memory = inputs(own_queries=own_queries)
    expected, expected_attention = loop_decoder(decoder, queries, memory)
    actual = decoder(queries, memory, with_attention=with_attention)
    torch.testing.assert_close(actual.outputs, expected, rtol=0, atol=1e-12)
    if with_attention:
        torch.testing.assert_close(actual.attention, expected_attention, rtol=0, atol=1e-12)
        assert actual.attention.shape == (settings.layers, B, Q, T)
    else:
        assert actual.attention is None


def test_query_decoder__gives_gradients_of_pytorchs_decoder():
    decoder = randomized(tiny_decoder())
    oracle = torch_decoder(decoder)
    weights = random_tensor(B, Q, D, seed=9, dtype=torch.float64)
    grads = []
    for run in (oracle, lambda q, m: decoder(q, m).outputs):
        queries, memory = (x.requires_grad_() for x in inputs(own_queries=True))
        (run(queries, memory) * weights).sum().backward()
        grads.append((queries.grad, memory.grad))
    for expected, actual in zip(*grads, strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)
    for name, parameter in oracle.named_parameters():
        actual = decoder.get_parameter(name).grad
        torch.testing.assert_close(actual, parameter.grad, rtol=0, atol=1e-10)


def test_query_decoder__without_self_attention_judges_each_query_alone():
    decoder = randomized(tiny_decoder(self_attention=False))
    queries, memory = inputs()
    whole = decoder(queries, memory).outputs
    alone = torch.cat([decoder(queries[q : q + 1], memory).outputs for q in range(Q)], dim=1)
    torch.testing.assert_close(whole, alone, rtol=0, atol=1e-12)
    with_others = randomized(tiny_decoder())
    first = with_others(queries[:1], memory).outputs
    assert (with_others(queries, memory).outputs[:, :1] - first).abs().max() > 1e-3


def test_query_decoder__does_not_mix_images_and_ignores_the_order_of_patches():
    decoder = randomized(tiny_decoder())
    queries, memory = inputs()
    whole = decoder(queries, memory).outputs
    torch.testing.assert_close(
        decoder(queries, memory[1:2]).outputs, whole[1:2], rtol=0, atol=1e-12
    )
    turned = decoder(queries, memory.flip(1)).outputs
    torch.testing.assert_close(turned, whole, rtol=0, atol=1e-12)


class _LargestTensor(TorchDispatchMode):
    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            # Views with strides of zero hold no memory of their own.
            if isinstance(value, torch.Tensor) and 0 not in value.stride():
                self.numel = max(self.numel, value.numel())
        return result


@pytest.mark.parametrize("with_attention", [False, True])
def test_query_decoder__never_copies_the_memory_for_each_query(with_attention):
    images, queries, tokens = 4, 60, 50
    settings = tiny_decoder(self_attention=False, shared_norm=True, layers=1)
    decoder = QueryDecoder(settings).eval()
    memory = random_tensor(images, tokens, D)
    with torch.no_grad(), _LargestTensor() as seen:
        decoder(random_tensor(queries, D, seed=1), memory, with_attention=with_attention)
    maps = images * settings.heads * queries * tokens
    assert seen.numel <= max(maps, images * queries * settings.ffn)
    assert seen.numel < images * queries * tokens * D / 4


def test_query_decoder__projects_the_memory_once_whatever_the_number_of_queries():
    def flops(num_queries: int) -> int:
        decoder = QueryDecoder(tiny_decoder(layers=1, self_attention=False)).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            decoder(random_tensor(num_queries, D), random_tensor(B, T, D, seed=1))
        return counter.get_total_flops()

    per_query = flops(3) - flops(2)
    memory_once = 2 * B * T * D * 2 * D
    assert flops(2) - 2 * per_query == memory_once


def test_query_decoder__is_usable_under_bf16_autocast():
    decoder = randomized(tiny_decoder()).float()
    queries, memory = (x.float() for x in inputs())
    expected = decoder(queries, memory, with_attention=True)
    with torch.autocast("cpu", torch.bfloat16):
        actual = decoder(queries, memory, with_attention=True)
        fast = decoder(queries, memory)
    assert actual.attention.dtype == torch.float32
    torch.testing.assert_close(actual.attention.sum(-1), torch.ones(2, B, Q), rtol=0, atol=1e-5)
    torch.testing.assert_close(actual.attention, expected.attention, rtol=0, atol=0.03)
    for answer in (actual, fast):
        torch.testing.assert_close(answer.outputs.float(), expected.outputs, rtol=0, atol=0.1)


def test_query_decoder__drops_values_in_training_only():
    decoder = QueryDecoder(tiny_decoder(dropout=0.5))
    queries, memory = (x.float() for x in inputs())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.equal(*(decoder.train()(queries, memory).outputs for _ in range(2)))
        again = decoder(queries, memory, with_attention=True)
    sums = again.attention.sum(-1)
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-5)
    assert torch.equal(*(decoder.eval()(queries, memory).outputs for _ in range(2)))


@pytest.mark.parametrize(
    ("queries", "memory"),
    [((Q, D + 1), (B, T, D)), ((Q, D), (T, D)), ((B + 1, Q, D), (B, T, D)), ((D,), (B, T, D))],
)
def test_query_decoder__refuses_shapes_that_do_not_go_together(queries, memory):
    decoder = QueryDecoder(tiny_decoder())
    with pytest.raises(ValueError, match=r"queries \(Q, 16\).*got"):
        decoder(torch.zeros(queries), torch.zeros(memory))


def test_finding_head__presence_is_the_logit_of_the_softmax():
    head = FindingHead("binary", D)
    raw = head(random_tensor(B, Q, D))
    assert raw.shape == (B, Q, 2)
    torch.testing.assert_close(
        head.presence(raw).sigmoid(), raw.softmax(-1)[..., 1], rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(("kind", "layers"), [("score", 4), ("logit", 1)])
def test_finding_head__gives_one_number(kind, layers):
    head = FindingHead(kind, D).eval()
    linear = [part for part in head if isinstance(part, nn.Linear)]
    assert len(linear) == layers
    outputs = random_tensor(B, Q, D)
    x = outputs
    for index, part in enumerate(linear):
        x = x @ part.weight.T + part.bias
        x = x.relu() if index < layers - 1 else x
    torch.testing.assert_close(head.presence(head(outputs)), x[..., 0], rtol=1e-5, atol=1e-6)
    assert set(dict(head.named_parameters())) == {
        f"{3 * i}.{part}" for i in range(layers) for part in ("weight", "bias")
    }


def test_finding_head__gives_fp32_logits_under_autocast():
    head = FindingHead("logit", D)
    outputs = random_tensor(2, D)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head(outputs.bfloat16())
        plain = in_fp32(outputs, head[0])
    assert logits.dtype == plain.dtype == torch.float32
    torch.testing.assert_close(plain, head(outputs), rtol=0, atol=1e-6)
