from pathlib import Path

import pytest

from medvlp.errors import ConfigError
from medvlp.knowledge.label_rules import expand_label, is_normal_label, read_label_map
from medvlp.knowledge.linking import Linker
from tests.knowledge.linking_graph import small_graph

GRAPH = small_graph()
LINKER = Linker(GRAPH, excluded={"T:0"})


@pytest.mark.parametrize(
    ("label", "concept"),
    [
        ("lung_aca", "T:5"),
        ("LungAdenocarcinoma", "T:5"),
        ("Lung ACA", "T:5"),
        ("Pleural_Effusion", "T:4"),
        ("pneumonia", "T:3"),
        ("pna", "T:3"),
        ("pnuemonia", "T:3"),
        ("crohns-disease", "T:6"),
    ],
)
def test_link_label__reads_names_of_classes(label: str, concept: str) -> None:
    link = LINKER.link_label(label)
    assert link.concept_id == concept
    assert 0.6 <= link.confidence <= 1


@pytest.mark.parametrize(
    "label", ["lung_slide_3", "class 1", "TUM", "pneumonia_and_more", "", "\u80ba", "x" * 50_000]
)
def test_link_label__leaves_what_it_does_not_know(label: str) -> None:
    link = LINKER.link_label(label)
    assert (link.concept_id, link.match, link.confidence) == (None, "none", 0.0)


@pytest.mark.parametrize("label", ["lung_n", "Normal", "no finding", "Non-Tumor", "colon normal"])
def test_link_label__tells_normal_from_unknown(label: str) -> None:
    assert is_normal_label(label)
    assert LINKER.link_label(label).match == "normal"


@pytest.mark.parametrize("label", ["Non-Viable-Tumor", "non-small cell carcinoma", "tumor", ""])
def test_is_normal_label__takes_no_disease_for_normal(label: str) -> None:
    assert not is_normal_label(label)


def test_expand_label__is_literal_first() -> None:
    assert expand_label("lung_scc")[:3] == ("lung scc", "lung squamous cell carcinoma", "LUNG SCC")


def test_read_label_map__comes_before_all_rules(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("label,concept\nTUM,T:1\npneumonia,pleural effusion\nstroma,\n")
    label_map = read_label_map(path, GRAPH)
    assert label_map == {"TUM": "T:1", "pneumonia": "T:4", "stroma": None}
    assert LINKER.link_label("TUM", label_map).concept_id == "T:1"
    assert LINKER.link_label("stroma", label_map).match == "mapping"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label,doid\na,T:1\n", "has the columns label, doid"),
        ("label,concept\na,T:1\na,T:2\n", "'a' stands for two terms"),
        ("label,concept\na,T:99\n", "label 'a': there is no term 'T:99'"),
    ],
)
def test_read_label_map__refuses_what_does_not_fit(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "map.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        read_label_map(path, GRAPH)
    assert caught.value.code == "MV2033"
