"""Networks that a tower for radiographs is fine-tuned in: classes of an image, or of its pixels.

Letters: B images, S side in pixels, T patches on a grid h w, C classes, W width of the tower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import nn
from torch.nn import functional

from medvlp.models.radiograph.image_tower import build_radiograph_tower
from medvlp.models.radiograph.network import normalize_pixels
from medvlp.models.timm_towers import with_local_seed

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.models.radiograph.image_tower import TowerFeatures
    from medvlp.models.radiograph.settings import RadiographModelSettings

__all__ = ["ClassKind", "RadiographClassNetwork", "RadiographMaskNetwork"]

ClassKind = Literal["multi-label", "one-of"]
_LEAST_WIDTH = 16


class _Tuned(nn.Module):
    """The tower of a network for radiographs, with its own way to normalise pixels."""

    def __init__(self, settings: RadiographModelSettings, *, seed: int) -> None:
        super().__init__()
        self.settings = settings
        self.image_tower = build_radiograph_tower(
            settings.image, settings.input_px, settings.channels, seed=seed
        )

    def _features(self, pixels: Tensor) -> TowerFeatures:
        settings = self.settings
        x = normalize_pixels(pixels, settings.channels, settings.mean, settings.std)
        features: TowerFeatures = self.image_tower(x)
        return features


class RadiographClassNetwork(_Tuned):
    """A tower and one linear layer: which classes an image shows.

    Args:
        settings: The network that the tower is of; its text side is not built.
        classes: Names of the classes.
        kind: ``multi-label`` judges each class on its own, ``one-of`` takes them to exclude one
            another.
        seed: Fixes the random weights; the program's random state is left as it was.

    Raises:
        ModelError: If the tower cannot be built (MV14xx).
        ValueError: If there is no class, or fewer than two of which one holds.
    """

    def __init__(
        self,
        settings: RadiographModelSettings,
        classes: tuple[str, ...],
        kind: ClassKind,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__(settings, seed=seed)
        if len(classes) < (2 if kind == "one-of" else 1):
            msg = f"{kind} needs more classes than {classes}"
            raise ValueError(msg)
        self.classes = classes
        self.kind = kind
        width = self.image_tower.dim
        self.head = with_local_seed(
            lambda: nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(classes))), seed
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits of the classes.

        Args:
            pixels: Values in [0, 1], shape ``(B, 1 or 3, S, S)``, float.

        Returns:
            Shape ``(B, C)``.
        """
        logits: Tensor = self.head(self._features(pixels).pooled)
        return logits


class RadiographMaskNetwork(_Tuned):
    """A tower and a head on its patches: which class each pixel is of.

    The patches, laid out on their grid, are brought to the size of the image in steps of two, each
    bilinear and followed by a convolution of half the channels.

    Args:
        settings: The network that the tower is of; its text side is not built.
        classes: Names of the classes; the first is the background.
        width: Channels of the first convolution.
        seed: Fixes the random weights; the program's random state is left as it was.

    Raises:
        ModelError: If the tower cannot be built (MV14xx).
        ValueError: If there are fewer than two classes.
    """

    def __init__(
        self,
        settings: RadiographModelSettings,
        classes: tuple[str, ...],
        *,
        width: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__(settings, seed=seed)
        if len(classes) < 2:
            msg = f"a background and a class are needed, got {classes}"
            raise ValueError(msg)
        self.classes = classes
        self.width = width
        self.head = with_local_seed(self._build_head, seed)

    def _build_head(self) -> nn.ModuleList:
        widths = [self.width]
        while len(widths) < 4:
            widths.append(max(widths[-1] // 2, _LEAST_WIDTH))
        pairs = zip([self.image_tower.dim, *widths], widths, strict=False)
        steps: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(one, two, 3, padding=1), nn.GroupNorm(1, two), nn.ReLU())
            for one, two in pairs
        ]
        return nn.ModuleList([*steps, nn.Conv2d(widths[-1], len(self.classes), 1)])

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits of each pixel.

        Args:
            pixels: Values in [0, 1], shape ``(B, 1 or 3, S, S)``, float.

        Returns:
            Shape ``(B, C, S, S)``.
        """
        features = self._features(pixels)
        x = features.patches.transpose(1, 2)
        x = x.reshape(*x.shape[:2], *features.grid)
        size = pixels.shape[-2:]
        *steps, last = self.head
        for number, step in enumerate(steps):
            x = step(x)
            if number < len(steps) - 1 and min(size[0] // x.shape[2], size[1] // x.shape[3]) >= 2:
                x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        logits: Tensor = last(x)
        return functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
