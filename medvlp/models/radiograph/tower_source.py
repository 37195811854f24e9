"""The tower of a network for radiographs, as another training begins with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.errors import ModelError
from medvlp.models.bundle_files import check_bundle_files
from medvlp.models.bundle_schema import WEIGHTS_FILE
from medvlp.models.radiograph.bundle_schema import read_radiograph_bundle_meta
from medvlp.models.radiograph.settings import RadiographModelSettings
from medvlp.models.weights import load_weights_into, read_safetensors

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from medvlp.models.bundle_schema import Provenance
    from medvlp.models.radiograph.image_tower import RadiographTower

__all__ = ["RadiographTowerSource", "open_radiograph_tower"]

_PREFIX = "image_tower."


@dataclass(frozen=True, kw_only=True)
class RadiographTowerSource:
    """A trained tower.

    Attributes:
        name: Name of its model.
        settings: The whole network's settings; size and range of its input are among them.
        provenance: What it was trained on.
        state: Its tensors, under the names of a tower.
    """

    name: str
    settings: RadiographModelSettings
    provenance: Provenance
    state: dict[str, torch.Tensor]

    def fill(self, tower: RadiographTower) -> None:
        """Give a tower these weights.

        Args:
            tower: A tower of the same settings.

        Raises:
            ModelError: If names or shapes differ (MV1409).
        """
        load_weights_into(tower, self.state, self.name)


def open_radiograph_tower(folder: Path) -> RadiographTowerSource:
    """Read the tower of a bundle; every file's hash is checked before use.

    Args:
        folder: The bundle of a network that judges findings of radiographs.

    Raises:
        ModelError: If it is none (MV1403, MV1470), or is damaged (MV14xx).
    """
    meta = read_radiograph_bundle_meta(folder)
    settings = meta.architecture
    if not isinstance(settings, RadiographModelSettings):
        raise ModelError(
            "MV1470",
            f"{folder} holds the released network {settings.architecture!r}",
            expected="a network of the recipe 'radiographs'",
            hint="released networks judge as they are; their towers are not trained on",
        )
    check_bundle_files(folder, meta.files)
    tensors = read_safetensors(folder / WEIGHTS_FILE)
    state = {k.removeprefix(_PREFIX): v for k, v in tensors.items() if k.startswith(_PREFIX)}
    if not state:
        raise ModelError("MV1407", f"{folder / WEIGHTS_FILE} holds no image tower")
    return RadiographTowerSource(
        name=meta.name,
        settings=settings,
        provenance=meta.provenance,
        state=state,
    )
