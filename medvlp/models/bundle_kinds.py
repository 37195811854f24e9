"""Read the description of a bundle, whatever it takes and does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.models.bundle_schema import (
    FINDING_MODEL,
    BundleMeta,
    read_bundle_document,
    read_bundle_meta,
)
from medvlp.models.radiograph.bundle_schema import RadiographBundleMeta, read_radiograph_bundle_meta
from medvlp.models.volume.bundle_schema import VolumeBundleMeta, read_volume_bundle_meta

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AnyBundleMeta", "read_any_bundle_meta"]


AnyBundleMeta = BundleMeta | VolumeBundleMeta | RadiographBundleMeta
"""The description of some bundle; its modality, and ``kind`` where it has one, say of which."""


def read_any_bundle_meta(folder: Path) -> AnyBundleMeta:
    """Read and check the description of a bundle, whatever it takes.

    Raises:
        ModelError: If it is missing (MV1403), not valid (MV1407) or of another version (MV1408).
    """
    document = read_bundle_document(folder)
    if document.get("modality") == "ct":
        return read_volume_bundle_meta(folder)
    if document.get("kind") == FINDING_MODEL:
        return read_radiograph_bundle_meta(folder)
    return read_bundle_meta(folder)
