"""``medvlp knowledge link``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from medvlp.pipelines.link_texts import LinkSummary
    from medvlp.pipelines.text_tables import TextTable

__all__ = ["link"]

_SHOWN_BAD_ROWS = 10


def link(
    texts: Path,
    /,
    *,
    out: Path,
    graph: Path | None = None,
    text_column: str | None = None,
    id_column: str | None = None,
    labels: bool = False,
    label_map: Path | None = None,
    min_confidence: float = 0.6,
    fuzzy: bool = True,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Link captions, reports or labels to terms: mentions with status, and what was not linked.

    Args:
        texts: A table of texts: .csv, .jsonl or .parquet.
        out: Output folder: mentions, unlinked phrases and failures as CSV and Parquet.
        graph: Knowledge graph; by default MEDVLP_GRAPH, else graph.parquet in the working folder.
        text_column: Column of the texts; by default caption, text, report, findings or label.
        id_column: Column of the ids; by default id, caption_id, case_id, sample_id or row numbers.
        labels: Each text is the name of a class (lung_aca) and is linked as a whole.
        label_map: A CSV file with columns label and concept, asked first; implies --labels.
        min_confidence: Leave out mentions that are less sure, from 0 to 1.
        fuzzy: Correct one wrong letter.
        json_output: Print JSON for programs.
    """
    from medvlp.cli.commands.knowledge import open_graph
    from medvlp.errors import UsageError
    from medvlp.io import check_output_folder
    from medvlp.knowledge.label_rules import read_label_map
    from medvlp.knowledge.linking import Linker
    from medvlp.pipelines.link_texts import link_labels, link_texts
    from medvlp.pipelines.text_tables import read_texts

    if not 0 <= min_confidence <= 1:
        raise UsageError("MV2035", f"--min-confidence is {min_confidence}", expected="0 to 1")
    check_output_folder(out)
    table = read_texts(texts, text_column=text_column, id_column=id_column)
    found = open_graph(graph)
    linker = Linker(found, fuzzy=fuzzy, min_confidence=min_confidence)
    _tell_bad_rows(table, out)
    if labels or label_map is not None:
        mapping = read_label_map(label_map, found) if label_map is not None else None
        rows = link_labels(table, linker, out, label_map=mapping)
        _print_labels(rows, json_output=json_output)
    else:
        _print_summary(link_texts(table, linker, out), out, json_output=json_output)
    return 1 if table.bad_rows else 0


def _tell_bad_rows(table: TextTable, out: Path) -> None:
    for bad in table.bad_rows[:_SHOWN_BAD_ROWS]:
        sys.stderr.write(f"row {bad.row} {bad.id}: {bad.reason}\n")
    left = len(table.bad_rows) - _SHOWN_BAD_ROWS
    if left > 0:
        sys.stderr.write(f"... and {left} more rows; all are in {out / 'failures.csv'}\n")


def _print_labels(rows: list[dict[str, object]], *, json_output: bool) -> None:
    if json_output:
        sys.stdout.write(json.dumps({"labels": rows}) + "\n")
        return
    for row in rows:
        term = f"{row['concept_id']} {row['concept']}" if row["concept_id"] else "-"
        line = f"{row['label']}\t{row['count']}\t{term}\t{row['match']}\t{row['confidence']}\n"
        sys.stdout.write(line)


def _print_summary(summary: LinkSummary, out: Path, *, json_output: bool) -> None:
    if json_output:
        sys.stdout.write(json.dumps(asdict(summary)) + "\n")
        return
    mentions = ", ".join(f"{count} {status}" for status, count in summary.mentions.items())
    total = sum(summary.mentions.values())
    lines = [
        f"{summary.texts} texts, {summary.bad_rows} rows without a usable text",
        f"{total} mentions ({mentions or 'none'}) of {summary.concepts} terms "
        f"in {summary.texts_with_mentions} texts",
        f"{summary.unlinked_phrases} phrases not linked",
        f"{summary.texts_per_second:.0f} texts per second; tables in {out}",
    ]
    if summary.texts_in_other_scripts:
        lines.insert(1, f"{summary.texts_in_other_scripts} texts in other scripts")
    sys.stdout.write("\n".join(lines) + "\n")
