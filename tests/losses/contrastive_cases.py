"""One random batch, call and oracle per loss over pairs, for the tests that every such loss passes.

``rows`` are spread over the ranks along the first axis, ``shared`` is the same on every rank.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from medvlp.losses.contrastive import info_nce_loss, soft_target_loss
from medvlp.losses.duplicates import (
    concept_text_loss,
    knowledge_clip_loss,
    masked_clip_loss,
    report_contrast_loss,
)
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.groups import semantic_group_loss
from medvlp.losses.metric import adasp_loss
from medvlp.losses.relations import PairRelation, pack_related
from medvlp.losses.report import LossReport
from medvlp.losses.sigmoid import sigmoid_loss
from tests.oracles import contrastive_losses as oracle

Tensors = dict[str, Tensor]
NUM_CONCEPTS = 5
LEAVES = ("image", "text", "knowledge", "scale", "bias")


@dataclass(frozen=True)
class PairCase:
    """A loss over pairs with its oracle on nested lists."""

    loss: Callable[[Tensors, EngineSettings], LossReport]
    expected: Callable[[dict], float]
    leaves: tuple[str, ...] = ("image", "text", "scale")
    is_gradient_of_value: bool = True
    """False for AdaSP, whose alpha is held constant in the gradient."""


def make_batch(seed: int, num_rows: int) -> tuple[Tensors, Tensors]:
    """Rows and shared tensors of a random batch: unequal groups, concepts, weights."""
    generator = torch.Generator().manual_seed(seed)

    def unit(*shape):
        drawn = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return functional.normalize(drawn, dim=1)

    image = unit(num_rows, 6)
    group = torch.randint(0, max(num_rows // 2, 1), (num_rows,), generator=generator)
    concept_of_group = torch.randint(-1, NUM_CONCEPTS, (num_rows,), generator=generator)
    table = torch.rand(NUM_CONCEPTS, NUM_CONCEPTS, generator=generator) < 0.5
    rows = {
        "image": image,
        "text": functional.normalize(image + 0.7 * unit(num_rows, 6), dim=1),
        "knowledge": unit(num_rows, 6),
        "group": group,
        "concept": concept_of_group[group],
        "mixed": torch.randint(-1, NUM_CONCEPTS, (num_rows,), generator=generator),
        "weight": torch.rand(num_rows, generator=generator, dtype=torch.float64),
        "targets": torch.rand(num_rows, num_rows, generator=generator, dtype=torch.float64),
    }
    shared = {
        "scale": torch.tensor(14.0, dtype=torch.float64),
        "bias": torch.tensor(-3.0, dtype=torch.float64),
        "related": table,
    }
    return rows, shared


def prepared(case: PairCase, tensors: Tensors, dtype: torch.dtype) -> Tensors:
    """Cast floating-point tensors; the leaves of the case carry gradients."""
    cast = {
        name: x.detach().clone().to(dtype if x.is_floating_point() else x.dtype)
        for name, x in tensors.items()
    }
    for name in case.leaves:
        if name in cast:
            cast[name].requires_grad_()
    return cast


def with_everything(b: Tensors, concept: str = "concept") -> PairRelation:
    return PairRelation(
        group=b["group"],
        concept=b[concept],
        related=pack_related(b["related"]),
        weight=b["weight"],
    )


def ignores(b: dict, concept: str = "concept"):
    ids, table = b[concept], b["related"]

    def ignored(i, j):
        return ids[i] >= 0 and ids[j] >= 0 and table[ids[i]][ids[j]]

    return ignored


def same(ids: list) -> Callable[[int, int], bool]:
    return lambda i, j: ids[i] == ids[j]


def ones(b: dict) -> dict:
    return {"weight_x": [1.0] * len(b["image"]), "weight_y": [1.0] * len(b["image"])}


def weights(b: dict) -> dict:
    return {"weight_x": b["weight"], "weight_y": b["weight"]}


def never(_i: int, _j: int) -> bool:
    return False


def diagonal(i: int, j: int) -> bool:
    return i == j


def _clip(b, settings):
    return info_nce_loss(b["image"], b["text"], b["scale"], settings=settings)


def _expected_clip(b, first="image", second="text"):
    return oracle.info_nce(
        b[first], b[second], b["scale"], positive=diagonal, ignored=never, **ones(b)
    )


def _info_nce(b, settings, *, positives, concept="concept"):
    relation = with_everything(b, concept)
    pair = b["image"], b["text"], b["scale"]
    return info_nce_loss(*pair, relation, positives=positives, settings=settings)


def _expected_info_nce(b, *, positives, concept="concept"):
    return oracle.info_nce(
        b["image"],
        b["text"],
        b["scale"],
        positive=same(b["group"]),
        ignored=ignores(b, concept),
        mode=positives,
        **weights(b),
    )


def _ignoring(b, settings):
    relation = PairRelation(
        concept=b["concept"], related=pack_related(b["related"]), ignore_same_concept=True
    )
    return info_nce_loss(b["image"], b["text"], b["scale"], relation, settings=settings)


def _expected_ignoring(b):
    by_table, ids = ignores(b), b["concept"]
    return oracle.info_nce(
        b["image"],
        b["text"],
        b["scale"],
        positive=diagonal,
        ignored=lambda i, j: by_table(i, j) or (ids[i] == ids[j] >= 0),
        **ones(b),
    )


def _soft(b, settings):
    squares = b["targets"].double().square()
    inputs = b["image"], b["text"], b["scale"], b["targets"], squares
    return soft_target_loss(*inputs, settings=settings)


def _expected_soft(b):
    squares = [[t * t for t in row] for row in b["targets"]]
    return oracle.soft_targets(b["image"], b["text"], b["scale"], b["targets"], squares)


def _siglip(b, settings):
    return sigmoid_loss(b["image"], b["text"], b["scale"], b["bias"], settings=settings)


def _expected_siglip(b):
    return oracle.sigmoid(
        b["image"], b["text"], b["scale"], b["bias"], positive=diagonal, ignored=never, **ones(b)
    )


def _sigmoid(b, settings, *, divide_by):
    inputs = b["image"], b["text"], b["scale"], b["bias"], with_everything(b)
    return sigmoid_loss(*inputs, divide_by=divide_by, settings=settings)


def _expected_sigmoid(b, *, divide_by):
    return oracle.sigmoid(
        b["image"],
        b["text"],
        b["scale"],
        b["bias"],
        positive=same(b["group"]),
        ignored=ignores(b),
        divide_by=divide_by,
        **weights(b),
    )


def _groups(b, settings, *, variant, ignored="remove", concept="concept"):
    return semantic_group_loss(
        2 * b["image"],
        b["text"],
        b["scale"],
        with_everything(b, concept),
        variant=variant,
        ignored=ignored,
        settings=settings,
    )


def _expected_groups(b, *, variant, ignored="remove", concept="concept"):
    related = ignores(b, concept)
    return oracle.semantic_groups(
        b["image"],
        b["text"],
        b["scale"],
        b["group"],
        b["group"],
        ignored=related,
        variant=variant,
        replace=ignored == "replace",
        **weights(b),
    )


def _adasp(b, settings, *, variant):
    relation = with_everything(b)
    return adasp_loss(2 * b["image"], b["scale"], relation, variant=variant, settings=settings)


def _expected_adasp(b, *, variant):
    return oracle.adasp(
        b["image"],
        b["scale"],
        b["group"],
        variant=variant,
        ignored=ignores(b),
        weight=b["weight"],
    )


def _masked(b, settings):
    return masked_clip_loss(b["image"], b["text"], b["scale"], b["mixed"], settings=settings)


def _expected_masked(b, first="image", second="text"):
    return oracle.info_nce(
        b[first],
        b[second],
        b["scale"],
        positive=diagonal,
        ignored=same(b["mixed"]),
        **ones(b),
    )


def _knowledge(b, settings):
    return knowledge_clip_loss(
        b["image"],
        b["text"],
        b["knowledge"],
        b["scale"],
        label=b["mixed"],
        settings=settings,
    )


def _expected_knowledge(b):
    first = _expected_masked(b)
    return (first + 0.3 * _expected_masked(b, "text", "knowledge")) / 1.3


def _concept(b, settings, *, targets):
    inputs = b["image"], b["text"], b["scale"], b["group"]
    return concept_text_loss(*inputs, targets=targets, settings=settings)


def _expected_concept(b, *, power):
    ids = b["group"]
    targets = [[ids.count(i) ** power * (i == j) for j in ids] for i in ids]
    return oracle.soft_targets(b["image"], b["text"], b["scale"], targets, targets)


def _report(b, settings, *, identical):
    inputs = b["image"], b["text"], b["scale"], b["group"]
    return report_contrast_loss(*inputs, identical=identical, settings=settings)


def _expected_report(b, *, identical):
    ids = same(b["group"])
    return oracle.info_nce(
        b["image"],
        b["text"],
        b["scale"],
        positive=ids if identical == "share" else diagonal,
        ignored=ids if identical == "ignore" else never,
        **ones(b),
    )


def _case(loss, expected, *, leaves=("image", "text", "scale"), exact=True, **options):
    return PairCase(
        partial(loss, **options),
        partial(expected, **options),
        leaves=leaves,
        is_gradient_of_value=exact,
    )


WITH_BIAS = ("image", "text", "scale", "bias")
ONE_SET = ("image", "scale")
THREE_SETS = ("image", "text", "knowledge", "scale")

CASES = {
    "clip": _case(_clip, _expected_clip),
    "outside": _case(_info_nce, _expected_info_nce, positives="outside"),
    "inside": _case(_info_nce, _expected_info_nce, positives="inside"),
    "decoupled": _case(_info_nce, _expected_info_nce, positives="decoupled"),
    "mixed-concepts": _case(_info_nce, _expected_info_nce, positives="outside", concept="mixed"),
    "ignoring": _case(_ignoring, _expected_ignoring),
    "soft-targets": _case(_soft, _expected_soft),
    "siglip": _case(_siglip, _expected_siglip, leaves=WITH_BIAS),
    "sigmoid-rows": _case(_sigmoid, _expected_sigmoid, leaves=WITH_BIAS, divide_by="rows"),
    "sigmoid-pairs": _case(_sigmoid, _expected_sigmoid, leaves=WITH_BIAS, divide_by="pairs"),
    "group-lhp-hn": _case(_groups, _expected_groups, variant="lhp-hn"),
    "group-hp-hn": _case(_groups, _expected_groups, variant="hp-hn"),
    "group-hp-lhn": _case(_groups, _expected_groups, variant="hp-lhn"),
    "group-lhp-lhn": _case(_groups, _expected_groups, variant="lhp-lhn", concept="mixed"),
    "group-replaced": _case(_groups, _expected_groups, variant="lhp-hn", ignored="replace"),
    "group-lhn-replaced": _case(_groups, _expected_groups, variant="lhp-lhn", ignored="replace"),
    "adasp-sp-h": _case(_adasp, _expected_adasp, leaves=ONE_SET, variant="sp-h"),
    "adasp-sp-lh": _case(_adasp, _expected_adasp, leaves=ONE_SET, variant="sp-lh"),
    "adasp": _case(_adasp, _expected_adasp, leaves=ONE_SET, exact=False, variant="adasp"),
    "masked-clip": _case(_masked, _expected_masked),
    "knowledge-clip": _case(_knowledge, _expected_knowledge, leaves=THREE_SETS),
    "concept-probabilities": PairCase(
        partial(_concept, targets="probabilities"), partial(_expected_concept, power=-1.0)
    ),
    "concept-column-l2": PairCase(
        partial(_concept, targets="column-l2"), partial(_expected_concept, power=-0.5)
    ),
    "report-share": _case(_report, _expected_report, identical="share"),
    "report-ignore": _case(_report, _expected_report, identical="ignore"),
    "report-oppose": _case(_report, _expected_report, identical="oppose"),
}
