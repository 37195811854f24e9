"""RenalCLIP: a 3D residual network with MedicalNet's names and a head into an LLM's text space.

Names in the release: ``image_encoder_q_student.*`` with the network and, behind
``global_embedding.head.``, its head; ``logit_scale``. The text side (LLM2Vec on Llama 3) is a
release of its own and is not loaded here: embeddings of texts come with ``--texts``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import torch

from medvlp.errors import ModelError
from medvlp.models.dual_encoder import MAX_LOG_SCALE
from medvlp.models.importers.checkpoints import read_checkpoint
from medvlp.models.importers.records import ImportReport, Origin
from medvlp.models.importers.release_shapes import (
    count_numbered,
    parse_settings,
    size_of,
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

__all__ = ["RELEASED_FILE", "RENALCLIP_BOX", "import_renalclip", "renalclip_settings"]

RELEASED_FILE: Final = "RenalCLIP-image-encoder-model-best-acc.pt"
RENALCLIP_BOX: Final = VolumePreprocessing(
    spacing_mm=(4.0, 1.0, 1.0),
    shape_zyx=(32, 128, 128),
    orientation="LPS",
    axes="zxy",
    window_hu=(-200.0, 300.0),
    region="kidney",
)
"""The middle of the kidney's box as in contrastive training; see the specification of RenalCLIP."""

_PREFIXES = ("image_encoder_q_student.", "image_encoder.", "backbone.image_encoder.", "")
_HEAD = "global_embedding.head."
_STAGES = (1, 2, 3, 4)
_DEPTHS = {(1, 1, 1, 1): 10, (2, 2, 2, 2): 18, (3, 4, 6, 3): 34}
_FIRST_SCALE = math.log(1 / 0.07)
_ORIGIN = Origin(
    name="renalclip",
    data="CT scans and reports of kidneys from nine centres in China and TCIA (RenalCLIP)",
    license="not stated beside the weights; the authors' program is under the MIT licence",
    notes=(
        "The arrays of the training carry no orientation. The order of the kidneys in them shows "
        "that x grows towards the patient's left; whether y grows towards the back is not known, "
        "and others feed x the other way round. Compare --orientation LPS (the default), LAS and "
        "RAS on cases with known answers before relying on this model.",
        "Contrastive training used slices of 4 mm, the authors' later tasks 5 mm; 4 mm is "
        "recorded.",
    ),
)
_NO_TEXTS = (
    "The text encoder is not part of the file. For zero-shot, embed the texts with the authors' "
    "LLM2Vec encoder and import again with --texts."
)
_NO_SCALE = "The file holds no logit scale; the one that training started with (1 / 0.07) is taken."
_NO_HEAD = "The file holds no head: features cannot be compared with texts."


def import_renalclip(request: ImportRequest) -> ImportReport:
    """Convert RenalCLIP's released image encoder, or a checkpoint of its training, into a bundle.

    Depth, width and the kind of head are read from the shapes; every tensor must be used.

    Raises:
        ModelError: MV2100 to MV2106 for what the release lacks or has otherwise, MV2114 or MV1446
            for texts that cannot be used, MV1405 for weights that are not numbers.
        UsageError: If the orientation is none (MV2115).
    """
    preprocessing = turned(RENALCLIP_BOX, request.orientation)
    weights = open_source(request.source, (RELEASED_FILE,)).weights(
        (RELEASED_FILE, "model.safetensors")
    )
    tensors = read_checkpoint(weights)
    prefix = _find_prefix(tensors, str(weights))
    settings = renalclip_settings(tensors, prefix, str(weights))
    is_projected = settings.head.projection != "none"
    has_scale = "logit_scale" in tensors
    state = read_release_weights(
        tensors,
        settings,
        preprocessing,
        lambda name: _renalclip_key(name, prefix),
        str(weights),
        left_out=() if has_scale else ("logit_scale",),
    )
    log_scale = state.get("logit_scale", torch.tensor(_FIRST_SCALE))
    state["logit_scale"] = log_scale.clamp(0.0, MAX_LOG_SCALE)
    notes = []
    if not is_projected:
        notes.append(_NO_HEAD)
    elif request.texts is None:
        notes.append(_NO_TEXTS)
    if is_projected and not has_scale:
        notes.append(_NO_SCALE)
    release = VolumeRelease(
        settings=settings,
        state=state,
        preprocessing=preprocessing,
        is_projected=is_projected,
        files=[weights],
        notes=notes,
    )
    return write_volume_release(request, _ORIGIN, release)


def renalclip_settings(
    tensors: Mapping[str, torch.Tensor], prefix: str, source: str
) -> VolumeModelSettings:
    """Read the sizes of the network and of the head from the shapes of the weights.

    Args:
        tensors: Tensors by the name they have in the release.
        prefix: What stands before the names of the image encoder.
        source: The file, for messages.

    Raises:
        ModelError: If the network has another number of blocks (MV2101).
    """
    blocks = tuple(count_numbered(tensors, f"{prefix}layer{stage}.") for stage in _STAGES)
    if blocks not in _DEPTHS:
        raise ModelError(
            "MV2101",
            f"{source}: the network has stages of {blocks} blocks",
            expected=f"one of {sorted(_DEPTHS)}",
        )
    has_convolutions = any(".downsample." in name for name in tensors if name.startswith(prefix))
    values = {
        "image": {
            "architecture": "resnet3d",
            "depth": _DEPTHS[blocks],
            "shortcut": "B" if has_convolutions else "A",
            "cut_shortcut_gradient": not has_convolutions,
            "width": size_of(tensors[f"{prefix}conv1.weight"]),
        },
        "head": _head_values(tensors, prefix + _HEAD),
    }
    return parse_settings(values, VolumeModelSettings, source)


def _head_values(tensors: Mapping[str, torch.Tensor], head: str) -> dict[str, Any]:
    single, first, last = (tensors.get(f"{head}{n}weight") for n in ("", "0.", "3."))
    if single is not None:
        has_bias = f"{head}bias" in tensors
        return {"projection": "linear", "dim": size_of(single), "bias": has_bias}
    if first is not None and last is not None:
        return {"projection": "mlp", "hidden": size_of(first), "dim": size_of(last)}
    return {"projection": "none"}


def _find_prefix(tensors: Mapping[str, torch.Tensor], source: str) -> str:
    for prefix in _PREFIXES:
        tensor = tensors.get(f"{prefix}conv1.weight")
        if tensor is not None and tensor.ndim == 5:
            return prefix
    raise ModelError(
        "MV2105",
        f"{source} is not of this layout: no 3D convolution under 'conv1.weight'",
        expected=f"names that begin with one of {_PREFIXES[:-1]}, or with none",
        hint="check the kind that was named",
    )


def _renalclip_key(name: str, prefix: str) -> str:
    """Return what the release calls a tensor of :class:`VolumeDualEncoder`."""
    if name.startswith("volume_tower."):
        return prefix + name.removeprefix("volume_tower.")
    if name.startswith("volume_projection."):
        return prefix + _HEAD + name.removeprefix("volume_projection.")
    return name
