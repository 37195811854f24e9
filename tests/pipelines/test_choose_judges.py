"""Models and tasks find each other by modality; one without the other is refused."""

from pathlib import Path

import pytest
import yaml

from medvlp.config.task import load_task, parse_task
from medvlp.embedding.tiles import EmbedSettings
from medvlp.errors import UsageError
from medvlp.models.bundle import load_bundle
from medvlp.pipelines.choose_judges import check_modalities, choose_judges
from medvlp.pipelines.judge import DiagnoseSettings

SETTINGS = DiagnoseSettings(embed=EmbedSettings())


def test_check_modalities__accepts_models_and_tasks_of_the_same_kinds() -> None:
    check_modalities(
        [("s", "slide"), ("c", "ct"), ("c2", "ct")], [("subtypes", "slide"), ("masses", "ct")]
    )


def test_check_modalities__refuses_a_model_without_a_task() -> None:
    with pytest.raises(UsageError, match=r"MV1130: model c takes ct cases.*subtypes \(slide\)"):
        check_modalities([("s", "slide"), ("c", "ct")], [("subtypes", "slide")])


def test_check_modalities__refuses_a_task_without_a_model() -> None:
    with pytest.raises(UsageError, match=r"MV1131: task masses is for ct cases.*s \(slide\)"):
        check_modalities([("s", "slide")], [("subtypes", "slide"), ("masses", "ct")])


def test_choose_judges__gives_every_model_every_task(
    bundle_folder: Path, task_file: Path, tmp_path: Path
) -> None:
    bundle, task = load_bundle(bundle_folder), load_task(task_file)
    document = yaml.safe_load(task_file.read_text()) | {"name": "other"}
    other = parse_task(document, source="test")
    judges = choose_judges([bundle], [task, other], SETTINGS, tmp_path)
    assert [judge.task.name for judge in judges] == [task.name, "other"]
    assert {judge.modality for judge in judges} == {"slide"}


def test_choose_judges__refuses_two_tasks_of_one_name(
    bundle_folder: Path, task_file: Path, tmp_path: Path
) -> None:
    task = load_task(task_file)
    with pytest.raises(UsageError, match="is given twice"):
        choose_judges([load_bundle(bundle_folder)], [task, task], SETTINGS, tmp_path)
