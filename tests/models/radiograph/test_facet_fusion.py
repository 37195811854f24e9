"""Texts about findings become queries, whatever their order and whichever are missing."""

from typing import get_args

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.knowledge.facets import FACET_KINDS
from medvlp.models.radiograph.facet_fusion import FacetFusion, chosen_facets, fill_slots
from medvlp.models.radiograph.settings import FacetKind, FacetSettings
from tests.models.radiograph.tiny_networks import random_tensor

D = 6
NAME, DEFINITION, APPEARANCE = range(3)
# Finding 0 has everything, 1 a name only, 2 no appearance, 3 two names and two appearances.
CLASS = torch.tensor([0, 0, 0, 0, 1, 2, 2, 3, 3, 3, 3])
KIND = torch.tensor([0, 1, 2, 2, 0, 0, 1, 0, 0, 2, 2])
FUSIONS = ("mean", "concat", "attention")


def build(fusion: str, kinds: tuple[str, ...] = FACET_KINDS) -> FacetFusion:
    """Return a fusion in float64 with weights as training would leave them."""
    module = FacetFusion(FacetSettings(fusion=fusion, kinds=kinds), D).double()
    with torch.no_grad():
        for seed, parameter in enumerate(module.parameters()):
            parameter.copy_(random_tensor(*parameter.shape, seed=seed + 50, dtype=torch.float64))
    return module


def texts() -> torch.Tensor:
    return random_tensor(len(CLASS), D, dtype=torch.float64)


def loop_fusion(module: FacetFusion, sentence, class_index, kind, num_classes):
    """Recompute queries finding by finding."""
    settings = module.settings
    rows = []
    for finding in range(num_classes):
        mine = [(sentence[n], int(kind[n])) for n in range(len(kind)) if class_index[n] == finding]
        wanted = [FACET_KINDS.index(k) for k in settings.kinds]
        used = [(x, k) for x, k in mine if k in wanted]
        fell_back = not used
        used = used or [(x, k) for x, k in mine if k == NAME]
        means = {
            k: torch.stack([x for x, own in used if own == k]).mean(0) for k in {k for _, k in used}
        }
        if settings.fusion == "mean":
            rows.append(torch.stack(list(means.values())).mean(0))
        elif settings.fusion == "concat":
            parts = [
                means[NAME] if fell_back else means.get(k, module.missing[i])
                for i, k in enumerate(wanted)
            ]
            rows.append(module.merge(torch.cat(parts)))
        else:
            scores = torch.stack(
                [(module.key(x) + module.kind_key[k]) @ module.asking / D**0.5 for x, k in used]
            )
            rows.append((scores.softmax(0).unsqueeze(1) * torch.stack([x for x, _ in used])).sum(0))
    return torch.stack(rows)


def test_kinds__are_those_of_the_knowledge():
    assert get_args(FacetKind) == FACET_KINDS


@pytest.mark.parametrize(
    "kinds", [FACET_KINDS, ("name",), ("definition", "appearance"), ("appearance",)]
)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_facet_fusion__agrees_with_loops(fusion, kinds):
    module = build(fusion, kinds)
    expected = loop_fusion(module, texts(), CLASS, KIND, 4)
    actual = module(texts(), CLASS, KIND, 4)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_facet_fusion__does_not_depend_on_the_order_of_texts(fusion):
    module = build(fusion)
    order = torch.randperm(len(CLASS), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        module(texts()[order], CLASS[order], KIND[order], 4),
        module(texts(), CLASS, KIND, 4),
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize("fusion", FUSIONS)
def test_facet_fusion__each_finding_depends_on_its_own_texts(fusion):
    module = build(fusion)
    changed = texts()
    changed[CLASS == 2] += 1.0
    moved = (module(changed, CLASS, KIND, 4) - module(texts(), CLASS, KIND, 4)).abs().amax(1)
    assert (moved > 0).tolist() == [False, False, True, False]
    alone = CLASS == 3
    torch.testing.assert_close(
        module(texts()[alone], torch.zeros(4, dtype=torch.int64), KIND[alone], 1)[0],
        module(texts(), CLASS, KIND, 4)[3],
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize("fusion", FUSIONS)
def test_facet_fusion__works_for_a_name_alone(fusion):
    module = build(fusion)
    vector = random_tensor(1, D, dtype=torch.float64)
    only = torch.zeros(1, dtype=torch.int64)
    query = module(vector, only, only, 1)
    assert query.shape == (1, D)
    assert query.isfinite().all()
    if fusion != "concat":
        torch.testing.assert_close(query, vector, rtol=0, atol=1e-12)


def test_facet_fusion__concat_begins_as_the_mean_of_kinds():
    module = FacetFusion(FacetSettings(fusion="concat"), D).double()
    whole = CLASS == 0
    mean = build("mean")(texts()[whole], CLASS[whole], KIND[whole], 1)
    torch.testing.assert_close(
        module(texts()[whole], CLASS[whole], KIND[whole], 1), mean, rtol=0, atol=1e-7
    )


@pytest.mark.parametrize("fusion", FUSIONS)
def test_facet_fusion__passes_gradients_to_texts_and_weights(fusion):
    module = build(fusion)
    sentence = texts().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: module(x, CLASS, KIND, 4), (sentence,))
    module(sentence, CLASS, KIND, 4).square().sum().backward()
    assert (sentence.grad.abs().sum(1) > 0).all()
    for parameter in module.parameters():
        assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize("fusion", FUSIONS)
def test_facet_fusion__keeps_full_precision_under_autocast(fusion):
    module = build(fusion).float()
    sentence = texts().float()
    expected = module(sentence, CLASS, KIND, 4)
    with torch.autocast("cpu", torch.bfloat16):
        actual = module(sentence, CLASS, KIND, 4)
        from_half = module(sentence.bfloat16(), CLASS, KIND, 4)
    assert actual.dtype == from_half.dtype == torch.float32
    assert torch.equal(actual, expected)


def test_facet_fusion__attention_survives_large_scores():
    module = build("attention")
    query = module(1e4 * texts(), CLASS, KIND, 4)
    assert query.isfinite().all()


def test_chosen_facets__falls_back_on_names():
    chosen = chosen_facets(CLASS, KIND, 4, ("definition",))
    assert chosen.tolist() == [
        k == DEFINITION or (c in (1, 3) and k == NAME)
        for c, k in zip(CLASS.tolist(), KIND.tolist(), strict=True)
    ]


@pytest.mark.parametrize("kinds", [("name",), ("definition",)])
def test_chosen_facets__refuses_a_finding_without_a_text(kinds):
    kind = torch.tensor([0, 2])
    with pytest.raises(ModelError, match="finding 1 of 2 has no text") as caught:
        chosen_facets(torch.tensor([0, 1]), kind, 2, kinds)
    assert caught.value.code == "MV1462"


@pytest.mark.parametrize(
    ("class_index", "kind", "what"),
    [
        ([0, 2], [0, 0], "class_index must be in"),
        ([0, 1], [0, 3], "kind must be in"),
        ([0, -1], [0, 0], "class_index must be in"),
        ([0], [0, 0], "class_index must be of shape"),
        ([[0, 1]], [0, 0], "class_index must be of shape"),
    ],
)
def test_chosen_facets__refuses_wrong_indices(class_index, kind, what):
    with pytest.raises(ValueError, match=what):
        chosen_facets(torch.tensor(class_index), torch.tensor(kind), 2, ("name",))


def test_fill_slots__lays_out_definition_and_appearances():
    x = texts()
    slots = fill_slots(x, CLASS, KIND, 4, 4)
    assert slots.shape == (4, 4, D)
    expected = [
        [x[1], x[2], x[3], x[2]],
        [x[4]] * 4,
        [x[6]] * 4,
        [(x[7] + x[8]) / 2, x[9], x[10], x[9]],
    ]
    for row, wanted in zip(slots, expected, strict=True):
        torch.testing.assert_close(row, torch.stack(wanted), rtol=0, atol=1e-12)
    torch.testing.assert_close(fill_slots(x, CLASS, KIND, 4, 1), slots[:, :1], rtol=0, atol=0)
