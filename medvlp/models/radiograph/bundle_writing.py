"""Write a bundle of a network for radiographs: the folder appears whole or not at all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from medvlp.errors import ModelError
from medvlp.models.bundle_files import publish_bundle
from medvlp.models.bundle_schema import TOKENIZER_FILE
from medvlp.models.radiograph.bundle_schema import (
    RadiographBundleMeta,
    RadiographPreprocessingRecord,
    network_preprocessing,
)

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.models.bundle_schema import Provenance
    from medvlp.models.radiograph.network import RadiographNetwork
    from medvlp.models.radiograph.released import ReleasedNetwork
    from medvlp.text.tokenizer import CaptionTokenizer
    from medvlp.types import RadiographPreprocessing

__all__ = ["RadiographBundleCard", "save_radiograph_bundle"]


@dataclass(frozen=True, kw_only=True)
class RadiographBundleCard:
    """What a bundle says about its network besides the architecture.

    Attributes:
        name: The model's name.
        preprocessing: How radiographs are brought to the network's input.
        provenance: Where the model comes from, and what its weights were chosen on.
        license: Licence of the weights.
        findings_seen: Names of the findings that the network was trained with.
    """

    name: str
    preprocessing: RadiographPreprocessing
    provenance: Provenance
    license: str
    findings_seen: tuple[str, ...] = ()


def save_radiograph_bundle(
    folder: Path,
    network: RadiographNetwork | ReleasedNetwork,
    tokenizer: CaptionTokenizer,
    card: RadiographBundleCard,
) -> RadiographBundleMeta:
    """Write a bundle.

    Args:
        folder: The new folder; must not exist with content.
        network: The network, ours or a released one, on any device.
        tokenizer: The tokenizer that its text tower was trained with.
        card: What else the bundle says.

    Returns:
        The description that was written.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405), or the network takes radiographs
            otherwise than the card says (MV1471).
        FileExistsError: If the folder is taken.
        ValueError: If the tokenizer is not of the text tower's size.
    """
    if tokenizer.vocab_size != network.vocab_size:
        msg = f"the tokenizer must have {network.vocab_size} pieces, as the text tower has"
        raise ValueError(msg)
    wanted = network_preprocessing(network.settings)
    if card.preprocessing != wanted:
        raise ModelError(
            "MV1471",
            f"model {card.name!r} is to be saved with {card.preprocessing}",
            expected=f"{wanted}, as its network does",
        )

    def describe(files: dict[str, str]) -> RadiographBundleMeta:
        return RadiographBundleMeta(
            name=card.name,
            architecture=network.settings,
            vocab_size=network.vocab_size,
            preprocessing=RadiographPreprocessingRecord(**asdict(card.preprocessing)),
            findings_seen=card.findings_seen,
            provenance=card.provenance,
            license=card.license,
            files=files,
        )

    def write_tokenizer(path: Path) -> None:
        path.write_text(tokenizer.to_json(), encoding="utf-8")

    others = {TOKENIZER_FILE: write_tokenizer}
    return publish_bundle(folder, network.state_dict(), others, describe, card.name)
