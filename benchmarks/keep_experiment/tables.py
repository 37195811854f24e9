"""The figures as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.keep_experiment.concepts import CONDITIONS
from benchmarks.keep_experiment.settings import ARMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.keep_experiment.figures import Summary
    from benchmarks.keep_experiment.statistics import Estimate

__all__ = ["arm_lines", "loss_lines", "set_lines", "target_lines"]

_ARM_WIDTH, _WIDTH = 50, 23


def arm_lines(summary: Summary) -> list[str]:
    """Return the arms, then their differences from CLIP, then both for diseases alone."""
    lines = []
    for title, found, first, second in (
        ("All classes", summary.arms, "auroc", "balanced_accuracy"),
        ("Difference from CLIP", summary.differences, "auroc", "balanced_accuracy"),
        ("Diseases of the ontology only", summary.arms, "auroc_diseases", "recall_diseases"),
        ("Difference from CLIP", summary.differences, "auroc_diseases", "recall_diseases"),
    ):
        for measured in (first, second):
            if not found:
                continue
            lines.append(_row(f"{title}: {measured}", CONDITIONS))
            lines += [
                _row(ARMS[arm].title, [_cell(rows.get(c, {}), measured) for c in CONDITIONS])
                for arm, rows in found.items()
            ]
            lines.append("")
    return lines


def set_lines(summary: Summary) -> list[str]:
    """Return every set beside its colour baseline."""
    lines = []
    for name, arms in summary.sets.items():
        for measured in ("auroc", "balanced_accuracy"):
            colour = _cell(arms["colour"].get("names", {}), measured)
            lines.append(_row(f"{name}: {measured}", CONDITIONS))
            lines.append(_row("colour means, 5 neighbours", [colour]))
            lines += [
                _row(ARMS[arm].title, [_cell(rows.get(c, {}), measured) for c in CONDITIONS])
                for arm, rows in arms.items()
                if arm != "colour"
            ]
            lines.append("")
    return lines


def target_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the targets and whether they are met."""
    return [
        f"{'met ' if row['met'] else 'MISS'} {row['line']}: {row['found']['value']:.1f} "
        f"({row['found']['low']:.1f} to {row['found']['high']:.1f}), wanted {row['wanted']}"
        for row in rows
    ]


def loss_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return where KEEP is below CLIP with its whole interval."""
    return [
        f"KEEP below CLIP: {row['where']}, {row['condition']}, {row['measure']}: "
        f"{row['value']:.1f} ({row['low']:.1f} to {row['high']:.1f})"
        for row in rows
    ]


def _cell(row: Mapping[str, Estimate], measured: str) -> str:
    found = row.get(measured)
    if found is None:
        return "-"
    return f"{found.value:.1f} ({found.low:.1f} to {found.high:.1f})"


def _row(title: str, columns: Sequence[str]) -> str:
    return f"{title:<{_ARM_WIDTH}}" + "".join(f"{column:>{_WIDTH}}" for column in columns)
