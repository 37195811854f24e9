"""``medvlp explain``."""

import json

import pytest

from medvlp.cli.main import main


def test_explain__prints_meaning_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "mv1203"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("MV1203: ")
    assert "--slide-mpp" in text


def test_explain__prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "MV1001", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert set(record) == {"code", "title", "meaning", "remedy"}


def test_explain__answers_an_unknown_code_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", "MV1203A"]) == 2
    assert "did you mean 'MV1203'" in capsys.readouterr().err
