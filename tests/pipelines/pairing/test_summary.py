"""Counts add up, and are told in lines."""

import json
from pathlib import Path

import numpy as np
import pytest

from medvlp.pipelines.pairing.grouping import Grouping
from medvlp.pipelines.pairing.images import images_of
from medvlp.pipelines.pairing.labels import GroupLabel
from medvlp.pipelines.pairing.ledger import Drop, RowLedger
from medvlp.pipelines.pairing.outputs import GroupedImage, GroupedPairs
from medvlp.pipelines.pairing.source import SourceRow
from medvlp.pipelines.pairing.summary import describe_summary, summarize

LABEL = GroupLabel(concepts=("normal",), outcome="normal", votes={"normal": 1.0})
GROUPING = Grouping(
    group_of=np.zeros(2, np.int64),
    captions=(("x y",),),
    num_dropped_captions=1,
    counts={"near-duplicate images": 1},
)


def ledger_and_pairs(num_written: int) -> tuple[RowLedger, GroupedPairs]:
    rows = [
        SourceRow(number=n, image=f"i{n}", path=Path("x"), caption="x y", patient="p")
        for n in (1, 2, 3)
    ]
    ledger = RowLedger(rows)
    ledger.drop(rows[2], Drop("images", "image too small"))
    images = tuple(
        GroupedImage(
            image=image,
            group_id=0,
            cluster="i1",
            split="train",
            size_px=(8, 8),
            content_sha256="",
        )
        for image in images_of(ledger.kept())[:num_written]
    )
    pairs = GroupedPairs(
        images=images, names=("g",), captions=(("x y",),), labels=(LABEL,), anatomies=(None,)
    )
    return ledger, pairs


def test_summarize__counts_rows_and_tells_them(tmp_path: Path) -> None:
    ledger, pairs = ledger_and_pairs(2)
    summary = summarize(ledger, pairs, GROUPING, [LABEL])
    assert summary["rows"] == {"read": 3, "kept": 2, "dropped": 1}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    lines = describe_summary(tmp_path).splitlines()
    assert lines[0] == "rows: 3 read = 2 kept + 1 dropped"
    assert "  dropped by images: 1 image too small" in lines
    assert "images: 2 in 1 groups" in lines
    assert "labels: normal 1" in lines


def test_summarize__refuses_rows_that_are_lost() -> None:
    ledger, pairs = ledger_and_pairs(1)
    with pytest.raises(AssertionError, match="3 rows, but 1 kept and 1 dropped"):
        summarize(ledger, pairs, GROUPING, [LABEL])
