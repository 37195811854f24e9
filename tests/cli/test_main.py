"""The command line: help, exit codes, and messages that say what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medvlp.cli.main import main


def test_help__lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in (
        "demo",
        "tile",
        "embed",
        "zero-shot",
        "calibrate",
        "evaluate",
        "probe",
        "train",
        "inspect",
        "doctor",
        "explain",
    ):
        assert name in text


def test_help__offers_no_flag_that_empties_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zero-shot", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--model" in text
    assert "--empty" not in text


def test_version__is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["zero-shto"], "zero-shot"),
        (["explain", "MV1001", "--jsn"], "Unknown option"),
        (["explain"], "CODE"),
        (["embed", "x.svs", "--out", "o", "--model", "m", "--tile_pxx", "3"], "Unknown option"),
    ],
)
def test_usage__is_answered_with_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    found = capsys.readouterr()
    assert message in found.err + found.out


def test_usage__of_a_missing_input_is_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tile", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "MV1101" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_usage__of_a_folder_without_slides_is_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    assert main(["tile", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 2
    assert "MV1102" in capsys.readouterr().err


def test_usage__of_an_output_that_is_a_file_is_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.svs").write_bytes(b"II*\0")
    (tmp_path / "out").write_text("taken")
    assert main(["tile", str(tmp_path / "a.svs"), "--out", str(tmp_path / "out")]) == 2
    assert "MV1103" in capsys.readouterr().err


@pytest.mark.parametrize(
    "entry", [["-m", "medvlp"], ["-c", "import medvlp.cli.main as m; m.main()"]]
)
def test_module__runs_as_a_program(entry: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, *entry, "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert "zero-shot diagnosis" in run.stdout
    assert run.stderr == ""
