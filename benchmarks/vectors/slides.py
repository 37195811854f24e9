"""Families about slides: tile smoothing and ratios, top-j pooling, bag evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.vectors.comparison import Arrays, FamilyCheck
from medvlp.config.task import parse_task
from medvlp.metrics import accuracy, auroc, auroc_macro, balanced_accuracy, f1, kappa
from medvlp.zeroshot.classifier import TextClassifier
from medvlp.zeroshot.heads import judge_slide, score_tiles
from medvlp.zeroshot.pooling import pool_mean, pool_top_j, subtype_ratio
from medvlp.zeroshot.tiles import smooth_neighbours, softmax, tile_cosines

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from medvlp.config.task import Task

__all__ = ["CHECKS"]


def _answer_keep_tiles(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer with a task and a classifier, as ``medvlp zero-shot`` judges a slide."""
    count = arrays["classifier"].shape[1]
    answers: dict[str, ArrayLike] = {}
    for kind, overlap in (("plain", 0.0), ("overlap", 0.5)):
        task = _keep_task(count, overlap)
        classifier = TextClassifier(
            arrays["classifier"], task.class_names, float(task.logit_scale), {}
        )
        slide = (arrays["features"], arrays["coords"], int(arrays["patch_size"]), classifier, task)
        tiles = score_tiles(*slide, normalize=True)
        if kind == "plain":
            answers["probabilities"] = tiles.probabilities
        found = tiles.probabilities[tiles.counted]
        verdict = judge_slide(*slide, normalize=True)
        answers |= _keep_slide(found, arrays["coords"][tiles.counted], kind)
        answers[f"det_{kind}__tumour_ratio"] = verdict.scores["detection-ratio"]
        if count > 2:
            shares = [verdict.scores[f"subtype-ratio_{name}"] for name in task.class_names]
            answers[f"sub_{kind}__fractions"] = shares
            answers[f"sub_{kind}__slide_label"] = task.class_names.index(verdict.prediction)
    return {name: value for name, value in answers.items() if name in arrays}


def _keep_task(num_classes: int, overlap: float) -> Task:
    """Return KEEP's rules as a task: factor 10, plain arg-max of fractions, class 1 positive."""
    names = [f"class {index}" for index in range(num_classes)]
    subtyping = {"head": ["subtype-ratio", "detection-ratio"], "undecided": "first-class"}
    document = {
        "name": "keep",
        "modality": "slide",
        "scale": {"mpp": 0.5, "tile_px": 256, "overlap": overlap},
        "normal": names[-1] if num_classes > 2 else names[0],
        "positive": names[1],
        "logit_scale": 10,
        "classes": {name: {"names": [name]} for name in names},
        "templates": ["{}."],
    } | (subtyping if num_classes > 2 else {"head": "detection-ratio"})
    return parse_task(document, source="reference numbers")


def _keep_slide(
    probabilities: NDArray[np.float64], coords: NDArray[np.int64], kind: str
) -> dict[str, ArrayLike]:
    """Return what is known of tiles, and the subtype ratio of two classes, which no task has."""
    positive = probabilities[:, 1]
    found = subtype_ratio(probabilities, normal=probabilities.shape[1] - 1, undecided="first-class")
    return {
        f"det_{kind}__coords": coords,
        f"det_{kind}__label": (positive > 0.5).astype(np.int64),
        f"det_{kind}__prob": positive,
        f"seg_{kind}__prob": positive,
        f"sub_{kind}__coords": coords,
        f"sub_{kind}__label": probabilities.argmax(axis=1),
        f"sub_{kind}__fractions": found.fractions,
        f"sub_{kind}__slide_label": found.label,
    }


def _answer_top_j(arrays: Arrays) -> dict[str, ArrayLike]:
    logits, all_j = arrays["logits"], arrays["topj"].tolist()
    means = np.stack([pool_top_j(logits, j, "mean") for j in all_j])
    sums = np.stack([pool_top_j(logits, j, "sum") for j in all_j])
    return {
        "conch_pooled": means,
        "conch_pred": means.argmax(axis=1),
        "mizero_pooled_sum": sums,
        "mizero_pred": sums.argmax(axis=1),
        "mizero_smoothed": smooth_neighbours(logits, arrays["neighbour_index"]),
        "mean_pool_pred": pool_mean(logits).argmax(),
    }


def _answer_bags(arrays: Arrays) -> dict[str, ArrayLike]:
    labels, scale = arrays["labels"], float(arrays["logit_scale_exp"])
    cuts = np.cumsum(arrays["bag_sizes"])[:-1]
    bags = [
        tile_cosines(features, arrays["classifier"])
        for features in np.split(arrays["features"], cuts)
    ]
    pooled = np.asarray([[pool_top_j(bag, int(j), "mean") for bag in bags] for j in arrays["topj"]])
    guesses = pooled.argmax(axis=2)
    return {
        "pooled_logits": pooled,
        "preds": guesses,
        "acc": [accuracy(labels, guess) for guess in guesses],
        "bacc": [balanced_accuracy(labels, guess) for guess in guesses],
        "kappa": [kappa(labels, guess) for guess in guesses],
        "weighted_kappa": [kappa(labels, guess, "quadratic") for guess in guesses],
        "weighted_f1": [f1(labels, guess, "weighted") for guess in guesses],
        "roc_auc": [_bag_auroc(labels, softmax(scale * logits)) for logits in pooled],
    }


def _bag_auroc(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    if probabilities.shape[1] == 2:
        return auroc(labels, probabilities[:, 1])
    return auroc_macro(labels, probabilities, "ovo")


CHECKS = {
    "keep_tiles": FamilyCheck(
        _answer_keep_tiles, ("features", "coords", "classifier", "patch_size")
    ),
    "topj_pooling": FamilyCheck(_answer_top_j, ("logits", "topj", "neighbour_index")),
    "conch_bag_eval": FamilyCheck(
        _answer_bags,
        ("features", "bag_sizes", "labels", "classifier", "logit_scale_exp", "topj"),
    ),
}
