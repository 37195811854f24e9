import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medvlp.config import run_schema
from medvlp.config.calibration_selection import calibration_selection
from medvlp.config.run_schema import build_run_schema, load_run_schema
from medvlp.config.run_selections import run_selection
from medvlp.config.run_tables import write_run_tables
from medvlp.config.runs import (
    CaseRow,
    FailureRow,
    ModelRecord,
    PredictionRow,
    RunRecord,
    TaskRecord,
    write_run_record,
)
from medvlp.io import read_csv
from tests.config.calibration_samples import tile_threshold

PYTHON_TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}


def problems(value, schema, where="") -> list[str]:
    """The part of JSON Schema that the file uses, read from the specification."""
    found = []
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, PYTHON_TYPES[kind]) for kind in kinds):
        return [f"{where}: {value!r} is no {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is not in {schema['enum']}")
    if isinstance(value, int | float):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            found.append(f"{where}: {value} is out of range")
    if isinstance(value, list):
        for item in value:
            found += problems(item, schema.get("items", {}), f"{where}[]")
    return found + (object_problems(value, schema, where) if isinstance(value, dict) else [])


def object_problems(value, schema, where) -> list[str]:
    found = [f"{where}: no {name}" for name in schema.get("required", []) if name not in value]
    for name, item in value.items():
        rules = [rule for known, rule in schema.get("properties", {}).items() if known == name]
        patterns = schema.get("patternProperties", {})
        rules += [rule for pattern, rule in patterns.items() if re.search(pattern, name)]
        others = schema.get("additionalProperties", {})
        if not rules and others is False:
            found.append(f"{where}: {name} is unknown")
        for rule in rules or [others or {}]:
            found += problems(item, rule, f"{where}.{name}")
    return found


def prediction(**changes) -> PredictionRow:
    values = {
        "case_id": "a",
        "model": "m",
        "task": "t",
        "modality": "slide",
        "status": "diagnosed",
        "prediction": "A",
        "findings": ("A",),
        "confidence": 1.0000001,
        "n_units": 3,
        "n_used": 3,
        "probabilities": {"A": 1.0000001, "B": 0.0},
        "scores": {"mean": 3.5},
        "node_path": ("cancer", "A"),
        "node_confidence": 1.0000001,
        "prediction_set": ("A", "B"),
    }
    return PredictionRow(**(values | changes))


def test_schema_file__is_up_to_date() -> None:
    assert load_run_schema() == build_run_schema(), "run: python -m medvlp.config.run_schema"
    path = Path(run_schema.__file__).with_name("run_schema.json")
    assert path.read_text(encoding="utf-8") == json.dumps(build_run_schema(), indent=2) + "\n"


def test_schema__describes_every_field() -> None:
    def descriptions(schema) -> list[str]:
        parts = [*schema["properties"].values(), *schema.get("patternProperties", {}).values()]
        return [part["description"] for part in parts]

    for name, schema in build_run_schema()["$defs"].items():
        assert all(text.strip() for text in descriptions(schema)), name


def test_schema__accepts_real_tables(tmp_path: Path) -> None:
    rows = [
        prediction(),
        prediction(case_id="b", status="no-tissue", prediction=None, confidence=None),
        prediction(
            task="u", probabilities={"C": 0.5}, findings=(), interval_low=0.1, node="DOID:4"
        ),
    ]
    failure = FailureRow(case_id="c", stage="open", code="MV1201", reason="r", hint="h")
    case = CaseRow(case_id="a", case_key="a", path="p")
    write_run_tables(tmp_path, rows, [failure], [case])
    schema = load_run_schema()["$defs"]
    written = pq.read_table(tmp_path / "predictions.parquet").to_pylist()
    assert len(written) == 3
    assert [p for row in written for p in problems(row, schema["prediction"])] == []
    for name, kind in (("failures", "failure"), ("cases", "case")):
        (row,) = read_csv(tmp_path / f"{name}.csv")
        assert problems(row, schema[kind]) == []


def test_schema__accepts_a_real_record(tmp_path: Path) -> None:
    record = RunRecord(
        medvlp_version="0.1.0",
        started_at="2026-01-01T00:00:00Z",
        models=(ModelRecord(name="m", modality="slide", weights_sha256="ab", embedding_dim=4),),
        tasks=(
            TaskRecord(
                name="t",
                modality="slide",
                heads=("mean",),
                settings_sha256="cd",
                scale={"mpp": 0.5, "tile_px": 256},
                prompts={"A": ("a", "b")},
            ),
        ),
        selections=(
            run_selection(
                calibration_selection(tile_threshold()), model="m", task="t", source="t.json"
            ),
        ),
        configuration={"seed": 1, "nested": {"x": [1, 2]}},
        counts={"diagnosed": 3},
        timings_s={"embed": 1.5},
    )
    document = json.loads(write_run_record(tmp_path, record).read_text())
    assert problems(document, load_run_schema()["$defs"]["run"]) == []
    assert problems(document | {"selections": None}, load_run_schema()["$defs"]["run"]) == []
    document["selections"][0]["on_test"] = "yes"
    assert problems(document, load_run_schema()["$defs"]["run"])


@pytest.mark.parametrize(
    "change",
    [
        {"status": "sure"},
        {"confidence": 1.5},
        {"n_used": -1},
        {"n_used": "3"},
        {"prob_A": "high"},
        {"findings": ["A"]},
        {"colour": "red"},
    ],
)
def test_schema__refuses_other_rows(tmp_path: Path, change) -> None:
    write_run_tables(tmp_path, [prediction()], [], [])
    (row,) = pq.read_table(tmp_path / "predictions.parquet").to_pylist()
    schema = load_run_schema()["$defs"]["prediction"]
    assert problems(row, schema) == []
    assert problems(row | change, schema)
    assert problems({k: v for k, v in row.items() if k != "status"}, schema)


def test_type_schema__refuses_types_that_json_lacks() -> None:
    with pytest.raises(TypeError, match="no schema for the type"):
        run_schema._type_schema(set)
