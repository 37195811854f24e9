"""Rows are put together by image; bad, repeated and contradicting ones are told."""

from dataclasses import replace
from pathlib import Path

import pytest

from medvlp.errors import DataError
from medvlp.pipelines.pairing.images import drop_bad_captions, images_of
from medvlp.pipelines.pairing.ledger import RowLedger
from medvlp.pipelines.pairing.settings import CaptionQuality
from medvlp.pipelines.pairing.source import SourceRow


def row(number: int, image: str, caption: str, **fields) -> SourceRow:
    return SourceRow(number=number, image=image, path=Path(image), caption=caption, **fields)


def test_drop_bad_captions__names_every_row() -> None:
    ledger = RowLedger(
        [
            row(1, "a", "lung cancer"),
            row(2, "a", "Lung cancer."),
            row(3, "b", ""),
            row(4, "", "lung cancer"),
            row(5, "a", "colon cancer"),
        ]
    )
    drop_bad_captions(ledger, CaptionQuality())
    assert ledger.counts() == {
        "source": {"no image": 1},
        "captions": {"row repeated": 1, "no caption": 1},
    }
    (image,) = images_of(ledger.kept())
    assert [r.caption for r in image.rows] == ["Lung cancer.", "colon cancer"]


def test_drop_bad_captions__keeps_the_same_spelling_in_any_order() -> None:
    rows = [row(1, "a", "lung cancer"), row(2, "a", "Lung cancer.")]
    for ordered in (rows, rows[::-1]):
        ledger = RowLedger([replace(r, number=n) for n, r in enumerate(ordered, start=1)])
        drop_bad_captions(ledger, CaptionQuality())
        assert [r.caption for r in ledger.kept()] == ["Lung cancer."]


def test_images_of__refuses_rows_that_contradict_each_other() -> None:
    rows = [row(1, "a", "x y", patient="p1"), row(2, "a", "z w", patient="p2")]
    with pytest.raises(DataError, match="image a has patient 'p1' in one row and 'p2' in another"):
        images_of(rows)
