"""Families about prompts, answered by what ``medvlp zero-shot`` builds and screens.

For the classifiers the embeddings of a file stand in for the text tower: every prompt of the task
made here is a name in a template, and its embedding is looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.vectors.comparison import Arrays, FamilyCheck
from medvlp.config.task import parse_task
from medvlp.zeroshot.classifier import build_classifier
from medvlp.zeroshot.screening import (
    PromptCandidates,
    draw_prompt_sets,
    score_prompt_sets,
    screen_prompt_sets,
    sum_prompt_sets,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CHECKS"]


def _answer_classifiers(arrays: Arrays) -> dict[str, ArrayLike]:
    embeddings = arrays["embeddings"]
    classes, names, templates, _ = embeddings.shape
    vectors = {
        f"T{t} C{c} N{n}": embeddings[c, n, t]
        for c in range(classes)
        for n in range(names)
        for t in range(templates)
    }

    def embed(texts: list[str]) -> NDArray[np.float64]:
        return np.stack([vectors[text] for text in texts])

    document: dict[str, Any] = {
        "name": "reference",
        "modality": "slide",
        "scale": {"mpp": 0.5, "tile_px": 256},
        "head": "mean",
        "classes": {
            f"C{c}": {"names": [f"C{c} N{n}" for n in range(names)]} for c in range(classes)
        },
        "templates": [f"T{t} {{}}" for t in range(templates)],
    }

    def columns(ensemble: str) -> NDArray[np.float64]:
        task = parse_task(
            document | {"prompts": {"ensemble": ensemble}}, source="reference numbers"
        )
        return build_classifier(embed, task, 1.0).weights

    return {
        "conch": columns("all"),
        "mizero_first_name": columns("first-name"),
        "keep_single_template": columns("first-prompt"),
        "keep_template_list_original": columns("first-prompt"),
    }


def _answer_screening(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer with the candidates that a slide is screened for.

    They are made directly and not of prompts: the columns of the file are of unit length only up to
    rounding to 32 bits, and a classifier made of prompts would mend that.
    """
    matrices = arrays["classifiers"]
    num_sets, width, classes = matrices.shape
    bank = matrices.transpose(0, 2, 1).reshape(num_sets * classes, width)
    sets = np.arange(num_sets * classes).reshape(num_sets, classes)
    candidates = PromptCandidates(bank, sets, keep=int(arrays["topn"]))
    scores = score_prompt_sets(arrays["features"], candidates)
    drawn = draw_prompt_sets(num_sets, len(arrays["random_index"]))
    return {
        "scores": scores,
        "order": np.argsort(-scores, kind="stable"),
        "ensemble": screen_prompt_sets(arrays["features"], candidates),
        "random_index": drawn,
        "random_ensemble": sum_prompt_sets(bank, sets[drawn]),
    }


CHECKS = {
    "prompt_classifiers": FamilyCheck(_answer_classifiers, ("embeddings",)),
    "keep_prompt_screening": FamilyCheck(_answer_screening, ("classifiers", "features", "topn")),
}
