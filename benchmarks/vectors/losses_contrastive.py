"""Families of losses over pairs: CLIP, SigLIP, KEEP, KEP, KAD and RenalCLIP, with gradients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.vectors.comparison import Arrays, FamilyCheck, Tolerance
from benchmarks.vectors.tensors import GRADIENTS, as_tensor, gradient
from medvlp.data.batch import Batch, Embeddings
from medvlp.losses.contrastive import info_nce_loss
from medvlp.losses.duplicates import concept_text_loss, report_contrast_loss
from medvlp.losses.metric import adasp_terms
from medvlp.losses.relations import PairRelation, pack_related
from medvlp.losses.sigmoid import sigmoid_loss
from medvlp.models.dual_encoder import DualOutput
from medvlp.training.knowledge import AdaspObjective
from medvlp.training.objectives import OptionValue, build_objective

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike
    from torch import Tensor

    from medvlp.losses.groups import GroupVariant
    from medvlp.losses.metric import AdaspVariant

__all__ = ["CHECKS"]

_GROUP_VARIANTS: tuple[GroupVariant, ...] = ("lhp-hn", "hp-hn", "hp-lhn", "lhp-lhn")
_ADASP_VARIANTS: tuple[AdaspVariant, ...] = ("sp-h", "sp-lh", "adasp")
_TWO_SETS = ("image", "text", "scale")
_FLOAT32 = Tolerance(rtol=2e-4, atol=1e-6)
_KAD_FLOAT32_TARGETS = Tolerance(rtol=1e-6, atol=1e-8)


def _leaves(arrays: Arrays, *names: str) -> list[Tensor]:
    return [torch.tensor(arrays[name], requires_grad=True) for name in names]


def _gradients(loss: Tensor, **leaves: Tensor) -> dict[str, ArrayLike]:
    return {f"grad_{name}": gradient(loss, leaf) for name, leaf in leaves.items()}


def _answer_clip(arrays: Arrays) -> dict[str, ArrayLike]:
    image, text, scale = _leaves(arrays, "image", "text", "scale")
    loss = info_nce_loss(image, text, scale).total
    narrow = info_nce_loss(image.float(), text.float(), scale.float()).total
    return {
        "loss": loss.item(),
        "loss_float32": narrow.item(),
        **_gradients(loss, image=image, text=text, scale=scale),
    }


def _answer_siglip(arrays: Arrays) -> dict[str, ArrayLike]:
    image, text, scale, bias = _leaves(arrays, "image", "text", "scale", "bias")
    loss = sigmoid_loss(image, text, scale, bias).total
    narrow = sigmoid_loss(image.float(), text.float(), scale.float(), bias.float()).total
    return {
        "loss": loss.item(),
        "loss_float32": narrow.item(),
        **_gradients(loss, image=image, text=text, scale=scale, bias=bias),
    }


def _objective_loss(
    name: str,
    options: Mapping[str, OptionValue],
    leaves: list[Tensor],
    *,
    group: Tensor | None = None,
    related: Tensor | None = None,
    knowledge: Tensor | None = None,
) -> Tensor:
    """Return the loss of embeddings by the objective that training takes by this name."""
    image, text, scale = leaves
    count = len(image)
    group = torch.arange(count) if group is None else group
    batch = Batch(
        image=Embeddings(vectors=image.detach()),
        text=Embeddings(vectors=text.detach()),
        group_id=group,
        concept_id=group,
        sample_id=tuple(map(str, range(count))),
        weight=torch.ones(count),
        related=related,
    )
    outputs = DualOutput(image=image, text=text, logit_scale=scale, knowledge=knowledge)
    return build_objective(name, options)(outputs, batch).total


def _answer_groups(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer with false negatives at the cosine -1, as the reference has them."""
    group = as_tensor(arrays["group_id"])
    related = pack_related(as_tensor(arrays["mask_false_negative"]))
    answers: dict[str, ArrayLike] = {}
    for variant in _GROUP_VARIANTS:
        name = variant.replace("-", "_")
        leaves = _leaves(arrays, *_TWO_SETS)
        options = {"variant": variant, "ignored": "replace"}
        loss = _objective_loss("keep", options, leaves, group=group, related=related)
        image, text, scale = (gradient(loss, leaf) for leaf in leaves)
        answers |= {
            f"{name}__loss": loss.item(),
            f"{name}__grad_scale": scale,
            f"{name}__grad_image": image,
            f"{name}__grad_text": text,
            f"{name}__grad_norms": [np.linalg.norm(image), np.linalg.norm(text)],
        }
    narrow = [torch.tensor(arrays[name]).float() for name in _TWO_SETS]
    in_float32 = _objective_loss(
        "keep", {"ignored": "replace"}, narrow, group=group, related=related
    )
    answers["lhp_hn__loss_closed_form"] = answers["lhp_hn__loss"]
    answers["lhp_hn__loss_float32_inputs"] = in_float32.item()
    return {name: value for name, value in answers.items() if name in arrays}


def _answer_masked_clip(arrays: Arrays) -> dict[str, ArrayLike]:
    answers: dict[str, ArrayLike] = {}
    for name, label in (("plain", None), ("masked", as_tensor(arrays["labels"]))):
        image, text, scale = leaves = _leaves(arrays, *_TWO_SETS)
        loss = _objective_loss("clip-masked", {"label": "group"}, leaves, group=label)
        found = {"loss": loss.item(), **_gradients(loss, image=image, text=text, scale=scale)}
        answers |= {f"{name}__{quantity}": value for quantity, value in found.items()}
    return answers


def _answer_kep_stage2(arrays: Arrays) -> dict[str, ArrayLike]:
    image, text, knowledge, scale = _leaves(arrays, "image", "text", "knowledge", "scale")
    image_weight, knowledge_weight = (float(weight) for weight in arrays["weights"])
    options = {"image_weight": image_weight, "knowledge_weight": knowledge_weight}
    loss = _objective_loss("kep", options, [image, text, scale], knowledge=knowledge)
    grads = _gradients(loss, image=image, text=text, knowledge=knowledge, scale=scale)
    return {"loss": loss.item(), **grads}


def _answer_adasp(arrays: Arrays) -> dict[str, ArrayLike]:
    group = as_tensor(arrays["labels"])
    scale = torch.tensor(1.0 / arrays["temperature"])
    answers: dict[str, ArrayLike] = {}
    for variant in _ADASP_VARIANTS:
        name = variant.replace("-", "_")
        (features,) = _leaves(arrays, "features")
        loss = AdaspObjective(variant)(features, scale, group).total
        answers |= {
            f"{name}__loss": loss.item(),
            f"{name}__loss_closed_form": loss.item(),
            f"{name}__grad": gradient(loss, features),
        }
    features = as_tensor(arrays["features"])
    answers["alpha"] = adasp_terms(features, scale, PairRelation(group=group)).alpha.numpy()
    return answers


def _answer_kad_stage1(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer with the published targets; an id that is no concept gets one of its own."""
    number: dict[str, int] = {}
    names = [
        name if name.startswith("C") else f"sample {place}"
        for place, name in enumerate(map(str, arrays["cuis"]))
    ]
    concept = torch.tensor([number.setdefault(name, len(number)) for name in names])
    text1, text2, scale = _leaves(arrays, "text1", "text2", "scale")
    loss = concept_text_loss(text1, text2, scale, concept, targets="column-l2").total
    return {"loss": loss.item(), **_gradients(loss, text1=text1, text2=text2, scale=scale)}


def _answer_kad_stage2(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer with the factor ln(1/0.07) and embeddings of any length, as the reference has it."""
    image, text = _leaves(arrays, "image", "text")
    scale = torch.tensor(math.log(1 / 0.07), dtype=torch.float64)
    loss = info_nce_loss(image, text, scale, unit=False).total
    return {"loss": loss.item(), **_gradients(loss, image=image, text=text)}


def _answer_renalclip(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer with identical reports as negatives, as the reference has them."""
    sides = [f"{kind}_{side}" for kind in ("image", "text") for side in ("left", "right")]
    *leaves, scale = _leaves(arrays, *sides, "scale")
    image, text = torch.cat(leaves[:2]), torch.cat(leaves[2:])
    ids = torch.arange(len(image))
    loss = report_contrast_loss(image, text, scale, ids, identical="oppose").total
    grads = _gradients(loss, **dict(zip(sides, leaves, strict=True)), scale=scale)
    return {"loss": loss.item(), **grads}


CHECKS = {
    "openclip_clip": FamilyCheck(
        _answer_clip, _TWO_SETS, tolerances={**GRADIENTS, "loss_float32": _FLOAT32}
    ),
    "openclip_siglip": FamilyCheck(
        _answer_siglip, (*_TWO_SETS, "bias"), tolerances={**GRADIENTS, "loss_float32": _FLOAT32}
    ),
    "keep_group_loss": FamilyCheck(
        _answer_groups,
        (*_TWO_SETS, "group_id", "labels", "mask_false_negative", "graph_json"),
        tolerances={**GRADIENTS, "*float32_inputs": _FLOAT32},
    ),
    "keep_clip_masked": FamilyCheck(
        _answer_masked_clip, (*_TWO_SETS, "labels"), tolerances=GRADIENTS
    ),
    "kep_stage2_loss": FamilyCheck(
        _answer_kep_stage2, (*_TWO_SETS, "knowledge", "weights"), tolerances=GRADIENTS
    ),
    "kep_adasp": FamilyCheck(
        _answer_adasp, ("features", "labels", "temperature"), tolerances=GRADIENTS
    ),
    "kad_stage1_soft": FamilyCheck(
        _answer_kad_stage1,
        ("text1", "text2", "scale", "cuis", "targets", "targets_float64"),
        tolerance=_KAD_FLOAT32_TARGETS,
    ),
    "kad_stage2_clip": FamilyCheck(_answer_kad_stage2, ("image", "text"), tolerances=GRADIENTS),
    "renalclip_clip_loss": FamilyCheck(
        _answer_renalclip,
        ("image_left", "image_right", "text_left", "text_right", "scale"),
        tolerances=GRADIENTS,
    ),
}
