import logging

import pytest

from medvlp.config.documents import parse_yaml
from medvlp.config.task import parse_task
from medvlp.errors import ConfigError, KnowledgeError
from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.tasks import expand_terms, task_from_terms, task_yaml
from tests.knowledge.example_graphs import term, tumour_graph


def classes(values):
    return {name: spec["names"] for name, spec in values["classes"].items()}


@pytest.mark.parametrize(
    ("ids", "depth", "expected"),
    [
        (["X:4"], None, ["X:6", "X:7"]),
        (["X:6"], None, ["X:6"]),
        (["X:4", "X:55"], None, ["X:4", "X:5"]),
        (["X:4"], "self", ["X:4"]),
        (["X:2"], "children", ["X:4", "X:5"]),
        (["X:4", "X:8"], "children", ["X:6", "X:7", "X:8"]),
        (["X:2"], "leaves", ["X:6", "X:7", "X:8"]),
        (["X:2"], "all", ["X:4", "X:5", "X:6", "X:7", "X:8"]),
        (["X:4", "X:6"], "all", ["X:6", "X:7"]),
    ],
)
def test_expand_terms__finds_the_classes(ids, depth, expected):
    assert list(expand_terms(tumour_graph(), ids, depth)) == expected


def test_task_from_terms__tells_several_terms_and_normal_apart():
    values = task_from_terms(tumour_graph(), ["X:6", "X:8"], name="t", mpp=0.25, tile_px=512)
    assert values["head"] == ["subtype-ratio"]
    assert values["normal"] == "Normal"
    assert values["scale"] == {"mpp": 0.25, "tile_px": 512, "overlap": 0.0}
    assert len(values["templates"]) == 22
    assert classes(values) == {
        "lung adenocarcinoma": ["lung adenocarcinoma", "adenocarcinoma of lung"],
        "glioblastoma": ["glioblastoma", "glioblastoma multiforme", "GBM"],
        "Normal": ["normal tissue", "non-cancerous tissue", "non-tumor tissue"],
    }
    assert values["classes"]["glioblastoma"]["concept"] == "X:8"
    assert parse_task(values, source="x").logit_scale == "model"


def test_task_from_terms__names_concepts_of_any_vocabulary():
    values = task_from_terms(
        KnowledgeGraph([term("UMLS_CUI:C01", "a")]), ["UMLS_CUI:C01"], name="t"
    )
    assert parse_task(values, source="x").classes["a"].concept == "UMLS_CUI:C01"


def test_task_from_terms__looks_for_a_single_term():
    values = task_from_terms(tumour_graph(), ["X:8"], name="t", threshold=0.7, logit_scale=10.0)
    task = parse_task(values, source="x")
    assert task.heads == ("detection-ratio",)
    assert (task.positive, task.normal) == ("glioblastoma", "Normal")
    assert (task.threshold, task.logit_scale) == (0.7, 10.0)


def test_task_from_terms__without_normal_lets_the_highest_tiles_decide():
    values = task_from_terms(tumour_graph(), ["X:6", "X:8"], name="t", normal=False, synonyms=False)
    assert values["head"] == ["top-j"]
    assert classes(values) == {
        "lung adenocarcinoma": ["lung adenocarcinoma"],
        "glioblastoma": ["glioblastoma"],
    }
    with pytest.raises(KnowledgeError, match=r"MV2012.*1 classes and no normal"):
        task_from_terms(tumour_graph(), ["X:6"], name="t", normal=False)


def test_task_from_terms__gives_a_shared_name_to_its_owner_or_to_nobody(caplog):
    graph = KnowledgeGraph(
        [
            term("X:1", "sarcoma", synonyms=["Shared", "only one", "normal tissue"]),
            term("X:2", "other", synonyms=["shared", "Sarcoma"]),
        ]
    )
    with caplog.at_level(logging.WARNING, logger="medvlp.knowledge.tasks"):
        values = task_from_terms(graph, ["X:1", "X:2"], name="t")
    assert classes(values)["sarcoma"] == ["sarcoma", "only one"]
    assert classes(values)["other"] == ["other"]
    assert "Sarcoma, Shared, normal tissue, shared" in caplog.text


def test_task_from_terms__tells_terms_of_one_name_apart_by_id_or_refuses_them():
    graph = KnowledgeGraph(
        [
            term("X:1", "Normal", synonyms=["a"]),
            term("X:2", "b" * 150),
            term("X:3", "b" * 150),
        ]
    )
    assert list(classes(task_from_terms(graph, ["X:1", "X:2"], name="t"))) == [
        "X:1",
        "X:2",
        "Normal",
    ]
    with pytest.raises(KnowledgeError, match=r"MV2012.*X:3 .*but not X:3"):
        task_from_terms(graph, ["X:2", "X:3"], name="t")


def test_task_from_terms__refuses_settings_out_of_range_and_too_many_classes():
    with pytest.raises(ConfigError, match="overlap"):
        task_from_terms(tumour_graph(), ["X:6"], name="t", overlap=1.0)
    many = KnowledgeGraph(term(f"X:{number}", f"n{number}") for number in range(1001))
    with pytest.raises(KnowledgeError, match=r"MV2012.*1001 classes"):
        task_from_terms(many, many.ids, name="t")


def test_task_yaml__gives_back_every_text():
    names = ["1e5", "no", "null", "a: b", "# c", "\u80ba\u764c", 'x "y"', "- z", "12:30", "AT/RT"]
    graph = KnowledgeGraph([term("X:1", "true", synonyms=names), term("X:2", "yes")])
    values = task_from_terms(graph, ["X:1", "X:2"], name="t")
    text = task_yaml(values, comment="two\nlines")
    assert text.startswith("# two\n# lines\nname: ")
    assert parse_yaml(text, source="x") == values


@pytest.mark.parametrize("depth", ["children", "leaves", "all"])
def test_task_from_terms__writes_a_task_for_brain_cancer(disease_ontology, depth):
    graph = disease_ontology
    ids = expand_terms(graph, graph.find("brain cancer"), depth)
    values = task_from_terms(graph, ids, name="brain")
    assert len(values["classes"]) == len(ids) + 1 > 10
    assert parse_yaml(task_yaml(values), source="x") == values
