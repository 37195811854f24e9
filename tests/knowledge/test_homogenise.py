"""One description out of several sources."""

import pytest

from medvlp.knowledge.facets import FindingBook, FindingFacets, load_finding_book
from medvlp.knowledge.homogenise import DescriptionSource, Homogenised, homogenise

ATLAS = DescriptionSource(
    "atlas",
    texts=(
        (
            "Pneumothorax",
            "Pneumothorax is air in the pleural space. Epidemiology: its incidence is 7 per "
            "100,000. Radiographic features: on chest radiographs, a pleural edge is seen as a "
            "thin, sharp white line [1,2]. The left lung shows no vessels. CT is better. It is "
            "treated with a drain.",
        ),
    ),
)
LECTURE = DescriptionSource(
    "lecture",
    texts=(
        ("pneumothorax", "A thin sharp white line, the edge of the pleura. The right lung shows no "
         "vessels. Shape: a black crescent at the apex."),
        ("effusion", "The angle is blunted."),
    ),
)  # fmt: skip
BOOK = DescriptionSource(
    "own",
    FindingBook(
        "own",
        (
            FindingFacets(
                "pleural effusion",
                ("Effusion",),
                "Fluid around the lung.",
                ("A white area with a curved edge.",),
                sided=True,
                region="pleura",
                provenance=(("A white area with a curved edge.", ("notes",)),),
            ),
        ),
    ),
)


@pytest.fixture
def joined() -> Homogenised:
    return homogenise([ATLAS, BOOK, LECTURE], name="joined")


def test_homogenise__puts_sentences_in_the_order_of_facets(joined: Homogenised) -> None:
    pneumothorax = joined.book.find("pneumothorax")
    assert pneumothorax is not None
    assert pneumothorax.definition == "Pneumothorax is air in the pleural space."
    assert pneumothorax.appearances == (
        "A black crescent at the apex.",
        "A pleural edge is seen as a thin, sharp white line.",
        "The left lung shows no vessels.",
        "The right lung shows no vessels.",
    )


def test_homogenise__keeps_the_sources_of_every_sentence(joined: Homogenised) -> None:
    said = dict(joined.book.findings[0].provenance)
    assert said["A pleural edge is seen as a thin, sharp white line."] == ("atlas", "lecture")
    assert said["A black crescent at the apex."] == ("lecture",)
    assert set(said) == {joined.book.findings[0].definition, *joined.book.findings[0].appearances}


def test_homogenise__joins_findings_by_any_name(joined: Homogenised) -> None:
    assert joined.book.names == ("Pneumothorax", "pleural effusion")
    effusion = joined.book.findings[1]
    assert effusion.synonyms == ("Effusion",)
    assert effusion.appearances == ("A white area with a curved edge.", "The angle is blunted.")
    assert dict(effusion.provenance)["A white area with a curved edge."] == ("notes",)
    assert (effusion.sided, effusion.region) == (True, "pleura")


def test_homogenise__says_what_it_left_out_and_why(joined: Homogenised) -> None:
    reasons = {item.sentence: item.reason for item in joined.dropped}
    assert reasons == {
        "Epidemiology: its incidence is 7 per 100,000.": "speaks of epidemiology",
        "CT is better.": "speaks of another examination",
        "It is treated with a drain.": "speaks of treatment",
        "A thin sharp white line, the edge of the pleura.": (
            "said by: A pleural edge is seen as a thin, sharp white line."
        ),
    }


def test_homogenise__changes_nothing_the_second_time(joined: Homogenised) -> None:
    again = homogenise([DescriptionSource("joined", joined.book)], name="joined")
    assert again.book == joined.book
    assert [f.provenance for f in again.book] == [f.provenance for f in joined.book]
    assert again.dropped == ()
    both = [ATLAS, BOOK, LECTURE, DescriptionSource("joined", joined.book)]
    assert homogenise(both, name="joined").book == joined.book


def test_homogenise__changes_nothing_in_the_shipped_book_the_second_time() -> None:
    shipped = load_finding_book()
    first = homogenise([DescriptionSource(shipped.name, shipped)], name=shipped.name)
    second = homogenise([DescriptionSource(shipped.name, first.book)], name=shipped.name)
    assert second.book == first.book
    assert second.dropped == ()
    assert len(first.dropped) <= 5  # of 305: "in spite of treatment" and the like


def test_homogenise__keeps_what_most_sources_say() -> None:
    found = homogenise([ATLAS, LECTURE], name="x", max_appearances=1)
    (kept,) = found.book.findings[0].appearances
    assert kept == "A pleural edge is seen as a thin, sharp white line."
    assert "more than 1 sentences" in {item.reason for item in found.dropped}


def test_homogenise__leaves_a_name_with_the_finding_that_had_it_first() -> None:
    books = [
        FindingBook("a", (FindingFacets("mass", ("lump",)), FindingFacets("nodule", ("spot",)))),
        FindingBook("b", (FindingFacets("Mass", ("spot", "tumour")),)),
    ]
    found = homogenise([DescriptionSource(book.name, book) for book in books], name="x")
    assert [finding.names for finding in found.book] == [
        ("mass", "lump", "tumour"),
        ("nodule", "spot"),
    ]
    assert found.dropped[0].reason == "also a name of nodule"


def test_homogenise__keeps_a_finding_of_which_nothing_is_left() -> None:
    found = homogenise([DescriptionSource("a", texts=(("mass", "See a doctor."),))], name="x")
    assert found.book.findings == (FindingFacets("mass"),)
    assert found.book.notes


def test_homogenise__takes_the_sentences_of_a_second_definition() -> None:
    books = [
        FindingBook("a", (FindingFacets("mass", definition="A lump."),)),
        FindingBook("b", (FindingFacets("mass", definition="A round white area of the lung."),)),
    ]
    found = homogenise([DescriptionSource(book.name, book) for book in books], name="x")
    mass = found.book.findings[0]
    assert (mass.definition, mass.appearances) == ("A lump.", ("A round white area of the lung.",))
