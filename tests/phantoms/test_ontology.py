"""The ontology of the phantoms."""

import json
from pathlib import Path

from medvlp.phantoms.classes import CLASSES
from medvlp.phantoms.ontology import concept_of, ontology_records, write_ontology


def test_ontology_records__hold_every_tissue_with_all_its_names() -> None:
    records = {record["id"]: record for record in ontology_records()}
    for item in CLASSES:
        record = records[concept_of(item.key)]
        assert [record["name"], *(text for text, _ in record["synonyms"])] == list(item.names)
        assert record["definition"]


def test_ontology_records__are_one_tree() -> None:
    records = {record["id"]: record for record in ontology_records()}
    roots = [identifier for identifier, record in records.items() if not record["parents"]]
    assert len(roots) == 1
    for identifier in records:
        seen = [identifier]
        while records[seen[-1]]["parents"]:
            (parent,) = records[seen[-1]]["parents"]
            assert parent not in seen
            seen.append(parent)
        assert seen[-1] == roots[0]


def test_ontology_records__name_no_two_terms_alike() -> None:
    names = [
        text
        for record in ontology_records()
        for text in (record["name"], *(synonym for synonym, _ in record["synonyms"]))
    ]
    assert len(names) == len(set(names))


def test_write_ontology__writes_one_record_a_line(tmp_path: Path) -> None:
    path = tmp_path / "phantoms.jsonl"
    write_ontology(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == ontology_records()
