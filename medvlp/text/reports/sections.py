"""Find the sections of a report by their headings: findings, impression, history and the like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from medvlp.text.reports.sentences import report_sentences

__all__ = ["ReportSection", "SectionKind", "find_sections", "report_body", "section_text"]

SectionKind = Literal["findings", "impression", "background", "unnamed"]

_HEADINGS: dict[str, SectionKind] = {
    **dict.fromkeys(
        """findings|finding|observations|description|report|imaging findings|ct findings|
        radiological findings|body of report|findings and impression|findings/impression|
        findings & impression|wet read|preliminary report""".replace("\n", "").split("|"),
        "findings",
    ),
    **dict.fromkeys(
        """impression|impressions|conclusion|conclusions|opinion|diagnosis|summary|assessment|
        interpretation|result|results|final impression|imaging diagnosis|radiological diagnosis
        """.replace("\n", "").split("|"),
        "impression",
    ),
    **dict.fromkeys(
        """history|clinical history|clinical information|clinical indication|clinical data|
        clinical details|indication|indications|reason for exam|reason for examination|technique|
        protocol|procedure|comparison|comparisons|contrast|examination|exam|study|recommendation|
        recommendations|addendum|recommendation(s)|reason for this exam|
        reason for this examination|reason for study|reason|medical condition|clinical question|
        clinical statement|relevant history|type of exam|type of examination|views|view|
        number of views|notification|notifications""".replace("\n", "").split("|"),
        "background",
    ),
}
_HEADINGS = {re.sub(r"\s+", " ", name.strip()): kind for name, kind in _HEADINGS.items()}
_NAMES = "|".join(
    re.escape(name).replace(r"\ ", r"[ \t]+") for name in sorted(_HEADINGS, key=len, reverse=True)
)
# With a colon: at the start of a line or a sentence. Without: alone in its line.
_HEADING = re.compile(
    rf"(?:^|(?<=[\n.!?]))[ \t]*[*_#]*[ \t]*(?P<name>{_NAMES})[ \t]*[*_]*"
    rf"(?:[ \t]*[:\uff1a][*_]*|[ \t]*(?=\n|\Z))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ReportSection:
    """A part of a report.

    Attributes:
        kind: What it is; ``unnamed`` for text before any heading.
        heading: The heading as written, empty where there is none.
        start: First character of its text in the report.
        end: Character after the last one.
    """

    kind: SectionKind
    heading: str
    start: int
    end: int


def find_sections(text: str) -> tuple[ReportSection, ...]:
    """Cut a report at its headings.

    A heading ends with a colon, in any case, or stands alone in its line (``FINDINGS``). Words such
    as "findings" within a sentence are none.

    Args:
        text: A report.

    A section of background that no findings or impression follow ends with its line or, in a text
    of one line, with its first sentence: what comes then is the report.

    Returns:
        Sections in order, those without text left out.
    """
    marks = list(_HEADING.finditer(text))
    kinds = [_HEADINGS[re.sub(r"\s+", " ", mark["name"].lower())] for mark in marks]
    found = [ReportSection("unnamed", "", 0, marks[0].start() if marks else len(text))]
    for place, (mark, kind) in enumerate(zip(marks, kinds, strict=True)):
        start, end = mark.end(), marks[place + 1].start() if place + 1 < len(marks) else len(text)
        last = end
        if kind == "background" and not {"findings", "impression"} & set(kinds[place + 1 :]):
            last = _first_paragraph_end(text, start, end)
        found.append(ReportSection(kind, mark["name"], start, last))
        found.append(ReportSection("unnamed", "", last, end))
    return tuple(section for section in found if text[section.start : section.end].strip())


def _first_paragraph_end(text: str, start: int, end: int) -> int:
    """Return where the background ends if no heading follows it: its line, or its sentence."""
    line = re.compile(r"\S[^\n]*\n").search(text, start, end)
    if line is not None:
        return line.end()
    sentences = report_sentences(text[start:end])
    return start + sentences[0].end if sentences else end


def report_body(text: str) -> str:
    """Return the report with headings and background made line breaks, of the same length.

    What is left is what the report states of the case, at the places where it stands.

    Args:
        text: A report.
    """
    kept = ["\n"] * len(text)
    for section in find_sections(text):
        if section.kind != "background":
            kept[section.start : section.end] = text[section.start : section.end]
    return "".join(kept)


def section_text(text: str, kind: SectionKind) -> str:
    """Return the text of all sections of a kind, joined by line breaks; empty if there is none.

    Args:
        text: A report.
        kind: The kind of section.
    """
    parts = [text[s.start : s.end].strip() for s in find_sections(text) if s.kind == kind]
    return "\n".join(parts)
