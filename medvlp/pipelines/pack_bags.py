"""Feature files of slides, one HDF5 file each, into a folder of bags to train from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medvlp.data.bags import (
    BAGS_FILE,
    BAGS_INFO_FILE,
    BAGS_SCHEMA,
    BagsInfo,
    bag_checksum,
)
from medvlp.data.pairs import shard_facts
from medvlp.data.quarantine import QUARANTINE_FILE
from medvlp.errors import DataError, FeatureError, MedvlpError
from medvlp.io import content_sha256, publish_folder, write_csv, write_json
from medvlp.io.hdf5_checks import check_finite, open_checked, require_dataset
from medvlp.jobs.outcomes import JobReport, Outcome
from medvlp.slides.feature_meta import FeatureMeta
from medvlp.slides.features import read_features

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.jobs.progress import ProgressSink

__all__ = ["pack_bags"]

_MOST_HALF = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class _Bag:
    """The features of one file."""

    features: NDArray[np.float16]
    coords: NDArray[np.int32]
    encoder: str
    weights_sha256: str


def pack_bags(
    files: Mapping[str, Path],
    out: Path,
    *,
    splits: Mapping[str, str],
    bags_per_shard: int,
    progress: ProgressSink,
) -> JobReport:
    """Pack feature files; those that cannot be read are left out and listed by name.

    Our own files are read with all that they say of themselves; files of TRIDENT and CLAM with
    ``features`` (N, D), or (1, N, D), and ``coords`` (N, 2).

    Args:
        files: Name of a slide -> its file, in the order in which they are packed.
        out: The new folder; whole or not at all.
        splits: Name of a slide -> train, validation or test; train where it is not listed.
        bags_per_shard: Number of slides in one file of features.
        progress: Told of every slide.

    Returns:
        What became of each slide.

    Raises:
        DataError: If no file could be read (MV1822), or files come from different encoders or have
            features of different lengths (MV1825).
        FileExistsError: If the folder is taken.
    """
    outcomes: list[Outcome] = []
    rows: list[dict[str, Any]] = []
    kinds: dict[tuple[str, str, int], str] = {}
    with publish_folder(out) as partial:
        shard = _Shard(partial, 0)
        for name, path in files.items():
            try:
                bag = _read(path)
            except MedvlpError as error:
                said = (error.code, error.reason, error.hint)
                outcomes.append(Outcome(name, name, "failed", 0.0, "read", *said))
                progress.advance()
                continue
            kind = (bag.encoder, bag.weights_sha256, bag.features.shape[1])
            kinds.setdefault(kind, name)
            _refuse_mixture(kinds)
            if len(shard.parts) == bags_per_shard:
                shard.close()
                shard = _Shard(partial, shard.number + 1)
            rows.append({"bag_id": name, "split": splits.get(name, "train"), **shard.add(bag)})
            outcomes.append(Outcome(name, name, "done", 0.0))
            progress.advance()
        if not rows:
            raise DataError(
                "MV1822",
                f"none of {len(files)} feature files could be packed"
                + (f", the first: {outcomes[0].reason}" if outcomes else ""),
                expected="one file of features at least",
            )
        shard.close()
        _write_tables(partial, rows, next(iter(kinds)), outcomes)
    return JobReport(tuple(outcomes))


class _Shard:
    """Bags that go into one file of features."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self.number = number
        self.parts: list[_Bag] = []

    def add(self, bag: _Bag) -> dict[str, Any]:
        """Take a bag, and return where it will be."""
        first = sum(len(part.features) for part in self.parts)
        self.parts.append(bag)
        return {
            "shard": f"{self.number:06d}.npy",
            "first_row": first,
            "num_rows": len(bag.features),
            "crc32": bag_checksum(bag.features),
        }

    def close(self) -> None:
        """Write the files."""
        path = self._folder / f"{self.number:06d}"
        features = np.concatenate([part.features for part in self.parts])
        coords = np.concatenate([part.coords for part in self.parts])
        np.save(path.with_suffix(".npy"), features.astype("<f2"), allow_pickle=False)
        np.save(path.with_suffix(".coords.npy"), coords.astype("<i4"), allow_pickle=False)


def _write_tables(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    kind: tuple[str, str, int],
    outcomes: Sequence[Outcome],
) -> None:
    table = pa.Table.from_pylist(list(rows), schema=BAGS_SCHEMA)
    pq.write_table(table, folder / BAGS_FILE, compression="zstd", store_schema=False)
    info = BagsInfo(
        dim=kind[2],
        encoder=kind[0],
        weights_sha256=kind[1],
        manifest_sha256=content_sha256(folder / BAGS_FILE),
        shards=tuple(shard_facts(path) for path in sorted(folder.glob("*.npy"))),
    )
    write_json(folder / BAGS_INFO_FILE, info.model_dump())
    bad = [
        {"sample": o.key, "code": o.code, "reason": o.reason}
        for o in outcomes
        if o.status == "failed"
    ]
    write_csv(folder / QUARANTINE_FILE, bad, ("sample", "code", "reason"))


def _refuse_mixture(kinds: Mapping[tuple[str, str, int], str]) -> None:
    if len(kinds) > 1:
        (first, one), (second, other) = list(kinds.items())[:2]
        raise DataError(
            "MV1825",
            f"features of {one} are of encoder {first[0] or 'unknown'!r}, weights {first[1][:12]}, "
            f"length {first[2]}; those of {other} of {second[0] or 'unknown'!r}, {second[1][:12]}, "
            f"{second[2]}",
            expected="features of one encoder",
            hint="pack each encoder's files into a folder of their own",
        )


def _read(path: Path) -> _Bag:
    try:
        found = read_features(path)
    except FeatureError as error:
        if error.code != "MV1310":
            raise
        return _foreign(path)
    meta: FeatureMeta = found.meta
    return _bag(found.features, found.coords, path.name, meta.encoder, meta.weights_sha256)


def _foreign(path: Path) -> _Bag:
    with open_checked(path) as file:
        size = path.stat().st_size
        is_stacked = "features" in file and getattr(file["features"], "ndim", 2) == 3
        stored = require_dataset(
            file, "features", ndim=3 if is_stacked else 2, kinds="f", file_bytes=size
        )
        coords = require_dataset(file, "coords", ndim=2, kinds="iu", file_bytes=size)
        features = stored[0] if is_stacked and stored.shape[0] == 1 else stored[:]
        return _bag(features.astype(np.float32), coords[:], path.name, "", "")


def _bag(
    features: NDArray[np.float32],
    coords: NDArray[Any],
    name: str,
    encoder: str,
    weights_sha256: str,
) -> _Bag:
    if features.ndim != 2 or not len(features) or coords.shape != (len(features), 2):
        raise FeatureError(
            "MV1314", f"{name}: features {features.shape} and coords {coords.shape} do not fit"
        )
    check_finite(features, name, "embed the slide again")
    largest = float(np.abs(features).max())
    if largest > _MOST_HALF:
        raise FeatureError(
            "MV1313",
            f"{name}: a feature of {largest:.4g} does not fit half precision",
            expected=f"at most {_MOST_HALF:.0f}",
        )
    return _Bag(features.astype(np.float16), coords.astype(np.int32), encoder, weights_sha256)
