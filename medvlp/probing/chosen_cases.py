"""Which of the cases of a run something of that run was chosen on: figures on them mislead."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medvlp.config.run_selections import RunSelection, parse_run_selection
from medvlp.config.run_tables import read_case_rows
from medvlp.config.runs import RunFolder
from medvlp.config.selection import chosen_on
from medvlp.errors import DataError, MedvlpError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["RunChoices", "check_chosen", "read_run_choices"]

_NO_RECORD = "run.json is not beside the predictions, or keeps no record of what was chosen"
_MOST_NAMES = 10


@dataclass(frozen=True)
class RunChoices:
    """What was chosen for the models and tasks of a run.

    Attributes:
        selections: The choices; None where the run keeps no record of them.
        contents: Case id to the hash of the content, of the cases whose results are there.
    """

    selections: tuple[RunSelection, ...] | None
    contents: Mapping[str, str]

    def of(self, model: str, task: str) -> tuple[RunSelection, ...]:
        """Return the choices behind the answers of a model to a task.

        Args:
            model: Name of the model.
            task: Name of the task.
        """
        return tuple(
            found
            for found in self.selections or ()
            if found.model == model and found.task in {"", task}
        )


def read_run_choices(predictions: Path) -> RunChoices:
    """Read what a run says of its choices.

    Args:
        predictions: The run folder, or its table of predictions.

    Raises:
        ConfigError: MV1001 or MV1002 if a choice in ``run.json`` is none.
        MedvlpError: If the table of cases cannot be read.
    """
    folder = predictions if predictions.is_dir() else predictions.parent
    run = RunFolder(folder)
    record = _read_json(run.run_json)
    listed = record.get("selections")
    if not isinstance(listed, list):
        return RunChoices(None, {})
    source = str(run.run_json)
    try:
        selections = tuple(parse_run_selection(one, source) for one in listed)
    except (KeyError, TypeError, AttributeError) as error:
        raise MedvlpError(
            "MV1102",
            f"{source}: an entry of selections is no choice ({error})",
            expected="run.json as 'medvlp zero-shot' writes it",
        ) from error
    if not any(found.record.is_choice for found in selections):
        return RunChoices(selections, {})
    return RunChoices(selections, _contents(run))


def check_chosen(
    choices: RunChoices,
    model: str,
    task: str,
    case_ids: Sequence[str],
    *,
    labels_sha256: str,
    is_allowed: bool,
) -> dict[str, object]:
    """Refuse cases that something was chosen on, or say so where that is allowed.

    Args:
        choices: What was chosen for the run.
        model: Name of the model that is judged.
        task: Name of its task.
        case_ids: The cases with labels.
        labels_sha256: Hash of the table of labels.
        is_allowed: Whether they are judged all the same.

    Returns:
        What stands in the output: ``known``, ``allowed_on_test``, ``chosen`` with each choice, the
        number of judged cases among its own, and their names; ``warnings`` in sentences.

    Raises:
        DataError: MV1153 naming the cases.
    """
    cases = [(name, choices.contents.get(name, "")) for name in case_ids]
    told: list[dict[str, object]] = []
    warnings: list[str] = []
    hit: dict[str, None] = {}
    reasons = []
    for found in choices.of(model, task):
        record = found.record
        same = chosen_on(record, cases, labels_sha256)
        hit.update(dict.fromkeys(same))
        summary = record.summary()
        told.append(
            {
                **record.told(),
                "source": found.source,
                "num_judged_here": len(same),
                "case_ids": sorted(same),
            }
        )
        if same:
            reasons.append(summary)
            warnings.append(
                f"{len(same)} of {len(cases)} cases are among those that this was chosen on, as "
                f"was allowed: {summary}"
            )
        if record.on_test:
            warnings.append(f"chosen on the test set, as was allowed: {summary}")
    if hit and not is_allowed:
        raise _refusal(model, task, list(hit), len(cases), reasons)
    known = choices.selections is not None
    return {
        "known": known,
        "allowed_on_test": is_allowed,
        "chosen": told,
        "warnings": warnings if known else [f"not known what was chosen on what: {_NO_RECORD}"],
    }


def _refusal(
    model: str, task: str, hit: list[str], number: int, reasons: Sequence[str]
) -> DataError:
    names = ", ".join(hit[:_MOST_NAMES])
    more = f" and {len(hit) - _MOST_NAMES} more" if len(hit) > _MOST_NAMES else ""
    return DataError(
        "MV1153",
        f"{len(hit)} of the {number} cases are among those that {model} with {task} was chosen on "
        f"({'; '.join(reasons)}): {names}{more}",
        expected="cases that nothing was chosen on",
        hint="leave their rows out; --allow-selection-on-test judges them all the same, and the "
        "output says so",
    )


def _contents(run: RunFolder) -> dict[str, str]:
    """Return the hash of the content of each case whose result is there."""
    if not run.cases_csv.exists():
        return {}
    found = {}
    for row in read_case_rows(run.path):
        result = _read_json(run.case_folder(row.case_key) / "result.json")
        digest = result.get("content_sha256")
        if isinstance(digest, str):
            found[row.case_id] = digest
    return found


def _read_json(path: Path) -> dict[str, Any]:
    """Return a record; empty where there is none that can be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
