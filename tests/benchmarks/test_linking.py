import json
from pathlib import Path

import pytest

from benchmarks import linking, linking_captions
from benchmarks.linking import main, score_sentences
from benchmarks.linking_sentences import Sentence

TERMS = [
    {"id": "T:0", "name": "disease"},
    {"id": "T:1", "name": "lung carcinoma", "synonyms": ["carcinoma of lung"], "parents": ["T:0"]},
    {"id": "T:2", "name": "pleural empyema", "parents": ["T:0"]},
    {"id": "T:3", "name": "multiple myeloma", "parents": ["T:0"]},
    {"id": "T:4", "name": "osteochondroma", "parents": ["T:0"]},
]


def sentence(text: str) -> Sentence:
    return Sentence(text, "plain", text, frozenset({"T:1", "T:2"}), "present")


def test_score_sentences__counts_pairs_of_term_and_status() -> None:
    answers = {
        "any bearer": {("T:2", "present")},
        "wrong status": {("T:1", "absent")},
        "one too many": {("T:1", "present"), ("T:9", "present")},
        "nothing": set(),
    }
    scores = score_sentences(answers.__getitem__, [sentence(text) for text in answers])
    # Two right; wrong are the status and the additional term; missed are the status and nothing.
    assert scores["all"] == scores["plain"]
    assert (scores["all"]["right"], scores["all"]["wrong"], scores["all"]["missed"]) == (2, 2, 2)
    assert (scores["all"]["precision"], scores["all"]["recall"]) == (0.5, 0.5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lines = "".join(json.dumps(term) + "\n" for term in TERMS)
    (tmp_path / "terms.jsonl").write_text(lines)
    radiology, pathology = linking_captions.CAPTION_FILES
    (tmp_path / radiology).write_text('{"id": "a", "caption": "No osteochondroma."}\n')
    (tmp_path / pathology).write_text('{"id": "b", "caption": "Multiple myeloma."}\n')
    notes = tmp_path / "notes.csv"
    notes.write_text("caption_id,doid,term,status\na,T:4,osteochondroma,absent\nb,,,\n")
    read = linking_captions.read_annotations
    monkeypatch.setattr(linking, "read_annotations", lambda: read(notes))
    return tmp_path


def test_main__reports_ours_beside_the_peers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--ontology", str(folder / "terms.jsonl"), "--captions", str(folder)]
    assert main([*words, "--count", "30", "--json", str(folder / "out.json")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1].startswith("linking: precision ")
    figures = json.loads((folder / "out.json").read_text())["figures"]
    assert {row["method"] for row in figures["sentences"]} == {"ours", "dictionary", "rapidfuzz"}
    halves = figures["captions"]["halves"].values()
    assert sum(half["annotated"] for half in halves) == 1
    assert [wrong for half in halves for wrong in half["wrong"]] == [["b", "T:3", "present"]]


def test_main__fails_the_check_where_the_target_is_missed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "TARGET_RECALL", 1.01)
    assert main(["--ontology", str(folder / "terms.jsonl"), "--count", "9", "--check"]) == 1
