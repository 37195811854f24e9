"""The batch that every recipe trains on: images, texts, and who belongs together.

Letters: B pairs of this rank, T tokens, N tiles, C channels, H W image, Z Y X volume, D embedding,
U distinct labels of the global batch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from medvlp.errors import DataError
from medvlp.losses.relations import PairRelation

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Batch",
    "Embeddings",
    "ImageInput",
    "TensorRecord",
    "TextInput",
    "TextTokens",
    "TileBags",
    "Volumes",
    "check_column",
]


@dataclass(frozen=True)
class TensorRecord:
    """Frozen dataclasses of tensors that move as one."""

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Self:
        """Return a copy on a device; dtypes stay."""
        return self._mapped(lambda x: x.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Return a copy in page-locked memory, from where copies to a GPU can overlap."""
        return self._mapped(Tensor.pin_memory)

    def _mapped(self, function: Callable[[Tensor], Tensor]) -> Self:
        changes: dict[str, Tensor | TensorRecord] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                changes[field.name] = function(value)
            elif isinstance(value, TensorRecord):
                changes[field.name] = value._mapped(function)
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Volumes(TensorRecord):
    """CT crops.

    Attributes:
        voxels: Shape ``(B, 1, Z, Y, X)``, int16 HU or float.
    """

    voxels: Tensor

    @property
    def num_rows(self) -> int:
        """Number of crops."""
        return self.voxels.shape[0]


@dataclass(frozen=True, kw_only=True)
class TileBags(TensorRecord):
    """Tile features of slides, one bag after the other.

    Attributes:
        features: Shape ``(N, D)``, float.
        starts: Where each bag begins and the last one ends, shape ``(B + 1,)``, int64, ascending
            from 0 to N.
        coords_px0: Top-left corners in level-0 pixels, (x, y), shape ``(N, 2)``, int64, or None.
    """

    features: Tensor
    starts: Tensor
    coords_px0: Tensor | None = None

    @property
    def num_rows(self) -> int:
        """Number of bags."""
        return self.starts.shape[0] - 1


@dataclass(frozen=True, kw_only=True)
class TextTokens(TensorRecord):
    """Tokenised texts.

    Attributes:
        ids: Shape ``(B, T)``, int64.
        mask: Whether a token is real and not padding, shape ``(B, T)``, bool.
    """

    ids: Tensor
    mask: Tensor

    @property
    def num_rows(self) -> int:
        """Number of texts."""
        return self.ids.shape[0]


@dataclass(frozen=True, kw_only=True)
class Embeddings(TensorRecord):
    """Embeddings computed beforehand by a frozen encoder.

    Attributes:
        vectors: Shape ``(B, D)``, float.
    """

    vectors: Tensor

    @property
    def num_rows(self) -> int:
        """Number of embeddings."""
        return self.vectors.shape[0]


ImageInput = Tensor | Volumes | TileBags | Embeddings
TextInput = TextTokens | Embeddings


@dataclass(frozen=True, kw_only=True)
class Batch(TensorRecord):
    """This rank's share of a global batch of pairs.

    Attributes:
        image: Image side of the pairs: tiles or X-rays as pixels, shape ``(B, H, W, C)``, uint8;
            or another modality's record.
        text: Text side of the pairs.
        group_id: Semantic group of each pair, shape ``(B,)``, int64; equal ids are positives.
        concept_id: Row of each pair's label in ``related`` where that is given, else the number of
            its concept, shape ``(B,)``, int64; -1: no label.
        sample_id: Name of each pair, B of them.
        weight: Weight of each pair in the loss, shape ``(B,)``, float32, >= 0.
        related: Related labels of the global batch, one bit per pair of labels, shape
            ``(U, ceil(U / 8))``, uint8, as :class:`medvlp.data.ignore.IgnoreTable` lays them out;
            None where nothing is ignored.

    Raises:
        DataError: If a field has another length (MV1755) or kind of numbers (MV1756) than stated.
    """

    image: ImageInput
    text: TextInput
    group_id: Tensor
    concept_id: Tensor
    sample_id: tuple[str, ...]
    weight: Tensor
    related: Tensor | None = None

    def __post_init__(self) -> None:
        """Check lengths and kinds of numbers."""
        num_pairs = len(self.sample_id)
        image = self.image
        num_images = image.shape[0] if isinstance(image, Tensor) else image.num_rows
        if not num_images == self.text.num_rows == num_pairs:
            raise DataError(
                "MV1755",
                f"the batch has {num_images} images, {self.text.num_rows} texts and "
                f"{num_pairs} names",
                expected="one of each for every pair",
            )
        for name in ("group_id", "concept_id"):
            check_column(name, getattr(self, name), num_pairs, torch.int64)
        check_column("weight", self.weight, num_pairs, torch.float32)
        if self.related is not None:
            num_labels = self.related.shape[0]
            shape = (num_labels, -(-num_labels // 8))
            if tuple(self.related.shape) != shape or self.related.dtype != torch.uint8:
                raise DataError(
                    "MV1756",
                    f"related has shape {tuple(self.related.shape)} and dtype {self.related.dtype}",
                    expected=f"{shape}, torch.uint8: one bit per pair of labels",
                )

    def __len__(self) -> int:
        """Return the number of pairs B on this rank."""
        return len(self.sample_id)

    @property
    def pixels(self) -> Tensor:
        """Pixels of tiles or X-rays, shape ``(B, H, W, C)``.

        Raises:
            TypeError: If the images are of another modality.
        """
        if not isinstance(self.image, Tensor):
            msg = f"the batch holds {type(self.image).__name__}, not pixels"
            raise TypeError(msg)
        return self.image

    @property
    def tokens(self) -> TextTokens:
        """Tokenised texts.

        Raises:
            TypeError: If the texts are embeddings.
        """
        if not isinstance(self.text, TextTokens):
            msg = f"the batch holds {type(self.text).__name__}, not tokens"
            raise TypeError(msg)
        return self.text

    def relation(self) -> PairRelation:
        """Return positives, ignored pairs and weights as the losses take them."""
        return PairRelation(
            group=self.group_id,
            concept=None if self.related is None else self.concept_id,
            related=self.related,
            weight=self.weight,
        )


def check_column(name: str, column: Tensor, rows: int, dtype: torch.dtype, axes: int = 1) -> None:
    """Refuse a field of a batch of another length or kind of numbers.

    Args:
        name: The field.
        column: Its values.
        rows: How many rows it must have.
        dtype: Their kind of numbers.
        axes: Number of axes, that of the rows included.

    Raises:
        DataError: MV1755 for the shape, MV1756 for the kind of numbers.
    """
    if column.ndim != axes or column.shape[0] != rows:
        raise DataError(
            "MV1755",
            f"{name} has shape {tuple(column.shape)}",
            expected=f"{axes} axes, {rows} rows" if axes > 1 else f"({rows},)",
        )
    if column.dtype != dtype:
        is_id = dtype == torch.int64
        raise DataError(
            "MV1756",
            f"{name} has dtype {column.dtype}",
            expected=f"{dtype}",
            hint="ids never pass through floating point: it cannot hold all of them"
            if is_id
            else "",
        )
