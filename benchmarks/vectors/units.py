"""The family about boxes of a scan, answered as ``medvlp zero-shot`` judges them.

The embeddings of a file stand in for the text tower: every prompt is a name, looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.vectors.comparison import FLOAT64, Arrays, FamilyCheck, Tolerance
from medvlp.config.task import parse_task
from medvlp.metrics import softmax_report
from medvlp.zeroshot.classifier import build_classifier
from medvlp.zeroshot.prompt_pairs import score_prompt_pairs
from medvlp.zeroshot.units import judge_units

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CHECKS"]

_CLASSES = ("class0", "class1")
_POOLINGS = {"mean_embedding": "mean", "max_similarity": "max"}
_FLOAT32 = Tolerance(rtol=2e-6, atol=2e-6)


def _answer_zero_shot(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer with two named classes; every image is a scan of one box.

    What the authors call specificity is the negative predictive value.
    """
    images, labels = arrays["image"], arrays["labels"]
    known = labels != -1
    answers: dict[str, ArrayLike] = {}
    for name, pooling in _POOLINGS.items():
        logits = _judge(images[known], arrays, pooling)
        report = softmax_report(logits, labels[known])
        answers |= {
            f"{name}__logits": logits,
            f"{name}__labels": labels[known],
            f"{name}__roc_auc": report.roc_auc,
            f"{name}__pr_auc": report.pr_auc,
            f"{name}__precision": report.precision,
            f"{name}__recall": report.recall,
            f"{name}__f1_score": report.f1,
            f"{name}__specificity": report.npv,
        }
    if "pairs__roc_auc" in arrays:
        prompts = (arrays[f"text_{name}"] for name in _CLASSES)
        spread = score_prompt_pairs(images, labels, *prompts, draws=len(arrays["pairs__roc_auc"]))
        answers["pairs__index0"], answers["pairs__index1"] = spread.pairs.T
        answers["pairs__roc_auc"] = spread.aurocs
    return {name: value for name, value in answers.items() if name in arrays}


def _judge(images: NDArray[np.float64], arrays: Arrays, pooling: str) -> NDArray[np.float64]:
    """Return the cosines with both classes, shape ``(n, 2)``."""
    vectors = {
        f"{name} {index}": vector
        for name in _CLASSES
        for index, vector in enumerate(arrays[f"text_{name}"])
    }
    document: dict[str, Any] = {
        "name": "reference",
        "modality": "ct",
        "scale": {"spacing_mm": [1, 1, 1], "window_hu": [-100, 300]},
        "head": "mean",
        "prompt_pooling": pooling,
        "classes": {
            name: {"names": [text for text in vectors if text.startswith(name)]}
            for name in _CLASSES
        },
        "templates": ["{}"],
    }
    task = parse_task(document, source="reference numbers")
    classifier = build_classifier(lambda texts: [vectors[text] for text in texts], task, 1.0)
    verdicts = [judge_units(image[None], ["box"], classifier, task) for image in images]
    return np.asarray([[found.scores[f"mean_{name}"] for name in _CLASSES] for found in verdicts])


CHECKS = {
    "renalclip_zeroshot": FamilyCheck(
        _answer_zero_shot,
        ("image", "text_class0", "text_class1", "labels"),
        tolerance=FLOAT64,
        tolerances={"*__logits": _FLOAT32},
    ),
}
