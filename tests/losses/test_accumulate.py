from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from medvlp.losses.accumulate import GradCache
from medvlp.losses.contrastive import info_nce_loss
from medvlp.losses.temperature import Temperature


def make_model(*, dropout=0.0):
    torch.manual_seed(0)
    model = nn.ModuleDict(
        {
            "image": nn.Sequential(nn.Linear(5, 7), nn.Dropout(dropout)),
            "text": nn.Linear(4, 7),
            "temperature": Temperature(10.0),
        }
    ).double()
    return model


def encode_with(model):
    def encode(chunk):
        image, text = chunk
        return normalize(model["image"](image)), normalize(model["text"](text))

    return encode


def loss_with(model):
    return lambda image, text: info_nce_loss(image, text, model["temperature"]())


def make_rows(num_rows=12):
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(num_rows, 5, generator=generator, dtype=torch.float64)
    return image, torch.randn(num_rows, 4, generator=generator, dtype=torch.float64)


def cut(rows, num_chunks):
    return list(zip(*(torch.tensor_split(x, num_chunks) for x in rows), strict=True))


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def expected_gradients(model, chunks):
    """All micro-batches with their graphs at once."""
    encoded = [encode_with(model)(chunk) for chunk in chunks]
    report = loss_with(model)(*(torch.cat(parts) for parts in zip(*encoded, strict=True)))
    report.total.backward()
    return report.total.item(), gradients(model)


@pytest.mark.parametrize("num_chunks", [1, 2, 4, 5])
def test_grad_cache__equals_one_large_batch_with_dropout(num_chunks):
    chunks = cut(make_rows(), num_chunks)
    model = make_model(dropout=0.4)
    torch.manual_seed(3)
    value, expected = expected_gradients(model, chunks)
    after = torch.get_rng_state()
    model = make_model(dropout=0.4)
    shared = model["temperature"].parameters()
    torch.manual_seed(3)
    report = GradCache(encode_with(model), shared=shared).step(chunks, loss_with(model))
    assert report.total.item() == pytest.approx(value, rel=1e-14)
    assert not report.total.requires_grad
    for name, actual in gradients(model).items():
        torch.testing.assert_close(actual, expected[name], rtol=1e-12, atol=1e-14, msg=name)
    assert torch.equal(torch.get_rng_state(), after)


def test_grad_cache__computes_the_loss_once_and_encodes_twice():
    model, calls = make_model(), {"loss": 0, "encode": 0}

    def encode(chunk):
        calls["encode"] += 1
        return encode_with(model)(chunk)

    def loss(*embeddings):
        calls["loss"] += 1
        return loss_with(model)(*embeddings)

    GradCache(encode).step(cut(make_rows(), 4), loss)
    assert calls == {"loss": 1, "encode": 8}


def test_grad_cache__adds_to_gradients_that_are_there():
    model, chunks = make_model(), cut(make_rows(), 2)
    cache = GradCache(encode_with(model), shared=model["temperature"].parameters())
    cache.step(chunks, loss_with(model))
    once = gradients(model)
    cache.step(chunks, loss_with(model))
    for name, actual in gradients(model).items():
        torch.testing.assert_close(actual, 2 * once[name], rtol=1e-14, atol=0, msg=name)


def test_grad_cache__leaves_frozen_sets_and_parameters_alone():
    model, rows = make_model(), make_rows()
    model["text"].requires_grad_(False)
    model["temperature"].requires_grad_(False)
    cache = GradCache(encode_with(model), shared=model["temperature"].parameters())
    cache.step(cut(rows, 3), loss_with(model))
    actual = gradients(model)
    model.zero_grad()
    _, expected = expected_gradients(model, [rows])
    assert set(actual) == set(expected) == {"image.0.weight", "image.0.bias"}
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], rtol=1e-12, atol=1e-14)


def test_grad_cache__synchronises_only_in_the_last_backward_pass():
    model, events, is_inside = make_model(), [], [False]

    @contextmanager
    def no_sync():
        is_inside[0] = True
        yield
        is_inside[0] = False

    for name, parameter in model.named_parameters():
        parameter.register_post_accumulate_grad_hook(
            lambda _, name=name: events.append((name, is_inside[0]))
        )
    cache = GradCache(encode_with(model), shared=model["temperature"].parameters(), no_sync=no_sync)
    cache.step(cut(make_rows(), 3), loss_with(model))
    synchronised = [name for name, inside in events if not inside]
    assert sorted(synchronised) == sorted(dict(model.named_parameters()))
    assert ("temperature.log_scale", True) not in events


def test_grad_cache__refuses_no_micro_batch():
    with pytest.raises(ValueError, match="at least one micro-batch"):
        GradCache(lambda _: ()).step([], lambda: None)
