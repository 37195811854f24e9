"""What a report says of each side of a scan: its text, and the attributes that it states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medvlp.text.reports.cleaning import check_report, compose_report
from medvlp.text.reports.sections import section_text
from medvlp.text.reports.sides import (
    SIDES,
    Side,
    check_side,
    find_side_parts,
    side_texts,
)

if TYPE_CHECKING:
    from medvlp.text.reports.extraction import AttributeExtractor

__all__ = ["SideReport", "read_report", "report_of_columns"]


@dataclass(frozen=True, kw_only=True)
class SideReport:
    """What a report says of one side.

    Attributes:
        text: Its sentences about this side, cleaned.
        origin: ``stated``; ``silent`` where it says nothing of this side, and the text is the
            sentence that stands for that; ``none`` without a report.
        attributes: Attribute -> class, -1 not stated.
    """

    text: str
    origin: Literal["stated", "silent", "none"]
    attributes: dict[str, int]


def report_of_columns(report: str, findings: str, impression: str) -> str:
    """Return the report of a row of a table: as it is, or put together of its two sections.

    Args:
        report: The whole report; goes first.
        findings: Text of the findings.
        impression: Text of the impression.
    """
    return report.strip() or compose_report(findings, impression)


def read_report(
    report: str,
    *,
    extractor: AttributeExtractor | None,
    only_side: Side | None = None,
    abnormal: frozenset[Side] = frozenset(),
) -> dict[Side, SideReport]:
    """Part a report by side, and read what it states of each.

    Args:
        report: A whole report; an empty one gives empty texts.
        extractor: What reads attributes; None reads none.
        only_side: The one side that the report was written for.
        abnormal: Sides known to be abnormal, which silence must not call normal.

    Returns:
        Side -> what is said of it; of ``only_side`` alone where that is given.

    Raises:
        DataError: MV2300 to MV2302 if it is no English report, MV2303 if it was written for one
            side and speaks of the other only.
    """
    sides: tuple[Side, ...] = SIDES if only_side is None else (only_side,)
    if not report.strip():
        return {side: SideReport(text="", origin="none", attributes={}) for side in sides}
    check_report(report)
    if only_side is not None:
        check_side(report, only_side)
    texts = side_texts(report, abnormal=abnormal)
    parts = find_side_parts(report)
    stated = {} if extractor is None else extractor.extract(report)
    found: dict[Side, SideReport] = {}
    for side in sides:
        is_stated, text = bool(parts.of(side)), texts[side]
        if only_side is not None and not is_stated:
            is_stated, text = True, _whole(report)
        answers = stated.get(side, {})
        schema = None if extractor is None else extractor.schema
        found[side] = SideReport(
            text=text,
            origin="stated" if is_stated else "silent",
            attributes={}
            if schema is None
            else {name: schema.class_index(name, answer.value) for name, answer in answers.items()},
        )
    return found


def _whole(report: str) -> str:
    findings, impression = (section_text(report, kind) for kind in ("findings", "impression"))
    return compose_report(findings, impression) or compose_report(report, "").removeprefix(
        "Findings: "
    )
