"""``medvlp import KIND PATH --out BUNDLE``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

__all__ = ["import_release"]


def import_release(
    kind: str,
    source: str,
    /,
    *,
    out: Path,
    name: str | None = None,
    mpp: float | None = None,
    tile_px: int | None = None,
    license: str | None = None,
    tokenizer: Path | None = None,
    architecture: str | None = None,
    activation: Literal["gelu", "quick_gelu"] | None = None,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Convert a released model of another program into a bundle. Nothing of it is run.

    Args:
        kind: keep, kep, plip, open-clip, quiltnet or biomedclip.
        source: Its folder, a file of weights, or hf-hub:owner/name.
        out: The new bundle, a folder.
        name: The model's name in outputs.
        mpp: Micrometres per pixel of the tiles it was trained on.
        tile_px: Side of these tiles in pixels; 256 if left out.
        license: Licence of the weights, if you know better.
        tokenizer: Folder of the tokenizer's files, if not beside the weights.
        architecture: open_clip's name of the towers, for a checkpoint without settings.
        activation: Activation of the image tower, for KEP-32.
        json_output: Print JSON for programs.
    """
    from medvlp.models.importers import kinds
    from medvlp.models.importers.records import ImportRequest

    request = ImportRequest(
        source=source,
        out=out,
        name=name,
        mpp=mpp,
        tile_px=tile_px,
        license=license,
        tokenizer=tokenizer,
        architecture=architecture,
        activation=activation,
    )
    report = kinds.import_release(kind, request)
    meta = report.meta
    if json_output:
        record = {
            "bundle": str(report.folder),
            "name": meta.name,
            "license": meta.license,
            "scale": meta.scale.model_dump() if meta.scale else None,
            "num_weights": report.num_weights,
            "notes": report.notes,
        }
        sys.stdout.write(json.dumps(record) + "\n")
        return 0
    sys.stdout.write(
        f"{report.folder}: model {meta.name!r}, {report.num_weights:,} weights\n"
        f"licence: {meta.license}\n"
    )
    for note in report.notes:
        sys.stderr.write(f"note: {note}\n")
    return 0
