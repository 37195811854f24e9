"""Families about prompts: classifiers from prompt embeddings, and screening of prompt sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.vectors.comparison import Arrays, FamilyCheck
from medvlp.zeroshot.classifier import class_columns
from medvlp.zeroshot.screening import draw_prompt_sets, prompt_set_scores, sum_prompt_sets
from medvlp.zeroshot.tiles import tile_cosines

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["CHECKS"]


def _answer_classifiers(arrays: Arrays) -> dict[str, ArrayLike]:
    embeddings = arrays["embeddings"]
    first_prompt = class_columns([*embeddings[:, :1, :1]])
    return {
        "conch": class_columns([*embeddings]),
        "mizero_first_name": class_columns([*embeddings[:, :1]]),
        "keep_single_template": first_prompt,
        "keep_template_list_original": first_prompt,
    }


def _answer_screening(arrays: Arrays) -> dict[str, ArrayLike]:
    matrices = arrays["classifiers"]
    num_sets, width, classes = matrices.shape
    bank = matrices.transpose(0, 2, 1).reshape(num_sets * classes, width)
    sets = np.arange(num_sets * classes).reshape(num_sets, classes)
    scores = prompt_set_scores(tile_cosines(arrays["features"], bank.T), sets)
    order = np.argsort(-scores, kind="stable")
    drawn = draw_prompt_sets(num_sets, len(arrays["random_index"]))
    return {
        "scores": scores,
        "order": order,
        "ensemble": sum_prompt_sets(bank, sets[order[: int(arrays["topn"])]]),
        "random_index": drawn,
        "random_ensemble": sum_prompt_sets(bank, sets[drawn]),
    }


CHECKS = {
    "prompt_classifiers": FamilyCheck(_answer_classifiers, ("embeddings",)),
    "keep_prompt_screening": FamilyCheck(_answer_screening, ("classifiers", "features", "topn")),
}
