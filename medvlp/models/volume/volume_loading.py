"""Load a volume encoder by name, whoever made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from medvlp.errors import ModelError, nearest_name
from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.bundle import load_volume_bundle
from medvlp.models.volume.settings import (
    InflatedVitSettings,
    MonaiResNetSettings,
    ResNet3dSettings,
    SegResNetSettings,
    SwinUnetrSettings,
)
from medvlp.models.volume.volume_encoder import VolumeEncoder, network_shape
from medvlp.types import VolumePreprocessing

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.models.volume.settings import VolumeTowerSettings

__all__ = ["KIDNEY_BOX", "NETWORK_PREFIX", "SCAN_WINDOWS", "load_volume_encoder", "network_names"]

NETWORK_PREFIX = "volume:"
_VIT = "vit/"

KIDNEY_BOX = VolumePreprocessing(
    spacing_mm=(5.0, 1.0, 1.0),
    shape_zyx=(32, 128, 128),
    orientation="LPS",
    axes="zxy",
    window_hu=(-200.0, 300.0),
    air_hu=-1000.0,
    region="kidney",
)
"""One box of 160 x 128 x 128 mm around each kidney, as RenalCLIP's (arXiv:2508.16569) before it
resamples, in an orientation of its own: x grows to the patient's left, y to the back, z upwards."""

SCAN_WINDOWS = VolumePreprocessing(
    spacing_mm=(3.0, 1.0, 1.0),
    shape_zyx=(32, 128, 128),
    orientation="LPS",
    axes="zyx",
    window_hu=(-1024.0, 2048.0),
    air_hu=-1024.0,
)
"""Windows of 96 x 128 x 128 mm over the whole scan, as CT-FM's."""


def _depths(settings: type[ResNet3dSettings | MonaiResNetSettings]) -> tuple[Any, ...]:
    return get_args(settings.model_fields["depth"].annotation)


_NETWORKS: dict[str, tuple[VolumeTowerSettings, VolumePreprocessing]] = {
    **{
        f"resnet3d{depth}": (ResNet3dSettings(depth=depth), KIDNEY_BOX)
        for depth in _depths(ResNet3dSettings)
    },
    **{
        f"monai-resnet{depth}": (MonaiResNetSettings(depth=depth), KIDNEY_BOX)
        for depth in _depths(MonaiResNetSettings)
    },
    "swin-unetr": (SwinUnetrSettings(), KIDNEY_BOX),
    "segresnet": (SegResNetSettings(), SCAN_WINDOWS),
}


def network_names() -> list[str]:
    """Return what may follow ``volume:``, without the vision transformers of timm."""
    return list(_NETWORKS)


def load_volume_encoder(
    name: str | Path, *, device: str = "cpu", precision: str = "fp32"
) -> VolumeEncoder:
    """Load a volume encoder.

    Args:
        name: One of
            a folder with a model bundle of modality ct;
            ``hf-hub:owner/name[@revision]``: the same, from the Hugging Face hub or its cache;
            ``volume:NETWORK``: one of ``network_names()`` with random weights that a seed fixes,
            for trying out; it takes a box around each kidney, ``segresnet`` windows over the scan;
            ``volume:vit/ARCH[.TAG]``: a vision transformer of timm made three-dimensional, for
            windows over the scan; TAG names trained weights of the library, without it they are
            random.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``bf16`` runs the tower under autocast; features are float32 either way.

    Raises:
        ModelError: If the model cannot be used (MV14xx).
        UsageError: If the device or precision does not exist (MV1415).
    """
    text = str(name)
    library = text.partition(":")[0]
    if library == "volume":
        return _load_network(text, device, precision)
    if library in ("open_clip", "timm"):
        raise ModelError(
            "MV1445",
            f"{text!r} takes images, not volumes",
            expected=f"a bundle of CT volumes, or {NETWORK_PREFIX}NETWORK",
            hint=f"{NETWORK_PREFIX}{_VIT}ARCH makes a vision transformer of timm take volumes",
        )
    return load_volume_bundle(name, device=device, precision=precision).volume_encoder


def _load_network(name: str, device: str, precision: str) -> VolumeEncoder:
    settings, preprocessing, tag = _parse_network(name.removeprefix(NETWORK_PREFIX))
    tower = build_volume_tower(settings, network_shape(preprocessing), tag=tag)
    return VolumeEncoder(
        name=name,
        tower=tower,
        dim=tower.dim,
        weights=tower.state_dict(),
        preprocessing=preprocessing,
        is_projected=False,
        is_normalized=False,
        is_random=not tag,
        device=device,
        precision=precision,
    )


def _parse_network(network: str) -> tuple[VolumeTowerSettings, VolumePreprocessing, str]:
    if network.startswith(_VIT):
        architecture, _, tag = network.removeprefix(_VIT).partition(".")
        return InflatedVitSettings(model=architecture), SCAN_WINDOWS, tag
    if network not in _NETWORKS:
        raise ModelError(
            "MV1402",
            f"there is no network {network!r} for volumes{nearest_name(network, _NETWORKS)}",
            expected=f"one of {network_names()}, or {_VIT}ARCH with an architecture of timm",
        )
    return *_NETWORKS[network], ""
