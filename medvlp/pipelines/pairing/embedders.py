"""Turn images into unit vectors whose cosines say how alike the images look."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from medvlp.errors import DataError
from medvlp.pipelines.pairing.settings import THUMBNAIL, ImageDuplicates
from medvlp.types import ImagePreprocessing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = [
    "EncoderEmbedder",
    "ImageEmbedder",
    "ThumbnailEmbedder",
    "load_embedder",
    "read_feature_file",
    "unit_rows",
]


class ImageEmbedder(Protocol):
    """Embeds images of one fixed size.

    Attributes:
        identity: What the features depend on; plain values.
        preprocessing: How images are brought to the input size.
        dim: Length D of a feature.
        batch_size: Number of images that are embedded together.
    """

    identity: dict[str, Any]
    preprocessing: ImagePreprocessing
    dim: int
    batch_size: int

    def embed(self, rgb: NDArray[np.uint8]) -> Floats:
        """Embed images.

        Args:
            rgb: Shape ``(B, S, S, 3)``, uint8.

        Returns:
            Unit vectors, shape ``(B, D)``, float32.
        """


class ThumbnailEmbedder:
    """Colours on a coarse grid, each image's mean taken off: finds copies without any model."""

    _GRID = 12

    def __init__(self) -> None:
        self.identity: dict[str, Any] = {"encoder": THUMBNAIL, "grid": self._GRID}
        self.dim = self._GRID * self._GRID * 3
        self.batch_size = 256
        self.preprocessing = ImagePreprocessing(
            input_px=self._GRID * 4,
            resize_px=self._GRID * 4,
            interpolation="bilinear",
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
        )

    def embed(self, rgb: NDArray[np.uint8]) -> Floats:
        """Embed images; see :class:`ImageEmbedder`."""
        count, grid = len(rgb), self._GRID
        cells = rgb.reshape(count, grid, 4, grid, 4, 3).mean(axis=(2, 4), dtype=np.float32)
        cells -= cells.mean(axis=(1, 2), keepdims=True)
        return unit_rows(cells.reshape(count, -1))


class EncoderEmbedder:
    """Any image encoder of the package.

    Args:
        name: Its name; see ``medvlp.models.image_encoder.load_image_encoder``.
        settings: Device, precision and size of batches.
    """

    def __init__(self, name: str, settings: ImageDuplicates) -> None:
        from medvlp.models.image_encoder import (  # noqa: PLC0415 - torch only where needed
            load_image_encoder,
        )

        encoder = load_image_encoder(name, device=settings.device, precision=settings.precision)
        self._encoder = encoder
        self.identity: dict[str, Any] = {
            "encoder": name,
            "weights_sha256": encoder.weights_sha256,
            "is_random": encoder.is_random,
            "precision": settings.precision,
        }
        self.preprocessing = encoder.preprocessing
        self.dim = encoder.dim
        self.batch_size = settings.batch_size

    def embed(self, rgb: NDArray[np.uint8]) -> Floats:
        """Embed images; see :class:`ImageEmbedder`."""
        import torch  # noqa: PLC0415 - torch only where needed

        features = self._encoder.embed(torch.from_numpy(rgb)).cpu().numpy()
        return unit_rows(np.asarray(features, dtype=np.float32))


def load_embedder(settings: ImageDuplicates, *, is_judged: bool = False) -> ImageEmbedder | None:
    """Return what embeds images, or None where the settings ask for nothing to be embedded.

    Args:
        settings: Names the encoder.
        is_judged: Whether images are also judged by what they show.

    Raises:
        ModelError: If the encoder cannot be loaded (MV14xx).
    """
    is_compared = settings.rule != "none" and settings.features is None
    if settings.encoder is None or not (is_compared or is_judged):
        return None
    if settings.encoder == THUMBNAIL:
        return ThumbnailEmbedder()
    return EncoderEmbedder(settings.encoder, settings)


def read_feature_file(path: Path, names: Sequence[str]) -> Floats:
    """Read features that were computed elsewhere.

    Args:
        path: A .npz file with ``names``, shape ``(M,)``, texts, and ``features``, shape ``(M, D)``.
        names: Images whose features are wanted, N of them.

    Returns:
        Unit vectors, shape ``(N, D)``, float32.

    Raises:
        DataError: If the file is no such file, lacks an image, or holds a vector that is zero or
            not finite (MV2133).
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            known, features = arrays["names"], np.asarray(arrays["features"], dtype=np.float32)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _refuse(path, str(error)) from error
    if features.ndim != 2 or known.shape != features.shape[:1]:
        raise _refuse(path, f"names have shape {known.shape}, features {features.shape}")
    place = {name: row for row, name in enumerate(known.tolist())}
    missing = [name for name in names if name not in place]
    if missing:
        raise _refuse(path, f"{len(missing)} images have no features, such as {missing[0]!r}")
    chosen = features[[place[name] for name in names]]
    length = np.linalg.norm(chosen, axis=1)
    bad = np.flatnonzero(~(np.isfinite(length) & (length > 0)))
    if len(bad):
        raise _refuse(path, f"the vector of {names[bad[0]]!r} is zero or not finite")
    return unit_rows(chosen)


def unit_rows(features: Floats) -> Floats:
    """Return rows of length 1; rows of zeros stay zeros.

    Args:
        features: Shape ``(N, D)``, float32.
    """
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(length > 0, length, 1), dtype=np.float32)


def _refuse(path: Path, why: str) -> DataError:
    return DataError(
        "MV2133",
        f"{path} cannot be used as features: {why}",
        expected="a .npz file with names (M,) and features (M, D), one row for every image",
        hint="names are those of the source's image column",
    )
