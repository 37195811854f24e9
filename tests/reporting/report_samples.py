"""A small run with every kind of outcome, for the tests of the report."""

from pathlib import Path

import numpy as np

from medvlp.config.runs import (
    CalibrationRecord,
    CaseRow,
    FailureRow,
    ModelRecord,
    PredictionRow,
    RunRecord,
    TaskRecord,
)
from medvlp.reporting.page_records import CaseDetails, CaseFigure
from medvlp.reporting.pictures import save_png


def model(name: str = "tiny") -> ModelRecord:
    return ModelRecord(
        name=name,
        modality="slide",
        weights_sha256="3a7b" * 16,
        source="/home/someone/bundles/tiny",
        embedding_dim=64,
        logit_scale=50.0,
        licence="Apache-2.0",
    )


def task(
    name: str = "rcc", classes: tuple[str, ...] = ("CCRCC", "PRCC", "Normal"), **changes: object
) -> TaskRecord:
    return TaskRecord(
        name=name,
        modality="slide",
        heads=("subtype-ratio", "mean"),
        settings_sha256="9f2c" * 16,
        scale={"mpp": 0.5, "tile_px": 256},
        logit_scale=50.0,
        normal="Normal",
        prompts={c: tuple(f"prompt {n} of {c}" for n in range(3)) for c in classes},
        **changes,
    )


def calibration(**changes) -> CalibrationRecord:
    values = {
        "model": "tiny",
        "task": "rcc",
        "source_sha256": "5d1e" * 16,
        "temperature": 0.375,
        "alpha": 0.1,
        "method": "lac",
        "num_cases": 40,
        "coverage": 0.925,
        "ece_left_out": 0.0625,
    }
    return CalibrationRecord(**(values | changes))


def record(**changes) -> RunRecord:
    values = {
        "medvlp_version": "0.1.0",
        "started_at": "2026-01-02T03:04:05Z",
        "models": (model(),),
        "tasks": (task(),),
        "configuration": {"input": "/home/someone/slides"},
        "versions": {"python": "3.12.1"},
        "hashes": {"manifest": "ab12" * 16},
        "timings_s": {"embed": 1234.5},
    }
    return RunRecord(**(values | changes))


def case(case_id: str, key: str = "k") -> CaseRow:
    return CaseRow(case_id=case_id, case_key=key, path=f"/home/someone/slides/{case_id}")


def prediction(case_id: str, **changes) -> PredictionRow:
    values = {
        "case_id": case_id,
        "model": "tiny",
        "task": "rcc",
        "modality": "slide",
        "status": "diagnosed",
        "prediction": "CCRCC",
        "confidence": 0.8125,
        "n_units": 1300,
        "n_used": 1234,
        "n_failed": 7,
        "probabilities": {"CCRCC": 0.8125, "PRCC": 0.1875, "Normal": 0.0},
        "scores": {"mean": 0.625},
    }
    return PredictionRow(**(values | changes))


def empty(case_id: str) -> PredictionRow:
    return prediction(
        case_id,
        status="no-tissue",
        prediction=None,
        confidence=None,
        n_units=0,
        n_used=0,
        n_failed=0,
        probabilities={},
        scores={},
    )


def failure(case_id: str, **changes) -> FailureRow:
    values = {
        "case_id": case_id,
        "stage": "open",
        "code": "MV1203",
        "reason": f"/home/someone/slides/{case_id} has no scale",
        "hint": "give --slide-mpp",
    }
    return FailureRow(**(values | changes))


def details(folder: Path, notes: tuple[str, ...] = ("Decided by the ratio.",)) -> CaseDetails:
    folder.mkdir(parents=True, exist_ok=True)
    save_png(folder / "heat.png", np.full((40, 60, 3), 128, dtype=np.uint8))
    figure = CaseFigure(path=folder / "heat.png", title="Heat map", description="scores of tiles")
    wide = CaseFigure(
        path=folder / "heat.png", title="Tiles", description="best tiles", is_wide=True
    )
    return CaseDetails(figures=(figure, wide), notes=notes)
