"""Loading a task: the example of the documentation, defaults, and files beside it."""

from pathlib import Path

import pytest
import yaml

from medvlp.config.task import PromptSource, SlideScale, load_task, parse_task
from medvlp.errors import ConfigError
from tests.config.task_documents import ct_task, detection_task, slide_task

EXAMPLE = """
name: rcc-subtyping
modality: slide                      # slide | ct | radiograph
scale: {mpp: 0.5, tile_px: 256, overlap: 0.0}
head: subtype-ratio
normal: Normal
top_j: [10, 50]
aggregate: mean                      # or sum
threshold: 0.5
logit_scale: model                   # or a number
classes:
  CCRCC: {names: [clear cell renal cell carcinoma, ccRCC], concept: "DOID:4467"}
  PRCC: {names: [papillary renal cell carcinoma]}
  Normal: {names: [normal tissue, no tumour, no]}
templates: ["an H&E image of {}.", "{} is present."]
prompts: {ensemble: all}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "TASK.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_load_task__reads_the_documented_example(tmp_path: Path) -> None:
    task = load_task(write(tmp_path, EXAMPLE))
    assert task.name == "rcc-subtyping"
    assert task.scale == SlideScale(mpp=0.5, tile_px=256)
    assert task.heads == ("subtype-ratio",)
    assert task.top_j == (10, 50)
    assert task.class_names == ("CCRCC", "PRCC", "Normal")
    assert task.classes["CCRCC"].concept == "DOID:4467"
    assert task.classes["Normal"].names == ("normal tissue", "no tumour", "no")
    assert task.logit_scale == "model"
    assert task.prompts.ensemble == "all"


@pytest.mark.parametrize("build", [slide_task, detection_task, ct_task])
def test_load_task__fills_in_the_documented_defaults(tmp_path: Path, build) -> None:
    task = load_task(write(tmp_path, yaml.safe_dump(build())))
    assert task.threshold == 0.5
    assert task.aggregate == "mean"
    assert task.logit_scale == "model"
    assert task.top_j == ()
    assert task.prompts.ensemble == "all"


def test_load_task__looks_for_the_prompt_file_beside_the_task(tmp_path: Path) -> None:
    path = write(tmp_path, yaml.safe_dump(slide_task(prompts={"file": "p/keep.json"})))
    assert load_task(path).prompts.ensemble == PromptSource(file=tmp_path / "p" / "keep.json")


def test_load_task__names_the_nearest_key_of_a_typo(tmp_path: Path) -> None:
    path = write(tmp_path, EXAMPLE.replace("templates:", "template:"))
    with pytest.raises(ConfigError, match=r"TASK.yaml: template is not .* mean 'templates'") as e:
        load_task(path)
    assert e.value.code == "MV1001"


def test_load_task__refuses_a_class_that_is_listed_twice(tmp_path: Path) -> None:
    twice = EXAMPLE.replace("  PRCC:", "  CCRCC:")
    with pytest.raises(ConfigError, match="key 'CCRCC' is given twice"):
        load_task(write(tmp_path, twice))


def test_parse_task__reads_plain_values() -> None:
    assert parse_task(detection_task(), source="here").positive == "Tumor"


def test_task__survives_a_round_trip_through_its_own_keys() -> None:
    task = parse_task(slide_task(prompts={"screen": 5}, top_j=[1]), source="here")
    again = parse_task(task.model_dump(mode="json", by_alias=True), source="there")
    assert again == task
