"""Families about class labels, survival and tiles: losses, their gradients and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.vectors.comparison import Arrays, FamilyCheck, Tolerance
from benchmarks.vectors.tensors import GRADIENTS, as_leaf, as_tensor, gradient
from medvlp.losses.multitask import multitask_cross_entropy_loss
from medvlp.losses.partial_labels import partial_label_loss
from medvlp.losses.survival import cox_loss
from medvlp.losses.survival_discrete import (
    discrete_risk,
    hazards_and_survival,
    survival_cross_entropy_loss,
    survival_nll_loss,
)
from medvlp.metrics.survival import (
    antolini_concordance,
    breslow_baseline,
    harrell_concordance,
    last_step_before,
    read_curves,
    survival_curves,
)
from medvlp.zeroshot.pooling import label_tiles, subtype_ratio
from medvlp.zeroshot.tiles import softmax

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["CHECKS"]

_PUBLISHED_FLOOR = 1e-7
_PUBLISHED_EPSILON = 1e-8
_FIRST_PSEUDO_EPOCH = 10


def _answer_multitask(arrays: Arrays) -> dict[str, ArrayLike]:
    tasks = [name.removeprefix("logits_") for name in arrays if name.startswith("logits_")]
    logits = {task: as_leaf(arrays[f"logits_{task}"]) for task in tasks}
    labels = {task: as_tensor(arrays[f"labels_{task}"]) for task in tasks}
    loss = multitask_cross_entropy_loss(logits, labels)
    gradients = {f"grad_{task}": gradient(loss, logits[task]) for task in tasks}
    return {"loss": loss.item(), **gradients}


def _answer_cox(arrays: Arrays) -> dict[str, ArrayLike]:
    """Answer the textbook value, and the rule of pycox in the order that it sorted into."""
    log_hazard = as_leaf(arrays["log_hazard"])
    durations, events = as_tensor(arrays["durations"]), as_tensor(arrays["events"])
    order = as_tensor(arrays["sort_index"])
    in_order = log_hazard[order], durations[order], events[order]
    breslow = cox_loss(log_hazard, durations, events)
    published = cox_loss(*in_order, ties="order", epsilon=_PUBLISHED_FLOOR)
    exact = cox_loss(*in_order, ties="order")
    return {
        "loss": published.item(),
        "grad": gradient(published, log_hazard),
        "loss_float32": published.item(),
        "loss_breslow_full_risk_set": breslow.item(),
        "grad_breslow_full_risk_set": gradient(breslow, log_hazard),
        "loss_sorted_no_eps": exact.item(),
        "grad_sorted_no_eps": gradient(exact, log_hazard),
    }


def _answer_cox_pipeline(arrays: Arrays) -> dict[str, ArrayLike]:
    risk = arrays["test_log_hazard"][:, 0]
    durations, events = arrays["test_durations"], arrays["test_events"]
    times, hazard = breslow_baseline(
        arrays["train_durations"], arrays["train_events"], arrays["train_log_hazard"][:, 0]
    )
    curves = survival_curves(hazard, risk)
    rows = last_step_before(times, durations)
    return {
        "baseline_times": times,
        "baseline_hazard": hazard,
        "surv_times": times,
        "surv": curves,
        "antolini": antolini_concordance(durations, events, curves, rows, ties="none"),
        "harrell_sksurv": harrell_concordance(durations, events, risk).index,
        "report_surv": read_curves(times, curves, arrays["report_times"]),
    }


def _answer_concordance(arrays: Arrays) -> dict[str, ArrayLike]:
    durations, events = arrays["durations"], arrays["events"]
    harrell = harrell_concordance(durations, events, arrays["risk"])
    curves = arrays["surv"], arrays["surv_index"]
    strict = antolini_concordance(durations, events, *curves, ties="none")
    counts = harrell.concordant, harrell.discordant, harrell.tied_risk, harrell.tied_time
    return {
        "lifelines_harrell": harrell.index,
        "sksurv_harrell": harrell.index,
        "sksurv_counts": counts,
        "pycox_antolini": strict,
        "pycox_evalsurv_antolini": strict,
        "pycox_adj_antolini": antolini_concordance(durations, events, *curves),
    }


def _answer_discrete_survival(arrays: Arrays) -> dict[str, ArrayLike]:
    logits = as_leaf(arrays["logits"])
    targets = as_tensor(arrays["bins"]), as_tensor(arrays["censored"])
    share = float(arrays["alpha"])
    nll = survival_nll_loss(logits, *targets, uncensored_weight=share, floor=_PUBLISHED_FLOOR)
    entropy = survival_cross_entropy_loss(
        logits, *targets, likelihood_weight=share, floor=_PUBLISHED_FLOOR
    )
    hazards, survival = hazards_and_survival(logits.detach())
    risk = discrete_risk(logits.detach()).numpy()
    concordance = harrell_concordance(arrays["event_times"], 1 - arrays["censored"], risk)
    return {
        "nll_loss": nll.item(),
        "nll_grad_logits": gradient(nll, logits),
        "ce_surv_loss": entropy.item(),
        "ce_surv_grad_logits": gradient(entropy, logits),
        "hazards": hazards.numpy(),
        "survival": survival.numpy(),
        "risk": risk,
        "c_index": concordance.index,
    }


def _answer_pathpt(arrays: Arrays) -> dict[str, ArrayLike]:
    logits = as_leaf(arrays["logits"])
    found = subtype_ratio(arrays["logits"], normal=0)
    first = subtype_ratio(arrays["logits"], normal=0, undecided="first-class")
    labels = label_tiles(
        softmax(arrays["logits"]), int(arrays["wsi_label"]) + 1, float(arrays["threshold"])
    )
    answers: dict[str, ArrayLike] = {
        "slide_label": found.label - 1,
        "confidence": found.share,
        "naive_label": first.label - 1,
        "patch_argmax": arrays["logits"].argmax(axis=1),
        "patch_labels": labels,
    }
    targets = as_tensor(labels)
    for epoch in (3, 20):
        for form in ("plain", "balanced"):
            loss = partial_label_loss(
                logits,
                targets,
                with_pseudo=epoch >= _FIRST_PSEUDO_EPOCH,
                balanced=form == "balanced",
                epsilon=_PUBLISHED_EPSILON,
            )
            name = f"ss_epoch{epoch}_{form}__"
            answers[f"{name}loss"] = loss.total.item()
            answers[f"{name}labeled_loss"] = loss.labelled.item()
            answers[f"{name}pseudo_loss"] = loss.pseudo.item()
            answers[f"{name}candidate_loss"] = loss.candidate.item()
            answers[f"{name}valid_pseudo_ratio"] = loss.pseudo_share.item()
            answers[f"{name}grad"] = gradient(loss.total, logits)
    if "calpatch_loss" in arrays:
        calibrated = partial_label_loss(
            logits,
            targets,
            with_pseudo=False,
            candidate_weight="share",
            epsilon=_PUBLISHED_EPSILON,
        ).total
        answers["calpatch_loss"] = calibrated.item()
        answers["calpatch_grad"] = gradient(calibrated, logits)
    return answers


CHECKS = {
    "renalclip_multitask_ce": FamilyCheck(
        _answer_multitask, ("logits_*", "labels_*"), tolerances=GRADIENTS
    ),
    "cox_loss": FamilyCheck(
        _answer_cox,
        ("log_hazard", "durations", "events", "sort_index"),
        tolerances={**GRADIENTS, "loss_float32": Tolerance(rtol=2e-5, atol=1e-7)},
    ),
    "cox_surv_pipeline": FamilyCheck(
        _answer_cox_pipeline,
        ("train_*", "test_*", "report_times"),
        tolerance=Tolerance(rtol=1e-5, atol=1e-7),
    ),
    "survival_cindex": FamilyCheck(
        _answer_concordance, ("durations", "events", "risk", "surv", "surv_grid", "surv_index")
    ),
    "mstar_nll": FamilyCheck(
        _answer_discrete_survival,
        ("logits", "bins", "censored", "alpha", "event_times"),
        tolerances=GRADIENTS,
    ),
    "pathpt_slide": FamilyCheck(
        _answer_pathpt,
        ("logits", "wsi_label", "threshold"),
        tolerances={**GRADIENTS, "calpatch_*": Tolerance(rtol=1e-6, atol=1e-8)},
    ),
}
