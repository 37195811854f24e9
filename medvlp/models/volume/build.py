"""Build a network for scans from its settings, with random weights that a seed fixes."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from medvlp.models.timm_towers import with_local_seed
from medvlp.models.volume.ct_vit import CtVit
from medvlp.models.volume.inflated_resnet import InflatedResNet
from medvlp.models.volume.inflated_vit import InflatedVit, build_flat_vit
from medvlp.models.volume.monai_towers import MonaiResNet, SegResNetEncoder, SwinUnetrEncoder
from medvlp.models.volume.resnet3d import ResNet3d
from medvlp.models.volume.settings import (
    CtVitSettings,
    InflatedResNetSettings,
    InflatedVitSettings,
    MonaiResNetSettings,
    ResNet3dSettings,
    SegResNetSettings,
    SwinUnetrSettings,
)

if TYPE_CHECKING:
    from medvlp.models.volume.settings import VolumeTowerSettings
    from medvlp.models.volume.towers import VolumeTower

__all__ = ["build_volume_tower"]

Shape = tuple[int, int, int]


def build_volume_tower(
    settings: VolumeTowerSettings, shape: Shape, *, seed: int = 0, tag: str = ""
) -> VolumeTower:
    """Build a network for boxes of one size.

    Args:
        settings: The network.
        shape: Voxels of a box along its axes, in the order in which the network takes them
            (``network_shape`` of a :class:`medvlp.types.VolumePreprocessing`).
        seed: Fixes the random weights; the program's random state is left as it was.
        tag: Trained weights of timm that a vision transformer is inflated from; empty for random
            ones.

    Raises:
        ModelError: If the network cannot take boxes of this size (MV1430), or the architecture of a
            vision transformer is unknown (MV1402) or cannot be inflated (MV1431).
        ValueError: If a tag is given to another network.
    """
    if tag and not isinstance(settings, InflatedVitSettings):
        msg = f"{settings.architecture} is not inflated from weights of timm, got tag {tag!r}"
        raise ValueError(msg)

    def build() -> VolumeTower:
        tower: VolumeTower
        match settings:
            case ResNet3dSettings():
                tower = ResNet3d(settings)
            case MonaiResNetSettings():
                tower = MonaiResNet(settings)
            case SegResNetSettings():
                tower = SegResNetEncoder(settings, shape)
            case SwinUnetrSettings():
                tower = SwinUnetrEncoder(settings, shape)
            case InflatedVitSettings():
                tower = InflatedVit(build_flat_vit(settings, tag, seed=seed), settings, shape)
            case InflatedResNetSettings():
                tower = InflatedResNet(settings)
            case CtVitSettings():
                tower = CtVit(settings, shape)
            case _:
                assert_never(settings)
        return tower

    return with_local_seed(build, seed)
