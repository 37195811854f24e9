"""What is kept of a judged slide: pictures for people, tile scores, and regions for QuPath."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

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
from medvlp.reporting.page import CaseFigure
from medvlp.reporting.pictures import save_png
from medvlp.reporting.rasters import SlideOverview, TileLayout
from medvlp.slides.tile_reading import STATUS_OK, read_tiles

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.config.runs import PredictionRow
    from medvlp.config.task import Task
    from medvlp.slides.features import SlideFeatures
    from medvlp.slides.survey import SlideSurvey
    from medvlp.types import Case
    from medvlp.zeroshot.heads import SlideVerdict

__all__ = ["SlideFinding"]

_TOP_TILES = 6


@dataclass(frozen=True, kw_only=True)
class SlideFinding:
    """What one model and task found on a slide.

    Attributes:
        case: The slide.
        row: The line of the prediction table.
        task: The task.
        survey: What is known of the slide.
        features: Its features; without tiles where there is no tissue.
        verdict: The answer of the task's head, None where there is no tissue.
        limits: Limits of the worker that reads the tiles shown.
        notes: Sentences about the finding, such as the rule that decided.
        folder: Name of the subfolder for pictures, empty for the case's own folder.
    """

    case: Case
    row: PredictionRow
    task: Task
    survey: SlideSurvey
    features: SlideFeatures
    verdict: SlideVerdict | None
    limits: WorkerLimits
    notes: tuple[str, ...] = ()
    folder: str = ""

    @property
    def content_sha256(self) -> str:
        """Hash of the slide that was judged."""
        return self.survey.content_sha256

    @property
    def mask_sha256(self) -> str:
        """Empty: slides are judged without a mask."""
        return ""

    def draw(self, place: Path) -> list[CaseFigure]:
        """Write pictures, tile scores and regions, and return the pictures for the report."""
        return _draw(place, self)


def _draw(place: Path, finding: SlideFinding) -> list[CaseFigure]:
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
    sheet = _top_tile_sheet(finding, probabilities)
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


def _write_tile_scores(place: Path, finding: SlideFinding, verdict: SlideVerdict) -> None:
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


def _class_to_show(finding: SlideFinding, verdict: SlideVerdict) -> str:
    """Return the class whose heat map says most: the positive one, else the predicted finding."""
    task = finding.task
    if task.positive is not None:
        return task.positive
    if verdict.prediction is not None and verdict.prediction != task.normal:
        return verdict.prediction
    others = [name for name in task.class_names if name != task.normal]
    return max(others, key=lambda name: verdict.probabilities.get(name, 0.0))


def _top_tile_sheet(finding: SlideFinding, probabilities: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Read the highest scoring tiles of each class again, at full size, and lay them out."""
    case, survey, features = finding.case, finding.survey, finding.features
    best = top_tile_indices(probabilities, _TOP_TILES)
    wanted = np.unique(best)
    plan = replace(
        survey.plan, coords=features.coords[wanted], tissue=np.ones(len(wanted), np.float32)
    )
    pixels: dict[int, NDArray[np.uint8]] = {}
    for batch in stream_in_worker(
        read_tiles, case.path, case.slide_mpp, plan, None, 16, limits=finding.limits
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
