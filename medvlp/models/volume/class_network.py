"""A network for scans with a small classifier of one question, to be trained as a whole.

Letters: B batch, C classes, a b c voxels along the network's axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from medvlp.models.timm_towers import with_local_seed
from medvlp.models.volume.build import build_volume_tower

if TYPE_CHECKING:
    import torch

    from medvlp.models.volume.settings import VolumeTowerSettings

__all__ = ["ClassNetwork"]


class ClassNetwork(nn.Module):
    """Answers one question about a box of a scan: linear, batch norm, ReLU, linear.

    Args:
        settings: The network for boxes.
        shape: Voxels of a box along its axes, in the order in which the network takes them.
        target: What is asked.
        classes: Names of the answers.
        hidden: Width between the linear layers, of which the first has no bias.
        seed: Fixes the random weights; the program's random state is left as it was.

    Raises:
        ModelError: If the network cannot take boxes of this size (MV1430), or cannot be built.
        ValueError: If there are fewer than two classes.

    Source:
        Tao et al., arXiv:2508.16569, classifiers of the downstream tasks.
    """

    def __init__(
        self,
        settings: VolumeTowerSettings,
        shape: tuple[int, int, int],
        target: str,
        classes: tuple[str, ...],
        *,
        hidden: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if len(classes) < 2:
            msg = f"{target} must have two classes or more, got {classes}"
            raise ValueError(msg)
        self.settings = settings
        self.target = target
        self.classes = classes
        self.hidden = hidden
        self.volume_tower = build_volume_tower(settings, shape, seed=seed)
        self.head = with_local_seed(self._build_head, seed)

    def _build_head(self) -> nn.Sequential:
        first = nn.Linear(self.volume_tower.dim, self.hidden, bias=False)
        last = nn.Linear(self.hidden, len(self.classes))
        for layer in (first, last):
            nn.init.trunc_normal_(layer.weight, std=0.02)
        nn.init.zeros_(last.bias)
        return nn.Sequential(first, nn.BatchNorm1d(self.hidden), nn.ReLU(), last)

    def forward(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return the logits of the classes.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float; B above 1 in training.

        Returns:
            Shape ``(B, C)``.
        """
        logits: torch.Tensor = self.head(self.volume_tower(voxels))
        return logits
