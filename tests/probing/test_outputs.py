import json

import pyarrow.parquet as pq
import pytest
from PIL import Image

from medvlp.io import read_csv
from medvlp.probing.run_probe import run_probe
from medvlp.probing.settings import ProbeSettings
from tests.probing.probe_samples import cohort, write_cohort, write_rows


def test_write_class_probe__writes_what_the_figures_rest_on(tmp_path):
    features, labels = write_cohort(tmp_path, 30)
    record = run_probe(features, labels, "tumour", tmp_path / "out", ProbeSettings(draws=5))
    out = tmp_path / "out"
    assert json.loads((out / "metrics.json").read_text()) == json.loads(json.dumps(record))
    assert record["encoder"].startswith("timm:tiny")
    assert record["group_column"] == "patient_id"
    rows = read_csv(out / "predictions.csv")
    assert pq.read_table(out / "predictions.parquet").num_rows == len(rows) == 30
    truth = {row["case_id"]: row["tumour"] for row in cohort(30)[1]}
    right = 0
    for row in rows:
        assert row["label"] == truth[row["case_id"]]
        benign, malignant = float(row["prob_benign"]), float(row["prob_malignant"])
        assert benign + malignant == pytest.approx(1)
        assert row["prediction"] == ("malignant" if malignant > benign else "benign")
        right += row["prediction"] == row["label"]
    assert record["results"]["embedding"]["accuracy"]["value"] == pytest.approx(right / 30)
    for name in ("roc.png", "calibration.png"):
        with Image.open(out / name) as picture:
            assert picture.width > 300


def test_write_survival_probe__writes_curves_and_pictures_of_each_input(tmp_path):
    features, labels = write_cohort(tmp_path, 40)
    radiomics = write_rows(
        tmp_path / "radiomics.csv",
        [{"case_id": row["case_id"], "x": place % 7} for place, row in enumerate(cohort(40)[1])],
    )
    settings = ProbeSettings(draws=2, horizons=(12.0,), radiomics=radiomics, folds=2)
    run_probe(features, labels, "survival", tmp_path / "out", settings)
    rows = read_csv(tmp_path / "out" / "predictions.csv")
    truth = {row["case_id"]: row for row in cohort(40)[1]}
    for row in rows:
        assert float(row["months"]) == truth[row["case_id"]]["months"]
        assert 0 <= float(row["fusion:survival_12"]) <= 1
        assert row["risk_group"] in {"low", "high"}
    by_risk = sorted(
        (r for r in rows if r["part"] == "fold 1"), key=lambda r: -float(r["log_hazard"])
    )
    curves = [float(row["survival_12"]) for row in by_risk]
    assert curves == sorted(curves)
    for name in ("kaplan_meier", "kaplan_meier_radiomics", "kaplan_meier_fusion", "calibration_12"):
        with Image.open(tmp_path / "out" / f"{name}.png") as picture:
            assert picture.width > 300
