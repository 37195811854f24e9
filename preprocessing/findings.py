"""Several descriptions of findings to one book: sentences on how they look, in one order.

Command: python -m preprocessing.findings configs/preprocess/findings.yaml sources=[A,B] out=BOOK
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

from pydantic import Field

from medvlp.cli.entry import run
from medvlp.config.strict import OneOrMany, StrictModel
from medvlp.io import write_csv
from medvlp.jobs.runner import JobReport, Outcome
from medvlp.knowledge.facets import FindingBook
from medvlp.knowledge.finding_sources import (
    check_target,
    read_description_sources,
    write_finding_book,
)
from medvlp.knowledge.homogenise import homogenise
from medvlp.knowledge.rewriting import rewrite_finding
from medvlp.text.reports.language_model import LocalLanguageModel

__all__ = ["FindingsConfig", "main"]


class FindingsConfig(StrictModel):
    """Which sources, where to, and how."""

    sources: OneOrMany[Path]
    """Books (.yaml) and tables (.csv: finding, text, source); the first one rules."""
    out: Path
    """The book; beside it a table of all that was left out, and why."""
    name: Annotated[str, Field(min_length=1, max_length=80)] = "findings"
    """Name of the book."""
    max_appearances: Annotated[int, Field(ge=1, le=40)] = 12
    """Most sentences of a finding; those that most sources say stay."""
    language_model: Path | None = None
    """Folder of a causal language model that rewords the sentences; none: rules alone."""
    device: str = "cpu"
    """Where it runs."""


def main(config: FindingsConfig) -> JobReport:
    """Homogenise the sources of the configuration into one book."""
    started = time.monotonic()
    check_target(config.out, config.sources)
    found = homogenise(
        read_description_sources(config.sources),
        name=config.name,
        max_appearances=config.max_appearances,
    )
    book = found.book
    if config.language_model is not None:
        model = LocalLanguageModel(config.language_model, device=config.device)
        book = FindingBook(book.name, tuple(rewrite_finding(each, model) for each in book))
    made_of = "".join(f"\n  {source}" for source in book.sources)
    write_finding_book(config.out, book, comment=f"Made by preprocessing.findings of:{made_of}")
    left_out = config.out.with_suffix(".dropped.csv")
    rows = [vars(sentence) for sentence in found.dropped]
    write_csv(left_out, rows, ("finding", "source", "sentence", "reason"))
    sys.stdout.write(
        f"{len(book)} findings, {sum(len(each.appearances) for each in book)} sentences; "
        f"{len(rows)} left out ({left_out.name})\n"
    )
    sys.stdout.write("".join(f"note: {note}\n" for note in book.notes))
    name = config.out.name
    return JobReport((Outcome(name, name, "done", time.monotonic() - started),))


if __name__ == "__main__":
    raise SystemExit(run(main, FindingsConfig))
