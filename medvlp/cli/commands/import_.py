"""``medvlp import KIND PATH --out BUNDLE``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from medvlp.models.bundle_kinds import AnyBundleMeta

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
    texts: Path | None = None,
    orientation: str | None = None,
    text_model: str | None = None,
    input_px: int | None = None,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Convert a released model of another program into a bundle. Nothing of it is run.

    Args:
        kind: keep, kep, plip, open-clip, quiltnet or biomedclip for slides; renalclip, ct-clip,
            merlin or ct-fm for CT; medklip, kad, mavl or carzero for chest X-rays.
        source: Its folder, a file of weights, or hf-hub:owner/name.
        out: The new bundle, a folder.
        name: The model's name in outputs.
        mpp: Micrometres per pixel of the tiles it was trained on.
        tile_px: Side of these tiles in pixels; 256 if left out.
        license: Licence of the weights, if you know better.
        tokenizer: Folder of the tokenizer's files, if not beside the weights.
        architecture: open_clip's name of the towers, for a checkpoint without settings.
        activation: Activation of the image tower, for KEP-32.
        texts: File of texts with their embeddings, for RenalCLIP and Merlin.
        orientation: Sides towards which x, y and z of a CT grow, such as LPS, if you know better.
        text_model: Text encoder of MedKLIP and MAVL, a folder or hf-hub:owner/name; for KAD and
            CARZero the folder of their tokenizer and settings.
        input_px: Side of the images of KAD, if its file does not say.
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
        texts=texts,
        orientation=orientation,
        text_model=text_model,
        input_px=input_px,
    )
    report = kinds.import_release(kind, request)
    meta = report.meta
    if json_output:
        record = {
            "bundle": str(report.folder),
            "name": meta.name,
            "license": meta.license,
            "modality": meta.modality,
            **_input_facts(meta),
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


def _input_facts(meta: AnyBundleMeta) -> dict[str, object]:
    """Return the scale of tiles, or how scans and radiographs are brought to the input."""
    record = meta.model_dump(mode="json")
    names = ("scale",) if "scale" in record else ("preprocessing",)
    return {name: record[name] for name in names}
