"""Families about local and whole alignment of images and texts: losses and their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from benchmarks.vectors.comparison import Arrays, FamilyCheck
from benchmarks.vectors.tensors import GRADIENTS, as_leaf, as_tensor, gradient
from medvlp.losses.local_alignment import LocalAlignment, attend_patches, local_alignment_loss
from medvlp.losses.matching import matching_loss

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

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
}
