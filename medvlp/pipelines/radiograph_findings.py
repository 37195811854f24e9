"""Which findings the labels of a folder of radiographs are about, and where labels come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.data.radiograph_texts import find_facets
from medvlp.errors import DataError
from medvlp.knowledge.facets import load_finding_book
from medvlp.text.reports.finding_labels import FindingLabeller

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medvlp.knowledge.facets import FindingBook

__all__ = ["LabelPlan", "plan_labels"]


@dataclass(frozen=True)
class LabelPlan:
    """Where labels come from.

    Attributes:
        book: The book of findings.
        book_text: The file's text where it is not the book of the package.
        findings: Names of the findings: those of the book in its order if reports are read, then
            those of columns that are sides of them.
        columns: Finding -> column of its labels.
        labeller: What reads labels from reports; None reads none.
    """

    book: FindingBook
    book_text: str
    findings: tuple[str, ...]
    columns: dict[str, str]
    labeller: FindingLabeller | None

    @property
    def schema_name(self) -> str:
        """The rules that read reports; empty where none are read."""
        return "" if self.labeller is None else self.labeller.schema.name


def plan_labels(
    book: Path | None, label_columns: Mapping[str, str], *, read_reports: bool
) -> LabelPlan:
    """Say which findings labels are about.

    Args:
        book: The book of findings; None for the one that comes with the package.
        label_columns: Name or synonym of a finding -> column of its labels.
        read_reports: Whether labels are read from reports, for all findings of the book.

    Raises:
        ConfigError: If the file is no book.
        DataError: MV1796 if a finding is not in the book, MV1795 if two names mean the same.
    """
    known = load_finding_book(book)
    named = find_facets(known, list(label_columns))
    columns: dict[str, str] = {}
    for facets, (asked, column) in zip(named, label_columns.items(), strict=True):
        if facets.name in columns:
            raise DataError(
                "MV1795",
                f"label_columns: {asked!r} is another name of {facets.name!r}, which is there too",
                expected="one column for each finding",
            )
        columns[facets.name] = column
    order = [name for name in known.names if read_reports or name in columns]
    others = {finding.name: finding.synonyms for finding in known}
    return LabelPlan(
        book=known,
        book_text="" if book is None else book.read_text(encoding="utf-8"),
        findings=(*order, *(name for name in columns if name not in order)),
        columns=columns,
        labeller=FindingLabeller(others) if read_reports else None,
    )
