"""A model with a task: scales agree, and everything that decides is in the parameters."""

from pathlib import Path

import pytest
import yaml

from medvlp.config.task import Task, load_task, parse_task
from medvlp.embedding.tiles import EmbedSettings
from medvlp.errors import ConfigError
from medvlp.models.bundle import Bundle, load_bundle
from medvlp.pipelines.judge import DiagnoseSettings
from medvlp.pipelines.judge_slides import SlideJudge, task_embed_settings
from medvlp.slides.tiling import TilingConfig


@pytest.fixture(scope="module")
def bundle(bundle_folder: Path) -> Bundle:
    return load_bundle(bundle_folder)


@pytest.fixture(scope="module")
def task(task_file: Path) -> Task:
    return load_task(task_file)


def changed(task_file: Path, **changes: object) -> Task:
    document = yaml.safe_load(task_file.read_text()) | changes
    return parse_task(document, source="test")


def test_task_embed_settings__takes_the_scale_of_the_task(task_file: Path) -> None:
    task = changed(task_file, scale={"mpp": 1.0, "tile_px": 128, "overlap": 0.5})
    settings = EmbedSettings(tiling=TilingConfig(min_tissue=0.2), batch_size=7)
    found = task_embed_settings(task, settings)
    assert found.tiling == TilingConfig(mpp=1.0, tile_px=128, overlap=0.5, min_tissue=0.2)
    assert found.batch_size == 7


def test_task_embed_settings__refuses_a_task_for_scans() -> None:
    task = parse_task(
        {
            "name": "cyst",
            "modality": "ct",
            "scale": {"spacing_mm": [1, 1, 1], "window_hu": [-100, 300]},
            "head": "mean",
            "classes": {"a": {"names": ["a"]}, "b": {"names": ["b"]}},
            "templates": ["{}"],
        },
        source="test",
    )
    with pytest.raises(ConfigError, match="task cyst is for ct"):
        task_embed_settings(task, EmbedSettings())


def test_judge__refuses_another_scale_than_the_models(
    bundle: Bundle, task_file: Path, tmp_path: Path
) -> None:
    task = changed(task_file, scale={"mpp": 0.25, "tile_px": 256})
    with pytest.raises(ConfigError, match=r"MV1516: .* asks for mpp 0.25, but model tiny was"):
        SlideJudge(bundle, task, DiagnoseSettings(embed=EmbedSettings()), tmp_path)
    allowed = DiagnoseSettings(embed=EmbedSettings(), allow_scale=True)
    assert SlideJudge(bundle, task, allowed, tmp_path).embedder.settings.tiling.mpp == 0.25


@pytest.mark.parametrize(
    "changes", [{"logit_scale": 3.0}, {"templates": ["a {}."]}, {"top_j": [5]}]
)
def test_judge__puts_all_that_decides_into_its_parameters(
    bundle: Bundle, task: Task, task_file: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    settings = DiagnoseSettings(embed=EmbedSettings())
    first = SlideJudge(bundle, task, settings, tmp_path).parameters()
    other = SlideJudge(bundle, changed(task_file, **changes), settings, tmp_path).parameters()
    assert first != other
    assert first == SlideJudge(bundle, task, settings, tmp_path).parameters()
