"""What an import is asked for and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from medvlp import __version__
from medvlp.errors import UsageError
from medvlp.io import content_sha256
from medvlp.models.bundle_schema import BundleScale, Provenance
from medvlp.models.bundle_writing import BundleCard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.models.bundle_kinds import AnyBundleMeta
    from medvlp.types import ImagePreprocessing

__all__ = ["Activation", "ImportReport", "ImportRequest", "Origin", "make_card", "make_provenance"]

Activation = Literal["gelu", "quick_gelu"]
_TILE_PX = 256


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What the user asks for.

    Attributes:
        source: The release: a folder, a file of weights, or ``hf-hub:owner/name``.
        out: The new bundle.
        name: The model's name in outputs; None for the kind's own.
        mpp: Micrometres per pixel of training tiles before the model's own resizing; None where it
            is not known.
        tile_px: Side of a training tile in pixels at ``mpp``; None for 256 where ``mpp`` is given.
        license: Licence of the weights; None for what is known of the kind.
        tokenizer: Folder with the tokenizer's files, where they do not lie beside the weights.
        architecture: open_clip's name of the towers, for a checkpoint that comes without settings.
        activation: Activation inside the image tower, for releases that do not state it.
        texts: File of texts with their embeddings, for models of volumes without a text tower.
        orientation: Sides towards which x, y and z of the volume grow, such as ``LPS``, where the
            release does not settle it; None for what is taken as likely.
        text_model: Text encoder of a network for radiographs that comes without its own, or whose
            settings and tokenizer lie elsewhere: a folder or ``hf-hub:owner/name``.
        input_px: Side of the images of a network for radiographs, where its file does not say.
    """

    source: str
    out: Path
    name: str | None = None
    mpp: float | None = None
    tile_px: int | None = None
    license: str | None = None
    tokenizer: Path | None = None
    architecture: str | None = None
    activation: Activation | None = None
    texts: Path | None = None
    orientation: str | None = None
    text_model: str | None = None
    input_px: int | None = None

    def scale(self) -> BundleScale | None:
        """Return the physical scale of training tiles, or None where none was given.

        Raises:
            UsageError: If ``tile_px`` is given alone, or a value is not positive (MV2109).
        """
        if self.mpp is None:
            if self.tile_px is not None:
                raise UsageError("MV2109", "a tile size was given without --mpp", expected="both")
            return None
        tile_px = _TILE_PX if self.tile_px is None else self.tile_px
        if not 0 < self.mpp <= 1000 or not 1 <= tile_px <= 16384:
            raise UsageError(
                "MV2109",
                f"a scale of {self.mpp} um per pixel with tiles of {tile_px} px is not possible",
                expected="--mpp between 0 and 1000, --tile-px between 1 and 16384",
            )
        return BundleScale(mpp=self.mpp, tile_px=tile_px)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What is known of a kind of release.

    Attributes:
        name: The model's name where the user gives none.
        data: What it was trained on, in words.
        license: Licence of the weights, as their authors state it.
        notes: What a user must know, in sentences.
        holds_umls: Whether text of the UMLS went into the training.
    """

    name: str
    data: str
    license: str
    notes: tuple[str, ...] = ()
    holds_umls: bool = False


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import made.

    Attributes:
        folder: The new bundle.
        meta: Its description.
        num_weights: Number of values in its weights.
        notes: What the user must know, in sentences.
    """

    folder: Path
    meta: AnyBundleMeta
    num_weights: int
    notes: tuple[str, ...] = field(default=())


def make_card(
    request: ImportRequest,
    origin: Origin,
    preprocessing: ImagePreprocessing,
    files: Sequence[Path],
) -> BundleCard:
    """Return what the bundle of a release says besides its architecture.

    Args:
        request: What the user asked for.
        origin: What is known of the kind.
        preprocessing: How images are brought to the image tower's input.
        files: The files of the release that were read; their hashes are kept.

    Raises:
        UsageError: If the physical scale that was given is not one (MV2109).
    """
    scale = request.scale()
    unscaled = "No physical scale is recorded; state the scale of the tiles with every use."
    return BundleCard(
        name=request.name or origin.name,
        modality="slide",
        preprocessing=preprocessing,
        scale=scale,
        provenance=make_provenance(
            origin,
            files,
            libraries=("timm", "open_clip_torch", "transformers"),
            notes=() if scale else (unscaled,),
        ),
        license=request.license or origin.license,
    )


def make_provenance(
    origin: Origin, files: Sequence[Path], *, libraries: Sequence[str], notes: Sequence[str] = ()
) -> Provenance:
    """Return where an imported model comes from.

    Args:
        origin: What is known of the kind.
        files: The files of the release that were read; their hashes are kept.
        libraries: The libraries that build its networks; their versions are kept.
        notes: What a user must know of this file, besides what holds for all of the kind.
    """
    return Provenance(
        medvlp_version=__version__,
        libraries={name: version(name) for name in libraries},
        data=origin.data,
        holds_umls=origin.holds_umls,
        sources={path.name: content_sha256(path) for path in files},
        notes=(*origin.notes, *notes),
    )
