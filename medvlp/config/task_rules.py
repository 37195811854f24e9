"""What must go together in a task; each rule names the path, the value and a way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.config.strict import rule_error
from medvlp.config.task_effects import RATIO_HEADS, check_effect
from medvlp.config.task_records import FINDING_HEADS, PAIR_HEADS
from medvlp.errors import nearest_name

if TYPE_CHECKING:
    from medvlp.config.task_records import TaskFields

__all__ = ["HEADS_BY_MODALITY", "check_task"]

HEADS_BY_MODALITY: dict[str, tuple[str, ...]] = {
    "slide": ("detection-ratio", "subtype-ratio", "top-j", "mean", "segmentation"),
    "ct": ("present-absent", "multi-label", "top-j", "mean"),
    "radiograph": ("findings", "present-absent", "multi-label", "mean"),
}


def check_task(task: TaskFields) -> None:
    """Raise the first broken rule of a task whose single values are valid."""
    _check_class_names(task)
    _check_names(task)
    _check_templates(task)
    _check_named_classes(task)
    _check_heads(task)
    _check_positive_class(task)
    _check_scale(task)
    _check_top_j(task)
    check_effect(task)


def _check_class_names(task: TaskFields) -> None:
    seen: dict[str, str] = {}
    for name in task.classes:
        twin = seen.setdefault(_fold(name), name)
        if twin != name:
            raise rule_error(
                "MV1507", f"{name!r} and {twin!r} differ in case or spaces only", at="classes"
            )


def _check_names(task: TaskFields) -> None:
    """Every class has names, and no name stands for two things."""
    owners: dict[str, str] = {}
    for name, spec in task.classes.items():
        if not (spec.names or _asks_model(task) or _uses_prompt_file(task)):
            raise rule_error(
                "MV1504",
                "the class has no names",
                hint="list the words that stand for it under 'names'",
                at=f"classes.{name}",
            )
        for words in (*spec.names, *spec.absent_names):
            if _fold(words) in owners:
                raise rule_error(
                    "MV1507",
                    f"{words!r} is already a name of {owners[_fold(words)]!r}",
                    expected="each name once in the whole task",
                    at=f"classes.{name}",
                )
            owners[_fold(words)] = name


def _check_templates(task: TaskFields) -> None:
    if not (task.templates or _asks_model(task) or _uses_prompt_file(task)):
        raise rule_error(
            "MV1504",
            "there are no templates",
            expected="a list of sentences",
            hint="the plainest is templates: ['{}.']",
            at="templates",
        )
    known: set[str] = set()
    for key, templates in (
        ("templates", task.templates),
        ("absent_templates", task.absent_templates),
    ):
        for index, template in enumerate(templates):
            if template.count("{}") != 1:
                raise rule_error(
                    "MV1504",
                    f"{template!r} has {template.count('{}')} places for the name",
                    expected="{} exactly once",
                    at=f"{key}[{index}]",
                )
            if _fold(template) in known:
                raise rule_error("MV1507", "a template is given twice", at=key)
            known.add(_fold(template))


def _check_named_classes(task: TaskFields) -> None:
    for key, name in (("normal", task.normal), ("positive", task.positive)):
        if name is not None and name not in task.classes:
            raise rule_error(
                "MV1502",
                f"{name!r} names no class{nearest_name(name, task.classes)}",
                expected=f"one of {list(task.classes)}",
                at=key,
            )
    if task.positive is not None and task.positive == task.normal:
        raise rule_error(
            "MV1502", f"{task.positive!r} cannot be both positive and normal", at="positive"
        )


def _check_heads(task: TaskFields) -> None:
    if len(set(task.heads)) < len(task.heads):
        raise rule_error("MV1507", "a head is given twice", at="head")
    fitting = HEADS_BY_MODALITY[task.modality]
    for head in task.heads:
        if head not in fitting:
            raise rule_error(
                "MV1506",
                f"head {head!r} does not judge modality {task.modality!r}",
                expected=f"one of {list(fitting)}",
                at="head",
            )
    few = len(task.classes) < 2
    if few and not set(task.heads) <= set(FINDING_HEADS):
        raise rule_error(
            "MV1503",
            f"the only class is {next(iter(task.classes))!r}",
            expected="at least two classes to tell apart",
            at="classes",
        )
    if "subtype-ratio" in task.heads:
        _check_subtypes(task)
    if "top-j" in task.heads and not task.top_j:
        raise rule_error(
            "MV1503", "head 'top-j' needs top_j", hint="for example top_j: [10, 50]", at="top_j"
        )
    if set(task.heads) & set(PAIR_HEADS):
        _check_findings(task)
    if "findings" in task.heads and len(task.heads) > 1:
        raise rule_error(
            "MV1506",
            "head 'findings' asks the model itself, and no other head looks at its answers",
            expected="head: findings, alone",
            at="head",
        )


def _check_findings(task: TaskFields) -> None:
    """Every finding that is judged by itself has words against it, of its own or of all."""
    if set(PAIR_HEADS) <= set(task.heads):
        raise rule_error(
            "MV1506",
            "'present-absent' and 'multi-label' answer the same question in two ways",
            expected="one of them",
            at="head",
        )
    if "multi-label" in task.heads and task.normal is None:
        raise rule_error(
            "MV1503",
            "head 'multi-label' needs the class that every finding is compared with",
            expected=f"one of {list(task.classes)}",
            hint="with words for the absence of each finding use head 'present-absent'",
            at="normal",
        )
    if not task.finding_names:
        raise rule_error(
            "MV1503", "there is no class beside the normal one to look for", at="classes"
        )
    if "present-absent" not in task.heads:
        return
    if task.normal is not None and task.heads == ("present-absent",):
        raise rule_error(
            "MV1506",
            "head 'present-absent' compares each finding with its own absence",
            hint="remove the key, or use head 'multi-label'",
            at="normal",
        )
    for name in task.finding_names:
        if not (task.classes[name].absent_names or task.absent_templates):
            raise rule_error(
                "MV1503",
                "head 'present-absent' needs absent_names or absent_templates",
                hint="for example absent_names: [no fracture], or for all classes "
                "absent_templates: ['there is no {}.']",
                at=f"classes.{name}",
            )


def _check_subtypes(task: TaskFields) -> None:
    if task.normal is None:
        raise rule_error(
            "MV1503",
            "head 'subtype-ratio' needs the class that is left out of the ratio",
            expected=f"one of {list(task.classes)}",
            at="normal",
        )
    if len(task.classes) < 3:
        raise rule_error(
            "MV1503",
            "head 'subtype-ratio' has only one class beside the normal one",
            expected="at least two subtypes",
            hint="use head 'detection-ratio' to look for one class",
            at="classes",
        )


def _check_positive_class(task: TaskFields) -> None:
    wanting = [head for head in RATIO_HEADS if head in task.heads]
    if wanting and task.positive is None:
        raise rule_error(
            "MV1503",
            f"head {wanting[0]!r} needs the class that it looks for",
            expected=f"one of {list(task.classes)}",
            at="positive",
        )
    if wanting and task.normal is None and len(task.classes) > 2:
        raise rule_error(
            "MV1503",
            f"head {wanting[0]!r} with {len(task.classes)} classes needs the negative one",
            expected=f"one of {list(task.classes)}",
            at="normal",
        )


def _check_scale(task: TaskFields) -> None:
    kind = {"SlideScale": "slide", "CtScale": "ct"}.get(type(task.scale).__name__)
    if task.modality == "radiograph" and kind is not None:
        raise rule_error("MV1505", "radiographs have no scale", hint="remove the key", at="scale")
    if task.modality != "radiograph" and kind is None:
        raise rule_error("MV1505", f"modality {task.modality!r} needs a scale", at="scale")
    if kind is not None and kind != task.modality:
        raise rule_error(
            "MV1505",
            f"this is a {kind} scale, but modality is {task.modality!r}",
            expected="mpp and tile_px for slides; spacing_mm and window_hu for ct",
            at="scale",
        )


def _check_top_j(task: TaskFields) -> None:
    for index, j in enumerate(task.top_j):
        if j < 1:
            raise rule_error(
                "MV1508", f"{j} is not positive", expected="at least 1", at=f"top_j[{index}]"
            )
    if len(set(task.top_j)) < len(task.top_j):
        raise rule_error("MV1507", "a number is given twice", at="top_j")


def _asks_model(task: TaskFields) -> bool:
    return "findings" in task.heads


def _uses_prompt_file(task: TaskFields) -> bool:
    return getattr(task.prompts.ensemble, "file", None) is not None


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()
