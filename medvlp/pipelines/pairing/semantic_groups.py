"""Semantic groups as the JSON that KEEP publishes: images, merged captions and labels per group.

Layout: a mapping from a group's name to ``images`` (file names), ``merged_caption`` (older files:
``captions``), ``anatomy`` (text or null) and ``labels``, a mapping from a concept such as
``DOID:234``, or ``normal`` or ``unknown``, to ``concept_syn`` (name of the concept, words found)
and kinds of disease.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medvlp.errors import DataError
from medvlp.io import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["LabelRecord", "SemanticGroup", "read_semantic_groups", "write_semantic_groups"]


@dataclass(frozen=True, kw_only=True)
class LabelRecord:
    """What the JSON says about one label of a group.

    Attributes:
        names: The concept's name, and the words of the caption where it was found.
        disease_type: ``tumor`` or null.
        tumor_type: ``cancer``, ``benign neoplasm`` or null.
        cancer_type: A finer kind, or null.
    """

    names: tuple[str, ...] = ()
    disease_type: str | None = None
    tumor_type: str | None = None
    cancer_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class SemanticGroup:
    """Images that show the same thing, and the captions that describe it.

    Attributes:
        name: The group's name.
        images: Names of the images.
        captions: Merged captions.
        anatomy: Part of the body, where known.
        labels: Concept to what is said about it.
    """

    name: str
    images: tuple[str, ...]
    captions: tuple[str, ...]
    anatomy: str | None = None
    labels: dict[str, LabelRecord] = field(default_factory=dict)


def read_semantic_groups(path: Path) -> list[SemanticGroup]:
    """Read a file of semantic groups, in the order of the file.

    Raises:
        DataError: If it is not such a file; names group and field (MV2131).
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_unique)
    except (OSError, ValueError, RecursionError) as error:
        raise _refuse(path, str(error)) from error
    if not isinstance(document, dict):
        raise _refuse(path, "it holds no mapping from groups")
    return [_parse_group(path, name, record) for name, record in document.items()]


def write_semantic_groups(path: Path, groups: Iterable[SemanticGroup]) -> None:
    """Write a file of semantic groups, whole or not at all.

    Args:
        path: The file; an existing one is replaced.
        groups: The groups, in order.
    """
    document = {
        group.name: {
            "images": list(group.images),
            "merged_caption": list(group.captions),
            "anatomy": group.anatomy,
            "labels": {
                concept: {
                    "concept_syn": list(label.names),
                    "disease_type": label.disease_type,
                    "tumor_type": label.tumor_type,
                    "cancer_type": label.cancer_type,
                }
                for concept, label in group.labels.items()
            },
        }
        for group in groups
    }
    write_json(path, document)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        msg = f"the key {repeated!r} is there twice"
        raise ValueError(msg)
    return found


def _parse_group(path: Path, name: str, record: object) -> SemanticGroup:
    if not isinstance(record, dict):
        raise _refuse(path, f"group {name!r} holds {str(record)[:60]!r}")
    images = _texts(path, name, record, "images")
    old = "merged_caption" not in record and "captions" in record
    captions = _texts(path, name, record, "captions" if old else "merged_caption")
    labels = record.get("labels") or {}
    if not isinstance(labels, dict):
        raise _refuse(path, f"group {name!r}: labels is {str(labels)[:60]!r}, no mapping")
    if not images:
        raise _refuse(path, f"group {name!r} is empty: it has no images")
    return SemanticGroup(
        name=name,
        images=images,
        captions=captions,
        anatomy=_optional_text(record.get("anatomy")),
        labels={concept: _parse_label(value) for concept, value in labels.items()},
    )


def _texts(path: Path, name: str, record: dict[str, Any], key: str) -> tuple[str, ...]:
    value = record.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _refuse(path, f"group {name!r}: {key} is {str(value)[:60]!r}, no list of texts")
    return tuple(value)


def _parse_label(value: object) -> LabelRecord:
    if not isinstance(value, dict):
        return LabelRecord()
    names = value.get("concept_syn")
    return LabelRecord(
        names=tuple(str(n) for n in names) if isinstance(names, list) else (),
        disease_type=_optional_text(value.get("disease_type")),
        tumor_type=_optional_text(value.get("tumor_type")),
        cancer_type=_optional_text(value.get("cancer_type")),
    )


def _optional_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _refuse(path: Path, why: str) -> DataError:
    return DataError(
        "MV2131",
        f"{path} is no file of semantic groups: {why}",
        expected="group names with images, merged_caption and labels",
        hint="repair the group that is named, for example a trailing comma",
    )
