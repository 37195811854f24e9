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


def plan_samples(
    source: Path, columns: ShardColumns, *, images: Path | None = None
) -> list[ShardSample]:
    """Read all that is known of the samples; no image is read.

    Rows of a table that name one image are one sample with several captions.

    Args:
        source: A table (.csv, .parquet, .jsonl), a folder of images with texts beside them, or a
            tar or a folder of tars in the layout of WebDataset.
        columns: Names of columns, or of keys in the JSON of a tar's samples.
        images: Folder that a table's names of images are relative to.

    Raises:
        DataError: If a sample_id is used for two samples (MV1816), a tar cannot be read (MV1817),
            or there is no sample with a caption (MV1818); or as
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
    kept = [sample for sample in samples.values() if sample.captions]
    if not kept:
        raise DataError(
            "MV1818", f"{source} holds no sample with a caption", expected="one at least"
        )
    return kept


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
        keys: dict[str, dict[str, tarfile.TarInfo]] = {}
        try:
            with tarfile.open(path, "r:") as tar:
                for member in tar:
                    name = PurePosixPath(member.name)
                    key, _, kind = name.name.partition(".")
                    if member.isfile() and kind:
                        full = str(name.parent / key) if name.parent.name else key
                        keys.setdefault(full, {})[kind.lower()] = member
                for key, parts in keys.items():
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


def _of_key(
    path: Path,
    tar: tarfile.TarFile,
    key: str,
    parts: dict[str, tarfile.TarInfo],
    columns: ShardColumns,
) -> ShardSample | None:
    image = next((parts[kind] for kind in sorted(parts) if kind in _IMAGES), None)
    if image is None:
        return None
    known = _json(path, tar, parts.get("json"))
    texts = [_text(tar, parts.get("txt")), known.get(columns.caption), known.get("text")]
    texts += list(known.get("captions") or ())
    captions = (str(text).strip() for text in texts if text is not None)
    split = str(known.get(columns.split) or "train").lower()
    labels = known.get(columns.labels) or ()
    return ShardSample(
        sample_id=key if _NAME.fullmatch(key) else sample_name(key),
        path=path,
        offset=image.offset_data,
        size=image.size,
        place=f"{path.name}, member {image.name}",
        captions=tuple(dict.fromkeys(text for text in captions if text)),
        group=str(known.get(columns.group) or ""),
        concepts=tuple(labels.split(";") if isinstance(labels, str) else map(str, labels)),
        split={"val": "validation", "valid": "validation"}.get(split, split),
        source=str(known.get(columns.source) or ""),
        licence=str(known.get(columns.licence) or ""),
    )


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> str | None:
    if member is None or member.size > _MAX_TEXT_BYTES:
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
    if not isinstance(known, dict) or known.get("split", "train") not in (*SPLITS, "val", "valid"):
        raise DataError(
            "MV1817",
            f"{path}, member {member.name}: {text[:80]!r}",
            expected=f"a JSON object, its split one of {SPLITS}",
        )
    return known
