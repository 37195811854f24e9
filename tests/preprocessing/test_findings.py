"""The entry point that makes one book of several descriptions."""

from pathlib import Path

import pytest

from medvlp.cli.entry import run
from medvlp.knowledge.facets import load_finding_book
from preprocessing.findings import FindingsConfig, main

CONFIG = Path(__file__).parents[2] / "configs" / "preprocess" / "findings.yaml"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    (tmp_path / "a.csv").write_text(
        "finding,text,source\nmass,A round white area. It is treated early.,atlas\n"
        "mass,Its border is ragged.,lecture\ncyst,Nothing.,atlas\n"
    )
    return [str(CONFIG), f"sources={tmp_path / 'a.csv'}", f"out={tmp_path / 'book.yaml'}"]


def test_findings__writes_a_book_and_what_was_left_out(words, tmp_path, capsys) -> None:
    assert run(main, FindingsConfig, words) == 0
    printed = capsys.readouterr().out
    assert "2 findings, 2 sentences; 2 left out (book.dropped.csv)" in printed
    assert "note: 1 of 2 findings have neither definition nor appearance" in printed
    book = load_finding_book(tmp_path / "book.yaml")
    assert book.findings[0].appearances == ("A round white area.", "Its border is ragged.")
    assert "speaks of treatment" in (tmp_path / "book.dropped.csv").read_text()


def test_findings__of_its_own_book_is_the_same_book(words, tmp_path) -> None:
    assert run(main, FindingsConfig, words) == 0
    once = (tmp_path / "book.yaml").read_bytes()
    again = [words[0], f"sources=[{tmp_path / 'book.yaml'}]", f"out={tmp_path / 'again.yaml'}"]
    assert run(main, FindingsConfig, again) == 0
    assert (tmp_path / "again.yaml").read_bytes() == once


def test_findings__refuses_to_replace_a_source(words, tmp_path, capsys) -> None:
    assert run(main, FindingsConfig, [*words[:2], f"out={tmp_path / 'a.csv'}"]) == 2
    assert "MV2063" in capsys.readouterr().err


def test_findings__says_that_a_folder_holds_no_language_model(words, tmp_path, capsys) -> None:
    assert run(main, FindingsConfig, [*words, f"language_model={tmp_path}"]) == 1
    assert "MV2307" in capsys.readouterr().err
    assert not (tmp_path / "book.yaml").exists()
