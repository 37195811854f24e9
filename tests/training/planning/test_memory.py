"""Memory by term: by hand for a small network, and beside what the loss really takes."""

import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode

from medvlp.losses.contrastive import info_nce_loss
from medvlp.losses.groups import semantic_group_loss
from medvlp.losses.relations import PairRelation
from medvlp.training.planning.memory import (
    Precision,
    count_activations,
    dense_loss_bytes,
    loss_terms,
    state_terms,
)
from medvlp.training.planning.sharing import Sharing
from medvlp.training.planning.sketches import Sketch

FP32 = Precision(4, None)


def sketch() -> Sketch:
    with torch.device("meta"):
        resting, trained = nn.Linear(10, 10), nn.Sequential(nn.Linear(10, 3), nn.BatchNorm1d(3))
    resting.requires_grad_(False)

    def forward(count: int):
        x = torch.empty(count, 10)
        return lambda: trained(resting(x))

    return Sketch(parts={"resting": resting, "trained": trained}, forward=forward)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, Precision(4, None)),
        ("32-true", Precision(4, None)),
        (32, Precision(4, None)),
        ("bf16-mixed", Precision(4, torch.bfloat16)),
        ("bf16", Precision(4, torch.bfloat16)),
        ("16-mixed", Precision(4, torch.float16)),
        (16, Precision(4, torch.float16)),
        ("bf16-true", Precision(2, None)),
        ("16-true", Precision(2, None)),
        ("64-true", Precision(8, None)),
    ],
)
def test_precision__is_what_lightning_means(name, expected):
    assert Precision.named(name) == expected


WEIGHTS, TRAINED = 110 + 33 + 6 + 6 + 1, 33 + 6  # the norm's statistics are kept, not trained


@pytest.mark.parametrize(
    ("sharing", "further"),
    [
        (Sharing(), {}),
        (Sharing(has_buckets=True), {"DDP buckets": TRAINED * 4}),
        (Sharing(2, is_divided=True), {"gathered weights": 110 * (2 * 4 + 4)}),
        (Sharing(2, True, reshards=False), {"gathered weights": WEIGHTS * 4 + 110 * 4}),
    ],
)
def test_state_terms__by_hand(sharing, further):
    terms = {t.name: t.bytes for t in state_terms(sketch(), FP32, sharing)}
    assert terms == further | {
        "weights": WEIGHTS * 4 // sharing.over,
        "gradients": TRAINED * 4 // sharing.over,
        "AdamW moments": TRAINED * 8 // sharing.over,
    }


def test_state_terms__are_halved_in_true_bf16():
    terms = state_terms(sketch(), Precision(2, None), Sharing())
    assert [term.bytes for term in terms] == [WEIGHTS * 2, TRAINED * 2, TRAINED * 4]


def test_precision__of_gathered_weights():
    widths = [Precision.named(name).gathered for name in (None, "bf16-mixed", "16-mixed")]
    assert widths == [4, 2, 4]


def test_count_activations__by_hand():
    found = count_activations(sketch(), FP32, 5)
    # the trained map keeps its input; the norm keeps its own and two numbers for each channel
    assert found.kept == 5 * 10 * 4 + 5 * 3 * 4 + 2 * 3 * 4
    assert (found.weight_copies, found.recomputed) == (0, None)
    assert count_activations(Sketch(parts={}), FP32, 5) is None


class Peak(TorchDispatchMode):
    """Largest memory of all tensors that live at one time and were made within."""

    def __init__(self) -> None:
        super().__init__()
        self.living: dict[int, tuple[StorageWeakRef, int]] = {}
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        given = {a.untyped_storage()._cdata for a in args if isinstance(a, torch.Tensor)}
        self.living = {k: v for k, v in self.living.items() if not v[0].expired()}
        for tensor in result if isinstance(result, tuple) else (result,):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in given:
                    self.living[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.bytes = max(self.bytes, sum(size for _, size in self.living.values()))
        return result


@pytest.mark.parametrize("name", ["clip", "keep"])
def test_loss_terms__are_what_a_loss_takes_at_most(name, monkeypatch):
    """On one rank, on a processor whose tiles are made as small as the batch asks for."""
    rows, dim = 2048, 64
    monkeypatch.setattr(
        "medvlp.losses.engine.settings.EngineSettings.block_sizes", lambda *_: (256, 256)
    )
    monkeypatch.setattr("medvlp.losses.engine.settings.EngineSettings.keeps", lambda *_: False)
    generator = torch.Generator().manual_seed(0)
    image, text = (
        normalize(torch.randn(rows, dim, generator=generator), dim=-1).requires_grad_()
        for _ in range(2)
    )
    scale = torch.tensor(20.0, requires_grad=True)
    group = torch.arange(rows) // 4
    with Peak() as peak:
        if name == "clip":
            info_nce_loss(image, text, scale).total.backward()
        else:
            semantic_group_loss(image, text, scale, PairRelation(group=group)).total.backward()
    expected = sum(term.bytes for term in loss_terms(rows, 1, dim))
    assert expected / 3 < peak.bytes < expected
    assert expected < dense_loss_bytes(rows, 1) / 8


def test_loss_terms__keep_few_logits_only():
    embeddings, logits = loss_terms(4096, 64, 768)
    assert embeddings.bytes == (3 * 4096 + 6 * 64) * 768 * 4
    assert logits.bytes == (2 + 1) * 64 * 4096 * 4
    assert "kept" in logits.how
    tiled = loss_terms(2**20, 64, 768)[1]
    assert tiled.bytes == 2 * 4096 * 4096 * 4
    assert "anew" in tiled.how
    assert dense_loss_bytes(2**20, 64) == 16 * 2**40 // 64
