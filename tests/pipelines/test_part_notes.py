"""Parts are known by their files, and bytes that come twice are refused the second time."""

from pathlib import Path

from medvlp.jobs.outcomes import JobItem, JobReport, Outcome
from medvlp.pipelines.part_notes import file_stamps, read_note, refuse_repeated


def test_file_stamps__change_with_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    (folder / "1").write_bytes(b"abc")
    before = file_stamps((folder, folder / "1", None, tmp_path / "none"))
    assert [stamp[0] for stamp in before] == [2, 1, 0, 0]
    (folder / "2").write_bytes(b"d")
    assert file_stamps((folder,)) != before[:1]


def test_read_note__gives_nothing_of_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "n.json").write_text('{"a": 1}')
    assert read_note(tmp_path / "n.json") == {"a": 1}
    for text in ("{", "[1]"):
        (tmp_path / "n.json").write_text(text)
        assert read_note(tmp_path / "n.json") == {}


def test_refuse_repeated__keeps_the_first_of_the_good_ones() -> None:
    items = [JobItem(key, f"case {key}", None) for key in "abcd"]
    outcomes = [Outcome(i.key, i.case_id, "done", 0.0) for i in items]
    outcomes[0] = Outcome("a", "case a", "failed", 0.0, code="MV2402")
    hashes = {"b": "1", "c": "2", "d": "1"}
    report = refuse_repeated(
        items, JobReport(tuple(outcomes)), hashes.__getitem__, code="MV1732", hint="h"
    )
    assert [o.code for o in report.outcomes] == ["MV2402", "", "", "MV1732"]
    assert report.outcomes[3].reason == "case d has the bytes of case b"
