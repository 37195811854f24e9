"""``medvlp status``: one run as facts, several as a table, all as JSON, and no torch for it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from medvlp.cli.commands.status import duration, status
from medvlp.errors import UsageError
from tests.training.test_status import make_run


def test_status__tells_the_facts_of_a_run(tmp_path: Path, capsys) -> None:
    assert status(make_run(tmp_path / "run")) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    facts = {name: text.strip() for name, text in lines.items()}
    assert facts["run"] == "tiny (pairs)"
    assert facts["state"] == "silent"
    assert facts["step"] == "25 of 100"
    assert facts["checkpoints"] == "10, 20 (goes on after 20)"
    assert facts["train/loss"] == "0.25"
    assert facts["validation/loss"] == "0.75 (step 9)"


def test_status__tells_several_runs_as_a_table(tmp_path: Path, capsys) -> None:
    make_run(tmp_path / "first", state="finished")
    make_run(tmp_path / "second", state="stopped", why="SIGUSR1")
    assert status(tmp_path) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["RUN", "STATE", "STEP"]
    assert [row.split()[:5] for row in rows] == [
        ["first", "finished", "25", "of", "100"],
        ["second", "stopped", "25", "of", "100"],
    ]


def test_status__prints_json_for_programs(tmp_path: Path, capsys) -> None:
    runs = [make_run(tmp_path / name) for name in ("a", "b")]
    assert status(*runs, json_output=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["folder"] for each in found] == [str(run) for run in runs]
    assert found[0]["metrics"]["train/loss"] == 0.25


def test_status__prints_json_where_a_loss_is_infinite(tmp_path: Path, capsys) -> None:
    log = make_run(tmp_path / "run") / "logs" / "metrics.csv"
    log.write_text(log.read_text() + "\n1,39,-inf,inf,1.0\n")
    assert status(tmp_path, json_output=True) == 0
    (found,) = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (found["metrics"]["train/loss"], found["validation"]["validation/loss"]) == (None, None)
    assert found["metrics"]["speed/samples_per_s"] == 1.0


def test_status__wants_a_run() -> None:
    with pytest.raises(UsageError, match="no run was named"):
        status()


def test_status__imports_no_torch(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    code = (
        "import sys; from medvlp.cli.main import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'lightning', 'numpy', 'pyarrow', 'wandb'} & set(sys.modules);"
        "assert not heavy, heavy; raise SystemExit(code)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, "status", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert "25 of 100" in found.stdout


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (61, "1 min 01 s"),
        (3 * 3600 + 300, "3 h 05 min"),
        (90000, "1 d 01 h"),
    ],
)
def test_duration__has_two_units(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected
