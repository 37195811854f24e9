"""What importers of models of CT volumes share: orientation, texts, the bundle itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import torch

from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError, ModelError, UsageError
from medvlp.models.importers.records import ImportReport, make_provenance
from medvlp.models.importers.release_shapes import take_tensors
from medvlp.models.importers.text_vectors import read_text_vectors
from medvlp.models.volume.bundle_schema import VolumePreprocessingRecord
from medvlp.models.volume.bundle_writing import VolumeBundleCard, save_volume_bundle
from medvlp.models.volume.dual_encoder import VolumeDualEncoder
from medvlp.models.volume.volume_encoder import network_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from medvlp.models.importers.records import ImportRequest, Origin
    from medvlp.models.volume.bundle_schema import VolumeModelSettings
    from medvlp.text.tokenizer import CaptionTokenizer
    from medvlp.types import VolumePreprocessing

__all__ = [
    "VolumeRelease",
    "read_release_weights",
    "turned",
    "write_volume_release",
]


@dataclass(frozen=True, kw_only=True)
class VolumeRelease:
    """A released model of volumes, in our terms.

    Attributes:
        settings: The parts of the model.
        state: All tensors of a :class:`VolumeDualEncoder` with these parts.
        preprocessing: How scans are brought to the network's input.
        is_projected: Whether embeddings lie in a space shared with text.
        files: The files of the release that were read.
        tokenizer: The tokenizer of the text tower; None without one.
        libraries: The libraries that build its networks.
        notes: What a user must know of this file, in sentences.
    """

    settings: VolumeModelSettings
    state: Mapping[str, torch.Tensor]
    preprocessing: VolumePreprocessing
    is_projected: bool
    files: Sequence[Path]
    tokenizer: CaptionTokenizer | None = None
    libraries: Sequence[str] = ("torch",)
    notes: Sequence[str] = ()


def turned(preprocessing: VolumePreprocessing, orientation: str | None) -> VolumePreprocessing:
    """Return a preprocessing in the orientation that the user named, if one was named.

    Raises:
        UsageError: If it names no sides of the body (MV2115).
    """
    if orientation is None:
        return preprocessing
    changed = replace(preprocessing, orientation=orientation.upper())
    try:
        parse_model(asdict(changed), VolumePreprocessingRecord, source="--orientation")
    except ConfigError as error:
        raise UsageError(
            "MV2115",
            f"{orientation!r} names no orientation",
            expected="one each of L/R, A/P and I/S for x, y and z, such as LPS",
        ) from error
    return changed


def read_release_weights(
    found: Mapping[str, torch.Tensor],
    settings: VolumeModelSettings,
    preprocessing: VolumePreprocessing,
    theirs: Callable[[str], str],
    source: str,
    *,
    left_out: tuple[str, ...] = (),
    vocab_size: int | None = None,
) -> dict[str, torch.Tensor]:
    """Take the tensors of our model out of a release; each must be there, and no other.

    Args:
        found: Tensors by the name they have in the release.
        settings: The parts of the model.
        preprocessing: How scans are brought to the network's input.
        theirs: What the release calls a tensor of ours.
        source: Where the weights come from, for messages.
        left_out: Tensors of ours that the release does not have and that the caller adds.
        vocab_size: Number of pieces of the tokenizer; None without a text tower.

    Raises:
        ModelError: If names (MV2105) or shapes (MV2106) differ.
    """
    with torch.device("meta"):
        model = VolumeDualEncoder(settings, network_shape(preprocessing), vocab_size)
    wanted = {n: tuple(t.shape) for n, t in model.state_dict().items() if n not in left_out}
    return take_tensors(found, wanted, theirs, source)


def write_volume_release(
    request: ImportRequest, origin: Origin, release: VolumeRelease
) -> ImportReport:
    """Write the bundle of a release.

    Args:
        request: What the user asked for.
        origin: What is known of the kind.
        release: What was read.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405), or the texts cannot be used (MV2114,
            MV1446).
    """
    name = request.name or origin.name
    files, texts = list(release.files), None
    if request.texts is not None:
        if not release.is_projected:
            raise ModelError(
                "MV2114",
                f"{request.texts} cannot be used: the release has no head for a space shared with "
                "text",
                expected="a release with its contrastive head",
            )
        texts = read_text_vectors(request.texts, name)
        files.append(request.texts)
    tokenizer = release.tokenizer
    shape = network_shape(release.preprocessing)
    with torch.device("meta"):
        model = VolumeDualEncoder(
            release.settings, shape, tokenizer.vocab_size if tokenizer else None
        )
    model.load_state_dict(dict(release.state), strict=True, assign=True)
    card = VolumeBundleCard(
        name=name,
        preprocessing=release.preprocessing,
        is_projected=release.is_projected,
        provenance=make_provenance(origin, files, libraries=release.libraries, notes=release.notes),
        license=request.license or origin.license,
    )
    meta = save_volume_bundle(request.out, model, tokenizer, card, texts=texts)
    return ImportReport(
        folder=request.out,
        meta=meta,
        num_weights=sum(tensor.numel() for tensor in release.state.values()),
        notes=card.provenance.notes,
    )
