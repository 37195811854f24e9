"""A folder of image-text pairs: tar shards, and a Parquet manifest that holds all text.

``pairs.parquet`` has one row per pair; ``pairs.json`` says what all of them have in common.
Captions and groups are outside the shards, so that the knowledge can change without writing the
images again.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as pa
from pydantic import Field

from medvlp.config.strict import StrictModel, load_yaml_model
from medvlp.data.image_codec import Encoding, encode_image
from medvlp.data.manifest import (
    CHECKSUM,
    PAIRS_SCHEMA,
    PairsTable,
    read_pairs_table,
    write_pairs_table,
)
from medvlp.data.manifest_checks import SPLITS
from medvlp.data.pair_rows import PairRow, PairRows
from medvlp.data.shards import LocalShards, ShardReader, ShardWriter
from medvlp.errors import ConfigError, DataError, MedvlpError
from medvlp.io import content_sha256, publish_folder, write_json
from medvlp.types import Modality

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from medvlp.data.shards import ShardSource

__all__ = [
    "PairRecord",
    "PairRow",
    "PairsInfo",
    "PairsManifest",
    "ShardFacts",
    "read_pairs",
    "shard_facts",
    "write_manifest",
    "write_pairs",
]

STORED_SCHEMA = PAIRS_SCHEMA.append(pa.field(CHECKSUM, pa.int64()))
MANIFEST_FILE = "pairs.parquet"
INFO_FILE = "pairs.json"


class ShardFacts(StrictModel):
    """One shard, as it was written.

    Attributes:
        name: File name.
        size: Number of bytes.
        sha256: Hash of its bytes.
    """

    name: Annotated[str, Field(pattern=r"^[^/\\]+$")]
    size: Annotated[int, Field(ge=0)]
    sha256: str


class PairsInfo(StrictModel):
    """What all pairs of a folder have in common.

    Attributes:
        format_version: Version of this layout.
        modality: What the images are.
        mpp: Micrometres per pixel of the images; None where it does not apply.
        tile_px: Side of the square images, in pixels; None where sizes differ.
        manifest_sha256: Hash of the manifest's bytes.
        shards: The shards, in the order of their names; none in folders of older versions.
    """

    format_version: Annotated[int, Field(ge=1, le=1)] = 1
    modality: Modality
    mpp: Annotated[float, Field(gt=0)] | None = None
    tile_px: Annotated[int, Field(ge=1)] | None = None
    manifest_sha256: str
    shards: tuple[ShardFacts, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PairRecord:
    """One pair to write.

    Attributes:
        sample_id: Its name: letters, digits, ``_`` and ``-``.
        image: Pixels, shape ``(H, W, 3)``, uint8.
        captions: Texts that describe the image, at least one.
        group_id: Semantic group; pairs with equal ids describe the same thing.
        concept_ids: Nodes of the knowledge graph, such as ``DOID:4467``; may be empty.
        split: ``train``, ``validation`` or ``test``.
        source: Where the image comes from.
        licence: Its licence.
    """

    sample_id: str
    image: NDArray[np.uint8]
    captions: tuple[str, ...]
    group_id: int
    concept_ids: tuple[str, ...] = ()
    split: str = "train"
    source: str = ""
    licence: str = ""


@dataclass(frozen=True, kw_only=True)
class PairsManifest:
    """A folder of pairs, its images not yet read.

    Attributes:
        folder: Where it is.
        info: What all pairs have in common.
        splits: Split to its pairs, in the order of the manifest.
        source: Where the shards are, if not in that folder.
    """

    folder: Path
    info: PairsInfo
    splits: dict[str, PairRows]
    source: ShardSource | None = None

    def rows(self, split: str) -> PairRows:
        """Return the pairs of a split.

        Raises:
            MedvlpError: If there is none (MV1705).
        """
        if not self.splits.get(split):
            raise MedvlpError(
                "MV1705",
                f"{self.folder} has no pairs in split {split!r}",
                expected=f"one of {sorted(self.splits)}",
            )
        return self.splits[split]

    def open_shards(self) -> ShardReader:
        """Return a reader of the images."""
        if self.source is not None:
            return ShardReader(self.source)
        sizes = {shard.name: shard.size for shard in self.info.shards}
        return ShardReader(LocalShards(self.folder, sizes))


def write_pairs(
    folder: Path,
    records: Iterable[PairRecord],
    *,
    modality: Modality,
    mpp: float | None = None,
    tile_px: int | None = None,
    encoding: Encoding = "jpg",
    samples_per_shard: int = 2000,
) -> int:
    """Write a folder of pairs, whole or not at all; the same pairs give the same bytes.

    Args:
        folder: The new folder; must not exist with content.
        records: The pairs; taken one by one, so they need not fit into memory.
        modality: What the images are.
        mpp: Micrometres per pixel, where it applies.
        tile_px: Side of the square images, where all are alike.
        encoding: ``jpg``, or ``png`` without loss.
        samples_per_shard: Number of pairs in one tar.

    Returns:
        Number of pairs.

    Raises:
        ValueError: If a pair has no caption, or its name is used twice or not allowed.
        FileExistsError: If the folder is taken.
    """
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    with publish_folder(folder) as partial:
        with closing(ShardWriter(partial, samples_per_shard)) as writer:
            for record in records:
                if not record.captions or record.sample_id in seen:
                    reason = "is used twice" if record.captions else "has no caption"
                    msg = f"sample_id {record.sample_id!r} {reason}"
                    raise ValueError(msg)
                seen.add(record.sample_id)
                place = writer.add(record.sample_id, encode_image(record.image, encoding), encoding)
                row = {**vars(record), **asdict(place), "modality": modality}
                del row["image"]
                rows.append(row)
        shards = [shard_facts(path) for path in sorted(partial.glob("*.tar"))]
        table = PairsTable(pa.Table.from_pylist(rows, schema=STORED_SCHEMA))
        write_manifest(partial, table, shards, modality=modality, mpp=mpp, tile_px=tile_px)
    return len(seen)


def shard_facts(path: Path) -> ShardFacts:
    """Return name, size and hash of a shard that is complete."""
    return ShardFacts(name=path.name, size=path.stat().st_size, sha256=content_sha256(path))


def write_manifest(
    folder: Path,
    table: PairsTable,
    shards: Sequence[ShardFacts],
    *,
    modality: Modality,
    mpp: float | None,
    tile_px: int | None,
) -> None:
    """Write the manifest of shards that lie in a folder already, which the caller publishes.

    Args:
        folder: Where the shards are.
        table: The pairs.
        shards: The shards, in the order of their names.
        modality: What the images are.
        mpp: Micrometres per pixel, where it applies.
        tile_px: Side of the square images, where all are alike.
    """
    write_pairs_table(folder / MANIFEST_FILE, table)
    info = PairsInfo(
        modality=modality,
        mpp=mpp,
        tile_px=tile_px,
        manifest_sha256=content_sha256(folder / MANIFEST_FILE),
        shards=tuple(shards),
    )
    write_json(folder / INFO_FILE, info.model_dump())


def read_pairs(folder: Path) -> PairsManifest:
    """Read the manifest of a folder of pairs.

    Raises:
        MedvlpError: If a file is missing, damaged or has other columns (MV1701).
    """
    path = folder / MANIFEST_FILE
    try:
        info = load_yaml_model(folder / INFO_FILE, PairsInfo)
        pairs = read_pairs_table(path)
    except (ConfigError, DataError) as error:
        raise _refuse(folder, error.what) from error
    if content_sha256(path) != info.manifest_sha256:
        raise _refuse(folder, f"{path} is not the one that {INFO_FILE} was written with")
    parts = {name: pairs.of_split(name) for name in SPLITS}
    splits = {name: PairRows(part) for name, part in parts.items() if len(part)}
    return PairsManifest(folder=folder, info=info, splits=splits)


def _refuse(folder: Path, why: str) -> MedvlpError:
    return MedvlpError(
        "MV1701",
        f"{folder} is not a folder of pairs: {why}",
        expected=f"{MANIFEST_FILE}, {INFO_FILE} and shards",
        hint="write the pairs again, or check the path",
    )
