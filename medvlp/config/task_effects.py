"""Settings of a task that would have no effect are refused: something else was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.config.strict import rule_error
from medvlp.config.task_records import FINDING_HEADS, PAIR_HEADS

if TYPE_CHECKING:
    from medvlp.config.task_records import TaskFields

__all__ = ["RATIO_HEADS", "check_effect"]

RATIO_HEADS = ("detection-ratio", "segmentation")
"""Heads that count the tiles of one positive class."""


def check_effect(task: TaskFields) -> None:
    """Raise the first setting that no part of a task would look at; roles of classes stay allowed.

    Args:
        task: A task whose single values are valid.
    """
    used_by = {
        "threshold": (task.threshold != 0.5, (*RATIO_HEADS, *FINDING_HEADS)),
        "min_ratio": (task.min_ratio != 0.05, RATIO_HEADS),
        "undecided": (task.undecided != "second-choice", ("subtype-ratio",)),
        "unit_pooling": (task.unit_pooling != "max", PAIR_HEADS),
    }
    for key, (is_set, heads) in used_by.items():
        if is_set and not set(heads) & set(task.heads):
            raise rule_error(
                "MV1506",
                f"no head of this task ({', '.join(task.heads)}) looks at it",
                hint=f"remove the key, or add one of {list(heads)}",
                at=key,
            )
    if task.aggregate != "mean" and not task.top_j:
        raise rule_error("MV1506", "there is no top_j to aggregate", at="aggregate")
    if task.top_j and task.modality == "radiograph":
        raise rule_error("MV1506", "a radiograph has one embedding only", at="top_j")
    if getattr(task.prompts.ensemble, "screen", None) and task.modality != "slide":
        raise rule_error(
            "MV1506", "prompts are screened on the tiles of slides only", at="prompts.ensemble"
        )
    _check_absence(task)
    _check_model_head(task)
    _check_own_thresholds(task)
    _check_pooling(task)


def _check_absence(task: TaskFields) -> None:
    """Refuse words for the absence of something that no head asks for."""
    for name, spec in task.classes.items():
        if spec.absent_names and (
            "present-absent" not in task.heads or name not in task.finding_names
        ):
            raise rule_error(
                "MV1506",
                "absent_names are used by head 'present-absent' only, for what is not normal",
                at=f"classes.{name}",
            )
    if task.absent_templates and (
        "present-absent" not in task.heads
        or all(task.classes[name].absent_names for name in task.finding_names)
    ):
        raise rule_error(
            "MV1506",
            "they are used by head 'present-absent' only, for classes without absent_names",
            at="absent_templates",
        )


def _check_model_head(task: TaskFields) -> None:
    """Refuse prompts where the model is asked by findings, and findings where prompts ask."""
    if "findings" in task.heads:
        unread = {
            "templates": bool(task.templates),
            "normal": task.normal is not None,
            "logit_scale": task.logit_scale != "model",
            "prompt_pooling": task.prompt_pooling != "mean",
            "prompts": task.prompts.ensemble != "all",
        }
        for key, is_set in unread.items():
            if is_set:
                raise rule_error(
                    "MV1506", "head 'findings' makes no prompts", hint="remove the key", at=key
                )
        return
    if task.book is not None:
        raise rule_error("MV1506", "only head 'findings' reads a book of findings", at="book")
    for name, spec in task.classes.items():
        if spec.finding is not None:
            raise rule_error(
                "MV1506",
                "only head 'findings' looks findings up in a book",
                at=f"classes.{name}.finding",
            )


def _check_own_thresholds(task: TaskFields) -> None:
    """Refuse thresholds of classes that are not judged by themselves, and one that none takes."""
    for name, spec in task.classes.items():
        if spec.threshold is not None and name not in task.finding_names:
            raise rule_error(
                "MV1506",
                "only findings that are judged one by one have a threshold of their own",
                hint=f"remove the key, or use one of {list(FINDING_HEADS)}",
                at=f"classes.{name}.threshold",
            )
    own = [task.classes[name].threshold for name in task.finding_names]
    if task.threshold != 0.5 and own and None not in own:
        raise rule_error("MV1506", "every finding has a threshold of its own", at="threshold")


def _check_pooling(task: TaskFields) -> None:
    """Refuse ways of pooling where there is nothing to pool."""
    if task.unit_pooling != "max" and task.modality == "radiograph":
        raise rule_error("MV1506", "a radiograph has one embedding only", at="unit_pooling")
    if task.prompt_pooling == "mean":
        return
    ensemble = task.prompts.ensemble
    reasons = {
        "the tiles of slides are compared with the mean of the prompts": task.modality == "slide",
        "there is only one prompt per class": ensemble == "first-prompt",
        "drawn prompts are added up": getattr(ensemble, "random", None) is not None,
    }
    for reason, holds in reasons.items():
        if holds:
            raise rule_error(
                "MV1506", reason, hint="remove the key, its default is mean", at="prompt_pooling"
            )
