"""The report of a run: one HTML file that needs no network, no script and no other file.

Its content security policy allows the style sheet inside (by its hash) and pictures inside, and
nothing else. Whatever comes from file names, tasks and messages is escaped; characters that are not
printable, such as those that turn the direction of text, are shown as their escape sequences.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from medvlp.config.runs import RunFolder
from medvlp.io import publish_file
from medvlp.reporting.page_content import build_page_content
from medvlp.reporting.page_records import CaseDetails, CaseFigure, ReportSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medvlp.config.runs import CaseRow, FailureRow, PredictionRow, RunRecord

__all__ = ["CaseDetails", "CaseFigure", "ReportSettings", "write_report"]


@dataclass(frozen=True)
class _Style:
    """The style sheet and its name in the content security policy."""

    text: Markup
    source: str


def write_report(
    folder: Path,
    record: RunRecord,
    predictions: Sequence[PredictionRow],
    failures: Sequence[FailureRow],
    cases: Sequence[CaseRow],
    *,
    details: Mapping[str, CaseDetails] | None = None,
    settings: ReportSettings | None = None,
) -> Path:
    """Write ``report.html``; equal arguments and pictures give equal bytes.

    Local paths are not shown; where a message names the file of a case, its case id takes
    the place.

    Args:
        folder: The run folder.
        record: What was done.
        predictions: The rows of ``predictions.csv``.
        failures: The rows of ``failures.csv``.
        cases: All cases in the order to show; one without prediction and failure is shown as not
            reached.
        details: Figures and notes of cases, by case id.
        settings: Limits of the page.

    Returns:
        The path of the report.

    Raises:
        OutputError: If the file cannot be written.
    """
    content = build_page_content(
        record,
        predictions,
        failures,
        cases,
        details=details or {},
        settings=settings or ReportSettings(),
    )
    html = _template().render(page=content, style=_style())
    path = RunFolder(folder).report_html
    with publish_file(path) as temporary:
        temporary.write_bytes(html.encode("utf-8"))
    return path


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_printable,
    )
    environment.filters["short_hash"] = _short_hash
    return environment.from_string(_packaged_text("report.html.j2"))


def _style() -> _Style:
    text = _packaged_text("report.css")
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    # our own file, and it must stand in the page as it was hashed
    return _Style(
        text=Markup(text),  # noqa: S704
        source=f"'sha256-{base64.b64encode(digest).decode('ascii')}'",
    )


def _short_hash(digest: str) -> str:
    return digest if len(digest) <= 16 else f"{digest[:16]}..."


def _printable(value: object) -> object:
    """Show control characters, also those that turn the direction of text, as escape sequences."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in value
    )


def _packaged_text(name: str) -> str:
    return resources.files("medvlp.reporting").joinpath(name).read_text(encoding="utf-8")
