"""KAD: a residual network whose patches are asked by names of findings, in Med-KEBERT's space.

Names in the release: ``image_encoder`` with ``res_features.N.*``, ``res_l1`` and ``res_l2`` (and
the whole network a second time below ``resnet.``); ``text_encoder`` with ``bert_model.*`` and
``mlp_embed.*``, the same as ``state_dict`` of Med-KEBERT's own file; ``model`` with ``decoder.*``
(its last normalisation a second time as ``decoder_norm``) and ``mlp_head.0.*``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from medvlp.errors import ModelError, UsageError
from medvlp.models.importers.bert_release import text_tower_of
from medvlp.models.importers.checkpoints import read_record, table_of_tensors
from medvlp.models.importers.radiograph_release import (
    RESNET_PARTS,
    SMALL_INPUT_PX,
    RadiographRelease,
    check_input_px,
    decoder_values,
    drop_copies,
    read_network_settings,
    resnet_key,
    resnet_values,
    write_radiograph_release,
)
from medvlp.models.importers.records import Origin
from medvlp.models.importers.release_shapes import without_parts
from medvlp.models.importers.source import open_source
from medvlp.models.radiograph.released_settings import KadSettings

if TYPE_CHECKING:
    import torch

    from medvlp.models.importers.records import ImportReport, ImportRequest

__all__ = ["import_kad"]

FINDINGS: Final = (
    *("pleural effusion", "opacity", "pneumothorax", "edema", "atelectasis", "tube"),
    *("consolidation", "enlarged cardiomediastinum", "tip", "pneumonia", "line", "cardiomegaly"),
    *("fracture", "calcification", "device", "engorgement", "nodule", "wire", "pacemaker"),
    *("pleural thicken", "marking", "scar", "hyperinflate", "blunt", "collapse", "emphysema"),
    *("aerate", "mass", "infiltration", "obscure", "deformity", "hernia", "drainage"),
    *("distention", "shift", "stent", "lesion", "hardware", "dilation", "aspiration"),
)
"""Names that KAD was trained to judge, as its training program lists them."""

_IMAGE = "res_features."
_BERT = "bert_model."
_MAX_TOKENS = 256
_SIDES: Final = (16, 4096)
_FILES = ("best_valid.pt", "checkpoint_state.pt")
_COPIES = {f"resnet.{ours}": f"{_IMAGE}{theirs}" for ours, theirs in RESNET_PARTS.items()}
_ORIGIN = Origin(
    name="kad",
    data="MIMIC-CXR radiographs with entities of their reports, text encoder trained on UMLS (KAD)",
    holds_umls=True,
    license="MIT, as the authors' repository states",
    notes=(
        "The authors chose the checkpoint by its results on labelled ChestX-ray14 or CheXpert "
        "images: do not report results on these as of unseen data.",
        "The text encoder was trained on the UMLS.",
        "Training turned images over, left to right: do not ask for sides.",
        "Findings that are asked for together see one another: the answer to one depends a little "
        "on the others.",
    ),
)


def import_kad(request: ImportRequest) -> ImportReport:
    """Convert a checkpoint of KAD into a bundle.

    Raises:
        ModelError: MV2107 where the size of the images is not stated, MV2117 where it belongs to
            another network, other MV2100 to MV2106, MV2116 and MV2119 for what the file lacks or
            has otherwise, MV2108 for its tokenizer, MV1405 for weights that are not numbers.
        UsageError: If the size of the images that was given is none (MV2109).
    """
    weights = open_source(request.source).weights(_FILES)
    where, record = str(weights), read_record(weights)
    image = table_of_tensors(record, "image_encoder", weights)
    image = without_parts(drop_copies(image, _COPIES, where), ("resnet.fc.",))
    queries = table_of_tensors(record, "model", weights)
    queries = drop_copies(queries, {"decoder_norm.": "decoder.norm."}, where)
    queries.pop("logit_scale", None)
    texts, text_files = _text_tensors(request, record, weights)
    bert = {n.removeprefix(_BERT): t for n, t in texts.items() if n.startswith(_BERT)}
    head = {n: t for n, t in texts.items() if not n.startswith(_BERT) and n != "logit_scale"}
    tower = resnet_values(image, _IMAGE, where)
    values = {
        "image": tower,
        "input_px": _input_px(request, record, int(tower["stage"]), where),
        "decoder": {
            **decoder_values(queries, "decoder.", where),
            "shared_norm": True,
            "head": "binary",
        },
    }
    text = text_tower_of(request, bert, weights, "pooler", _MAX_TOKENS, files=text_files)
    release = RadiographRelease(
        settings=read_network_settings(values, KadSettings, text, where),
        tensors={**image, **queries, **head},
        theirs=lambda name: resnet_key(name, _IMAGE),
        text=text,
        weights=weights,
        findings_seen=FINDINGS,
    )
    return write_radiograph_release(request, _ORIGIN, release)


def _text_tensors(
    request: ImportRequest, record: object, weights: Path
) -> tuple[dict[str, torch.Tensor], tuple[Path, ...]]:
    """Return the text encoder's weights: the record's, or of Med-KEBERT's file that was named."""
    named = Path(request.text_model) if request.text_model else None
    if named is not None and named.is_file():
        return table_of_tensors(read_record(named), "state_dict", named), (named,)
    return table_of_tensors(record, "text_encoder", weights), ()


def _input_px(request: ImportRequest, record: object, stage: int, source: str) -> int:
    """Return the side of the images: the one given, else of the record, else of the network."""
    config = record.get("config") if isinstance(record, dict) else None
    stated = config.get("image_res") if isinstance(config, dict) else None
    if request.input_px is not None:
        low, high = _SIDES
        if not low <= request.input_px <= high:
            raise UsageError(
                "MV2109",
                f"images of {request.input_px} px are not possible",
                expected=f"--input-px from {low} to {high}",
            )
        return check_input_px(stage, request.input_px, "--input-px")
    if isinstance(stated, int):
        return check_input_px(stage, stated, source)
    if stage == 3:
        return SMALL_INPUT_PX
    raise ModelError(
        "MV2107",
        f"{source} does not say with images of what size it was trained",
        expected="--input-px 512 for KAD-512, 1024 for KAD-1024",
    )
