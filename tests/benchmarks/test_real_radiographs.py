"""The command: what it prints, writes and exits with, training left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks import real_radiographs
from benchmarks.film_experiment.films import QUESTIONS, Film

if TYPE_CHECKING:
    from benchmarks.film_experiment.cells import Fold
    from benchmarks.film_experiment.training import Recipe


def films(_: Path) -> list[Film]:
    findings = [question.finding for question in QUESTIONS.values()]
    return [
        Film("set", Path(f"{n}.png"), f"p{n // 2}", "", {name: n % 2 for name in findings})
        for n in range(120)
    ]


def play(monkeypatch: pytest.MonkeyPatch, *, strength: float) -> None:
    """Answers of the given strength in the place of training."""

    def run(out: Path, fold: Fold, recipe: Recipe) -> dict[str, Any]:
        rng = np.random.default_rng(0)
        test = fold.part(test=True)
        answers = {}
        for key, question in QUESTIONS.items():
            label = np.array([film.labels[question.finding] for film in test])
            answers[f"network {key}"] = strength * label + rng.normal(size=len(test))
            answers[f"pixels {key}"] = label + rng.normal(size=len(test))
            answers[f"blank {key}"] = np.zeros(len(test))
        names = np.array([film.name for film in test])
        np.savez(out / f"{fold.name}.npz", films=names, **answers)
        return {"fold": fold.name, "seconds": {"judging": 0.0}}

    monkeypatch.setattr(real_radiographs, "run_fold", run)
    monkeypatch.setattr(real_radiographs, "read_films", films)


def command(tmp_path: Path) -> list[str]:
    places = ["--out", str(tmp_path / "out"), "--json", str(tmp_path / "report.json")]
    return [str(tmp_path), *places, "--draws", "50", "--check"]


def test_main__writes_every_question_and_meets_its_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play(monkeypatch, strength=8.0)
    assert real_radiographs.main(command(tmp_path)) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert set(report["figures"]["questions"]) == set(QUESTIONS)
    assert report["figures"]["missed"] == []
    assert report["figures"]["films"]["set"]["films"] == 120
    assert len(report["figures"]["folds"]) == 3
    assert "training part of fold 0" in report["settings"]["looked_at"]
    printed = capsys.readouterr().out
    assert all(question.title in printed for question in QUESTIONS.values())


def test_main__exits_1_below_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play(monkeypatch, strength=0.5)
    assert real_radiographs.main(command(tmp_path)) == 1
    assert "MISSED lateral / frontal, all" in capsys.readouterr().out


def test_main__judges_within_the_training_part_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, strength=8.0)
    assert real_radiographs.main([*command(tmp_path), "--inner"]) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [fold["fold"] for fold in report["figures"]["folds"]] == ["inner"]


def test_main__asks_for_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDVLP_TEST_DATA", raising=False)
    with pytest.raises(SystemExit, match="MEDVLP_TEST_DATA"):
        real_radiographs.main([])
