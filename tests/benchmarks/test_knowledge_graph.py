import json

import pytest

from benchmarks import knowledge_graph


@pytest.fixture
def data(tmp_path):
    """Tiny files with the names of the real ones."""
    folder = tmp_path / "data"
    (folder / "do_2026-07-31").mkdir(parents=True)
    term = "[Term]\nid: DOID:4\nname: disease\nxref: NCI:C1\n"
    (folder / knowledge_graph.OBO_2016).write_text(f"format-version: 1.2\n\n{term}")
    (folder / knowledge_graph.SLIM).write_text(f"format-version: 1.2\n\n{term}")
    (folder / knowledge_graph.JSONL).write_text(
        '{"id": "DOID:4", "name": "d", "xrefs": ["NCI:C1"]}'
    )
    node = {"name": "n", "externalReferences": {"NCI": ["C1"]}, "children": {}}
    (folder / knowledge_graph.ONCOTREE).write_text(json.dumps({"A": node}))
    return folder


def test_main__measures_builds_and_loads_and_names_an_absent_peer(
    data, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(knowledge_graph, "BUILD_TARGET_S", 1e6)
    monkeypatch.setattr(knowledge_graph, "LOAD_TARGET_S", 1e6)
    path = tmp_path / "r.json"
    assert knowledge_graph.main([str(data), "--runs", "1", "--json", str(path), "--check"]) == 0
    text = capsys.readouterr().out
    assert "OncoTree: 0 merged by id, 1 by cross-reference, 0 added" in text
    assert "not installed; give --peer-python" in text
    assert text.splitlines()[-1].endswith(": met")
    rows = json.loads(path.read_text())["figures"]["rows"]
    assert [row["kind"] for row in rows] == ["build", "load"] * 4 + ["peer"] * 4
    assert rows[8]["terms"] == 1


def test_is_met__fails_for_slow_or_refused_builds():
    fine = {"kind": "build", "wall_s": 1.0}
    assert knowledge_graph.is_met([fine, {"kind": "peer", "wall_s": 99.0}])
    assert not knowledge_graph.is_met([fine, {"kind": "load", "wall_s": 0.4}])
    assert not knowledge_graph.is_met([fine, {"kind": "build", "refused": "no"}])
