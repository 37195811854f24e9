"""CT-FM: the encoder of MONAI's SegResNet, trained without texts.

Names in the release are those of ``monai.networks.nets.SegResEncoder``: ``conv_init.weight``,
``layers.N.blocks.N.{norm1,conv1,norm2,conv2}.*``, ``layers.N.downsample.weight``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

from medvlp.errors import ModelError
from medvlp.models.importers.checkpoints import read_checkpoint
from medvlp.models.importers.records import ImportReport, Origin
from medvlp.models.importers.release_shapes import (
    count_numbered,
    parse_settings,
    size_of,
)
from medvlp.models.importers.source import open_source, read_json_object
from medvlp.models.importers.volume_release import (
    VolumeRelease,
    read_release_weights,
    turned,
    write_volume_release,
)
from medvlp.models.volume.bundle_schema import VolumeModelSettings
from medvlp.models.volume.settings import SegResNetSettings
from medvlp.types import VolumePreprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.models.importers.records import ImportRequest

__all__ = ["CT_FM_BOX", "ct_fm_settings", "import_ct_fm"]

CT_FM_BOX: Final = VolumePreprocessing(
    spacing_mm=(3.0, 1.0, 1.0),
    shape_zyx=(32, 128, 128),
    orientation="LPS",
    axes="zyx",
    window_hu=(-1024.0, 2048.0),
    air_hu=-1024.0,
)
"""CT-FM's training patches; SPL of its own order of axes (z, y, x) is LPS of (x, y, z)."""

_PREFIX = "volume_tower.network."
# Keys of config.json that change what the weights compute, and the values that are supported.
_FIXED = {"spatial_dims": 3, "in_channels": 1, "act": "relu", "anisotropic_scales": None}
_ORIGIN = Origin(
    name="ct-fm",
    data="148,000 CT scans of the Imaging Data Commons, without texts (CT-FM)",
    license="MIT, as stated by the authors",
    notes=(
        "CT-FM was trained without texts: it serves to embed, not for zero-shot.",
        "Scans are read in boxes of the size of its training patches, one beside the other; the "
        "authors' retrieval used boxes of 24 x 128 x 128 voxels that overlap by 0.625.",
    ),
)


def import_ct_fm(request: ImportRequest) -> ImportReport:
    """Convert CT-FM's released encoder into a bundle.

    Raises:
        ModelError: MV2100 to MV2106 for what the release lacks or has otherwise, MV1405 for weights
            that are not numbers.
        UsageError: If the orientation is none (MV2115).
    """
    preprocessing = turned(CT_FM_BOX, request.orientation)
    source = open_source(request.source)
    weights = source.weights(("model.safetensors", "pytorch_model.bin"))
    config = source.find(("config.json",))
    tensors = read_checkpoint(weights)
    settings = ct_fm_settings(tensors, str(weights))
    if config is not None:
        _check_config(read_json_object(config), settings, str(config))
    state = read_release_weights(
        tensors,
        VolumeModelSettings(image=settings),
        preprocessing,
        lambda name: name.removeprefix(_PREFIX),
        str(weights),
        left_out=("logit_scale",),
    )
    state["logit_scale"] = torch.tensor(0.0)
    release = VolumeRelease(
        settings=VolumeModelSettings(image=settings),
        state=state,
        preprocessing=preprocessing,
        is_projected=False,
        files=[path for path in (config, weights) if path],
        libraries=("torch", "monai"),
    )
    return write_volume_release(request, _ORIGIN, release)


def ct_fm_settings(tensors: Mapping[str, torch.Tensor], source: str) -> SegResNetSettings:
    """Read the sizes of the network from the names and shapes of its weights.

    Args:
        tensors: Tensors by the name they have in the release.
        source: The file, for messages.

    Raises:
        ModelError: If it is no such encoder (MV2105), or has sizes that are not supported (MV2101).
    """
    first = tensors.get("conv_init.weight")
    if first is None or first.ndim != 5:
        raise ModelError(
            "MV2105",
            f"{source} is not of this layout: no 3D convolution under 'conv_init.weight'",
            expected="the encoder alone, without a decoder and without a prefix before its names",
            hint="take the feature extractor of the release",
        )
    levels = count_numbered(tensors, "layers.")
    values = {
        "architecture": "segresnet",
        "init_filters": size_of(first),
        "blocks": [count_numbered(tensors, f"layers.{n}.blocks.") for n in range(levels)],
        "norm": "batch" if "layers.0.blocks.0.norm1.running_mean" in tensors else "instance",
    }
    return parse_settings(values, SegResNetSettings, source)


def _check_config(config: Mapping[str, Any], settings: SegResNetSettings, source: str) -> None:
    """Refuse settings that say something else than the weights, or something unsupported."""
    wanted: dict[str, object] = {
        **_FIXED,
        "norm": settings.norm,
        "init_filters": settings.init_filters,
        "blocks_down": list(settings.blocks),
    }
    for name, value in wanted.items():
        found = config.get(name, value)
        if found != value and str(found).lower() != str(value):
            raise ModelError(
                "MV2101", f"{source}: {name}={found!r} is not supported", expected=str(value)
            )
