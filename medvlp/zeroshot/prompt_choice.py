"""Which prompts make a classifier: all of the task or a file, all combinations, or drawn ones."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from medvlp.config.task import PromptSource
from medvlp.errors import ConfigError
from medvlp.text.prompts import PromptSet, load_prompt_sets
from medvlp.zeroshot.screening import draw_prompt_sets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medvlp.config.task import Task

__all__ = ["ABSENT", "PRESENT", "choose_class_prompts", "choose_pair_prompts"]

PRESENT, ABSENT = "present", "absent"
"""Names of the two classes of the prompt sets that judge one finding."""

_MAX_CANDIDATES = 10_000
_RULES = {
    "mean": {
        "all": "mean over all names and templates",
        "first-name": "mean over all templates of the first name",
        "first-prompt": "the first name in the first template",
    },
    "max": {
        "all": "the nearest of all names and templates",
        "first-name": "the nearest of all templates of the first name",
    },
}


def choose_class_prompts(task: Task) -> tuple[tuple[PromptSet, ...], str]:
    """Return the prompt sets that tell all classes of a task apart, and the rule in words.

    Args:
        task: The task; its prompt file, if it names one, is read here.

    Raises:
        ConfigError: MV1510 if a prompt file does not fit, MV1515 if there are too many sets.
    """
    names = {name: spec.names for name, spec in task.classes.items()}
    sets, what = _candidates(task, names, _sets_of_task_file(task))
    return _choose(task, sets, f"{len(sets)} {what}")


def choose_pair_prompts(task: Task) -> tuple[dict[str, tuple[PromptSet, ...]], str]:
    """Return prompt sets of the classes :data:`PRESENT` and :data:`ABSENT` for each finding.

    Against a finding stand its ``absent_names`` (head ``present-absent``), else the names of the
    normal class (``multi-label``). Absent names go into the templates of a prompt file too.

    Args:
        task: The task; its prompt file, if it names one, is read here.

    Returns:
        The sets of each finding of ``finding_names``, and the rule in words.

    Raises:
        ConfigError: MV1510 if a prompt file does not fit, MV1515 if there are too many sets.
    """
    of_file = _sets_of_task_file(task)
    chosen, rule = {}, ""
    for finding in task.finding_names:
        own = None
        if of_file is not None:
            own = tuple(_pair(task, finding, found.names, found.templates) for found in of_file)
        names = {name: spec.names for name, spec in task.classes.items()}
        pair = _pair(task, finding, names, task.templates)
        sets, what = _candidates(task, pair.names, own)
        chosen[finding], rule = _choose(task, sets, f"the {what} for and against each finding")
    return chosen, rule


def _pair(
    task: Task, finding: str, names: Mapping[str, tuple[str, ...]], templates: tuple[str, ...]
) -> PromptSet:
    against = task.classes[finding].absent_names or names[str(task.normal)]
    return PromptSet({PRESENT: names[finding], ABSENT: against}, templates)


def _sets_of_task_file(task: Task) -> tuple[PromptSet, ...] | None:
    source = task.prompts.ensemble
    if not isinstance(source, PromptSource) or source.file is None:
        return None
    return _sets_of_file(task, source.file)


def _sets_of_file(task: Task, path: Path) -> tuple[PromptSet, ...]:
    sets = load_prompt_sets(path)
    if set(sets[0].names) != set(task.classes):
        raise ConfigError(
            "MV1510",
            f"{path}: its classes are {sorted(sets[0].names)}",
            expected=f"the classes of task {task.name}, {sorted(task.classes)}",
        )
    return sets


def _candidates(
    task: Task, names: Mapping[str, tuple[str, ...]], of_file: tuple[PromptSet, ...] | None
) -> tuple[tuple[PromptSet, ...], str]:
    """Return the sets to choose from and what they are; the words for them are of this task."""
    ensemble = task.prompts.ensemble
    if of_file is not None:
        return of_file, f"prompt sets of {_file_name(task)}"
    if isinstance(ensemble, PromptSource):
        sets = _all_combinations(task.name, PromptSet(names, task.templates))
        return sets, "combinations of names and templates"
    if ensemble != "all":
        names = {name: texts[:1] for name, texts in names.items()}
    templates = task.templates[:1] if ensemble == "first-prompt" else task.templates
    return (PromptSet(names, templates),), "prompts"


def _file_name(task: Task) -> str:
    file = getattr(task.prompts.ensemble, "file", None)
    return "" if file is None else str(file.name)


def _choose(
    task: Task, sets: tuple[PromptSet, ...], origin: str
) -> tuple[tuple[PromptSet, ...], str]:
    """Draw from the candidate sets where the task asks for it, and put the rule in words."""
    source = task.prompts.ensemble
    if not isinstance(source, PromptSource):
        return sets, _RULES[task.prompt_pooling][source]
    if task.prompt_pooling == "max":
        return sets, f"the nearest prompt of {origin}"
    if source.random is not None:
        drawn = tuple(sets[index] for index in draw_prompt_sets(len(sets), source.random))
        return drawn, f"sum of {source.random} draws with replacement from {origin}"
    if source.screen is None:
        return sets, f"sum of {origin}"
    kept = min(source.screen, len(sets))
    return sets, (
        f"the {kept} of {origin} that part the classes best on the tiles of the slide that is "
        "judged, without labels; this choice is transductive: it looks at the slide itself"
    )


def _all_combinations(task_name: str, prompts: PromptSet) -> tuple[PromptSet, ...]:
    """Return the sets of one name per class with one template, in every combination."""
    count = len(prompts.templates) * math.prod(len(texts) for texts in prompts.names.values())
    if count > _MAX_CANDIDATES:
        raise ConfigError(
            "MV1515",
            f"task {task_name}: its names and templates make {count} prompt sets",
            expected=f"at most {_MAX_CANDIDATES}",
            hint="shorten the lists, or give the sets in a prompt file",
        )
    return tuple(
        PromptSet(dict(zip(prompts.names, ((text,) for text in texts), strict=True)), (template,))
        for texts in itertools.product(*prompts.names.values())
        for template in prompts.templates
    )
