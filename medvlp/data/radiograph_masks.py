"""Masks of radiographs beside their folder, and batches of both.

``masks.b2nd`` holds a class for each pixel of each picture of the folder, in the order of its
array; ``radiograph_masks.json`` says which classes. Letters: B pictures, N all of them, S side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor
from torch.utils.data import Dataset

from medvlp.config.strict import StrictModel, load_yaml_model
from medvlp.data.batch import TensorRecord
from medvlp.data.radiograph_augment import change_picture, draw_change
from medvlp.data.radiograph_pairs import open_images, read_radiograph_pairs
from medvlp.data.randomness import augmentation_seed
from medvlp.data.row_store import RowLayout, RowStore, write_rows
from medvlp.errors import DataError, MedvlpError
from medvlp.io import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.data.radiograph_augment import RadiographAugmentSettings, RadiographChange
    from medvlp.data.radiograph_manifest import RadiographPairsManifest
    from medvlp.data.sampler import Draw

__all__ = [
    "UNKNOWN_PIXEL",
    "MaskBatch",
    "MaskedRadiographs",
    "MasksInfo",
    "change_mask",
    "collate_masks",
    "read_masks_info",
    "write_radiograph_masks",
]

MASKS_FILE, MASKS_INFO_FILE = "masks.b2nd", "radiograph_masks.json"
UNKNOWN_PIXEL = 255
"""Class of pixels that are left out."""

_AUGMENT_STREAM = 1
MaskSample = tuple[str, Any, Any]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class MasksInfo(StrictModel):
    """What ``radiograph_masks.json`` says.

    Attributes:
        format_version: Version of this layout.
        classes: Names of the classes, the background first, at most 255.
        samples_sha256: Hash of the table of the folder that the masks belong to.
        checksums: Checksum of each mask.
    """

    format_version: Literal[1] = 1
    classes: Annotated[tuple[str, ...], Field(min_length=2, max_length=UNKNOWN_PIXEL)]
    samples_sha256: Sha256
    checksums: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class MaskBatch(TensorRecord):
    """Pictures and the class of each of their pixels.

    Attributes:
        image: Brightness in [0, 1], shape ``(B, 1, S, S)``, float32.
        mask: Class of each pixel, 255 where it is not known, shape ``(B, S, S)``, int64.
        sample_id: Name of each picture.
    """

    image: Tensor
    mask: Tensor
    sample_id: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.sample_id)


def write_radiograph_masks(
    folder: Path, masks: Iterable[NDArray[np.uint8]], classes: Sequence[str]
) -> MasksInfo:
    """Write masks beside a folder of radiographs.

    Args:
        folder: The folder, already written.
        masks: A mask for each picture in the order of the array, shape ``(S, S)``, uint8; 255
            where a pixel is not known.
        classes: Names of the classes, the background first.

    Raises:
        DataError: If the folder is none of radiographs (MV1790), or a mask has a class that is not
            named (MV1836).
        ValueError: If there are more or fewer masks than pictures, or one has another shape.
    """
    manifest = read_radiograph_pairs(folder)

    def checked() -> Iterable[NDArray[np.uint8]]:
        for number, mask in enumerate(masks):
            known = mask[mask != UNKNOWN_PIXEL]
            if known.size and int(known.max()) >= len(classes):
                raise DataError(
                    "MV1836",
                    f"mask {number} has class {int(known.max())} of {len(classes)}",
                    expected=f"0 to {len(classes) - 1}, or {UNKNOWN_PIXEL}",
                )
            yield mask

    path = folder / MASKS_FILE
    layout = _layout(manifest.info.size_px)
    checksums = write_rows(path, checked(), manifest.num_images, layout)
    info = MasksInfo(
        classes=tuple(classes),
        samples_sha256=manifest.info.samples_sha256,
        checksums=tuple(checksums),
    )
    write_json(folder / MASKS_INFO_FILE, info.model_dump(mode="json"))
    return info


class MaskedRadiographs(Dataset[MaskSample]):
    """Names, pictures and masks of a split.

    Args:
        manifest: The folder of radiographs.
        masks: What is said of its masks.
        split: Which part of it.
        augment: How both are changed; None leaves them.
        seed: Seed of the changes.

    Raises:
        DataError: If there is no such split (MV1791).
    """

    def __init__(
        self,
        manifest: RadiographPairsManifest,
        masks: MasksInfo,
        split: str,
        augment: RadiographAugmentSettings | None,
        seed: int,
    ) -> None:
        self.rows = manifest.rows(split)
        self._full = float(2**manifest.info.bits - 1)
        self._images = open_images(manifest)
        layout = _layout(manifest.info.size_px)
        self._masks = RowStore(manifest.folder / MASKS_FILE, manifest.num_images, layout)
        self._checksums = masks.checksums
        self._augment = augment
        self._seed = seed

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.rows)

    def __getitem__(self, draw: Draw) -> MaskSample:
        """Return name, picture ``(S, S)`` in [0, 1] float32, and mask ``(S, S)`` uint8.

        Args:
            draw: Which picture, in which epoch.

        Raises:
            DataError: If the picture (MV1792) or the mask (MV1837) is damaged.
        """
        row = self.rows[draw.index]
        image = self._images.read(row.image, row.image_crc32).astype(np.float32)
        image /= np.float32(self._full)
        mask = self._masks.read(row.image, self._checksums[row.image])
        if self._augment is not None:
            seed = augmentation_seed(self._seed, draw.epoch, draw.index, draw.repeat)
            change = draw_change(self._augment, np.random.default_rng((seed, _AUGMENT_STREAM)))
            image, mask = change_picture(image, change), change_mask(mask, change)
        return row.sample_id, image, mask


def change_mask(mask: NDArray[np.uint8], change: RadiographChange) -> NDArray[np.uint8]:
    """Change a mask as its picture is changed; what comes in from beyond is background.

    Args:
        mask: Class of each pixel, shape ``(S, S)``, uint8.
        change: What is done to the picture; it is not turned over.
    """
    side = mask.shape[0]
    (rr, rc, r0), (cr, cc, c0) = change.matrix.tolist()
    found = Image.fromarray(mask).transform(
        (side, side),
        Image.Transform.AFFINE,
        (cc, cr, c0 * side, rc, rr, r0 * side),
        Image.Resampling.NEAREST,
    )
    return np.asarray(found, dtype=np.uint8)


def collate_masks(samples: Sequence[MaskSample]) -> MaskBatch:
    """Return the batch of some samples.

    Args:
        samples: B samples of one size.
    """
    names, images, masks = zip(*samples, strict=True)
    return MaskBatch(
        image=torch.from_numpy(np.stack(images)[:, None]),
        mask=torch.from_numpy(np.stack(masks).astype(np.int64)),
        sample_id=tuple(names),
    )


def _layout(size_px: int) -> RowLayout[np.uint8]:
    return RowLayout(
        dtype=np.uint8,
        shape=(size_px, size_px),
        name="mask",
        code="MV1837",
        hint="write the masks again",
    )


def read_masks_info(folder: Path, manifest: RadiographPairsManifest) -> MasksInfo:
    """Read what is said of the masks of a folder.

    Args:
        folder: The folder.
        manifest: Its pictures.

    Raises:
        DataError: If there are none, or they are of other pictures (MV1837).
    """
    try:
        info = load_yaml_model(folder / MASKS_INFO_FILE, MasksInfo)
    except MedvlpError as error:
        raise _refuse(folder, error.what) from error
    if info.samples_sha256 != manifest.info.samples_sha256:
        raise _refuse(folder, "they were written for another table of pictures")
    if len(info.checksums) != manifest.num_images:
        raise _refuse(folder, f"{len(info.checksums)} masks of {manifest.num_images} pictures")
    return info


def _refuse(folder: Path, why: str) -> DataError:
    return DataError(
        "MV1837",
        f"{folder} has no masks of its pictures: {why}",
        expected=f"{MASKS_INFO_FILE} and {MASKS_FILE}",
        hint="write the masks again",
    )
