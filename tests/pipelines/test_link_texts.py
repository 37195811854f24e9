import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medvlp.io import read_csv
from medvlp.knowledge.graph import KnowledgeGraph, Synonym, Term
from medvlp.knowledge.linking import Linker
from medvlp.pipelines.link_texts import link_labels, link_texts
from medvlp.pipelines.text_tables import BadRow, TextRow, TextTable


@pytest.fixture
def linker() -> Linker:
    terms = [
        Term("T:1", "pneumonia", (Synonym("lung fever", "EXACT"),)),
        Term("T:2", "rib fracture"),
        Term("T:3", "lung fever", ()),
    ]
    return Linker(KnowledgeGraph(terms))


def table(*texts: str, bad: tuple[BadRow, ...] = ()) -> TextTable:
    rows = tuple(TextRow(f"id{number}", text) for number, text in enumerate(texts))
    return TextTable(rows, bad, "text", "id")


def test_link_texts__writes_mentions_with_their_place_and_status(
    tmp_path: Path, linker: Linker
) -> None:
    text = "No pneumonia, but lung fever."
    summary = link_texts(table(text), linker, tmp_path)
    first, second = read_csv(tmp_path / "mentions.csv")
    assert (first["concept"], first["status"], first["id"]) == ("pneumonia", "absent", "id0")
    assert text[int(second["start"]) : int(second["end"])] == second["text"] == "lung fever"
    assert (second["concept_id"], second["alternatives"]) == ("T:3", "T:1")
    assert pq.read_table(tmp_path / "mentions.parquet").num_rows == 2
    assert summary.mentions == {"absent": 1, "present": 1}


def test_link_texts__lists_what_was_not_linked_diseases_first(
    tmp_path: Path, linker: Linker
) -> None:
    link_texts(table("axial scan, odd enteritis", "axial scan"), linker, tmp_path)
    rows = read_csv(tmp_path / "unlinked.csv")
    assert [(row["phrase"], row["count"], row["example_id"]) for row in rows] == [
        ("odd enteritis", "1", "id0"),
        ("axial scan", "2", "id0"),
    ]


def test_link_texts__counts_every_text(tmp_path: Path, linker: Linker) -> None:
    texts = table(
        "pneumonia", "\u80ba\u708e", "x" * 50_000, "12", bad=(BadRow(9, "id9", "no text"),)
    )
    summary = link_texts(texts, linker, tmp_path)
    assert (summary.texts, summary.bad_rows, summary.texts_in_other_scripts) == (4, 1, 1)
    assert (summary.texts_with_mentions, summary.longest_text) == (1, 50_000)
    assert json.loads((tmp_path / "summary.json").read_text())["texts"] == 4
    assert read_csv(tmp_path / "failures.csv") == [
        {"row": "9", "id": "id9", "code": "MV2034", "reason": "no text"}
    ]


def test_link_texts__writes_tables_where_nothing_is_found(tmp_path: Path, linker: Linker) -> None:
    summary = link_texts(table("12"), linker, tmp_path)
    assert summary.mentions == {}
    for name in ("mentions", "unlinked", "failures"):
        assert read_csv(tmp_path / f"{name}.csv") == []
        assert pq.read_table(tmp_path / f"{name}.parquet").num_rows == 0


def test_link_labels__links_each_label_once(tmp_path: Path, linker: Linker) -> None:
    labels = table("RibFracture", "normal", "RibFracture", "TUM", "odd")
    rows = link_labels(labels, linker, tmp_path, label_map={"TUM": "T:1"})
    assert [(row["label"], row["count"], row["concept_id"], row["match"]) for row in rows] == [
        ("RibFracture", 2, "T:2", "name"),
        ("TUM", 1, "T:1", "mapping"),
        ("normal", 1, "", "normal"),
        ("odd", 1, "", "none"),
    ]
    assert len(read_csv(tmp_path / "labels.csv")) == 4
