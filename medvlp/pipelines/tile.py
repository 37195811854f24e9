"""A folder of slides in, tissue and tile coordinates out; no model is involved."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import h5py
import numpy as np

from medvlp import __version__
from medvlp.errors import FeatureError, MedvlpError
from medvlp.io import json_sha256, publish_folder, write_json
from medvlp.io.hdf5_checks import open_checked, read_attributes
from medvlp.jobs.runner import JobItem, run_items
from medvlp.jobs.workers import WorkerLimits, run_in_worker
from medvlp.pipelines.cases import MODALITY_WORDS, items_of, write_case_tables
from medvlp.reporting.geojson import tissue_feature, write_geojson
from medvlp.reporting.overlays import draw_heatmap
from medvlp.reporting.pictures import save_png
from medvlp.reporting.rasters import SlideOverview, TileLayout
from medvlp.slides.survey import SlideSurvey, slide_content_sha256, survey_slide
from medvlp.slides.tiling import TilingConfig
from medvlp.slides.tissue import TissueConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medvlp.jobs.progress import ProgressSink
    from medvlp.jobs.runner import JobReport, LeaseSettings
    from medvlp.pipelines.discover import Discovery
    from medvlp.types import Case

__all__ = ["TileSettings", "tile_slides"]


@dataclass(frozen=True, kw_only=True)
class TileSettings:
    """How slides are tiled."""

    tiling: TilingConfig = field(default_factory=TilingConfig)
    """Scale, size, overlap and least tissue of the tiles."""

    tissue: TissueConfig = field(default_factory=TissueConfig)
    """How tissue is found."""

    limits: WorkerLimits = field(default_factory=WorkerLimits)
    """Memory and time that one slide may take."""


def tile_slides(
    discovery: Discovery,
    settings: TileSettings,
    out: Path,
    *,
    progress: ProgressSink,
    lease: LeaseSettings,
) -> JobReport:
    """Find tissue and plan the tiles of every slide.

    Each slide gets a folder ``out/tiles/<case_key>/``: ``tiles.h5`` (``coords (N, 2)`` int64
    level-0 top-left corners and ``tissue (N,)`` shares, with the attributes that TRIDENT's readers
    look for), ``tissue.geojson``, ``overview.png`` and ``plan.json``.

    Args:
        discovery: The cases.
        settings: Tiling and tissue settings, limits.
        out: Output folder; several processes may share it.
        progress: Shows rate and time left.
        lease: How long a silent process keeps its slide.

    Returns:
        What became of each case.
    """
    parameters: dict[str, object] = {
        "version": __version__,
        "tiling": asdict(settings.tiling),
        "tissue": asdict(settings.tissue),
    }

    def is_done(item: JobItem[Case]) -> bool:
        path = _folder(out, item.payload) / "tiles.h5"
        return path.exists() and _check_same(path, item.payload, parameters)

    def work(item: JobItem[Case], note_stage: Callable[[str], None]) -> None:
        case = item.payload
        note_stage("open slide")
        if case.modality != "slide":
            what = MODALITY_WORDS[case.modality]
            raise MedvlpError(
                "MV1122",
                f"{case.path.name} is a {what}; tiles are cut from slides only",
                hint="'medvlp embed' and 'medvlp zero-shot' take scans",
            )
        survey = run_in_worker(
            survey_slide,
            case.path,
            case.companions,
            case.slide_mpp,
            settings.tiling,
            settings.tissue,
            limits=settings.limits,
        )
        note_stage("write tiles")
        _write_tiles(_folder(out, case), case, survey, parameters)

    report = run_items(
        items_of(discovery),
        work,
        is_done=is_done,
        state_folder=out / ".medvlp" / "tile",
        progress=progress,
        lease=lease,
    )
    write_case_tables(out, discovery, report)
    return report


def _folder(out: Path, case: Case) -> Path:
    return out / "tiles" / case.case_key


def _fingerprint(slide_sha256: str, slide_mpp: float | None, parameters: dict[str, object]) -> str:
    return json_sha256({"slide": slide_sha256, "slide_mpp": slide_mpp, **parameters})


def _check_same(path: Path, case: Case, parameters: dict[str, object]) -> bool:
    with open_checked(path) as file:
        found = str(read_attributes(file).get("params_sha256", ""))
    content = slide_content_sha256(case.path, case.companions)
    wanted = _fingerprint(content, case.slide_mpp, parameters)
    if found != wanted:
        raise FeatureError(
            "MV1306",
            f"the tiles of {case.case_id} were planned from another slide or with other parameters "
            f"({found[:12]})",
            expected=f"slide and parameters of this run ({wanted[:12]})",
            hint="choose another output folder, or delete the folder of the slide",
        )
    return True


def _write_tiles(
    folder: Path, case: Case, survey: SlideSurvey, parameters: dict[str, object]
) -> None:
    plan, spec = survey.plan, survey.plan.spec
    layout = TileLayout(coords_px0=plan.coords, tile_px0=spec.level0.tile_px0)
    overview = SlideOverview(
        thumbnail_rgb=survey.overview.rgb,
        px0_per_px=survey.overview.px0_per_px,
        mpp_xy=survey.mpp_xy,
        tissue_mask=survey.tissue.mask,
        tissue_px0_per_px=survey.tissue.px0_per_px,
    )
    picture = draw_heatmap(
        overview, layout, plan.tissue.astype(np.float64), title="Tissue share of each tile"
    )
    tissue = tissue_feature(survey.tissue.mask, survey.tissue.px0_per_px, mpp_xy=survey.mpp_xy)
    fingerprint = _fingerprint(survey.content_sha256, case.slide_mpp, parameters)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with publish_folder(folder) as partial:
        with h5py.File(partial / "tiles.h5", "w", libver=("v110", "v110")) as file:
            file.attrs["params_sha256"] = np.bytes_(fingerprint)
            coords = file.create_dataset("coords", data=plan.coords, track_times=False)
            file.create_dataset("tissue", data=plan.tissue, track_times=False)
            for name, value in _trident_attributes(case, survey).items():
                coords.attrs[name] = value
        save_png(partial / "overview.png", picture)
        write_geojson(partial / "tissue.geojson", [] if tissue is None else [tissue])
        record = {
            "tiles": plan.num_tiles,
            "outcome": "tiled" if plan.num_tiles else "no-tissue",
            "size_px0": survey.size_px0,
            "mpp_xy": survey.mpp_xy,
            "mpp_source": survey.mpp_source,
            "reader": survey.reader_id,
            "slide_sha256": survey.content_sha256,
            "geometry": spec.parameters(),
            **parameters,
        }
        write_json(partial / "plan.json", record)


def _trident_attributes(case: Case, survey: SlideSurvey) -> dict[str, object]:
    spec = survey.plan.spec
    mpp = (survey.mpp_xy[0] * survey.mpp_xy[1]) ** 0.5
    return {
        "patch_size": spec.target.tile_px,
        "patch_size_level0": round(sum(spec.level0.tile_px0) / 2),
        "level0_magnification": 10.0 / mpp,
        "target_magnification": 10.0 / spec.target.mpp,
        "overlap": round(spec.target.overlap * spec.target.tile_px),
        "name": case.case_key,
        "savetodir": ".",
        "level0_width": survey.size_px0[0],
        "level0_height": survey.size_px0[1],
    }
