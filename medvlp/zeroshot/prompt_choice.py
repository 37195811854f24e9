"""Which prompts make a classifier: all of the task or a file, all combinations, or drawn ones."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.config.task import PromptSource
from medvlp.errors import ConfigError
from medvlp.text.prompts import PromptSet, load_prompt_sets
from medvlp.zeroshot.screening import draw_prompt_sets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medvlp.config.task import Task

__all__ = ["PairPrompts", "choose_class_prompts", "choose_pair_prompts"]

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
    sets, what = _candidates(task, PromptSet(names, task.templates), _sets_of_task_file(task))
    return _choose(task, sets, f"{len(sets)} {what}")


@dataclass(frozen=True)
class PairPrompts:
    """Prompt sets for and against each finding.

    Attributes:
        present: Finding to prompt sets that hold it.
        absent: Finding to prompt sets that hold, under its name, the words against it.
        rule: How they are chosen, in words.
    """

    present: Mapping[str, tuple[PromptSet, ...]]
    absent: Mapping[str, tuple[PromptSet, ...]]
    rule: str


def choose_pair_prompts(task: Task) -> PairPrompts:
    """Return the prompt sets that judge each finding by itself.

    Against a finding stand its ``absent_names`` in the same templates, else its own names in the
    ``absent_templates`` (head ``present-absent``), or the names of the normal class
    (``multi-label``). The templates are those of the prompt file where there is one.

    Args:
        task: The task; its prompt file, if it names one, is read here.

    Raises:
        ConfigError: MV1510 if a prompt file does not fit, MV1515 if there are too many sets.
    """
    of_file = _sets_of_task_file(task)
    names = {name: spec.names for name, spec in task.classes.items()}
    written = PromptSet(names, task.templates)
    found: dict[bool, dict[str, tuple[PromptSet, ...]]] = {True: {}, False: {}}
    rule = ""
    for finding, is_present in itertools.product(task.finding_names, (True, False)):
        own = _one_side(task, finding, written, is_present=is_present)
        sides = None
        if of_file is not None:
            sides = tuple(_one_side(task, finding, s, is_present=is_present) for s in of_file)
        sets, what = _candidates(task, own, sides)
        found[is_present][finding], rule = _choose(
            task, sets, f"the {what} for and against each finding"
        )
    return PairPrompts(found[True], found[False], rule)


def _one_side(task: Task, finding: str, words: PromptSet, *, is_present: bool) -> PromptSet:
    names, templates = words.names[finding], words.templates
    if not is_present and task.classes[finding].absent_names:
        names = task.classes[finding].absent_names
    elif not is_present and "present-absent" in task.heads:
        templates = task.absent_templates
    elif not is_present:
        names = words.names[str(task.normal)]
    return PromptSet({finding: names}, templates)


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
    task: Task, written: PromptSet, of_file: tuple[PromptSet, ...] | None
) -> tuple[tuple[PromptSet, ...], str]:
    """Return the sets to choose from, those of the file first, and what they are."""
    ensemble = task.prompts.ensemble
    if of_file is not None:
        return of_file, f"prompt sets of {_file_name(task)}"
    if isinstance(ensemble, PromptSource):
        return _all_combinations(task.name, written), "combinations of names and templates"
    names, templates = written.names, written.templates
    if ensemble != "all":
        names = {name: texts[:1] for name, texts in names.items()}
    if ensemble == "first-prompt":
        templates = templates[:1]
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
