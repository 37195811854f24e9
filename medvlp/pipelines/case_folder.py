"""The folder of one case: its result, pictures for people, and regions for QuPath."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medvlp.config.runs import PredictionRow, RunFolder
from medvlp.errors import OutputError
from medvlp.io import case_keys, publish_folder, write_json
from medvlp.jobs.workers import WorkerLimits, stream_in_worker
from medvlp.pipelines.tile_scores import TILE_SCORES_FILE, TileScoreTable, write_tile_scores
from medvlp.reporting.contact_sheet import TileGroup, draw_contact_sheet, top_tile_indices
from medvlp.reporting.geojson import (
    class_region_features,
    tile_features,
    tissue_feature,
    unread_feature,
    write_geojson,
)
from medvlp.reporting.overlays import draw_class_map, draw_heatmap
from medvlp.reporting.page import CaseDetails, CaseFigure
from medvlp.reporting.pictures import save_png
from medvlp.reporting.rasters import SlideOverview, TileLayout
from medvlp.slides.tile_reading import STATUS_OK, read_tiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.config.task import Task
    from medvlp.slides.features import SlideFeatures
    from medvlp.slides.survey import SlideSurvey
    from medvlp.types import Case
    from medvlp.zeroshot.heads import SlideVerdict

__all__ = [
    "CaseResult",
    "Finding",
    "picture_folder",
    "read_case_result",
    "result_path",
    "write_case_folder",
]

_RESULT_FILE = "result.json"
_TOP_TILES = 6


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one model and task found on a slide.

    Attributes:
        row: The line of the prediction table.
        task: The task.
        survey: What is known of the slide.
        features: Its features; without tiles where there is no tissue.
        verdict: The answer of the task's head, None where there is no tissue.
        notes: Sentences about the finding, such as the rule that decided.
        folder: Name of the subfolder for pictures, empty for the case's own folder.
    """

    row: PredictionRow
    task: Task
    survey: SlideSurvey
    features: SlideFeatures
    verdict: SlideVerdict | None
    notes: tuple[str, ...] = ()
    folder: str = ""


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """What a finished case folder says.

    Attributes:
        slide_sha256: Hash of the slide that was judged.
        parameters_sha256: Hash of models, tasks and settings.
        rows: Lines of the prediction table.
        details: Pictures and notes for the report.
    """

    slide_sha256: str
    parameters_sha256: str
    rows: tuple[PredictionRow, ...]
    details: CaseDetails


def result_path(run: RunFolder, case: Case) -> Path:
    """Return the file whose existence says that a case is finished."""
    return run.case_folder(case.case_key) / _RESULT_FILE


def picture_folder(task: str, model: str, num_judges: int) -> str:
    """Return the subfolder of a case for one model with one task, empty where there is one only.

    Args:
        task: Name of the task.
        model: Name of the model.
        num_judges: How many models with tasks the run has.
    """
    if num_judges == 1:
        return ""
    return "__".join(case_keys([name])[name] for name in (task, model))


def read_case_result(run: RunFolder, case: Case) -> CaseResult:
    """Read the result of a finished case.

    Raises:
        OutputError: MV1111 if the file is not what this program writes.
    """
    path = result_path(run, case)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        figures = tuple(
            CaseFigure(**{**figure, "path": path.parent / figure["path"]})
            for figure in record["figures"]
        )
        return CaseResult(
            slide_sha256=record["slide_sha256"],
            parameters_sha256=record["parameters_sha256"],
            rows=tuple(_row_from_json(row) for row in record["rows"]),
            details=CaseDetails(figures=figures, notes=tuple(record["notes"])),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            "MV1111",
            f"the result of case {case.case_id} is damaged ({type(error).__name__})",
            hint=f"delete the folder cases/{case.case_key} of the run and start again",
        ) from error


def _row_from_json(values: dict[str, Any]) -> PredictionRow:
    lists = {
        name: None if values[name] is None else tuple(values[name])
        for name in ("node_path", "prediction_set")
    }
    return PredictionRow(**{**values, **lists})


def write_case_folder(
    run: RunFolder,
    case: Case,
    findings: Sequence[Finding],
    *,
    parameters_sha256: str,
    limits: WorkerLimits,
) -> None:
    """Draw and write everything of one case; the folder appears whole, and once.

    Args:
        run: The run folder.
        case: The slide.
        findings: One per model and task.
        parameters_sha256: Hash of models, tasks and settings.
        limits: Limits of the worker that reads the tiles shown.

    Raises:
        AlreadyPublishedError: If another process published the case first.
        OutputError: If the folder cannot be written.
    """
    final = run.case_folder(case.case_key)
    final.parent.mkdir(parents=True, exist_ok=True)
    with publish_folder(final) as folder:
        figures: list[dict[str, Any]] = []
        notes: list[str] = []
        for finding in findings:
            place = folder / finding.folder
            place.mkdir(parents=True, exist_ok=True)
            drawn = _draw(place, case, finding, limits)
            figures += [
                {**asdict(figure), "path": figure.path.relative_to(folder).as_posix()}
                for figure in drawn
            ]
            notes += finding.notes
        record = {
            "slide_sha256": findings[0].survey.content_sha256,
            "parameters_sha256": parameters_sha256,
            "rows": [asdict(finding.row) for finding in findings],
            "figures": figures,
            "notes": notes,
        }
        write_json(folder / _RESULT_FILE, record)


def _draw(place: Path, case: Case, finding: Finding, limits: WorkerLimits) -> list[CaseFigure]:
    survey, features, verdict = finding.survey, finding.features, finding.verdict
    overview = SlideOverview(
        thumbnail_rgb=survey.overview.rgb,
        px0_per_px=survey.overview.px0_per_px,
        mpp_xy=survey.mpp_xy,
        tissue_mask=survey.tissue.mask,
        tissue_px0_per_px=survey.tissue.px0_per_px,
    )
    save_png(place / "thumbnail.png", survey.overview.rgb)
    if verdict is None:
        title = "Overview: no tissue found"
        return [CaseFigure(path=place / "thumbnail.png", title=title, description=title)]
    _write_tile_scores(place, finding, verdict)
    tiles = TileLayout(
        coords_px0=features.coords,
        tile_px0=features.meta.tile_px0,
        failed_coords_px0=features.failed_coords,
    )
    names, neutral = list(finding.task.class_names), finding.task.normal
    probabilities = np.asarray(verdict.tile_probabilities, np.float64)
    labels = probabilities.argmax(axis=1)
    shown = _class_to_show(finding, verdict)
    heat = probabilities[:, names.index(shown)]
    title = f"Tile score of {shown}"
    save_png(place / "heatmap.png", draw_heatmap(overview, tiles, heat, title=title))
    class_map = draw_class_map(
        overview, tiles, labels, names, title="Class of each tile", neutral=neutral
    )
    save_png(place / "classes.png", class_map)
    regions = [
        tissue_feature(survey.tissue.mask, survey.tissue.px0_per_px, mpp_xy=survey.mpp_xy),
        *class_region_features(tiles, labels, names, mpp_xy=survey.mpp_xy, neutral=neutral),
        unread_feature(tiles),
    ]
    write_geojson(place / "regions.geojson", [region for region in regions if region is not None])
    write_geojson(
        place / "tiles.geojson.zip", tile_features(tiles, probabilities, names, neutral=neutral)
    )
    sheet = _top_tile_sheet(case, finding, probabilities, limits)
    save_png(place / "top_tiles.png", sheet)
    return [
        CaseFigure(
            path=place / "heatmap.png",
            title=title,
            description=f"Thumbnail with the score of {shown} of each tile in colour",
        ),
        CaseFigure(
            path=place / "classes.png",
            title="Class of each tile",
            description="Thumbnail with the most probable class of each tile in colour",
        ),
        CaseFigure(
            path=place / "top_tiles.png",
            title="Tiles with the highest scores",
            description="For each class the tiles with the highest score",
            is_wide=True,
        ),
    ]


def _write_tile_scores(place: Path, finding: Finding, verdict: SlideVerdict) -> None:
    features = finding.features
    table = TileScoreTable(
        class_names=finding.task.class_names,
        coords_px0=features.coords,
        probabilities=verdict.tile_probabilities,
        tile_px0=features.meta.tile_px0,
        step_px0=features.meta.step_px0,
        size_px0=features.meta.level0_size_px0,
    )
    write_tile_scores(place / TILE_SCORES_FILE, table)


def _class_to_show(finding: Finding, verdict: SlideVerdict) -> str:
    """Return the class whose heat map says most: the positive one, else the predicted finding."""
    task = finding.task
    if task.positive is not None:
        return task.positive
    if verdict.prediction is not None and verdict.prediction != task.normal:
        return verdict.prediction
    others = [name for name in task.class_names if name != task.normal]
    return max(others, key=lambda name: verdict.probabilities.get(name, 0.0))


def _top_tile_sheet(
    case: Case, finding: Finding, probabilities: NDArray[np.float64], limits: WorkerLimits
) -> NDArray[np.uint8]:
    """Read the highest scoring tiles of each class again, at full size, and lay them out."""
    survey, features = finding.survey, finding.features
    best = top_tile_indices(probabilities, _TOP_TILES)
    wanted = np.unique(best)
    plan = replace(
        survey.plan, coords=features.coords[wanted], tissue=np.ones(len(wanted), np.float32)
    )
    pixels: dict[int, NDArray[np.uint8]] = {}
    for batch in stream_in_worker(
        read_tiles, case.path, case.slide_mpp, plan, None, 16, limits=limits
    ):
        good = batch.index[batch.status == STATUS_OK]
        pixels.update(zip(wanted[good].tolist(), batch.rgb, strict=True))
    groups = [
        TileGroup(
            label=name,
            tiles_rgb=[pixels[index] for index in row.tolist() if index in pixels],
            scores=[probabilities[index, column] for index in row.tolist() if index in pixels],
        )
        for column, (name, row) in enumerate(zip(finding.task.class_names, best, strict=True))
    ]
    tile_um = features.meta.tile_px * features.meta.target_mpp
    return draw_contact_sheet(groups, tile_um=tile_um)
