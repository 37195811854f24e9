"""``medvlp knowledge``: build, show, search and prompts, up to a diagnosis of a real slide."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from medvlp.cli.commands.knowledge import open_graph
from medvlp.cli.main import main
from medvlp.config.task import load_task
from medvlp.errors import KnowledgeError
from medvlp.knowledge.store import write_graph
from tests.knowledge.example_graphs import tumour_graph

ROWS = (
    {"id": "X:1", "name": "disease"},
    {"id": "X:2", "name": "cancer", "parents": ["X:1"]},
    {"id": "X:3", "name": "old", "obsolete": True},
)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return write_graph(tumour_graph(), tmp_path / "graph.parquet")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_build__prints_counts_and_writes_the_graph(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / "g.parquet"
    assert main(["knowledge", "build", str(source), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "roots: 1 (X:1); depth 1" in text
    assert "1 obsolete terms left out, 0 of them replaced" in " ".join(text.split())
    assert len(open_graph(out)) == 2


def test_build__prints_json_and_reports_a_merge(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"id": "Y:1", "name": "Cancers"}\n')
    command = ["knowledge", "build", str(source), str(other), "--out", str(tmp_path / "g.parquet")]
    assert main([*command, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["terms"] == 3
    assert record["merges"][0]["conflicts"][0]["others"] == ["X:2"]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "not merged: Y:1 Cancers" in text
    assert "build with --merge-equal-names to merge also" in text
    assert main([*command, "--merge-equal-names"]) == 0
    assert "1 by name; added 0" in " ".join(capsys.readouterr().out.split())


def test_build__explains_a_broken_source_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "X:1", "name": "a", "parents": ["X:1"]}\n')
    out = tmp_path / "g.parquet"
    assert main(["knowledge", "build", str(path), "--out", str(out)]) == 2
    assert "MV2003: a.jsonl line 1: a term is its own ancestor" in capsys.readouterr().err
    assert not out.exists()
    assert main(["knowledge", "build", "--out", str(out)]) == 2
    assert "no source is given" in capsys.readouterr().err


def test_show__draws_a_term_or_prints_json(graph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["knowledge", "show", "Lung Cancers", "--graph", str(graph)]) == 0
    assert "        ├── lung adenocarcinoma  X:6" in capsys.readouterr().out
    assert main(["knowledge", "show", "X:6", "--graph", str(graph), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "lung adenocarcinoma"
    assert main(["knowledge", "show", "glioblastma", "--graph", str(graph)]) == 2
    assert "the nearest are 'glioblastoma' (X:8)" in capsys.readouterr().err
    assert main(["knowledge", "show", "brain", "cancer", "--graph", str(graph)]) == 0
    assert "brain cancer  X:5" in capsys.readouterr().out
    assert main(["knowledge", "show", "X:6", "--graph", str(graph), "--max-children", "-1"]) == 2
    assert "--max-children -1 is not valid" in capsys.readouterr().err


def test_search__lists_the_nearest_terms(graph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["knowledge", "search", "glioblastma", "--graph", str(graph)]) == 0
    assert capsys.readouterr().out.split()[1:3] == ["X:8", "glioblastoma"]
    assert main(["knowledge", "search", "gbm", "--graph", str(graph), "--json", "-n", "1"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["matched"] == "GBM"
    assert main(["knowledge", "search", "lung", "squamos", "--graph", str(graph), "-n", "1"]) == 0
    assert "X:7" in capsys.readouterr().out
    assert main(["knowledge", "search", "zzzqqq", "--graph", str(graph)]) == 0
    assert "nothing is near" in capsys.readouterr().err
    assert main(["knowledge", "search", "x", "--graph", str(graph), "--limit", "0"]) == 2


def test_prompts__writes_a_task_that_loads(
    tmp_path: Path, graph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "task.yaml"
    command = ["knowledge", "prompts", "cancer", "--graph", str(graph)]
    assert main([*command, "--depth", "leaves", "--out", str(out), "--mpp", "0.25"]) == 0
    assert "4 classes are in" in capsys.readouterr().out
    task = load_task(out)
    assert task.name == "cancer"
    assert task.class_names[-1] == "Normal"
    assert len(task.templates) == 22
    assert task.scale is not None
    assert main([*command, "--no-normal", "--no-include-synonyms"]) == 0
    (tmp_path / "b.yaml").write_text(capsys.readouterr().out)
    task = load_task(tmp_path / "b.yaml")
    assert (task.heads, task.class_names) == (("top-j",), ("lung cancer", "brain cancer"))


def test_prompts__takes_a_list_of_terms_and_refuses_nothing(
    graph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["knowledge", "prompts", "--graph", str(graph), "--name", "mine"]
    assert main([*command, "GBM", "lung cancer but not X:8"]) == 0
    text = capsys.readouterr().out
    assert "glioblastoma:" in text
    assert "name: mine" in text
    assert main([*command, "lung cancer but not lung cancer"]) == 2
    assert "MV2012" in capsys.readouterr().err
    assert main([*command, "GBM", "lung cancer", "--threshold", "0.7"]) == 2
    assert "threshold" in capsys.readouterr().err
    assert main([*command, "GBM", "--threshold", "0.7"]) == 0
    assert "threshold: 0.7" in capsys.readouterr().out
    assert main(command) == 2


def test_prompts__expands_a_term_but_not_an_expression(
    graph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["knowledge", "prompts", "--graph", str(graph)]
    for one_term in ("lung cancer", '"lung cancer"', "x:4"):
        assert main([*command, one_term]) == 0
        assert "lung adenocarcinoma:" in capsys.readouterr().out
    assert main([*command, "children of cancer but not brain cancer"]) == 0
    assert "positive: lung cancer" in capsys.readouterr().out


def test_commands__say_that_a_graph_holds_text_of_the_umls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "keep.json", tmp_path / "g.parquet"
    source.write_text('{"X:1": {"name": "cancer", "synonyms": ["malignancy"]}}')
    assert main(["knowledge", "build", str(source), "--out", str(out)]) == 0
    assert "Holds text of the UMLS" in capsys.readouterr().out
    assert open_graph(out).holds_umls
    assert main(["knowledge", "prompts", "cancer", "--graph", str(out)]) == 0
    assert "# Holds text of the UMLS" in capsys.readouterr().out


def test_open_graph__looks_at_the_variable_and_the_working_folder(
    tmp_path: Path, graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEDVLP_GRAPH", raising=False)
    monkeypatch.chdir(tmp_path)
    assert len(open_graph(None)) == 8
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(KnowledgeError, match=r"MV2000.*medvlp knowledge build"):
        open_graph(None)
    monkeypatch.setenv("MEDVLP_GRAPH", str(graph))
    assert len(open_graph(None)) == 8
    monkeypatch.setenv("MEDVLP_GRAPH", "nowhere.parquet")
    with pytest.raises(KnowledgeError, match="MV2000"):
        open_graph(None)


def test_knowledge__needs_no_torch(graph: Path) -> None:
    code = (
        "import sys\n"
        "from medvlp.cli.main import main\n"
        "try:\n    main(['knowledge', '--help'])\nexcept SystemExit as stop:\n"
        "    assert not stop.code\n"
        "heavy = {'torch', 'numpy', 'pyarrow', 'fastobo'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        f"assert main(['knowledge', 'show', 'GBM', '--graph', {str(graph)!r}]) == 0\n"
        f"assert main(['knowledge', 'prompts', 'cancer', '--graph', {str(graph)!r}]) == 0\n"
        "assert 'torch' not in sys.modules\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert "prompts" in run.stdout


@pytest.mark.slow
def test_prompts__of_brain_cancer_diagnose_a_real_slide(
    tmp_path: Path, real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ontology = real_data / "knowledge/do_2026-07-31/doid_rebuilt_full.jsonl"
    graph, task = tmp_path / "graph.parquet", tmp_path / "task.yaml"
    assert main(["knowledge", "build", str(ontology), "--out", str(graph)]) == 0
    prompts = ["knowledge", "prompts", "brain cancer", "--graph", str(graph), "--out", str(task)]
    assert main(prompts) == 0
    slide = real_data / "slides/pyramids/cmu1_small_pyramid.svs"
    out = tmp_path / "run"
    model = random_bundle(tmp_path / "tiny")
    command = ["zero-shot", str(slide), "--model", str(model), "--task", str(task)]
    assert main([*command, "--out", str(out), "--device", "cpu"]) == 0
    assert "1 of 1 cases done" in capsys.readouterr().out
    header, row = (out / "predictions.csv").read_text().splitlines()
    assert "prob_gliomatosis cerebri" in header
    assert "brain-cancer" in row
    assert (out / "report.html").is_file()


def random_bundle(folder: Path) -> Path:
    """Write a tiny dual encoder with random weights."""
    from medvlp.models.architecture import (
        DualEncoderSettings,
        ImageTowerSettings,
        TextTowerSettings,
    )
    from medvlp.models.bundle import BundleCard, save_bundle
    from medvlp.models.bundle_schema import BundleScale, Provenance
    from medvlp.models.dual_encoder import DualEncoder
    from medvlp.text.tokenizer import train_tokenizer
    from medvlp.types import ImagePreprocessing

    settings = DualEncoderSettings(
        embed_dim=24,
        image=ImageTowerSettings(architecture="test_resnet"),
        text=TextTowerSettings(width=32, layers=1, heads=2, feedforward=48, max_tokens=32),
    )
    tokenizer = train_tokenizer(["brain glioma", "normal tissue", "an H&E image of sarcoma"], 120)
    card = BundleCard(
        name="tiny",
        modality="slide",
        preprocessing=ImagePreprocessing(
            input_px=48,
            resize_px=48,
            interpolation="bilinear",
            mean=(0.7, 0.6, 0.7),
            std=(0.2, 0.2, 0.2),
        ),
        scale=BundleScale(mpp=0.5, tile_px=256),
        provenance=Provenance(medvlp_version="0", libraries={}, data="", settings={}),
        license="CC0-1.0",
    )
    save_bundle(folder, DualEncoder(settings, tokenizer.vocab_size), tokenizer, card)
    return folder
