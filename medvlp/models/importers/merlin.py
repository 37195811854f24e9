"""Merlin: a residual network inflated from 2D, with a head into its text space.

Names in the release: ``encode_image.i3_resnet.*`` with torchvision's names, ``contrastive_head``
and ``classifier`` among them; ``encode_text.*``; ``logit_scale``. The text tower is a Longformer,
which is not supported: embeddings of texts come with ``--texts``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from medvlp.errors import ModelError
from medvlp.models.importers.checkpoints import read_checkpoint
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

__all__ = ["MERLIN_BOX", "import_merlin", "merlin_settings"]

MERLIN_BOX: Final = VolumePreprocessing(
    spacing_mm=(3.0, 1.5, 1.5),
    shape_zyx=(160, 224, 224),
    orientation="RAS",
    axes="zxy",
    window_hu=(-1000.0, 1000.0),
    overlap=None,
)
"""One box around the middle of the scan, as the authors cut it."""

_FILES = (
    "i3_resnet_clinical_longformer_best_clip_04-02-2024_23-21-36_epoch_99.pt",
    "i3_resnet_clinical_longformer_best_clip_04-02-2024_23-21-36_epoch99.pt",
)
_IMAGE = "encode_image.i3_resnet."
_HEAD = f"{_IMAGE}contrastive_head."
_LEFT_OUT = (f"{_IMAGE}classifier.", "encode_text.")
_DEPTHS = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}
_ORIGIN = Origin(
    name="merlin",
    data="15,331 abdominal CT scans of Stanford with reports and diagnosis codes (Merlin)",
    license="not stated beside the weights; the authors' program is under the MIT licence",
    notes=(
        "The head for diagnosis codes is left out.",
        "The authors do not say how the logit scale enters; its logarithm is taken to be stored, "
        "as in CLIP. It scales confidences, not rankings.",
    ),
)
_NO_TEXTS = (
    "The text tower, a Longformer, is left out. For zero-shot, embed the texts with the authors' "
    "program and import again with --texts."
)


def import_merlin(request: ImportRequest) -> ImportReport:
    """Convert Merlin's released checkpoint into a bundle of its image encoder.

    Raises:
        ModelError: MV2100 to MV2106 for what the release lacks or has otherwise, MV2114 or MV1446
            for texts that cannot be used, MV1405 for weights that are not numbers.
        UsageError: If the orientation is none (MV2115).
    """
    preprocessing = turned(MERLIN_BOX, request.orientation)
    weights = open_source(request.source, _FILES).weights(_FILES)
    tensors = without_parts(read_checkpoint(weights), _LEFT_OUT)
    head = require(tensors, f"{_HEAD}weight", str(weights))
    if head.ndim == 5 and head.shape[2:] == (1, 1, 1):
        tensors[f"{_HEAD}weight"] = head.flatten(1)
    settings = merlin_settings(tensors, str(weights))
    release = VolumeRelease(
        settings=settings,
        state=read_release_weights(tensors, settings, preprocessing, _merlin_key, str(weights)),
        preprocessing=preprocessing,
        is_projected=True,
        files=[weights],
        notes=() if request.texts else (_NO_TEXTS,),
    )
    return write_volume_release(request, _ORIGIN, release)


def merlin_settings(tensors: Mapping[str, torch.Tensor], source: str) -> VolumeModelSettings:
    """Read the sizes of the network and of the head from the shapes of the weights.

    Args:
        tensors: Tensors by the name they have in the release.
        source: The file, for messages.

    Raises:
        ModelError: If the network has another number of blocks (MV2101), or is none (MV2105).
    """
    blocks = tuple(count_numbered(tensors, f"{_IMAGE}layer{stage}.") for stage in (1, 2, 3, 4))
    if blocks not in _DEPTHS:
        raise ModelError(
            "MV2101",
            f"{source}: the network has stages of {blocks} blocks",
            expected=f"one of {sorted(_DEPTHS)}",
        )
    values = {
        "image": {
            "architecture": "inflated-resnet",
            "depth": _DEPTHS[blocks],
            "width": size_of(require(tensors, f"{_IMAGE}conv1.weight", source)),
        },
        "head": {"projection": "linear", "dim": size_of(tensors[f"{_HEAD}weight"])},
    }
    return parse_settings(values, VolumeModelSettings, source)


def _merlin_key(name: str) -> str:
    """Return what the release calls a tensor of :class:`VolumeDualEncoder`."""
    if name.startswith("volume_tower."):
        return _IMAGE + name.removeprefix("volume_tower.")
    return name.replace("volume_projection.", _HEAD)
