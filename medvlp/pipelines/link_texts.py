"""Link a table of texts or labels to the terms of a graph; write what was found and what not."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from medvlp.io import write_json, write_table
from medvlp.knowledge.unlinked import looks_like_disease

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from medvlp.knowledge.linking import Linker
    from medvlp.pipelines.text_tables import TextTable

__all__ = ["LinkSummary", "link_labels", "link_texts"]

MENTION_COLUMNS = (
    "id", "start", "end", "text", "concept_id", "concept", "match", "confidence", "status",
    "alternatives",
)  # fmt: skip
UNLINKED_COLUMNS = ("phrase", "count", "looks_like_disease", "example_id")
LABEL_COLUMNS = ("label", "count", "concept_id", "concept", "confidence", "match", "alternatives")
FAILURE_COLUMNS = ("row", "id", "code", "reason")
_BAD_ROW = "MV2034"
_FIRST_BEYOND_LATIN = "\u0250"


@dataclass(frozen=True, kw_only=True)
class LinkSummary:
    """What became of a table of texts.

    Attributes:
        texts: Rows with a text.
        bad_rows: Rows without; they stand in ``failures.csv``.
        texts_with_mentions: Texts that name at least one term.
        texts_in_other_scripts: Texts most of whose letters are not Latin; nothing is found there.
        longest_text: Letters of the longest text.
        mentions: Mentions by status.
        matches: Mentions by what they were recognised by.
        concepts: Number of different terms.
        unlinked_phrases: Different phrases that name no term.
        seconds: Time of linking.
        texts_per_second: Speed of linking.
    """

    texts: int
    bad_rows: int
    texts_with_mentions: int
    texts_in_other_scripts: int
    longest_text: int
    mentions: Mapping[str, int]
    matches: Mapping[str, int]
    concepts: int
    unlinked_phrases: int
    seconds: float
    texts_per_second: float


def link_texts(table: TextTable, linker: Linker, out: Path) -> LinkSummary:
    """Link texts and write mentions, unlinked phrases, failures and a summary.

    Args:
        table: The texts.
        linker: Finds the terms.
        out: Folder that exists. Gets ``mentions``, ``unlinked`` and ``failures`` as CSV and
            Parquet, and ``summary.json`` last.

    Raises:
        OutputError: MV1104 to MV1106 where a file cannot be written.
    """
    mentions: list[dict[str, object]] = []
    unlinked: Counter[str] = Counter()
    example: dict[str, str] = {}
    num_with_mentions = 0
    begin = time.perf_counter()
    for row in table.rows:
        linked = linker.link(row.text)
        num_with_mentions += bool(linked.mentions)
        for mention in linked.mentions:
            mentions.append(
                {
                    "id": row.id,
                    "start": mention.start,
                    "end": mention.end,
                    "text": mention.text,
                    "concept_id": mention.concept_id,
                    "concept": linker.graph[mention.concept_id].name,
                    "match": mention.match,
                    "confidence": mention.confidence,
                    "status": mention.status,
                    "alternatives": " ".join(mention.alternatives),
                }
            )
        for phrase in linked.unlinked:
            unlinked[phrase] += 1
            example.setdefault(phrase, row.id)
    seconds = time.perf_counter() - begin
    write_table(out / "mentions", mentions, MENTION_COLUMNS)
    write_table(out / "unlinked", _unlinked_rows(unlinked, example), UNLINKED_COLUMNS)
    _write_failures(table, out)
    summary = LinkSummary(
        texts=len(table.rows),
        bad_rows=len(table.bad_rows),
        texts_with_mentions=num_with_mentions,
        texts_in_other_scripts=sum(_is_in_other_script(row.text) for row in table.rows),
        longest_text=max(len(row.text) for row in table.rows),
        mentions=dict(Counter(str(mention["status"]) for mention in mentions)),
        matches=dict(Counter(str(mention["match"]) for mention in mentions)),
        concepts=len({mention["concept_id"] for mention in mentions}),
        unlinked_phrases=len(unlinked),
        seconds=round(seconds, 3),
        texts_per_second=round(len(table.rows) / max(seconds, 1e-9), 1),
    )
    write_json(out / "summary.json", asdict(summary))
    return summary


def link_labels(
    table: TextTable,
    linker: Linker,
    out: Path,
    *,
    label_map: Mapping[str, str | None] | None = None,
) -> list[dict[str, object]]:
    """Link each different label of a table as a whole; write ``labels`` and ``failures``.

    Args:
        table: The labels.
        linker: Finds the terms.
        out: Folder that exists.
        label_map: Label -> id of a term or None, asked first.

    Returns:
        The rows of the table of labels, the commonest label first. A label without a term has an
        empty ``concept_id`` and the match ``normal`` or ``none``.

    Raises:
        OutputError: MV1104 to MV1106 where a file cannot be written.
    """
    counts = Counter(row.text.strip() for row in table.rows)
    rows: list[dict[str, object]] = []
    for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        link = linker.link_label(label, label_map)
        name = linker.graph[link.concept_id].name if link.concept_id else ""
        rows.append(
            {
                "label": label,
                "count": count,
                "concept_id": link.concept_id or "",
                "concept": name,
                "confidence": link.confidence,
                "match": link.match,
                "alternatives": " ".join(link.alternatives),
            }
        )
    write_table(out / "labels", rows, LABEL_COLUMNS)
    _write_failures(table, out)
    return rows


def _unlinked_rows(counts: Counter[str], example: Mapping[str, str]) -> list[dict[str, object]]:
    """Return a row per phrase: those that look like diseases first, then the commonest."""
    rows: list[dict[str, object]] = [
        {
            "phrase": phrase,
            "count": count,
            "looks_like_disease": looks_like_disease(phrase),
            "example_id": example[phrase],
        }
        for phrase, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return sorted(rows, key=lambda row: not row["looks_like_disease"])


def _write_failures(table: TextTable, out: Path) -> None:
    rows: Iterable[dict[str, object]] = (
        {"row": bad.row, "id": bad.id, "code": _BAD_ROW, "reason": bad.reason}
        for bad in table.bad_rows
    )
    write_table(out / "failures", list(rows), FAILURE_COLUMNS)


def _is_in_other_script(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    other = sum(letter >= _FIRST_BEYOND_LATIN for letter in letters)
    return 2 * other > len(letters)
