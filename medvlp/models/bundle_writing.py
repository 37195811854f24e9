"""Write a model bundle: the folder appears whole or not at all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from medvlp.models.bundle_files import publish_bundle
from medvlp.models.bundle_schema import TOKENIZER_FILE, BundleMeta, PreprocessingRecord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from medvlp.models.architecture import DualEncoderSettings
    from medvlp.models.bundle_schema import BundleScale, ImageModality, Provenance
    from medvlp.models.dual_encoder import DualEncoder
    from medvlp.models.open_clip_settings import OpenClipSettings
    from medvlp.text.tokenizer_files import TextTokenizer
    from medvlp.types import ImagePreprocessing

__all__ = ["BundleCard", "save_bundle", "write_bundle"]


@dataclass(frozen=True, kw_only=True)
class BundleCard:
    """What a bundle says about its model besides the architecture.

    Attributes:
        name: The model's name.
        modality: What it diagnoses.
        preprocessing: How images are brought to the image tower's input.
        scale: The physical scale of training images; None where it does not apply.
        provenance: Where the model comes from.
        license: Licence of the weights.
        templates: Caption templates with ``{}`` for a class name.
        prompts: Class name to the names to ask with.
    """

    name: str
    modality: ImageModality
    preprocessing: ImagePreprocessing
    scale: BundleScale | None
    provenance: Provenance
    license: str
    templates: tuple[str, ...] = ()
    prompts: dict[str, tuple[str, ...]] | None = None


def save_bundle(
    folder: Path, model: DualEncoder, tokenizer: TextTokenizer, card: BundleCard
) -> BundleMeta:
    """Write a bundle of one of our own dual encoders.

    Args:
        folder: The new folder; must not exist with content.
        model: The dual encoder, on any device.
        tokenizer: The tokenizer that its text tower was trained with.
        card: What else the bundle says.

    Returns:
        The description that was written.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405).
        FileExistsError: If the folder is taken.
    """
    return write_bundle(folder, model.settings, model.state_dict(), tokenizer, card)


def write_bundle(
    folder: Path,
    architecture: DualEncoderSettings | OpenClipSettings,
    state: Mapping[str, torch.Tensor],
    tokenizer: TextTokenizer,
    card: BundleCard,
) -> BundleMeta:
    """Write a bundle from its parts.

    Args:
        folder: The new folder; must not exist with content.
        architecture: The settings from which the module is built.
        state: All tensors of that module, on any device.
        tokenizer: The tokenizer that its text tower was trained with.
        card: What else the bundle says.

    Returns:
        The description that was written.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405).
        FileExistsError: If the folder is taken.
    """

    def describe(files: dict[str, str]) -> BundleMeta:
        return BundleMeta(
            name=card.name,
            modality=card.modality,
            architecture=architecture,
            vocab_size=tokenizer.vocab_size,
            preprocessing=PreprocessingRecord(**asdict(card.preprocessing)),
            scale=card.scale,
            templates=card.templates,
            prompts=card.prompts or {},
            provenance=card.provenance,
            license=card.license,
            files=files,
        )

    def write_tokenizer(path: Path) -> None:
        path.write_text(tokenizer.to_json(), encoding="utf-8")

    return publish_bundle(folder, state, {TOKENIZER_FILE: write_tokenizer}, describe, card.name)
