import errno
import json
from pathlib import Path

import pytest

from medvlp.errors import OutputError
from medvlp.jobs.journal import Journal


def test_journal__appends_one_line_per_event_at_once(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.write("started", key="a", case_id="\u0436/\ud800")
        (path,) = tmp_path.iterdir()
        assert json.loads(path.read_text())["event"] == "started"
        journal.write("done", key="a", seconds=1.5)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["started", "done"]
    assert lines[0]["case_id"] == "\u0436/\ud800"
    assert lines[1]["seconds"] == 1.5
    assert lines[0]["time"] <= lines[1]["time"]


def test_journal__has_one_file_per_run(tmp_path: Path) -> None:
    for _ in range(3):
        with Journal(tmp_path) as journal:
            journal.write("done", key="a")
    assert len(list(tmp_path.glob("*.jsonl"))) == 3


def test_journal__reports_a_full_disk(tmp_path: Path) -> None:
    class Full:
        def write(self, text: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    with Journal(tmp_path) as journal:
        journal._file.close()
        journal._file = Full()
        with pytest.raises(OutputError, match="MV1105"):
            journal.write("done", key="a")
