"""The cases that a checkpoint is chosen on: how many, of whom, and what is known of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medvlp.config.selection import TEST_SPLITS, case_id_sha256, is_test_split
from medvlp.errors import UsageError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Callable

    import lightning.pytorch as pl

__all__ = ["VALIDATION", "SelectionCases", "loader_of", "selection_cases"]

VALIDATION = "validation"
_CONTENT = re.compile(r"_([0-9a-f]{8})(?:_\d+)?")
"""End of the name of a sample that was made of one file: leading digits of the hash of the file."""


@dataclass(frozen=True, kw_only=True)
class SelectionCases:
    """What a record says of the cases of a part of the data.

    Attributes:
        data_sha256: Hash of the table that lists them; empty where there is none.
        number: How many samples.
        num_groups: How many patients; 0 where that is not known.
        content_sha256: Leading digits of the hash of the file of each, sorted, where known.
        case_id_sha256: Hash of the name of each sample, sorted, where they have names.
        are_of_test: Whether some of them are test cases, by name of the part or by content.
    """

    data_sha256: str
    number: int
    num_groups: int
    content_sha256: tuple[str, ...] = ()
    case_id_sha256: tuple[str, ...] = ()
    are_of_test: bool = False


def selection_cases(data: pl.LightningDataModule, split: str) -> SelectionCases:
    """Return the cases of a part of the data of a recipe.

    Args:
        data: The data, set up.
        split: Name of the part.

    Raises:
        UsageError: MV1152 if there is no such part, or nothing in it.
    """
    manifest = getattr(data, "manifest", None)
    splits = getattr(manifest, "splits", None)
    if isinstance(splits, Mapping):
        if not splits.get(split):
            known = sorted(name for name, rows in splits.items() if rows)
            raise _nothing(split, f"there is no such part{nearest_name(split, known)}", known)
        return _of_rows(manifest, splits, split)
    texts = _held_out(data) if split == VALIDATION else ()
    if not texts:
        why = "nothing is held out" if split == VALIDATION else "the data has no such part"
        raise _nothing(split, why, [VALIDATION])
    return SelectionCases(data_sha256="", number=len(texts), num_groups=0)


def loader_of(data: pl.LightningDataModule, split: str) -> Callable[[], object]:
    """Return what makes the loader of a part, for figures.

    Args:
        data: The data of a recipe.
        split: Name of the part.

    Raises:
        UsageError: MV1152 if the data loads only its own validation part.
    """
    if split == VALIDATION:
        own: Callable[[], object] = data.val_dataloader
        return own
    make = getattr(data, "loader", None)
    if make is None:
        raise _nothing(split, "this recipe measures on its validation part only", [VALIDATION])
    return lambda: make(split)


def _of_rows(
    manifest: Any,  # noqa: ANN401  - the folders of pairs, scans and radiographs share no base
    splits: Mapping[str, Sequence[Any]],
    split: str,
) -> SelectionCases:
    info = manifest.info
    rows = splits[split]
    contents = _contents(rows)
    test = {
        digest
        for name in splits
        if is_test_split(name) and name != split
        for digest in _contents(splits[name])
    }
    return SelectionCases(
        data_sha256=getattr(info, "samples_sha256", "") or getattr(info, "manifest_sha256", ""),
        number=len(rows),
        num_groups=len({row.patient for row in rows if hasattr(row, "patient")}),
        content_sha256=tuple(sorted(contents)),
        case_id_sha256=tuple(sorted(case_id_sha256(row.sample_id) for row in rows)),
        are_of_test=is_test_split(split) or bool(contents & test),
    )


def _contents(rows: Sequence[Any]) -> set[str]:
    found = (_CONTENT.search(row.sample_id, max(len(row.sample_id) - 16, 0)) for row in rows)
    return {match[1] for match in found if match and match.end() == len(match.string)}


def _held_out(data: pl.LightningDataModule) -> Sequence[object]:
    """Return the texts that a recipe on texts holds out."""
    parts = getattr(data, "parts", data)
    held: Sequence[object] = getattr(parts, "validation", ())
    return held


def _nothing(split: str, why: str, known: Sequence[str]) -> UsageError:
    others = [name for name in known if name not in TEST_SPLITS] or list(known)
    return UsageError(
        "MV1152",
        f"run.select.split is {split!r}, and {why}",
        expected=f"one of {others}",
        hint="choose another part, or leave run.select out: then the last step is taken",
    )
