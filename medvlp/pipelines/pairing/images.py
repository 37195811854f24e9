"""The images of a source: its rows put together by image, and contradictions refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medvlp.errors import DataError
from medvlp.pipelines.pairing.caption_quality import (
    caption_fault,
    clean_caption,
    normalize_caption,
)
from medvlp.pipelines.pairing.ledger import Drop, RowLedger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.pipelines.pairing.settings import CaptionQuality
    from medvlp.pipelines.pairing.source import SourceRow

__all__ = ["SourceImage", "drop_bad_captions", "images_of"]

_MUST_AGREE = ("group", "scope", "patient", "source", "split", "licence", "anatomy")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """One image and the rows that are left of it.

    Attributes:
        first: Its first row: name, path, and all that rows of an image must agree on.
        rows: All its rows, captions cleaned, in the order of captions.
    """

    first: SourceRow
    rows: tuple[SourceRow, ...]

    @property
    def name(self) -> str:
        """Its unique name."""
        return self.first.image


def drop_bad_captions(ledger: RowLedger, settings: CaptionQuality) -> None:
    """Leave out rows whose caption cannot be learnt from, and rows that say the same again."""
    seen: dict[tuple[str, str, tuple[str, ...]], int] = {}
    for row in sorted(ledger.kept(), key=lambda row: (row.image, row.caption, row.labels)):
        if not row.image:
            ledger.drop(row, Drop("source", "no image"))
            continue
        text = clean_caption(row.caption)
        reason, detail = caption_fault(text, settings)
        if reason:
            ledger.drop(row, Drop("captions", reason, detail))
            continue
        first = seen.setdefault((row.image, normalize_caption(text), row.labels), row.number)
        if first != row.number:
            ledger.drop(row, Drop("captions", "row repeated", f"as row {first}"))


def images_of(rows: Sequence[SourceRow]) -> list[SourceImage]:
    """Put rows together by image, in the order of names.

    Raises:
        DataError: If rows of one image differ in what they must agree on (MV2132).
    """
    by_name: dict[str, list[SourceRow]] = {}
    for row in rows:
        cleaned = replace(row, caption=clean_caption(row.caption))
        by_name.setdefault(row.image, []).append(cleaned)
    images = []
    for name in sorted(by_name):
        members = sorted(by_name[name], key=lambda row: (row.caption, row.labels))
        for field in _MUST_AGREE:
            found = sorted({getattr(row, field) for row in members})
            if len(found) > 1:
                raise DataError(
                    "MV2132",
                    f"image {name} has {field} {found[0]!r} in one row and {found[1]!r} in another",
                    expected=f"one {field} for all rows of an image",
                    hint="correct the source, or give copies of the image names of their own",
                )
        images.append(SourceImage(first=members[0], rows=tuple(members)))
    return images
