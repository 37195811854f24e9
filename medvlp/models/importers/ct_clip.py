"""CT-CLIP: a transformer over chest CTs with a codebook, and a BERT of chest radiographs.

Names in the release: ``visual_transformer.*``, ``text_transformer.*``, ``to_visual_latent.weight``,
``to_text_latent.weight``, ``temperature``. Parts that serve the reconstruction of scans in
training, and second heads that the authors leave unused, are left out.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

import torch

from medvlp.errors import ModelError
from medvlp.models.importers.bert import POSITION_BUFFERS, read_bert_tokenizer
from medvlp.models.importers.checkpoints import read_checkpoint
from medvlp.models.importers.keys import drop_known_buffers
from medvlp.models.importers.records import ImportReport, Origin
from medvlp.models.importers.release_shapes import (
    count_numbered,
    parse_settings,
    require,
    size_of,
    without_parts,
)
from medvlp.models.importers.source import open_source
from medvlp.models.importers.volume_release import (
    VolumeRelease,
    read_release_weights,
    turned,
    write_volume_release,
)
from medvlp.models.volume.bundle_schema import VolumeModelSettings
from medvlp.types import VolumePreprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.models.importers.records import ImportRequest

__all__ = ["CT_CLIP_BOX", "ct_clip_settings", "import_ct_clip"]

CT_CLIP_BOX: Final = VolumePreprocessing(
    spacing_mm=(1.5, 0.75, 0.75),
    shape_zyx=(240, 480, 480),
    orientation="LPS",
    axes="zxy",
    window_hu=(-1000.0, 1000.0),
    output_range=(-1.0, 1.0),
    overlap=None,
)
"""One box around the middle of the scan, as the authors cut it."""

_FILES = ("CT_CLIP_zeroshot.pt", "CT-CLIP_v2.pt")
_IMAGE, _TEXT = "visual_transformer.", "text_transformer."
_PARTS = (
    ("volume_tower.", _IMAGE),
    ("volume_projection.", "to_visual_latent."),
    ("text_tower.bert.", _TEXT),
    ("text_projection.", "to_text_latent."),
)
_UNUSED = (
    "to_text_latent_extra.",
    "to_visual_latent_extra.",
    f"{_TEXT}pooler.",
    *(
        f"{_IMAGE}{part}."
        for part in (
            "to_patch_emb_first_frame",
            "to_pixels_first_frame",
            "to_pixels",
            "dec_spatial_transformer",
            "dec_temporal_transformer",
        )
    ),
    *(f"{_IMAGE}vq._codebook.{name}" for name in ("initted", "cluster_size", "embed_avg")),
)
_UNUSED_NORM = re.compile(r"visual_transformer\.enc_\w+\.layers\.\d+\.1\.context_norm\.\w+")
_NULL_KEYS = re.compile(r"visual_transformer\.enc_\w+\.layers\.\d+\.1\.null_kv")
_HEAD_WIDTH = 64
_MAX_TOKENS = 512
_ORIGIN = Origin(
    name="ct-clip",
    data="47,149 reconstructions of chest CT scans with reports (CT-RATE)",
    license="CC-BY-NC-SA-4.0, as stated by the authors",
    notes=(
        "The authors take arrays as they lie in CT-RATE's files and ignore their orientation; LPS "
        "is what users found. Compare with --orientation where it matters.",
        "The window from -1000 to 1000 HU is the one of the first release.",
    ),
)


def import_ct_clip(request: ImportRequest) -> ImportReport:
    """Convert CT-CLIP's released checkpoint into a bundle; its tokenizer lies in another release.

    Raises:
        ModelError: MV2100 to MV2108 for what the release lacks or has otherwise, MV1405 for weights
            that are not numbers, MV1410 for a damaged tokenizer.
        UsageError: If the orientation is none (MV2115).
    """
    preprocessing = turned(CT_CLIP_BOX, request.orientation)
    source = open_source(request.source, _FILES)
    weights = source.weights(_FILES)
    tensors = _used(read_checkpoint(weights), str(weights))
    settings = ct_clip_settings(tensors, str(weights))
    vocab_size = size_of(tensors[f"{_TEXT}embeddings.word_embeddings.weight"])
    tokenizer, token_files = read_bert_tokenizer(request.tokenizer or source.folder, vocab_size)
    state = read_release_weights(
        tensors, settings, preprocessing, _ct_clip_key, str(weights), vocab_size=vocab_size
    )
    release = VolumeRelease(
        settings=settings,
        state=state,
        preprocessing=preprocessing,
        is_projected=True,
        files=[weights, *token_files],
        tokenizer=tokenizer,
        libraries=("torch", "transformers"),
    )
    return write_volume_release(request, _ORIGIN, release)


def ct_clip_settings(tensors: Mapping[str, torch.Tensor], source: str) -> VolumeModelSettings:
    """Read the sizes of both towers from the names and shapes of the weights.

    The side of a patch follows from the number of places of a slice that the head takes.

    Args:
        tensors: Tensors by the name they have in the release.
        source: The file, for messages.

    Raises:
        ModelError: If a tensor is not there (MV2105), or sizes are not possible (MV2101).
    """
    values = {
        "image": _image_values(tensors, source),
        "head": {
            "projection": "linear",
            "dim": size_of(require(tensors, "to_visual_latent.weight", source)),
            "bias": False,
        },
        "text": _text_values(tensors, source),
    }
    return parse_settings(values, VolumeModelSettings, source)


def _image_values(tensors: Mapping[str, torch.Tensor], source: str) -> dict[str, Any]:
    def size(name: str, axis: int = 0) -> int:
        return size_of(require(tensors, _IMAGE + name, source), axis)

    attention = "enc_spatial_transformer.layers.0.1."
    width, head_width = size("to_patch_emb.3.weight"), size(f"{attention}q_scale")
    taken = size_of(require(tensors, "to_visual_latent.weight", source), 1)
    depth, height, _ = CT_CLIP_BOX.shape_zyx
    places = math.isqrt(taken // max(width, 1))
    side = height // max(places, 1)
    thick = size("to_patch_emb.1.weight") // max(side * side, 1)
    is_whole = (
        places * places * width == taken > 0
        and places * side == height
        and thick * side * side == size("to_patch_emb.1.weight") > 0
        and depth % max(thick, 1) == 0
    )
    if not is_whole:
        raise ModelError(
            "MV2101",
            f"{source}: a head that takes {taken} values of tokens of width {width} does not fit "
            f"scans of {CT_CLIP_BOX.shape_zyx} voxels",
            expected="places of a slice, averaged over slices, as in the first release",
        )
    return {
        "architecture": "ct-vit",
        "width": width,
        "head_width": head_width,
        "heads": size(f"{attention}to_q.weight") // max(head_width, 1),
        "patch_zyx": [thick, side, side],
        "plane_depth": count_numbered(tensors, f"{_IMAGE}enc_spatial_transformer.layers."),
        "axial_depth": count_numbered(tensors, f"{_IMAGE}enc_temporal_transformer.layers."),
        "codes": size("vq._codebook.embed", 1),
    }


def _text_values(tensors: Mapping[str, torch.Tensor], source: str) -> dict[str, Any]:
    def size(name: str, axis: int = 0) -> int:
        return size_of(require(tensors, _TEXT + name, source), axis)

    width, positions = (size(f"embeddings.{n}_embeddings.weight", a) for n, a in _BERT_SIZES)
    return {
        "width": width,
        "layers": count_numbered(tensors, f"{_TEXT}encoder.layer."),
        "heads": max(1, width // _HEAD_WIDTH),
        "feedforward": size("encoder.layer.0.intermediate.dense.weight"),
        "max_tokens": min(_MAX_TOKENS, positions),
        "positions": positions,
        "pooling": "cls",
        "projection": "linear",
    }


_BERT_SIZES = (("word", 1), ("position", 0))


def _used(tensors: Mapping[str, torch.Tensor], source: str) -> dict[str, torch.Tensor]:
    """Leave out what the embeddings do not depend on."""
    kept = drop_known_buffers(without_parts(tensors, _UNUSED), POSITION_BUFFERS)
    for name in [name for name in kept if _NULL_KEYS.fullmatch(name)]:
        if kept.pop(name).numel():
            raise ModelError("MV2101", f"{source}: {name!r} holds values", expected="none")
    return {name: t for name, t in kept.items() if not _UNUSED_NORM.fullmatch(name)}


def _ct_clip_key(name: str) -> str:
    """Return what the release calls a tensor of :class:`VolumeDualEncoder`."""
    if name == "logit_scale":
        return "temperature"
    for ours, theirs in _PARTS:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name
