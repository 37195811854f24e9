import json

from benchmarks import phantom_speed


def test_main__prints_a_table_and_writes_the_figures(tmp_path, capsys):
    code = phantom_speed.main(["--size-px", "512", "--json", str(tmp_path / "a.json")])

    lines = capsys.readouterr().out.splitlines()
    record = json.loads((tmp_path / "a.json").read_text())
    (row,) = record["rows"]
    assert code == 0
    assert lines[0].split()[0] == "diagnosis"
    assert lines[1].split()[0] == row["diagnosis"] == "glandular"
    assert record["settings"] == {"size_px": 512, "threads": 2}
    assert row["wall_s"] > 0
    assert row["peak_gb"] > 0.01


def test_main__check_fails_when_the_target_is_missed(monkeypatch, capsys):
    slow = {"wall_s": 99.0, "cpu_s": 1.0, "peak_gb": 0.1, "file_mb": 1.0}
    monkeypatch.setattr(phantom_speed, "_measure_apart", lambda *_: dict(slow))

    assert phantom_speed.main([]) == 0
    assert phantom_speed.main(["--check"]) == 1
    assert "MISSED" in capsys.readouterr().out
