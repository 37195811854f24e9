"""Loading a task: the example of the documentation, defaults, and files beside it."""

from pathlib import Path

import pytest
import yaml

from medvlp.config.task import (
    FittedThreshold,
    PromptSource,
    SlideScale,
    load_task,
    parse_task,
    task_settings,
)
from medvlp.errors import ConfigError
from medvlp.io import write_json
from tests.config.calibration_samples import finding_thresholds, tile_threshold
from tests.config.task_documents import ct_task, detection_task, finding_task, slide_task

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


@pytest.mark.parametrize("build", [slide_task, detection_task, ct_task, finding_task])
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


def test_load_task__reads_the_threshold_that_it_names(tmp_path: Path) -> None:
    write_json(tmp_path / "t.json", tile_threshold(threshold=0.375).model_dump(mode="json"))
    path = write(tmp_path, yaml.safe_dump(detection_task(threshold={"from": "t.json"})))
    task = load_task(path)
    assert isinstance(task.threshold, FittedThreshold)
    assert task.tile_threshold == 0.375
    again = parse_task(task.model_dump(mode="json", by_alias=True), source="there")
    with pytest.raises(ValueError, match=r"load the task from its file to read .*t\.json"):
        _ = again.tile_threshold


PAIRS = {name: {"names": [name], "absent_names": [f"no {name}"]} for name in ("A", "B")}


def test_load_task__reads_a_threshold_for_each_finding(tmp_path: Path) -> None:
    write_json(tmp_path / "t.json", finding_thresholds().model_dump(mode="json"))
    document = ct_task(threshold={"from": "t.json"}, classes=PAIRS)
    task = load_task(write(tmp_path, yaml.safe_dump(document)))
    assert task.finding_thresholds == finding_thresholds()
    assert [task.finding_threshold(name) for name in task.finding_names] == [0.25, 0.5]
    assert task_settings(task)["threshold"]["values"] == {"A": 0.25, "B": 0.5}
    with pytest.raises(ValueError, match="holds a threshold for each finding"):
        _ = task.tile_threshold


def test_load_task__refuses_thresholds_that_lack_a_finding(tmp_path: Path) -> None:
    write_json(tmp_path / "t.json", finding_thresholds().model_dump(mode="json"))
    classes = PAIRS | {"C": {"names": ["C"], "absent_names": ["no C"]}}
    path = write(tmp_path, yaml.safe_dump(ct_task(threshold={"from": "t.json"}, classes=classes)))
    with pytest.raises(ConfigError, match=r"MV1521: .* holds none for 'C'"):
        load_task(path)
    classes["C"]["threshold"] = 0.75
    path = write(tmp_path, yaml.safe_dump(ct_task(threshold={"from": "t.json"}, classes=classes)))
    assert load_task(path).finding_threshold("C") == 0.75


def test_finding_threshold__of_the_class_itself_comes_first(tmp_path: Path) -> None:
    write_json(tmp_path / "t.json", finding_thresholds().model_dump(mode="json"))
    classes = PAIRS | {"A": PAIRS["A"] | {"threshold": 0.125}}
    document = ct_task(threshold={"from": "t.json"}, classes=classes)
    task = load_task(write(tmp_path, yaml.safe_dump(document)))
    assert [task.finding_threshold(name) for name in task.finding_names] == [0.125, 0.5]


def test_load_task__refuses_tiles_for_findings_and_findings_for_tiles(tmp_path: Path) -> None:
    write_json(tmp_path / "t.json", tile_threshold().model_dump(mode="json"))
    path = write(tmp_path, yaml.safe_dump(ct_task(threshold={"from": "t.json"}, classes=PAIRS)))
    with pytest.raises(ConfigError, match=r"MV1520: .*a calibration of 'tile-threshold'"):
        load_task(path)
    write_json(tmp_path / "t.json", finding_thresholds().model_dump(mode="json"))
    path = write(tmp_path, yaml.safe_dump(detection_task(threshold={"from": "t.json"})))
    with pytest.raises(ConfigError, match=r"MV1520: .*a calibration of 'finding-thresholds'"):
        load_task(path)


def test_load_task__refuses_a_threshold_file_of_another_kind(tmp_path: Path) -> None:
    path = write(tmp_path, yaml.safe_dump(detection_task(threshold={"from": "t.json"})))
    for text, phrase in (("{", "is not valid JSON"), ("{}", "is no calibration")):
        (tmp_path / "t.json").write_text(text)
        with pytest.raises(ConfigError, match=phrase) as caught:
            load_task(path)
        assert caught.value.code == "MV1520"
    (tmp_path / "t.json").unlink()
    with pytest.raises(ConfigError, match="MV1004"):
        load_task(path)


def test_task_settings__do_not_depend_on_where_files_lie(tmp_path: Path) -> None:
    document = yaml.safe_dump(
        detection_task(prompts={"file": "keep.json"}, threshold={"from": "t.json"})
    )
    found = []
    for name, content in (("a", "1"), ("b", "1"), ("c", "2")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "keep.json").write_text(content)
        write_json(folder / "t.json", tile_threshold().model_dump(mode="json"))
        found.append(task_settings(load_task(write(folder, document))))
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert str(tmp_path) not in str(found)
    assert found[0]["threshold"]["value"] == 0.25


def test_load_task__looks_for_the_book_of_findings_beside_the_task(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text("findings: []")
    task = load_task(write(tmp_path, yaml.safe_dump(finding_task(book="book.yaml"))))
    assert task.book == tmp_path / "book.yaml"
    assert set(task.finding_names) == {"effusion", "a rare thing"}
    assert set(task_settings(task)["book"]) == {"name", "sha256"}
