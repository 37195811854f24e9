"""What a run did, as counts for machines and as lines for people."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from medvlp.pipelines.pairing.outputs import SUMMARY_FILE
from medvlp.pipelines.pairing.splits import count_splits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.pipelines.pairing.grouping import Grouping
    from medvlp.pipelines.pairing.labels import GroupLabel
    from medvlp.pipelines.pairing.ledger import RowLedger
    from medvlp.pipelines.pairing.outputs import GroupedPairs

__all__ = ["describe_summary", "summarize"]


def summarize(
    ledger: RowLedger,
    pairs: GroupedPairs,
    grouping: Grouping,
    labels: Sequence[GroupLabel],
) -> dict[str, Any]:
    """Return the counts of all steps.

    Args:
        ledger: All rows.
        pairs: What is written.
        grouping: How groups came about, refused ones included.
        labels: What groups show, refused ones included.

    Raises:
        AssertionError: If rows that were read are neither kept nor dropped.
    """
    num_kept = sum(len(item.image.rows) for item in pairs.images)
    if num_kept + ledger.num_dropped != len(ledger.rows):
        msg = f"{len(ledger.rows)} rows, but {num_kept} kept and {ledger.num_dropped} dropped"
        raise AssertionError(msg)
    sizes = Counter(item.group_id for item in pairs.images)
    return {
        "rows": {"read": len(ledger.rows), "kept": num_kept, "dropped": ledger.num_dropped},
        "dropped": ledger.counts(),
        "images": len(pairs.images),
        "ties": grouping.counts,
        "groups": {
            "count": len(pairs.names),
            "largest": max(sizes.values()),
            "of_one_image": sum(size == 1 for size in sizes.values()),
            "captions_not_kept": grouping.num_dropped_captions,
        },
        "labels": dict(Counter(label.outcome for label in labels).most_common()),
        "splits": dict(count_splits([item.split for item in pairs.images])),
    }


def describe_summary(folder: Path) -> str:
    """Return what a run did, in lines for people.

    Args:
        folder: The folder of pairs.
    """
    summary: dict[str, Any] = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    rows, groups = summary["rows"], summary["groups"]
    lines = [f"rows: {rows['read']} read = {rows['kept']} kept + {rows['dropped']} dropped"]
    for step, reasons in summary["dropped"].items():
        lines.extend(f"  dropped by {step}: {count} {name}" for name, count in reasons.items())
    lines.append(f"images: {summary['images']} in {groups['count']} groups")
    lines.extend(f"  groups by {name}: {count}" for name, count in summary["ties"].items())
    for title, counts in (("labels", summary["labels"]), ("splits", summary["splits"])):
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        lines.append(f"{title}: {shown}")
    return "".join(f"{line}\n" for line in lines)
