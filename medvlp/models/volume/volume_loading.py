"""Load a volume encoder by name, whoever made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.models.volume.volume_encoder import VolumeEncoder

__all__ = ["load_volume_encoder"]


def load_volume_encoder(
    name: str | Path, *, device: str = "cpu", precision: str = "fp32"
) -> VolumeEncoder:
    """Load a volume encoder.

    Args:
        name: A folder with a model bundle; ``hf-hub:owner/name[@revision]``, the same from the
            Hugging Face hub or its cache; or ``volume:NETWORK``, a network with random weights that
            a seed fixes, for trying out.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``bf16`` runs the tower under autocast; features are float32 either way.
    """
    raise NotImplementedError
