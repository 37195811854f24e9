import json
from pathlib import Path

import pytest

from medvlp.cli.commands.knowledge_link import link
from medvlp.errors import KnowledgeError, UsageError
from medvlp.io import read_csv
from medvlp.knowledge.graph import KnowledgeGraph, Term
from medvlp.knowledge.store import write_graph


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return write_graph(KnowledgeGraph([Term("T:1", "pneumonia")]), tmp_path / "graph.parquet")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.csv"
    path.write_text("id,caption\na,No pneumonia\nb,Pneumonia after fall\n")
    return path


def test_link__prints_a_summary(
    tmp_path: Path, graph: Path, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert link(texts, out=tmp_path / "out", graph=graph) == 0
    printed = capsys.readouterr().out
    assert "2 texts, 0 rows without a usable text" in printed
    assert "2 mentions (1 absent, 1 present) of 1 terms in 2 texts" in printed
    assert len(read_csv(tmp_path / "out" / "mentions.csv")) == 2


def test_link__prints_json(
    tmp_path: Path, graph: Path, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert link(texts, out=tmp_path / "out", graph=graph, json_output=True) == 0
    assert json.loads(capsys.readouterr().out)["mentions"] == {"absent": 1, "present": 1}


def test_link__names_bad_rows_and_exits_with_one(
    tmp_path: Path, graph: Path, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with texts.open("a") as file:
        file.write("".join(f"bad{number},\n" for number in range(12)))
    assert link(texts, out=tmp_path / "out", graph=graph) == 1
    told = capsys.readouterr().err
    assert "row 4 bad0: no text" in told
    assert "and 2 more rows" in told
    assert len(read_csv(tmp_path / "out" / "failures.csv")) == 12


def test_link__links_labels_by_a_map(
    tmp_path: Path, graph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, label_map = tmp_path / "labels.csv", tmp_path / "map.csv"
    labels.write_text("label\nTUM\nnormal\n")
    label_map.write_text("label,concept\nTUM,pneumonia\n")
    assert link(labels, out=tmp_path / "out", graph=graph, label_map=label_map) == 0
    assert "TUM\t1\tT:1 pneumonia\tmapping\t1.0" in capsys.readouterr().out


def test_link__finds_the_graph_by_its_variable(
    tmp_path: Path, graph: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDVLP_GRAPH", str(graph))
    assert link(texts, out=tmp_path / "out") == 0


def test_link__refuses_a_missing_graph_and_a_strange_confidence(
    tmp_path: Path, texts: Path
) -> None:
    with pytest.raises(KnowledgeError, match="there is no knowledge graph"):
        link(texts, out=tmp_path / "out", graph=tmp_path / "absent.parquet")
    with pytest.raises(UsageError, match="--min-confidence is 60"):
        link(texts, out=tmp_path / "out", min_confidence=60)
