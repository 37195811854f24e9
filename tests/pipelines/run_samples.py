"""A finished run folder, made by hand, for the tests of calibration."""

from pathlib import Path
from typing import Any

import numpy as np

from medvlp.config.run_selections import RunSelection
from medvlp.config.run_tables import write_run_tables
from medvlp.config.runs import (
    CaseRow,
    ModelRecord,
    PredictionRow,
    RunRecord,
    TaskRecord,
    write_run_record,
)
from medvlp.config.task import Task, parse_task, task_settings
from medvlp.io import json_sha256, write_json
from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.terms import Term
from medvlp.pipelines.tile_scores import TILE_SCORES_FILE, TileScoreTable, write_tile_scores

CLASSIFIER = "c1" * 32
WEIGHTS = "aa" * 32


def task_document(**changes: Any) -> dict[str, Any]:
    """Return the task of the run with top-level keys changed."""
    document = {
        "name": "rcc",
        "modality": "slide",
        "scale": {"mpp": 0.5, "tile_px": 256},
        "head": "mean",
        "positive": "CC",
        "normal": "Normal",
        "classes": {name: {"names": [name]} for name in ("CC", "PAP", "Normal")},
        "templates": ["{}."],
    }
    return {key: value for key, value in (document | changes).items() if value is not None}


FINDINGS: dict[str, Any] = {
    "name": "chest",
    "modality": "radiograph",
    "scale": None,
    "head": "findings",
    "positive": None,
    "normal": None,
    "classes": {name: {"names": [name]} for name in ("fluid", "nodule", "coin")},
    "templates": None,
}
"""Changes that make it a task of findings."""


def slide_sha256(number: int) -> str:
    """Return the hash of the content of a case of the run."""
    return f"{number:064x}"


def write_run(
    folder: Path,
    probabilities: np.ndarray,
    *,
    judge: dict[str, Any] | None = None,
    selections: tuple[RunSelection, ...] | None = None,
    **task_changes: Any,
) -> Task:
    """Write a run whose case ``s<i>.svs`` has the given probabilities; half of its tiles are CC.

    Args:
        folder: Where to.
        probabilities: Shape ``(n, C)``.
        judge: Changes of the record of the model with the task.
        selections: What was chosen on which cases.
        task_changes: Changed keys of the task.
    """
    task = parse_task(task_document(**task_changes), source="test")
    names = task.class_names
    rows, cases = [], []
    for number, shares in enumerate(probabilities):
        case_id = f"s{number}.svs"
        rows.append(
            PredictionRow(
                case_id=case_id,
                model="tiny",
                task=task.name,
                modality=task.modality,
                status="diagnosed",
                prediction=names[int(np.argmax(shares))],
                findings=tuple(n for n, p in zip(names, shares, strict=True) if p > 0.5)
                if task.finding_names
                else None,
                confidence=float(max(shares)),
                n_units=4,
                n_used=4,
                probabilities=dict(zip(names, shares.tolist(), strict=True)),
            )
        )
        cases.append(CaseRow(case_id=case_id, case_key=f"s{number}", path=f"/x/{case_id}"))
        place = folder / "cases" / f"s{number}"
        place.mkdir(parents=True)
        write_json(place / "result.json", {"content_sha256": slide_sha256(number)})
        scores = np.asarray([[0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.2, 0.8, 0.0], [0.1, 0.0, 0.9]])
        write_tile_scores(
            place / TILE_SCORES_FILE,
            TileScoreTable(
                class_names=names,
                coords_px0=np.asarray([[0, 0], [256, 0], [0, 256], [256, 256]]),
                probabilities=scores.astype(np.float32),
                tile_px0=(256, 256),
                step_px0=(256, 256),
                size_px0=(512, 512),
            ),
        )
    write_run_tables(folder, rows, [], cases)
    settings = task_settings(task)
    record = RunRecord(
        medvlp_version="0",
        started_at="",
        models=(ModelRecord(name="tiny", modality=task.modality, weights_sha256=WEIGHTS),),
        selections=selections,
        tasks=(
            TaskRecord(
                name=task.name,
                modality=task.modality,
                heads=task.heads,
                settings_sha256=json_sha256(settings),
                settings=settings,
            ),
        ),
        configuration={
            "judges": [
                {
                    "model": "tiny",
                    "task": task.name,
                    "modality": task.modality,
                    "classifier_sha256": CLASSIFIER,
                    "calibration_sha256": None,
                }
                | (judge or {})
            ]
        },
    )
    write_run_record(folder, record)
    return task


def write_labels(path: Path, labels: list[str], column: str = "label") -> Path:
    """Write a table of labels for the cases of a run, in their order."""
    lines = [f"case_id,{column}", *(f"s{n}.svs,{label}" for n, label in enumerate(labels))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def graph() -> KnowledgeGraph:
    """Return a graph of four terms: K:2 and K:3 below K:1 below K:0."""
    terms = (("K:0", "disease", ()), ("K:1", "RCC", ("K:0",)))
    leaves = (("K:2", "clear cell RCC", ("K:1",)), ("K:3", "papillary RCC", ("K:1",)))
    return KnowledgeGraph(
        Term(id=key, name=name, synonyms=(), definitions=(), parents=above, xrefs=())
        for key, name, above in (*terms, *leaves)
    )
