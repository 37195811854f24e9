"""Families about metrics: binary, multi-class, RenalCLIP's report, KEEP's segmentation scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.vectors.comparison import Arrays, FamilyCheck
from medvlp import metrics
from medvlp.zeroshot.evaluation import score_detection, score_segmentation, score_subtyping
from medvlp.zeroshot.tiles import softmax

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from medvlp.metrics import Bootstrap

__all__ = ["CHECKS"]

_NUM_DRAWS = 1000


def _percentiles(found: Bootstrap) -> list[float]:
    return [found.low, found.median, found.high]


def _answer_binary(arrays: Arrays) -> dict[str, ArrayLike]:
    labels, scores = arrays["labels"], arrays["scores"]
    threshold, gain = metrics.youden_point(labels, scores)
    rates = metrics.binary_rates(labels, scores > 0.5)
    detection = score_detection(labels, scores, num_draws=_NUM_DRAWS)
    resampled = detection.auroc_draws
    answers: dict[str, ArrayLike] = {
        "auroc": detection.auroc,
        "youden_threshold": threshold,
        "youden_max": gain,
        "balanced_accuracy_at_0p5": rates.balanced_accuracy,
        "sensitivity_at_0p5": rates.sensitivity,
        "specificity_at_0p5": rates.specificity,
        "bootstrap_indices_seed0to2": [metrics.draw_keep(len(labels), seed) for seed in range(3)],
        "bootstrap_auroc_first20": resampled.values[:20],
        "bootstrap_single_class": resampled.num_undefined,
        "bootstrap_auroc_p2_5_p50_p97_5": _percentiles(resampled),
    }
    for percent in (90, 95, 99):
        name, share = f"sens_at_spec_{percent}", percent / 100
        answers[name] = metrics.sensitivity_at_specificity(labels, scores, share)
        answers[f"{name}_interpolated"] = metrics.sensitivity_at_specificity(
            labels, scores, share, interpolate=True
        )
    return answers


def _answer_multiclass(arrays: Arrays) -> dict[str, ArrayLike]:
    labels, guess = arrays["labels"], arrays["predictions"]
    probabilities = softmax(arrays["logits"])
    subtyping = score_subtyping(labels, guess, num_draws=_NUM_DRAWS)
    recalls, scores = subtyping.balanced_accuracy_draws, subtyping.weighted_f1_draws
    return {
        "balanced_accuracy": subtyping.balanced_accuracy,
        "weighted_f1": subtyping.weighted_f1,
        "macro_f1": metrics.f1(labels, guess, "macro"),
        "accuracy": metrics.accuracy(labels, guess),
        "auroc_macro_ovr": metrics.auroc_macro(labels, probabilities, "ovr"),
        "auroc_macro_ovo": metrics.auroc_macro(labels, probabilities, "ovo"),
        "kappa": metrics.kappa(labels, guess),
        "kappa_quadratic": metrics.kappa(labels, guess, "quadratic"),
        "confusion": metrics.confusion(labels, guess, probabilities.shape[1]),
        "bootstrap_bacc_first20": recalls.values[:20],
        "bootstrap_bacc_p2_5_p50_p97_5": _percentiles(recalls),
        "bootstrap_wf1_first20": scores.values[:20],
        "bootstrap_wf1_p2_5_p50_p97_5": _percentiles(scores),
    }


def _answer_renalclip(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer the report; what its authors call specificity in the binary case is the NPV."""
    report = metrics.softmax_report(arrays["logits"], arrays["labels"])
    is_binary = arrays["logits"].shape[1] == 2
    answers: dict[str, ArrayLike] = {
        "roc_auc": report.roc_auc,
        "roc_auc_classes": report.roc_auc_per_class,
        "pr_auc": report.pr_auc,
        "precision": report.precision,
        "recall": report.recall,
        "f1_score": report.f1,
        "specificity": report.npv if is_binary else report.specificity,
        "specificity_true": report.specificity,
        "npv": report.npv,
    }
    return {name: value for name, value in answers.items() if name in arrays}


def _answer_segmentation(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer a slide; its own best threshold is reported, and the scores take given ones."""
    mask, coords, tile_px0 = arrays["mask"], arrays["coords"], int(arrays["patch_size"])
    truth = metrics.tile_truth(mask, coords, tile_px0)
    scored = [
        score_segmentation(
            mask,
            coords,
            arrays["probabilities"],
            tile_px0=tile_px0,
            threshold=threshold,
            level_downsamples=arrays["level_downsamples"].tolist(),
        )
        for threshold in arrays["thresholds"].tolist()
    ]
    return {
        "tile_gt": truth.astype(np.int64),
        "auc": np.nan if scored[0].auroc is None else scored[0].auroc,
        "youden_threshold": metrics.youden_point(truth, arrays["probabilities"])[0],
        "dice": [found.dice for found in scored],
    }


CHECKS = {
    "metrics_binary": FamilyCheck(_answer_binary, ("labels", "scores")),
    "metrics_multiclass": FamilyCheck(_answer_multiclass, ("labels", "predictions", "logits")),
    "renalclip_metrics": FamilyCheck(_answer_renalclip, ("logits", "labels")),
    "keep_segmentation": FamilyCheck(
        _answer_segmentation,
        ("mask", "coords", "probabilities", "patch_size", "level_downsamples", "thresholds"),
    ),
}
