"""Label reports with findings: present, absent, uncertain; what is not mentioned has no label.

A finding is looked for by the phrases that a schema has for it. One that the schema does not know
is looked for by its names, word for word; what is denied and what is doubted is told by the same
rules.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medvlp.errors import DataError
from medvlp.text.reports.extraction import WHOLE, RulesExtractor
from medvlp.text.reports.schema import (
    FINDING_CLASSES,
    NOT_STATED,
    AttributeSchema,
    FindingAttribute,
    load_schema,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medvlp.text.reports.extraction import AttributeValue

__all__ = ["CHEST_XRAY", "REPORT_LABELS", "FindingLabeller", "finding_schema"]

CHEST_XRAY = "chest-xray"
REPORT_LABELS = {"present": 1, "absent": 0, "uncertain": -1}
"""Answer of a schema -> label. A finding that is not mentioned has none."""


class FindingLabeller:
    """Labels reports with findings.

    Args:
        findings: Name of a finding -> its other names, as a book of findings has them; all that
            the schema knows if None.
        schema: Phrases of findings; those of the chest radiograph if None.

    Raises:
        DataError: MV2309 if a finding has no name that can be looked for, MV2310 if an attribute
            of the schema is not about being present or absent.
    """

    def __init__(
        self,
        findings: Mapping[str, Sequence[str]] | None = None,
        *,
        schema: AttributeSchema | None = None,
    ) -> None:
        known = load_schema(CHEST_XRAY) if schema is None else schema
        if findings is None:
            findings = {attribute.title: () for attribute in known.attributes.values()}
        self.schema = finding_schema(findings, known)
        self.names = tuple(findings)
        self._extractor = RulesExtractor(self.schema)

    def read(self, report: str) -> dict[str, AttributeValue]:
        """Return the answer for every finding, with the words that give it.

        Args:
            report: A report with or without headings. History, indication, technique and
                comparison are passed over; a report without headings is read whole.

        Returns:
            Name -> answer, in the order of the findings; ``not stated`` where the report is silent.

        Raises:
            DataError: MV2300 without words, MV2301 if not English, MV2302 if too long.
        """
        values = self._extractor.extract(report)[WHOLE].values()
        return dict(zip(self.names, values, strict=True))

    def label(self, report: str) -> dict[str, int]:
        """Return the labels of a report.

        Args:
            report: As for :meth:`read`.

        Returns:
            Name -> 1 present, 0 absent, -1 uncertain; a finding that is not mentioned is left out.
        """
        return {
            name: REPORT_LABELS[answer.value]
            for name, answer in self.read(report).items()
            if answer.value != NOT_STATED
        }


def finding_schema(
    findings: Mapping[str, Sequence[str]], known: AttributeSchema
) -> AttributeSchema:
    """Return the schema that looks for findings, one attribute each, in their order.

    Args:
        findings: Name -> other names.
        known: Phrases of findings; a finding that has the title of an attribute as one of its names
            (case, spaces and hyphens aside) is looked for by its phrases.

    Raises:
        DataError: MV2309 or MV2310, as :class:`FindingLabeller`.
    """
    by_title = {}
    for key, attribute in known.attributes.items():
        if not isinstance(attribute, FindingAttribute):
            raise DataError(
                "MV2310",
                f"attribute {key} of schema {known.name} is a {attribute.kind}",
                expected=f"attributes of kind finding, with the answers {list(FINDING_CLASSES)}",
            )
        by_title[_words(attribute.title)] = attribute
    attributes = {}
    for place, (name, others) in enumerate(findings.items()):
        folded = [_words(text) for text in (name, *others)]
        found = next((by_title[words] for words in folded if words in by_title), None)
        if found is None:
            found = _by_names(name, folded)
        attributes[f"finding_{place}"] = found.model_copy(update={"title": name})
    return known.model_copy(update={"organ": None, "attributes": attributes})


def _by_names(name: str, folded: Sequence[str]) -> FindingAttribute:
    phrases = tuple(dict.fromkeys(words for words in folded if words))
    if not phrases:
        raise DataError(
            "MV2309",
            f"finding {name!r} has no word that a report could hold",
            expected="a name with letters or digits",
        )
    return FindingAttribute(kind="finding", title=name, phrases=phrases)


def _words(text: str) -> str:
    """Return the words of a name as a phrase, without marks that mean something in phrases."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))
