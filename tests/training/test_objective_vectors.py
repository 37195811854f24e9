"""Objectives, reached by name as training reaches them, give the published programs' numbers."""

import numpy as np
import pytest
import torch

from medvlp.data.batch import Batch, Embeddings
from medvlp.losses.relations import pack_related
from medvlp.models.dual_encoder import DualOutput
from medvlp.training.objectives import build_objective

KEEP_VARIANTS = ("lhp-hn", "hp-hn", "hp-lhn", "lhp-lhn")


def cases(vectors, family):
    paths = sorted(vectors.glob(f"{family}__*.npz"))
    assert paths
    return [np.load(path) for path in paths]


def scored(name, options, arrays, *, group=None, related=None, knowledge=None):
    """Return the loss and the gradients of image, text and scale."""
    leaves = [torch.tensor(arrays[key]).double() for key in ("image", "text", "scale")]
    for leaf in leaves:
        leaf.requires_grad_()
    image, text, scale = leaves
    count = len(image)
    group = torch.arange(count) if group is None else torch.as_tensor(group)
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
    loss = build_objective(name, options)(outputs, batch).total
    return [loss, *torch.autograd.grad(loss, leaves)]


def agree(actual, arrays, names):
    """Compare every quantity; one that the file does not hold is an error, not a pass."""
    for value, name in zip(actual, names, strict=True):
        expected = np.asarray(arrays[name], np.float64)
        np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("variant", KEEP_VARIANTS)
def test_keep__gives_the_numbers_of_the_published_group_loss(vectors, variant):
    prefix = variant.replace("-", "_")
    for arrays in cases(vectors, "keep_group_loss"):
        options = {"variant": variant, "ignored": "replace"}
        related = pack_related(torch.as_tensor(arrays["mask_false_negative"]))
        loss, image, text, scale = scored(
            "keep", options, arrays, group=arrays["group_id"], related=related
        )
        agree([loss, scale], arrays, [f"{prefix}__loss", f"{prefix}__grad_scale"])
        if f"{prefix}__grad_norms" in arrays:  # large cases hold the lengths alone
            agree([torch.stack([image.norm(), text.norm()])], arrays, [f"{prefix}__grad_norms"])
        else:
            agree([image, text], arrays, [f"{prefix}__grad_image", f"{prefix}__grad_text"])


def test_keep__with_published_false_negatives_differs_where_none_are_removed(vectors):
    arrays = np.load(vectors / "keep_group_loss__c02.npz")
    loss = scored("keep", {}, arrays, group=arrays["group_id"])[0].item()
    assert abs(loss - float(arrays["lhp_hn__loss"])) > 1e-3


def test_clip_masked__gives_the_numbers_of_the_published_masked_loss(vectors):
    for arrays in cases(vectors, "keep_clip_masked"):
        for name, group in (("plain", None), ("masked", arrays["labels"])):
            actual = scored("clip-masked", {"label": "group"}, arrays, group=group)
            quantities = ("loss", "grad_image", "grad_text", "grad_scale")
            agree(actual, arrays, [f"{name}__{quantity}" for quantity in quantities])


def test_kep__gives_the_numbers_of_the_published_second_stage(vectors):
    for arrays in cases(vectors, "kep_stage2_loss"):
        image_weight, knowledge_weight = (float(weight) for weight in arrays["weights"])
        options = {"image_weight": image_weight, "knowledge_weight": knowledge_weight}
        knowledge = torch.tensor(arrays["knowledge"]).double()
        actual = scored("kep", options, arrays, knowledge=knowledge)
        agree(actual, arrays, ["loss", "grad_image", "grad_text", "grad_scale"])


def test_siglip__gives_the_numbers_of_the_published_loss(vectors):
    for arrays in cases(vectors, "openclip_siglip"):
        actual = scored("siglip", {"bias": float(arrays["bias"])}, arrays)
        agree(actual, arrays, ["loss", "grad_image", "grad_text", "grad_scale"])
