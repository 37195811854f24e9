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
from medvlp.errors import UsageError
from medvlp.io import write_csv
from medvlp.jobs.runner import JobReport, Outcome
from medvlp.knowledge.facets import FindingBook
from medvlp.knowledge.finding_sources import read_description_sources, write_finding_book
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
    if config.out.resolve() in {path.resolve() for path in config.sources}:
        raise UsageError("MV2063", f"{config.out} is one of the sources", expected="another file")
    found = homogenise(
        read_description_sources(config.sources),
        name=config.name,
        max_appearances=config.max_appearances,
    )
    book = found.book
    if config.language_model is not None:
        model = LocalLanguageModel(config.language_model, device=config.device)
        book = FindingBook(book.name, tuple(rewrite_finding(each, model) for each in book))
    write_finding_book(
        config.out, book, comment="Made by preprocessing.findings of:\n" + _list(book)
    )
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


def _list(book: FindingBook) -> str:
    names = dict.fromkeys(s for each in book for _, sources in each.provenance for s in sources)
    return "\n".join(f"  {name}" for name in names)


if __name__ == "__main__":
    raise SystemExit(run(main, FindingsConfig))
