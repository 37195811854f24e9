"""Answer the attributes of a schema from a report, by rules, with the words that say so.

Where a report contradicts itself, the graver answer holds: present before uncertain before absent,
the class listed first, the largest length. The answer is then marked and both statements are kept
as evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from medvlp.text.negation import assess
from medvlp.text.reports.cleaning import check_report
from medvlp.text.reports.measurements import find_measurements
from medvlp.text.reports.readers import AttributeValue, Evidence, ReportContext, build_reader
from medvlp.text.reports.sections import report_body
from medvlp.text.reports.sentences import mark_items, report_sentences
from medvlp.text.reports.sides import KIDNEY, SIDES, SidePart, find_side_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.text.reports.schema import AttributeSchema

__all__ = [
    "WHOLE",
    "AttributeExtractor",
    "AttributeValue",
    "Evidence",
    "ReportAttributes",
    "RulesExtractor",
]

WHOLE = "whole"
_ORGANS = {"kidney": KIDNEY}

ReportAttributes = dict[str, dict[str, AttributeValue]]
"""Side (``left``, ``right``; ``whole`` without sides) -> attribute -> answer."""


class AttributeExtractor(Protocol):
    """What reads the attributes of a schema from reports."""

    @property
    def schema(self) -> AttributeSchema:
        """The schema whose attributes are read."""

    def extract(self, report: str) -> ReportAttributes:
        """Return the answer of every attribute for every side."""


class RulesExtractor:
    """Reads attributes by the phrases of a schema and the rules of negation.

    Args:
        schema: The schema.
    """

    def __init__(self, schema: AttributeSchema) -> None:
        self.schema = schema
        self._readers = {
            name: build_reader(attribute) for name, attribute in schema.attributes.items()
        }

    def extract(self, report: str) -> ReportAttributes:
        """Return the answer of every attribute.

        Args:
            report: The report, with or without headings; sections of background (history,
                technique, comparison) are passed over.

        Returns:
            Side -> attribute -> answer. A side of which the report says nothing has ``not stated``
            throughout; what names no side belongs to neither.

        Raises:
            DataError: MV2300 without words, MV2301 if not English, MV2302 if too long.
        """
        check_report(report)
        assertions = assess(
            mark_items(report_body(report)),
            absent_before=self.schema.absent_before,
            absent_after=self.schema.absent_after,
        )
        context = ReportContext(assertions, find_measurements(report))
        return {
            side: {name: reader.read(parts, context) for name, reader in self._readers.items()}
            for side, parts in self._sides(report).items()
        }

    def _sides(self, report: str) -> dict[str, Sequence[SidePart]]:
        if self.schema.organ is not None:
            parts = find_side_parts(report, _ORGANS[self.schema.organ])
            return {side: parts.of(side) for side in SIDES}
        return {
            WHOLE: [
                SidePart(((sentence.start, sentence.end),), sentence.words)
                for sentence in report_sentences(report_body(report))
            ]
        }
