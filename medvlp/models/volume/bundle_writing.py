"""Write a bundle of a model that takes CT volumes: the folder appears whole or not at all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from medvlp.errors import ModelError
from medvlp.models.bundle_files import publish_bundle
from medvlp.models.bundle_schema import TOKENIZER_FILE
from medvlp.models.volume.bundle_schema import (
    TEXTS_FILE,
    VolumeBundleMeta,
    VolumePreprocessingRecord,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medvlp.models.bundle_schema import Provenance
    from medvlp.models.volume.dual_encoder import VolumeDualEncoder
    from medvlp.models.volume.stored_texts import StoredTexts
    from medvlp.text.tokenizer import CaptionTokenizer
    from medvlp.types import VolumePreprocessing

__all__ = ["VolumeBundleCard", "save_volume_bundle"]


@dataclass(frozen=True, kw_only=True)
class VolumeBundleCard:
    """What a bundle says about its model besides the architecture.

    Attributes:
        name: The model's name.
        preprocessing: How boxes are cut from a scan and brought to the network's input.
        is_projected: Whether embeddings of boxes lie in a space shared with text.
        provenance: Where the model comes from.
        license: Licence of the weights.
        templates: Caption templates with ``{}`` for a class name.
        prompts: Class name to the names to ask with.
    """

    name: str
    preprocessing: VolumePreprocessing
    is_projected: bool
    provenance: Provenance
    license: str
    templates: tuple[str, ...] = ()
    prompts: dict[str, tuple[str, ...]] | None = None


def save_volume_bundle(
    folder: Path,
    model: VolumeDualEncoder,
    tokenizer: CaptionTokenizer | None,
    card: VolumeBundleCard,
    *,
    texts: StoredTexts | None = None,
) -> VolumeBundleMeta:
    """Write a bundle.

    Args:
        folder: The new folder; must not exist with content.
        model: The model, on any device.
        tokenizer: The tokenizer that its text tower was trained with; None without a text tower.
        card: What else the bundle says.
        texts: Embeddings of texts, for a model whose text tower runs elsewhere.

    Returns:
        The description that was written.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405), or the texts' vectors have another
            length than the embeddings (MV1446).
        FileExistsError: If the folder is taken.
        ValueError: If there is a tokenizer without a text tower, or the other way round.
    """
    if (tokenizer.vocab_size if tokenizer else None) != model.vocab_size:
        msg = f"the tokenizer must have {model.vocab_size} pieces, as the text tower has"
        raise ValueError(msg)
    if texts is not None and texts.dim != model.dim:
        raise ModelError(
            "MV1446",
            f"the vectors of the texts have {texts.dim} values",
            expected=f"{model.dim}, the length of the model's embeddings",
        )

    def describe(files: dict[str, str]) -> VolumeBundleMeta:
        return VolumeBundleMeta(
            name=card.name,
            architecture=model.settings,
            vocab_size=model.vocab_size,
            preprocessing=VolumePreprocessingRecord(**asdict(card.preprocessing)),
            is_projected=card.is_projected,
            templates=card.templates,
            prompts=card.prompts or {},
            provenance=card.provenance,
            license=card.license,
            files=files,
        )

    others: dict[str, Callable[[Path], None]] = {}
    if tokenizer is not None:
        json_text = tokenizer.to_json()
        others[TOKENIZER_FILE] = lambda path: _write_text(path, json_text)
    if texts is not None:
        others[TEXTS_FILE] = texts.write
    return publish_bundle(folder, model.state_dict(), others, describe, card.name)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
