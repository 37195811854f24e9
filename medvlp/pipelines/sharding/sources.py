"""What is to be sharded: rows of a table, images with texts beside them, or samples in tars."""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from medvlp.data.manifest_checks import SPLITS
from medvlp.errors import DataError
from medvlp.pipelines.pairing.outputs import sample_name
from medvlp.pipelines.pairing.source import read_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from medvlp.pipelines.sharding.settings import ShardColumns

__all__ = ["ShardSample", "plan_samples"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,96}")
_IMAGES = frozenset({"jpg", "jpeg", "png", "tif", "tiff", "bmp", "webp"})
_MAX_TEXT_BYTES = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardSample:
    """One sample to be written.

    Attributes:
        sample_id: Its name.
        path: File that holds its image.
        offset: First byte of the image in the file; None where the file is the image.
        size: Number of bytes there.
        place: Where the source names it, for messages.
        captions: Its texts.
        group: Name of its semantic group; empty where the source has none.
        concepts: Nodes of the knowledge graph.
        split: train, validation or test.
        source: Where the image comes from.
        licence: Its licence.
        fault: What is wrong with its texts, so that it is not written; empty where nothing is.
    """

    sample_id: str
    path: Path
    place: str
    captions: tuple[str, ...]
    offset: int | None = None
    size: int = 0
    group: str = ""
    concepts: tuple[str, ...] = ()
    split: str = "train"
    source: str = ""
    licence: str = ""
    fault: str = ""


def plan_samples(
    source: Path, columns: ShardColumns, *, images: Path | None = None
) -> list[ShardSample]:
    """Read all that is known of the samples; no image is read.

    Rows of a table that name one image are one sample with several captions. A sample without a
    caption is among those returned, with its fault.

    Args:
        source: A table (.csv, .parquet, .jsonl), a folder of images with texts beside them, or a
            tar or a folder of tars in the layout of WebDataset.
        columns: Names of columns, or of keys in the JSON of a tar's samples.
        images: Folder that a table's names of images are relative to.

    Raises:
        DataError: If a sample_id or a member's name is used twice (MV1816), a tar cannot be read
            (MV1817), or there is no sample with a caption (MV1818); or as
            :func:`medvlp.pipelines.pairing.source.read_source`.
    """
    tars = [source] if source.suffix == ".tar" else sorted(source.glob("*.tar"))
    found = _of_tars(tars, columns) if tars else _of_rows(source, columns, images)
    samples: dict[str, ShardSample] = {}
    for sample in found:
        first = samples.setdefault(sample.sample_id, sample)
        if (first.path, first.offset) != (sample.path, sample.offset):
            raise DataError(
                "MV1816",
                f"sample_id {sample.sample_id!r} is used for two samples: {first.place} and "
                f"{sample.place}",
                expected="a sample_id of its own for every image",
                hint="put the source's name before the id, or drop one of them",
            )
        captions = tuple(dict.fromkeys((*first.captions, *sample.captions)))
        samples[sample.sample_id] = replace(first, captions=captions)
    if not any(sample.captions for sample in samples.values()):
        raise DataError(
            "MV1818", f"{source} holds no sample with a caption", expected="one at least"
        )
    return [
        sample if sample.captions else replace(sample, fault=sample.fault or "it has no caption")
        for sample in samples.values()
    ]


def _of_rows(source: Path, columns: ShardColumns, images: Path | None) -> Iterator[ShardSample]:
    for row in read_source(source, columns, images=images):
        name = row.sample_id.strip()
        place = f"{source.name}, row {row.number} ({row.image})"
        if name and not _NAME.fullmatch(name):
            raise _bad_name(name, place)
        yield ShardSample(
            sample_id=name or sample_name(row.image),
            path=row.path,
            place=place,
            captions=(row.caption.strip(),) if row.caption.strip() else (),
            group=row.group,
            concepts=row.labels,
            split=row.split or "train",
            source=row.source,
            licence=row.licence,
        )


def _bad_name(name: str, place: str) -> DataError:
    return DataError(
        "MV1773",
        f"{place}: sample_id is {name!r}",
        expected="1 to 96 letters, digits, '_' or '-'",
        hint="leave the column out: samples are then named by their images",
    )


def _of_tars(paths: Iterable[Path], columns: ShardColumns) -> Iterator[ShardSample]:
    for path in paths:
        try:
            with tarfile.open(path, "r:") as tar:
                for key, parts in _members(path, tar).items():
                    sample = _of_key(path, tar, key, parts, columns)
                    if sample is not None:
                        yield sample
        except (tarfile.TarError, OSError, EOFError) as error:
            raise DataError(
                "MV1817",
                f"{path} cannot be read as a tar ({error})",
                expected="a whole tar that is not compressed",
                hint="copy it again; .tar.gz must be unpacked to .tar, so that samples have places",
            ) from error


def _members(path: Path, tar: tarfile.TarFile) -> dict[str, dict[str, tarfile.TarInfo]]:
    """Return the members of each key by what stands after the first dot."""
    keys: dict[str, dict[str, tarfile.TarInfo]] = {}
    for member in tar:
        name = PurePosixPath(member.name)
        key, _, kind = name.name.partition(".")
        if not member.isfile() or not kind:
            continue
        full = str(name.parent / key) if name.parent.name else key
        first = keys.setdefault(full, {}).setdefault(kind.lower(), member)
        if first is not member:
            raise DataError(
                "MV1816",
                f"{path} has two members of one name: {first.name} at byte {first.offset} and "
                f"{member.name} at byte {member.offset}",
                expected="a name of its own for every member, small and capital letters alike",
                hint="drop one of them",
            )
    return keys


def _of_key(
    path: Path,
    tar: tarfile.TarFile,
    key: str,
    parts: dict[str, tarfile.TarInfo],
    columns: ShardColumns,
) -> ShardSample | None:
    kinds = sorted(kind for kind in parts if kind.rpartition(".")[2] in _IMAGES)
    if not kinds:
        return None
    image = parts[min(kinds, key=lambda kind: kind.count("."))]
    texts = [parts[kind] for kind in ("txt", "json") if kind in parts]
    large = [member for member in texts if member.size > _MAX_TEXT_BYTES]
    known = {} if large else _json(path, tar, parts.get("json"))
    captions = [] if large else _texts(_text(tar, parts.get("txt")))
    for name in dict.fromkeys((columns.caption, "text", "captions")):
        captions += _texts(known.get(name))
    labels = known.get(columns.labels)
    return ShardSample(
        sample_id=key if _NAME.fullmatch(key) else sample_name(key),
        path=path,
        offset=image.offset_data,
        size=image.size,
        place=f"{path.name}, member {image.name}",
        captions=tuple(dict.fromkeys(captions)),
        group=str(known.get(columns.group) or ""),
        concepts=tuple(_texts(labels.split(";") if isinstance(labels, str) else labels)),
        split=_split(path, image, known.get(columns.split)),
        source=str(known.get(columns.source) or ""),
        licence=str(known.get(columns.licence) or ""),
        fault="".join(f"{m.name} has {m.size} bytes, {_MAX_TEXT_BYTES} at most" for m in large[:1]),
    )


def _texts(value: object) -> list[str]:
    """Return the texts of a value that is one, several or none; blank ones are none."""
    several = value if isinstance(value, list) else [value]
    return [text for one in several if one is not None and (text := str(one).strip())]


def _split(path: Path, image: tarfile.TarInfo, value: object) -> str:
    name = str(value or "train").lower()
    split = {"val": "validation", "valid": "validation"}.get(name, name)
    if split not in SPLITS:
        raise DataError(
            "MV1817",
            f"{path}, member {image.name}: its split is {value!r}",
            expected=f"one of {SPLITS}, or nothing",
        )
    return split


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> str | None:
    if member is None:
        return None
    file = tar.extractfile(member)
    return None if file is None else file.read().decode("utf-8", errors="replace")


def _json(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> dict[str, Any]:
    text = _text(tar, member)
    if text is None or member is None:
        return {}
    try:
        known = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(
            "MV1817", f"{path}, member {member.name}: {error}", expected="a JSON object"
        ) from error
    if not isinstance(known, dict):
        raise DataError(
            "MV1817", f"{path}, member {member.name}: {text[:80]!r}", expected="a JSON object"
        )
    return known
