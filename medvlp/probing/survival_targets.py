"""Times and events of a table of labels, refused where no survival can be learnt from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import DataError
from medvlp.probing.label_table import bad_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.probing.label_table import LabelTable
    from medvlp.probing.samples import ProbeSamples

__all__ = ["SurvivalTargets", "check_events", "survival_targets"]

_EVENT_WORDS = {"0": 0, "1": 1, "false": 0, "true": 1, "no": 0, "yes": 1}


@dataclass(frozen=True, eq=False)
class SurvivalTargets:
    """What happened to each sample.

    Attributes:
        months: Time of event or censoring, months, > 0, shape ``(N,)``, float64.
        events: 1 where the event was seen, 0 where censored, shape ``(N,)``, int64.
    """

    months: NDArray[np.float64]
    events: NDArray[np.int64]


def survival_targets(
    samples: ProbeSamples, table: LabelTable
) -> tuple[ProbeSamples, SurvivalTargets]:
    """Return the samples with a time and an event, and both.

    Args:
        samples: The samples; those without ``months`` or without ``event`` are left out and noted.
        table: Where they come from, for messages.

    Raises:
        DataError: MV2320 without the columns ``months`` and ``event``, or where no row has both;
            MV2325 for a time that is no number or not above 0, or an event other than 0 and 1;
            MV2324 if no sample has an event.
    """
    table.require("months", "event")
    keep = [i for i, row in enumerate(samples.rows) if row["months"] and row["event"]]
    if not keep:
        raise bad_labels(table.path, "no row with features has months and event")
    found = samples.select(keep, "samples without months or event")
    months, events = [], []
    for case_id, row in zip(found.case_ids, found.rows, strict=True):
        time, event = _number(row["months"]), _EVENT_WORDS.get(row["event"].lower())
        if time is None or not time > 0 or event is None:
            raise bad_labels(
                table.path,
                f"case {case_id!r} has months {row['months']!r} and event {row['event']!r}",
                code="MV2325",
                expected="months above 0 and event 0 (censored) or 1 (seen)",
                hint="a patient who died on the first day has half a day, 0.016; leave out who "
                "was never followed",
            )
        months.append(time)
        events.append(event)
    targets = SurvivalTargets(np.asarray(months), np.asarray(events, dtype=np.int64))
    check_events(targets.events, str(table.path))
    return found, targets


def check_events(events: NDArray[np.int64], where: str) -> None:
    """Refuse samples of which none has an event.

    Raises:
        DataError: MV2324.
    """
    if not events.any():
        raise DataError(
            "MV2324",
            f"{where}: all {len(events)} samples are censored, so there is no event to learn from",
            expected="an event (1) in the training part at least",
            hint="check that 1 means that the event was seen",
        )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
