"""``medvlp export LAYOUT BUNDLE --out FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["export"]


def export(
    layout: str,
    bundle: Path,
    /,
    *,
    out: Path,
    allow_umls: Annotated[bool, Parameter(negative=())] = False,
    text_model: str | None = None,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Write a model bundle in the layout of another program; its embeddings stay the same.

    Args:
        layout: open-clip: a folder for open_clip's local-dir:.
        bundle: The model bundle, a folder.
        out: The new folder.
        allow_umls: Hand on a model that was trained on UMLS text; see to its licence first.
        text_model: Name on the hub or folder with the sizes of the BERT text tower, to be written
            in place of the new folder's own path.
        json_output: Print JSON for programs.
    """
    from medvlp.models.exporters import ExportRequest, export_bundle

    request = ExportRequest(bundle=bundle, out=out, allow_umls=allow_umls, text_model=text_model)
    report = export_bundle(layout, request)
    if json_output:
        record = {"folder": str(report.folder), "notes": report.notes}
        sys.stdout.write(json.dumps(record) + "\n")
        return 0
    sys.stdout.write(f"{report.folder}\n")
    for note in report.notes:
        sys.stderr.write(f"note: {note}\n")
    return 0
