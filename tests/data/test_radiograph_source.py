"""A folder of radiographs has findings, a book of them and a tokenizer that knows its words."""

from pathlib import Path

import pytest

from medvlp.data.radiograph_source import RadiographSource
from medvlp.data.tokenizer_choice import TokenizerSettings
from medvlp.errors import DataError
from medvlp.knowledge.facets import free_finding
from tests.data.radiograph_samples import BOOK, FINDINGS, write_samples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_samples(tmp_path / "films")


def test_source__takes_the_findings_and_the_book_of_the_folder(folder: Path) -> None:
    source = RadiographSource(folder)
    assert source.findings == FINDINGS
    assert source.book.name == source.manifest.info.book_name == "marks"
    assert not source.has_other_book
    assert [facets.name for facets in source.finding_facets] == list(FINDINGS)


def test_source__takes_the_shipped_book_where_the_folder_has_none(folder: Path) -> None:
    (folder / "findings.yaml").unlink()
    source = RadiographSource(folder, findings=("cardiomegaly",))
    assert source.has_other_book
    assert source.finding_facets[0].definition
    assert RadiographSource(folder).finding_facets[1].name == "left pleural effusion"


def test_source__refuses_findings_that_the_book_does_not_know(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("name: b\nfindings:\n  nodules: {}\n")
    source = RadiographSource(folder, book=tmp_path / "b.yaml")
    with pytest.raises(DataError, match=r"MV1796.*'nodule' \(did you mean 'nodules'"):
        _ = source.finding_facets


def test_source__refuses_findings_that_the_folder_does_not_know(folder: Path) -> None:
    with pytest.raises(DataError, match=r"MV1795.*did you mean 'nodule'"):
        _ = RadiographSource(folder, findings=("nodules",)).findings


def test_source__trains_its_tokenizer_on_reports_and_on_what_the_book_says(folder: Path) -> None:
    pieces = RadiographSource(folder).tokenizer.vocabulary
    assert {"nodule", "bones", "blunted", "heart"} <= set(pieces)
    (folder / "t.json").write_text(RadiographSource(folder).tokenizer.to_json())
    again = RadiographSource(folder, tokenizer=TokenizerSettings(file=folder / "t.json"))
    assert again.tokenizer.vocabulary == pieces


def test_source__gives_facets_of_its_own_and_of_any_findings(folder: Path) -> None:
    source = RadiographSource(folder, findings=("cardiomegaly", "nodule"), max_facet_tokens=5)
    assert source.facets.names == ("cardiomegaly", "nodule")
    assert source.facets.class_index.tolist() == [0, 0, 0, 1, 1, 1]
    assert source.facets.tokens.ids.shape[1] == 5
    free = source.facet_texts([free_finding("broken rib")])
    assert free.names == ("broken rib",)
    assert free.kind.tolist() == [0]


def test_source__says_where_another_book_is_given(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(BOOK.replace("wide", "broad"))
    assert RadiographSource(folder, book=tmp_path / "b.yaml").has_other_book
