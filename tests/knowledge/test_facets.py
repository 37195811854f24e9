"""A book of findings, and the one of the chest radiograph."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medvlp.errors import ConfigError, KnowledgeError
from medvlp.knowledge.facets import (
    FACET_KINDS,
    FindingBook,
    FindingFacets,
    free_finding,
    load_finding_book,
    parse_finding_book,
)
from medvlp.text.reports.finding_labels import CHEST_XRAY
from medvlp.text.reports.schema import load_schema

BOOK = """
name: two findings
findings:
  Lung Nodule:
    synonyms: [coin lesion]
    definition: {text: A small round spot., from: [lecture]}
    appearances:
      - It is white.
      - {text: Its border is sharp., from: [atlas, lecture]}
    concept: DOID:1673
    sided: true
    region: lung
  hernia:
"""


@pytest.fixture
def book(tmp_path: Path) -> FindingBook:
    path = tmp_path / "book.yaml"
    path.write_text(BOOK.replace("hernia:", "hernia: {}"))
    return load_finding_book(path)


def test_load_finding_book__reads_every_facet(book: FindingBook) -> None:
    nodule = book.findings[0]
    expected = FindingFacets(
        "Lung Nodule",
        ("coin lesion",),
        "A small round spot.",
        ("It is white.", "Its border is sharp."),
        "DOID:1673",
        sided=True,
        region="lung",
    )
    assert nodule == expected
    assert nodule.provenance == (
        ("A small round spot.", ("lecture",)),
        ("Its border is sharp.", ("atlas", "lecture")),
    )


def test_sources__stand_once_in_order(book: FindingBook) -> None:
    assert book.sources == ("lecture", "atlas")


def test_texts__name_their_kind(book: FindingBook) -> None:
    assert book.findings[0].texts() == (
        ("name", "Lung Nodule"),
        ("name", "coin lesion"),
        ("definition", "A small round spot."),
        ("appearance", "It is white."),
        ("appearance", "Its border is sharp."),
    )
    assert {kind for kind, _ in book.findings[0].texts()} == set(FACET_KINDS)


@pytest.mark.parametrize("name", ["lung nodule", "LUNG  nodule ", "lung_nodule", "Coin-Lesion"])
def test_find__overlooks_case_and_spaces(book: FindingBook, name: str) -> None:
    assert book.find(name) is book.findings[0]


def test_find__returns_none_for_another_name(book: FindingBook) -> None:
    assert book.find("nodule") is None


def test_notes__name_findings_without_description(book: FindingBook) -> None:
    (note,) = book.notes
    assert "1 of 2 findings" in note
    assert "hernia" in note
    assert not book.findings[1].is_described


def test_notes__name_five_at_most() -> None:
    bare = parse_finding_book(
        {"name": "bare", "findings": {f"finding {i}": {} for i in range(7)}}, source="x"
    )
    assert "finding 4 and 2 more" in bare.notes[0]


def test_content_sha256__changes_with_each_facet_and_the_order(book: FindingBook) -> None:
    nodule, hernia = book.findings
    changes: list[dict[str, Any]] = [
        {"name": "x"},
        {"synonyms": ()},
        {"definition": ""},
        {"appearances": ()},
        {"concept": None},
        {"sided": False},
        {"region": "bone"},
    ]
    books = [FindingBook("b", (replace(nodule, **change), hernia)) for change in changes]
    books += [book, FindingBook("b", (hernia, nodule))]
    assert len({each.content_sha256 for each in books}) == len(books)


def test_content_sha256__overlooks_sources_and_the_name_of_the_book(book: FindingBook) -> None:
    nodule, hernia = book.findings
    same = FindingBook("another", (replace(nodule, provenance=()), hernia))
    assert same.content_sha256 == book.content_sha256


def test_free_finding__has_a_name_only() -> None:
    assert free_finding("  tree in\n bud ") == FindingFacets("tree in bud")


@pytest.mark.parametrize(
    ("text", "code"), [("", "MV2052"), ("?!", "MV2052"), ("x" * 81, "MV2053"), ("a\x00b", "MV2054")]
)
def test_free_finding__refuses_what_is_no_name(text: str, code: str) -> None:
    with pytest.raises(KnowledgeError, match=code):
        free_finding(text)


def test_load_finding_book__says_which_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"MV1004.*none\.yaml"):
        load_finding_book(tmp_path / "none.yaml")


def test_shipped_book__describes_every_finding() -> None:
    shipped = load_finding_book()
    assert not shipped.notes
    for finding in shipped:
        assert 3 <= len(finding.appearances) <= 6, finding.name
        assert all(text.endswith(".") for text in finding.appearances), finding.name
        assert finding.definition, finding.name


def test_shipped_book__repeats_no_sentence() -> None:
    sentences = [text for finding in load_finding_book() for text in finding.appearances]
    assert len(set(sentences)) == len(sentences)


def test_shipped_book__names_diseases_of_the_ontology(real_data: Path) -> None:
    lines = (real_data / "knowledge/do_2026-07-31/doid_rebuilt_full.jsonl").open(encoding="utf-8")
    with lines:
        terms = {term["id"]: term for term in map(json.loads, lines)}
    for finding in load_finding_book():
        if finding.concept is None:
            continue
        term = terms[finding.concept]
        assert not term.get("obsolete"), finding.name
        known = {term["name"].casefold(), *(text.casefold() for text, _ in term["synonyms"])}
        assert known & {name.casefold() for name in finding.names}, (finding.name, known)


def test_shipped_book__has_the_findings_that_reports_are_labelled_with() -> None:
    attributes = load_schema(CHEST_XRAY).attributes.values()
    assert {attribute.title for attribute in attributes} == set(load_finding_book().names)


@pytest.mark.parametrize(
    "labels",
    [
        "Atelectasis Cardiomegaly Effusion Infiltration Mass Nodule Pneumonia Pneumothorax "
        "Consolidation Edema Emphysema Fibrosis Pleural_Thickening Hernia No_Finding",
        "No_Finding Enlarged_Cardiomediastinum Cardiomegaly Lung_Lesion Lung_Opacity Edema "
        "Consolidation Pneumonia Atelectasis Pneumothorax Pleural_Effusion Pleural_Other Fracture "
        "Support_Devices",
    ],
    ids=["chestx-ray14", "chexpert"],
)
def test_shipped_book__knows_the_labels_of_public_collections(labels: str) -> None:
    book = load_finding_book()
    assert [label for label in labels.split() if book.find(label) is None] == []
