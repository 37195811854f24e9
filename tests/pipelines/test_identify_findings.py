"""A book of findings as `medvlp inspect` shows it."""

from pathlib import Path

import pytest

from medvlp.errors import ConfigError
from medvlp.knowledge.facets import load_finding_book
from medvlp.knowledge.finding_sources import write_finding_book
from medvlp.pipelines.identify import identify
from medvlp.pipelines.identify_findings import is_finding_book


def test_identify__shows_a_book_of_findings(tmp_path: Path) -> None:
    book = load_finding_book()
    write_finding_book(tmp_path / "book.yaml", book)
    found = identify(tmp_path / "book.yaml")
    assert found.kind == "findings"
    assert found.facts["findings"] == len(book)
    assert found.facts["definitions"] == len(book)
    assert found.facts["sha256"] == book.content_sha256
    assert found.facts["finding pneumothorax"] == "4 names, 1 definition, 5 appearances, DOID:1673"
    assert "note" not in found.facts


def test_identify__warns_of_findings_without_description(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text("name: b\nfindings:\n  mass: {}\n")
    found = identify(tmp_path / "book.yaml")
    assert found.facts["finding mass"] == "1 name"
    assert "by name only: mass" in found.facts["note"]


def test_identify__says_what_is_wrong_with_a_book(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text("name: b\nfindings:\n  mass: {synonyms: [Mass]}\n")
    with pytest.raises(ConfigError, match="MV2050"):
        identify(tmp_path / "book.yaml")


def test_is_finding_book__is_not_true_of_a_task(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("name: t\nfindings: x\nclasses: {}\n")
    assert not is_finding_book(tmp_path / "task.yaml")
