"""An image tower made ready to use: pixels in, embeddings out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast, get_args

import torch
from torch.nn import functional

from medvlp.errors import UsageError
from medvlp.models.preprocessing import normalize_pixels
from medvlp.models.weights import check_finite, weights_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.types import ImagePreprocessing

__all__ = ["ImageEncoder", "Precision", "check_device", "check_precision"]

Precision = Literal["fp32", "bf16"]


class ImageEncoder:
    """Embeds images of one fixed size.

    Args:
        name: The name under which the model was asked for; stands in feature files.
        tower: Maps normalised pixels ``(B, 3, H, W)`` to ``(B, D)``; put into evaluation mode.
        weights: The tensors that the features depend on; hashed and checked for NaN.
        preprocessing: How images are brought to the tower's input.
        is_projected: Whether features lie in a space shared with text.
        is_normalized: Whether ``embed`` returns unit vectors.
        is_random: Whether the weights were never trained.
        mpp: Micrometres per pixel the model was trained at; None where unknown.
        tile_px: Side of the tiles the model was trained on, pixels at ``mpp``; None where unknown.
        device: Where the tower runs.
        precision: ``bf16`` runs the tower under autocast; features are float32 either way.

    Attributes:
        dim: Length D of an embedding.
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
        weights: Mapping[str, torch.Tensor],
        preprocessing: ImagePreprocessing,
        is_projected: bool,
        is_normalized: bool,
        is_random: bool = False,
        mpp: float | None = None,
        tile_px: int | None = None,
        device: str = "cpu",
        precision: str = "fp32",
    ) -> None:
        self.name = name
        self.preprocessing = preprocessing
        self.is_projected = is_projected
        self.is_normalized = is_normalized
        self.is_random = is_random
        self.mpp = mpp
        self.tile_px = tile_px
        self.device = check_device(device)
        self.precision = check_precision(precision)
        check_finite(weights, name)
        self.weights_sha256 = weights_sha256(weights)
        self._tower = tower.eval().to(self.device).to(memory_format=torch.channels_last)
        self._mean = torch.tensor(preprocessing.mean, device=self.device)
        self._std = torch.tensor(preprocessing.std, device=self.device)
        side = preprocessing.input_px
        self.dim = int(self.embed(torch.zeros(1, side, side, 3, dtype=torch.uint8)).shape[1])

    @torch.inference_mode()
    def embed(self, rgb: torch.Tensor) -> torch.Tensor:
        """Embed images that are already at the input size.

        Args:
            rgb: Pixels, shape ``(B, input_px, input_px, 3)``, uint8, on any device.

        Returns:
            Features, shape ``(B, D)``, float32, on the encoder's device; unit vectors where
            ``is_normalized``.

        Raises:
            ValueError: If the pixels have another type or size.
        """
        side = self.preprocessing.input_px
        if rgb.shape[1:] != (side, side, 3):
            msg = f"rgb must have shape (B, {side}, {side}, 3), got {tuple(rgb.shape)}"
            raise ValueError(msg)
        pixels = normalize_pixels(rgb.to(self.device, non_blocking=True), self._mean, self._std)
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        ):
            features = self._tower(pixels)
        features = features.float()
        return functional.normalize(features, dim=-1) if self.is_normalized else features


def check_precision(precision: str) -> Precision:
    """Return the precision if it is one.

    Raises:
        UsageError: If it is not (MV1415).
    """
    if precision not in get_args(Precision):
        raise UsageError(
            "MV1415",
            f"precision {precision!r} is unknown",
            expected=f"one of {get_args(Precision)}",
        )
    return cast("Precision", precision)


def check_device(device: str) -> torch.device:
    """Return the device if this machine has it.

    Raises:
        UsageError: If the name is not one of a device, or the device is not there (MV1415).
    """
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise UsageError(
            "MV1415", f"device {device!r} is unknown", expected="cpu, cuda or cuda:0, mps"
        ) from error
    counts = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if (found.index or 0) >= counts.get(found.type, 0):
        present = [f"{kind} ({count})" for kind, count in counts.items() if count]
        raise UsageError(
            "MV1415",
            f"device {device!r} is not on this machine",
            expected=f"one of {', '.join(present)}",
            hint="leave the device out, or install the torch build for this accelerator",
        )
    return found
