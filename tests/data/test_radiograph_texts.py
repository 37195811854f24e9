"""Reports are read whole, shuffled or in part; findings have texts and a counterpart."""

import pytest

from medvlp.data.radiograph_texts import (
    choose_sentences,
    find_facets,
    other_side,
    sided_by_text,
    tokenize_facets,
)
from medvlp.errors import DataError
from medvlp.knowledge.facets import FACET_KINDS, FindingFacets, load_finding_book
from medvlp.text.tokenizer import train_tokenizer

REPORT = (
    "History: cough.\nFindings: The heart is large. No effusion. A nodule on the left.\n"
    "Impression: Large heart."
)
SENTENCES = ("The heart is large.", "No effusion.", "A nodule on the left.", "Large heart.")


def test_choose_sentences__leaves_a_report_or_shuffles_it() -> None:
    assert choose_sentences(REPORT, "all", 1) == REPORT
    shuffled = {choose_sentences(REPORT, "shuffle", seed) for seed in range(20)}
    assert len(shuffled) > 3
    for text in shuffled:
        assert text.startswith("Findings: ")
        assert text.endswith("Impression: Large heart.")
        assert sorted(text) == sorted("\n".join(("Findings: " + " ".join(SENTENCES[:3]),
                                                 "Impression: " + SENTENCES[3])))  # fmt: skip
    assert choose_sentences("", "shuffle", 1) == ""


def test_choose_sentences__takes_some_in_order_without_background() -> None:
    chosen = [choose_sentences(REPORT, "subset", seed, most=2) for seed in range(60)]
    assert chosen == [choose_sentences(REPORT, "subset", seed, most=2) for seed in range(60)]
    singles = {text for text in chosen if text in SENTENCES}
    assert singles == set(SENTENCES)
    for text in chosen:
        places = [SENTENCES.index(s) for s in SENTENCES if s in text]
        assert " ".join(SENTENCES[place] for place in places) == text
        assert 1 <= len(places) <= 2
    assert choose_sentences("...", "subset", 1) == "..."


def test_other_side__finds_the_counterpart_of_every_name() -> None:
    names = ("left effusion", "nodule", "right effusion", "left nodule", "dextrocardia")
    assert other_side(names) == (2, 1, 0, -1, -1)


def test_sided_by_text__tells_findings_whose_looks_have_a_side() -> None:
    findings = [
        FindingFacets("left effusion", appearances=("The left angle is blunted.",)),
        FindingFacets("wide heart", appearances=("It nears the left chest wall.",)),
        FindingFacets("nodule", definition="A spot."),
        FindingFacets("large chamber", definition="The left ventricle is large."),
    ]
    assert sided_by_text(findings) == {"wide heart"}


def test_find_facets__takes_synonyms_and_names_the_nearest() -> None:
    book = load_finding_book()
    assert find_facets(book, ["Hydrothorax"])[0].name == "pleural effusion"
    with pytest.raises(DataError, match=r"MV1796.*did you mean 'cardiomegaly'"):
        find_facets(book, ["cardiomegalie"])


def test_find_facets__takes_one_side_of_a_finding_that_has_sides() -> None:
    book = load_finding_book()
    (left,) = find_facets(book, ["left pleural effusion"])
    whole = book.find("pleural effusion")
    assert whole is not None
    assert left.name == "left pleural effusion"
    assert left.synonyms[0] == f"left {whole.synonyms[0]}"
    assert left.appearances == whole.appearances
    for name in ("left cardiomegaly", "left", "upper pleural effusion"):
        with pytest.raises(DataError, match="MV1796"):
            find_facets(book, [name])


def test_tokenize_facets__numbers_texts_by_finding_and_kind() -> None:
    findings = [
        FindingFacets("nodule", ("spot",), "A small thing.", ("It is round.", "It is bright.")),
        FindingFacets("effusion"),
    ]
    tokenizer = train_tokenizer([text for f in findings for _, text in f.texts()], 80)
    facets = tokenize_facets(tokenizer, findings, 6, names=("n", "e"))
    assert facets.names == ("n", "e")
    assert facets.class_index.tolist() == [0, 0, 0, 0, 0, 1]
    kinds = [FACET_KINDS[kind] for kind in facets.kind.tolist()]
    assert kinds == ["name", "name", "definition", "appearance", "appearance", "name"]
    assert facets.tokens.ids.shape == facets.tokens.mask.shape == (6, 6)
