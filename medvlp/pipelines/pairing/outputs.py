"""Write the groups: pairs for training, and tables that say what became of every row.

All of it is one folder, published as a whole: shards, ``pairs.parquet`` and ``pairs.json`` for
training; ``groups.json`` in the layout of semantic groups; ``members.csv`` (image to group),
``dropped.csv`` (rows left out, with reasons), ``label_conflicts.csv`` and ``summary.json``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from medvlp.data.pairs import MANIFEST_FILE, PairRecord, write_pairs
from medvlp.errors import DataError
from medvlp.io import content_sha256, publish_folder, write_csv, write_json
from medvlp.jobs.workers import WorkerLimits, stream_in_worker
from medvlp.knowledge.concept_names import UNKNOWN
from medvlp.pipelines.pairing.decoding import load_images
from medvlp.pipelines.pairing.ledger import DROPPED_COLUMNS
from medvlp.pipelines.pairing.semantic_groups import (
    LabelRecord,
    SemanticGroup,
    write_semantic_groups,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from medvlp.knowledge.graph import KnowledgeGraph
    from medvlp.pipelines.pairing.images import SourceImage
    from medvlp.pipelines.pairing.labels import GroupLabel
    from medvlp.pipelines.pairing.ledger import RowLedger
    from medvlp.pipelines.pairing.settings import PairsOutput

__all__ = ["SUMMARY_FILE", "GroupedImage", "GroupedPairs", "sample_name", "write_grouped_pairs"]

SUMMARY_FILE = "summary.json"
_MEMBER_COLUMNS = (
    *("sample_id", "image", "group", "group_id", "cluster", "split"),
    *("patient", "scope", "labels", "captions"),
)
_CONFLICT_COLUMNS = ("group", "group_id", "outcome", "concepts", "votes", "images")
_TUMOR, _CANCER, _BENIGN = "DOID:14566", "DOID:162", "DOID:0060072"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class GroupedImage:
    """One image and where it went.

    Attributes:
        image: The image and its rows.
        group_id: Its group.
        cluster: Name of the first image of its cluster of near-duplicates.
        split: train, validation or test.
        size_px: (width, height).
        content_sha256: Hash of its bytes.
    """

    image: SourceImage
    group_id: int
    cluster: str
    split: str
    size_px: tuple[int, int]
    content_sha256: str


@dataclass(frozen=True, kw_only=True)
class GroupedPairs:
    """All that is written.

    Attributes:
        images: Images, group by group.
        names: Name of each group, by id.
        captions: Captions of each group, the best first.
        labels: What each group shows.
        anatomies: Part of the body of each group, where its images agree on one.
    """

    images: tuple[GroupedImage, ...]
    names: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    labels: tuple[GroupLabel, ...]
    anatomies: tuple[str | None, ...]


def write_grouped_pairs(
    folder: Path,
    pairs: GroupedPairs,
    ledger: RowLedger,
    *,
    summary: dict[str, Any],
    settings: PairsOutput,
    graph: KnowledgeGraph | None,
) -> None:
    """Write everything; the folder appears whole or not at all.

    Args:
        folder: The new folder.
        pairs: What to write.
        ledger: The rows, for the table of those left out.
        summary: Counts and hashes; hashes of what is written are added.
        settings: How images are written.
        graph: Names concepts in ``groups.json``.

    Raises:
        DataError: If scaling images down would change a stated scale (MV2134), or an image changed
            since it was judged (MV2138).
        FileExistsError: If the folder is taken.
    """
    tile_px = _common_side(pairs.images, settings)
    with publish_folder(folder) as partial:
        write_pairs(
            partial,
            _records(pairs, settings),
            modality=settings.modality,
            mpp=settings.mpp,
            tile_px=tile_px,
            encoding=settings.encoding,
            samples_per_shard=settings.samples_per_shard,
        )
        write_csv(partial / "dropped.csv", list(ledger.table()), DROPPED_COLUMNS)
        write_csv(partial / "members.csv", list(_members(pairs)), _MEMBER_COLUMNS)
        write_csv(partial / "label_conflicts.csv", list(_conflicts(pairs)), _CONFLICT_COLUMNS)
        write_semantic_groups(partial / "groups.json", _semantic_groups(pairs, graph))
        written = (MANIFEST_FILE, "dropped.csv", "members.csv", "groups.json")
        hashes = {name: content_sha256(partial / name) for name in written}
        write_json(partial / SUMMARY_FILE, {**summary, "written_sha256": hashes})


def sample_name(image: str) -> str:
    """Return the name of an image's sample: safe in a tar, unique, and still recognisable."""
    stem = _UNSAFE.sub("_", PurePosixPath(image.replace("\\", "/")).stem)[:80]
    digest = hashlib.sha256(image.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{stem}-{digest[:12]}"


def _common_side(images: Sequence[GroupedImage], settings: PairsOutput) -> int | None:
    sizes = {item.size_px for item in images}
    longest = max((max(size) for size in sizes), default=0)
    is_scaled = settings.longest_px is not None and longest > settings.longest_px
    if is_scaled and settings.mpp is not None:
        raise DataError(
            "MV2134",
            f"images of up to {longest} px are scaled to {settings.longest_px} px, so that "
            f"mpp={settings.mpp} would not hold",
            expected="images that keep their size where their scale is stated",
            hint="set output.longest_px=null, or leave output.mpp out",
        )
    if len(sizes) != 1:
        return None
    width, height = sizes.pop()
    side = width if settings.longest_px is None else min(width, settings.longest_px)
    return side if width == height else None


def _records(pairs: GroupedPairs, settings: PairsOutput) -> Iterator[PairRecord]:
    paths = [item.image.first.path for item in pairs.images]
    loaded = stream_in_worker(load_images, paths, settings.longest_px, limits=WorkerLimits())
    for item, (digest, rgb) in zip(pairs.images, loaded, strict=True):
        if digest != item.content_sha256:
            raise DataError(
                "MV2138",
                f"{item.image.first.path} changed while its group was found",
                expected="images that stay as they are during a run",
                hint="start again when nobody writes to the source",
            )
        first = item.image.first
        yield PairRecord(
            sample_id=sample_name(item.image.name),
            image=rgb,
            captions=pairs.captions[item.group_id],
            group_id=item.group_id,
            concept_ids=_known(pairs.labels[item.group_id]),
            split=item.split,
            source=first.source or first.scope,
            licence=first.licence,
        )


def _known(label: GroupLabel) -> tuple[str, ...]:
    return tuple(concept for concept in label.concepts if concept != UNKNOWN)


def _members(pairs: GroupedPairs) -> Iterator[dict[str, object]]:
    for item in pairs.images:
        first = item.image.first
        yield {
            "sample_id": sample_name(item.image.name),
            "image": item.image.name,
            "group": pairs.names[item.group_id],
            "group_id": item.group_id,
            "cluster": item.cluster,
            "split": item.split,
            "patient": first.patient,
            "scope": first.scope,
            "labels": ";".join(pairs.labels[item.group_id].concepts),
            "captions": " | ".join(row.caption for row in item.image.rows),
        }


def _conflicts(pairs: GroupedPairs) -> Iterator[dict[str, object]]:
    members = _images_by_group(pairs)
    for group_id, label in enumerate(pairs.labels):
        if label.is_conflict:
            yield conflict_row(pairs.names[group_id], group_id, label, members[group_id])


def conflict_row(
    name: str, group_id: int | None, label: GroupLabel, images: Sequence[str]
) -> dict[str, object]:
    """Return one line of ``label_conflicts.csv``."""
    votes = sorted(label.votes.items(), key=lambda item: (-item[1], item[0]))
    return {
        "group": name,
        "group_id": group_id,
        "outcome": label.outcome,
        "concepts": ";".join(label.concepts),
        "votes": "; ".join(f"{concept} {confidence:g}" for concept, confidence in votes),
        "images": " | ".join(images[:20]),
    }


def _images_by_group(pairs: GroupedPairs) -> list[list[str]]:
    members: list[list[str]] = [[] for _ in pairs.names]
    for item in pairs.images:
        members[item.group_id].append(item.image.name)
    return members


def _semantic_groups(pairs: GroupedPairs, graph: KnowledgeGraph | None) -> Iterator[SemanticGroup]:
    members = _images_by_group(pairs)
    for name, images, captions, label, anatomy in zip(
        pairs.names, members, pairs.captions, pairs.labels, pairs.anatomies, strict=True
    ):
        yield SemanticGroup(
            name=name,
            images=tuple(images),
            captions=captions,
            anatomy=anatomy,
            labels={
                concept: _label_record(concept, label.texts.get(concept, ""), graph)
                for concept in label.concepts
            },
        )


def _label_record(concept: str, text: str, graph: KnowledgeGraph | None) -> LabelRecord:
    if graph is None or concept not in graph:
        return LabelRecord(names=tuple(filter(None, (concept, text))))
    above = graph.ancestors(concept) | {concept}
    kinds = {_CANCER: "cancer", _BENIGN: "benign neoplasm"}
    return LabelRecord(
        names=tuple(filter(None, (graph[concept].name, text))),
        disease_type="tumor" if _TUMOR in above else None,
        tumor_type=next((kind for id_, kind in kinds.items() if id_ in above), None),
    )
