"""Read a whole folder of pairs through its offsets, and name what is not as it was written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from medvlp.data.image_codec import decode_image
from medvlp.data.pairs import read_pairs
from medvlp.data.quarantine import BadSample
from medvlp.data.shards import Place, ShardReader
from medvlp.errors import DataError, MedvlpError
from medvlp.io import content_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from medvlp.data.pairs import PairsManifest, ShardFacts

__all__ = ["verify_pairs"]

_HEADER_BYTES = 512
_AT_ONCE = 64


def verify_pairs(folder: Path, *, threads: int = 1) -> Iterator[tuple[str, int, list[BadSample]]]:
    """Read every sample of a folder of pairs back, and hash every shard.

    Args:
        folder: The folder.
        threads: Number of threads.

    Yields:
        For each shard its name, its number of samples, and what is wrong with it or in it; where
        the shard is wrong as a whole, ``sample`` is its name.

    Raises:
        MedvlpError: If the manifest is not one, or not the one that was written (MV1701).
    """
    manifest = read_pairs(folder)
    samples: dict[str, list[tuple[str, Place]]] = {}
    for rows in manifest.splits.values():
        for row in rows:
            samples.setdefault(row.place.shard, []).append((row.sample_id, row.place))
    facts = {shard.name: shard for shard in manifest.info.shards}
    names = sorted({*samples, *facts})
    with ThreadPoolExecutor(max_workers=threads) as pool:
        found = pool.map(
            lambda name: _shard_faults(manifest, name, facts.get(name), samples.get(name, [])),
            names,
        )
        for name, bad in zip(names, found, strict=True):
            yield name, len(samples.get(name, [])), bad


def _shard_faults(
    manifest: PairsManifest,
    name: str,
    facts: ShardFacts | None,
    samples: Sequence[tuple[str, Place]],
) -> list[BadSample]:
    bad: list[BadSample] = []
    if manifest.info.shards and facts is None:
        reason = f"shard {manifest.folder / name} is not among those that pairs.json lists"
        bad.append(BadSample(name, "MV1813", reason))
    if facts is not None and (manifest.folder / name).exists():
        found = content_sha256(manifest.folder / name)
        if found != facts.sha256:
            reason = f"shard {manifest.folder / name} has SHA-256 {found}; expected {facts.sha256}"
            bad.append(BadSample(name, "MV1813", reason))
    reader = ShardReader(manifest.folder)  # of any size: as many samples as can be are judged
    samples = sorted(samples, key=lambda entry: entry[1].offset)
    for first in range(0, len(samples), _AT_ONCE):
        bad += _sample_faults(reader, samples[first : first + _AT_ONCE])
    reader.close()
    return bad


def _sample_faults(
    reader: ShardReader, samples: Sequence[tuple[str, Place]]
) -> Iterator[BadSample]:
    headers = [Place(p.shard, p.offset - _HEADER_BYTES, _HEADER_BYTES) for _, p in samples]
    try:
        contents = reader.read_many([place for _, place in samples])
        named = reader.read_many(headers)
    except DataError as error:
        for sample, _ in samples:
            yield BadSample(sample, error.code, error.reason)
        return
    for (sample, place), content, header in zip(samples, contents, named, strict=True):
        try:
            _check(sample, place, content, header)
        except MedvlpError as error:
            yield BadSample(sample, error.code, error.reason)


def _check(
    sample: str, place: Place, content: bytes | DataError, header: bytes | DataError
) -> None:
    if isinstance(content, DataError):
        raise content
    name = b"" if isinstance(header, DataError) else header[:100].rstrip(b"\0")
    stem = name.rpartition(b".")[0].decode("utf-8", "replace")
    if stem != sample:
        raise DataError(
            "MV1813",
            f"the bytes at {place.offset} of {place.shard} belong to {stem or 'no sample'!r}",
            expected=f"sample {sample!r}, as the manifest lists",
        )
    decode_image(content, f"at {place.offset} of {place.shard}")
