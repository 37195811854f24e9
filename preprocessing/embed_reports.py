"""Reports of training data to vectors by a text tower, for alignment with a resting text side.

Command: python -m preprocessing.embed_reports configs/preprocess/reports.yaml model=M out=F
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medvlp.cli.entry import run
from medvlp.config.strict import StrictModel
from medvlp.data.report_table import ReportSource, clean_reports, read_reports
from medvlp.data.scan_texts import texts_to_embed
from medvlp.embedding.reports import embed_reports
from medvlp.errors import OutputError
from medvlp.jobs.progress import Progress
from medvlp.jobs.runner import JobReport, Outcome
from medvlp.models.text_embedder import load_text_embedder

__all__ = ["EmbedReportsConfig", "main"]


class EmbedReportsConfig(StrictModel):
    """Which reports, by which model, where to."""

    source: ReportSource
    """A folder of scan pairs, or a table or folder of reports."""
    model: str
    """Folder of a text tower or of a decoder language model, or hf-hub:owner/name."""
    out: Path
    """The safetensors file that alignment reads."""
    clean: bool = False
    """Clean the reports first; those of a folder of scan pairs are clean."""
    template: Annotated[str, Field(pattern=r"(?s)^[^{}]*\{\}[^{}]*$")] | None = None
    """What texts are put into; only for a released decoder, which does not say."""
    max_tokens: Annotated[int, Field(ge=4)] | None = None
    """Largest number of tokens of a text; likewise."""
    device: str = "cpu"
    """Where the model runs."""
    precision: Literal["float16", "float32"] = "float32"
    """Numbers of the vectors in the file."""


def main(config: EmbedReportsConfig) -> JobReport:
    """Embed every report of the configuration, and its shuffled variants."""
    if config.out.exists():
        raise OutputError("MV1605", f"{config.out} exists", expected="a new file")
    started = time.monotonic()
    reports = read_reports(config.source)
    if config.clean:
        reports, _ = clean_reports(reports, by_side=config.source.by_side)
    encoder = load_text_embedder(
        config.model, device=config.device, template=config.template, max_tokens=config.max_tokens
    )
    texts = [report.text for report in reports]
    with Progress(len(texts_to_embed(texts)), "texts", label="Embedding") as progress:
        embed_reports(texts, encoder, config.out, precision=config.precision, progress=progress)
    name = config.out.name
    return JobReport((Outcome(name, name, "done", time.monotonic() - started),))


if __name__ == "__main__":
    raise SystemExit(run(main, EmbedReportsConfig))
