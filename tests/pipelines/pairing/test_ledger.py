"""Rows are kept or dropped, each once."""

from pathlib import Path

from medvlp.pipelines.pairing.ledger import Drop, RowLedger
from medvlp.pipelines.pairing.source import SourceRow


def rows(*images: str) -> list[SourceRow]:
    return [
        SourceRow(number=n, image=image, path=Path(image), caption="c" * 300)
        for n, image in enumerate(images, start=1)
    ]


def test_ledger__drops_all_rows_of_an_image_and_keeps_the_first_reason() -> None:
    ledger = RowLedger(rows("a", "b", "a", "c"))
    ledger.drop(ledger.rows[2], Drop("captions", "too short", "1 word"))
    ledger.drop_images({"a": Drop("images", "blank"), "c": Drop("images", "blank")})
    assert [row.image for row in ledger.kept()] == ["b"]
    assert ledger.num_dropped == 3
    assert ledger.counts() == {"captions": {"too short": 1}, "images": {"blank": 2}}
    table = list(ledger.table())
    assert [(r["row"], r["reason"]) for r in table] == [
        (1, "blank"),
        (3, "too short"),
        (4, "blank"),
    ]
    assert table[0]["caption"] == "c" * 200
