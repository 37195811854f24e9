"""One random batch, call and oracle per supervised loss, for the tests that every loss must pass.

``rows`` are spread over the ranks along the first axis, ``shared`` is the same on every rank.
Floating-point tensors carry gradients, except those named in ``constants``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from medvlp.losses.captions import in_batch_hinge_loss, swapped_caption_loss
from medvlp.losses.descriptions import aspect_contrast_loss, knowledge_contrast_loss
from medvlp.losses.distill import cosine_distillation_loss, l1_distillation_loss
from medvlp.losses.local_alignment import LocalAlignment, local_alignment_loss
from medvlp.losses.matching import matching_loss
from medvlp.losses.multitask import multitask_cross_entropy_loss
from medvlp.losses.partial_labels import partial_label_loss
from medvlp.losses.queries import location_contrast_loss, query_bce_loss, query_pair_loss
from medvlp.losses.survival import cox_loss
from medvlp.losses.survival_discrete import survival_cross_entropy_loss, survival_nll_loss
from tests.oracles import alignment_losses, label_losses, query_losses

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class LossCase:
    """A loss with a way to make its inputs and an oracle on nested lists."""

    rows: Callable[[torch.Generator, int], Tensors]
    loss: Callable[[Tensors], Tensor]
    expected: Callable[[dict], float]
    shared: Callable[[torch.Generator], Tensors] = field(default=lambda _: {})
    constants: frozenset[str] = frozenset()
    is_permutable: bool = True


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def unit(generator, *shape):
    return functional.normalize(normal(generator, *shape), dim=-1)


def integers(generator, low, high, *shape):
    return torch.randint(low, high, shape, generator=generator)


def _query_rows(generator, n, *, trailing=(), highest=2):
    return {
        "logits": 2 * normal(generator, n, 5, *trailing),
        "labels": integers(generator, -1, highest, n, 5),
        "weight": torch.rand(n, generator=generator, dtype=torch.float64),
    }


def _location_rows(generator, n):
    return {
        "queries": normal(generator, n, 4, 6),
        "candidates": integers(generator, 0, 7, n, 4, 3),
        "labels": integers(generator, -1, 2, n, 4),
    }


def _knowledge_rows(generator, n):
    labels = integers(generator, -1, 2, n, 6)
    labels[0] = 0
    return {"image": normal(generator, n, 5), "labels": labels}


def _local_rows(generator, n):
    return {
        "patches": normal(generator, n, 4, 5),
        "words": normal(generator, n, 3, 5),
        "num_words": integers(generator, 1, 4, n),
    }


def _multitask_rows(generator, n):
    rows = {}
    for task, num_classes in (("side", 2), ("texture", 4), ("unlabelled", 3)):
        rows[f"logits_{task}"] = normal(generator, n, num_classes)
        rows[f"labels_{task}"] = integers(generator, -1, num_classes, n)
    rows["labels_unlabelled"] = torch.full((n,), -1)
    return rows


def _tasks(x, prefix):
    return {name.removeprefix(prefix): x[name] for name in x if name.startswith(prefix)}


def _multitask(x, divisor="labelled"):
    return multitask_cross_entropy_loss(
        _tasks(x, "logits_"),
        _tasks(x, "labels_"),
        class_weights={"texture": x["class_weights"]},
        divisor=divisor,
    )


def _multitask_expected(x, divisor="labelled"):
    weights = {"texture": x["class_weights"]}
    return label_losses.multitask(_tasks(x, "logits_"), _tasks(x, "labels_"), weights, divisor)


def _cox_rows(generator, n):
    return {
        "log_hazard": normal(generator, n),
        "durations": integers(generator, 1, 5, n).double(),
        "events": integers(generator, 0, 2, n),
    }


def _survival_rows(generator, n):
    return {
        "logits": normal(generator, n, 4),
        "bins": integers(generator, 0, 4, n),
        "censored": integers(generator, 0, 2, n),
    }


def _partial_rows(generator, n):
    return {"logits": 2 * normal(generator, n, 4), "labels": integers(generator, -3, 4, n)}


def _swap_rows(generator, n):
    rows = {name: unit(generator, n, 6) for name in ("image", "caption", "swapped")}
    return {**rows, "has_swap": integers(generator, 0, 3, n) > 0}


def _pair_rows(names, generator, n):
    rows = {name: unit(generator, n, 6) for name in names}
    return {**rows, "weight": torch.rand(n, generator=generator, dtype=torch.float64)}


def _query_cases():
    weight = frozenset({"weight", "positive_weight"})
    kwargs = {"is_permutable": True, "constants": weight}
    bce_shared = {"shared": lambda g: {"positive_weight": torch.rand(5, generator=g).double() + 1}}
    yield (
        "query_bce",
        LossCase(
            _query_rows,
            lambda x: query_bce_loss(**x),
            lambda x: query_losses.query_bce(**x),
            **bce_shared,
            **kwargs,
        ),
    )
    for unmentioned in ("ignore", "absent"):
        yield (
            f"query_pair_{unmentioned}",
            LossCase(
                partial(_query_rows, trailing=(2,), highest=3),
                lambda x, u=unmentioned: query_pair_loss(**x, unmentioned=u),
                lambda x, u=unmentioned: query_losses.query_pair(**x, unmentioned=u),
                **kwargs,
            ),
        )
    for name, form in {"plain": {}, "cosine": {"scale": 5.0, "normalize": True}}.items():
        yield (
            f"location_contrast_{name}",
            LossCase(
                _location_rows,
                lambda x, form=form: location_contrast_loss(**x, **form),
                lambda x, form=form: query_losses.location_contrast(**x, **form),
                shared=lambda g: {"locations": normal(g, 7, 6)},
            ),
        )


def _description_cases():
    for positives in ("outside", "inside"):
        yield (
            f"knowledge_contrast_{positives}",
            LossCase(
                _knowledge_rows,
                lambda x, p=positives: knowledge_contrast_loss(**x, positives=p).total,
                lambda x, p=positives: query_losses.knowledge_contrast(**x, inside=p == "inside"),
                shared=lambda g: {
                    "descriptions": normal(g, 6, 5),
                    "scale": torch.tensor(7.0).double(),
                },
            ),
        )
    for normalize in (False, True):
        yield (
            f"aspect_contrast_{'probabilities' if normalize else 'published'}",
            LossCase(
                lambda g, n: {"image": normal(g, n, 5), "labels": integers(g, -1, 2, n, 4)},
                lambda x, f=normalize: aspect_contrast_loss(**x, normalize_targets=f),
                lambda x, f=normalize: query_losses.aspect_contrast(**x, normalize_targets=f),
                shared=lambda g: {"aspects": normal(g, 4, 3, 5), "log_scale": normal(g, 3)},
            ),
        )


def _alignment_cases():
    for direction in (0, 1):
        oracle = (alignment_losses.match_rows, alignment_losses.match_columns)[direction]
        yield (
            f"matching_{('rows', 'columns')[direction]}",
            LossCase(
                lambda g, n: {"scores": 3 * normal(g, n, n)},
                lambda x, d=direction: matching_loss(**x)[d],
                lambda x, oracle=oracle: oracle(x["scores"]),
                is_permutable=False,
            ),
        )
    forms = {
        "gloria": LocalAlignment(texts_per_chunk=2),
        "plain": LocalAlignment(words_compete=False, gather="mean", score_scale=3.0),
    }
    for name, form in forms.items():
        yield (
            f"local_alignment_{name}",
            LossCase(
                _local_rows,
                lambda x, form=form: sum(local_alignment_loss(**x, settings=form)),
                lambda x, form=form: _local_expected(x, form),
            ),
        )


def _local_expected(x, settings):
    scores = alignment_losses.local_scores(**x, settings=settings)
    return alignment_losses.match_rows(scores) + alignment_losses.match_columns(scores)


def _caption_cases():
    yield (
        "swapped_caption",
        LossCase(
            _swap_rows,
            lambda x: swapped_caption_loss(**x, margin=0.3),
            lambda x: alignment_losses.swapped_caption(**x, margin=0.3),
        ),
    )
    for kind in ("hardest", "mean"):
        yield (
            f"in_batch_hinge_{kind}",
            LossCase(
                lambda g, n: {"image": unit(g, n, 6), "text": unit(g, n, 6)},
                lambda x, kind=kind: in_batch_hinge_loss(**x, negatives=kind),
                lambda x, kind=kind: alignment_losses.in_batch_hinge(
                    **x, margin=0.2, negatives=kind
                ),
            ),
        )
    for name, loss in {"cosine": cosine_distillation_loss, "l1": l1_distillation_loss}.items():
        oracle = getattr(alignment_losses, f"{name}_distillation")
        yield (
            f"{name}_distillation",
            LossCase(
                partial(_pair_rows, ("student", "teacher")),
                lambda x, loss=loss: loss(x["student"], x["teacher"], weight=x["weight"]),
                lambda x, oracle=oracle: oracle(**x),
                constants=frozenset({"teacher", "weight"}),
            ),
        )


def _label_cases():
    for divisor in ("labelled", "weights"):
        yield (
            f"multitask_{divisor}",
            LossCase(
                _multitask_rows,
                partial(_multitask, divisor=divisor),
                partial(_multitask_expected, divisor=divisor),
                shared=lambda g: {"class_weights": torch.rand(4, generator=g).double() + 0.5},
                constants=frozenset({"class_weights"}),
            ),
        )
    for ties in ("breslow", "efron"):
        yield (
            f"cox_{ties}",
            LossCase(
                _cox_rows,
                lambda x, ties=ties: cox_loss(**x, ties=ties),
                lambda x, ties=ties: label_losses.cox(**x, ties=ties),
                constants=frozenset({"durations"}),
            ),
        )
    yield (
        "cox_order",
        LossCase(
            _cox_rows,
            lambda x: cox_loss(**x, ties="order", epsilon=1e-3),
            lambda x: label_losses.cox_in_order(**x, epsilon=1e-3),
            constants=frozenset({"durations"}),
            is_permutable=False,
        ),
    )
    yield (
        "survival_nll",
        LossCase(
            _survival_rows,
            lambda x: survival_nll_loss(**x, uncensored_weight=0.3),
            lambda x: label_losses.survival_nll(**x, weight=0.3),
        ),
    )
    yield (
        "survival_cross_entropy",
        LossCase(
            _survival_rows,
            lambda x: survival_cross_entropy_loss(**x, likelihood_weight=0.3),
            lambda x: label_losses.survival_cross_entropy(**x, weight=0.3),
        ),
    )
    for name, form in {
        "plain": (True, False, 0.1),
        "balanced": (True, True, 0.1),
        "calibrated": (False, False, "share"),
    }.items():
        yield (
            f"partial_label_{name}",
            LossCase(
                _partial_rows,
                lambda x, f=form: (
                    partial_label_loss(
                        **x, with_pseudo=f[0], balanced=f[1], candidate_weight=f[2]
                    ).total
                ),
                lambda x, f=form: label_losses.partial_label(
                    **x, with_pseudo=f[0], balanced=f[1], candidate_weight=f[2]
                ),
            ),
        )


CASES: dict[str, LossCase] = dict(
    [
        *_query_cases(),
        *_description_cases(),
        *_alignment_cases(),
        *_caption_cases(),
        *_label_cases(),
    ]
)


def make_batch(case: LossCase, seed: int, num_rows: int) -> tuple[Tensors, Tensors]:
    """Return rows and shared tensors in float64."""
    generator = torch.Generator().manual_seed(seed)
    return case.rows(generator, num_rows), case.shared(generator)


def with_gradients(case: LossCase, tensors: Tensors, dtype: torch.dtype) -> Tensors:
    """Copy tensors to a dtype as leaves that collect gradients, constants excepted."""
    leaves = {}
    for name, x in tensors.items():
        copy = x.detach().clone()
        if copy.is_floating_point():
            copy = copy.to(dtype)
            copy.requires_grad_(name not in case.constants)
        leaves[name] = copy
    return leaves
