"""Sources of descriptions as files, and books written as YAML."""

from pathlib import Path

import pytest

from medvlp.config.documents import parse_yaml
from medvlp.errors import ConfigError, KnowledgeError, MedvlpError
from medvlp.knowledge.facets import (
    FindingBook,
    FindingFacets,
    load_finding_book,
    parse_finding_book,
)
from medvlp.knowledge.finding_sources import (
    finding_book_yaml,
    read_description_sources,
    write_finding_book,
)


def test_write_finding_book__is_read_back_as_it_was(tmp_path: Path) -> None:
    book = FindingBook(
        'odd: "texts"',
        (
            FindingFacets(
                "no",
                ("1e3", "true", "- a", "x: y", "a # b", "\u00e9"),
                "It's {odd}, 'quoted'.",
                ("Null.", "[white]", "a" * 300),
                "DOID:1673",
                sided=True,
                region="bone",
                provenance=(("Null.", ("yes", "x")),),
            ),
            FindingFacets("2"),
        ),
    )
    write_finding_book(tmp_path / "b.yaml", book, comment="two\nlines")
    found = load_finding_book(tmp_path / "b.yaml")
    assert found == book
    assert [f.provenance for f in found] == [f.provenance for f in book]
    assert (tmp_path / "b.yaml").read_text(encoding="utf-8").startswith("# two\n# lines\n")


def test_finding_book_yaml__holds_the_shipped_book() -> None:
    shipped = load_finding_book()
    text = finding_book_yaml(shipped)
    assert parse_finding_book(parse_yaml(text, source="x"), source="x") == shipped


def test_read_description_sources__reads_books_and_tables(tmp_path: Path) -> None:
    write_finding_book(tmp_path / "own.yaml", FindingBook("mine", (FindingFacets("mass"),)))
    (tmp_path / "table.csv").write_text(
        "finding,text,source\n mass ,A lump. White.,atlas\nmass,Round.,\nmass,,atlas\n"
        "cyst,Thin.,atlas\n"
    )
    book, atlas, table = read_description_sources([tmp_path / "own.yaml", tmp_path / "table.csv"])
    assert book.name == "mine"
    assert book.book == FindingBook("mine", (FindingFacets("mass"),))
    assert (atlas.name, atlas.texts) == ("atlas", (("mass", "A lump. White."), ("cyst", "Thin.")))
    assert (table.name, table.texts) == ("table", (("mass", "Round."),))


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("a.txt", "x", KnowledgeError, r"MV2060: .*a\.txt is no source"),
        ("a.csv", "finding,txt\nx,y\n", KnowledgeError, r"MV2061: .*'text' \(did you mean 'txt'"),
        ("a.csv", "finding,text\n,y\n", KnowledgeError, r"MV2052: .*a\.csv: row 1"),
        ("a.csv", "finding,text\n", KnowledgeError, "MV2060: no source"),
        ("a.yaml", "name: a\n", ConfigError, "MV1002: .*findings is missing"),
        ("a.csv", "finding,text\nx\n", MedvlpError, "MV1107"),
    ],
)
def test_read_description_sources__refuses(
    tmp_path: Path, name: str, content: str, error: type[Exception], message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(error, match=message):
        read_description_sources([tmp_path / name])
