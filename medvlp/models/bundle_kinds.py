"""Read the description of a bundle, whether it takes images or volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.models.bundle_schema import BundleMeta, read_bundle_document, read_bundle_meta
from medvlp.models.volume.bundle_schema import VolumeBundleMeta, read_volume_bundle_meta

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_any_bundle_meta"]


def read_any_bundle_meta(folder: Path) -> BundleMeta | VolumeBundleMeta:
    """Read and check the description of a bundle, whatever it takes.

    Raises:
        ModelError: If it is missing (MV1403), not valid (MV1407) or of another version (MV1408).
    """
    if read_bundle_document(folder).get("modality") == "ct":
        return read_volume_bundle_meta(folder)
    return read_bundle_meta(folder)
