"""What a judged slide leaves in its folder."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.config.task import load_task
from medvlp.embedding.tiles import EmbedSettings
from medvlp.models.bundle import load_bundle
from medvlp.pipelines.judge import DiagnoseSettings
from medvlp.pipelines.judge_slides import SlideJudge
from medvlp.pipelines.slide_folder import SlideFinding
from medvlp.pipelines.tile_scores import read_tile_scores
from medvlp.types import Case


@pytest.fixture(scope="module")
def finding(
    phantom_slides: Path,
    bundle_folder: Path,
    task_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> SlideFinding:
    judge = SlideJudge(
        load_bundle(bundle_folder),
        load_task(task_file),
        DiagnoseSettings(embed=EmbedSettings()),
        tmp_path_factory.mktemp("features"),
    )
    path = sorted(phantom_slides.iterdir())[0]
    case = Case(case_id=path.name, case_key=path.stem, path=path, modality="slide")
    return judge.judge(case, "", lambda _: None)


def test_draw__writes_the_scores_that_the_verdict_rests_on(
    finding: SlideFinding, tmp_path: Path
) -> None:
    figures = finding.draw(tmp_path)
    assert [figure.path.name for figure in figures] == [
        "heatmap.png",
        "classes.png",
        "top_tiles.png",
    ]
    assert finding.verdict is not None
    table = read_tile_scores(tmp_path / "tiles.parquet")
    np.testing.assert_array_equal(table.probabilities, finding.verdict.tile_probabilities)
    regions = json.loads((tmp_path / "regions.geojson").read_text())
    assert regions["features"]


def test_draw__shows_the_overview_where_there_is_no_tissue(
    finding: SlideFinding, tmp_path: Path
) -> None:
    (figure,) = replace(finding, verdict=None).draw(tmp_path)
    assert figure.title == "Overview: no tissue found"
    with Image.open(figure.path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), finding.survey.overview.rgb)
    assert [path.name for path in tmp_path.iterdir()] == ["thumbnail.png"]
