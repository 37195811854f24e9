"""Tile features of many slides in few files: half precision, a bag of rows after the other.

``bags.parquet`` says where each slide's rows are, ``bags.json`` what all have in common; ``K.npy``
holds the features of a shard, ``K.coords.npy`` the tiles' places. Rows of a bag are read in
ascending order. Letters: N tiles, D embedding.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from medvlp.config.strict import StrictModel, load_yaml_model
from medvlp.data.manifest_checks import SPLITS, check_columns
from medvlp.data.pairs import ShardFacts
from medvlp.errors import ConfigError, DataError
from medvlp.io import content_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "BAGS_FILE",
    "BAGS_INFO_FILE",
    "BAGS_SCHEMA",
    "BagReader",
    "BagRow",
    "BagsInfo",
    "BagsManifest",
    "bag_checksum",
    "read_bags",
]

BAGS_FILE, BAGS_INFO_FILE = "bags.parquet", "bags.json"
BAGS_SCHEMA = pa.schema(
    [
        *(("bag_id", pa.string()), ("shard", pa.string()), ("split", pa.string())),
        *(("first_row", pa.int64()), ("num_rows", pa.int64()), ("crc32", pa.int64())),
    ]
)
"""Columns of ``bags.parquet``: rows ``first_row`` to ``first_row + num_rows - 1`` of a shard."""
_COPY = "copy the whole folder again, or pack the features again"


class BagsInfo(StrictModel):
    """What all bags of a folder have in common.

    Attributes:
        format_version: Version of this layout.
        dim: Length D of a feature.
        encoder: Name of the image encoder; empty where the files did not say.
        weights_sha256: Hash of the encoder's weights; empty where the files did not say.
        manifest_sha256: Hash of the bytes of ``bags.parquet``.
        shards: Files of features, in the order of their names.
    """

    format_version: Annotated[int, Field(ge=1, le=1)] = 1
    dim: Annotated[int, Field(ge=1)]
    encoder: str = ""
    weights_sha256: str = ""
    manifest_sha256: str
    shards: tuple[ShardFacts, ...]


@dataclass(frozen=True, slots=True)
class BagRow:
    """Where the features of one slide are.

    Attributes:
        bag_id: Name of the slide.
        shard: File name of the features.
        first_row: First row.
        num_rows: Number of rows, N.
        crc32: CRC-32 of the features' bytes.
    """

    bag_id: str
    shard: str
    first_row: int
    num_rows: int
    crc32: int


@dataclass(frozen=True, kw_only=True)
class BagsManifest:
    """A folder of bags, its features not yet read.

    Attributes:
        folder: Where it is.
        info: What all bags have in common.
        splits: Split to its bags, in the order of the table.
    """

    folder: Path
    info: BagsInfo
    splits: dict[str, tuple[BagRow, ...]]


def bag_checksum(features: NDArray[np.float16]) -> int:
    """Return the CRC-32 of the features of one bag."""
    return zlib.crc32(np.ascontiguousarray(features, dtype="<f2").data)


def read_bags(folder: Path) -> BagsManifest:
    """Read the table of a folder of bags.

    Raises:
        DataError: If a file is missing, damaged or not of this folder (MV1822), or a bag is named
            twice (MV1774).
    """
    path = folder / BAGS_FILE
    try:
        info = load_yaml_model(folder / BAGS_INFO_FILE, BagsInfo)
        check_columns(str(path), set(pq.read_schema(path).names), BAGS_SCHEMA)
        table = pq.read_table(path, columns=BAGS_SCHEMA.names).cast(BAGS_SCHEMA)
    except (ConfigError, DataError) as error:
        raise _no_bags(folder, error.what) from error
    except (OSError, pa.ArrowException) as error:
        raise _no_bags(folder, str(error)) from error
    if content_sha256(path) != info.manifest_sha256:
        raise _no_bags(folder, f"{path} is not the one that {BAGS_INFO_FILE} was written with")
    rows = table.to_pylist()
    _check_rows(folder, rows, {shard.name for shard in info.shards})
    splits: dict[str, list[BagRow]] = {}
    for row in rows:
        split = row.pop("split")
        splits.setdefault(split, []).append(BagRow(**row))
    return BagsManifest(folder=folder, info=info, splits={k: tuple(v) for k, v in splits.items()})


class BagReader:
    """Reads rows of bags; opened at the first read, in each process of its own.

    Args:
        manifest: The folder of bags.
    """

    def __init__(self, manifest: BagsManifest) -> None:
        self._folder = manifest.folder
        self._dim = manifest.info.dim
        self._sizes = {shard.name: shard.size for shard in manifest.info.shards}
        self._arrays: dict[str, NDArray[Any]] = {}

    def __getstate__(self) -> dict[str, object]:
        """Leave open files behind when this travels to a loader process."""
        return {**self.__dict__, "_arrays": {}}

    def features(self, bag: BagRow, rows: NDArray[np.int64] | None = None) -> NDArray[np.float16]:
        """Return features of a bag.

        Args:
            bag: Which one.
            rows: Rows of the bag, ascending; None reads all, and compares their checksum.

        Returns:
            Shape ``(N, D)``, float16.

        Raises:
            DataError: If the shard is missing, of another size or form, or the bag was altered
                (MV1823).
        """
        array = self._opened(bag.shard, (self._dim,), np.dtype("<f2"))
        if bag.first_row + bag.num_rows > len(array):
            raise self._damaged(bag.shard, f"it has {len(array)} rows, fewer than {bag} needs")
        if rows is not None:
            return np.asarray(array[bag.first_row + rows])
        whole = np.array(array[bag.first_row : bag.first_row + bag.num_rows])
        if bag_checksum(whole) != bag.crc32:
            raise self._damaged(bag.shard, f"bag {bag.bag_id} was altered")
        return whole

    def coords(self, bag: BagRow, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return where the tiles of a bag are: (x, y) in level-0 pixels, ``(N, 2)``, int64.

        Args:
            bag: Which one.
            rows: Rows of the bag, ascending; None reads all.

        Raises:
            DataError: If the file is missing or damaged (MV1823).
        """
        name = f"{Path(bag.shard).stem}.coords.npy"
        array = self._opened(name, (2,), np.dtype("<i4"))
        chosen = np.arange(bag.num_rows) if rows is None else rows
        return np.asarray(array[bag.first_row + chosen], dtype=np.int64)

    def _opened(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        array = self._arrays.get(name)
        if array is None:
            path = self._folder / name
            try:
                size = path.stat().st_size
                array = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise self._damaged(name, str(error)) from error
            if size != self._sizes.get(name, size):
                raise self._damaged(name, f"it has {size} bytes, not {self._sizes[name]}")
            if array.dtype != dtype or array.shape[1:] != shape:
                raise self._damaged(name, f"it holds {array.dtype} of shape {array.shape}")
            self._arrays[name] = array
        return array

    def _damaged(self, name: str, why: str) -> DataError:
        return DataError(
            "MV1823",
            f"{self._folder / name} cannot be read as features of bags: {why}",
            expected=f"float16 rows of {self._dim}, as {BAGS_INFO_FILE} lists them",
            hint=_COPY,
        )


def _check_rows(folder: Path, rows: Sequence[dict[str, Any]], shards: set[str]) -> None:
    seen: dict[str, int] = {}
    for number, row in enumerate(rows):
        first = seen.setdefault(row["bag_id"], number)
        if first != number:
            raise DataError(
                "MV1774",
                f"{folder / BAGS_FILE}: bag_id {row['bag_id']!r} in rows {first} and {number}",
                expected="a bag_id of its own for every row",
            )
        is_place = row["shard"] in shards and row["first_row"] >= 0 and row["num_rows"] >= 1
        if not is_place or row["split"] not in SPLITS:
            raise _no_bags(folder, f"row {number} of {BAGS_FILE} is {row}")


def _no_bags(folder: Path, why: str) -> DataError:
    return DataError(
        "MV1822",
        f"{folder} is not a folder of bags: {why}",
        expected=f"{BAGS_FILE}, {BAGS_INFO_FILE} and the features that they list",
        hint=_COPY,
    )
