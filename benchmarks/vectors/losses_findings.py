"""Families about findings, aspects and places of an image: losses and their gradients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from benchmarks.vectors.comparison import Arrays, FamilyCheck
from benchmarks.vectors.fill import fill_tensor
from benchmarks.vectors.tensors import GRADIENTS, as_leaf, as_tensor, gradient
from medvlp.losses.descriptions import aspect_contrast_loss
from medvlp.losses.local_alignment import LocalAlignment, attend_patches, local_alignment_loss
from medvlp.losses.matching import matching_loss
from medvlp.losses.queries import location_contrast_loss, query_pair_loss

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

__all__ = ["CHECKS"]


def _answer_local_global(arrays: Arrays) -> dict[str, ArrayLike]:
    image, words = as_leaf(arrays["image_local"]), as_leaf(arrays["words"])
    counts = as_tensor(arrays["word_counts"])
    attention, word, score = arrays["temps"].tolist()
    settings = LocalAlignment(
        attention_scale=attention,
        word_scale=word,
        score_scale=score,
        gather="mean" if str(arrays["aggregate"]) == "mean" else "sum",
        texts_per_chunk=2,
    )
    sequences = image.flatten(2).transpose(1, 2), words.transpose(1, 2)
    local = local_alignment_loss(*sequences, counts, settings)
    maps = attend_patches(*sequences, counts, settings).detach()
    image_global, text_global = as_leaf(arrays["image_global"]), as_leaf(arrays["text_global"])
    units = functional.normalize(image_global, dim=-1), functional.normalize(text_global, dim=-1)
    whole = matching_loss(score * units[0] @ units[1].T)
    answers: dict[str, ArrayLike] = {
        "local_loss_image_to_text": local.row_to_column.item(),
        "local_loss_text_to_image": local.column_to_row.item(),
        "grad_image_local": gradient(2 * local.symmetric, image),
        "grad_words": gradient(2 * local.symmetric, words),
        "global_loss_image_to_text": whole.row_to_column.item(),
        "global_loss_text_to_image": whole.column_to_row.item(),
        "grad_image_global": gradient(2 * whole.symmetric, image_global),
        "grad_text_global": gradient(2 * whole.symmetric, text_global),
    }
    for pair, count in enumerate(counts.tolist()):
        name = f"attention_pair_{pair}"
        answers[name] = maps[pair, :count].reshape(arrays[name].shape).numpy()
    return answers


def _answer_cross_attention(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer the loss from the scores of the file; the network that makes them is not here."""
    directions = [matching_loss(as_tensor(arrays[name])).symmetric for name in ("s_i2t", "s_t2i")]
    return {"loss": (directions[0] + directions[1]).item()}


def _answer_medklip(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer the presence loss from the logits of the file; the decoder is not here."""
    return {
        "loss_ce": query_pair_loss(as_tensor(arrays["logits"]), as_tensor(arrays["labels"])).item()
    }


def _answer_mavl(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer the losses from the logits and scores of the file; the decoder is not here."""
    labels = as_tensor(arrays["labels"])
    presence = query_pair_loss(as_tensor(arrays["logits"]), labels)
    scores = as_tensor(arrays["location_similarity"])
    places = torch.eye(scores.shape[-1], dtype=torch.float64)
    location = location_contrast_loss(scores, places, as_tensor(arrays["sample_index"]), labels)
    image, log_scale = as_leaf(arrays["image_global"]), as_leaf(arrays["temp"])
    contrast = 0.1 * aspect_contrast_loss(image, _mavl_aspects(arrays), labels, log_scale)
    return {
        "loss_ce": presence.item(),
        "loss_location": location.item(),
        "loss_global_weighted": contrast.item(),
        "loss": (presence + location + contrast).item(),
        "grad_image_global": gradient(contrast, image),
        "grad_global_only__image_global": gradient(contrast, image),
        "grad_global_only__temp": gradient(contrast, log_scale),
    }


def _mavl_aspects(arrays: Arrays) -> Tensor:
    """Project the books to queries by the filled linear layer, shape (Q, K + 1, d)."""
    table = json.loads(str(arrays["fill_table"]))
    weights = {
        key: as_tensor(fill_tensor(shape, rule, salt))
        for salt, (key, shape, rule) in enumerate(table)
        if key.startswith("disease_embedding_layer.")
    }
    books = [arrays["disease_book"][:, None], arrays["concept_book"]]
    return functional.linear(
        as_tensor(np.concatenate(books, axis=1)),
        weights["disease_embedding_layer.weight"],
        weights["disease_embedding_layer.bias"],
    )


_BOOKS = ("disease_book", "concept_book", "anatomy_book", "sample_index", "labels", "fill_table")

CHECKS = {
    "carzero_local_global": FamilyCheck(
        _answer_local_global,
        (
            "image_local",
            "words",
            "word_counts",
            "image_global",
            "text_global",
            "temps",
            "aggregate",
        ),
        tolerances=GRADIENTS,
    ),
    "carzero_sim": FamilyCheck(
        _answer_cross_attention,
        ("image_*", "text_*", "fill_table", "s_i2t", "s_t2i"),
        tolerances=GRADIENTS,
    ),
    "medklip_decoder": FamilyCheck(
        _answer_medklip, ("image_tokens", "logits", *_BOOKS), tolerances=GRADIENTS
    ),
    "mavl_model": FamilyCheck(
        _answer_mavl,
        ("image_map", "image_global", "temp", "logits", "location_similarity", *_BOOKS),
        tolerances=GRADIENTS,
    ),
}
