"""The choices behind the figures of a run, as ``run.json`` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medvlp.config.described import about
from medvlp.config.selection import SelectionRecord
from medvlp.config.strict import parse_model

__all__ = ["RunSelection", "parse_run_selection", "run_selection"]


@dataclass(frozen=True, kw_only=True)
class RunSelection:
    """What was chosen for a model, or for a model with a task, and on which cases."""

    model: str = field(metadata=about("Name of the model."))
    task: str = field(
        default="", metadata=about("Name of the task; empty for what goes for every task.")
    )
    source: str = field(metadata=about("The model itself, or the file that the choice is from."))
    chosen: str = field(metadata=about("What was chosen, such as checkpoint or threshold."))
    rule: str = field(metadata=about("How, in words."))
    metric: str = field(
        default="", metadata=about("What was compared; empty where nothing was chosen.")
    )
    mode: str = field(default="", metadata=about("max or min; empty where nothing was chosen."))
    value: float | None = field(default=None, metadata=about("Its value where the choice fell."))
    step: int | None = field(default=None, metadata=about("Optimiser step of a checkpoint."))
    split: str = field(default="", metadata=about("Name of the part or set of the data."))
    data_sha256: str = field(
        default="", metadata=about("Hash of the labels or of the manifest of that set.")
    )
    number: int = field(default=0, metadata=about("How many cases."))
    num_groups: int = field(
        default=0, metadata=about("How many patients or other groups; 0 where not known.")
    )
    content_sha256: tuple[str, ...] = field(
        default=(),
        metadata=about("Hash of the content of each case, or its leading digits, sorted."),
    )
    case_id_sha256: tuple[str, ...] = field(
        default=(), metadata=about("Hash of the name of each case, sorted.")
    )
    on_test: bool = field(
        default=False,
        metadata=about("Whether it was chosen on the test set, which a user has allowed."),
    )

    @property
    def record(self) -> SelectionRecord:
        """The choice without what it belongs to."""
        own = {name: value for name, value in vars(self).items() if name not in _PLACE}
        return SelectionRecord(**(own | {"mode": self.mode or None}))


_PLACE = ("model", "task", "source")


def run_selection(record: SelectionRecord, *, model: str, task: str, source: str) -> RunSelection:
    """Return what ``run.json`` says of a choice.

    Args:
        record: The choice.
        model: Name of the model.
        task: Name of the task; empty for what goes for every task.
        source: The model itself, or the name of the file that the choice is from.
    """
    values = {name: getattr(record, name) for name in SelectionRecord.model_fields}
    values["mode"] = record.mode or ""
    return RunSelection(model=model, task=task, source=source, **values)


def parse_run_selection(document: Mapping[str, Any], source: str) -> RunSelection:
    """Return a choice as ``run.json`` holds it.

    Args:
        document: The plain values.
        source: Name of the file, for messages.

    Raises:
        ConfigError: MV1001 or MV1002 if they are no such choice.
        KeyError: If it is not said what the choice belongs to.
    """
    own = {name: value for name, value in document.items() if name not in _PLACE}
    own["mode"] = own.get("mode") or None
    record = parse_model(own, SelectionRecord, source=source)
    place = {name: str(document[name]) for name in _PLACE}
    return run_selection(record, **place)
