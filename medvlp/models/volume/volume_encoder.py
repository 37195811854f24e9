"""A network for scans made ready to use: Hounsfield units in, embeddings out.

Letters: B batch, D embedding, Z Y X box.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from medvlp.models.vision import check_device, check_precision
from medvlp.models.weights import check_finite, weights_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.types import TensorAxes, VolumePreprocessing

__all__ = ["VolumeEncoder", "network_shape", "window_volume"]

_DTYPES = (torch.int16, torch.float32)


def _axis_order(axes: TensorAxes) -> tuple[int, int, int]:
    """Return which axis of a box ``(z, y, x)`` comes first, second and third."""
    first, second, third = ("zyx".index(axis) for axis in axes)
    return first, second, third


def network_shape(preprocessing: VolumePreprocessing) -> tuple[int, int, int]:
    """Return the voxels of a box along its axes, in the order in which the network takes them."""
    first, second, third = (
        preprocessing.shape_zyx[axis] for axis in _axis_order(preprocessing.axes)
    )
    return first, second, third


def window_volume(hu: torch.Tensor, preprocessing: VolumePreprocessing) -> torch.Tensor:
    """Turn Hounsfield units into what a network takes.

    ``low + (clip(hu, window) - window_low) / (window_high - window_low) * (high - low)``, where
    low and high are the ends of the output range; then the axes are put in the network's order, and
    a channel is put before them.

    Args:
        hu: Hounsfield units, shape ``(B, Z, Y, X)``, int16 or float32, in the orientation of the
            preprocessing.
        preprocessing: Window, output range and order of the axes.

    Returns:
        Shape ``(B, 1, a, b, c)``, float32.
    """
    window_low, window_high = preprocessing.window_hu
    low, high = preprocessing.output_range
    scale = (high - low) / (window_high - window_low)
    shown = hu.float().clamp(window_low, window_high).sub(window_low).mul(scale).add(low)
    order = _axis_order(preprocessing.axes)
    return shown.permute(0, *(1 + axis for axis in order)).unsqueeze(1)


class VolumeEncoder:
    """Embeds boxes of one fixed size.

    Args:
        name: The name under which the model was asked for; stands in feature files.
        tower: Maps windowed boxes ``(B, 1, a, b, c)`` to ``(B, dim)``; put into evaluation mode.
        dim: Length D of an embedding.
        weights: The tensors that the features depend on; hashed and checked for NaN.
        preprocessing: How scans are brought to the tower's input.
        is_projected: Whether features lie in a space shared with text.
        is_normalized: Whether ``embed`` returns unit vectors.
        is_random: Whether the weights were never trained.
        device: Where the tower runs.
        precision: ``bf16`` runs the tower under autocast; features are float32 either way.

    Attributes:
        weights_sha256: Hash of the weights' content.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405).
        UsageError: If the device or the precision does not exist (MV1415).
    """

    def __init__(
        self,
        *,
        name: str,
        tower: torch.nn.Module,
        dim: int,
        weights: Mapping[str, torch.Tensor],
        preprocessing: VolumePreprocessing,
        is_projected: bool,
        is_normalized: bool,
        is_random: bool = False,
        device: str = "cpu",
        precision: str = "fp32",
    ) -> None:
        self.name = name
        self.dim = dim
        self.preprocessing = preprocessing
        self.is_projected = is_projected
        self.is_normalized = is_normalized
        self.is_random = is_random
        self.device = check_device(device)
        self.precision = check_precision(precision)
        check_finite(weights, name)
        self.weights_sha256 = weights_sha256(weights)
        self._tower = tower.eval().to(self.device)

    @torch.inference_mode()
    def embed(self, hu: torch.Tensor) -> torch.Tensor:
        """Embed boxes that already have the spacing, size and orientation of the preprocessing.

        Args:
            hu: Hounsfield units, shape ``(B, Z, Y, X)``, int16 or float32, on any device.

        Returns:
            Features, shape ``(B, D)``, float32, on the encoder's device; unit vectors where
            ``is_normalized``.

        Raises:
            ValueError: If the box has another size or another type of values, or the tower gives
                another number of features than it was said to.
        """
        wanted = self.preprocessing.shape_zyx
        if hu.ndim != 1 + len(wanted) or tuple(hu.shape[1:]) != wanted:
            msg = f"hu must have shape (B, {', '.join(map(str, wanted))}), got {tuple(hu.shape)}"
            raise ValueError(msg)
        if hu.dtype not in _DTYPES:
            msg = f"hu must be int16 or float32, got {hu.dtype}"
            raise ValueError(msg)
        voxels = window_volume(hu.to(self.device, non_blocking=True), self.preprocessing)
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        ):
            features: torch.Tensor = self._tower(voxels)
        if features.shape != (len(hu), self.dim):
            msg = (
                f"the tower of {self.name!r} gives features of shape {tuple(features.shape)}, "
                f"not {(len(hu), self.dim)}"
            )
            raise ValueError(msg)
        features = features.float()
        return functional.normalize(features, dim=-1) if self.is_normalized else features
