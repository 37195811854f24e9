"""Load the encoder of a model: of images, volumes or radiographs, whichever a name stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from medvlp.models.bundle_schema import read_bundle_document
from medvlp.models.folders import FolderLayout, model_folder, model_layout
from medvlp.models.image_encoder import load_image_encoder
from medvlp.models.radiograph.bundle import load_radiograph_bundle
from medvlp.models.volume.volume_loading import NETWORK_PREFIX, load_volume_encoder

if TYPE_CHECKING:
    from medvlp.models.radiograph.bundle import RadiographBundle
    from medvlp.models.vision import ImageEncoder
    from medvlp.models.volume.volume_encoder import VolumeEncoder
    from medvlp.types import Modality

    AnyEncoder = ImageEncoder | VolumeEncoder | RadiographBundle
    """What embeds cases of some modality."""

__all__ = ["AnyEncoder", "load_any_encoder"]

_IMAGE_LIBRARIES = ("open_clip:", "timm:")


def load_any_encoder(
    name: str, *, device: str = "cpu", precision: str = "fp32"
) -> tuple[Modality, AnyEncoder]:
    """Load an encoder and say what cases it takes; its description decides.

    Args:
        name: A folder, ``hf-hub:owner/name``, or the name of a library's network; see
            :func:`medvlp.models.image_encoder.load_image_encoder` and
            :func:`medvlp.models.volume.volume_loading.load_volume_encoder`.
        device: Where the network runs.
        precision: ``fp32`` or ``bf16``.

    Returns:
        The modality, ``slide`` for models that do not state one, and the encoder; a model of
        radiographs embeds them itself.

    Raises:
        ModelError: If the model cannot be used (MV14xx).
        UsageError: If the device or precision does not exist (MV1415).
    """
    modality = _modality(name)
    if modality == "ct":
        return modality, load_volume_encoder(name, device=device, precision=precision)
    if modality == "radiograph":
        return modality, load_radiograph_bundle(name, device=device, precision=precision)
    return modality, load_image_encoder(name, device=device, precision=precision)


def _modality(name: str) -> Modality:
    if name.startswith(NETWORK_PREFIX):
        return "ct"
    if name.startswith(_IMAGE_LIBRARIES):
        return "slide"
    folder = model_folder(name)
    if model_layout(folder) is not FolderLayout.BUNDLE:
        return "slide"
    stated = read_bundle_document(folder).get("modality")
    return cast("Modality", stated) if stated in {"slide", "ct", "radiograph"} else "slide"
