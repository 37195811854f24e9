"""``medvlp doctor``: every finding has a grade, and a failure has a way out."""

import importlib.metadata
import json

import pytest

from medvlp.cli.commands import doctor
from medvlp.cli.main import main


def test_doctor__finds_this_machine_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    names = {finding["name"] for finding in findings}
    assert {"torch and torchvision", "slide reading", "codec JPEG", "codec JPEG 2000"} <= names
    assert {finding["grade"] for finding in findings} <= {"PASS", "WARN"}


def test_doctor__prints_a_line_per_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    assert "PASS  slide reading: openslide" in capsys.readouterr().out


def test_doctor__fails_on_a_library_below_its_floor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata,
        "version",
        lambda name: "2.6.3" if name == "lightning" else real(name),
    )
    assert main(["doctor"]) == 1
    assert "FAIL  lightning: 2.6.3, older than 2.6.6" in capsys.readouterr().out


def test_doctor__turns_a_broken_check_into_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("no such device")

    broken.__name__ = "_check_resources"
    monkeypatch.setattr(doctor, "_check_resources", broken)
    findings = {finding.name: finding for finding in doctor.examine()}
    assert findings["resources"].grade == "FAIL"
    assert "no such device" in findings["resources"].text
